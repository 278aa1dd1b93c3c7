"""Crops of the patch under or around each image's hole, and their inverse.

All follow the hole wherever it is, on any batch, with stock gather operations.
"""

from __future__ import annotations

import tensorflow as tf


def hole_corner(mask: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Top and left of each hole, clamped so that a size x size window fits inside.

    Args:
      mask: [B, H, W, 1], 1 = missing.
      size: Side of the window, pixels.

    Returns:
      (top, left), each int32 [B]; 0 where nothing is missing.
    """
    rows = tf.reduce_max(mask, axis=[2, 3])  # [B, H]
    columns = tf.reduce_max(mask, axis=[1, 3])  # [B, W]
    top = tf.argmax(rows, axis=1, output_type=tf.int32)
    left = tf.argmax(columns, axis=1, output_type=tf.int32)
    return (
        tf.minimum(top, tf.shape(mask)[1] - size),
        tf.minimum(left, tf.shape(mask)[2] - size),
    )


def crop_hole(image: tf.Tensor, mask: tf.Tensor, size: int) -> tf.Tensor:
    """The window, [B, size, size, C], whose top left corner is the hole's.

    Args:
      image: [B, H, W, C].
      mask: [B, H, W, 1], 1 = missing.
      size: Side of the window, pixels.
    """
    return _window(image, *hole_corner(mask, size), size)


def crop_around_hole(image: tf.Tensor, mask: tf.Tensor, size: int) -> tf.Tensor:
    """The window, [B, size, size, C], around each hole's middle, inside the image.

    Args:
      image: [B, H, W, C].
      mask: [B, H, W, 1], 1 = missing. The middle is that of the smallest rectangle
        around all missing pixels, or of the image where nothing is missing.
      size: Side of the window, pixels, at most H and W. If it cannot be centered it is
        half a pixel nearer to the top or left.
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

    Args:
      patch: [B, size, size, C], whose corner is the hole's.
      image: [B, H, W, C].
      mask: [B, H, W, 1], 1 = missing. Missing pixels outside the patch repeat its edge.
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
