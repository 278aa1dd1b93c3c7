r"""What docs/keras.md shows is run here, word for word, on small exports.

The newest Keras needs an environment of its own, which FACEMEND_NEWEST_PYTHON names:

  python3.11 -m venv newest
  newest/bin/pip install tensorflow
  FACEMEND_NEWEST_PYTHON=newest/bin/python python -m pytest \
      tests/conformance/test_keras_examples.py

What converts exports needs `pip install '.[convert]'`.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
import tiny_latents
from PIL import Image

from data_pipeline import pixels
from models import skip_inpainting
from serving.export import codec as codec_export
from serving.export import latents as latent_export
from serving.export import restorer

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "keras.md"
SIZE = 128
NEWEST = "FACEMEND_NEWEST_PYTHON"
STARTED_IN = pathlib.Path.cwd()
CHECKS = {}  # title -> what its block promises


def read_blocks(path):
    """(title, language, code) of each block."""
    title, found = "", []
    pattern = re.compile(r"^#+ (.+)$|^```(\w*)\n((?s:.*?))^```$", re.MULTILINE)
    for heading, language, code in pattern.findall(path.read_text(encoding="utf-8")):
        title = heading or title
        if not heading:
            found.append((title, language, code))
    return found


def only(language, path=DOCUMENT):
    """Title -> its one block of that language."""
    found = [(t, code) for t, lang, code in read_blocks(path) if lang == language]
    assert len(dict(found)) == len(found), "a title has two blocks: give each its own"
    return dict(found)


BLOCKS = only("python")
SET_UP, PICTURES, SHIPPED = list(BLOCKS)[:3]
ELSEWHERE = {"The newest Keras", "ONNX", "OpenVINO"}


def run(title, *before):
    """Runs the block after the first one; returns the names that they define."""
    names = {"__name__": "notebook"}
    for part in (SET_UP, *before, title):
        exec(compile(BLOCKS[part], f"{DOCUMENT.name}: {part}", "exec"), names)
    return names


def promises(title):
    def add(check):
        CHECKS[title] = check
        return check

    return add


def export_restorer(folder):
    """Model 3 in small; what it draws depends on what it sees."""
    tf.keras.utils.set_random_seed(0)
    generator = skip_inpainting.build_generator(3, image_size=SIZE, widths=(8, 8))
    network = skip_inpainting.build_inpainter(generator)
    for weight in network.trainable_weights:
        if "kernel" in weight.name:
            weight.assign(8 * weight)
    facts = {"config.json": json.dumps({"image_size": SIZE, "hole_size": SIZE // 2})}
    return restorer.save(
        restorer.build_restorer(network, fill=1.0), folder, extras=facts
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Exports, photographs and masks where the document has them."""
    place = tmp_path_factory.mktemp("shared")
    export_restorer(place / "runs" / "model3" / "export" / "1")
    tiny_codec.export(place / "runs" / "lambda_0.01")
    tiny_latents.export(place / "runs" / "cvae")
    for folder in ("photos", "masks"):
        (place / folder).mkdir()
    for seed, (name, height, width) in enumerate(
        [("face", 150, 130), ("other", 90, 128)]
    ):
        picture = Image.fromarray(tiny_codec.picture(height, width, seed))
        picture.save(place / "photos" / f"{name}.jpg", quality=90)
        Image.fromarray(hole(height, width)).save(place / "masks" / f"{name}.png")
    return place


