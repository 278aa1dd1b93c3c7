"""Jiang & Zhang's generators: sizes as specified, structure as the paper states it."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from models import cost, skip_inpainting

CONV4000 = "conv4000"
TINY = {"image_size": 32, "widths": (8, 8, 16)}

# model, bottleneck, side of the output, parameters, 1e9 multiply-adds an image
SPECIFIED = [
    (0, "channelwise_fc", 64, 10_183_555, 0.662),
    (1, "channelwise_fc", 64, 9_779_587, 0.657),
    (2, "channelwise_fc", 128, 5_714_435, 0.645),
    (3, "channelwise_fc", 128, 7_339_011, 1.173),
    (0, CONV4000, 64, 40_405_283, 1.147),
]
IDS = ["model0", "model1", "model2", "model3", "bottleneck4000"]
VARIANTS = [case[:2] for case in SPECIFIED]
every_variant = pytest.mark.parametrize("model, bottleneck", VARIANTS, ids=IDS)


@functools.cache
def published(model, bottleneck="channelwise_fc"):
    return skip_inpainting.build_generator(model, bottleneck=bottleneck)


def tiny(model, bottleneck="channelwise_fc", *, gain=1.0):
    """A small generator; the gain takes tanh out of the neighborhood of zero."""
    network = skip_inpainting.build_generator(model, bottleneck=bottleneck, **TINY)
    for weight in network.trainable_weights:
        if "kernel" in weight.name:
            weight.assign(gain * weight)
    return network


def pictures(count=2, size=32, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def squares(corners, side=16, size=32):
    mask = np.zeros((len(corners), size, size, 1), np.float32)
    for row, (top, left) in zip(mask, corners):
        row[top : top + side, left : left + side] = 1
    return mask


def follower(layer):
    """The one layer that takes a layer's output."""
    (node,) = layer.outbound_nodes
    return node.outbound_layer


class TestSpecification:
    @pytest.mark.parametrize(
        "model, bottleneck, side, params, gmac", SPECIFIED, ids=IDS
    )
    def test_size_cost_and_output(self, model, bottleneck, side, params, gmac):
        network = published(model, bottleneck)
        assert network.count_params() == params
        assert round(cost.multiply_adds(network) / 1e9, 3) == gmac
        assert network.input_shape == (None, 128, 128, 3)
        assert network.output_shape == (None, side, side, 3)

    def test_the_bottleneck_is_4x4x512(self):
        assert published(3).get_layer("down5_act").output_shape == (None, 4, 4, 512)

    def test_the_fully_connected_layer_mixes_no_channels(self):
        layer = published(0).get_layer("channelwise_fc")
        assert layer.kernel.shape == (16, 16, 512)
        assert layer.bias.shape == (16, 512)
        maps = np.zeros((1, 16, 512), np.float32)
        maps[0, :, 7] = 1
        mixed = layer(maps) - layer(np.zeros_like(maps))
        moved = np.abs(mixed).max(axis=(0, 1)) > 0
        assert moved.nonzero()[0].tolist() == [7]

    @pytest.mark.parametrize("model", skip_inpainting.MODELS)
    def test_model_3_joins_every_level_but_the_full_size(self, model):
        network = published(model)
        joins = [layer for layer in network.layers if layer.name.endswith("_join")]
        shapes = [join.input_shape for join in joins]
        expected = [(8, 256), (16, 128), (32, 64), (64, 64)] if model == 3 else []
        assert shapes == [[(None, s, s, c)] * 2 for s, c in expected]
        for level, join in enumerate(joins):
            encoder = network.get_layer(f"down{4 - level}_act").output
            assert join.input[1] is encoder
            assert follower(join).name == f"skip{level + 1}"
            assert follower(join).kernel_size == (3, 3)
            assert follower(join).filters == expected[level][1]


class TestLayers:
    @every_variant
    def test_encoder_relu_decoder_leaky_relu_norm_in_every_layer(
        self, model, bottleneck
    ):
        network = tiny(model, bottleneck)
        convolutions = [
            layer
            for layer in network.layers
            if isinstance(layer, tf.keras.layers.Conv2D)
            and not re.match("restored|bottleneck", layer.name)
        ]
        assert len(convolutions) == {0: 5, 1: 5, 2: 6, 3: 8}[model]
        for layer in convolutions:
            down = layer.name.startswith("down")
            skip = layer.name.startswith("skip")
            assert layer.kernel_size == ((3, 3) if skip else (4, 4))
            assert layer.strides == ((1, 1) if skip else (2, 2))
            assert layer.activation is tf.keras.activations.linear
            norm = follower(layer)
            assert isinstance(norm, tf.keras.layers.BatchNormalization)
            assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
            act = follower(norm) if not down else norm.outbound_nodes[0].outbound_layer
            if down:
                assert type(act) is tf.keras.layers.ReLU
                assert act.negative_slope == 0
            else:
                assert type(act) is tf.keras.layers.LeakyReLU
                assert float(act.alpha) == pytest.approx(0.2)

    @every_variant
    def test_a_3x3_convolution_and_tanh_come_last(self, model, bottleneck):
        network = tiny(model, bottleneck)
        convolution, tanh = network.layers[-2:]
        assert (convolution.kernel_size, convolution.filters) == ((3, 3), 3)
        assert tanh.activation is tf.keras.activations.tanh
        assert follower(convolution) is tanh

    def test_convolutions_start_from_normal_002(self):
        for layer in ("down4", "up2", "skip2", "restored_conv"):
            kernel = published(3).get_layer(layer).kernel.numpy()
            assert kernel.std() == pytest.approx(0.02, rel=0.1)
            assert abs(kernel.mean()) < 2e-3


