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


def build_context_discriminator(
    patch_size: int = 64, widths: Sequence[int] = (64, 128, 256, 512)
) -> tf.keras.Model:
    """Builds the discriminator of Pathak et al.'s context encoder, one score a patch.

      patch     [B, P, P, 3] in [-1, 1]
      trunk     convs 4x4/2 of `widths`, BatchNorm but for the first, LeakyReLU
                -> [B, P/2^n, P/2^n, widths[-1]]
      score     a conv as large as that map, linear, float32 -> [B, 1, 1, 1]

    Do et al. describe none; they build on Pathak et al. (arXiv 1604.07379).

    Args:
      patch_size: P in pixels; 64 leaves a map of 4x4 for the last convolution.
      widths: Channels per level.

    Returns:
      patch -> logit: above 0 for patches taken for real.
    """
    patch = tf.keras.Input((patch_size, patch_size, 3), name="patch")
    x = patch
    for level, width in enumerate(widths, start=1):
        x = blocks.conv(x, width, 4, strides=2, name=f"conv{level}")
        if level > 1:
            x = blocks.batch_norm(x, name=f"norm{level}")
        x = blocks.leaky_relu(x, name=f"act{level}")
    x = tf.keras.layers.Conv2D(
        1,
        x.shape[1],
        padding="valid",
        kernel_initializer=blocks.normal_init(),
        name="score_conv",
    )(x)
    score = tf.keras.layers.Activation("linear", dtype="float32", name="score")(x)
    return tf.keras.Model(patch, score, name="context_discriminator")
