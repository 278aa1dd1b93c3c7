"""What a comparison of codecs says: sentences, tables and curves."""

from __future__ import annotations

import math

from evaluation import bootstrap, coders, naming, rate_distortion, wording
from evaluation.charts import Curve, Series
from evaluation.codec_comparison import OURS, Comparison
from evaluation.rate_distortion import BITS
from evaluation.tables import Table

_MS_SSIM_DIGITS = 4  # files are nearer to the original than restored faces


def span(found: Comparison) -> str:
    """From which rate to which our points reach."""
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
        f"Smallest files, in bytes and of whatever quality: {', '.join(smallest)}.",
    ]


def _statement(found: Comparison, key: str, name: str) -> str:
    """Who takes fewer bytes, by how much, and where."""
    entry, what = found.bd_rates[key][name], _short(key)
    shown = wording.with_interval(entry, 1, signed=True)
    span = f"{entry['from']:.1f} to {entry['to']:.1f} dB"
    if not math.isfinite(entry["mean"]):
        alone = len(found.settings[OURS]) == 1
        why = "one run makes no curve" if alone else f"ours and {name} share no range"
        said = f"{what}: {why}, so there is no BD-rate"
    elif entry["count"] < bootstrap.ENOUGH or not math.isfinite(entry["low"]):
        images = wording.counted(entry["count"], "image")
        said = f"{what}: BD-rate against {name} {shown}%, over {span}, but {images} "
        said += "are too few to say" if entry["count"] > 1 else "is too few to say"
    elif entry["low"] <= 0 <= entry["high"]:
        said = f"At equal {what} ours takes about as many bytes as {name}: "
        said += f"BD-rate {shown}%, over {span}"
    else:
        fewer = entry["mean"] < 0
        ends = sorted(abs(entry[end]) for end in ("low", "high"))
        size = {"mean": abs(entry["mean"]), "low": ends[0], "high": ends[1]}
        said = f"At equal {what} ours takes {wording.with_interval(size, 1)}% "
        said += f"{'fewer' if fewer else 'more'} bytes than {name}, over {span}"
    return f"{said}. {_where(found, key, name)}"


def _where(found: Comparison, key: str, name: str) -> str:
    """At which of our points a format takes fewer bytes."""
    rows = [r for r in found.at_our_quality(key) if math.isfinite(r[name])]
    ours = f"our {wording.counted(len(found.settings[OURS]), 'point')}"
    if not rows:
        return f"{name} gives the quality of none of {ours}."
    if len(rows) < len(found.settings[OURS]):
        ours = f"the {len(rows)} of {ours} whose quality it gives"
    smaller = [row["setting"] for row in rows if row[name] < row[OURS]]
    if len(smaller) in (0, len(rows)):
        return f"{name} takes fewer bytes at {'all' if smaller else 'none'} of {ours}."
    points = "; ".join(smaller)
    return f"{name} takes fewer bytes at {len(smaller)} of {ours}: {points}."


def bd_table(found: Comparison) -> Table:
    """The BD-rates."""
    columns, rows = ["Against"], []
    for key in found.keys:
        columns += [f"BD-rate in {_short(key)} (%)", f"{_short(key)} range (dB)"]
    for name in found.formats:
        row = [name]
        for key in found.keys:
            entry = found.bd_rates[key][name]
            ends = [wording.number(entry[end], 1) for end in ("from", "to")]
            span = wording.DASH if wording.DASH in ends else " to ".join(ends)
            row += [wording.with_interval(entry, 1, signed=True), span]
        rows.append(row)
    return Table(
        caption="BD-rate of ours",
        columns=columns,
        rows=rows,
        note="How many more or, below 0, fewer bytes ours takes at equal quality, on "
        "average over the qualities that both give, with 95% bootstrap intervals over "
        "images (Bjøntegaard 2001; log rate interpolated by PCHIP). A dash where they "
        "share no range of it. MS-SSIM counts as −10 log10(1 − MS-SSIM).",
    )


def equal_quality_table(found: Comparison, key: str) -> Table:
    """Bytes of each format at the quality of each of our points."""
    codecs = [OURS, *found.formats]
    digits = _digits(key)
    rows = []
    for row in found.at_our_quality(key):
        mean = found.summary[row["setting"]][key]["mean"]
        sizes = [_whole(row[codec]) for codec in codecs]
        rows.append([row["setting"], wording.number(mean, digits), *sizes])
    return Table(
        caption=f"Bytes a file at equal {_short(key)}",
        columns=[
            "Ours",
            naming.metric_of(key).label,
            *(f"{c} (bytes)" for c in codecs),
        ],
        rows=rows,
        note="Of formats interpolated between two settings; a dash where no setting of "
        "the sweep gives the quality.",
        kinds=["ours"] * len(rows),
    )


def points_table(found: Comparison) -> Table:
    """Every setting of every codec."""
    rows, kinds = [], []
    for codec in found.settings:
        for setting in found.by_rate(codec):
            entries = found.summary[setting]
            cells = [wording.with_interval(entries[BITS], 3)]
            cells += [wording.with_interval(entries[k], _digits(k)) for k in found.keys]
            rows.append(
                [setting, _whole(found.bytes_of(entries[BITS]["mean"])), *cells]
            )
            kinds.append("ours" if codec == OURS else "baseline")
    labels = [naming.metric_of(key).label for key in (BITS, *found.keys)]
    return Table(
        caption="Every point",
        columns=["Setting", "Bytes", *labels],
        rows=rows,
        note="Means over the test images, with 95% bootstrap intervals.",
        kinds=kinds,
    )


def chart(found: Comparison, key: str) -> Curve:
    """A quality over bits per pixel: a line for each codec."""
    series = []
    for codec in found.settings:
        entries = [found.summary[setting] for setting in found.by_rate(codec)]
        mean, low, high = (
            rate_distortion.scaled(key, [entry[key][end] for entry in entries]).tolist()
            for end in ("mean", "low", "high")
        )
        bits = [entry[BITS]["mean"] for entry in entries]
        series.append(Series(codec, bits, mean, low, high, ours=codec == OURS))
    what = _short(key)
    label = "PSNR (dB)" if key == coders.PSNR else f"−10 log10(1 − {what}) (dB)"
    images = wording.counted(len(found.evaluation.names), "image")
    return Curve(
        slug=f"rate-{naming.metric_of(key).name}",
        title=f"{what} over bits per pixel",
        x_label="bits per pixel",
        y_label=label,
        series=series,
        markers=True,
        note=f"A point is the mean over {images} at one setting; files count whole.",
        alt=f"{what} over bits per pixel of {', '.join(found.settings)}.",
    )


def _short(key: str) -> str:
    """The metric without its unit."""
    return naming.metric_of(key).label.partition(" (")[0]


def _digits(key: str) -> int:
    return 2 if key == coders.PSNR else _MS_SSIM_DIGITS


def _whole(number: float) -> str:
    return f"{round(number):,}" if math.isfinite(number) else wording.DASH
