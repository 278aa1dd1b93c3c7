"""Exports in the loader that TF Serving uses, in a process without Python's TensorFlow.

What works there needs no operation, no class and no file of ours.
"""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
import tiny_latents
import tiny_serving
from tensorflow.core.protobuf import saved_model_pb2

from data_pipeline import pixels
from models import multiscale_context_encoder, pyramid_cgan, skip_inpainting
from serving.export import latents as latent_export
from serving.export import restorer
from serving.export.restorer import Fillable

SIZE = 40  # pixels; dilation 2 fits into pyramid_cgan's maps of 5, the others do not
HOLE = multiscale_context_encoder.patch_size(SIZE, 3)
# Each paper's restorer, of as few layers as it can have.
RESTORERS = {
    skip_inpainting: (0, {"widths": (4, 6)}, Fillable(HOLE)),
    multiscale_context_encoder: (
        None,
        {"widths": (4, 6, 8), "decoder_widths": (8, 6)},
        Fillable(HOLE, centered=True),
    ),
    pyramid_cgan: ("d", {"width": 1 / 16}, Fillable()),
}
SCRIPT = pathlib.Path(__file__).with_name("c_api.py")
LIBRARIES = pathlib.Path(tf.__file__).parent

pytestmark = only_linux = pytest.mark.skipif(
    not (LIBRARIES / "libtensorflow_cc.so.2").exists(),
    reason="This TensorFlow has no libtensorflow_cc.so.2 (only Linux has).",
)


def tensors(folder, signature):
    """Inputs and outputs of a signature, each {name: tensor in the graph} as JSON."""
    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    found = model.meta_graphs[0].signature_def[signature]
    return [
        json.dumps({name: info.name for name, info in infos.items()})
        for infos in (found.inputs, found.outputs)
    ]


def run_there(requests, tmp_path):
    """Folder, signature and inputs of each -> outputs of each; in one process."""
    command = [sys.executable, str(SCRIPT), str(LIBRARIES)]
    for number, (folder, signature, inputs) in enumerate(requests):
        given, made = f"given{number}.npz", f"made{number}.npz"
        np.savez(tmp_path / given, **inputs)
        command += [str(folder), given, made, *tensors(folder, signature)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers = range(len(requests))
    return [dict(np.load(tmp_path / f"made{number}.npz")) for number in numbers]


def run_here(requests, signatures=None):
    """What the functions {folder: {signature: function}} make of the same requests.

    Requests must not leave a signature out.
    """
    if signatures is None:
        folders = {folder for folder, _, _ in requests}
        signatures = {f: tf.saved_model.load(str(f)).signatures for f in folders}
    every = {(folder, name) for folder, names in signatures.items() for name in names}
    assert every == {(folder, name) for folder, name, _ in requests}
    found = []
    for folder, name, inputs in requests:
        inputs = {key: tf.constant(value) for key, value in inputs.items()}
        outputs = signatures[folder][name](**inputs)
        found.append({key: value.numpy() for key, value in outputs.items()})
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


@pytest.mark.parametrize("paper", RESTORERS, ids=lambda paper: paper.__name__)
def test_a_restorer(tmp_path, paper):
    name, options, fillable = RESTORERS[paper]
    names = [] if name is None else [name]
    generator = paper.build_generator(*names, image_size=SIZE, **options)
    # Kernels such that pixels differ and depend on what is known.
    rng = np.random.default_rng(0)
    for weight in generator.trainable_weights:
        if "kernel" in weight.name:
            deviation = np.sqrt(1.4 / np.prod(weight.shape[:-1]))
            weight.assign(rng.normal(0, deviation, weight.shape))
    network = paper.build_inpainter(generator)
    model = restorer.build_restorer(network, fill=1.0, fillable=fillable)
    folder = restorer.save(model, tmp_path / "export" / "1")
    image = unit(*(tiny_codec.picture(SIZE, SIZE, seed) for seed in range(2)))
    mask = np.zeros((2, SIZE, SIZE, 1), np.float32)
    start = (SIZE - HOLE) // 2
    mask[:, start : start + HOLE, start : start + HOLE] = 1
    photograph = tiny_codec.picture(50, 90)
    hole = mask[0, ..., 0].astype(np.uint8) * 255
    encoded = {
        "image_bytes": np.array([pixels.encode_png(photograph)]),
        "mask_bytes": np.array([pixels.encode_png(hole)]),
    }
    requests = [
        (folder, "serving_default", {"image": image, "mask": mask}),
        (folder, "serving_single", {"image_and_mask": np.append(image, mask, -1)}),
        (folder, "serving_bytes", encoded),
    ]
    *found, found_png = run_there(requests, tmp_path)
    *expected, expected_png = run_here(requests, {folder: restorer.signatures(model)})
    known = np.broadcast_to(mask == 0, image.shape)
    for outputs, those in zip(found, expected):
        assert_same(outputs, those)
        np.testing.assert_array_equal(outputs["restored"][known], image[known])
        assert np.abs(outputs["restored"] - image)[~known].mean() > 0.1
    drawn = pixels.decode(found_png["restored_bytes"].tobytes(), "found").astype(int)
    (expected_png,) = expected_png["restored_bytes"]
    assert drawn.shape == photograph.shape
    assert np.abs(drawn - pixels.decode(expected_png, "expected")).max() <= 1
    assert (drawn != photograph).any(axis=-1).mean() > 0.9 * (HOLE / SIZE) ** 2


def test_latents_and_each_half_by_itself(tmp_path):
    whole, *halves, _ = tiny_latents.export(tmp_path)
    options = {"config": tiny_latents.CONFIG, "card": ""}
    latent_export.save_halves(*halves, tmp_path, **options)
    encoder, decoder = (tmp_path / half / "1" for half in ("encoder", "decoder"))
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
    found = run_there(requests, tmp_path)
    for outputs, those in zip(found, run_here(requests)):
        assert_same(outputs, those)
    code = {"latents", "log_variance"}
    names = [set(outputs) for outputs in found]
    assert names == [{"restored"}, code, {"image"}, code, {"image"}]


def test_a_codec(tmp_path):
    folder = tiny_serving.export_codec(tmp_path)
    image = unit(tiny_codec.picture(48, 64))
    given = np.random.default_rng(0).integers(-5, 6, (1, 3, 4, 8), np.int32)
    requests = [
        (folder, "serving_default", {"image": image}),
        (folder, "analysis", {"image": image}),
        (folder, "synthesis", {"latents": given}),
    ]
    found, expected = run_there(requests, tmp_path), run_here(requests)
    latents, those = found[1]["latents"], expected[1]["latents"]
    assert latents.dtype == np.int32 and latents.shape == given.shape
    # Another order of sums may round one otherwise.
    assert np.abs(latents - those).max() <= 1
    assert (latents == those).mean() > 0.95
    assert np.ptp(latents) > 4
    restored, those = found[0]["restored"], expected[0]["restored"]
    assert restored.shape == image.shape and restored.std() > 0.02
    assert np.abs(restored - those).mean() < 0.002
    drawn = found[2]["image"]
    np.testing.assert_allclose(drawn, expected[2]["image"], atol=1e-6)
    assert drawn.shape == image.shape and drawn.std() > 0.02
    # A request that the model refuses is an error there too.
    uneven = [(folder, "analysis", {"image": np.zeros((1, 17, 16, 3), np.float32)})]
    with pytest.raises(AssertionError, match="must be multiples of 16"):
        run_there(uneven, tmp_path)
