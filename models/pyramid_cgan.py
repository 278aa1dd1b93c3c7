"""A conditional GAN with a dilated feature pyramid (Chen, Ji & Zhang).

Residual blocks halve the image three times, four dilated convolutions widen the
receptive field, and residual blocks double the maps again; maps of the way down are
added on the way up. Configurations isolate the pyramid and the dilation.
"""

from __future__ import annotations

import tensorflow as tf

from models import blocks, convolutions

CONFIGURATIONS = ("a", "b", "c", "d")
NORMS = ("batch", "none")
STEM_CHANNELS = 64
DOWN_CHANNELS = (64, 128, 256)
DILATED_CHANNELS = 1024
RATES = (2, 4, 8, 16)
UP_CHANNELS = (256, 128, 64)
LAST_CHANNELS = 32


def build_generator(
    configuration: str = "d",
    *,
    image_size: int = 128,
    width: float = 1.0,
    norm: str = "batch",
) -> tf.keras.Model:
    """Builds the generator of Chen et al., Sec. 3.2 and 3.3, Table 1.

      image     [B, S, S, 3], mask [B, S, S, 1], concatenated
      conv1     3x3 -> [B, S, S, 64]
      res1..3   residual blocks of stride 2 -> [B, S/2, S/2, 64],
                [B, S/4, S/4, 128], [B, S/8, S/8, 256]
      dilated   four 3x3 of rates 2, 4, 8, 16 -> [B, S/8, S/8, 1024]
      res4      + 1x1 of res3 -> [B, S/8, S/8, 256]
      res5      doubled first, + 1x1 of res2 -> [B, S/4, S/4, 128]
      res6      doubled first, + 1x1 of res1 -> [B, S/2, S/2, 64]
      deconv    4x4/2, conv2 3x3 -> [B, S, S, 32]
      restored  3x3, tanh -> [B, S, S, 3]

    Every convolution but the laterals and the last is followed by BatchNorm and
    LeakyReLU; at the end of a residual block the normalized branches are added first.
    Table 1 prints stride 2 for every convolution of every residual block, which cannot
    be built: here the first convolution has its block's stride.

    Args:
      configuration: "a" has no laterals and no dilation, "b" no dilation; "c" and "d"
        are the same generator, against other discriminators.
      image_size: S in pixels, a multiple of 8.
      width: Multiplies every number of channels but those of RGB and mask.
      norm: "batch", as in DCGAN, or "none"; the paper names no normalization.

    Returns:
      {"image": [B, S, S, 3] in [-1, 1], the hole filled with 0, "mask": [B, S, S, 1],
      1 = missing} -> [B, S, S, 3] in [-1, 1], float32, known pixels included:
      `build_inpainter` puts the original ones back.

    Raises:
      ValueError: If the image size does not fit or an option is none of the above.
    """
    blocks.check_option("configuration", configuration, CONFIGURATIONS)
    blocks.check_option("norm", norm, NORMS)
    because = "three residual blocks each halve the image"
    blocks.check_multiple("image_size", image_size, 8, because)

    def scaled(channels: int) -> int:
        return blocks.scaled(channels, width)

    inputs = blocks.masked_inputs(image_size)
    x = tf.keras.layers.Concatenate(name="image_and_mask")(list(inputs.values()))
    x = _active_conv(x, scaled(STEM_CHANNELS), 3, norm, name="conv1")
    levels = []
    for block, channels in enumerate(DOWN_CHANNELS, start=1):
        x = _residual(x, scaled(channels), norm, strides=2, name=f"res{block}")
        levels.append(x)
    channels, dilated = scaled(DILATED_CHANNELS), configuration in ("c", "d")
    for number, rate in enumerate(RATES, start=1):
        options = {"dilation_rate": rate if dilated else 1, "name": f"dilated{number}"}
        layer = convolutions.DilatedConv2D
        x = _active_conv(x, channels, 3, norm, layer=layer, **options)
    for block, channels in enumerate(UP_CHANNELS, start=4):
        x = _residual(x, scaled(channels), norm, doubled=block > 4, name=f"res{block}")
        if configuration != "a":
            level = levels.pop()
            lateral = blocks.conv(level, scaled(channels), 1, name=f"lateral{block}")
            x = tf.keras.layers.Add(name=f"joined{block}")([x, lateral])
    transposed = tf.keras.layers.Conv2DTranspose
    last = scaled(LAST_CHANNELS)
    x = _active_conv(x, last, 4, norm, layer=transposed, strides=2, name="deconv")
    x = _active_conv(x, last, 3, norm, name="conv2")
    restored = blocks.tanh_image(x, name="restored")
    return tf.keras.Model(inputs, restored, name=f"pyramid_cgan_{configuration}")


