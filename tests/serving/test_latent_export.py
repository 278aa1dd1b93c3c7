"""An auto-encoder as SavedModels: the same numbers and files in any process."""

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

from data_pipeline import pixels
from experiments.core import command_line
from experiments.cvae_dcgan.config import PRESETS, Config
from experiments.cvae_dcgan.system import SYSTEM
from models import cvae_dcgan
from serving.codec import container
from serving.codec import quantizer as latent_quantizers
from serving.codec.container import ForeignFileError
from serving.codec.image_codec import identify
from serving.codec.quantizer import Quantizer
from serving.export import codec as any_codec
from serving.export import latents as latent_export

IMAGE = ([None, SIZE, SIZE, 3], tf.float32)
CODE = ([None, LATENTS], tf.float32)
ENCODE = ({"image": IMAGE}, {"latents": CODE, "log_variance": CODE})
DECODE = ({"latents": CODE}, {"image": IMAGE})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Folder, encoder, decoder, quantizers."""
    return tiny_latents.export(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def codecs(exported):
    return {bits: latent_export.load(exported[0], bits=bits) for bits in (4, 6, 8)}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder after its export stage, the network and the training images."""
    config = command_line.make(Config, PRESETS, "smoke", latents=LATENTS)
    network = cvae_dcgan.build_autoencoder(*tiny_latents.halves())
    split = tiny.split_of(tiny_latents.pictures(30))
    folder = tmp_path_factory.mktemp("whole") / "run"
    run = types.SimpleNamespace(
        config=config,
        folder=types.SimpleNamespace(path=folder, export=folder / "export" / "1"),
        data=types.SimpleNamespace(train=split),
    )
    made = SYSTEM.export(run, network, facts={"name": "x"}, card="# Card\n")
    assert made == folder / "export" / "1"
    return folder, network, split


def unit(*images):
    return tf.constant(np.stack(images) / np.float32(255))


def signatures(folder):
    """Name -> inputs, outputs, each {name: (shape, type)}."""
    return {
        name: tuple(
            {key: (spec.shape.as_list(), spec.dtype) for key, spec in specs.items()}
            for specs in (f.structured_input_signature[1], f.structured_outputs)
        )
        for name, f in tf.saved_model.load(str(folder)).signatures.items()
    }


class TestSavedModel:
    def test_signatures_are_named_and_typed(self, exported):
        assert signatures(exported[0]) == {
            "serving_default": ({"image": IMAGE}, {"restored": IMAGE}),
            "encode": ENCODE,
            "decode": DECODE,
        }

    def test_numbers_are_the_networks(self, exported):
        folder, encoder, decoder, _ = exported
        model = tf.saved_model.load(str(folder))
        image = unit(*tiny_latents.pictures(2))
        code, said = encoder(image), model.signatures["encode"](image=image)
        np.testing.assert_allclose(said["latents"], code["mean"], atol=1e-5)
        np.testing.assert_allclose(
            said["log_variance"], code["log_variance"], atol=1e-5
        )
        assert np.abs(code["mean"] - code["log_variance"]).max() > 0.1
        drawn = model.signatures["decode"](latents=said["latents"])["image"]
        np.testing.assert_allclose(drawn, decoder(code["mean"]), atol=1e-5)
        assert np.std(drawn) > 0.05
        restored = model.signatures["serving_default"](image=image)["restored"]
        np.testing.assert_allclose(restored, drawn, atol=1e-6)

    def test_keras_loads_it_with_both_halves(self, exported):
        folder, encoder, decoder, _ = exported
        model = tf.keras.models.load_model(folder)
        image = unit(*tiny_latents.pictures(2))
        code = model.get_layer("encoder")(image)
        assert set(code) == {"mean", "log_variance"}
        np.testing.assert_allclose(code["mean"], encoder(image)["mean"], atol=1e-5)
        again = model.get_layer("decoder")(code["mean"])
        np.testing.assert_allclose(again, decoder(code["mean"]), atol=1e-5)
        np.testing.assert_allclose(model(image), again, atol=1e-5)

    def test_what_lies_beside_it(self, exported):
        folder, encoder, decoder, quantizers = exported
        extra = folder / "assets.extra"
        assert sorted(path.name for path in extra.iterdir()) == [
            "config.json", "model_card.md",
            "quantizer_4.npz", "quantizer_6.npz", "quantizer_8.npz",
        ]  # fmt: skip
        weights = encoder.get_weights() + decoder.get_weights()
        ids = {str(bits): identify(weights, q).hex() for bits, q in quantizers.items()}
        assert len(set(ids.values())) == 3
        said = json.loads((extra / "config.json").read_text())
        assert said == {**tiny_latents.FACTS, "quantizers": ids}
        assert (extra / "model_card.md").read_bytes().decode() == "# Ça\n"


