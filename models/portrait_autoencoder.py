"""A convolutional autoencoder for portraits (Tan).

The analysis makes an image 16 times smaller in height and width by three convolutions;
the synthesis is its mirror image. The activation is the paper's ReLU, or the GDN of
Ballé, Laparra & Simoncelli (2016), whom the paper follows. Beyond the paper, a second,
smaller pair encodes how the latents are distributed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf

from models import blocks, compression, convolutions

CHANNELS = 192
KERNELS = (5, 3, 3)
STRIDES = (4, 2, 2)
REDUCTION = math.prod(STRIDES)
ACTIVATIONS = ("relu", "gdn")
HYPER_REDUCTION = 4  # of latents to hyper-latents, in height and width


def check_side(name: str, side: int) -> None:
    """Raises a ValueError that names the side unless the strides divide it evenly."""
    because = f"three convolutions make the image {REDUCTION} times smaller"
    blocks.check_multiple(name, side, REDUCTION, because)


def check(
    image_size: int | None, kernels: Sequence[int], activation: str, depth: int
) -> None:
    """Raises a ValueError that names the first option that cannot be built."""
    if image_size is not None:
        check_side("image_size", image_size)
    if len(kernels) != len(STRIDES) or any(k < s for k, s in zip(kernels, STRIDES)):
        raise ValueError(
            f"kernels must be three sides, at least {STRIDES}: a kernel smaller than "
            f"its stride skips pixels; got {tuple(kernels)}. Try {KERNELS}."
        )
    blocks.check_option("activation", activation, ACTIVATIONS)
    if depth < 0:
        raise ValueError(f"depth must be 0, as published, or more; got {depth}.")


def reach(kernels: Sequence[int] = KERNELS, depth: int = 0) -> int:
    """Largest distance, pixels, between a latent's center and a pixel it depends on."""
    jump, pixels = 1, 0
    for kernel, stride in zip(kernels, STRIDES):
        pixels += kernel // 2 * jump
        jump *= stride
        pixels += depth * 2 * jump  # two convolutions 3x3 a pair
    return pixels


def build_analysis(
    image_size: int | None = 192,
    *,
    channels: int = CHANNELS,
    kernels: Sequence[int] = KERNELS,
    activation: str = "relu",
    depth: int = 0,
) -> tf.keras.Model:
    """Builds the encoder of Tan, Sec. 4.2, by itself a feature extractor.

      image     [B, S, S, 3]
      down1     conv 5x5/4 -> activation -> [B, S/4, S/4, N]
      down2     conv 3x3/2 -> activation -> [B, S/8, S/8, N]
      down3     conv 3x3/2, linear -> latents [B, S/16, S/16, N]

    SAME pads less before than after: latent k sees the rows and columns from 16 k to
    16 k + 28, or with wider kernels more on both sides of the same center, 16 k + 14.
    The synthesis covers the same pixels, so that nothing is shifted.

    Args:
      image_size: S in pixels, a multiple of 16; None for images of any height and
        width, which the caller makes multiples of 16: others come back larger.
      channels: N.
      kernels: Sides of the three kernels; (5, 3, 3), or for the study of filters
        (5, 5, 3) and (9, 5, 5), those of Ballé et al.
      activation: "relu", or "gdn" as in Ballé et al.
      depth: Residual pairs of convolutions 3x3 after each stage, the paper's future
        work; 0 as published.

    Returns:
      image in [0, 1] -> latents, float32, of any value.

    Raises:
      ValueError: If the image size does not fit or an option is none of the above.
    """
    check(image_size, kernels, activation, depth)
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    x = image
    for stage, (kernel, strides) in enumerate(zip(kernels, STRIDES), start=1):
        last = stage == len(STRIDES)
        # Latents are rounded to integers, and bfloat16 would round the larger ones.
        dtype = "float32" if last else None
        name = f"down{stage}"
        x = _conv(x, channels, kernel, strides=strides, dtype=dtype, name=name)
        if not last:
            x = _activate(x, activation, name=f"{name}_act")
        for pair in range(1, depth + 1):
            x = _residual_pair(x, dtype=dtype, name=f"{name}_pair{pair}")
    return tf.keras.Model(image, x, name="analysis")


def build_synthesis(
    image_size: int | None = 192,
    *,
    channels: int = CHANNELS,
    kernels: Sequence[int] = KERNELS,
    activation: str = "relu",
    depth: int = 0,
) -> tf.keras.Model:
    """Builds the decoder of Tan, Sec. 4.2, the mirror image of `build_analysis`.

      latents   [B, S/16, S/16, N]
      up1       transposed conv 3x3/2 -> activation -> [B, S/8, S/8, N]
      up2       transposed conv 3x3/2 -> activation -> [B, S/4, S/4, N]
      up3       transposed conv 5x5/4, linear -> image [B, S, S, 3]

    Args and errors are those of `build_analysis`. The first kernel is that of up3,
    "gdn" is the inverse GDN, and residual pairs come before each stage.

    Returns:
      latents -> image, float32, linear: callers clip it to [0, 1].
    """
    check(image_size, kernels, activation, depth)
    side = image_size and image_size // REDUCTION
    latents = tf.keras.Input((side, side, channels), name="latents")
    x = latents
    stages = zip(reversed(kernels), reversed(STRIDES))
    for stage, (kernel, strides) in enumerate(stages, start=1):
        last = stage == len(STRIDES)
        # bfloat16 would round the larger latents, as in the analysis.
        dtype = "float32" if last or stage == 1 else None
        name = f"up{stage}"
        for pair in range(1, depth + 1):
            x = _residual_pair(x, dtype=dtype, name=f"{name}_pair{pair}")
        options = {"strides": strides, "padding": "same", "dtype": dtype, "name": name}
        filters = 3 if last else channels
        x = tf.keras.layers.Conv2DTranspose(filters, kernel, **options)(x)
        if not last:
            x = _activate(x, activation, inverse=True, name=f"{name}_act")
    return tf.keras.Model(latents, x, name="synthesis")


