"""Convolutions: one that is safe in bfloat16, one that doubles, one dilated."""

from __future__ import annotations

import tensorflow as tf

_BLOCK = 32  # columns that the bfloat16 kernel reads at once
_FEWEST = 16  # channels; with fewer, such as RGB, TensorFlow takes another kernel


@tf.keras.utils.register_keras_serializable("facemend")
class Conv2D(tf.keras.layers.Conv2D):
    """Keras's Conv2D, SAME, with a gradient that is safe in bfloat16.

    In TensorFlow 2.14 (oneDNN) the gradient of a bfloat16 kernel reads past the end of
    an image whose width leaves 25 to 30 columns over after blocks of 32, such as 125.
    It multiplies what it reads by 0, which is harmless unless that is NaN. Here this
    gradient is computed on images padded with columns of zeros, as SAME pads anyway.
    """

    def convolution_op(self, inputs, kernel):
        """[B, H, W, C], [k, k, C, F] -> [B, H, W, F] for stride 1."""
        channels, width = kernel.shape[2], inputs.shape[2]
        if (
            inputs.dtype != tf.bfloat16
            or self.strides != (1, 1)
            or channels < _FEWEST
            or (width is not None and not 24 < width % _BLOCK < 31)
        ):
            return super().convolution_op(inputs, kernel)
        # A tensor: it may be a variable that is cast when it is read.
        return _convolve(inputs, tf.convert_to_tensor(kernel))


@tf.custom_gradient
def _convolve(image: tf.Tensor, kernel: tf.Tensor):
    """Stride 1, SAME; the kernel's gradient as `Conv2D` says."""

    def gradient(upstream):
        width = image.shape[2]
        more = -(tf.shape(image)[2] if width is None else width) % _BLOCK
        wider, wider_upstream = (
            tf.pad(x, [[0, 0], [0, 0], [0, more], [0, 0]]) for x in (image, upstream)
        )
        to_image = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(image), 1)
        to_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=wider,
            filter_sizes=tf.shape(kernel),
            out_backprop=wider_upstream,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
        return to_image, to_kernel

    return tf.nn.conv2d(image, kernel, 1, "SAME"), gradient


# The rows of a 4x4 kernel as sums of the rows of a 3x3 kernel on doubled pixels.
_FOLD = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@tf.keras.utils.register_keras_serializable("facemend")
class DoublingConv2D(tf.keras.layers.Conv2D):
    """Each pixel twice in both directions, then a 3x3 convolution, SAME.

    Computed as the equal transposed 4x4 convolution of stride 2, whose kernel holds
    sums of the 3x3 kernel's weights: 4/9 of the multiplications, and no doubled image.
    [B, H, W, C] -> [B, 2H, 2W, F]. The weights are those of a Conv2D, whose options it
    takes but for kernel_size, strides and padding.
    """

    def __init__(self, filters: int, **options):
        for fixed in ("kernel_size", "strides", "padding"):
            options.pop(fixed, None)  # in the configuration of a saved layer
        super().__init__(filters, 3, padding="same", **options)

    def call(self, inputs):
        """[B, H, W, C] -> [B, 2H, 2W, F]."""
        fold = tf.constant(_FOLD, self.compute_dtype)
        kernel = tf.einsum("ai,bj,ijcf->abfc", fold, fold, self.kernel)
        batch, (_, height, width, _) = tf.shape(inputs)[0], inputs.shape
        shape = [batch, 2 * height, 2 * width, self.filters]
        result = tf.nn.conv2d_transpose(inputs, kernel, shape, strides=2)
        return tf.nn.bias_add(result, self.bias)

    def compute_output_shape(self, input_shape):
        """(B, H, W, C) -> (B, 2H, 2W, F)."""
        batch, height, width, _ = input_shape
        return batch, 2 * height, 2 * width, self.filters


@tf.keras.utils.register_keras_serializable("facemend")
class DilatedConv2D(tf.keras.layers.Conv2D):
    """A dilated 3x3 convolution, SAME. [B, H, W, C] -> [B, H, W, F].

    At 128 px the maps are 16x16: beside the center tap, rate 8 sees half or a quarter
    of them and rate 16 padding only. Kernels for CPUs are slow on padding (ten to a
    hundred times at rate 16), so wide rates are computed as a sum of 1x1 convolutions,
    each over the pixels that one tap sees.
    """

    def convolution_op(self, inputs, kernel):
        """[B, H, W, C], [3, 3, C, F] -> [B, H, W, F]."""
        rate, (_, height, width, _) = self.dilation_rate[0], inputs.shape
        if 2 * rate < min(height, width):
            return super().convolution_op(inputs, kernel)
        total = 0.0
        for i, row in enumerate((-rate, 0, rate)):
            for j, column in enumerate((-rate, 0, rate)):
                if abs(row) >= height or abs(column) >= width:
                    continue
                up, down, left, right = (
                    max(shift, 0) for shift in (-row, row, -column, column)
                )
                seen = inputs[:, down : height - up, right : width - left]
                tap = tf.nn.conv2d(seen, kernel[i : i + 1, j : j + 1], 1, "VALID")
                total += tf.pad(tap, [[0, 0], [up, down], [left, right], [0, 0]])
        return total
