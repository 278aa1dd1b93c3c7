"""The face descriptor: reading its package, its network, and its calibration."""

import io
import json
import os
import pathlib
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from data_pipeline import fetch
from evaluation.metrics import identity
from experiments import face_descriptor
from models import face_descriptor as network

MODEL = "face_recognition_model"
# The published package, for who has it.
PACKAGE = os.environ.get("FACEMEND_FACE_API", "")


def specs(width=1, numbers=4):
    """Names and shapes of a narrow descriptor's arrays, in the published order."""
    found, before = [], 3
    blocks = [f"{name}/conv{place}" for name in network.BLOCKS for place in (1, 2)]
    for name in (network.FIRST, *blocks):
        channels = int(name.split("_")[0].removeprefix("conv")) * width // network.WIDTH
        kernel = 7 if name == network.FIRST else 3
        found.append((f"{name}/conv/filters", [kernel, kernel, before, channels]))
        for array in ("conv/bias", "scale/weights", "scale/biases"):
            found.append((f"{name}/{array}", [channels]))
        before = channels
    return [*found, (network.LAST, [before, numbers])]


def package(path, *, without="", more=b""):
    """Writes a package of random weights; returns what its arrays are."""
    rng = np.random.default_rng(0)
    manifest, data, arrays = [], b"", {}
    for name, shape in specs():
        if name == without:
            continue
        entry = {"name": name, "shape": shape, "dtype": "float32"}
        stored = rng.integers(0, 256, shape, np.uint8)
        if name == network.LAST:  # as it is
            arrays[name] = stored = stored.astype("<f4") / 7
        else:
            entry["quantization"] = {"dtype": "uint8", "scale": 0.01, "min": -1.2}
            arrays[name] = stored * 0.01 - 1.2
        data += stored.tobytes()
        manifest.append(entry)
    groups = [{"paths": [f"{MODEL}.bin"], "weights": manifest}]
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (
            (f"{MODEL}-weights_manifest.json", json.dumps(groups).encode()),
            (f"{MODEL}.bin", data + more),
        ):
            info = tarfile.TarInfo(f"package/model/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return arrays


def test_a_package_becomes_an_embedding_that_reports_find(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "package.tgz"
    arrays = package(path)
    with pytest.raises(ValueError, match="package.tgz is a file with .* damaged"):
        face_descriptor.take(path)
    assert identity.resolve("") is None
    checksum = fetch.checksum(path)
    monkeypatch.setattr(face_descriptor, "PACKAGE", ("address", checksum))
    folder = face_descriptor.take(path)
    assert identity.resolve("") == folder
    embedding = identity.load(folder)
    assert embedding.facts.title == face_descriptor.TITLE
    assert len(embedding.facts.anchors) == 3
    card = (folder / "assets.extra" / "model_card.md").read_text()
    assert "was not trained here" in card and "MIT" in card
    assert f"{embedding.facts.threshold:g}" in card

    # A convolution and the scale after it, as the package has them.
    loaded = tf.keras.models.load_model(folder, compile=False)
    name = "conv64_down/conv1"
    layer = loaded.get_layer(name.replace("/", "_"))
    x = np.random.default_rng(1).normal(size=(1, 9, 9, 1)).astype("f")
    expected = tf.nn.conv2d(x, arrays[f"{name}/conv/filters"].astype("f"), 2, "VALID")
    expected = expected + arrays[f"{name}/conv/bias"]
    expected = expected * arrays[f"{name}/scale/weights"]
    expected = expected + arrays[f"{name}/scale/biases"]
    np.testing.assert_allclose(layer(x), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"without": "conv64_1/conv2/scale/biases"}, "lack 'conv64_1/conv2/scale"),
        ({"without": network.LAST}, "lack 'fc'"),
        ({"more": b"0"}, "has no face descriptor that can be read .1 bytes are left"),
    ],
)
def test_a_package_of_something_else_is_refused(tmp_path, options, message):
    package(tmp_path / "package.tgz", **options)
    with pytest.raises(ValueError, match=message):
        face_descriptor.build(face_descriptor.read_weights(tmp_path / "package.tgz"))


def test_pairs_are_of_one_person_and_of_two_and_none_comes_twice():
    people = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2"], "c": ["c1"]}
    same, other = face_descriptor.draw_pairs(people, 8, seed=0)
    assert sorted(same) == [("a1", "a2"), ("a1", "a3"), ("a2", "a3"), ("b1", "b2")]
    assert len(set(other)) == 8
    assert all(one[0] != two[0] for one, two in other)
    assert face_descriptor.draw_pairs(people, 8, seed=0) == (same, other)


def test_what_was_measured_is_what_the_card_and_the_documentation_say():
    found = json.loads(face_descriptor.CALIBRATION.read_text())
    assert found["title"] == face_descriptor.TITLE
    assert found["false_accept_percent"] == face_descriptor.FALSE_ACCEPT_PERCENT
    assert found["accuracy"]["percent"] > 98
    docs = pathlib.Path(__file__).parents[2] / "docs" / "metrics.md"
    text = " ".join(docs.read_text().split())
    for number in (
        found["threshold"],
        found["accuracy"]["percent"],
        found["at_threshold"]["verified"]["percent"],
    ):
        assert f"{number:g}" in text


def test_the_card_says_which_threshold_reports_take():
    found = json.loads(face_descriptor.CALIBRATION.read_text())
    text = face_descriptor.card({**found, "best_threshold": 0.8, "threshold": 0.9})
    docs = pathlib.Path(__file__).parents[2] / "docs" / "metrics.md"
    header = "| | one person from this cosine on | of the pairs |"
    assert header in text and header in docs.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[1] for row in rows[1:]] == ["0.8", "0.9", "0.9"]
    assert "from 0.9 on 1% of all" in text and "Reports take 0.9, the latter" in text


@pytest.mark.skipif(not PACKAGE, reason="FACEMEND_FACE_API names no package")
def test_the_port_gives_the_numbers_of_the_original():
    """Computed by face-api itself, with its own TensorFlow.js."""
    path = pathlib.Path(PACKAGE)
    assert fetch.checksum(path) == face_descriptor.PACKAGE[1]
    made = face_descriptor.build(face_descriptor.read_weights(path))
    y, x, channel = np.indices((150, 150, 3))
    image = ((x * (channel + 1) + y * y // (channel + 3)) % 256)[None] / 255
    (found,) = made(image.astype("f"), training=False).numpy()
    original = [-0.081619, 0.100656, 0.059831, -0.029347, -0.082773, -0.070988]
    np.testing.assert_allclose(found[:6], original, atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1.307411, abs=1e-5)
