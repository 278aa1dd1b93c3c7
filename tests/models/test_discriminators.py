"""Discriminators and the attribute classifier: sizes and layers as specified."""

import re

import numpy as np
import pytest
import tensorflow as tf

from models import batch_statistics, cost, discriminators

layers = tf.keras.layers
CONV, NORM, ACT = "Conv2D", "BatchNormalization", "LeakyReLU"


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def small_global_local(**options):
    return discriminators.build_global_local_discriminator(
        32, 16, width=1 / 16, **options
    )


def kinds(network):
    """Names of the layers' types, without those of inputs."""
    return [type(layer).__name__ for layer in network.layers[1:]]


def convolutions(network, label=""):
    """(kernel, strides, filters) of each whose name begins so."""
    return [
        (layer.kernel_size[0], layer.strides[0], layer.filters)
        for layer in network.layers
        if isinstance(layer, layers.Conv2D) and layer.name.startswith(label)
    ]


def slopes(network):
    return {round(float(x.alpha), 6) for x in network.layers if hasattr(x, "alpha")}


@pytest.mark.parametrize("size, side", [(64, 8), (128, 16)], ids=["patch", "image"])
def test_patch_discriminator(size, side):
    network = discriminators.build_patch_discriminator(size)
    assert network.count_params() == 1_557_377
    assert network.input_shape == (None, size, size, 3)
    assert network.output_shape == (None, side, side, 1)
    assert convolutions(network) == [
        *((3, 2, 64), (3, 2, 128), (3, 2, 256), (3, 1, 512), (3, 1, 1))
    ]
    level = [CONV, "InstanceNormalization", ACT]
    assert kinds(network) == [CONV, ACT, *level * 3, CONV, "Activation"]
    assert slopes(network) == {0.2}


def test_context_discriminator():
    network = discriminators.build_context_discriminator()
    assert network.count_params() == 2_768_321
    assert round(cost.multiply_adds(network) / 1e9, 3) == 0.104
    assert network.output_shape == (None, 1, 1, 1)
    small = discriminators.build_context_discriminator(16, (4, 6))
    assert [layer.name for layer in small.layers] == [  # as in checkpoints
        *("patch", "conv1", "act1", "conv2", "norm2", "act2", "score_conv", "score")
    ]


@pytest.mark.parametrize("local", [True, False], ids=["both", "global"])
def test_global_and_local_discriminators(local):
    network = discriminators.build_global_local_discriminator(local=local)
    # 16 k k' weights, a bias and four numbers of a norm; then one dense layer.
    widths = [3, 96, 192, 384, 768, 1536]
    parameters = sum(16 * a * b + 5 * b for a, b in zip(widths, widths[1:]))
    parameters += -4 * 96 + 4 * 4 * 1536 + 1
    shapes = {"image": (None, 128, 128, 3)}
    assert convolutions(network, "global") == [(4, 2, w) for w in widths[1:]]
    norms = {layer.name for layer in network.layers if "norm" in layer.name}
    expected = {f"global_norm{level}" for level in range(2, 6)}
    if local:
        widths = [3, 64, 128, 256, 512]
        parameters += sum(16 * a * b + 5 * b for a, b in zip(widths, widths[1:]))
        parameters += 4 * 4 * 512
        shapes["patch"] = (None, 64, 64, 3)
        assert convolutions(network, "local") == [(4, 2, w) for w in widths[1:]]
        expected |= {f"local_norm{level}" for level in range(1, 5)}
    assert norms == expected and slopes(network) == {0.2}
    assert network.count_params() == parameters
    assert parameters == (27_879_777 if local else 25_111_201)
    assert network.input_shape == shapes
    assert network.output_shape == (None, 1)


def test_attribute_classifier():
    network = discriminators.build_attribute_classifier(40, 32)
    convs = sum(16 * a * b + b for a, b in ((3, 128), (128, 256), (256, 512)))
    norms = 4 * (256 + 512)
    denses = sum(a * b + b for a, b in ((4 * 4 * 512, 1024), (1024, 128), (128, 40)))
    assert network.count_params() == convs + norms + denses
    # At 128 px as in the specification.
    assert convs + norms + denses + 15 * 16 * 512 * 1024 == 136_986_664
    assert network.output_shape == (None, 40)
    assert convolutions(network) == [(4, 2, 128), (4, 2, 256), (4, 2, 512)]
    expected = [CONV, ACT, *[CONV, NORM, ACT] * 2, "Flatten", *["Dense", ACT] * 2]
    assert kinds(network) == [*expected, "Dense"]
    units = [layer.units for layer in network.layers if isinstance(layer, layers.Dense)]
    assert units == [1024, 128, 40]
    assert slopes(network) == {0.2}


