"""Discriminators: sizes, outputs and layers as specified."""

import re

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


def images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


class TestGlobalAndLocal:
    def tiny(self, **options):
        return discriminators.build_global_local_discriminator(
            32, 16, width=1 / 16, **options
        )

    def convolutions(self, network, label):
        """(kernel, strides, filters, followed by BatchNorm) of each."""
        found = []
        for layer in network.layers:
            if layer.name.startswith(label) and hasattr(layer, "kernel"):
                follower = layer.outbound_nodes[0].outbound_layer
                normalized = isinstance(follower, tf.keras.layers.BatchNormalization)
                act = follower.outbound_nodes[0].outbound_layer
                act = act if normalized else follower
                assert float(act.alpha) == pytest.approx(0.2)
                kernel, strides = layer.kernel_size[0], layer.strides[0]
                found.append((kernel, strides, layer.filters, normalized))
        return found

    @pytest.mark.parametrize("local", [True, False], ids=["both", "global"])
    def test_size_shapes_and_layers(self, local):
        network = discriminators.build_global_local_discriminator(local=local)
        # 16 k k' weights, a bias and four numbers of a norm; then one dense layer.
        widths = [3, 96, 192, 384, 768, 1536]
        parameters = sum(16 * a * b + 5 * b for a, b in zip(widths, widths[1:]))
        parameters += -4 * 96 + 4 * 4 * 1536 + 1
        shapes = {"image": (None, 128, 128, 3)}
        expected = [(4, 2, w, w > 96) for w in widths[1:]]
        assert self.convolutions(network, "global") == expected
        if local:
            widths = [3, 64, 128, 256, 512]
            parameters += sum(16 * a * b + 5 * b for a, b in zip(widths, widths[1:]))
            parameters += 4 * 4 * 512
            shapes["patch"] = (None, 64, 64, 3)
            expected = [(4, 2, w, True) for w in widths[1:]]
            assert self.convolutions(network, "local") == expected
        assert network.count_params() == parameters
        assert parameters == (27_879_777 if local else 25_111_201)
        assert network.input_shape == shapes
        assert network.output_shape == (None, 1)

    def test_width_multiplies_every_channel_but_rgb(self):
        network = self.tiny()
        widths = [
            [layer[2] for layer in self.convolutions(network, label)]
            for label in ("global", "local")
        ]
        assert widths == [[6, 12, 24, 48, 96], [4, 8, 16, 32]]

    def test_image_and_patch_both_count(self):
        network = self.tiny()
        inputs = {"image": images(3, 32, 32, 3), "patch": images(3, 16, 16, 3)}
        before = network(inputs).numpy()
        for name in inputs:
            after = network({**inputs, name: -inputs[name]}).numpy()
            assert np.abs(after - before).min() > 1e-9, name

    def test_the_logit_is_not_bounded(self):
        network = self.tiny(local=False)
        network.get_layer("score").bias.assign([70.0])
        np.testing.assert_allclose(network({"image": images(2, 32, 32, 3)}), 70, 0.1)

    @pytest.mark.parametrize("local", [True, False], ids=["both", "global"])
    def test_names_are_stable_and_the_logit_float32_under_every_policy(self, local):
        before = self.tiny(local=local)
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
        network = self.tiny(local=local)
        assert [w.name for w in network.weights] == [w.name for w in before.weights]
        assert network.get_layer("global_conv2").compute_dtype == "bfloat16"
        assert network.get_layer("global_norm2").compute_dtype == "float32"
        inputs = {"image": images(2, 32, 32, 3)}
        if local:
            inputs["patch"] = images(2, 16, 16, 3)
        assert network(inputs).dtype == tf.float32

    @pytest.mark.parametrize(
        "sides, text",
        [
            ((100, 64), "image_size must be a multiple of 32, because 5 convolutions"),
            ((100, 64), "each halve it; got 100. Try 96."),
            ((128, 72), "patch_size must be a multiple of 16, because 4 convolutions"),
            ((128, 0), "got 0. Try 16."),
        ],
    )
    def test_errors_name_the_side_and_the_way_out(self, sides, text):
        with pytest.raises(ValueError, match=re.escape(text)):
            discriminators.build_global_local_discriminator(*sides)

    def test_without_the_local_one_no_patch_can_be_wrong(self):
        discriminators.build_global_local_discriminator(32, 50, local=False, width=0.1)


def test_names_of_the_context_discriminator_are_those_of_checkpoints():
    network = discriminators.build_context_discriminator(16, (4, 6))
    assert [layer.name for layer in network.layers] == [
        *("patch", "conv1", "act1", "conv2", "norm2", "act2", "score_conv", "score")
    ]
