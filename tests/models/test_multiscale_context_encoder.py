"""Do et al.'s networks: sizes as specified, and nothing of the hole gets in."""

import re

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import masks
from models import cost
from models.multiscale_context_encoder import (
    build_generator,
    build_inpainter,
    masked_pyramid,
)

# options, parameters, trainable ones, 1e9 multiply-adds with pooling and with strides
SPECIFIED = [
    ({"scales": 1}, 828_483, 826_627, 1.615, 1.092),
    ({"scales": 2}, 972_995, 969_731, 2.002, None),
    ({}, 1_045_187, 1_040_643, 2.082, 1.211),
    ({"aggregation": "concat"}, 2_224_835, 2_220_291, 3.290, 2.419),
    ({"separable": True}, 315_107, None, 0.519, None),
    # 512 channels of 16x16 places: a matrix each, or one for all; and a BatchNorm.
    (
        {"bottleneck": "channelwise_fc"},
        1_045_187 + 512 * 256**2 + 2048,
        None,
        2.116,
        None,
    ),
    ({"bottleneck": "shared_fc"}, 1_045_187 + 256**2 + 2048, None, 2.116, None),
]
IDS = ["one scale", "two scales", "add", "concat", "separable", "fc", "shared fc"]
TINY = {"image_size": 64, "widths": (4, 6, 8, 16), "decoder_widths": (8, 8)}


def size_of(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def pictures(count=2, size=64, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, size, size, 3)).astype(np.float32)


def centers(count=2, size=64, side=16):
    return np.repeat(masks.center(size, side)[None].numpy(), count, axis=0)


def strong(network, gain=20):
    """Takes an untrained tanh out of the neighborhood of zero."""
    for weight in network.trainable_weights:
        if "kernel" in weight.name:
            weight.assign(gain * weight)
    return network


class TestSpecification:
    @pytest.mark.parametrize(
        "options, params, trainable, pooled, strided", SPECIFIED, ids=IDS
    )
    def test_size_cost_and_output(self, options, params, trainable, pooled, strided):
        network = build_generator(**options)
        assert network.count_params() == params
        if trainable:
            assert size_of(network.trainable_weights) == trainable
        assert round(cost.multiply_adds(network) / 1e9, 3) == pooled
        assert network.output_shape == (None, 64, 64, 3)
        if strided:
            network = build_generator(**options, downsampling="stride")
            assert network.count_params() == params
            assert round(cost.multiply_adds(network) / 1e9, 3) == strided
            assert network.output_shape == (None, 64, 64, 3)

    def test_table_i(self):
        network = build_generator()
        table = {  # sub-encoder -> input side, then (channels, kernel, output side)
            0: (250, [(32, 3, 125), (64, 3, 63), (128, 3, 32), (512, 1, 16)]),
            1: (125, [(64, 3, 63), (128, 3, 32), (512, 1, 16)]),
            2: (63, [(128, 3, 32), (512, 1, 16)]),
        }
        for k, (side, levels) in table.items():
            first = network.get_layer(f"scale{k}_level1")
            assert first.input_shape == (None, side, side, 3)
            for level, (channels, kernel, output) in enumerate(levels, start=1):
                layer = network.get_layer(f"scale{k}_level{level}")
                assert (layer.filters, layer.kernel_size[0]) == (channels, kernel)
                pooled = network.get_layer(f"scale{k}_level{level}_pool")
                assert pooled.output_shape == (None, output, output, channels)

    @pytest.mark.parametrize("aggregation, channels", [("add", 512), ("concat", 1536)])
    def test_table_ii(self, aggregation, channels):
        network = build_generator(aggregation=aggregation)
        assert network.get_layer("joined").output_shape == (None, 16, 16, channels)
        shapes = [
            network.get_layer(name).output_shape[1:]
            for name in ("up1_conv", "up2_conv", "patch")
        ]
        assert shapes == [(32, 32, 128), (64, 64, 64), (64, 64, 3)]
        kernels = [network.get_layer(f"up{i}_conv").kernel.shape for i in (1, 2)]
        assert kernels == [(3, 3, channels, 128), (3, 3, 128, 64)]

    def test_every_level_is_conv_leaky_relu_norm_pool(self):
        layer = build_generator(**TINY).get_layer("scale1_level2")
        for kind in ("LeakyReLU", "BatchNormalization", "MaxPooling2D"):
            layer = layer.outbound_nodes[0].outbound_layer
            assert type(layer).__name__ == kind


class TestPyramid:
    def scales(self, image, mask, fill=(0.0,)):
        """The three filled images, as the network sees them."""
        size = image.shape[1]
        inputs = [tf.keras.Input((size, size, c)) for c in (3, 1)]
        pyramid = tf.keras.Model(inputs, masked_pyramid(*inputs, 3, fill))
        return [x.numpy() for x in pyramid([image, mask])]

    def test_holes_are_filled_where_the_specification_has_them(self):
        color = (-0.5, -0.2, 0.3)
        spans = []
        for x in self.scales(pictures(1, 250), centers(1, 250, 64), fill=color):
            hole = np.isclose(x[0], color, atol=1e-6).all(axis=-1)
            rows, columns = np.nonzero(hole)
            assert len(rows) == (rows.max() - rows.min() + 1) ** 2
            spans.append((len(hole), rows.min(), rows.max(), columns.min()))
        assert spans == [(250, 93, 156, 93), (125, 46, 78, 46), (63, 23, 39, 23)]

    def test_known_pixels_are_means_of_the_clean_image(self):
        image = pictures(1)
        half = image.reshape(1, 32, 2, 32, 2, 3).mean(axis=(2, 4))
        _, filled, _ = self.scales(image, centers(1))
        known = filled != 0
        np.testing.assert_allclose(filled[known], half[known], atol=1e-6)
        assert known.mean() == 1 - (8 / 32) ** 2

    @pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
    @pytest.mark.parametrize("options", [c[0] for c in SPECIFIED], ids=IDS)
    def test_what_the_hole_holds_moves_the_output_by_no_bit(self, options, policy):
        tf.keras.mixed_precision.set_global_policy(policy)
        generator = strong(build_generator(**TINY, **options))
        inpainter = build_inpainter(generator)
        image, mask = pictures(), centers()
        other = np.where(mask > 0, np.float32(np.nan), image)
        first = inpainter({"image": image, "mask": mask}).numpy()
        second = inpainter({"image": other, "mask": mask}).numpy()
        np.testing.assert_array_equal(first, second)
        assert first[mask[..., 0] > 0].std() > 0.01


@pytest.mark.parametrize(
    "options, text",
    [
        ({"scales": 4}, "scales must be one of (1, 2, 3); got 4."),
        ({"aggregation": "sum"}, "one of ('add', 'concat'); got 'sum'."),
        ({"downsampling": "max"}, "one of ('pool', 'stride'); got 'max'."),
    ],
)
def test_errors_name_the_option_and_its_values(options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        build_generator(**options)
