"""Discriminators."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from models import blocks


def build_patch_discriminator(
    image_size: int = 128, widths: Sequence[int] = (64, 128, 256, 512)
) -> tf.keras.Model:
    """Builds the discriminator of Jiang & Zhang, Sec. 3.2, a map of real or not.

      image     [B, S, S, 3] in [-1, 1]
      trunk     convs 3x3 of `widths`, stride 2 but for the last, InstanceNorm but
                for the first, LeakyReLU -> [B, S/2^(n-1), S/2^(n-1), widths[-1]]
      score     conv 3x3, linear, float32 -> [B, S/2^(n-1), S/2^(n-1), 1]

    The widths follow the public implementation that the paper starts from; the paper
    itself gives none.

    Args:
      image_size: S in pixels: the hole's side for models 0 and 1, the image's for 2
        and 3.
      widths: Channels per level.

    Returns:
      image -> map of scores, towards 1 for real images and 0 for restored ones.
    """
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    x = image
    for level, width in enumerate(widths, start=1):
        strides = 1 if level == len(widths) else 2
        x = blocks.conv(x, width, 3, strides=strides, name=f"conv{level}")
        if level > 1:
            x = blocks.instance_norm(x, name=f"norm{level}")
        x = blocks.leaky_relu(x, name=f"act{level}")
    x = blocks.conv(x, 1, 3, name="score_conv")
    score = tf.keras.layers.Activation("linear", dtype="float32", name="score")(x)
    return tf.keras.Model(image, score, name="patch_discriminator")