class TestRun:
    def test_the_export_and_each_half_have_a_folder(self, run):
        folder, network, split = run
        assert sorted(p.name for p in folder.iterdir()) == [
            "decoder", "encoder", "export",
        ]  # fmt: skip
        assert signatures(folder / "encoder" / "1") == {"serving_default": ENCODE}
        assert signatures(folder / "decoder" / "1") == {"serving_default": DECODE}

    @pytest.mark.parametrize("name", ["encoder", "decoder"])
    def test_keras_loads_a_half_without_what_trained_it(self, run, name):
        folder, network, split = run
        half = tf.keras.models.load_model(folder / name / "1")
        given = unit(*split.images[:2])
        if name == "decoder":
            given = network.get_layer("encoder")(given)["mean"]
        tf.nest.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
            half(given),
            network.get_layer(name)(given),
        )
        assert half.count_params() == network.get_layer(name).count_params()
        assert "Sampling" not in {type(layer).__name__ for layer in half.layers}

    def test_quantizers_are_of_the_training_images(self, run):
        folder, network, split = run
        config = json.loads((folder / "export/1/assets.extra/config.json").read_text())
        assert config["name"] == "x" and config["latents"] == LATENTS
        assert config["quantizers_fitted_to_images"] == len(split)
        means = network.get_layer("encoder")(unit(*split.images))["mean"]
        for bits in (4, 6, 8):
            path = folder / f"export/1/assets.extra/quantizer_{bits}.npz"
            levels = Quantizer.load(path).quantize(means)
            expected = Quantizer.fit(means, bits).quantize(means)
            np.testing.assert_allclose(levels, expected, atol=1)  # at an edge

    def test_halves_say_no_more_than_they_are(self, run):
        folder, *_ = run
        for name in ("encoder", "decoder"):
            extra = folder / name / "1" / "assets.extra"
            assert "quantizers" not in json.loads((extra / "config.json").read_text())
            with pytest.raises(ValueError, match="its signatures are serving_default"):
                any_codec.load(folder / name / "1")

    def test_images_are_taken_evenly_and_not_too_many(self, monkeypatch):
        monkeypatch.setattr(latent_quantizers, "MOST_IMAGES", 10)
        for count, expected in ((10, range(10)), (25, range(0, 25, 3))):
            numbers = np.arange(count, dtype=np.uint8)[:, None, None, None]
            split = tiny.split_of(np.broadcast_to(numbers, [count, 2, 2, 3]))
            taken = latent_quantizers.fitted_images(split)
            assert taken[:, 0, 0, 0].tolist() == list(expected)

    def test_batches_make_no_difference(self, run, monkeypatch):
        _, network, split = run
        encoder = network.get_layer("encoder")
        whole = latent_quantizers.encode(encoder, split.images)
        monkeypatch.setattr(latent_quantizers, "_AT_ONCE", 7)
        parts = latent_quantizers.encode(encoder, split.images)
        for name in ("mean", "log_variance"):
            assert whole[name].shape == (30, LATENTS)
            np.testing.assert_allclose(whole[name], parts[name], atol=1e-5)


