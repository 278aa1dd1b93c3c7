"""The CVAE and the DCGAN: sizes as published, and samples that a key decides."""

import re

import numpy as np
import pytest
import tensorflow as tf

from models import cvae_dcgan
from models.stochastic import Sampling

TINY = {"image_size": 32, "latents": 6}
# generator -> parameters of the encoder, of the decoder, of both
SPECIFIED = {
    "cvae": (287_696, 155_795, 443_491),
    "dcgan": (815_328, 158_115, 973_443),
    "doubled": (622_752, 359_971, 982_723),
    "wide": (4_585_664, 2_793_059, 7_378_723),  # ours
}
# layer -> output shape, parameters
FIRST = {"down1": ((32, 32, 8), 224), "down2": ((16, 16, 16), 1_168)}
CVAE = {
    "encoder": {
        **FIRST,
        **{"down3": ((8, 8, 32), 4_640), "down4": ((4, 4, 64), 18_496)},
        "pool": ((2, 2, 64), 0),
        **{"mean": ((512,), 131_584), "log_variance": ((512,), 131_584)},
    },
    "decoder": {
        "features": ((256,), 131_328),
        **{"up1": ((4, 4, 32), 18_464), "up2": ((8, 8, 16), 4_624)},
        **{"up3": ((16, 16, 8), 1_160), "up4": ((32, 32, 3), 219)},
        "double": ((64, 64, 3), 0),
    },
}
DCGAN = {
    "encoder": {
        **FIRST,
        **{"down3": ((8, 8, 16), 2_320), "down4": ((4, 4, 32), 4_640)},
        "down5": ((2, 2, 64), 18_496),
        **dict.fromkeys(["mean_hidden", "log_variance_hidden"], ((512,), 131_584)),
        **dict.fromkeys(["mean", "log_variance"], ((512,), 262_656)),
    },
    "decoder": {
        "features": ((256,), 131_328),
        **{"up1": ((4, 4, 32), 18_464), "up2": ((8, 8, 16), 4_624)},
        **{"up3": ((16, 16, 16), 2_320), "up4": ((32, 32, 8), 1_160)},
        "up5": ((64, 64, 3), 219),
    },
}


WIDE = {
    "encoder": {
        **{"down1": ((32, 32, 32), 896), "down1_bn": ((32, 32, 32), 128)},
        **{"down2": ((16, 16, 64), 18_496), "down2_bn": ((16, 16, 64), 256)},
        **{"down3": ((8, 8, 128), 73_856), "down3_bn": ((8, 8, 128), 512)},
        **{"down4": ((4, 4, 256), 295_168), "down4_bn": ((4, 4, 256), 1_024)},
        **dict.fromkeys(["mean", "log_variance"], ((512,), 2_097_664)),
    },
    "decoder": {
        "features": ((4_096,), 2_101_248),
        "map_bn": ((4, 4, 256), 1_024),
        **{"up1": ((8, 8, 128), 524_416), "up1_bn": ((8, 8, 128), 512)},
        **{"up2": ((16, 16, 64), 131_136), "up2_bn": ((16, 16, 64), 256)},
        **{"up3": ((32, 32, 32), 32_800), "up3_bn": ((32, 32, 32), 128)},
        "up4": ((64, 64, 3), 1_539),
    },
}


def pictures(side=32, count=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (count, side, side, 3)).astype(np.float32)


def keys(number=0, count=2):
    return np.full([count, 2], [number, 7], np.int32)


def inputs(number=0, side=32):
    return {"image": pictures(side), "key": keys(number)}


def halves(generator="cvae", **options):
    return (
        cvae_dcgan.build_encoder(generator, **options),
        cvae_dcgan.build_decoder(generator, **options),
    )


def autoencoder(generator="cvae", **options):
    return cvae_dcgan.build_autoencoder(*halves(generator, **{**TINY, **options}))


class TestSpecification:
    @pytest.mark.parametrize("generator", SPECIFIED)
    def test_parameters_of_every_part(self, generator):
        encoder, decoder = halves(generator)
        whole = cvae_dcgan.build_autoencoder(encoder, decoder)
        counts = tuple(part.count_params() for part in (encoder, decoder, whole))
        assert counts == SPECIFIED[generator]
        assert encoder.input_shape == (None, 64, 64, 3)
        assert encoder.output_shape == dict.fromkeys(
            ("mean", "log_variance"), (None, 512)
        )
        assert decoder.input_shape == (None, 512)
        assert decoder.output_shape == (None, 64, 64, 3)

    @pytest.mark.parametrize("generator, table", [("cvae", CVAE), ("dcgan", DCGAN)])
    def test_the_table_of_layers(self, generator, table):
        for half in halves(generator):
            rows = table[half.name]
            for name, (shape, parameters) in rows.items():
                layer = half.get_layer(name)
                assert layer.output_shape == (None, *shape), name
                assert layer.count_params() == parameters, name
                if name.startswith(("down", "up")):
                    assert layer.kernel_size == (3, 3), name
                    assert layer.strides == (2, 2), name
            assert sum(row[1] for row in rows.values()) == half.count_params()
            # Every layer with weights is followed by ReLU, but for those that answer.
            linear = {"mean", "log_variance", max(set(rows) - {"double"})}
            for name in rows.keys() - linear - {"pool", "double"}:
                (node,) = half.get_layer(name).outbound_nodes
                assert isinstance(node.outbound_layer, tf.keras.layers.ReLU), name

    def test_the_wide_network_is_normalized_and_its_units_cannot_die(self):
        for half in halves("wide"):
            rows = WIDE[half.name]
            for name, (shape, parameters) in rows.items():
                layer = half.get_layer(name)
                assert layer.output_shape == (None, *shape), name
                assert layer.count_params() == parameters, name
                if name.endswith("_bn"):
                    (node,) = layer.outbound_nodes
                    assert isinstance(node.outbound_layer, tf.keras.layers.LeakyReLU)
                elif name.startswith("up"):
                    assert layer.kernel_size == (4, 4) and layer.strides == (2, 2)
            assert sum(row[1] for row in rows.values()) == half.count_params()
            kinds = {type(layer) for layer in half.layers}
            assert tf.keras.layers.ReLU not in kinds

    def test_discriminator(self):
        network = cvae_dcgan.build_discriminator()
        assert network.count_params() == 242_561
        assert network.output_shape == (None,)
        kinds = [type(layer).__name__ for layer in network.layers]
        kinds = [kind for kind in kinds if kind != "InputLayer"]
        level = ["Conv2D", "LeakyReLU", "KeyedDropout"]
        assert kinds == [*level * 2, "Flatten", "Dense", "Reshape"]
        table = {"conv1": ((32, 32, 64), 4_864), "conv2": ((16, 16, 128), 204_928)}
        table["score"] = ((1,), 32_769)
        for name, (shape, parameters) in table.items():
            assert network.get_layer(name).output_shape == (None, *shape)
            assert network.get_layer(name).count_params() == parameters
        for level in (1, 2):
            assert network.get_layer(f"conv{level}").kernel_size == (5, 5)
            assert float(network.get_layer(f"act{level}").alpha) == pytest.approx(0.2)
            assert network.get_layer(f"dropout{level}").rate == 0.3


