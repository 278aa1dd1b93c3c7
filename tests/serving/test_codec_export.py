"""Codecs as SavedModels: their networks' numbers and files, or an error."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_codec
import tiny_latents
from tiny_codec import picture
from tiny_latents import LATENTS, SIZE

from experiments.core import command_line
from experiments.cvae_dcgan.config import PRESETS, Config
from experiments.cvae_dcgan.system import SYSTEM
from models import cvae_dcgan
from serving.codec import container
from serving.codec.entropy import LARGEST, npz
from serving.codec.quantizer import Quantizer
from serving.export import codec as codec_export
from serving.export import latents, saved_model
from serving.export.kinds import CODEC, INPAINTING, kind_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
N = 8
# Image codecs with rounded latents and with real ones, and a latent codec.
EXPORTS = {
    "rounded": lambda run: tiny_codec.export(run, "gdn"),
    "real": lambda run: tiny_codec.export(run, "relu", priced=False),
    "latents": tiny_latents.export,
}
HALVES = {"rounded": ("analysis", "synthesis"), "latents": ("encode", "decode")}
HALVES["real"] = HALVES["rounded"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Name -> folder, encoder, decoder, quantizers; each made when first asked for."""
    return functools.cache(lambda name: EXPORTS[name](tmp_path_factory.mktemp(name)))


@pytest.fixture(scope="module")
def opened(exported):
    """Name, bits -> a codec; each opened when first asked for."""
    return functools.cache(
        lambda name, bits=0: codec_export.load(exported(name)[0], bits=bits)
    )


def unit(*images):
    return tf.constant(np.stack(images) / np.float32(255))


def assert_near(found, expected):
    """Arrays, or dictionaries of them."""
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        found,
        expected,
    )


class TestSavedModel:
    @pytest.mark.parametrize("name", EXPORTS)
    def test_numbers_are_the_networks(self, exported, name):
        folder, encoder, decoder = exported(name)[:3]
        run = tf.saved_model.load(str(folder)).signatures
        encode, decode = (run[half] for half in HALVES[name])
        image = unit(picture(SIZE, SIZE), picture(SIZE, SIZE, seed=1))
        plain, found = encoder(image), encode(image=image)
        if name == "latents":
            log_variance, plain = plain["log_variance"], plain["mean"]
            assert np.abs(plain - log_variance).max() > 0.1
            assert_near(found["log_variance"], log_variance)
        latents, plain = found["latents"].numpy(), plain.numpy()
        assert np.ptp(latents) > 4
        if name == "rounded":
            assert np.abs(latents - plain).max() <= 0.5 + 1e-4
            assert np.abs(plain - np.rint(plain)).max() > 0.4
        else:
            assert_near(latents, plain)
        drawn = decode(latents=tf.constant(latents))["image"]
        linear = decoder(latents.astype(np.float32)).numpy()
        assert name == "latents" or (linear.min() < 0 and linear.max() > 1)
        assert linear.std() > 0.05
        assert_near(drawn, linear.clip(0, 1))
        assert_near(run["serving_default"](image=image)["restored"], drawn)


class TestKinds:
    @pytest.mark.parametrize(
        "config, kind",
        [
            ({"paper": "skip_inpainting"}, INPAINTING),
            ({"paper": "cvae_dcgan", "kind": INPAINTING}, INPAINTING),
            ({"paper": "a sixth", "kind": CODEC}, CODEC),
            ({"paper": "a sixth"}, ""),
        ],
    )
    def test_an_export_has_its_kind_or_that_of_its_paper(self, config, kind):
        assert kind_of(config) == kind

    def test_an_export_from_before_there_were_kinds_is_opened(self, exported, tmp_path):
        papers = {"rounded": "portrait_autoencoder", "latents": "cvae_dcgan"}
        for name, paper in papers.items():
            folder = shutil.copytree(exported(name)[0], tmp_path / name)
            path = folder / "assets.extra" / "config.json"
            config = {**json.loads(path.read_text()), "paper": paper}
            del config["kind"]
            path.write_text(json.dumps(config))
            codec = codec_export.load(folder)
            image = picture(20, 30)
            expected = codec_export.load(exported(name)[0]).compress(image)
            assert codec.compress(image) == expected


