"""Nearest-neighbor doubling and a 3x3 convolution, in one step."""

from __future__ import annotations

import tensorflow as tf

# Rows a 3x3 kernel's weights fall on when each pixel below it is there twice.
_FOLD = ((0.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 0.0, 0.0))


@tf.keras.utils.register_keras_serializable("facemend")
class DoublingConv2D(tf.keras.layers.Conv2D):
    """Each pixel twice in both directions, then a 3x3 convolution, SAME.

    Computed as what it equals: a transposed 4x4 convolution of stride 2, whose kernel
    holds sums of the 3x3 kernel's weights. That is 4/9 of the multiplications, and the
    doubled image is never made. [B, H, W, C] -> [B, 2H, 2W, F]. The weights are those
    of a Conv2D.

    Args:
      filters: F.
      **options: Of `tf.keras.layers.Conv2D`; kernel_size, strides and padding are set.
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
