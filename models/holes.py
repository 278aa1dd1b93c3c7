"""Crops of the patch under or around each image's hole, and their inverse.

They follow the hole wherever it is, with stock operations. Images are [B, H, W, C],
masks [B, H, W, 1], 1 = missing; the size of a window is its side in pixels.
"""

from __future__ import annotations

import tensorflow as tf


def hole_corner(mask: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Top and left of each hole, clamped so that a size x size window fits inside.

    Each is int32 [B]; 0 where nothing is missing.
    """
    corner = []
    for side, others in ((1, [2, 3]), (2, [1, 3])):
        missing = tf.reduce_max(mask, axis=others)  # [B, H], then [B, W]
        first = tf.argmax(missing, axis=1, output_type=tf.int32)
        corner.append(tf.minimum(first, tf.shape(mask)[side] - size))
    return tuple(corner)


def crop_hole(image: tf.Tensor, mask: tf.Tensor, size: int) -> tf.Tensor:
    """The window, [B, size, size, C], whose top left corner is the hole's."""
    return _window(image, *hole_corner(mask, size), size)


def crop_around_hole(image: tf.Tensor, mask: tf.Tensor, size: int) -> tf.Tensor:
    """The window, [B, size, size, C], around each hole's middle, inside the image.

    The middle is that of the smallest rectangle around all missing pixels, or of the
    image where nothing is missing. A window that cannot be centered is half a pixel
    nearer to the top or left.
    """
    top = _centered(tf.reduce_max(mask, axis=[2, 3]), size)
    left = _centered(tf.reduce_max(mask, axis=[1, 3]), size)
    return _window(image, top, left, size)


def _centered(missing: tf.Tensor, size: int) -> tf.Tensor:
    """Start of the window around the span of each row's ones. [B, L] -> int32 [B]."""
    length = tf.shape(missing)[1]
    before = tf.argmax(missing, axis=1, output_type=tf.int32)
    after = tf.argmax(missing[:, ::-1], axis=1, output_type=tf.int32)
    # Without a one both are 0, and the span is the whole row.
    return tf.clip_by_value((before + length - after - size) // 2, 0, length - size)


def _window(image: tf.Tensor, top: tf.Tensor, left: tf.Tensor, size: int) -> tf.Tensor:
    """[B, H, W, C], corners int32 [B] -> [B, size, size, C]."""
    window = tf.range(size)
    rows = tf.gather(image, top[:, None] + window, axis=1, batch_dims=1)
    return tf.gather(rows, left[:, None] + window, axis=2, batch_dims=1)


def paste_hole(patch: tf.Tensor, image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The image, [B, H, W, C], with missing pixels from the patch; undoes `crop_hole`.

    The corner of the patch, [B, size, size, C], is the hole's. Missing pixels outside
    the patch repeat its edge.
    """
    size = patch.shape[1]
    top, left = hole_corner(mask, size)
    height, width = tf.shape(image)[1], tf.shape(image)[2]
    rows = tf.clip_by_value(tf.range(height) - top[:, None], 0, size - 1)  # [B, H]
    columns = tf.clip_by_value(tf.range(width) - left[:, None], 0, size - 1)
    batch, channels = tf.shape(patch)[0], tf.shape(patch)[3]
    # From flat rows, because OpenVINO cannot gather from [B, size, size, C].
    spread = tf.reshape(patch, [batch, size, size * channels])
    spread = tf.gather(spread, rows, axis=1, batch_dims=1)
    spread = tf.reshape(spread, [batch, height, size, channels])
    spread = tf.gather(spread, columns, axis=2, batch_dims=1)  # [B, H, W, C]
    return tf.where(mask > 0.5, spread, image)
