"""What an auto-encoder's report has besides the metrics: other images, and files."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping

import tensorflow as tf

from evaluation import coders, naming, wording
from evaluation.coders import Coder
from evaluation.record import Evaluation
from experiments import other_images
from experiments import portrait_autoencoder_facts as facts
from experiments import portrait_autoencoder_training as training
from experiments.data import RunData
from experiments.system_config import Findings

if typing.TYPE_CHECKING:
    from experiments.portrait_autoencoder import Config

_OTHERS = 200  # images of each kind
_RATE = "file/bits_per_pixel"


def examine(
    config: Config,
    network: tf.keras.Model,
    restorers: Mapping[str, Callable],
    data: RunData,
    result: Evaluation,
) -> Findings:
    """Measures images without faces, how single faces spread, and a codec's files."""
    others = other_images.measure(
        restorers,
        size=config.image_size,
        seed=config.seed,
        folder=config.other_images,
        count=min(_OTHERS, len(data.test)),
        faces=config.fixed_batches(data.test),
    )
    wrapped = [facts.overflow(result)] if config.uint8_wrap else []
    found = Findings(
        tables=(*wrapped, *others.tables, other_images.spread(result)),
        curves=tuple(others.curves),
    )
    if config.entropy == "none":
        return found
    ours, codec = next(iter(restorers)), training.codec(network)
    coder = {ours: Coder(codec.compress, codec.decompress)}
    values = coders.measure(coder, data.test.images, data.test.names).values
    rate = values[ours][_RATE].mean()
    said = (
        f"A file takes {rate * config.image_size**2 / 8:,.0f} bytes on average, "
        f"{wording.number(rate, naming.metric_of(_RATE).digits)} bits per pixel, its "
        "header included."
    )
    return dataclasses.replace(found, values=values, statements=(said,))