class TestRefusedBySignatures:
    """Which are part of the model, so that every client's numbers are valid."""

    @pytest.fixture
    def network(self):
        return codec_export.build_network(*tiny_codec.halves(), rounded=True)

    def latents(self, network, value):
        """What the analysis makes of an image if its last convolution gives `value`."""
        last = network.get_layer("analysis").get_layer("down3")
        last.set_weights([0 * last.kernel, np.full(N, value, np.float32)])
        run = codec_export.signatures(network, rounded=True)["analysis"]
        return run(unit(picture(32, 32)))["latents"]

    @pytest.mark.parametrize("value", [LARGEST, -LARGEST, 0.5, 2.5])
    def test_what_can_be_coded_is_rounded(self, network, value):
        latents = self.latents(network, value)
        assert latents.dtype == tf.int32
        np.testing.assert_array_equal(latents, np.full((1, 2, 2, N), np.rint(value)))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, LARGEST + 2, 2.0**32])
    def test_what_cannot_is_an_error(self, network, value):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"beyond {LARGEST}"):
            self.latents(network, value)


def test_parts_that_do_not_fit_are_not_saved(tmp_path):
    options = {"config": {}, "card": ""}
    one_size = tf.keras.Sequential(
        [tf.keras.layers.Input((32, 32, 3)), tf.keras.layers.Conv2D(N, 16)]
    )
    narrow = tiny_codec.laplace_tables([1.0] * 5)
    for halves, tables, text in (
        ([one_size] * 2, None, r"any height.*\(32, 32\).*image_size=None"),
        (tiny_codec.halves(), narrow, "5 channels and the latents 8"),
    ):
        with pytest.raises(ValueError, match=text):
            codec_export.save(*halves, tmp_path / "1", tables=tables, **options)
    encoder, decoder = tiny_latents.halves()
    few, large = (
        tiny_latents.halves(**options)[1]
        for options in ({"latents": 5}, {"image_size": 64})
    )
    five = {4: Quantizer.fit(np.eye(5, dtype="f"), 4)}
    for other, quantizers, text in (
        (few, {}, "12 latents of 32 px and the decoder"),
        (large, {}, "12 latents of 32 px and the decoder"),
        (decoder, five, "of 4 bits is for 5 latents.*makes 12"),
    ):
        options["quantizers"] = quantizers
        with pytest.raises(ValueError, match=text):
            latents.save(encoder, other, tmp_path / "a" / "1", **options)
    assert not list(tmp_path.iterdir())


def json_with(**changes):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def other_tables(path):
    path.write_bytes(npz(tiny_codec.laplace_tables([4.5] * N).arrays()))


def other_quantizer(path):
    values = np.random.default_rng(0).normal(size=[99, LATENTS]).astype("f")
    path.write_bytes(npz(Quantizer.fit(values, 4).arrays()))


WEIGHTS = "variables/variables.data-00000-of-00001"
CONFIG_JSON = "assets.extra/config.json"
TABLES = "assets.extra/entropy_tables.npz"
OTHERS = "config.json says model .*, its weights and tables are those of"
DAMAGES = [
    ("rounded", "saved_model.pb", pathlib.Path.unlink, "cannot be opened"),
    ("rounded", "saved_model.pb", lambda p: p.write_bytes(b"x"), "cannot be opened"),
    ("rounded", "variables/variables.index", pathlib.Path.unlink, "be opened"),
    ("rounded", WEIGHTS, tiny_codec.flip, ""),
    ("rounded", TABLES, pathlib.Path.unlink, "cannot be opened"),
    ("rounded", TABLES, tiny_codec.flip, "cannot be opened"),
    ("rounded", TABLES, other_tables, OTHERS),
    ("rounded", CONFIG_JSON, json_with(model_id="0" * 16), OTHERS),
    ("rounded", CONFIG_JSON, lambda p: p.write_text("{"), "cannot be opened"),
    ("latents", WEIGHTS, tiny_codec.flip, ""),
    ("latents", "assets.extra/quantizer_4.npz", pathlib.Path.unlink, "be opened"),
    ("latents", "assets.extra/quantizer_8.npz", tiny_codec.flip, "cannot be opened"),
    ("latents", "assets.extra/quantizer_4.npz", other_quantizer, OTHERS),
]