def build_autoencoder(
    analysis: tf.keras.Model, synthesis: tf.keras.Model
) -> tf.keras.Model:
    """Joins the halves, which become its layers "analysis" and "synthesis".

    Returns:
      image [B, S, S, 3] in [0, 1] -> image [B, S, S, 3], float32, not clipped.
    """
    image = tf.keras.Input(analysis.input_shape[1:], name="image")
    restored = synthesis(analysis(image))
    return tf.keras.Model(image, restored, name="portrait_autoencoder")


def build_hyper_analysis(
    channels: int = CHANNELS, cells: int | None = None
) -> tf.keras.Model:
    """Builds the encoder of a hyperprior (Minnen, Ballé & Toderici, 2018).

      latents       [B, h, w, N], zeros added below and on the right: multiples of 4
      hyper_down1   conv 3x3/1 -> ReLU -> [B, h, w, N/2]
      hyper_down2   conv 3x3/2 -> ReLU -> [B, h/2, w/2, N/2]
      hyper_down3   conv 3x3/2, linear -> hyper-latents [B, h/4, w/4, N/2]

    Kernels and widths are those that milliseconds on a CPU allow: theirs are 3x3, 5x5
    and 5x5, all N wide.

    Args:
      channels: N.
      cells: Height and width of the latents; None for any.

    Returns:
      latents -> hyper-latents, float32, of any value.
    """
    hyper = max(1, channels // 2)
    latents = tf.keras.Input((cells, cells, channels), name="latents")
    shape = tf.unstack(tf.shape(latents)[1:3])
    height, width = (cells, cells) if cells else shape
    around = [[0, -height % HYPER_REDUCTION], [0, -width % HYPER_REDUCTION]]
    x = tf.pad(latents, [[0, 0], *around, [0, 0]])
    for stage, strides in enumerate((1, 2, 2), start=1):
        activation = "relu" if stage < 3 else None
        options = {"strides": strides, "activation": activation, "dtype": "float32"}
        x = _conv(x, hyper, 3, **options, name=f"hyper_down{stage}")
    return tf.keras.Model(latents, x, name="hyper_analysis")


def build_hyper_synthesis(
    channels: int = CHANNELS, cells: int | None = None
) -> tf.keras.Model:
    """Builds the decoder of a hyperprior, which says how the latents are distributed.

      hyper-latents   [B, h/4, w/4, N/2]
      hyper_up1       transposed conv 3x3/2 -> ReLU -> [B, h/2, w/2, N/2]
      hyper_up2       transposed conv 3x3/2 -> ReLU -> [B, h, w, N]
      hyper_up3       conv 1x1, linear -> [B, h, w, 2 N], as `NormalPrior` takes them

    `serving.codec.hyperprior` computes the same in whole numbers, for files.

    Args:
      channels: N.
      cells: As `build_hyper_analysis` takes it.

    Returns:
      hyper-latents -> means, then logarithms of standard deviations, float32.
    """
    hyper = max(1, channels // 2)
    side = cells and -(-cells // HYPER_REDUCTION)
    x = latents = tf.keras.Input((side, side, hyper), name="hyper_latents")
    for stage, filters in enumerate((hyper, channels), start=1):
        options = {"dtype": "float32", "name": f"hyper_up{stage}"}
        x = tf.keras.layers.Conv2DTranspose(
            filters, 3, strides=2, padding="same", activation="relu", **options
        )(x)
    x = _conv(x, 2 * channels, 1, dtype="float32", name="hyper_up3")
    return tf.keras.Model(latents, x, name="hyper_synthesis")


def _conv(x, filters: int, kernel: int, *, name: str, **options):
    """Convolution, SAME, with a bias. [B, H, W, C] -> [B, H/strides, W/strides, F].

    Like the synthesis it has Keras's default initialization, Glorot's: after 200 steps
    of 16 faces at 96 px the error is 0.019, with He et al.'s 0.027.
    """
    return convolutions.Conv2D(filters, kernel, padding="same", name=name, **options)(x)


def _activate(x, activation: str, *, inverse: bool = False, name: str):
    """ReLU, or GDN or its inverse in float32. Shape unchanged."""
    if activation == "gdn":
        return compression.GDN(inverse, name=name)(x)
    return blocks.relu(x, name=name)


def _residual_pair(x, *, dtype: str | None = None, name: str):
    """Adds conv 3x3 -> ReLU, also beside GDN -> conv 3x3 to x. Shape unchanged."""
    channels = x.shape[-1]
    y = _conv(x, channels, 3, dtype=dtype, name=f"{name}_conv1")
    y = tf.keras.layers.ReLU(dtype=dtype, name=f"{name}_act")(y)
    # A tenth of Glorot's variance: pairs start as little more than the identity, and
    # many of them do not make the signal grow.
    small = tf.keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform")
    options = {"kernel_initializer": small, "dtype": dtype}
    y = _conv(y, channels, 3, **options, name=f"{name}_conv2")
    return tf.keras.layers.Add(dtype=dtype, name=f"{name}_sum")([x, y])
