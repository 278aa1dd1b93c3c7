"""Restores a large picture strip by strip.

Floats of all of a large picture take gigabytes. Here a picture is shrunk in strips and
enlarged where it is missing, in strips again; the network sees the same small picture
but for the rounding of a resize.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from serving.export import encoded_images
from serving.photo.alignment import bounding_box

_ROWS = 4  # of the network's picture, a strip
_PASTED = 2_000_000  # pixels, a strip
_REACH = 3  # pixels, of the coarser picture, that a resize looks beyond; bicubic: 2

# image [S, S, 3] in [0, 1], mask [S, S, 1] -> restored [S, S, 3] in [0, 1]
Restore = Callable[[np.ndarray, np.ndarray], np.ndarray]


def restore(
    image: np.ndarray, mask: np.ndarray, restore_small: Restore, size: int
) -> np.ndarray:
    """Restores a picture as `encoded_images.shrink` and `paste` do.

    Args:
      image: uint8 [H, W, 3].
      mask: uint8 [H, W, 1], 1 = missing.
      restore_small: Of S x S pixels.
      size: S.

    Returns:
      uint8 [H, W, 3]; known pixels are unchanged.
    """
    small = restore_small(*map(np.asarray, shrink(image, mask, size)))
    restored, missing = image.copy(), mask[..., 0] > 0
    left, top, right, bottom = bounding_box(missing, margin=0)
    scales = [side / size for side in image.shape[:2]]
    for first, last in _cut(top, bottom, max(_PASTED // (right - left), 1)):
        part = restored[first:last, left:right]
        shape, start = part.shape[:2], (-first, -left)
        drawn = pixels.unit_to_bytes(_scaled(small, shape, scales, start)).numpy()
        hole = missing[first:last, left:right]
        part[hole] = drawn[hole]
    return restored


def shrink(image: np.ndarray, mask: np.ndarray, size: int) -> tuple:
    """As `encoded_images.shrink`: -> image [S, S, 3] in [0, 1] and mask [S, S, 1]."""
    height, width = image.shape[:2]
    scale, parts = height / size, []
    reach = _REACH * max(scale, 1)
    for first, last in _cut(0, size, _ROWS):
        low = max(math.floor(first * scale - reach), 0)
        high = min(math.ceil(last * scale + reach), height)
        known = 1.0 - tf.cast(mask[low:high], tf.float32)
        seen = pixels.bytes_to_unit(image[low:high]) * known
        shape, start = (last - first, size), (low / scale - first, 0.0)
        scales = [1 / scale, size / width]
        parts.append(
            [_scaled(each, shape, scales, start) for each in (seen, known)],
        )
    return encoded_images.averaged(*(tf.concat(part, axis=0) for part in zip(*parts)))


def _scaled(image, shape, scales, start) -> tf.Tensor:
    """A part of a resized picture, antialiased bicubic and clipped."""
    scaled = tf.raw_ops.ScaleAndTranslate(
        images=tf.convert_to_tensor(image, tf.float32)[None],
        size=tf.constant(shape, tf.int32),
        scale=tf.constant(scales, tf.float32),
        translation=tf.constant(start, tf.float32),
        kernel_type="keyscubic",
        antialias=True,
    )
    return tf.clip_by_value(scaled[0], 0.0, 1.0)


def _cut(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    for first in range(start, stop, step):
        yield first, min(first + step, stop)
