"""End-to-end facial inpainting with skip connections (Jiang & Zhang).

Four generators that isolate two design choices: a channel-wise fully connected
bottleneck (model 0 has it, model 1 has none), and generating the whole image instead
of the hole (model 2), with skip connections (model 3, the paper's proposal).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models import blocks, eigenface_fill, holes

WIDTHS = (64, 64, 128, 256, 512)
MODELS = (0, 1, 2, 3)
FILL = "eigenface_fill"  # the layer
BOTTLENECKS = ("channelwise_fc", "conv4000")


def check_image_size(image_size: int, widths: Sequence[int]) -> None:
    """Raises a ValueError unless every level of the encoder can halve the image."""
    because = f"{len(widths)} encoder levels each halve it"
    blocks.check_multiple("image_size", image_size, 2 ** len(widths), because)


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
      mask_channel: Whether the mask is a fourth channel; not in the paper.

    Returns:
      image -> RGB in [-1, 1]: [B, S/2, S/2, 3] for models 0 and 1, [B, S, S, 3] for
      models 2 and 3.

    Raises:
      ValueError: If the image size does not fit the depth, or the model is unknown.
    """
    blocks.check_option("model", model, MODELS)
    blocks.check_option("bottleneck", bottleneck, BOTTLENECKS)
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
    # The last decoder level, at full resolution, has no encoder map of its size.
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


def build_inpainter(
    generator: tf.keras.Model, *, eigenfaces: int = 0
) -> tf.keras.Model:
    """Gives every generator the same interface: image and mask in, whole image out.

    With `eigenfaces`, a number, a generator with a mask channel is given the image
    with the hole filled by as many (`EigenfaceFill`), which is not in the paper.

    Returns:
      {"image": [B, S, S, 3] in [-1, 1] with the hole filled, "mask": [B, S, S, 1],
      1 = missing} -> whole image [B, S, S, 3] in [-1, 1]. Models 2 and 3 give their
      own output, which uses the mask only with a mask channel; the patch of models 0
      and 1 is pasted under the hole, wherever it is.
    """
    size = generator.input_shape[1]
    inputs = blocks.masked_inputs(size)
    image, mask = inputs.values()
    if eigenfaces:
        image = eigenface_fill.EigenfaceFill(eigenfaces, name=FILL)(inputs)
    if generator.input_shape[-1] == 4:
        masked = tf.keras.layers.Concatenate(dtype="float32", name="image_and_mask")(
            [image, mask]
        )
        restored = generator(masked)
    else:
        restored = generator(image)
    if restored.shape[1] != size:
        restored = holes.paste_hole(restored, tf.cast(image, tf.float32), mask)
    return tf.keras.Model(inputs, restored, name="inpainter")


def with_mask_channel(
    kernel: np.ndarray, fill: np.ndarray, new_fill: np.ndarray
) -> np.ndarray:
    """Adds a mask channel to a generator's first kernel: [4, 4, 3, C] -> [4, 4, 4, C].

    The hole's value changes from `fill` to `new_fill`, each [3] in [-1, 1]. The mask's
    weights make up for the difference, so that the convolution's output stays the same.
    """
    of_mask = np.einsum("c,hwcf->hwf", np.subtract(fill, new_fill), kernel)
    return np.concatenate([kernel, of_mask[:, :, None]], axis=2)
