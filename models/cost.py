"""Multiply-adds of a network, counted from its layers."""

from __future__ import annotations

import math

import tensorflow as tf

from models import compression

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "gamma")


def multiply_adds(model: tf.keras.Model) -> int:
    """Multiply-adds of one forward pass per image, in convolutions and dense layers.

    Biases, normalization, activations and resizing do not count, as in the literature;
    GDN does: it is a convolution.
    """
    counted = (
        tf.keras.layers.Conv2D,
        tf.keras.layers.SeparableConv2D,
        tf.keras.layers.DepthwiseConv2D,
        tf.keras.layers.Dense,
        tf.keras.layers.EinsumDense,
        compression.GDN,
    )
    total = 0
    for layer in model.layers:
        if isinstance(layer, tf.keras.Model):
            total += multiply_adds(layer)
            continue
        positions = math.prod(layer.output_shape[1:-1]) if layer.weights else 0
        if isinstance(layer, tf.keras.layers.Conv2DTranspose):
            # Every input position is multiplied by the whole kernel.
            positions = math.prod(layer.input_shape[1:3])
        elif isinstance(layer, tf.keras.layers.EinsumDense):
            # A kernel without the channels serves each of them.
            shared = layer.kernel.shape.rank < 3
            positions = layer.output_shape[-1] if shared else 1
        for name in _KERNELS:
            if isinstance(layer, counted) and hasattr(layer, name):
                total += positions * math.prod(getattr(layer, name).shape)
    return total