class TestFiles:
    def test_a_file_says_how_many_bits_it_has(self, codecs):
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

    def test_six_bits_are_the_default(self, exported, codecs):
        image = picture(30, 20)
        data = codecs[latent_export.BITS].compress(image)
        assert latent_export.BITS == 6
        assert latent_export.load(exported[0]).compress(image) == data
        assert any_codec.load(exported[0]).compress(image) == data
        assert any_codec.load(exported[0], bits=4).compress(image) != data

    def test_its_numbers_are_those_of_the_network(self, exported, codecs):
        _, encoder, decoder, _ = exported
        image = picture(SIZE, SIZE)
        latents = codecs[6].encode(image)
        mean = encoder(unit(image))["mean"]
        np.testing.assert_allclose(latents, mean[0], atol=1e-5)
        drawn = pixels.unit_to_bytes(decoder(latents[None]))[0].numpy().astype(int)
        assert np.abs(codecs[6].decode(latents) - drawn).max() <= 1

    def test_other_models_files_are_refused(self, codecs):
        other = tiny_codec.build().compress(picture(20, 20))
        with pytest.raises(ForeignFileError, match=codecs[4].model_id.hex()):
            codecs[4].decompress(other)

    @pytest.mark.parametrize(
        "latents, text",
        [
            (np.zeros(LATENTS + 1), rf"must be \[{LATENTS}\] numbers"),
            (np.zeros([1, LATENTS]), rf"got \[1, {LATENTS}\]"),
            (np.full(LATENTS, np.nan), "must be finite"),
        ],
    )
    def test_other_numbers_are_no_latents(self, codecs, latents, text):
        with pytest.raises(ValueError, match=text):
            codecs[6].decode(latents)

    def test_deviations_are_those_of_the_training_set(self):
        latents = np.random.default_rng(0).normal(3, [0.5, 2.0, 0.0], [20_000, 3])
        for bits in (4, 8):
            found = Quantizer.fit(latents.astype("f"), bits).deviations()
            np.testing.assert_allclose(found, [0.5, 2.0, 0.0], rtol=0.05)


# A client of TF Serving, then a command line. A module that is None in sys.modules
# cannot be imported.
ELSEWHERE = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow_compression", "tensorflow_addons"]))
networks = ["blocks", "convolutions", "cvae_dcgan", "stochastic"]
sys.modules.update({f"models.{name}": None for name in networks})
import numpy as np
import tensorflow as tf

folder, given, made = sys.argv[1:]
square, odd = np.load(given).values()
image = tf.constant(square[None] / np.float32(255))
model = tf.saved_model.load(folder)
latents = model.signatures["encode"](image=image)["latents"]
drawn = model.signatures["decode"](latents=latents)["image"]
keras = tf.keras.models.load_model(folder)(image)

del sys.modules["tensorflow_compression"]
from serving.export import codec as exports

