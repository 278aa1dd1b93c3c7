"""A trained encoder's latents of many images, and the quantizers fitted to them.

The export and the report fit to the same images, so that what the report measures is
what the export writes.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from serving.quantizer import Quantizer

BITS = (4, 6, 8)
MOST_IMAGES = 10_000  # a range leaves out 0.1% at each end, which is ten of these
_AT_ONCE = 256


def fit(encoder: tf.keras.Model, split: DecodedSplit) -> dict[int, Quantizer]:
    """Fits quantizers to the means of `fitted_images`.

    Args:
      encoder: Image [B, S, S, 3] in [0, 1] -> {"mean": [B, L], ...}.
      split: The training images.

    Returns:
      {bits: quantizer}, for each of `BITS`.
    """
    means = encode(encoder, fitted_images(split))["mean"]
    return {bits: Quantizer.fit(means, bits) for bits in BITS}


def fitted_images(split: DecodedSplit) -> np.ndarray:
    """Every n-th image of a split, at most `MOST_IMAGES`: uint8 [N, S, S, 3]."""
    # From the first to the last, because not every split is in shuffled order.
    return split.images[:: -(-len(split) // MOST_IMAGES)]


def encode(encoder: tf.keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """What an encoder says of images.

    Args:
      encoder: Image [B, S, S, 3] in [0, 1] -> {name: [B, L]}.
      images: uint8 [N, S, S, 3].

    Returns:
      {name: float32 [N, L]}.
    """
    run = tf.function(lambda x: encoder(x, training=False), reduce_retracing=True)
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(images), _AT_ONCE):
        batch = np.asarray(images[start : start + _AT_ONCE])
        for name, code in run(pixels.bytes_to_unit(batch)).items():
            parts.setdefault(name, []).append(code.numpy())
    return {name: np.concatenate(codes) for name, codes in parts.items()}
