"""The attribute classifier: size and layers as specified."""

import re

import numpy as np
import pytest
import tensorflow as tf

from models import discriminators

layers = tf.keras.layers


def tiny(classes=5):
    return discriminators.build_attribute_classifier(classes, 16, width=1 / 16)


def images(count=3, size=16):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def test_it_has_the_specified_size():
    network = discriminators.build_attribute_classifier(40)
    convs = sum(16 * a * b + b for a, b in ((3, 128), (128, 256), (256, 512)))
    norms = 4 * (256 + 512)
    denses = sum(a * b + b for a, b in ((16 * 16 * 512, 1024), (1024, 128), (128, 40)))
    assert network.count_params() == convs + norms + denses == 136_986_664
    assert network.input_shape == (None, 128, 128, 3)
    assert network.output_shape == (None, 40)


def test_layers_are_those_of_the_specification():
    network = tiny()
    conv, norm, act = "Conv2D", "BatchNormalization", "LeakyReLU"
    assert [type(layer).__name__ for layer in network.layers[1:]] == [
        *(conv, act),
        *(conv, norm, act) * 2,
        "Flatten",
        *("Dense", act) * 2,
        "Dense",
    ]
    convs = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    assert [(c.kernel_size[0], c.strides[0]) for c in convs] == [(4, 2)] * 3
    assert [c.filters for c in convs] == [8, 16, 32]
    denses = [layer for layer in network.layers if isinstance(layer, layers.Dense)]
    assert [d.units for d in denses] == [64, 8, 5]
    assert denses[-1].activation is tf.keras.activations.linear
    slopes = [float(x.alpha) for x in network.layers if hasattr(x, "alpha")]
    assert slopes == [pytest.approx(0.2)] * 5


def test_logits_are_not_bounded_and_differ_between_images():
    tf.keras.utils.set_random_seed(0)
    network = tiny()
    logits = network.get_layer("logits")
    before = network(images()).numpy()
    assert np.ptp(before, axis=0).max() > 0
    logits.bias.assign([50, -50, 0, 0, 0])
    np.testing.assert_allclose(
        network(images())[:, :2] - before[:, :2], [[50, -50]] * 3
    )


def test_names_are_stable_and_logits_float32_under_every_policy():
    before = tiny()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = tiny()
    assert [w.name for w in network.weights] == [w.name for w in before.weights]
    assert network.get_layer("dense1").compute_dtype == "bfloat16"
    assert network.get_layer("norm2").compute_dtype == "float32"
    assert network(images()).dtype == tf.float32


@pytest.mark.parametrize(
    "classes, size, text",
    [
        (0, 128, "classes must be at least 1; got 0."),
        (40, 100, "image_size must be a multiple of 8, because 3 convolutions each"),
        (40, 100, "got 100. Try 96."),
    ],
)
def test_errors_name_the_rule_and_the_way_out(classes, size, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        discriminators.build_attribute_classifier(classes, size)
