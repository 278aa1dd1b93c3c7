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
import test_conversion
import tiny_codec
import tiny_latents
import tiny_serving
from tensorflow.core.protobuf import saved_model_pb2

from data_pipeline import pixels
from serving import latent_export

SCRIPT = pathlib.Path(__file__).with_name("c_api.py")
LIBRARIES = pathlib.Path(tf.__file__).parent
HOLE = 16  # pixels; the only hole that multiscale_context_encoder fills in 50
# What the export is called there, its pictures' size, and where the hole begins.
RESTORERS = {
    "skip_inpainting": ("restorer of one square", 64, (9, 30)),
    "multiscale_context_encoder": ("restorer of the center", 50, (17, 17)),
    "pyramid_cgan": ("restorer of any hole", 64, (9, 30)),
}

pytestmark = pytest.mark.skipif(
    not (LIBRARIES / "libtensorflow_cc.so.2").exists(),
    reason="This TensorFlow has no libtensorflow_cc.so.2 (only Linux has).",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Kind -> export; each made when it is first asked for."""
    makers = {"codec": tiny_serving.export_codec, "cvae_dcgan": export_latents}
    for paper, (name, *_) in RESTORERS.items():
        makers[paper] = functools.partial(test_conversion.save, name)

    @functools.cache
    def make(kind):
        return makers[kind](tmp_path_factory.mktemp(kind))

    return make


def export_latents(run):
    """What a run of cvae_dcgan leaves; returns the folder of the whole."""
    folder, *halves, _ = tiny_latents.export(run)
    latent_export.save_halves(*halves, run, facts=tiny_latents.FACTS, card="")
    return folder


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
    (outputs,) = run_all_there([(folder, signature, inputs)], tmp_path)
    return outputs


def run_all_there(requests, tmp_path):
    """Folder, signature and inputs of each -> outputs of each; in one process."""
    command = [sys.executable, str(SCRIPT), str(LIBRARIES)]
    for number, (folder, signature, inputs) in enumerate(requests):
        given, made = f"given{number}.npz", f"made{number}.npz"
        np.savez(tmp_path / given, **inputs)
        names = map(json.dumps, named(folder, signature))
        command += [str(folder), given, made, *names]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers = range(len(requests))
    return [dict(np.load(tmp_path / f"made{number}.npz")) for number in numbers]


def run_all_here(requests):
    """The same with TensorFlow's Python; the requests must leave no signature out."""
    load = functools.cache(lambda folder: tf.saved_model.load(str(folder)))
    found = []
    for folder, signature, inputs in requests:
        run = load(folder).signatures[signature]
        outputs = run(**{name: tf.constant(value) for name, value in inputs.items()})
        found.append({name: value.numpy() for name, value in outputs.items()})
    for folder in {folder for folder, *_ in requests}:
        asked = {signature for each, signature, _ in requests if each == folder}
        assert asked == set(load(folder).signatures)
    return found


def unit(*images):
    return pixels.bytes_to_unit(np.stack(images)).numpy()


def assert_same(found, expected):
    """Numbers up to 1e-5, and of two pictures they are two."""
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-5)
        assert np.abs(value[0] - value[1]).mean() > 0.002


@pytest.mark.parametrize("paper", RESTORERS)
def test_a_restorer(folder, tmp_path, paper):
    _, size, (top, left) = RESTORERS[paper]
    image = unit(*(tiny_codec.picture(size, size, seed) for seed in range(2)))
    mask = np.zeros((2, size, size, 1), np.float32)
    mask[:, top : top + HOLE, left : left + HOLE] = 1
    photograph = tiny_codec.picture(70, 90)
    hole = mask[0, ..., 0].astype(np.uint8) * 255
    requests = [
        ("serving_default", {"image": image, "mask": mask}),
        ("serving_single", {"image_and_mask": np.concatenate([image, mask], -1)}),
        (
            "serving_bytes",
            {
                "image_bytes": np.array([pixels.encode_png(photograph)]),
                "mask_bytes": np.array([pixels.encode_png(hole)]),
            },
        ),
    ]
    requests = [(folder(paper), *request) for request in requests]
    *found, png = run_all_there(requests, tmp_path)
    *expected, expected_png = run_all_here(requests)
    known = np.broadcast_to(mask == 0, image.shape)
    for outputs, those in zip(found, expected):
        assert_same(outputs, those)
        np.testing.assert_array_equal(outputs["restored"][known], image[known])
        assert np.abs(outputs["restored"] - image)[~known].mean() > 0.1
    drawn = pixels.decode(png["restored_bytes"].tobytes(), "found").astype(int)
    (expected_png,) = expected_png["restored_bytes"]
    assert drawn.shape == photograph.shape
    assert np.abs(drawn - pixels.decode(expected_png, "expected")).max() <= 1
    share = (HOLE / size) ** 2
    assert 0.8 * share < (drawn != photograph).any(axis=-1).mean() < 1.2 * share


def test_latents_and_the_halves_by_themselves(folder, tmp_path):
    whole = folder("cvae_dcgan")
    encoder, decoder = (
        whole.parents[1] / half / "1" for half in ("encoder", "decoder")
    )
    image = {"image": unit(*tiny_latents.pictures(2))}
    rng = np.random.default_rng(0)
    latents = rng.normal(0, 1, (2, tiny_latents.LATENTS)).astype(np.float32)
    requests = [
        (whole, "serving_default", image),
        (whole, "encode", image),
        (whole, "decode", {"latents": latents}),
        (encoder, "serving_default", image),
        (decoder, "serving_default", {"latents": latents}),
    ]
    found = run_all_there(requests, tmp_path)
    for outputs, those in zip(found, run_all_here(requests)):
        assert_same(outputs, those)
    assert [sorted(outputs) for outputs in found] == [
        ["restored"], ["latents", "log_variance"], ["image"],
        ["latents", "log_variance"], ["image"],
    ]  # fmt: skip


def test_a_codec(folder, tmp_path):
    image = unit(tiny_codec.picture(48, 64))
    rng = np.random.default_rng(0)
    given = rng.integers(-5, 6, (1, 3, 4, 8), np.int32)
    requests = [
        (folder("codec"), "serving_default", {"image": image}),
        (folder("codec"), "analysis", {"image": image}),
        (folder("codec"), "synthesis", {"latents": given}),
    ]
    (restored, latents, drawn), expected = (
        [value for outputs in run for value in outputs.values()]
        for run in (run_all_there(requests, tmp_path), run_all_here(requests))
    )
    assert latents.dtype == np.int32 and latents.shape == given.shape
    # Another order of sums may round one otherwise.
    assert np.abs(latents - expected[1]).max() <= 1
    assert (latents == expected[1]).mean() > 0.95
    assert np.ptp(latents) > 4
    assert np.abs(restored - expected[0]).mean() < 0.002 and restored.std() > 0.02
    np.testing.assert_allclose(drawn, expected[2], atol=1e-6)
    assert drawn.shape == image.shape and drawn.std() > 0.02


def test_a_request_that_the_model_refuses(folder, tmp_path):
    image = np.zeros((1, 17, 16, 3), np.float32)
    with pytest.raises(AssertionError, match="must be multiples of 16"):
        run_there(folder("codec"), "analysis", tmp_path, image=image)