class TestLoad:
    @pytest.mark.parametrize("name, file, damage, text", DAMAGES)
    def test_a_damaged_export_is_named(
        self, exported, tmp_path, name, file, damage, text
    ):
        folder = tmp_path / "export" / "1"
        shutil.copytree(exported(name)[0], folder)
        damage(folder / file)
        with pytest.raises(ValueError, match=f"^{folder} .*{text}.* Export it again.$"):
            codec_export.load(folder)

    @pytest.mark.parametrize(
        "load", [codec_export.load, codec_export.load_image_codec, latents.load]
    )
    @pytest.mark.parametrize(
        "config, hint",
        [
            ({"kind": INPAINTING}, "it fills holes, for which there is facemend rest"),
            ({"paper": "pyramid_cgan"}, "it fills holes, for which there is face"),
            ({}, "its signatures are serving_default, and not .* Pass another"),
        ],
    )
    def test_what_fills_holes_is_no_codec(self, tmp_path, load, config, hint):
        module = tf.Module()
        module.fill = tf.function(lambda x: x, input_signature=[tf.TensorSpec([])])
        tf.saved_model.save(module, str(tmp_path), {"serving_default": module.fill})
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / CONFIG_JSON).write_text(json.dumps(config))
        with pytest.raises(ValueError, match=hint):
            load(tmp_path)

    def test_each_kind_has_a_loader_of_its_own(self, exported):
        for load, name, text in (
            (latents.load, "rounded", "compresses pictures, .* is facemend compress"),
            (codec_export.load_image_codec, "latents", "numbers, .* facemend latents"),
        ):
            with pytest.raises(ValueError, match=text):
                load(exported(name)[0])

    def test_without_tables_there_are_no_files(self, exported):
        folder = exported("real")[0]
        text = f"{folder} has no entropy tables.*--entropy=factorized.*lambda_"
        with pytest.raises(ValueError, match=text):
            codec_export.load(folder)

    def test_bits_that_a_codec_does_not_have(self, exported):
        faces, images = exported("latents")[0], exported("rounded")[0]
        text = f"{faces} has quantizers of 4, 6, 8 bits a latent, not of 5"
        with pytest.raises(ValueError, match=text):
            codec_export.load(faces, bits=5)
        with pytest.raises(ValueError, match=f"--bits is for .*{images} has none"):
            codec_export.load(images, bits=6)

    def test_weights_that_have_diverged(self, exported, monkeypatch):
        models, load = [], tf.saved_model.load

        def keep(folder):
            models.append(load(folder))
            return models[-1]

        monkeypatch.setattr(tf.saved_model, "load", keep)
        codec = codec_export.load(exported("rounded")[0])
        data = codec.compress(picture(20, 20))
        biases = {v.name: v for v in models[0].variables if "bias" in v.name}
        biases["down3/bias:0"].assign([1e9] * N)
        with pytest.raises(ValueError, match=f"beyond {LARGEST}. The weights have div"):
            codec.compress(picture(20, 20))
        biases["up3/bias:0"].assign([np.inf] * 3)
        with pytest.raises(ValueError, match="drawn value is infinite.*learning_rate"):
            codec.decompress(data)


