"""Faces as files of a few bits a latent, beside JPEG and WebP of the same pixels."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
import tqdm

from data_pipeline.decoded import DecodedSplit
from evaluation import coders, image_formats, metrics, naming, wording
from evaluation.charts import Curve
from evaluation.codec_comparison import OURS, Comparison
from evaluation.rate_distortion import BITS
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments import coded_images, coded_measures, latent_quantizers
from experiments import rate_distortion_tables as layout
from experiments.coded_measures import Measure
from serving.codec import identify
from serving.latent_codec import LatentCodec

FORMATS = ("JPEG", "WebP")
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
        if size >= metrics.minimum_size(name)
    )
    return coders.PSNR, f"file/{next(fitting)}"


def codecs(network: tf.keras.Model, train: DecodedSplit) -> dict[int, LatentCodec]:
    """The codecs of a trained network: {bits a latent: codec}.

    Args:
      network: With the layers "encoder" and "decoder".
      train: The training images.
    """
    encoder, decoder = (network.get_layer(name) for name in ("encoder", "decoder"))

    # Functions, because image by image most of a Keras call is overhead.
    @tf.function
    def encode(image):
        return encoder(image, training=False)["mean"]

    @tf.function
    def decode(latents):
        return decoder(latents, training=False)

    weights = encoder.get_weights() + decoder.get_weights()
    return {
        bits: LatentCodec(
            encode,
            decode,
            quantizer,
            identify(weights, quantizer),
            image_size=train.images.shape[1],
        )
        for bits, quantizer in latent_quantizers.fit(encoder, train).items()
    }


def setting(label: str, bits: int) -> str:
    """What tables call the files of a network at so many bits a latent."""
    return f"{label}, {bits} bits"


def measure(
    label: str,
    made: Mapping[int, LatentCodec],
    images: np.ndarray,
    measures: Sequence[Measure],
) -> dict[str, dict[str, np.ndarray]]:
    """Makes a file of every image by every codec, and reads it.

    Args:
      label: What tables call the network.
      made: From `codecs`.
      images: uint8 [N, S, S, 3].
      measures: From `coded_measures`.

    Returns:
      {"<label>, 6 bits": values}, and so on, from many bits to few.
    """
    values = {}
    for bits, codec in sorted(made.items(), reverse=True):
        name = setting(label, bits)
        coded = coded_images.of_codec(codec, images)
        values[name] = coded_measures.measure(images, coded, measures, progress=name)
    return values


def compare(
    values: Mapping[str, Mapping[str, np.ndarray]], split: DecodedSplit
) -> SmallComparison:
    """Puts a network's files beside those of formats at every quality of a sweep.

    Args:
      values: Of the network's files, from `measure`, with the metrics of
        `coded_measures.whole`.
      split: The images. Of more than `MOST_IMAGES` every n-th is compared.
    """
    size = split.images.shape[1]
    chosen = slice(None, None, -(-len(split) // MOST_IMAGES))
    images, names = split.images[chosen], split.names[chosen]
    settings, keys = {OURS: list(values)}, qualities(size)
    found = {
        name: {
            BITS: columns[BITS][chosen],
            **{key: columns[key.replace("file/", "raw/")][chosen] for key in keys},
        }
        for name, columns in values.items()
    }

    def measured(target, restored, here: slice) -> dict[str, np.ndarray]:
        del here
        return {
            key: getattr(metrics, key.rpartition("/")[2])(target, restored)
            for key in keys
        }

    formats = image_formats.available()
    sweep = [
        (formats[name], quality)
        for name in FORMATS
        if name in formats
        for quality in formats[name].qualities
    ]
    for form, quality in tqdm.tqdm(sweep, desc=" and ".join(FORMATS), unit=" settings"):
        name = f"{form.name}, quality {quality}"
        settings.setdefault(form.name, []).append(name)
        coded = coded_images.of_format(form, quality, images)
        found[name] = coded_measures.measure(images, coded, [measured])
    evaluation = Evaluation(names, found, np.ones(len(names)), fingerprint="")
    return SmallComparison(evaluation, settings, size)


def statements(found: SmallComparison) -> list[str]:
    """Who takes fewer bytes at equal quality; a format may have none as low as ours."""
    said = layout.statements(found)  # of every pair, then of the smallest files
    pairs = list(itertools.product(found.keys, found.formats))
    compared = [
        _always_better(found, *pair) or sentence for pair, sentence in zip(pairs, said)
    ]
    return [*compared, *said[len(pairs) :]]


def _always_better(found: SmallComparison, key: str, name: str) -> str:
    """Says so if a format's worst files are better than our best; otherwise empty."""
    metric = naming.metric_of(key)

    def quality(setting: str) -> float:
        return found.summary[setting][key]["mean"]

    def shown(setting: str) -> str:
        length = found.bytes_of(found.summary[setting][BITS]["mean"])
        mean = wording.number(quality(setting), metric.digits)
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
    images = wording.counted(len(found.evaluation.names), "test image")
    points = dataclasses.replace(
        layout.points_table(found),
        caption=f"Files of {found.size}×{found.size} pixels, setting by setting",
        note=f"Means over {images}, with 95% bootstrap intervals.",
    )
    return [*(layout.equal_quality_table(found, key) for key in found.keys), points]


def curves(found: SmallComparison) -> list[Curve]:
    """Each quality over the bytes of a file."""
    charts = []
    for key in found.keys:
        chart = layout.chart(found, key)
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
