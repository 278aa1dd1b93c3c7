"""What a network costs: multiply-adds, counted from its layers."""

from __future__ import annotations

import math

import tensorflow as tf

from models import compression

_TRANSPOSED = tf.keras.layers.Conv2DTranspose
_CONVOLUTIONS = (tf.keras.layers.Conv2D, tf.keras.layers.Dense)


def multiply_adds(model: tf.keras.Model) -> int:
    """Multiply-adds per image of one forward pass: convolutions and dense layers.

    Biases, normalization, activations and resizing are left out, as the literature
    leaves them out; but GDN holds a convolution, and it counts.
    """
    total = 0
    for layer in model.layers:
        if isinstance(layer, tf.keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, _TRANSPOSED):
            # Every input position meets the whole kernel.
            positions = math.prod(layer.input_shape[1:3])
            total += positions * math.prod(layer.kernel.shape)
        elif isinstance(layer, tf.keras.layers.SeparableConv2D):
            positions = math.prod(layer.output_shape[1:3])
            total += positions * math.prod(layer.depthwise_kernel.shape)
            total += positions * math.prod(layer.pointwise_kernel.shape)
        elif isinstance(layer, tf.keras.layers.DepthwiseConv2D):
            positions = math.prod(layer.output_shape[1:3])
            total += positions * math.prod(layer.depthwise_kernel.shape)
        elif isinstance(layer, _CONVOLUTIONS):
            positions = math.prod(layer.output_shape[1:-1])
            total += positions * math.prod(layer.kernel.shape)
        elif isinstance(layer, compression.GDN):
            positions = math.prod(layer.output_shape[1:3])
            total += positions * math.prod(layer.gamma.shape)
        elif isinstance(layer, tf.keras.layers.EinsumDense):
            total += math.prod(layer.kernel.shape)
    return total