class TestBits:
    def test_a_file_says_how_many_bits_it_has(self, opened):
        codecs = {bits: opened("latents", bits) for bits in (4, 6, 8)}
        images, sizes, errors = tiny_latents.training_images()[:5], [], []
        exact = np.stack([codecs[8].decode(codecs[8].encode(x)) for x in images])
        for codec in codecs.values():
            files = [codec.compress(image) for image in images]
            made = np.stack([codec.reconstruct(image) for image in images])
            for reader in codecs.values():
                read = np.stack([reader.decompress(data) for data in files])
                np.testing.assert_array_equal(read, made)
            sizes.append(sum(map(len, files)))
            errors.append(np.abs(made - exact.astype(int)).mean())
        assert np.all(np.diff(sizes) > 0) and np.all(np.diff(errors) < 0)
        other = tiny_codec.build().compress(picture(20, 20))
        with pytest.raises(container.ForeignFileError, match=codecs[4].model_id.hex()):
            codecs[4].decompress(other)

    def test_six_are_the_default(self, opened):
        image = picture(30, 20)
        data = opened("latents", 6).compress(image)
        assert opened("latents").compress(image) == data
        assert opened("latents", 4).compress(image) != data


def test_a_run_of_the_cvae_exports_its_halves_too(tmp_path):
    config = command_line.make(Config, PRESETS, "smoke", latents=LATENTS)
    network = cvae_dcgan.build_autoencoder(*tiny_latents.halves())
    split = tiny.split_of(tiny_latents.pictures(30))
    run = types.SimpleNamespace(
        config=config,
        data=types.SimpleNamespace(train=split),
        folder=types.SimpleNamespace(path=tmp_path, export=tmp_path / "export" / "1"),
    )
    folder = SYSTEM.export(run, network, facts={"name": "x"}, card="# Card\n")
    found = saved_model.read_config(folder)
    assert found["name"] == "x" and found["latents"] == LATENTS
    assert found["quantizers_fitted_to_images"] == len(split)
    given = unit(*split.images)
    means = network.get_layer("encoder")(given)["mean"]
    for bits in (4, 6, 8):
        path = folder / "assets.extra" / f"quantizer_{bits}.npz"
        levels = Quantizer.load(path).quantize(means)
        expected = Quantizer.fit(means, bits).quantize(means)
        np.testing.assert_allclose(levels, expected, atol=1)  # at an edge
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["decoder", "encoder", "export"]
    for name in ("encoder", "decoder"):
        folder, half = tmp_path / name / "1", network.get_layer(name)
        assert_near(tf.keras.models.load_model(folder)(given), half(given))
        given = means
        # A half is no codec.
        assert saved_model.read_config(folder).keys() == {"name", "latents"}
        with pytest.raises(ValueError, match="its signatures are serving_default"):
            codec_export.load(folder)


# In a process of its own, whose peak nothing else has raised.
ROUND_TRIP = """
import json, resource, sys
import numpy as np
from serving.export import codec
from tiny_codec import picture

model = codec.load(sys.argv[1])

def peak(tiles):
    image = np.tile(picture(600, 1000), (tiles, tiles, 1))
    shape = model.decompress(model.compress(image)).shape
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"gigabytes": kilobytes / 2**20, "shape": shape}

print(json.dumps([peak(1), peak(5)]))
"""


@pytest.mark.slow
def test_a_photograph_of_fifteen_megapixels_fits_into_a_gigabyte(tmp_path):
    """Without tiles, one layer's output alone would take 1.9 GB."""
    channels = 128  # as published; latents are as large as those of trained networks
    model = codec_export.save(
        *tiny_codec.halves("gdn", channels=channels),
        tmp_path / "export" / "1",
        tables=tiny_codec.laplace_tables([4.0] * channels),
        config={"name": "large"},
        card="# Large\n",
    )
    command = [sys.executable, "-c", ROUND_TRIP, str(model)]
    path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    small, large = json.loads(done.stdout)
    assert large["shape"] == [3000, 5000, 3]
    assert large["gigabytes"] - small["gigabytes"] < 0.8
