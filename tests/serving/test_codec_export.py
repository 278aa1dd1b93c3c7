"""A codec as a SavedModel: the same numbers and bytes in any process, or an error."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
from tiny_codec import picture

from data_pipeline import pixels
from serving.codec import container
from serving.codec.entropy import LARGEST, EntropyTables
from serving.codec.image_codec import identify
from serving.export import codec as codec_export

N = 8
# Rounded latents and real ones, one with each activation.
PRICED = {"gdn": True, "relu": False}
KINDS = pytest.mark.parametrize("kind", PRICED)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Kind -> folder, analysis, synthesis; each made when it is first asked for."""

    @functools.cache
    def make(kind):
        run = tmp_path_factory.mktemp(kind)
        return tiny_codec.export(run, kind, priced=PRICED[kind])

    return make


@pytest.fixture(scope="module")
def codec(exported):
    return codec_export.load_image_codec(exported("gdn")[0])


def unit(*images):
    return tf.constant(np.stack(images) / np.float32(255))


def opened(folder):
    model = tf.saved_model.load(str(folder))

    def run(name, given):
        (key,) = model.signatures[name].structured_input_signature[1]
        (result,) = model.signatures[name](**{key: given}).values()
        return result.numpy()

    return model.signatures, run


class TestSavedModel:
    @KINDS
    def test_signatures_are_named_and_typed(self, exported, kind):
        signatures, _ = opened(exported(kind)[0])
        codes = ([None, None, None, N], tf.int32 if PRICED[kind] else tf.float32)
        image = ([None, None, None, 3], tf.float32)
        expected = {
            "serving_default": ({"image": image}, {"restored": image}),
            "analysis": ({"image": image}, {"latents": codes}),
            "synthesis": ({"latents": codes}, {"image": image}),
        }
        found = {
            name: tuple(
                {key: (spec.shape.as_list(), spec.dtype) for key, spec in specs.items()}
                for specs in (f.structured_input_signature[1], f.structured_outputs)
            )
            for name, f in signatures.items()
        }
        assert found == expected

    @KINDS
    def test_numbers_are_the_networks(self, exported, kind):
        folder, analysis, synthesis = exported(kind)
        _, run = opened(folder)
        image = unit(picture(48, 64), picture(48, 64, seed=1))
        latents, plain = run("analysis", image), analysis(image).numpy()
        assert latents.shape == (2, 3, 4, N) and np.ptp(latents) > 4
        if PRICED[kind]:
            assert np.abs(latents - plain).max() <= 0.5 + 1e-4
            assert np.abs(plain - np.rint(plain)).max() > 0.4
        else:
            np.testing.assert_allclose(latents, plain, atol=1e-4)
        drawn = run("synthesis", tf.constant(latents))
        linear = synthesis(latents.astype(np.float32)).numpy()
        assert linear.min() < 0 and linear.max() > 1
        np.testing.assert_allclose(drawn, linear.clip(0, 1), atol=1e-5)
        np.testing.assert_array_equal(run("serving_default", image), drawn)

    @KINDS
    def test_keras_loads_it_with_both_halves(self, exported, kind):
        folder, *halves = exported(kind)
        model, (_, run) = tf.keras.models.load_model(folder), opened(folder)
        image = unit(picture(32, 16))
        restored = run("serving_default", image)
        np.testing.assert_allclose(model(image), restored, atol=1e-5)
        given = image
        for half in halves:
            again = model.get_layer(half.name)
            assert again.count_params() == half.count_params()
            np.testing.assert_allclose(again(given), half(given), rtol=1e-4, atol=1e-4)
            given = half(given)

    def test_what_lies_beside_it(self, exported):
        folder, analysis, synthesis = exported("gdn")
        extra = folder / "assets.extra"
        names = ["config.json", "entropy_tables.npz", "model_card.md"]
        assert sorted(path.name for path in extra.iterdir()) == names
        tables = EntropyTables.load(extra / "entropy_tables.npz")
        weights = analysis.get_weights() + synthesis.get_weights()
        facts = {"name": "gdn", "model_id": identify(weights, tables).hex()}
        assert json.loads((extra / "config.json").read_text()) == facts
        assert (extra / "model_card.md").read_bytes().decode() == "# Ça\n"

    def test_without_tables_it_has_neither_them_nor_an_identifier(self, exported):
        extra = exported("relu")[0] / "assets.extra"
        assert not (extra / "entropy_tables.npz").exists()
        assert json.loads((extra / "config.json").read_text()) == {"name": "relu"}


