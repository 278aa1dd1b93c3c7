"""A multi-scale context encoder for facial images (Do, Nguyen & Nguyen).

Sub-encoders take the image at full, half and quarter size; their features are added or
concatenated, and one decoder generates the missing center. With one scale it is the
context encoder that the paper compares with.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from models import blocks

WIDTHS = (32, 64, 128, 512)
DECODER_WIDTHS = (128, 64)
SCALES = (1, 2, 3)
AGGREGATIONS = ("add", "concat")
DOWNSAMPLING = ("pool", "stride")
BOTTLENECKS = ("none", "channelwise_fc", "shared_fc")


def patch_size(image_size: int, levels: int = len(WIDTHS)) -> int:
    """Side of the generated patch, pixels: 64 for 250, a quarter of most sizes.

    Every level of the encoder halves and rounds up; the decoder doubles twice.
    """
    return 4 * -(-image_size // 2**levels)


def build_generator(
    *,
    image_size: int = 250,
    scales: int = 3,
    aggregation: str = "add",
    downsampling: str = "pool",
    bottleneck: str = "none",
    separable: bool = False,
    fill: Sequence[float] = (0.0,),
    widths: Sequence[int] = WIDTHS,
    decoder_widths: Sequence[int] = DECODER_WIDTHS,
) -> tf.keras.Model:
    """Builds the generator of Do et al., Sec. II, Fig. 1, Tables I and II.

      image    [B, S, S, 3], mask [B, S, S, 1]; halved `scales - 1` times
      E_k      widths[k:], each conv 3x3 (the last 1x1) -> LeakyReLU -> BatchNorm ->
               halved; [B, S/2^k, S/2^k, 3] -> [B, S/16, S/16, 512], rounded up
      joined   [B, S/16, S/16, 512] (add) or [B, S/16, S/16, 512 * scales] (concat);
               then with a bottleneck fully connected over places -> BatchNorm -> ReLU
      decoder  (doubled -> conv 3x3 -> ReLU -> BatchNorm) x 2 -> conv 3x3 -> tanh

    Each scale has its own mask: a pixel of a scale is missing if any pixel that it was
    pooled from is. Pixels under the mask have no influence.

    Args:
      image_size: S in pixels.
      scales: Sub-encoders, 1 to 3; 1 is the context encoder.
      aggregation: "add" (Tables IV and V) or "concat" (Table II).
      downsampling: "pool", max pooling 2x2 after each level, or "stride", convolutions
        of stride 2. Shapes and parameters are the same.
      bottleneck: "none" as printed: then a pixel of the patch depends on at most 62x62
        pixels of the image. "channelwise_fc", Pathak et al.'s layer, has a matrix over
        places for every channel, "shared_fc" one for all.
      separable: Makes every 3x3 convolution between features depthwise separable, the
        paper's future work; those from and to RGB stay.
      fill: Value of the hole in [-1, 1]: one number, or one per channel.
      widths: Channels of E_0's levels; E_k has all but the first k.
      decoder_widths: Channels of the decoder's two levels.

    Returns:
      {"image": [B, S, S, 3] in [-1, 1], "mask": [B, S, S, 1], 1 = missing} -> the
      center patch [B, P, P, 3] in [-1, 1], P from `patch_size`; 64 for S = 250.

    Raises:
      ValueError: If an option is none of the above.
    """
    blocks.check_option("scales", scales, SCALES)
    blocks.check_option("aggregation", aggregation, AGGREGATIONS)
    blocks.check_option("downsampling", downsampling, DOWNSAMPLING)
    blocks.check_option("bottleneck", bottleneck, BOTTLENECKS)
    inputs = blocks.masked_inputs(image_size)
    features = [
        _encode(x, widths[k:], downsampling, separable, name=f"scale{k}")
        for k, x in enumerate(masked_pyramid(*inputs.values(), scales, fill))
    ]
    if scales == 1:
        x = features[0]
    elif aggregation == "add":
        x = tf.keras.layers.Add(name="joined")(features)
    else:
        x = tf.keras.layers.Concatenate(name="joined")(features)
    if bottleneck != "none":
        shared = bottleneck == "shared_fc"
        x = blocks.spatial_fc(x, shared=shared, bias=False, name=bottleneck)
        x = blocks.batch_norm(x, name="bottleneck_norm")
        x = blocks.relu(x, name="bottleneck_act")
    for level, width in enumerate(decoder_widths, start=1):
        if separable:
            x = blocks.double(x, name=f"up{level}")
            x = blocks.separable_conv(x, width, 3, name=f"up{level}_conv")
        else:
            x = blocks.doubled_conv(x, width, name=f"up{level}_conv")
        x = blocks.relu(x, name=f"up{level}_act")
        x = blocks.batch_norm(x, name=f"up{level}_norm")
    patch = blocks.tanh_image(x, name="patch")
    return tf.keras.Model(inputs, patch, name="multiscale_context_encoder")


def masked_pyramid(image, mask, scales: int, fill: Sequence[float]) -> list:
    """The image at each scale, its hole filled: 250, 125, 63 px for 250.

    [B, S, S, 3] in [-1, 1] and a mask [B, S, S, 1], 1 = missing -> [B, S, S, 3],
    [B, S/2, S/2, 3], ..., rounded up. Pixels under the mask have no influence.
    """
    filled = []
    for k in range(scales):
        if k:
            # In float32 whatever the policy: images have more levels than bfloat16.
            image = tf.keras.layers.AveragePooling2D(
                2, padding="same", dtype="float32", name=f"scale{k}_image"
            )(image)
            mask = tf.keras.layers.MaxPooling2D(
                2, padding="same", dtype="float32", name=f"scale{k}_mask"
            )(mask)
        filled.append(tf.where(mask > 0.5, tf.constant(fill, tf.float32), image))
    return filled


def _encode(x, widths: Sequence[int], downsampling: str, separable: bool, *, name: str):
    """A sub-encoder E_k. [B, H, W, 3] -> [B, H/2^n, W/2^n, widths[-1]], rounded up."""
    strides = 2 if downsampling == "stride" else 1
    for level, width in enumerate(widths, start=1):
        label = f"{name}_level{level}"
        kernel = 1 if level == len(widths) else 3
        # Neither RGB nor a 1x1 convolution has anything to separate.
        split = separable and level > 1 and kernel == 3
        conv = blocks.separable_conv if split else blocks.conv
        x = conv(x, width, kernel, strides=strides, name=label)
        x = blocks.leaky_relu(x, name=f"{label}_act")
        x = blocks.batch_norm(x, name=f"{label}_norm")
        if strides == 1:
            x = tf.keras.layers.MaxPooling2D(2, padding="same", name=f"{label}_pool")(x)
    return x


def build_inpainter(generator: tf.keras.Model) -> tf.keras.Model:
    """Sets the generator's patch into the image.

    Returns:
      {"image": [B, S, S, 3] in [-1, 1], "mask": [B, S, S, 1], 1 = missing} -> whole
      image [B, S, S, 3] in [-1, 1]: the patch in its center, known pixels elsewhere.
    """
    size = generator.input_shape["image"][1]
    inputs = blocks.masked_inputs(size)
    patch = generator(inputs)
    side = patch.shape[1]
    start = (size - side) // 2
    room = [start, size - side - start]
    # The center does not move, and padding is cheaper than a gather.
    around = tf.pad(patch, [[0, 0], room, room, [0, 0]])
    image = tf.cast(inputs["image"], tf.float32)
    restored = tf.where(inputs["mask"] > 0.5, around, image)
    return tf.keras.Model(inputs, restored, name="inpainter")
