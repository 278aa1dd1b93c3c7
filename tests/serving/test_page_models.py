"""The web page sorts exports by kind, says what they do, and tells namesakes apart."""

import json
import re
import shutil

import numpy as np
import pytest
from test_restore import exported
from tiny_codec import picture

from data_pipeline.drawn_faces import draw
from experiments import app
from serving.export.fillable import UnfillableHoleError
from serving.export.restorer import Fillable
from serving.page import models, uploads
from serving.photo import masks
from serving.photo.blending import blend
from serving.photo.faces import FaceRestorer
from serving.photo.restorer import PhotoRestorer
from serving.zoo import zoo


def say(folder, **facts):
    """Adds facts to an export's config.json."""
    path = folder / "assets.extra" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**said, **facts}))
    return folder


def restorer(place, model, fillable):
    return say(
        exported(place, model, fillable=fillable),
        paper="skip_inpainting",
        name=f"model {model}",
        image_size=16,
        hole_size=8,
        fills={"side": fillable.side, "centered": fillable.centered},
        config={"dataset": "faces", "image_size": 16},
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    return {
        "patch": restorer(place / "patch", 1, Fillable(8)),
        "whole": restorer(place / "whole", 3, Fillable()),
    }


@pytest.fixture(scope="module")
def loaded(folders):
    return models.load([*folders.values()])


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Loads models that have nothing but a config.json: folder -> its facts."""
    monkeypatch.setattr(models, "_load_restorer", lambda folder, **_: "restorer")
    load = lambda folder, max_pixels: max_pixels  # noqa: E731
    monkeypatch.setattr(models.codec, "load_image_codec", load)
    monkeypatch.setattr(models.latents, "load", load)

    def described(said):
        return models.load([say(tmp_path / path, **f) for path, f in said.items()])

    return described


def test_each_kind_has_its_place(described):
    codec = {"paper": "portrait_autoencoder", "name": "λ = 0.1"}
    found = described(
        {
            "a": {**codec, "config": {"lmbda": 0.1}},
            "b": {"paper": "another", "kind": "latents", "name": "DCGAN"},
            "c": {"paper": "pyramid_cgan", "name": "D"},
            "d": {**codec, "name": "λ = 0.001", "config": {"lmbda": 0.001}},
            "e": {"paper": "skip_inpainting", "kind": "inpainting", "name": "model 3"},
        }
    )
    assert found.restorers == {"D": "restorer", "model 3": "restorer"}
    assert [*found.codecs] == ["λ = 0.001", "λ = 0.1"]
    assert [*found.latents] == ["DCGAN"]
    # An upload's sides are padded; a file may claim any size.
    for limit in (*found.codecs.values(), *found.latents.values()):
        assert uploads.MAX_PIXELS < limit < 2 * uploads.MAX_PIXELS


def test_the_first_restorer_fills_any_hole_and_has_learned_the_most(described):
    def said(name, side=0, centered=False, mask="random_square"):
        return {
            "paper": "skip_inpainting",
            "name": name,
            "fills": {"side": side, "centered": centered},
            "config": {"train_mask": mask},
        }

    found = described(
        {
            "a": said("center alone", 64, True, "center"),
            "b": said("one hole", 64),
            "c": said("any, of centers", mask="center"),
            "d": said("any"),
            "e": {"paper": "skip_inpainting", "name": "unknown"},
            "f": said("any, of every kind", mask="mixed"),
            "g": said("any too"),
        }
    )
    assert [*found.restorers] == [
        *("any, of every kind", "any", "any too", "any, of centers", "one hole"),
        *("center alone", "unknown"),
    ]


def test_restorers_fill_without_a_seam_and_say_which_holes(loaded, folders):
    image = picture(20, 30)
    model, served = loaded.restorers["model 3"], PhotoRestorer(folders["whole"])
    assert model.hole == served.hole == (0.25, 0.75)
    mask = masks.center((20, 30), model.hole)
    (unblended,) = served([image], [mask])
    found = model.fill(image, mask)
    np.testing.assert_array_equal(found, blend(unblended, mask, 16))
    np.testing.assert_array_equal(found[mask[..., 0] == 0], image[mask[..., 0] == 0])
    assert not np.array_equal(found, unblended)
    assert model.limits == "It sees pictures at 16×16 pixels and fills any hole."


def test_a_hole_too_large_is_refused_as_described(loaded):
    model = loaded.restorers["model 1"]
    assert "fills one hole of up to half of each side." in model.limits
    mask = masks.center((20, 30), (0, 0.8))
    with pytest.raises(UnfillableHoleError, match="up to 8x8 pixels"):
        model.fill(picture(20, 30), mask)


@pytest.mark.parametrize(
    "parts, listed",
    [
        (("nose",), "nose"),
        (("eyes", "left_half"), "eyes and left half"),
        (("eyes", "nose", "mouth"), "eyes, nose and mouth"),
    ],
)
def test_the_parts_of_a_face_that_a_model_fills(folders, monkeypatch, parts, listed):
    monkeypatch.setattr(FaceRestorer, "regions", lambda self: parts)
    (model,) = models.load([folders["patch"]]).restorers.values()
    assert model.parts == parts
    assert model.limits.endswith(f" Of the parts of a face it fills: {listed}.")


def test_a_model_of_the_center_with_unknown_faces_fills_no_part(folders, tmp_path):
    shutil.copytree(folders["patch"], tmp_path / "1")
    fills = {"side": 4, "centered": True}
    say(tmp_path / "1", config={"dataset": "folder"}, fills=fills)
    (model,) = models.load([tmp_path / "1"]).restorers.values()
    assert model.parts == () and model.fill_faces is None
    assert model.fills == "one hole: a quarter of each side, in the center"
    assert model.limits.endswith("center. Of the parts of a face it fills: none.")


def test_faces_are_aligned_as_in_the_training_data(loaded):
    model = loaded.restorers["model 3"]
    assert model.parts == masks.REGIONS
    face = draw.draw(0, size=64)
    image = np.pad(face["image"], ((40, 20), (30, 50), (0, 0)), mode="edge")
    mask = np.zeros((*image.shape[:2], 1), np.uint8)
    mask[70:80, 55:70] = 1
    restored = model.fill_faces(image, mask, [face["landmarks"] + (30, 40)])
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])
    assert not np.array_equal(restored, image)


def test_labels_are_short_and_unique(described, tmp_path):
    labels = {
        "a/export/1": ("model 1", "lfw", "model 1"),
        "b/export/1": ("model 3", "faces", "model 3, faces"),
        "c/export/1": ("model 3", "lfw", "model 3, lfw (c)"),
        "0f/mended/1": ("model 3", "lfw", "model 3, lfw (mended)"),
        "e/c/export/1": ("model 2", "faces", "model 2, faces"),
        "x/run/export/1": ("model 2", "lfw", f"{tmp_path}/x/run/export/1"),
        "y/run/export/1": ("model 2", "lfw", f"{tmp_path}/y/run/export/1"),
    }
    said = {
        place: {"kind": "inpainting", "name": name, "config": {"dataset": data}}
        for place, (name, data, _) in labels.items()
    }
    assert [*described(said).restorers] == [label for *_, label in labels.values()]


@pytest.mark.usefixtures("described")
def test_the_command_opens_names_and_folders(folders, monkeypatch):
    shipped = {"mended": folders["whole"], "patched": folders["patch"]}
    monkeypatch.setattr(zoo, "names", lambda *papers: tuple(shipped))
    monkeypatch.setattr(zoo, "resolve", lambda name: shipped.get(name, name))
    found = app.load(["mended", folders["patch"]])
    assert [*found.restorers] == ["model 3", "model 1"]
    # Without any, all that come with the repository.
    assert [*app.load([]).restorers] == ["model 3", "model 1"]


def test_mistakes(folders, tmp_path):
    text = re.escape(f"{tmp_path} is not an exported model")
    with pytest.raises(FileNotFoundError, match=text):
        models.load([tmp_path])
    with pytest.raises(ValueError, match="exported by 'another', which this page"):
        models.load([say(tmp_path, paper="another")])
    with pytest.raises(ValueError, match="is given twice"):
        models.load([folders["patch"], folders["patch"]])
