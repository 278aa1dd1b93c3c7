"""Discriminators of three papers, and the attribute classifier of one."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from models import batch_statistics, blocks

GLOBAL_WIDTHS = (96, 192, 384, 768, 1536)
LOCAL_WIDTHS = (64, 128, 256, 512)
CONV_WIDTHS = (128, 256, 512)  # of the classifier
DENSE_WIDTHS = (1024, 128)


def build_patch_discriminator(
    image_size: int = 128,
    widths: Sequence[int] = (64, 128, 256, 512),
    *,
    batch_deviation: bool = False,
) -> tf.keras.Model:
    """Builds the discriminator of Jiang & Zhang, Sec. 3.2, one score per patch.

      image     [B, S, S, 3] in [-1, 1]
      trunk     convs 3x3 of `widths`, stride 2 but for the last, InstanceNorm but
                for the first, LeakyReLU -> [B, S/2^(n-1), S/2^(n-1), widths[-1]]
      score     conv 3x3, linear, float32 -> [B, S/2^(n-1), S/2^(n-1), 1]

    The widths, channels per level, follow the public implementation that the paper
    starts from; the paper gives none. `batch_deviation` appends that of the trunk to
    it, which is not in the paper. S is the hole's side for models 0 and 1, the
    image's for 2 and 3.

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
    if batch_deviation:
        x = batch_statistics.BatchDeviation(name="batch_deviation")(x)
    x = blocks.conv(x, 1, 3, name="score_conv")
    score = tf.keras.layers.Activation("linear", dtype="float32", name="score")(x)
    return tf.keras.Model(image, score, name="patch_discriminator")


def build_context_discriminator(
    patch_size: int = 64, widths: Sequence[int] = (64, 128, 256, 512)
) -> tf.keras.Model:
    """Builds the discriminator of Pathak et al.'s context encoder.

      patch     [B, P, P, 3] in [-1, 1]
      trunk     convs 4x4/2 of `widths`, BatchNorm but for the first, LeakyReLU
                -> [B, P/2^n, P/2^n, widths[-1]]
      score     a conv as large as that map, linear, float32 -> [B, 1, 1, 1]

    Do et al. describe none; they build on Pathak et al. (arXiv 1604.07379). A patch of
    64 pixels leaves a map of 4x4 for the last convolution.

    Returns:
      patch -> logit, above 0 for patches judged real.
    """
    patch = tf.keras.Input((patch_size, patch_size, 3), name="patch")
    x = halving_convs(patch, widths)
    initial = blocks.normal_init()
    x = tf.keras.layers.Conv2D(
        1, x.shape[1], kernel_initializer=initial, name="score_conv"
    )(x)
    score = tf.keras.layers.Activation("linear", dtype="float32", name="score")(x)
    return tf.keras.Model(patch, score, name="context_discriminator")


def build_global_local_discriminator(
    image_size: int = 128,
    patch_size: int = 64,
    *,
    local: bool = True,
    width: float = 1.0,
) -> tf.keras.Model:
    """Builds the discriminators of Chen et al., Sec. 3.3, fused into one logit.

      image     [B, S, S, 3] in [-1, 1]
      global    convs 4x4/2 of 96, 192, 384, 768, 1536, BatchNorm but for the first,
                LeakyReLU -> [B, S/32, S/32, 1536], flattened
      patch     [B, P, P, 3] in [-1, 1], from around the hole
      local     convs 4x4/2 of 64, 128, 256, 512, BatchNorm, LeakyReLU
                -> [B, P/16, P/16, 512], flattened
      score     both concatenated, dense, linear, float32 -> [B, 1]

    The paper gives no layers; the authors' published code gives these widths.

    Args:
      image_size: S in pixels.
      patch_size: P in pixels.
      local: Whether there is a local discriminator; without it there is no "patch".
      width: Multiplies every number of channels but RGB's.

    Returns:
      {"image": [B, S, S, 3], "patch": [B, P, P, 3]} -> logit, above 0 for images
      judged real.

    Raises:
      ValueError: If S is not a multiple of 32, or P of 16.
    """
    trunks = [("global", "image", image_size, GLOBAL_WIDTHS)]
    if local:
        trunks.append(("local", "patch", patch_size, LOCAL_WIDTHS))
    inputs, features = {}, []
    for label, name, side, widths in trunks:
        check_halvings(f"{name}_size", side, len(widths))
        inputs[name] = tf.keras.Input((side, side, 3), name=name)
        x = halving_convs(
            inputs[name],
            [blocks.scaled(channels, width) for channels in widths],
            first_norm=label == "local",
            prefix=f"{label}_",
        )
        features.append(tf.keras.layers.Flatten(name=f"{label}_features")(x))
    x = features[0]
    if local:
        x = tf.keras.layers.Concatenate(name="fused")(features)
    score = blocks.dense(x, 1, dtype="float32", name="score")
    return tf.keras.Model(inputs, score, name="global_local_discriminator")


def check_halvings(name: str, size: int, halvings: int) -> None:
    """Raises a ValueError that names the side unless it can be halved so often."""
    because = f"{halvings} convolutions each halve it"
    blocks.check_multiple(name, size, 2**halvings, because)


def halving_convs(
    x, widths: Sequence[int], *, first_norm: bool = False, prefix: str = ""
):
    """Convs 4x4/2 -> BatchNorm -> LeakyReLU; the first norm is optional.

    [B, H, W, C] -> [B, H/2^n, W/2^n, widths[-1]], n = len(widths).
    """
    for level, width in enumerate(widths, start=1):
        x = blocks.conv(x, width, 4, strides=2, name=f"{prefix}conv{level}")
        if level > 1 or first_norm:
            x = blocks.batch_norm(x, name=f"{prefix}norm{level}")
        x = blocks.leaky_relu(x, name=f"{prefix}act{level}")
    return x


def build_attribute_classifier(
    classes: int, image_size: int = 128, *, width: float = 1.0
) -> tf.keras.Model:
    """Builds the classifier of Chen et al., Sec. 3.4.

      image     [B, S, S, 3] in [-1, 1]
      trunk     convs 4x4/2 of 128, 256, 512, BatchNorm but for the first, LeakyReLU
                -> [B, S/8, S/8, 512], flattened
      head      (dense -> LeakyReLU) of 1024, 128, dense -> [B, classes]

    The paper gives no layers; the authors' published code gives the trunk.

    `width` multiplies every number of channels but those of RGB and the classes.

    Returns:
      image -> logits, float32, for sigmoids or one softmax.

    Raises:
      ValueError: If there is no class, or S is not a multiple of 8.
    """
    if classes < 1:
        raise ValueError(
            f"classes must be at least 1; got {classes}. Data without labels need no "
            "classifier."
        )
    check_halvings("image_size", image_size, len(CONV_WIDTHS))
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    x = halving_convs(image, [blocks.scaled(n, width) for n in CONV_WIDTHS])
    x = tf.keras.layers.Flatten(name="features")(x)
    for level, units in enumerate(DENSE_WIDTHS, start=1):
        x = blocks.dense(x, blocks.scaled(units, width), name=f"dense{level}")
        x = blocks.leaky_relu(x, name=f"dense{level}_act")
    logits = blocks.dense(x, classes, dtype="float32", name="logits")
    return tf.keras.Model(image, logits, name="attribute_classifier")