class TestRefusals:
    """Of signatures as they are saved, so that a client's numbers are honest."""

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

    @pytest.mark.parametrize(
        "value", [np.nan, np.inf, -np.inf, LARGEST + 2, -(2.0**31), 2.0**32]
    )
    def test_what_cannot_is_an_error(self, network, value):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"beyond {LARGEST}"):
            self.latents(network, value)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_what_is_drawn_must_be_finite(self, network, value):
        last = network.get_layer("synthesis").get_layer("up3")
        last.bias.assign([0.0, 0.0, value])
        run = codec_export.signatures(network, rounded=True)["synthesis"]
        with pytest.raises(tf.errors.InvalidArgumentError, match="infinite or no num"):
            run(tf.zeros([1, 2, 2, N], tf.int32))

    @pytest.mark.parametrize("name", ["analysis", "serving_default"])
    @pytest.mark.parametrize("size", [(17, 16), (16, 31)])
    def test_sizes_that_cells_do_not_cover(self, network, name, size):
        run = codec_export.signatures(network, rounded=True)[name]
        text = "must be multiples of 16.*Repeat the last row"
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            run(unit(picture(*size)))

    def test_halves_for_one_size(self, tmp_path):
        layers = tf.keras.layers
        analysis = tf.keras.Sequential(
            [layers.Input((32, 32, 3)), layers.Conv2D(N, 16, strides=16)]
        )
        with pytest.raises(
            ValueError, match=r"any height.*\(32, 32\).*image_size=None"
        ):
            codec_export.save(
                analysis, analysis, tmp_path / "1", tables=None, facts={}, card=""
            )
        assert not list(tmp_path.iterdir())

    def test_tables_of_other_channels(self, tmp_path):
        tables = tiny_codec.laplace_tables([1.0] * 5)
        with pytest.raises(
            ValueError, match="tables have 5 channels and the latents 8"
        ):
            codec_export.save(
                *tiny_codec.halves(), tmp_path / "1", tables=tables, facts={}, card=""
            )


# A client of TF Serving, then a command line. A module that is None in sys.modules
# cannot be imported.
ELSEWHERE = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow_compression", "tensorflow_addons"]))
networks = ["blocks", "compression", "convolutions", "portrait_autoencoder"]
sys.modules.update({f"models.{name}": None for name in networks})
import numpy as np
import tensorflow as tf

folder, given, made = sys.argv[1:]
even, odd = np.load(given).values()
image = tf.constant(even[None] / np.float32(255))
model = tf.saved_model.load(folder)
latents = model.signatures["analysis"](image=image)["latents"]
drawn = model.signatures["synthesis"](latents=latents)["image"]
keras = tf.keras.models.load_model(folder)
features = keras.get_layer("analysis")(image)

del sys.modules["tensorflow_compression"]
from serving.export import codec as exports

