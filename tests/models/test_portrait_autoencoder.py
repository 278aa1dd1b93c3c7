"""Tan's autoencoder: sizes as specified, and nothing of the picture is shifted."""

import re

import numpy as np
import pytest
import tensorflow as tf

from models import cost
from models.portrait_autoencoder import (
    ACTIVATIONS,
    build_analysis,
    build_autoencoder,
    build_synthesis,
    reach,
)

# options, parameters, 1e9 multiply-adds, values of the latents
SPECIFIED = [
    ({"channels": 64}, 157_379, 0.075, 9_216),
    ({"channels": 128}, 609_667, 0.257, 18_432),
    ({}, 1_356_867, 0.544, 27_648),
    ({"channels": 256}, 2_398_979, 0.938, 36_864),
    ({"kernels": (5, 5, 3)}, 2_536_515, 1.224, 27_648),
    ({"kernels": (9, 5, 5)}, 3_780_675, 1.542, 27_648),
]
IDS = ["64", "128", "192", "256", "5-5-3", "9-5-5"]
TINY = {"image_size": 64, "channels": 6}


def pictures(height=64, width=64, count=2):
    rng = np.random.default_rng(0)
    return rng.uniform(0, 1, (count, height, width, 3)).astype(np.float32)


def halves(image_size=192, **options):
    analysis = build_analysis(image_size, **options)
    return analysis, build_synthesis(image_size, **options)


def autoencoder(**options):
    return build_autoencoder(*halves(**options))


class TestSpecification:
    @pytest.mark.parametrize("options, params, giga, values", SPECIFIED, ids=IDS)
    def test_size_cost_and_code(self, options, params, giga, values):
        analysis, synthesis = halves(**options)
        network = build_autoencoder(analysis, synthesis)
        assert network.count_params() == params
        assert round(cost.multiply_adds(network) / 1e9, 3) == giga
        assert network.output_shape == (None, 192, 192, 3)
        assert analysis.output_shape == (None, 12, 12, options.get("channels", 192))
        assert analysis.output_shape == synthesis.input_shape
        assert np.prod(analysis.output_shape[1:]) == values
        # The code is as many values as an image of half the side has at N = 192.
        assert 192 * 192 * 3 / values == 12 * 64 / options.get("channels", 192)

    def test_the_table_of_layers(self):
        analysis, synthesis = halves()
        table = {  # layer -> kernel, stride, output side, channels, parameters
            "down1": (5, 4, 48, 192, 14_592),
            "down2": (3, 2, 24, 192, 331_968),
            "down3": (3, 2, 12, 192, 331_968),
            "up1": (3, 2, 24, 192, 331_968),
            "up2": (3, 2, 48, 192, 331_968),
            "up3": (5, 4, 192, 3, 14_403),
        }
        for name, (kernel, stride, side, channels, parameters) in table.items():
            layer = (analysis if "down" in name else synthesis).get_layer(name)
            assert layer.kernel_size == (kernel, kernel), name
            assert layer.strides == (stride, stride), name
            assert layer.output_shape == (None, side, side, channels), name
            assert layer.count_params() == parameters, name
        for half in (analysis, synthesis):
            kinds = [type(layer).__name__ for layer in half.layers[1:]]
            assert kinds[1::2] == ["ReLU", "ReLU"] and len(kinds) == 5

    @pytest.mark.parametrize("depth", [1, 2])
    @pytest.mark.parametrize("channels", [16, 192])
    def test_depth_adds_pairs_of_convolutions(self, depth, channels):
        plain, deep = (autoencoder(channels=channels, depth=d) for d in (0, depth))
        convolutions = 2 * 3 * 2 * depth  # halves x stages x two a pair
        added = convolutions * (9 * channels**2 + channels)
        assert deep.count_params() - plain.count_params() == added
        positions = 48**2 + 24**2 + 12**2
        added = 2 * 2 * depth * positions * 9 * channels**2
        assert cost.multiply_adds(deep) - cost.multiply_adds(plain) == added

    def test_gdn_adds_a_matrix_and_an_offset_to_both_stages_of_both_halves(self):
        plain, gdn = autoencoder(), autoencoder(activation="gdn")
        assert gdn.count_params() - plain.count_params() == 4 * (192**2 + 192)
        added = 2 * (48**2 + 24**2) * 192**2
        assert cost.multiply_adds(gdn) - cost.multiply_adds(plain) == added
        kinds = [
            (half.get_layer(f"{name}{stage}_act").inverse)
            for half, name in zip(gdn.layers[1:], ("down", "up"))
            for stage in (1, 2)
        ]
        assert kinds == [False, False, True, True]


