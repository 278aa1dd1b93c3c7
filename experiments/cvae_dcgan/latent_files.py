"""Faces as files of a few bits a latent, beside JPEG and WebP of the same pixels."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation.baselines import Eigenfaces
from evaluation.charts import Curve, Series
from evaluation.codecs import image_formats, rate_distortion, report
from evaluation.codecs.rate_distortion import OURS, Comparison, RateCurve
from evaluation.codecs.round_trips import (
    BITS,
    PSNR,
    Measure,
    codec_round_trip,
    evaluate_codecs,
    measure_round_trip,
)
from evaluation.metrics import registry
from evaluation.metrics.measure import minimum_size
from evaluation.tables import Table, counted, number
from serving.codec.base import identify
from serving.codec.latent_codec import LatentCodec
from serving.codec.quantizer import BITS as BITS_A_LATENT
from serving.codec.quantizer import Quantizer, fit, fitted_images

FORMATS = ("JPEG", "WebP")
EIGENFACES = "eigenfaces"  # of as many numbers, beside the formats
_AT_ONCE = 256  # images
MOST_IMAGES = 1000  # of which the formats make files at every quality


@dataclasses.dataclass(frozen=True)
class SmallComparison(Comparison):
    """Codecs of images that may be too small for MS-SSIM over five scales."""

    @property
    def keys(self) -> tuple[str, str]:
        """The qualities: PSNR, and the MS-SSIM that is defined."""
        return qualities(self.size)


def qualities(size: int) -> tuple[str, str]:
    """PSNR, and MS-SSIM as published or, of smaller images, over three scales."""
    fitting = (
        name
        for name in ("ms_ssim", "ms_ssim_3", "ms_ssim_5w")
        if size >= minimum_size(name)
    )
    return PSNR, f"file/{next(fitting)}"


def codecs(network: tf.keras.Model, train: DecodedSplit) -> dict[int, LatentCodec]:
    """The codecs of a trained network with the layers "encoder" and "decoder".

    Returns {bits a latent: codec}, their quantizers fitted to the training images.
    """
    encoder, decoder = (network.get_layer(name) for name in ("encoder", "decoder"))

    size = train.images.shape[1]

    # Functions, because image by image most of a Keras call is overhead.
    @tf.function
    def encode(image):
        return encoder(image, training=False)["mean"]

    @tf.function
    def decode(latents):
        return decoder(latents, training=False)

    weights = encoder.get_weights() + decoder.get_weights()
    return _codecs(encode, decode, fit(encoder, train), weights, size)


def eigenface_codecs(
    eigenfaces: Eigenfaces, train: DecodedSplit
) -> dict[int, LatentCodec]:
    """The same of eigenfaces, whose numbers are quantized as a network's latents are.

    They are divided by their deviations first: a quantizer gives a latent that hardly
    varies beside others a single level.
    """
    images = fitted_images(train)
    parts = [
        eigenfaces.encode(pixels.bytes_to_unit(images[start : start + _AT_ONCE]))
        for start in range(0, len(images), _AT_ONCE)
    ]
    numbers = np.concatenate(parts)
    scale = numbers.std(axis=0)
    quantizers = {bits: Quantizer.fit(numbers / scale, bits) for bits in BITS_A_LATENT}
    return _codecs(
        lambda image: eigenfaces.encode(image) / scale,
        lambda latents: eigenfaces.decode(np.asarray(latents) * scale),
        quantizers,
        [eigenfaces.mean, eigenfaces.components, scale],
        train.images.shape[1],
    )


def _codecs(
    encode: Callable,
    decode: Callable,
    quantizers: Mapping[int, Quantizer],
    weights: Sequence[np.ndarray],
    size: int,
) -> dict[int, LatentCodec]:
    """{bits: codec} of images of one size."""
    return {
        bits: LatentCodec(
            encode, decode, quantizer, identify(weights, quantizer), image_size=size
        )
        for bits, quantizer in quantizers.items()
    }


def setting(label: str, bits: int) -> str:
    """The name in tables of a network's files at so many bits a latent."""
    return f"{label}, {bits} bits"


