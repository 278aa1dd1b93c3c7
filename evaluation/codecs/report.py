"""Reports of a comparison of codecs: sentences, tables, curves and pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.decoded import DecodedSplit
from evaluation import bootstrap, tables
from evaluation.codecs import (
    image_formats,
    published,
    rate_distortion,
    round_trips,
)
from evaluation.codecs.image_formats import ImageFormat
from evaluation.codecs.rate_distortion import OURS, Comparison
from evaluation.codecs.round_trips import BITS, Codec
from evaluation.metrics import registry
from evaluation.report.report import Report
from evaluation.tables import Table

# Keys of tables.
BD_RATE, EQUAL_QUALITY, SETTINGS = "bd_rate", "bytes_at_equal_quality", "codec_settings"

_MS_SSIM_DIGITS = 4  # files are nearer to the original than restored faces
_SHOWN = 4  # typical images


def results(found: Comparison) -> dict[str, Any]:
    """Everything that was measured, for a JSON file."""
    return {
        "points": {
            codec: [
                {"setting": setting, **found.summary[setting]}
                for setting in found.by_rate(codec)
            ]
            for codec in found.settings
        },
        "bd_rate_percent": found.bd_rates,
        "bytes_at_our_quality": {key: found.at_our_quality(key) for key in found.keys},
        "statements": [span(found), *statements(found)],
        "tables": all_tables(found),
    }


def make_report(
    found: Comparison,
    codecs: Mapping[str, Codec],
    split: DecodedSplit,
    *,
    title: str,
    citation: str,
    environment: Mapping,
    departures: Sequence[str],
) -> Report:
    """The report: ours, {setting: codec}, in the main table, formats in those below.

    For the options see `Report`.
    """
    data, labels = split.source.info.title, found.by_rate(OURS)
    setting, pictures = typical_images(found, codecs, image_formats.available(), split)
    (rows,) = pictures.values()
    return Report(
        title=title,
        subtitle=f"{data}, {found.size} px, {', '.join(labels)}",
        citation=citation,
        summary={label: found.summary[label] for label in labels},
        ours=labels,
        metrics=(),  # no large numbers: a rate without its quality says nothing
        statements=[
            f"{tables.counted(len(split), 'test image')} of {data}; the networks have "
            "seen none of them.",
            span(found),
            *statements(found),
        ],
        tables=all_tables(found),
        curves=[
            *(rate_distortion.chart(found, key) for key in found.keys),
            *filter(None, map(published.chart, found.keys)),
        ],
        pictures=pictures,
        pictures_note=f"Ours is {setting}. Each format is shown at the quality whose "
        "file is nearest in bytes; its smallest file may be larger.",
        hero=[{**row, "images": row["images"][:3]} for row in rows[:3]],
        environment=environment,
        departures=departures,
        notes=[
            "Bytes are those of whole files, headers included. JPEG, WebP and AVIF "
            "halve the resolution of chroma. AVIF's slower settings make smaller "
            "files; --slow_formats measures the slowest."
        ],
    )


def span(found: Comparison) -> str:
    """The range of our rates."""
    rates = [found.summary[setting][BITS]["mean"] for setting in found.by_rate(OURS)]
    if len(rates) < 2:
        return f"Ours is one point, at {rates[0]:.3f} bits per pixel."
    return (
        f"Our {len(rates)} points take {rates[0]:.3f} to {rates[-1]:.3f} bits per "
        f"pixel, a factor of {rates[-1] / rates[0]:.1f}."
    )


def statements(found: Comparison) -> list[str]:
    """A sentence for each quality and each format, and the smallest files of all."""
    smallest = [
        f"{codec} {_whole(found.bytes_of(entry[BITS]['mean']))}"
        for codec in found.settings
        for entry in [found.summary[found.by_rate(codec)[0]]]
    ]
    return [
        *(_statement(found, key, name) for key in found.keys for name in found.formats),
        f"Smallest files in bytes, at any quality: {', '.join(smallest)}.",
    ]


def _statement(found: Comparison, key: str, name: str) -> str:
    """The codec that takes fewer bytes, by how much, and at which of our points."""
    entry, what = found.bd_rates[key][name], registry.metric_of(key).short
    shown = tables.with_interval(entry, 1, signed=True)
    span = f"{entry['from']:.1f} to {entry['to']:.1f} dB"
    if not math.isfinite(entry["mean"]):
        alone = len(found.settings[OURS]) == 1
        why = "one run is no curve" if alone else f"ours and {name} share no range"
        said = f"{what}: {why}, so there is no BD-rate"
    elif entry["count"] < bootstrap.ENOUGH or not math.isfinite(entry["low"]):
        images = tables.counted(entry["count"], "image")
        said = f"{what}: BD-rate against {name} {shown}%, over {span}, but {images} "
        said += "are too few to say" if entry["count"] > 1 else "is too few to say"
    elif entry["low"] <= 0 <= entry["high"]:
        said = f"At equal {what} ours takes about as many bytes as {name}: "
        said += f"BD-rate {shown}%, over {span}"
    else:
        fewer = entry["mean"] < 0
        ends = sorted(abs(entry[end]) for end in ("low", "high"))
        size = {"mean": abs(entry["mean"]), "low": ends[0], "high": ends[1]}
        said = f"At equal {what} ours takes {tables.with_interval(size, 1)}% "
        said += f"{'fewer' if fewer else 'more'} bytes than {name}, over {span}"
    return f"{said}. {_where(found, key, name)}"


def _where(found: Comparison, key: str, name: str) -> str:
    """The points of ours at which a format takes fewer bytes."""
    rows = [r for r in found.at_our_quality(key) if math.isfinite(r[name])]
    ours = f"our {tables.counted(len(found.settings[OURS]), 'point')}"
    if not rows:
        return f"{name} has the quality of none of {ours}."
    if len(rows) < len(found.settings[OURS]):
        ours = f"the {len(rows)} of {ours} whose quality it has"
    smaller = [row["setting"] for row in rows if row[name] < row[OURS]]
    if len(smaller) in (0, len(rows)):
        return f"{name} takes fewer bytes at {'all' if smaller else 'none'} of {ours}."
    points = "; ".join(smaller)
    return f"{name} takes fewer bytes at {len(smaller)} of {ours}: {points}."


def all_tables(found: Comparison) -> list[Table]:
    """All tables of the comparison."""
    equal = (equal_quality_table(found, key) for key in found.keys)
    return [bd_table(found), *equal, points_table(found)]


def bd_table(found: Comparison) -> Table:
    """The BD-rates against each format."""
    columns, rows = ["Against"], []
    for key in found.keys:
        short = registry.metric_of(key).short
        columns += [f"BD-rate in {short} (%)", f"{short} range (dB)"]
    for name in found.formats:
        row = [name]
        for key in found.keys:
            entry = found.bd_rates[key][name]
            ends = [tables.number(entry[end], 1) for end in ("from", "to")]
            span = tables.DASH if tables.DASH in ends else " to ".join(ends)
            row += [tables.with_interval(entry, 1, signed=True), span]
        rows.append(row)
    return Table(
        caption="BD-rate of ours",
        columns=columns,
        rows=rows,
        note="Bytes that ours takes more (above 0) or less (below 0) at equal quality, "
        "averaged over the common range of qualities, with 95% bootstrap intervals "
        "over images (Bjøntegaard 2001; log rate interpolated by PCHIP). A dash where "
        "there is no common range. MS-SSIM counts as −10 log10(1 − MS-SSIM), LPIPS as "
        "−10 log10(LPIPS).",
        key=BD_RATE,
    )


def equal_quality_table(found: Comparison, key: str) -> Table:
    """Bytes of each format at the quality of each of our points."""
    codecs, metric = [OURS, *found.formats], registry.metric_of(key)
    digits = _digits(key)
    rows = []
    for row in found.at_our_quality(key):
        mean = found.summary[row["setting"]][key]["mean"]
        sizes = [_whole(row[codec]) for codec in codecs]
        rows.append([row["setting"], tables.number(mean, digits), *sizes])
    return Table(
        caption=f"Bytes a file at equal {metric.short}",
        columns=["Ours", metric.label, *(f"{codec} (bytes)" for codec in codecs)],
        rows=rows,
        note="Formats are interpolated between two settings; a dash where the quality "
        "is outside the sweep.",
        kinds=[OURS] * len(rows),
        key=EQUAL_QUALITY,
    )


def points_table(found: Comparison) -> Table:
    """Every setting of every codec."""
    rows, kinds = [], []
    for codec in found.settings:
        for setting in found.by_rate(codec):
            entries = found.summary[setting]
            cells = [tables.with_interval(entries[BITS], 3)]
            cells += [tables.with_interval(entries[k], _digits(k)) for k in found.keys]
            rows.append(
                [setting, _whole(found.bytes_of(entries[BITS]["mean"])), *cells]
            )
            kinds.append(OURS if codec == OURS else "baseline")
    labels = [registry.metric_of(key).label for key in (BITS, *found.keys)]
    return Table(
        caption="Every point",
        columns=["Setting", "Bytes", *labels],
        rows=rows,
        note="Means over the test images, with 95% bootstrap intervals.",
        kinds=kinds,
        key=SETTINGS,
    )


def _digits(key: str) -> int:
    return 2 if key == round_trips.PSNR else _MS_SSIM_DIGITS


def _whole(number: float) -> str:
    return f"{round(number):,}" if math.isfinite(number) else tables.DASH


def typical_images(
    found: Comparison,
    codecs: Mapping[str, Codec],
    formats: Mapping[str, ImageFormat],
    split: DecodedSplit,
) -> tuple[str, dict[str, list[dict]]]:
    """The setting of ours that is shown, and pictures as a report takes them.

    Typical images by our codec, and by each format in about as many bytes.
    """
    setting = low_rate_setting(found)
    rows = []
    for index in typical(found, setting):
        image = np.asarray(split.images[index])
        data = codecs[setting].compress(image)
        images = [
            ("Original", image),
            (_label(f"{OURS}, {setting}", data), codecs[setting].decompress(data)),
        ]
        for name, form in formats.items():
            quality, file = form.nearest(image, len(data))
            images.append((_label(f"{name} {quality}", file), form.decode(file)))
        rows.append({"name": split.names[index], "note": "", "images": images})
    return setting, {"Typical faces at about equal bytes": rows}


def low_rate_setting(found: Comparison) -> str:
    """Our smallest setting whose bytes every format can match, or else our largest."""
    least = max(
        (found.summary[found.by_rate(name)[0]][BITS]["mean"] for name in found.formats),
        default=0.0,
    )
    ours = found.by_rate(OURS)
    fitting = (s for s in ours if found.summary[s][BITS]["mean"] >= least)
    return next(fitting, ours[-1])


def typical(found: Comparison, setting: str) -> list[int]:
    """The images of median MS-SSIM."""
    order = np.argsort(found.evaluation.values[setting][found.keys[1]], kind="stable")
    start = max(0, (len(order) - _SHOWN) // 2)
    return [int(index) for index in order[start : start + _SHOWN]]


def _label(what: str, data: bytes) -> str:
    return f"{what}: {len(data):,} bytes"
