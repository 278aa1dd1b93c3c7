"""dlib's face descriptor (D. King, 2017): 128 numbers that tell people apart.

The network of `dlib_face_recognition_resnet_model_v1`, as face-api.js computes it: a
ResNet with 29 convolutions. Nothing here trains it; `experiments.face_descriptor` gives
it published weights.
"""

from __future__ import annotations

import tensorflow as tf

IMAGE_SIZE = 150  # pixels, of the published network's images
WIDTH, NUMBERS = 32, 128  # of the published network
MEAN_RGB = (122.782, 117.001, 104.298)  # of 255

# Blocks in order, as the published weights name them. Those with "down" halve the
# image, and the number is of channels, in a network whose first layer has 32.
BLOCKS = (
    "conv32_1", "conv32_2", "conv32_3",
    "conv64_down", "conv64_1", "conv64_2", "conv64_3",
    "conv128_down", "conv128_1", "conv128_2",
    "conv256_down", "conv256_1", "conv256_2",
    "conv256_down_out",
)  # fmt: skip
FIRST, LAST = "conv32_down", "fc"


def build_face_descriptor(
    image_size: int = IMAGE_SIZE, width: int = WIDTH, numbers: int = NUMBERS
) -> tf.keras.Model:
    """Builds the network without its weights.

      image  [B, S, S, 3], a face cut out as dlib does -> conv 7x7/2, max pool 3x3/2
      body   len(BLOCKS) residual blocks -> [B, S/64, S/64, 8 * width], averaged
      head   a matrix -> [B, numbers]

    Every convolution of the original is followed by a scale and a shift of its
    channels, which are part of the kernel and the bias here.

    Args:
      image_size: S in pixels; odd sizes lose their last row and column.
      width: Channels of the first layer.
      numbers: Of the descriptor.

    Returns:
      RGB in [0, 1] -> descriptor, whose Euclidean distances tell people apart.
    """
    image = tf.keras.Input((image_size, image_size, 3), name="image")
    offset = [-value / 255.0 for value in MEAN_RGB]
    x = tf.keras.layers.Rescaling(1.0, offset, name="less_mean")(image)
    x = _conv(x, width, 7, 2, name=FIRST)
    x = tf.keras.layers.ReLU(name=f"{FIRST}_relu")(x)
    x = tf.keras.layers.MaxPool2D(3, 2, name="pool")(x)
    for name in BLOCKS:
        channels = int(name.split("_")[0].removeprefix("conv")) * width // WIDTH
        x = _block(x, channels, halves="down" in name, name=name)
    x = tf.keras.layers.GlobalAveragePooling2D(name="mean")(x)
    head = tf.keras.layers.Dense(numbers, use_bias=False, name=LAST)
    return tf.keras.Model(image, head(x), name="face_descriptor")


def _block(x, channels: int, *, halves: bool, name: str):
    """Conv 3x3 -> ReLU -> conv 3x3, added to the input, which has no weights."""
    y = _conv(x, channels, 3, 2 if halves else 1, name=f"{name}_conv1")
    y = tf.keras.layers.ReLU(name=f"{name}_relu1")(y)
    y = _conv(y, channels, 3, 1, name=f"{name}_conv2")
    if halves:
        x = tf.keras.layers.AveragePooling2D(2, name=f"{name}_pool")(x)
        # The convolution has no padding: of an even side it leaves a pixel less.
        missing = x.shape[1] - y.shape[1]
        if missing:
            padding = ((0, missing), (0, missing))
            y = tf.keras.layers.ZeroPadding2D(padding, name=f"{name}_pad")(y)
        if more := channels - x.shape[-1]:
            x = tf.pad(x, ((0, 0), (0, 0), (0, 0), (0, more)), name=f"{name}_channels")
    x = tf.keras.layers.Add(name=f"{name}_add")([x, y])
    return tf.keras.layers.ReLU(name=f"{name}_relu2")(x)


def _conv(x, channels: int, kernel: int, stride: int, *, name: str):
    padding = "same" if stride == 1 else "valid"
    return tf.keras.layers.Conv2D(channels, kernel, stride, padding, name=name)(x)
