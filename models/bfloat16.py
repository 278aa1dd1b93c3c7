"""A convolution that TensorFlow's bfloat16 kernels for CPUs compute rightly."""

from __future__ import annotations

import tensorflow as tf

_BLOCK = 32  # columns that the kernel takes at once


@tf.keras.utils.register_keras_serializable("facemend")
class Conv2D(tf.keras.layers.Conv2D):
    """Keras's Conv2D, SAME, whose gradient reads no memory but its own.

    In TensorFlow 2.14 (oneDNN) the gradient of a bfloat16 kernel reads past the end of
    an image whose width leaves 25 to 30 columns over after blocks of 32, such as 125
    or 250. What it finds there is multiplied by 0: nothing comes of it, unless it
    happens to be NaN. Then the run is lost. So such images are made wider by columns
    of zeros, which is what SAME puts there anyway, and the result is cut back.
    """

    def convolution_op(self, inputs, kernel):
        """[B, H, W, C], [k, k, C, F] -> [B, H, W, F] for stride 1."""
        width = inputs.shape[2]
        if (
            inputs.dtype != tf.bfloat16
            or self.strides != (1, 1)
            or (width is not None and not 24 < width % _BLOCK < 31)
        ):
            return super().convolution_op(inputs, kernel)
        if width is None:
            width = tf.shape(inputs)[2]
        wider = tf.pad(inputs, [[0, 0], [0, 0], [0, -width % _BLOCK], [0, 0]])
        return super().convolution_op(wider, kernel)[:, :, :width]
