"""Report of an auto-encoder: other images, single images, and a codec's files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from data_pipeline import pixels
from evaluation import tables
from evaluation.codecs import measure
from evaluation.metrics import registry, ssim
from evaluation.record import Evaluation
from experiments.core.run import Run
from experiments.core.system import Findings
from experiments.portrait_autoencoder import other_images, published, training

_OTHERS = 200  # images of each kind
_RATE = "file/bits_per_pixel"


def examine(
    run: Run, restorers: Mapping[str, Callable], result: Evaluation
) -> Findings:
    """Measures images without faces, how single faces spread, and a codec's files."""
    config, data = run.config, run.data
    others = other_images.measure(
        restorers,
        size=config.image_size,
        seed=config.seed,
        folder=config.other_images,
        count=min(_OTHERS, len(data.test)),
        faces=run.system.fixed_batches(config, data.test),
    )
    wrapped = [published.overflow(result)] if config.uint8_wrap else []
    found = Findings(
        tables=(*wrapped, *others.tables, other_images.spread(result)),
        curves=tuple(others.curves),
    )
    if config.entropy == "none":
        return found
    ours, codec = next(iter(restorers)), training.codec(run.network)
    images, names = data.test.images, data.test.names
    files = {ours: measure.codec_round_trip(codec, images, names)}
    values = measure.evaluate_codecs(files, images, names).values
    rate = values[ours][_RATE].mean()
    said = (
        f"A file takes {rate * config.image_size**2 / 8:,.0f} bytes on average, "
        f"{tables.number(rate, registry.metric_of(_RATE).digits)} bits per pixel, its "
        "header included."
    )
    return dataclasses.replace(found, values=values, statements=(said,))


def mse_uint8_wrap(target, restored) -> np.ndarray:
    """The mean of ((x - y)² modulo 256) / 255² over 8-bit values.

    It equals the mean squared error as long as no value differs by 16 levels or more;
    beyond, it says nothing: a difference of 16 counts as none.

    Args:
      target: [B, H, W, 3] in [0, 1], rounded to 8 bits here.
      restored: The same.

    Returns:
      float32 [B].
    """
    images = ssim.as_images("mse_uint8_wrap", target, restored)
    target, restored = (pixels.unit_to_bytes(image).numpy() for image in images)
    # NumPy's uint8 arithmetic wraps, in the difference and in the square.
    squared = (target - restored) ** 2
    return squared.mean(axis=(1, 2, 3), dtype=np.float64).astype(np.float32) / 255**2