codec = exports.load(folder)
data = [codec.compress(picture) for picture in (even, odd)]
np.savez(
    made,
    latents=latents, drawn=drawn, features=features, keras=keras(image),
    bytes0=np.frombuffer(data[0], np.uint8), bytes1=np.frombuffer(data[1], np.uint8),
    decoded0=codec.decompress(data[0]), decoded1=codec.decompress(data[1]),
)
"""


def test_another_process_has_the_same_numbers_and_bytes(exported, codec, tmp_path):
    folder, analysis, _ = exported("gdn")
    pictures = [picture(48, 64), picture(45, 61, seed=1)]
    np.savez(tmp_path / "given.npz", *pictures)
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder), "given.npz", "made.npz"],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
    )
    made = np.load(tmp_path / "made.npz")
    for number, image in enumerate(pictures):
        data = made[f"bytes{number}"].tobytes()
        assert data == codec.compress(image)
        decoded = made[f"decoded{number}"]
        np.testing.assert_array_equal(decoded, codec.reconstruct(image))
        np.testing.assert_array_equal(decoded, codec.decompress(data))
        assert decoded.std() > 5
    # What the client has, who knows the signatures, the tables and the file.
    tables = EntropyTables.load(folder / "assets.extra" / "entropy_tables.npz")
    payload = tables.encode(made["latents"][0])
    header = container.Header(64, 48, gray=False)
    packed = container.pack(header, payload, codec.model_id)
    assert packed == made["bytes0"].tobytes()
    drawn = pixels.unit_to_bytes(made["drawn"][0])
    np.testing.assert_array_equal(drawn, made["decoded0"])
    np.testing.assert_allclose(made["keras"], made["drawn"], atol=1e-5)
    image = unit(pictures[0])
    np.testing.assert_allclose(made["features"], analysis(image), rtol=1e-4, atol=1e-4)


def json_with(**changes):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "no network": ("saved_model.pb", pathlib.Path.unlink, "cannot be opened"),
    "half a network": ("saved_model.pb", lambda p: p.write_bytes(b"x"), "be opened"),
    "no weights": ("variables/variables.index", pathlib.Path.unlink, "be opened"),
    "a changed weight": ("variables/variables.data-00000-of-00001", flip, ""),
    "no tables": ("assets.extra/entropy_tables.npz", pathlib.Path.unlink, "be opened"),
    "damaged tables": ("assets.extra/entropy_tables.npz", flip, "cannot be opened"),
    "other tables": (
        "assets.extra/entropy_tables.npz",
        tiny_codec.laplace_tables([4.5] * N).save,
        "config.json says model .* are those of",
    ),
    "another model": (
        "assets.extra/config.json",
        json_with(model_id="0" * 16),
        "config.json says model 0000000000000000, its weights and tables are those of",
    ),
    "no facts": ("assets.extra/config.json", lambda p: p.write_text("{"), "be opened"),
}


class TestLoad:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_export_is_named(self, exported, tmp_path, damage):
        name, change, text = DAMAGES[damage]
        folder = tmp_path / "export" / "1"
        shutil.copytree(exported("gdn")[0], folder)
        change(folder / name)
        with pytest.raises(ValueError, match=f"^{folder} .*{text}.* Export it again.$"):
            codec_export.load_image_codec(folder)

    def test_another_folder_is_no_export(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=f"{tmp_path} is not an exported"):
            codec_export.load_image_codec(tmp_path)

    def test_what_fills_holes_is_no_codec(self, tmp_path):
        module = tf.Module()
        module.fill = tf.function(lambda x: x, input_signature=[tf.TensorSpec([])])
        tf.saved_model.save(module, str(tmp_path), {"serving_default": module.fill})
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / "assets.extra" / "config.json").write_text('{"hole_size": 64}')
        text = f"{tmp_path} holds no codec: .*serving_default.*portrait_autoencoder"
        with pytest.raises(ValueError, match=text):
            codec_export.load_image_codec(tmp_path)

    def test_without_tables_there_are_no_files(self, exported):
        folder = exported("relu")[0]
        text = f"{folder} has no entropy tables.*--entropy=factorized.*lambda_"
        with pytest.raises(ValueError, match=text):
            codec_export.load_image_codec(folder)

    def test_weights_that_have_diverged(self, exported, monkeypatch):
        models, load = [], tf.saved_model.load

        def keep(folder):
            models.append(load(folder))
            return models[-1]

        monkeypatch.setattr(tf.saved_model, "load", keep)
        codec = codec_export.load_image_codec(exported("gdn")[0])
        data = codec.compress(picture(20, 20))
        biases = {v.name: v for v in models[0].variables if "bias" in v.name}
        biases["down3/bias:0"].assign([1e9] * N)
        with pytest.raises(ValueError, match=f"beyond {LARGEST}. The weights have div"):
            codec.compress(picture(20, 20))
        biases["up3/bias:0"].assign([np.inf] * 3)
        with pytest.raises(ValueError, match="drawn value is infinite.*learning_rate"):
            codec.decompress(data)

    def test_large_pictures_may_be_allowed(self, exported):
        codec = codec_export.load_image_codec(exported("gdn")[0], max_pixels=1000)
        with pytest.raises(ValueError, match="over the limit of 1000"):
            codec.compress(picture(32, 32))