class TestOutputs:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
    def test_any_height_and_width(self, activation, policy):
        tf.keras.mixed_precision.set_global_policy(policy)
        options = {"channels": 6, "activation": activation, "depth": 1}
        fixed, free = (autoencoder(image_size=s, **options) for s in (64, None))
        free.set_weights(fixed.get_weights())
        tolerance = 1e-6 if policy == "float32" else 1e-2
        np.testing.assert_allclose(free(pictures()), fixed(pictures()), atol=tolerance)
        wide = pictures(32, 80)
        assert free.get_layer("analysis")(wide).shape == [2, 2, 5, 6]
        assert free(wide).shape == wide.shape

    def test_the_whole_is_its_halves(self):
        network = autoencoder(**TINY)
        analysis, synthesis = (network.get_layer(n) for n in ("analysis", "synthesis"))
        latents = analysis(pictures())
        np.testing.assert_array_equal(synthesis(latents), network(pictures()))

    def test_latents_and_images_are_linear(self):
        network = autoencoder(**TINY)
        latents = network.get_layer("analysis")(pictures()).numpy()
        assert latents.min() < 0 < latents.max()
        synthesis = network.get_layer("synthesis")
        synthesis.get_layer("up3").bias.assign([-9.0, 0.5, 9.0])
        image = network(pictures()).numpy()
        assert image[..., 0].max() < -1 and image[..., 2].min() > 2

    def test_many_pairs_do_not_make_the_signal_grow(self):
        plain, deep = (
            build_analysis(32, channels=16, depth=d)(pictures(32, 32)) for d in (0, 8)
        )
        assert 0.3 < np.std(deep) / np.std(plain) < 5

    @pytest.mark.parametrize("depth", [0, 1])
    def test_large_latents_are_not_rounded_on_the_way_in(self, depth):
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
        synthesis = autoencoder(depth=depth, **TINY).get_layer("synthesis")
        latents = np.full((1, *synthesis.input_shape[1:]), 200.0, np.float32)
        # In bfloat16 200 and 200.4 are the same number.
        assert np.any(synthesis(latents) != synthesis(latents + 0.4))


# kernels and depth -> what latent k sees and draws, from pixel 16 k
WINDOWS = [
    ((5, 3, 3), 0, range(0, 29)),
    ((5, 5, 3), 0, range(-4, 33)),
    ((9, 5, 5), 0, range(-14, 43)),
    ((5, 3, 3), 1, range(-56, 85)),
]


class TestAlignment:
    """Which columns (or rows) see which, with kernels that let nothing cancel."""

    LENGTH = 160

    def positive(self, kernels=(5, 3, 3), depth=0):
        """Halves with positive kernels and without biases; each stage is tied."""
        analysis, synthesis = halves(None, channels=2, kernels=kernels, depth=depth)
        rng = np.random.default_rng(0)
        for layer in (*analysis.layers, *synthesis.layers):
            if hasattr(layer, "kernel"):
                layer.kernel.assign(rng.uniform(0.1, 1, layer.kernel.shape))
        for stage in (1, 2, 3):
            down = analysis.get_layer(f"down{stage}")
            synthesis.get_layer(f"up{4 - stage}").kernel.assign(down.kernel)
        return analysis, synthesis

    def responses(self, network, length, axis):
        """[length, output length]: what a line of ones at each place gives where."""
        channels = network.input_shape[-1]
        across = 16 if channels == 3 else 1
        lines = np.eye(length, dtype=np.float32)[:, :, None, None]
        inputs = np.tile(lines, (1, 1, across, channels))
        if axis == "columns":
            inputs = inputs.swapaxes(1, 2)
        outputs = network(inputs).numpy()
        return outputs.sum(axis=(1, 3) if axis == "columns" else (2, 3))

    @pytest.mark.parametrize("axis", ["rows", "columns"])
    @pytest.mark.parametrize("kernels, depth, window", WINDOWS)
    def test_a_latent_draws_the_window_it_sees(self, kernels, depth, window, axis):
        analysis, synthesis = self.positive(kernels, depth)
        seen = self.responses(analysis, self.LENGTH, axis).T > 0
        drawn = self.responses(synthesis, self.LENGTH // 16, axis) > 0
        pixels = np.arange(self.LENGTH)
        for k in range(self.LENGTH // 16):
            inside = np.isin(pixels - 16 * k, window)
            np.testing.assert_array_equal(seen[k], inside)
            np.testing.assert_array_equal(drawn[k], inside)
        assert sum(window) / len(window) == 14
        assert max(window) - 14 <= reach(kernels, depth)

    @pytest.mark.parametrize("axis", ["rows", "columns"])
    @pytest.mark.parametrize("kernels", [window[0] for window in WINDOWS[:3]])
    def test_nothing_is_shifted(self, kernels, axis):
        network = build_autoencoder(*self.positive(kernels))
        moved = self.responses(network, self.LENGTH, axis)
        # With tied kernels what p does to q, q does to p: to both sides the same.
        np.testing.assert_allclose(moved, moved.T, rtol=1e-4)
        pixels = np.arange(self.LENGTH)
        centers = moved @ pixels / moved.sum(axis=1)
        middle = slice(64, 96)  # whole periods of 16, far from the borders
        weights = moved.sum(axis=1)[middle]
        shift = np.average((centers - pixels)[middle], weights=weights)
        assert abs(shift) < 0.01


@pytest.mark.parametrize("build", [build_analysis, build_synthesis])
@pytest.mark.parametrize(
    "options, text",
    [
        ({"image_size": 250}, "make the image 16 times smaller; got 250. Try 240."),
        ({"image_size": 0}, "got 0. Try 16."),
        ({"kernels": (5, 3)}, "kernels must be three sides"),
        ({"kernels": (3, 3, 3)}, "skips pixels; got (3, 3, 3). Try (5, 3, 3)."),
        ({"activation": "elu"}, "one of ('relu', 'gdn'); got 'elu'"),
        ({"depth": -1}, "depth must be 0, as published, or more; got -1."),
    ],
)
def test_errors_name_the_option_and_the_way_out(build, options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        build(**options)