def _conv(x, filters, kernel, norm, *, layer=None, name, **options):
    """A convolution of any kind, SAME, with a bias -> BatchNorm (or no norm)."""
    normalized = norm == "batch"
    # Without norms DCGAN's N(0, 0.02) would shrink the signal to 1e-7 and gradients to
    # 1e-13; He et al.'s initialization keeps the size of both.
    init = blocks.normal_init() if normalized else tf.keras.initializers.HeNormal()
    options = {**options, "padding": "same", "kernel_initializer": init}
    layer = layer or convolutions.Conv2D
    x = layer(filters=filters, kernel_size=kernel, name=name, **options)(x)
    return blocks.batch_norm(x, name=f"{name}_norm") if normalized else x


def _active_conv(x, filters: int, kernel: int, norm: str, *, name: str, **options):
    """`_conv` -> LeakyReLU."""
    x = _conv(x, filters, kernel, norm, name=name, **options)
    return blocks.leaky_relu(x, name=f"{name}_act")


def _residual(
    x, filters: int, norm: str, *, strides: int = 1, doubled: bool = False, name: str
):
    """Two convolutions 3x3, plus one 1x1 as a shortcut -> LeakyReLU.

    [B, H, W, C] -> [B, H/strides, W/strides, filters], or [B, 2H, 2W, filters] if the
    map is doubled first.
    """
    first, second, skip = (f"{name}_{part}" for part in ("conv1", "conv2", "shortcut"))
    if doubled:
        layer = convolutions.DoublingConv2D
        y = _active_conv(x, filters, 3, norm, layer=layer, name=first)
        x = blocks.double(x, name=f"{name}_doubled")
    else:
        y = _active_conv(x, filters, 3, norm, strides=strides, name=first)
    if strides > 1:
        # The pixels that a 1x1 convolution with a stride sees. With the stride itself
        # oneDNN's gradient of its weights crashes for fewer than 16 channels.
        sampled = tf.keras.layers.AveragePooling2D(1, strides, name=f"{name}_sampled")
        x = sampled(x)
    y = _conv(y, filters, 3, norm, name=second)
    x = _conv(x, filters, 1, norm, name=skip)
    x = tf.keras.layers.Add(name=f"{name}_sum")([y, x])
    return blocks.leaky_relu(x, name=f"{name}_act")


def build_inpainter(generator: tf.keras.Model) -> tf.keras.Model:
    """Puts the known pixels back: x (1 - M) + G M.

    Returns:
      {"image": [B, S, S, 3] in [-1, 1] with the hole filled, "mask": [B, S, S, 1],
      1 = missing} -> whole image [B, S, S, 3] in [-1, 1], float32; known pixels are
      those of the image, bit for bit.
    """
    inputs = blocks.masked_inputs(generator.input_shape["image"][1])
    drawn, image = generator(inputs), tf.cast(inputs["image"], tf.float32)
    restored = tf.where(inputs["mask"] > 0.5, drawn, image)
    return tf.keras.Model(inputs, restored, name="inpainter")
