"""Exports in the loader that TF Serving uses, in a process without Python's TensorFlow.

What works there needs no operation, no class and no file of ours.
"""

import functools
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
import tiny_serving
from tensorflow.core.protobuf import saved_model_pb2
from tiny_serving import HOLE, SIZE

from data_pipeline import pixels

SCRIPT = pathlib.Path(__file__).with_name("c_api.py")
LIBRARIES = pathlib.Path(tf.__file__).parent

pytestmark = pytest.mark.skipif(
    not (LIBRARIES / "libtensorflow_cc.so.2").exists(),
    reason="This TensorFlow has no libtensorflow_cc.so.2 (only Linux has).",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Kind -> export; each made when it is first asked for."""
    makers = {
        "restorer": tiny_serving.export_restorer,
        "codec": tiny_serving.export_codec,
    }

    @functools.cache
    def make(kind):
        return makers[kind](tmp_path_factory.mktemp(kind))

    return make


def named(folder, signature):
    """Inputs and outputs of a signature: name -> tensor in the graph."""
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    found = model.meta_graphs[0].signature_def[signature]
    return [
        {name: info.name for name, info in infos.items()}
        for infos in (found.inputs, found.outputs)
    ]


def run_there(folder, signature, tmp_path, **inputs):
    """In another process, without TensorFlow's Python."""
    np.savez(tmp_path / "given.npz", **inputs)
    command = [sys.executable, str(SCRIPT), str(LIBRARIES), str(folder)]
    done = subprocess.run(
        [
            *(*command, "given.npz", "made.npz"),
            *map(json.dumps, named(folder, signature)),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(tmp_path / "made.npz"))


def run_here(folder, signature, **inputs):
    run = tf.saved_model.load(str(folder)).signatures[signature]
    outputs = run(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: value.numpy() for name, value in outputs.items()}


def center():
    mask = np.zeros((1, SIZE, SIZE, 1), np.float32)
    start = (SIZE - HOLE) // 2
    mask[:, start : start + HOLE, start : start + HOLE] = 1
    return mask


def test_a_restorer(folder, tmp_path):
    image = pixels.bytes_to_unit(tiny_codec.picture(SIZE, SIZE))[None].numpy()
    inputs = {"image": image, "mask": center()}
    arguments = folder("restorer"), "serving_default"
    found = run_there(*arguments, tmp_path, **inputs)["restored"]
    expected = run_here(*arguments, **inputs)["restored"]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    known = np.broadcast_to(center() == 0, image.shape)
    np.testing.assert_array_equal(found[known], image[known])
    assert np.abs(found - image).max() > 0.1


def test_a_restorer_of_encoded_pictures(folder, tmp_path):
    image = tiny_codec.picture(50, 90)
    mask = center()[0, ..., 0].astype(np.uint8) * 255
    inputs = {
        "image_bytes": np.array([pixels.encode_png(image)]),
        "mask_bytes": np.array([pixels.encode_png(mask)]),
    }
    arguments = folder("restorer"), "serving_bytes"
    found = run_there(*arguments, tmp_path, **inputs)["restored_bytes"]
    found = pixels.decode(found.tobytes(), "found").astype(int)
    (expected,) = run_here(*arguments, **inputs)["restored_bytes"]
    expected = pixels.decode(expected, "expected")
    assert found.shape == (50, 90, 3)
    assert np.abs(found - expected).max() <= 1
    assert (found != image).any(axis=-1).mean() > 0.1


def test_a_codecs_halves(folder, tmp_path):
    image = pixels.bytes_to_unit(tiny_codec.picture(48, 64))[None].numpy()
    arguments = folder("codec"), "analysis"
    latents = run_there(*arguments, tmp_path, image=image)["latents"]
    expected = run_here(*arguments, image=image)["latents"]
    assert latents.dtype == np.int32 and latents.shape == (1, 3, 4, 8)
    # Another order of sums may round one otherwise.
    assert np.abs(latents - expected).max() <= 1
    assert (latents == expected).mean() > 0.95
    assert np.ptp(latents) > 4
    arguments = folder("codec"), "synthesis"
    drawn = run_there(*arguments, tmp_path, latents=latents)["image"]
    expected = run_here(*arguments, latents=latents)["image"]
    np.testing.assert_allclose(drawn, expected, atol=1e-6)
    assert drawn.shape == image.shape and drawn.std() > 0.02


def test_a_request_that_the_model_refuses(folder, tmp_path):
    image = np.zeros((1, 17, 16, 3), np.float32)
    with pytest.raises(AssertionError, match="must be multiples of 16"):
        run_there(folder("codec"), "analysis", tmp_path, image=image)
