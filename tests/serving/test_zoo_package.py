"""Packages: an export in float16 is another model, and an ordinary SavedModel again."""

import functools
import os
import pathlib
import shutil
import types

import c_api
import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_codec
import tiny_latents
from tensorflow.core.protobuf import fingerprint_pb2

from serving.codec import container
from serving.export import codec as codec_export
from serving.export import restorer, saved_model
from serving.zoo import package
from serving.zoo.package import rounded

TINY = 1e-7  # a variance that float16 does not hold


def export_restorer(run):
    """An export with a channel that hardly varies."""
    tf.keras.utils.set_random_seed(0)
    generator = tiny.plain_generator(normalized=True)
    (normalization,) = (x for x in generator.layers if "normalization" in x.name)
    normalization.moving_variance.assign([TINY, 1, 1, 1, 1, 1])
    model = restorer.build_restorer(generator, fill=1.0)
    extras = {"model_card.md": "# Ça\n"}
    return restorer.save(model, run / "export" / "1", extras=extras)


EXPORTS = {
    "restorer": export_restorer,
    "codec": lambda run: tiny_codec.export(run, "gdn")[0],
    "latents": lambda run: tiny_latents.export(run)[0],
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Name -> the folder of the original, the package, and the folder it unpacks to."""

    @functools.cache
    def make(name):
        place = tmp_path_factory.mktemp(name)
        folder, zipped, model = EXPORTS[name](place), place / "a.zip", place / "model"
        exact = package.pack(folder, zipped)
        package.unpack(zipped, model)
        return types.SimpleNamespace(
            original=folder, zipped=zipped, model=model, exact=exact
        )

    return make


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
        np.testing.assert_array_equal(rounded(values), values, strict=True)

    @pytest.mark.parametrize(
        "values",
        [[0.1, -3.3e-5], [0.0, 6e4], [[1.0, TINY]], [[0.0, 0.0]], 0.3, [[], []]],
    )
    def test_the_others_are_the_nearest_float16(self, values):
        values = np.array(values, np.float32)
        expected = values.astype(np.float16)
        np.testing.assert_array_equal(rounded(values), expected, strict=True)

    @pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32, np.bool_])
    def test_other_types_stay(self, dtype):
        values = np.array([0, 1, 100000]).astype(dtype)
        assert rounded(values) is values


class TestPackage:
    @pytest.mark.parametrize("name", EXPORTS)
    def test_the_weights_are_rounded_and_nothing_else_is(self, packed, name):
        pack = packed(name)
        before, after = checkpoint(pack.original), checkpoint(pack.model)
        assert list(before) == list(after)
        objects = {k: v for k, v in before.items() if isinstance(v, bytes)}
        assert objects and objects == {name: after[name] for name in objects}
        changed = 0
        for name, value in before.items():
            if name not in objects:
                assert after[name].dtype == value.dtype
                np.testing.assert_array_equal(after[name], rounded(value))
                changed += not np.array_equal(after[name], value)
        assert changed
        before, after = files(pack.original), files(pack.model)
        assert before.keys() == after.keys()
        others = {name for name in before if before[name] != after[name]}
        weights = "variables/variables.data-00000-of-00001"
        assert (
            {weights}
            <= others
            <= {
                *(weights, "variables/variables.index", "fingerprint.pb"),
                "assets.extra/config.json",
            }
        )

    def test_weights_that_float16_does_not_hold_are_exact(self, packed):
        (kept,) = packed("restorer").exact
        assert checkpoint(packed("restorer").model)[kept][0] == np.float32(TINY)

    def test_the_same_export_gives_the_same_bytes(self, packed, tmp_path):
        copy = shutil.copytree(packed("codec").original, tmp_path / "elsewhere" / "1")
        for path in copy.rglob("*"):
            os.utime(path, (0, 1e9))
            path.chmod(0o700)
        package.pack(copy, tmp_path / "a.zip")
        assert (tmp_path / "a.zip").read_bytes() == packed("codec").zipped.read_bytes()

    def test_what_cannot_be_packed_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not an exported model"):
            package.pack(tmp_path, tmp_path / "package.zip")
        module = tf.Module()
        module.weight = tf.Variable(tf.ones([3], tf.float16))
        tf.saved_model.save(module, str(tmp_path / "1"))
        (tmp_path / "1" / "assets.extra").mkdir()
        (tmp_path / "1" / "assets.extra" / "config.json").write_text("{}")
        with pytest.raises(ValueError, match=r"float16 variable weight.*in float32\.$"):
            package.pack(tmp_path / "1", tmp_path / "package.zip")
        assert not (tmp_path / "package.zip").exists()

    @pytest.mark.parametrize("name", ["index", "data-00000-of-00001"])
    def test_a_damaged_export_is_refused(self, packed, tmp_path, name):
        copy = pathlib.Path(shutil.copytree(packed("codec").original, tmp_path / "1"))
        tiny_codec.flip(copy / "variables" / f"variables.{name}")
        with pytest.raises(ValueError, match="cannot be opened .* Export it again"):
            package.pack(copy, tmp_path / "package.zip")


@pytest.mark.skipif(not c_api.is_there(), reason=c_api.NOT_THERE)
def test_a_restorer_is_opened_by_keras_and_by_the_loader_of_tf_serving(
    packed, tmp_path
):
    original, model = packed("restorer").original, packed("restorer").model
    mask = np.zeros([2, tiny.SIZE, tiny.SIZE, 1], np.float32)
    mask[:, 8:-8, 8:-8] = 1
    inputs = {"image": (tiny.smooth(2) + 1) / 2, "mask": mask}
    given = {name: tf.constant(value) for name, value in inputs.items()}
    before, after = (tf.saved_model.load(str(f)).signatures for f in (original, model))
    specs = [
        {k: (s.structured_input_signature, s.structured_outputs) for k, s in f.items()}
        for f in (before, after)
    ]
    assert specs[0] == specs[1]
    proto = fingerprint_pb2.FingerprintDef.FromString
    found = [proto((f / "fingerprint.pb").read_bytes()) for f in (original, model)]
    assert found[0].checkpoint_hash and not found[1].checkpoint_hash
    assert found[0].signature_def_hash == found[1].signature_def_hash
    exact, near = (f["serving_default"](**given)["restored"] for f in (before, after))
    np.testing.assert_allclose(exact, near, atol=2e-3)
    assert not np.array_equal(exact, near)
    by_keras = tf.keras.models.load_model(model)(inputs).numpy()
    np.testing.assert_allclose(by_keras, near, atol=1e-6)
    known = np.broadcast_to(mask == 0, by_keras.shape)
    np.testing.assert_array_equal(by_keras[known], inputs["image"][known])
    (by_c,) = c_api.run_there([(model, "serving_default", inputs)], tmp_path)
    np.testing.assert_allclose(by_c["restored"], near, atol=1e-6)


@pytest.mark.parametrize("name, bits", [("codec", 0), ("latents", 4), ("latents", 8)])
def test_files_are_read_by_the_model_that_wrote_them_alone(packed, name, bits):
    folders = packed(name).original, packed(name).model
    models = [codec_export.load(folder, bits=bits) for folder in folders]
    image = tiny_codec.picture(40, 50)
    data = [model.compress(image) for model in models]
    for model, own, other in zip(models, data, data[::-1]):
        decoded = model.decompress(own)
        np.testing.assert_array_equal(decoded, model.reconstruct(image))
        with pytest.raises(container.ForeignFileError):
            model.decompress(other)
    near = [model.reconstruct(image).astype(float) for model in models]
    assert np.abs(near[0] - near[1]).mean() < 2  # of 255; a latent may flip
    configs = [saved_model.read_config(folder) for folder in folders]
    ids = [id for config in configs for id in codec_export.model_ids(config)]
    assert len(set(ids)) == len(ids) == (2 if name == "codec" else 6)
