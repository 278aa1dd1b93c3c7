"""Convolutions: safe in bfloat16, doubling, dilated, each like what it replaces."""

import numpy as np
import pytest
import tensorflow as tf

from models import convolutions, pyramid_cgan

CHANNELS = 16  # fewer are no danger


def layer_of(width, dtype, channels=CHANNELS):
    layer = convolutions.Conv2D(8, 3, padding="same", dtype=dtype)
    layer.build([None, 6, width, channels])
    return layer


def gradients(call, image, *weights):
    with tf.GradientTape() as tape:
        tape.watch(image)
        result = call(image)
        loss = tf.reduce_sum(tf.cast(result, tf.float32) ** 2)
    return [result, *tape.gradient(loss, [image, *weights])]


@pytest.mark.parametrize("width", [26, 32, 125, 127])
def test_it_is_the_convolution_it_replaces(width):
    layer = layer_of(width, tf.keras.mixed_precision.Policy("mixed_bfloat16"))
    layer.bias.assign_add(tf.random.normal([8]))
    image = tf.random.normal([2, 6, width, CHANNELS])

    def plain(image):
        low = [tf.cast(x, tf.bfloat16) for x in (image, layer.kernel, layer.bias)]
        return tf.nn.conv2d(low[0], low[1], 1, "SAME") + low[2]

    ours = gradients(layer, image, layer.kernel)
    expected = gradients(plain, image, layer.kernel)
    assert ours[0].shape == [2, 6, width, 8]
    for a, b in zip(ours, expected):
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        # bfloat16 has eight bits, and sums are rounded in another order.
        np.testing.assert_allclose(a, b, rtol=0.02, atol=0.04 * abs(b).max())


def width_of_gradient(width, dtype, channels):
    """Of the image that the kernel's gradient is taken of."""
    layer = layer_of(width, dtype, channels)

    def gradient(image):
        with tf.GradientTape() as tape:
            result = layer(image)
        return tape.gradient(result, layer.kernel)

    spec = tf.TensorSpec([2, 6, width, channels], dtype)
    graph = tf.function(gradient).get_concrete_function(spec).graph
    (conv,) = (op for op in graph.get_operations() if op.type == "Conv2DBackpropFilter")
    return conv.inputs[0].shape[2]


@pytest.mark.parametrize(
    ("width", "dtype", "channels", "computed"),
    [
        (125, "bfloat16", 16, 128),
        (250, "bfloat16", 32, 256),
        (62, "bfloat16", 16, 64),
        (250, "bfloat16", 3, 250),
        (63, "bfloat16", 16, 63),
        (64, "bfloat16", 16, 64),
        (56, "bfloat16", 16, 56),
        (125, "float32", 16, 125),
    ],
)
def test_only_images_that_the_kernel_reads_past_are_widened(
    width, dtype, channels, computed
):
    assert width_of_gradient(width, dtype, channels) == computed


@pytest.mark.parametrize("width", [26, 32, 61])
def test_an_image_of_unknown_width_is_convolved_the_same(width):
    layer = layer_of(width, "bfloat16")
    image = tf.cast(tf.random.normal([2, 6, width, CHANNELS]), tf.bfloat16)
    unknown = tf.function(layer, [tf.TensorSpec([2, 6, None, CHANNELS], tf.bfloat16)])
    result, expected = (np.asarray(f(image), np.float32) for f in (unknown, layer))
    assert result.shape == (2, 6, width, 8)
    np.testing.assert_allclose(result, expected, rtol=0.02, atol=0.02)
    assert width_of_gradient(None, "bfloat16", CHANNELS) is None


def test_doubling_in_one_step_is_doubling_and_a_convolution():
    x = tf.random.stateless_normal([2, 5, 7, 6], [0, 0])
    layer = convolutions.DoublingConv2D(4, bias_initializer="ones")
    result = layer(x)
    doubled = tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2)
    expected = tf.nn.conv2d(doubled, layer.kernel, 1, "SAME") + layer.bias
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == tuple(result.shape)


@pytest.mark.parametrize("rate", pyramid_cgan.RATES)
@pytest.mark.parametrize("side", [(4, 4), (16, 16), (9, 16), (17, 12)], ids=str)
def test_a_dilated_convolution(rate, side):
    layer = convolutions.DilatedConv2D(
        5, 3, dilation_rate=rate, padding="same", bias_initializer="ones"
    )
    x = tf.random.stateless_normal([2, *side, 4], [0, 0])
    weight = tf.random.stateless_normal([2, *side, 5], [0, 1])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = layer(x)
        native = tf.nn.convolution(x, layer.kernel, padding="SAME", dilations=rate)
        sums = [tf.reduce_sum(weight * each) for each in (y, 1 + native)]
    gradients = [tape.gradient(each, [x, layer.kernel]) for each in sums]
    np.testing.assert_allclose(y, 1 + native, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == tuple(y.shape)
    for ours, expected in zip(*gradients):
        np.testing.assert_allclose(ours, expected, atol=1e-4)
