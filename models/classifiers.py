"""Classifiers that help a generator draw what belongs to a face."""

from __future__ import annotations

import tensorflow as tf

from models import blocks, discriminators

CONV_WIDTHS = (128, 256, 512)
DENSE_WIDTHS = (1024, 128)


def build_attribute_classifier(
    classes: int, image_size: int = 128, *, width: float = 1.0
) -> tf.keras.Model:
    """Builds the classifier of Chen et al., Sec. 3.4.

      image     [B, S, S, 3] in [-1, 1]
      trunk     convs 4x4/2 of 128, 256, 512, BatchNorm but for the first, LeakyReLU
                -> [B, S/8, S/8, 512], flattened
      head      (dense -> LeakyReLU) of 1024, 128, dense -> [B, classes]

    The paper gives no layers; the authors' published code gives the trunk.

    Args:
      classes: How many attributes (or classes) there are, at least 1.
      image_size: S in pixels, a multiple of 8.
      width: Multiplies every number of channels but those of RGB and the classes.

    Returns:
      image -> logits, float32: for a sigmoid each, or one softmax.

    Raises:
      ValueError: If there is no class, or the side cannot be halved three times.
    """
    if classes < 1:
        raise ValueError(
            f"classes must be at least 1; got {classes}. Data without labels need no "
            "classifier."
        )
    discriminators.check_halvings("image_size", image_size, len(CONV_WIDTHS))
    convs, denses = (
        [blocks.scaled(channels, width) for channels in widths]
        for widths in (CONV_WIDTHS, DENSE_WIDTHS)
    )
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    x = discriminators.halving_convs(image, convs)
    x = tf.keras.layers.Flatten(name="features")(x)
    for level, units in enumerate(denses, start=1):
        x = _dense(x, units, name=f"dense{level}")
        x = blocks.leaky_relu(x, name=f"dense{level}_act")
    logits = _dense(x, classes, dtype="float32", name="logits")
    return tf.keras.Model(image, logits, name="attribute_classifier")


def _dense(x, units: int, *, name: str, **options):
    """Dense layer. [B, C] -> [B, units]."""
    return tf.keras.layers.Dense(
        units, kernel_initializer=blocks.normal_init(), name=name, **options
    )(x)
