"""Chen et al.'s generator: sizes as specified, and known pixels bit for bit."""

import re

import numpy as np
import pytest
import tensorflow as tf

from models import cost, pyramid_cgan

# options, parameters, 1e9 multiply-adds
SPECIFIED = [
    ({"configuration": "a"}, 35_780_451, 10.77),
    ({"configuration": "b"}, 35_866_915, 10.82),
    ({"configuration": "d"}, 35_866_915, 10.82),
    ({"configuration": "d", "norm": "none"}, 35_839_267, 10.82),
]
NORMALIZED_CHANNELS = 64 + 2 * 3 * (64 + 128 + 256) + 4 * 1024 + 2 * 32
LATERAL_PARAMETERS = sum(c * c + c for c in (64, 128, 256))
TINY = {"image_size": 64, "width": 1 / 16}


def size_of(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def batch(count=2, size=64, seed=0):
    """Pictures whose hole, at another place in each, is filled with 0."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)
    mask = np.zeros((count, size, size, 1), np.float32)
    for i in range(count):
        mask[i, 5 + 9 * i : 30 + 9 * i, 12:40] = 1
    return {"image": image * (1 - mask), "mask": mask}


@pytest.fixture(scope="module")
def published():
    """Configuration d as published, built once: 36 million parameters take a while."""
    return pyramid_cgan.build_generator()


class TestSpecification:
    @pytest.mark.parametrize("options, parameters, giga", SPECIFIED)
    def test_size_and_cost(self, options, parameters, giga):
        network = pyramid_cgan.build_generator(**options)
        assert network.count_params() == parameters
        assert round(cost.multiply_adds(network) / 1e9, 2) == giga
        moving = 0 if options.get("norm") else 2 * NORMALIZED_CHANNELS
        assert parameters - size_of(network.trainable_weights) == moving

    def test_what_laterals_and_norms_add(self):
        parameters = {tuple(o.values()): p for o, p, _ in SPECIFIED}
        assert parameters["b",] - parameters["a",] == LATERAL_PARAMETERS == 86_464
        assert parameters["d",] - parameters["d", "none"] == 4 * NORMALIZED_CHANNELS

    def test_table_1(self, published):
        table = {  # layer -> side, channels
            **{"conv1": (128, 64), "res1_act": (64, 64), "res2_act": (32, 128)},
            **{"res3_act": (16, 256), "dilated1": (16, 1024), "dilated4": (16, 1024)},
            **{"res4_act": (16, 256), "res5_act": (32, 128), "res6_act": (64, 64)},
            **{"deconv": (128, 32), "conv2": (128, 32), "restored": (128, 3)},
        }
        for name, (side, channels) in table.items():
            shape = published.get_layer(name).output_shape
            assert shape == (None, side, side, channels), name
        kernels = {"conv1": 3, "conv2": 3, "deconv": 4, "restored_conv": 3}
        for block in range(1, 7):
            for part, kernel in (("conv1", 3), ("conv2", 3), ("shortcut", 1)):
                kernels[f"res{block}_{part}"] = kernel
        for name, kernel in kernels.items():
            assert published.get_layer(name).kernel_size == (kernel, kernel), name

    def test_width_multiplies_every_channel_but_those_of_pictures(self, published):
        narrow = pyramid_cgan.build_generator(width=0.25)
        assert narrow.output_shape == (None, 128, 128, 3)
        for layer in published.layers:
            if not hasattr(layer, "kernel") or layer.name == "restored_conv":
                continue
            assert narrow.get_layer(layer.name).filters == layer.filters / 4
        thinnest = pyramid_cgan.build_generator(width=0.001, image_size=8)
        assert thinnest.get_layer("dilated1").filters == 1
        assert thinnest.get_layer("deconv").filters == 1


class TestStructure:
    @pytest.mark.parametrize("configuration", pyramid_cgan.CONFIGURATIONS)
    def test_what_the_configurations_have(self, configuration):
        network = pyramid_cgan.build_generator(configuration, **TINY)
        rates = [network.get_layer(f"dilated{i}").dilation_rate[0] for i in range(1, 5)]
        assert rates == ([2, 4, 8, 16] if configuration in "cd" else [1, 1, 1, 1])
        names = {layer.name for layer in network.layers}
        laterals = {name for name in names if re.match("lateral|joined", name)}
        assert len(laterals) == (0 if configuration == "a" else 6)

    @pytest.mark.parametrize("down, up", [(3, 4), (2, 5), (1, 6)])
    def test_laterals_add_maps_of_the_way_down(self, published, down, up):
        level, drawn = (published.get_layer(f"res{i}_act").output for i in (down, up))
        lateral = published.get_layer(f"lateral{up}")
        assert lateral.kernel_size == (1, 1) and lateral.use_bias
        assert lateral.input is level
        joined = published.get_layer(f"joined{up}")
        assert joined.input[0] is drawn and joined.input[1] is lateral.output

    @pytest.mark.parametrize("norm", pyramid_cgan.NORMS)
    def test_a_residual_block_adds_before_it_activates(self, norm):
        network = pyramid_cgan.build_generator(norm=norm, **TINY)
        end = "_norm" if norm == "batch" else ""
        for block in range(1, 7):
            main, skip = network.get_layer(f"res{block}_sum").input
            assert main is network.get_layer(f"res{block}_conv2{end}").output
            assert skip is network.get_layer(f"res{block}_shortcut{end}").output
            activation = network.get_layer(f"res{block}_act")
            assert activation.input is network.get_layer(f"res{block}_sum").output
            inner = network.get_layer(f"res{block}_conv1_act")
            assert inner.input is network.get_layer(f"res{block}_conv1{end}").output
            assert network.get_layer(f"res{block}_conv2").input is inner.output

    @pytest.mark.parametrize("norm", pyramid_cgan.NORMS)
    def test_the_signal_survives_the_depth_before_training(self, norm):
        tf.keras.utils.set_random_seed(0)
        network = pyramid_cgan.build_generator(norm=norm, **TINY)
        with tf.GradientTape() as tape:
            restored = network(batch(), training=True)
            loss = tf.reduce_mean((restored - 0.5) ** 2)
        gradient = tape.gradient(loss, network.get_layer("dilated1").kernel)
        assert np.std(restored) > 1e-3
        # Far above the epsilon of Adam, 1e-7, below which nothing moves.
        assert np.abs(gradient).max() > 1e-5


class TestOutputs:
    def test_the_generator_sees_image_and_mask(self):
        network = pyramid_cgan.build_generator(norm="none", **TINY)
        inputs = batch()
        before = network(inputs).numpy()
        for name in inputs:
            other = network({**inputs, name: inputs[name][::-1]}).numpy()
            assert np.abs(other - before).max() > 1e-6, name


@pytest.mark.parametrize(
    "options, text",
    [
        ({"configuration": "e"}, "one of ('a', 'b', 'c', 'd'); got 'e'."),
        ({"norm": None}, "norm must be one of ('batch', 'none'); got None."),
        ({"image_size": 100}, "residual blocks each halve the image; got 100. Try 96."),
        ({"image_size": 0}, "got 0. Try 8."),
    ],
)
def test_errors_name_the_option_and_the_way_out(options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        pyramid_cgan.build_generator(**options)
