"""Training images at other places and the other way round."""

from __future__ import annotations

import tensorflow as tf


def flip_and_shift(image: tf.Tensor, key: tf.Tensor, shift: int) -> tf.Tensor:
    """The standard augmentation of small-image classification.

    A horizontal flip with probability 1/2, and a random crop of the image after
    reflecting `shift` pixels around it.

    Args:
      image: [S, S, C] of any type.
      key: Integer [2], stateless.
      shift: Largest shift in either direction, pixels, less than S.

    Returns:
      [S, S, C], every pixel one of the image's.
    """
    size = image.shape[0]
    keys = tf.random.experimental.stateless_split(key, 2)
    moves = tf.random.stateless_uniform([2], keys[0], -shift, shift + 1, dtype=tf.int32)
    rows = _reflected(tf.range(size) + moves[0], size)
    columns = _reflected(tf.range(size) + moves[1], size)
    flipped = tf.random.stateless_uniform([], keys[1]) < 0.5
    columns = tf.where(flipped, size - 1 - columns, columns)
    return tf.gather(tf.gather(image, rows, axis=0), columns, axis=1)


def flip_and_cut(image: tf.Tensor, key: tf.Tensor, side: int) -> tf.Tensor:
    """A random square of an image, and a horizontal flip with probability 1/2.

    Args:
      image: [H, W, C] of any type.
      key: Integer [2], stateless.
      side: Of the square, pixels, at most H and W.

    Returns:
      [side, side, C].
    """
    keys = tf.random.experimental.stateless_split(key, 2)
    square = tf.image.stateless_random_crop(
        image, [side, side, image.shape[-1]], tf.cast(keys[0], tf.int32)
    )
    flipped = tf.random.stateless_uniform([], keys[1]) < 0.5
    return tf.where(flipped, square[:, ::-1], square)


def _reflected(position: tf.Tensor, size: int) -> tf.Tensor:
    """Positions beyond an edge come back; the edge itself is not repeated."""
    return size - 1 - tf.abs(size - 1 - tf.abs(position))