def measure(
    label: str,
    made: Mapping[int, LatentCodec],
    split: DecodedSplit,
    measures: Sequence[Measure],
) -> dict[str, dict[str, np.ndarray]]:
    """Makes a file of every image by every codec, of `codecs`, and reads it.

    Returns {"<label>, 6 bits": values}, and so on, from many bits to few.
    """
    values = {}
    for bits, codec in sorted(made.items(), reverse=True):
        name = setting(label, bits)
        files = codec_round_trip(codec, split.images, split.names)
        values[name] = measure_round_trip(split.images, files, measures, progress=name)
    return values


def compare(
    values: Mapping[str, Mapping[str, np.ndarray]],
    split: DecodedSplit,
    eigenfaces: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> SmallComparison:
    """Puts a network's files beside formats at every quality of a sweep.

    Of more than `MOST_IMAGES` every n-th is compared.

    Args:
      values: Of the network, from `measure`.
      split: Of the same images.
      eigenfaces: Of `eigenface_codecs`, from `measure`; they stand beside the formats.
    """
    eigenfaces = eigenfaces or {}
    size = split.images.shape[1]
    chosen = slice(None, None, -(-len(split) // MOST_IMAGES))
    images, names = split.images[chosen], split.names[chosen]
    keys = qualities(size)
    found = {
        name: {
            BITS: columns[BITS][chosen],
            **{key: columns[key.replace("file/", "raw/")][chosen] for key in keys},
        }
        for name, columns in {**values, **eigenfaces}.items()
    }

    formats = image_formats.sweep(*FORMATS)
    files = {
        setting: codec_round_trip(codec, images, names, parallel=True)
        for settings in formats.values()
        for setting, codec in settings.items()
    }
    title = " and ".join(formats)
    evaluation = evaluate_codecs(files, images, names, keys=keys, progress=title)
    settings = {name: list(codecs) for name, codecs in formats.items()}
    if eigenfaces:
        settings[EIGENFACES] = list(eigenfaces)
    return SmallComparison(
        evaluation.joined(found), {OURS: list(values), **settings}, size
    )


def statements(found: SmallComparison) -> list[str]:
    """The codec with fewer bytes at equal quality, for each quality and format."""
    said = report.statements(found)  # of every pair, then of the smallest files
    pairs = list(itertools.product(found.keys, found.formats))
    compared = [
        _always_better(found, *pair) or sentence for pair, sentence in zip(pairs, said)
    ]
    return [*compared, *said[len(pairs) :]]


def _always_better(found: SmallComparison, key: str, name: str) -> str:
    """A sentence if a format's worst files are better than our best; otherwise ""."""
    metric = registry.metric_of(key)

    def quality(setting: str) -> float:
        return found.summary[setting][key]["mean"]

    def shown(setting: str) -> str:
        length = found.bytes_of(found.summary[setting][BITS]["mean"])
        mean = number(quality(setting), metric.digits)
        return f"{mean} at {round(length):,} bytes"

    best = max(found.settings[OURS], key=quality)
    worst = min(found.settings[name], key=quality)
    if quality(worst) <= quality(best):
        return ""
    return (
        f"{metric.label}: even the worst {name}, {shown(worst)}, beats our best, "
        f"{shown(best)}."
    )


def tables(found: SmallComparison) -> list[Table]:
    """Bytes at equal quality, and every setting."""
    images = counted(len(found.evaluation.names), "test image")
    points = dataclasses.replace(
        report.points_table(found),
        caption=f"Files of {found.size}×{found.size} pixels, setting by setting",
        note=f"Means over {images}, with 95% bootstrap intervals.",
    )
    return [*(report.equal_quality_table(found, key) for key in found.keys), points]


def curves(found: SmallComparison) -> list[Curve]:
    """Each quality over the bytes of a file."""
    charts = []
    for key in found.keys:
        chart = rate_distortion.chart(found, key)
        series = [
            dataclasses.replace(line, x=[found.bytes_of(bits) for bits in line.x])
            for line in chart.series
        ]
        title, alt = (
            text.replace("bits per pixel", "bytes a file")
            for text in (chart.title, chart.alt)
        )
        charts.append(
            dataclasses.replace(
                chart, title=title, x_label="bytes a file", alt=alt, series=series
            )
        )
    return charts


Charts = Mapping[str, Mapping[str, Curve]]


def read_reports(
    reports: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Curve]]:
    """The charts of quality over bytes, of {label of a run: its results.json}.

    Returns:
      {label: {slug: chart}}, as `curves` has made them.
    """
    return {
        label: {
            chart["slug"]: Curve(
                **{**chart, "series": [Series(**line) for line in chart["series"]]}
            )
            for chart in found["curves"]
            if chart["slug"].startswith(rate_distortion.RATE)
        }
        for label, found in reports.items()
    }


def joint_curves(charts: Charts, drawn: Collection[str]) -> list[Curve]:
    """A chart a quality: a line a network, over all its bits a latent, and the formats.

    `drawn` are the labels of the runs that have a line.
    """
    made = []
    for found in _by_quality(charts).values():
        ours, formats = [], {}
        for label, chart in found.items():
            for line in chart.series:
                if line.label != OURS:
                    formats.setdefault(line.label, line)
                elif label in drawn:
                    ours.append(dataclasses.replace(line, label=label, ours=not ours))
        if not ours:
            continue
        lines = [*ours, *formats.values()]
        first = next(iter(found.values()))
        alt = f"{first.title} of {', '.join(line.label for line in lines)}."
        note = first.note
        if len(ours) < len(found):
            note += " Of runs alike in network, latents, loss and length one is drawn."
        if EIGENFACES in formats:
            note += " Eigenfaces have as many numbers as the first network."
        made.append(dataclasses.replace(first, series=lines, note=note, alt=alt))
    return made


def joint_statements(charts: Charts) -> list[str]:
    """A sentence for each quality and format: at how many points ours is smaller."""
    said = []
    for slug, found in _by_quality(charts).items():
        what = registry.METRICS[slug.removeprefix(rate_distortion.RATE)].short
        names = [line.label for chart in found.values() for line in chart.series]
        for name in dict.fromkeys(names):
            if name != OURS:
                said.append(_beside(what, name, list(_points(found.values(), name))))
    return said


def _by_quality(charts: Charts) -> dict[str, dict[str, Curve]]:
    """{slug: {label: chart}}."""
    turned: dict[str, dict[str, Curve]] = {}
    for label, found in charts.items():
        for slug, chart in found.items():
            turned.setdefault(slug, {})[label] = chart
    return turned


def _points(charts, name: str) -> Iterator[str]:
    """Compares each of our points with a format: "fewer", "more", "worse", "better".

    The last two of points whose quality no file of the format has.
    """
    for chart in charts:
        lines: dict[str, Series] = {line.label: line for line in chart.series}
        if OURS not in lines or name not in lines:
            continue
        other = RateCurve(lines[name].x, lines[name].y)
        for length, quality in zip(lines[OURS].x, lines[OURS].y):
            if quality < other.qualities[0]:
                yield "worse"
            elif quality > other.qualities[-1]:
                yield "better"
            else:
                yield "fewer" if length < other.rate_at(quality) else "more"


def _beside(what: str, name: str, points: Sequence[str]) -> str:
    said = {
        "fewer": f"take fewer bytes than {name} of equal {what}",
        "more": f"take as many or more bytes than {name} of equal {what}",
        "worse": f"are worse than every {name}",
        "better": f"are better than every {name}",
    }
    counts = {kind: points.count(kind) for kind in said}
    parts = [f"{count} {said[kind]}" for kind, count in counts.items() if count]
    return f"{what}: of our {counted(len(points), 'point')} {', '.join(parts)}."