class TestOutputs:
    @pytest.mark.parametrize("model, uses_skips", [(2, False), (3, True)])
    def test_only_skips_carry_the_image_past_a_dead_bottleneck(self, model, uses_skips):
        network = tiny(model)
        for weight in network.get_layer("down3").weights:
            weight.assign(tf.zeros_like(weight))
        first, second = network(pictures(2)).numpy()
        assert np.array_equal(first, second) != uses_skips


class TestInpainter:
    corners = ((0, 0), (16, 16), (5, 11))

    @pytest.mark.parametrize("model", [0, 1])
    def test_patch_models_keep_the_image_and_fill_the_hole_anywhere(self, model):
        generator = tiny(model, gain=5)
        inpainter = skip_inpainting.build_inpainter(generator)
        image, mask = pictures(3), squares(self.corners)
        restored = inpainter({"image": image, "mask": mask}).numpy()
        known = np.broadcast_to(mask == 0, image.shape)
        np.testing.assert_array_equal(restored[known], image[known])
        for index, (top, left) in enumerate(self.corners):
            hole = restored[index, top : top + 16, left : left + 16]
            np.testing.assert_allclose(hole, generator(image)[index], atol=1e-6)

    @pytest.mark.parametrize("model", [2, 3])
    def test_whole_image_models_give_their_own_output(self, model):
        generator = tiny(model, gain=5)
        inpainter = skip_inpainting.build_inpainter(generator)
        image = pictures(3)
        for mask in (squares(self.corners), squares(self.corners, side=0)):
            restored = inpainter({"image": image, "mask": mask})
            np.testing.assert_allclose(restored, generator(image), atol=1e-6)


class TestMaskChannel:
    fills = np.float32([1, 1, 1]), np.float32([-0.02, -0.19, -0.29])

    def pair(self, model=3):
        """The same network without and with a mask channel."""
        plain = tiny(model, gain=5)
        masked = skip_inpainting.build_generator(model, mask_channel=True, **TINY)
        kernel, *others = plain.get_weights()
        kernel = skip_inpainting.with_mask_channel(kernel, *self.fills)
        masked.set_weights([kernel, *others])
        return plain, masked

    def test_it_adds_one_input_to_the_first_convolution_and_nothing_else(self):
        network = skip_inpainting.build_generator(3, mask_channel=True)
        assert network.count_params() == published(3).count_params() + 4 * 4 * 64
        assert network.input_shape == (None, 128, 128, 4)
        shapes, plain = (
            [(w.name, tuple(w.shape)) for w in n.weights]
            for n in (network, published(3))
        )
        assert shapes[0] == ("down1/kernel:0", (4, 4, 4, 64))
        assert shapes[1:] == plain[1:]

    @pytest.mark.parametrize("model", skip_inpainting.MODELS)
    def test_a_network_that_gets_one_begins_as_it_was(self, model):
        image, mask = pictures(3), squares(TestInpainter.corners)
        restored = [
            skip_inpainting.build_inpainter(network)(
                {"image": np.where(mask > 0, fill, image), "mask": mask}
            )
            for network, fill in zip(self.pair(model), self.fills)
        ]
        np.testing.assert_allclose(*restored, atol=2e-5)

    def test_without_another_fill_its_weights_begin_at_0(self):
        kernel = tiny(3).get_weights()[0]
        grown = skip_inpainting.with_mask_channel(kernel, self.fills[1], self.fills[1])
        np.testing.assert_array_equal(grown[:, :, :3], kernel)
        np.testing.assert_array_equal(grown[:, :, 3], 0)
        assert grown.dtype == np.float32

    def test_the_network_sees_the_mask(self):
        _, masked = self.pair()
        inpainter = skip_inpainting.build_inpainter(masked)
        image = pictures(1)
        restored = [
            inpainter({"image": image, "mask": squares([(0, 0)], side=side)}).numpy()
            for side in (0, 16)
        ]
        assert not np.allclose(*restored, atol=1e-3)


class TestErrors:
    @pytest.mark.parametrize(
        "options, text",
        [
            ({"image_size": 100}, "5 encoder levels each halve it; got 100. Try 96."),
            ({"image_size": 20}, "got 20. Try 32."),
            ({"image_size": 12, "widths": (8, 8, 16)}, "a multiple of 8, because 3"),
            ({"model": 4}, "model must be one of (0, 1, 2, 3); got 4."),
            ({"model": 0, "bottleneck": "conv400"}, "'conv4000'); got 'conv400'"),
        ],
    )
    def test_they_name_the_rule_the_value_and_the_way_out(self, options, text):
        with pytest.raises(ValueError, match=re.escape(text)):
            skip_inpainting.build_generator(**options)
