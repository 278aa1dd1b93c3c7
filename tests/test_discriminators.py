"""The patch discriminator: size, map and layers as specified."""

import numpy as np
import pytest
import tensorflow as tf

from models import discriminators


@pytest.mark.parametrize("size, side", [(64, 8), (128, 16)], ids=["patch", "image"])
def test_it_has_the_specified_size_and_map(size, side):
    network = discriminators.build_patch_discriminator(size)
    assert network.count_params() == 1_557_377
    assert network.input_shape == (None, size, size, 3)
    assert network.output_shape == (None, side, side, 1)


def test_layers_are_those_of_the_specification():
    network = discriminators.build_patch_discriminator(32)
    convolutions = [
        layer for layer in network.layers if isinstance(layer, tf.keras.layers.Conv2D)
    ]
    assert [layer.filters for layer in convolutions] == [64, 128, 256, 512, 1]
    assert [layer.strides[0] for layer in convolutions] == [2, 2, 2, 1, 1]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    kinds = [type(layer).__name__ for layer in network.layers[1:]]
    level = ["Conv2D", "InstanceNormalization", "LeakyReLU"]
    assert kinds == ["Conv2D", "LeakyReLU", *level * 3, "Conv2D", "Activation"]
    slopes = [float(x.alpha) for x in network.layers if hasattr(x, "alpha")]
    assert slopes == [pytest.approx(0.2)] * 4
    assert network.layers[-1].activation is tf.keras.activations.linear


def test_scores_are_not_bounded():
    network = discriminators.build_patch_discriminator(32, (8, 16))
    score = network.get_layer("score_conv")
    score.bias.assign([7.0])
    image = np.zeros((1, 32, 32, 3), np.float32)
    np.testing.assert_allclose(network(image), 7.0)


def test_images_of_a_batch_do_not_mix():
    network = discriminators.build_patch_discriminator(32, (8, 16, 16))
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    together = network(images, training=True)
    alone = [network(image[None], training=True)[0] for image in images]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-5)


def test_names_are_stable_and_scores_are_float32_under_every_policy():
    before = discriminators.build_patch_discriminator(32, (8, 16))
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    network = discriminators.build_patch_discriminator(32, (8, 16))
    assert [w.name for w in network.weights] == [w.name for w in before.weights]
    assert network.get_layer("conv1").compute_dtype == "bfloat16"
    assert network.get_layer("norm2").compute_dtype == "float32"
    assert network(np.zeros((1, 32, 32, 3), np.float32)).dtype == tf.float32