codec = exports.load(folder, bits=8)
data = [codec.compress(picture) for picture in (square, odd)]
decoded = [exports.load(folder).decompress(each) for each in data]
np.savez(
    made,
    latents=latents, drawn=drawn, keras=keras,
    bytes0=np.frombuffer(data[0], np.uint8), bytes1=np.frombuffer(data[1], np.uint8),
    decoded0=decoded[0], decoded1=decoded[1],
)
"""


def test_another_process_has_the_same_numbers_and_bytes(exported, codecs, tmp_path):
    folder, encoder, _, quantizers = exported
    given = [picture(SIZE, SIZE), picture(45, 61, seed=1)]
    np.savez(tmp_path / "given.npz", *given)
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(folder), "given.npz", "made.npz"],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])},
    )
    made = np.load(tmp_path / "made.npz")
    for number, image in enumerate(given):
        data = made[f"bytes{number}"].tobytes()
        assert data == codecs[8].compress(image)
        decoded = made[f"decoded{number}"]
        np.testing.assert_array_equal(decoded, codecs[8].reconstruct(image))
        assert decoded.std() > 5
    # What the client has, who knows the signatures, the quantizer and the file.
    quantizer = quantizers[8]
    levels = quantizer.quantize(made["latents"])
    payload = quantizer.tables.encode(levels[None])
    header = container.Header(SIZE, SIZE, gray=False)
    packed = container.pack(header, payload, codecs[8].model_id)
    assert packed == made["bytes0"].tobytes()
    mean = encoder(unit(given[0]))["mean"]
    np.testing.assert_allclose(made["latents"], mean, atol=1e-5)
    np.testing.assert_allclose(made["keras"], made["drawn"], atol=1e-5)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def other_quantizer(path):
    latents = np.random.default_rng(0).normal(size=[99, LATENTS]).astype("f")
    Quantizer.fit(latents, 4).save(path)


DAMAGES = {
    "no network": ("saved_model.pb", pathlib.Path.unlink, "cannot be opened"),
    "a changed weight": ("variables/variables.data-00000-of-00001", flip, ""),
    "no quantizer": ("assets.extra/quantizer_4.npz", pathlib.Path.unlink, "be opened"),
    "a damaged one": ("assets.extra/quantizer_8.npz", flip, "cannot be opened"),
    "another one": (
        "assets.extra/quantizer_4.npz",
        other_quantizer,
        "config.json says model .* are those of",
    ),
    "no facts": ("assets.extra/config.json", lambda p: p.write_text("{"), "be opened"),
}


class TestRefusals:
    @pytest.mark.parametrize("damage", DAMAGES)
    def test_a_damaged_export_is_named(self, exported, tmp_path, damage):
        name, change, text = DAMAGES[damage]
        folder = tmp_path / "export" / "1"
        shutil.copytree(exported[0], folder)
        change(folder / name)
        with pytest.raises(ValueError, match=f"^{folder} .*{text}.* Export it again.$"):
            any_codec.load(folder)

    @pytest.mark.parametrize("load", [latent_export.load, any_codec.load])
    def test_other_bits_are_refused(self, exported, load):
        text = f"{exported[0]} has quantizers of 4, 6, 8 bits a latent, not of 5"
        with pytest.raises(ValueError, match=text):
            load(exported[0], bits=5)

    def test_halves_of_two_networks(self, tmp_path):
        encoder, decoder = tiny_latents.halves()
        options = {"quantizers": {}, "facts": {}, "card": ""}
        for other in (
            tiny_latents.halves(latents=5)[1],
            tiny_latents.halves(image_size=64)[1],
        ):
            with pytest.raises(ValueError, match="12 latents of 32 px and the decoder"):
                latent_export.save(encoder, other, tmp_path / "a/1", **options)
        options["quantizers"] = {4: Quantizer.fit(np.eye(5, dtype="f"), 4)}
        with pytest.raises(ValueError, match="of 4 bits is for 5 latents.*makes 12"):
            latent_export.save(encoder, decoder, tmp_path / "a/1", **options)
        assert not list(tmp_path.iterdir())

    def test_each_loader_refuses_the_others_export(self, exported, tmp_path):
        module = tf.Module()
        module.f = tf.function(lambda x: x, input_signature=[tf.TensorSpec([])])
        portrait = {"analysis": module.f, "synthesis": module.f}
        tf.saved_model.save(module, str(tmp_path), portrait)
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / "assets.extra" / "config.json").write_text("{}")
        with pytest.raises(ValueError, match="no latents of faces: .* of cvae_dcgan;"):
            latent_export.load(tmp_path)
        with pytest.raises(ValueError, match="holds no codec: .* analysis and synth"):
            any_codec.load_image_codec(exported[0])

    def test_a_codec_without_quantizers_has_no_choice(self, tmp_path, monkeypatch):
        codec = object()
        monkeypatch.setattr(
            any_codec, "load_image_codec", lambda folder, **options: codec
        )
        (tmp_path / "assets.extra").mkdir()
        (tmp_path / "assets.extra" / "config.json").write_text('{"model_id": "0"}')
        assert any_codec.load(tmp_path) is codec
        text = f"--bits is for models with .*{tmp_path} learned how large"
        with pytest.raises(ValueError, match=text):
            any_codec.load(tmp_path, bits=6)

    def test_another_folder_is_no_export(self, tmp_path):
        for load in (latent_export.load, any_codec.load):
            with pytest.raises(FileNotFoundError, match=f"{tmp_path} is not an export"):
                load(tmp_path)
