"""Packages: an export in float16 is another model, and an ordinary SavedModel again."""

import json
import os
import pathlib
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import test_c_api
import tiny
import tiny_codec
import tiny_latents

from serving.codec import container
from serving.export import codec as codec_export
from serving.export import latents as latent_export
from serving.export import restorer as export
from serving.zoo import package
from serving.zoo.package import rounded

TINY = 1e-7  # a variance that float16 does not hold


@pytest.fixture(scope="module")
def restorer(tmp_path_factory):
    """An export with a channel that hardly varies."""
    tf.keras.utils.set_random_seed(0)
    generator = tiny.plain_generator(normalized=True)
    (normalization,) = (x for x in generator.layers if "normalization" in x.name)
    normalization.moving_variance.assign([TINY, 1, 1, 1, 1, 1])
    return export.save(
        export.build_restorer(generator, fill=1.0),
        tmp_path_factory.mktemp("run") / "export" / "1",
        extras={"config.json": "{}\n", "model_card.md": "# Ça\n"},
    )


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return tiny_codec.export(tmp_path_factory.mktemp("run"), "gdn")[0]


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    return tiny_latents.export(tmp_path_factory.mktemp("run"))[0]


def packed(folder):
    """Packs and unpacks, once."""
    place = folder.parents[1] / "packed"
    if not place.exists():
        package.pack(folder, folder.parents[1] / "package.zip")
        package.unpack(folder.parents[1] / "package.zip", place)
    return place


def checkpoint(folder):
    """Name -> tensor."""
    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    names = reader.get_variable_to_shape_map()
    return {name: reader.get_tensor(name) for name in names}


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def inputs():
    image = (tiny.smooth(2) + 1) / 2
    mask = np.zeros([2, tiny.SIZE, tiny.SIZE, 1], np.float32)
    mask[:, 8:-8, 8:-8] = 1
    return {"image": image, "mask": mask}


class TestRounded:
    @pytest.mark.parametrize(
        "values",
        [
            [1.0, TINY],
            [1e5, 1.0],
            [np.nan, 1.0],
            [np.inf, 1.0],
            [[1e5, 1.0]],
            [[1e-6, 1e-6]],
            [[np.nan, 1.0]],
        ],
    )
    def test_what_would_suffer_stays(self, values):
        values = np.array(values, np.float32)
        np.testing.assert_array_equal(rounded(values), values)
        assert rounded(values).dtype == np.float32

    @pytest.mark.parametrize(
        "values",
        [
            [0.1, -3.3e-5],
            [0.0, 6e4],
            [[1.0, TINY]],
            [[0.0, 0.0]],
            0.3,
            np.zeros([0, 2]),
        ],
    )
    def test_the_others_are_the_nearest_float16(self, values):
        values = np.array(values, np.float32)
        assert rounded(values).dtype == np.float16
        np.testing.assert_array_equal(rounded(values), values.astype(np.float16))

    @pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32, np.bool_])
    def test_other_types_stay(self, dtype):
        values = np.array([0, 1, 100000]).astype(dtype)
        assert rounded(values).dtype == dtype


class TestPackage:
    @pytest.mark.parametrize("kind", ["restorer", "codec", "latents"])
    def test_the_weights_are_rounded_and_nothing_else_is(self, kind, request):
        folder = request.getfixturevalue(kind)
        before, after = checkpoint(folder), checkpoint(packed(folder))
        assert list(before) == list(after)
        assert any(isinstance(value, bytes) for value in before.values())
        changed = 0
        for name, value in before.items():
            if isinstance(value, bytes):
                assert after[name] == value
                continue
            assert after[name].dtype == value.dtype
            np.testing.assert_array_equal(after[name], rounded(value))
            changed += not np.array_equal(after[name], value)
        assert changed
        same = ["saved_model.pb", "keras_metadata.pb", "assets.extra/model_card.md"]
        before, after = files(folder), files(packed(folder))
        assert before.keys() == after.keys()
        for name in before:
            if name in same or name.endswith(".npz"):
                assert after[name] == before[name], name

    def test_weights_that_float16_does_not_hold_are_exact(self, restorer, tmp_path):
        (kept,) = package.pack(restorer, tmp_path / "package.zip")
        assert checkpoint(packed(restorer))[kept][0] == np.float32(TINY)

    def test_it_takes_half_the_room(self, codec):
        packed(codec)
        data = codec / "variables" / "variables.data-00000-of-00001"
        with zipfile.ZipFile(codec.parents[1] / "package.zip") as archive:
            info = archive.getinfo("variables_float16/variables.data-00000-of-00001")
        objects = next(v for v in checkpoint(codec).values() if isinstance(v, bytes))
        whole = data.stat().st_size - len(objects)
        assert info.file_size - len(objects) < 0.51 * whole

    def test_the_same_export_gives_the_same_bytes(self, codec, tmp_path):
        packed(codec)
        copy = shutil.copytree(codec, tmp_path / "elsewhere" / "1")
        for path in copy.rglob("*"):
            os.utime(path, (0, 1e9))
            path.chmod(0o700)
        package.pack(copy, tmp_path / "package.zip")
        first = (codec.parents[1] / "package.zip").read_bytes()
        assert (tmp_path / "package.zip").read_bytes() == first

    def test_its_fingerprint_is_not_the_originals(self, restorer):
        read = tf.saved_model.experimental.Fingerprint.from_proto
        proto = package.fingerprint_pb2.FingerprintDef.FromString
        found = [
            read(proto((folder / "fingerprint.pb").read_bytes()))
            for folder in (restorer, packed(restorer))
        ]
        assert found[0].checkpoint_hash and not found[1].checkpoint_hash
        assert found[0].signature_def_hash == found[1].signature_def_hash

    def test_float16_variables_are_refused(self, tmp_path):
        module = tf.Module()
        module.weight = tf.Variable(tf.ones([3], tf.float16))
        tf.saved_model.save(module, str(tmp_path / "1"))
        (tmp_path / "1" / "assets.extra").mkdir()
        (tmp_path / "1" / "assets.extra" / "config.json").write_text("{}")
        with pytest.raises(ValueError, match=r"float16 variable weight.*in float32\."):
            package.pack(tmp_path / "1", tmp_path / "package.zip")
        assert not (tmp_path / "package.zip").exists()

    def test_a_folder_that_is_no_export_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not an exported model"):
            package.pack(tmp_path, tmp_path / "package.zip")

    @pytest.mark.parametrize("name", ["index", "data-00000-of-00001"])
    def test_a_damaged_export_is_refused(self, restorer, tmp_path, name):
        copy = pathlib.Path(shutil.copytree(restorer, tmp_path / "1"))
        path = copy / "variables" / f"variables.{name}"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(ValueError, match="cannot be opened .* Export it again"):
            package.pack(copy, tmp_path / "package.zip")


