"""A convolution that TensorFlow's bfloat16 kernels for CPUs compute rightly."""

from __future__ import annotations

import tensorflow as tf

_BLOCK = 32  # columns that the kernel takes at once
_FEWEST = 16  # channels; with fewer, such as RGB, another kernel is taken


@tf.keras.utils.register_keras_serializable("facemend")
class Conv2D(tf.keras.layers.Conv2D):
    """Keras's Conv2D, SAME, whose gradient reads no memory but its own.

    In TensorFlow 2.14 (oneDNN) the gradient of a bfloat16 kernel reads past the end of
    an image whose width leaves 25 to 30 columns over after blocks of 32, such as 125.
    What it finds there is multiplied by 0: nothing comes of it, unless it happens to
    be NaN. Then the run is lost. So this gradient is taken of images that are made
    wider by columns of zeros, which is what SAME puts there anyway.
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
        options = {"strides": [1, 1, 1, 1], "padding": "SAME"}
        return (
            tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(image),
                filter=kernel,
                out_backprop=upstream,
                **options,
            ),
            tf.raw_ops.Conv2DBackpropFilter(
                input=wider,
                filter_sizes=tf.shape(kernel),
                out_backprop=wider_upstream,
                **options,
            ),
        )

    return tf.nn.conv2d(image, kernel, 1, "SAME"), gradient