@pytest.fixture(autouse=True)
def notebook(shared, tmp_path, monkeypatch):
    """The folder that a block runs in."""
    monkeypatch.setenv("FACEMEND_CACHE", str(shared / "cache"))
    (tmp_path / "runs").mkdir()
    for place in (shared / "photos", shared / "masks", *(shared / "runs").iterdir()):
        path = place.relative_to(shared)
        (tmp_path / path).symlink_to(place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_our_layers(monkeypatch):
    """As in a process that has imported no module of ours."""
    known = tf.keras.utils.get_custom_objects()
    ours = [name for name in known if name.startswith("facemend>")]
    assert ours
    for name in ours:
        monkeypatch.delitem(known, name)


def hole(height, width):
    """A mask as a picture, uint8 [H, W]."""
    mask = np.zeros([height, width], np.uint8)
    mask[height // 4 : height // 2, width // 3 : width * 3 // 4] = 255
    return mask


def assert_trained_on(mask, size, side):
    """Of every picture the square of that side in the center."""
    start = (size - side) // 2
    expected = np.zeros([size, size, 1], np.float32)
    expected[start : start + side, start : start + side] = 1
    assert mask.shape[1:] == expected.shape and (mask == expected).all()


def assert_restored(restored, image, mask):
    """Known pixels bit for bit; in the hole something that is not flat."""
    restored, image = np.asarray(restored), np.asarray(image)
    missing = np.broadcast_to(np.asarray(mask) > 0.5, image.shape)
    assert restored.shape == image.shape and restored.dtype == image.dtype
    np.testing.assert_array_equal(restored[~missing], image[~missing])
    assert missing.any()
    assert (restored[missing] != image[missing]).mean() > 0.5
    assert restored[missing].std() > 0.01 * (255 if image.dtype == np.uint8 else 1)


@promises("Pictures to try")
def _(names):
    for name in ("face", "other"):
        assert Image.open(f"photos/{name}.jpg").size == (256, 256)
    mask = np.asarray(Image.open("masks/face.png"))
    assert mask.shape == (256, 256) and set(mask.flat) == {0, 255}


@promises("Models that come with the repository")
def _(names):
    size, mask = names["trained_on"](names["RESTORER"])
    assert_trained_on(mask[None], 128, 64)
    model = tf.keras.models.load_model(names["RESTORER"], compile=False)
    assert model.output_shape == (None, size, size, 3)
    assert codec_export.load_image_codec(names["CODEC"]).tables.channels == 128
    assert latent_export.load(names["FACES"]).image_size == 64


@promises("From file to file")
def _(names):
    written = np.asarray(Image.open("restored.png"))
    image = pixels.decode(pathlib.Path("photos/face.jpg").read_bytes(), "photo")
    mask = pixels.decode(pathlib.Path("masks/face.png").read_bytes(), "mask")
    assert_restored(written, image, mask[..., :1])


@promises("A batch")
def _(names):
    size = names["model"].output_shape[1]
    assert names["image"].shape == (2, size, size, 3)
    side = {SIZE: SIZE // 2, 250: 64}[size]
    assert_trained_on(names["mask"], size, side)
    assert_restored(names["restored"], names["image"], names["mask"])


@promises("In a tf.data pipeline")
def _(names):
    (pair,) = names["pairs"].as_numpy_iterator()
    (restored,) = names["pairs"].map(names["model"]).as_numpy_iterator()
    assert_restored(restored, pair["image"], pair["mask"])
    assert sorted(os.listdir("restored")) == ["face.png", "other.png"]
    for name, picture in zip(("face", "other"), restored):
        written = np.asarray(Image.open(f"restored/{name}.png"))
        # save_img cuts decimals off.
        np.testing.assert_array_equal(written, (picture * 255).astype(np.uint8))


@promises("As a layer of a larger model")
def _(names):
    untouched = tf.keras.models.load_model(names["RESTORER"], compile=False)
    for weight, old in zip(names["restorer"].weights, untouched.weights):
        np.testing.assert_array_equal(weight, old)
    assert len(names["model"].trainable_weights) == 4
    again = tf.keras.models.load_model("smiles")
    expected = names["model"].predict(names["faces"], verbose=0)
    assert expected.shape == (8, 1)
    np.testing.assert_allclose(again.predict(names["faces"], verbose=0), expected)


@promises("Fine-tune")
def _(names):
    losses = names["history"].history["loss"]
    assert losses[-1] < losses[0]
    before = tf.keras.models.load_model(names["RESTORER"], compile=False)
    trained = {w.name for w in names["model"].trainable_weights if "norm" not in w.name}
    for weight, old in zip(names["model"].weights, before.weights):
        assert np.array_equal(weight, old) == (weight.name not in trained), weight.name
    inputs = {"image": names["image"], "mask": names["mask"]}
    tuned = names["model"](inputs)
    assert_restored(tuned, names["image"], names["mask"])
    signatures = tf.saved_model.load("runs/tuned/export/1").signatures
    served = signatures["serving_default"](**tf.nest.map_structure(tf.constant, inputs))
    np.testing.assert_allclose(served["restored"], tuned, atol=1e-6)


@promises("By signatures")
def _(names):
    height, width, _ = names["picture"].shape
    assert (height, width) == (150, 130)
    latents, again = names["latents"], names["again"]
    assert latents.shape[:3] == (1, 10, 9) and again.shape == (height, width, 3)
    codec = codec_export.load_image_codec(names["CODEC"])
    picture = names["picture"].numpy()
    if codec.rates:  # not rounded, so better than any file
        apart = np.abs(again * 255 - codec.at(100).reconstruct(picture))
        assert latents.dtype == tf.float32 and 0 < apart.mean() < 4
        return
    # The same numbers as in files.
    assert latents.dtype == tf.int32
    expected = codec.decompress(codec.compress(picture))
    np.testing.assert_array_equal(np.rint(again * 255), expected)


@promises("To files")
def _(names):
    data = pathlib.Path("face.fmc").read_bytes()
    assert len(data) < names["picture"].size
    assert names["again"].dtype == np.uint8
    expected = names["codec"].reconstruct(names["picture"])
    np.testing.assert_array_equal(names["again"], expected)


@promises("Faces as numbers")
def _(names):
    size = names["size"]
    assert names["latents"].shape[0] == 2
    between, image = names["between"], names["image"]
    assert between.shape == (5, size, size, 3)
    ends = tf.gather(between, [0, 4])
    np.testing.assert_allclose(names["model"](image), ends, atol=1e-6)
    assert np.abs(ends[0] - ends[1]).mean() > 0.01
    assert Image.open("between.png").size == (5 * size, size)


@promises("Encoder and decoder")
def _(names):
    model, image = names["model"], names["image"]
    encoded = model.signatures["encode"](image=image)["latents"]
    np.testing.assert_allclose(names["latents"], encoded, atol=1e-6)
    np.testing.assert_allclose(names["again"], model(image), atol=1e-6)


@pytest.mark.parametrize(
    "title", [t for t in BLOCKS if t not in {SET_UP, PICTURES, *ELSEWHERE}]
)
def test_a_block_does_what_it_says(title, request):
    if "from serving" not in BLOCKS[title]:
        request.getfixturevalue("without_our_layers")
    CHECKS[title](run(title))


def test_the_other_blocks_run_with_the_pictures_to_try(notebook):
    for link in ("photos", "masks"):
        (notebook / link).unlink()
    (words,) = map(shlex.split, only("sh")[PICTURES].splitlines())
    assert words[0] == "facemend"
    subprocess.run(
        [sys.executable, "-m", "experiments", *words[1:]],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    for title in (PICTURES, "From file to file", "A batch"):
        CHECKS[title](run(title))


@pytest.mark.slow
@pytest.mark.parametrize(
    "title",
    [
        title
        for title, code in BLOCKS.items()
        if any(f"({name}" in code for name in ("RESTORER", "CODEC", "FACES"))
        and title not in {SHIPPED, *ELSEWHERE}
    ],
)
def test_a_block_runs_with_the_model_that_comes_with_it(title, request):
    if "from serving" not in BLOCKS[title]:
        request.getfixturevalue("without_our_layers")
    CHECKS[title](run(title, SHIPPED))


def test_each_block_is_run():
    assert {SET_UP, *CHECKS} | ELSEWHERE == set(BLOCKS)
    for title in ELSEWHERE:
        compile(BLOCKS[title], title, "exec")


def test_the_readme_says_the_same():
    readme = [
        code for _, _, code in read_blocks(ROOT / "README.md") if "load_model" in code
    ]
    assert len(readme) == 1
    names = {}
    exec(readme[0], names)
    image, mask = (np.asarray(names[name]) for name in ("image", "mask"))
    assert 0 < mask.mean() < 0.5
    assert_restored(names["restored"], image, mask)


def assert_like_keras(restored, image, mask):
    """Restored as the model restores in TensorFlow 2.14."""
    model = tf.keras.models.load_model("runs/model3/export/1", compile=False)
    expected = model({"image": image, "mask": mask}).numpy()
    assert_restored(restored, image, mask)
    # Sums of a few hundred float32 products, added in another order, differ by some
    # 1e-7; a level of a picture is 4e-3.
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_the_newest_keras_restores_the_same():
    python = os.environ.get(NEWEST, "")
    if not python:
        pytest.skip(f"{NEWEST} is not set: this file's first lines say how to.")
    title = "The newest Keras"
    save = "np.savez('out.npz', given=image_and_mask, restored=restored)"
    # From where the tests were started, and not resolved: that would leave the venv.
    python = os.path.join(STARTED_IN, python)
    subprocess.run(
        [python, "-c", "\n".join((BLOCKS[SET_UP], BLOCKS[title], save))], check=True
    )
    saved = np.load("out.npz")
    image, mask = np.split(saved["given"], [3], axis=-1)
    assert_like_keras(saved["restored"], image, mask)


def test_the_shell_finds_the_model_that_comes_with_it(monkeypatch):
    place = pathlib.Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    code = only("sh")["ONNX"].splitlines()[0] + '\nls "$MODEL"'
    found = subprocess.run(["sh", "-ec", code], check=True, capture_output=True)
    assert b"saved_model.pb" in found.stdout


@pytest.mark.slow
def test_onnx_restores_the_same(monkeypatch):
    for module in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(module, reason="needs pip install '.[convert]'")
    run_commands("ONNX", monkeypatch)
    names = run("ONNX")
    assert_like_keras(names["restored"], names["image"], names["mask"])


@pytest.mark.slow
def test_openvino_restores_the_same(monkeypatch):
    pytest.importorskip("openvino", reason="needs pip install '.[convert]'")
    names = run("OpenVINO")
    assert_like_keras(names["restored"], names["image"], names["mask"])
    run_commands("OpenVINO", monkeypatch)
    model = names["core"].compile_model("restorer.xml", "CPU", names["options"])
    written = model({"image": names["image"], "mask": names["mask"]})["restored"]
    np.testing.assert_array_equal(written, names["restored"])


def run_commands(title, monkeypatch):
    """The shell's commands of a title, with this interpreter, for RESTORER."""
    first, *others = only("sh")[title].splitlines()
    assert first == only("sh")["ONNX"].splitlines()[0]
    code = "\n".join(["MODEL=runs/model3/export/1", *others])
    place = pathlib.Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    subprocess.run(["sh", "-ec", code], check=True)