class TestRestorer:
    def test_signatures_are_the_same_and_numbers_are_near(self, restorer):
        models = [tf.saved_model.load(str(f)) for f in (restorer, packed(restorer))]
        specs = [
            {
                name: (s.structured_input_signature, s.structured_outputs)
                for name, s in model.signatures.items()
            }
            for model in models
        ]
        assert specs[0] == specs[1]
        given = {name: tf.constant(value) for name, value in inputs().items()}
        made = [m.signatures["serving_default"](**given)["restored"] for m in models]
        np.testing.assert_allclose(made[0], made[1], atol=2e-3)
        assert not np.array_equal(made[0], made[1])

    def test_keras_opens_it(self, restorer):
        given = inputs()
        model = tf.keras.models.load_model(packed(restorer))
        restored = model(given).numpy()
        known = np.broadcast_to(given["mask"] == 0, restored.shape)
        np.testing.assert_array_equal(restored[known], given["image"][known])
        loaded = tf.saved_model.load(str(packed(restorer)))
        given = {name: tf.constant(value) for name, value in given.items()}
        served = loaded.signatures["serving_default"](**given)["restored"]
        np.testing.assert_allclose(restored, served, atol=1e-6)

    @pytest.mark.skipif(
        not (test_c_api.LIBRARIES / "libtensorflow_cc.so.2").exists(),
        reason="This TensorFlow has no libtensorflow_cc.so.2 (only Linux has).",
    )
    def test_the_loader_of_tf_serving_opens_it(self, restorer, tmp_path):
        made = test_c_api.run_there(
            packed(restorer), "serving_default", tmp_path, **inputs()
        )
        model = tf.saved_model.load(str(packed(restorer)))
        given = {name: tf.constant(value) for name, value in inputs().items()}
        expected = model.signatures["serving_default"](**given)["restored"]
        np.testing.assert_allclose(made["restored"], expected, atol=1e-6)


class TestCodecs:
    @pytest.mark.parametrize(
        "kind, load",
        [("codec", codec_export.load_image_codec), ("latents", latent_export.load)],
    )
    def test_files_are_read_by_the_model_that_wrote_them_alone(
        self, kind, load, request
    ):
        folder = request.getfixturevalue(kind)
        models = [load(place) for place in (folder, packed(folder))]
        assert models[0].model_id != models[1].model_id
        image = tiny_codec.picture(40, 50)
        data = [model.compress(image) for model in models]
        for model, own, other in zip(models, data, data[::-1]):
            decoded = model.decompress(own)
            np.testing.assert_array_equal(decoded, model.reconstruct(image))
            with pytest.raises(container.ForeignFileError):
                model.decompress(other)
        near = [model.reconstruct(image).astype(float) for model in models]
        assert np.abs(near[0] - near[1]).mean() < 2  # of 255; a latent may flip

    def test_every_quantizer_has_an_identifier_of_its_own(self, latents):
        ids = [
            json.loads((f / "assets.extra" / "config.json").read_text())["quantizers"]
            for f in (latents, packed(latents))
        ]
        assert ids[0].keys() == ids[1].keys()
        found = [*ids[0].values(), *ids[1].values()]
        assert len(set(found)) == len(found) == 6
        for bits in ids[1]:
            latent_export.load(packed(latents), bits=int(bits))