class TestAutoencoder:
    @pytest.mark.parametrize("generator", SPECIFIED)
    def test_at_evaluation_it_is_the_decoder_of_the_mean(self, generator):
        network = autoencoder(generator)
        encoder, decoder = (network.get_layer(n) for n in ("encoder", "decoder"))
        first, second = network(inputs(1)), network(inputs(2), training=False)
        assert set(first) == {"image", "mean", "log_variance"}
        code = encoder(pictures())
        for name in ("mean", "log_variance"):
            np.testing.assert_array_equal(first[name], code[name])
        np.testing.assert_array_equal(first["image"], decoder(code["mean"]))
        np.testing.assert_array_equal(first["image"], second["image"])

    def test_in_training_it_is_the_decoder_of_a_sample_that_the_key_decides(self):
        network = autoencoder()
        one, same, other = (network(inputs(n), training=True) for n in (1, 1, 2))
        np.testing.assert_array_equal(one["image"], same["image"])
        assert not np.allclose(one["image"], other["image"])
        np.testing.assert_array_equal(one["mean"], other["mean"])
        sample = Sampling()([one["mean"], one["log_variance"], keys(1)], True)
        image = network.get_layer("decoder")(sample)
        np.testing.assert_allclose(one["image"], image, atol=1e-6)

    @pytest.mark.parametrize("generator", SPECIFIED)
    def test_images_stay_from_0_to_1_and_latents_do_not(self, generator):
        network = autoencoder(generator)
        decoder = network.get_layer("decoder")
        (last,) = (x for x in decoder.layers if getattr(x, "filters", 0) == 3)
        last.bias.assign([-5.0, 0.0, 5.0])
        image = decoder(tf.random.stateless_normal([4, 6], [0, 1])).numpy()
        assert image.min() >= 0 and image.max() <= 1
        assert image[..., 0].max() < 0.1 and image[..., 2].min() > 0.9
        encoder = network.get_layer("encoder")
        for sign, name in enumerate(("mean", "log_variance")):
            encoder.get_layer(name).bias.assign(5.0 * (-1.0) ** (np.arange(6) + sign))
        code = encoder(pictures(count=4))
        for name in ("mean", "log_variance"):
            assert code[name].numpy().min() < -1 and code[name].numpy().max() > 1
        assert np.all(np.sign(code["mean"]) == -np.sign(code["log_variance"]))


def test_the_key_decides_what_the_discriminator_drops_in_training():
    network = cvae_dcgan.build_discriminator(32)
    network.get_layer("score").bias.assign([70.0])  # a logit has no bounds
    one, same, other = (network(inputs(n), training=True) for n in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).min() > 1e-6
    first, second = network(inputs(1)), network(inputs(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == [2] and np.allclose(first, 70, atol=5)


@pytest.mark.parametrize("side", [64, 128])
def test_other_sizes_change_the_discriminators_score_alone(side):
    network = cvae_dcgan.build_discriminator(side)
    assert network.input_shape["image"] == (None, side, side, 3)
    assert network.count_params() == 242_561 + ((side // 4) ** 2 - 16**2) * 128


@pytest.mark.parametrize("build", [cvae_dcgan.build_encoder, cvae_dcgan.build_decoder])
@pytest.mark.parametrize(
    "options, text",
    [
        (
            {"image_size": 100},
            "32, because 5 layers each halve the image; got 100. Try",
        ),
        ({"image_size": 0}, "got 0. Try 32."),
        ({"latents": 0}, "latents must be at least 1, 512 as published; got 0."),
        ({"generator": "vae"}, "one of ('cvae', 'dcgan', 'doubled', 'wide'); got"),
        ({"generator": "wide", "image_size": 40}, "16, because 4 layers each halve"),
    ],
)
def test_errors_name_the_option_and_the_way_out(build, options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        build(**options)
    with pytest.raises(ValueError, match="multiple of 4, because 2 .* 66. Try 64"):
        cvae_dcgan.build_discriminator(66)