def test_width_multiplies_every_channel_but_rgb():
    network = small_global_local()
    widths = [
        [filters for _, _, filters in convolutions(network, label)]
        for label in ("global", "local")
    ]
    assert widths == [[6, 12, 24, 48, 96], [4, 8, 16, 32]]
    network = discriminators.build_attribute_classifier(5, 16, width=1 / 16)
    assert [filters for _, _, filters in convolutions(network)] == [8, 16, 32]
    assert network.output_shape == (None, 5)


@pytest.mark.parametrize(
    ("network", "last"),
    [
        (lambda: discriminators.build_patch_discriminator(32, (8, 16)), "score_conv"),
        (lambda: small_global_local(local=False), "score"),
        (lambda: discriminators.build_attribute_classifier(1, 32, width=0.1), "logits"),
    ],
)
def test_scores_are_not_bounded(network, last):
    network = network()
    inputs = images(2, 32, 32, 3)
    if isinstance(network.input, dict):
        inputs = {"image": inputs}
    before = network(inputs)
    bias = network.get_layer(last).bias
    bias.assign_add(tf.fill(bias.shape, 70.0))
    np.testing.assert_allclose(network(inputs) - before, tf.fill(before.shape, 70.0))


def test_images_of_a_batch_do_not_mix():
    network = discriminators.build_patch_discriminator(32, (8, 16, 16))
    batch = images(3, 32, 32, 3)
    together = network(batch, training=True)
    alone = [network(image[None], training=True)[0] for image in batch]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-5)


def test_image_and_patch_both_count():
    network = small_global_local()
    inputs = {"image": images(3, 32, 32, 3), "patch": images(3, 16, 16, 3)}
    before = network(inputs).numpy()
    for name in inputs:
        after = network({**inputs, name: -inputs[name]}).numpy()
        assert np.abs(after - before).min() > 1e-9, name


GLOBAL_LOCAL = discriminators.build_global_local_discriminator
CLASSIFIER = discriminators.build_attribute_classifier


@pytest.mark.parametrize(
    "build, arguments, text",
    [
        (GLOBAL_LOCAL, (100, 64), "32, because 5 convolutions each halve it; got 100."),
        (GLOBAL_LOCAL, (128, 72), "patch_size must be a multiple of 16, because 4"),
        (GLOBAL_LOCAL, (128, 0), "got 0. Try 16."),
        (CLASSIFIER, (0, 128), "classes must be at least 1; got 0."),
        (CLASSIFIER, (40, 100), "image_size must be a multiple of 8, because 3"),
    ],
)
def test_errors_name_the_side_and_the_way_out(build, arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        build(*arguments)
    # Without the local one no patch can be wrong.
    GLOBAL_LOCAL(32, 50, local=False, width=0.1)


def test_batch_deviation_is_that_over_the_batch():
    x = images(5, 4, 4, 3)
    found = batch_statistics.BatchDeviation()(x).numpy()
    np.testing.assert_array_equal(found[..., :3], x)
    expected = np.asarray(x).std(axis=0).mean(axis=-1)
    for channel in found[..., 3]:
        np.testing.assert_allclose(channel, expected, atol=1e-4)
    alike = batch_statistics.BatchDeviation()(np.repeat(x[:1], 5, axis=0)).numpy()
    np.testing.assert_allclose(alike[..., 3], 0, atol=2e-4)


def test_a_patch_discriminator_can_tell_whether_a_batch_is_alike():
    plain, seeing = (
        discriminators.build_patch_discriminator(32, (8, 16), batch_deviation=on)
        for on in (False, True)
    )
    x = np.asarray(images(4, 32, 32, 3))
    alike = np.repeat(x[:1], 4, axis=0)
    for network, differs in ((plain, False), (seeing, True)):
        one, other = (network(batch).numpy()[0] for batch in (x, alike))
        assert np.allclose(one, other, atol=1e-6) is not differs
