"""End-to-end facial inpainting with skip connections (Jiang & Zhang).

Four generators that isolate two design choices: a channel-wise fully connected
bottleneck (model 0 has it, model 1 has none), and generating the whole image instead
of the hole (model 2), with skip connections (model 3, the paper's proposal).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models import blocks, holes

WIDTHS = (64, 64, 128, 256, 512)
MODELS = (0, 1, 2, 3)
BOTTLENECKS = ("channelwise_fc", "conv4000")


def check_image_size(image_size: int, widths: Sequence[int]) -> None:
    """Raises a ValueError unless every level of the encoder can halve the image."""
    factor = 2 ** len(widths)
    if image_size % factor:
        raise ValueError(
            f"image_size must be a multiple of {factor}, because {len(widths)} encoder "
            f"levels each halve it; got {image_size}. "
            f"Try {image_size // factor * factor or factor}."
        )


def build_generator(
    model: int = 3,
    *,
    image_size: int = 128,
    widths: Sequence[int] = WIDTHS,
    bottleneck: str = "channelwise_fc",
    mask_channel: bool = False,
) -> tf.keras.Model:
    """Builds one of the four generators of Jiang & Zhang, Sec. 3.1, Fig. 4.

      image     [B, S, S, 3] in [-1, 1], the hole filled; with `mask_channel`
                [B, S, S, 4], the mask last, 1 = missing
      encoder   n = len(widths) convs 4x4/2 -> [B, S/2^n, S/2^n, widths[-1]]
      decoder   model 0, 1: n - 1 up-convs -> the patch under the hole
                model 2, 3: n up-convs -> the whole image; in model 3 each level
                is joined to the encoder's map of its size

    Args:
      model: 0 to 3.
      image_size: S in pixels, a multiple of 2 ** len(widths).
      widths: Encoder channels per level.
      bottleneck: Of model 0 only: "channelwise_fc" (Pathak et al.'s layer), or
        "conv4000", the 4,000-channel bottleneck of their released network, which the
        paper's "decrease the model size" fits better.
      mask_channel: Whether the mask is a fourth channel of the image, which the paper
        does not have.

    Returns:
      image -> RGB in [-1, 1]: [B, S/2, S/2, 3] for models 0 and 1, [B, S, S, 3] for
      models 2 and 3.

    Raises:
      ValueError: If the image size does not fit the depth, or the model is unknown.
    """
    if model not in MODELS:
        raise ValueError(f"model must be one of {MODELS}; got {model!r}.")
    if bottleneck not in BOTTLENECKS:
        raise ValueError(f"bottleneck must be one of {BOTTLENECKS}; got {bottleneck!r}")
    check_image_size(image_size, widths)
    channels = 4 if mask_channel else 3
    image = tf.keras.Input((image_size, image_size, channels), name="image")
    levels = _encode(image, widths)
    x = levels[-1]
    if model == 0:
        x = _bottleneck(x, bottleneck)
    if model in (0, 1):
        up_widths = tuple(reversed(widths))[:-1]
    else:
        up_widths = (*reversed(widths[:-1]), widths[0])
    # Model 3 joins every decoder level that has an encoder map of its size; the last
    # level, at full resolution, has none.
    skips = list(reversed(levels[:-1])) if model == 3 else []
    for level, width in enumerate(up_widths, start=1):
        x = blocks.conv_transpose(x, width, 4, strides=2, name=f"up{level}")
        x = blocks.batch_norm(x, name=f"up{level}_norm")
        x = blocks.leaky_relu(x, name=f"up{level}_act")
        if skips:
            x = _join(x, skips.pop(0), width, name=f"skip{level}")
    restored = blocks.tanh_image(x, name="restored")
    return tf.keras.Model(image, restored, name=f"skip_inpainting_model{model}")


def _encode(x, widths: Sequence[int]) -> list:
    """Conv 4x4/2 -> BatchNorm -> ReLU per level; returns every level's map."""
    levels = []
    for level, width in enumerate(widths, start=1):
        x = blocks.conv(x, width, 4, strides=2, name=f"down{level}")
        x = blocks.batch_norm(x, name=f"down{level}_norm")
        x = blocks.relu(x, name=f"down{level}_act")
        levels.append(x)
    return levels


def _join(x, skip, width: int, *, name: str):
    """Concatenates an encoder map and convolves 2c channels back to c (Sec. 3.1)."""
    x = tf.keras.layers.Concatenate(name=f"{name}_join")([x, skip])
    x = blocks.conv(x, width, 3, name=name)
    x = blocks.batch_norm(x, name=f"{name}_norm")
    return blocks.leaky_relu(x, name=f"{name}_act")


def _bottleneck(x, kind: str):
    """Model 0's bottleneck on [B, n, n, C]."""
    if kind == "conv4000":
        x = blocks.conv(x, 4000, 1, name="bottleneck")
        return blocks.relu(x, name="bottleneck_act")
    channels = x.shape[3]
    x = blocks.spatial_fc(x, name="channelwise_fc")
    x = blocks.conv(x, channels, 1, name="bottleneck")
    x = blocks.batch_norm(x, name="bottleneck_norm")
    return blocks.relu(x, name="bottleneck_act")


def build_inpainter(generator: tf.keras.Model) -> tf.keras.Model:
    """Gives every generator the same face: image and mask in, whole image out.

    Args:
      generator: From `build_generator`.

    Returns:
      {"image": [B, S, S, 3] in [-1, 1] with the hole filled, "mask": [B, S, S, 1],
      1 = missing} -> whole image [B, S, S, 3] in [-1, 1]. Models 2 and 3 give their
      own output, which uses the mask only with a mask channel; the patch of models 0
      and 1 is pasted under the hole, wherever it is.
    """
    size = generator.input_shape[1]
    image = tf.keras.Input((size, size, 3), name="image")
    mask = tf.keras.Input((size, size, 1), name="mask", dtype="float32")
    if generator.input_shape[-1] == 4:
        masked = tf.keras.layers.Concatenate(dtype="float32", name="image_and_mask")(
            [image, mask]
        )
        restored = generator(masked)
    else:
        restored = generator(image)
    if restored.shape[1] != size:
        restored = holes.paste_hole(restored, tf.cast(image, tf.float32), mask)
    inputs = {"image": image, "mask": mask}
    return tf.keras.Model(inputs, restored, name="inpainter")


def with_mask_channel(
    kernel: np.ndarray, fill: np.ndarray, new_fill: np.ndarray
) -> np.ndarray:
    """The first kernel of a generator, for one that has a mask channel.

    Where the image held `fill` it now holds `new_fill`, and the mask is 1. A
    convolution is linear, so weights of the mask that make up for the difference leave
    what it returns as it was.

    Args:
      kernel: [4, 4, 3, C].
      fill: What stood in the hole, [3] in [-1, 1].
      new_fill: What stands there now.

    Returns:
      [4, 4, 4, C].
    """
    of_mask = np.einsum("c,hwcf->hwf", np.subtract(fill, new_fill), kernel)
    return np.concatenate([kernel, of_mask[:, :, None]], axis=2)
