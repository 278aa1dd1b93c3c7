"""Multiply-adds, counted by hand."""

import pytest
import tensorflow as tf

from models import compression, cost

layers = tf.keras.layers


def model(shape, *stack):
    x = image = tf.keras.Input(shape)
    for layer in stack:
        x = layer(x)
    return tf.keras.Model(image, x)


# Each of H' * W' * F outputs takes k * k * C products; of a transposed convolution
# each of H * W * C inputs gives k * k * F.
@pytest.mark.parametrize(
    "shape, layer, expected",
    [
        ((8, 6, 3), layers.Conv2D(5, 3, padding="same"), 8 * 6 * 5 * 9 * 3),
        ((8, 6, 3), layers.Conv2D(5, 3, strides=2, padding="same"), 4 * 3 * 5 * 9 * 3),
        ((8, 6, 3), layers.Conv2D(5, 3), 6 * 4 * 5 * 9 * 3),
        ((8, 6, 4), layers.Conv2D(6, (1, 3), groups=2), 8 * 4 * 6 * 3 * 2),
        ((8, 6, 3), layers.Conv2DTranspose(5, 4, strides=2), 8 * 6 * 3 * 16 * 5),
        ((8, 6, 3), layers.SeparableConv2D(5, 3), 6 * 4 * (9 * 3 + 3 * 5)),
        ((8, 6, 3), layers.DepthwiseConv2D(3), 6 * 4 * 9 * 3),
        ((8, 6, 3), compression.GDN(), 8 * 6 * 3 * 3),
        ((7,), layers.Dense(5), 7 * 5),
        ((4, 7), layers.Dense(5), 4 * 7 * 5),
        ((9, 3), layers.EinsumDense("bpc,pqc->bqc", output_shape=(4, 3)), 9 * 4 * 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else "",
)
def test_one_layer(shape, layer, expected):
    assert cost.multiply_adds(model(shape, layer)) == expected


def test_biases_norms_activations_and_resizing_are_free():
    free = [layers.BatchNormalization(), layers.LeakyReLU(), layers.UpSampling2D()]
    assert cost.multiply_adds(model((8, 8, 3), *free, layers.MaxPool2D())) == 0
    with_bias, without = (layers.Conv2D(4, 1, use_bias=bias) for bias in (True, False))
    assert cost.multiply_adds(model((8, 8, 3), with_bias)) == cost.multiply_adds(
        model((8, 8, 3), without)
    )


def test_models_within_models_are_counted():
    inner = model((8, 8, 3), layers.Conv2D(4, 1))
    outer = model((8, 8, 3), inner, layers.Conv2D(2, 1))
    assert cost.multiply_adds(outer) == 8 * 8 * (3 * 4 + 4 * 2)
