"""Exports find their tab of the web page by what they are."""

import json
import re
import shutil

import numpy as np
import pytest
import tiny_codec
import tiny_latents
from test_restore import exported
from tiny_codec import picture

from data_pipeline.drawn_faces import draw
from experiments import app
from serving.export.restorer import Fillable
from serving.page import canvas, uploads
from serving.page import models as app_models
from serving.photo import masks
from serving.photo import restorer as photo
from serving.photo.blending import seamless
from serving.photo.faces import FaceRestorer
from serving.photo.restorer import UnfillableHoleError
from serving.zoo import zoo


def say(folder, **facts):
    """Makes an export say of itself what a run says."""
    path = folder / "assets.extra" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**said, **facts}))
    return folder


def restorer(place, model=3, **facts):
    fillable = Fillable(8) if model < 2 else Fillable()
    folder = exported(place, model, fillable=fillable)
    fills = {"side": fillable.side, "centered": fillable.centered}
    return say(
        folder,
        **{
            "paper": "skip_inpainting",
            "name": f"model {model}",
            "image_size": 16,
            "hole_size": 8,
            "fills": fills,
            "config": {"dataset": "faces", "image_size": 16},
            **facts,
        },
    )


def codec(place, lmbda):
    return say(
        tiny_codec.export(place)[0],
        paper="portrait_autoencoder",
        name=f"λ = {lmbda}",
        config={"lmbda": lmbda},
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    latents = tiny_latents.export(place / "latents")[0]
    return {
        "good": codec(place / "good", 0.1),
        "latents": say(latents, paper="cvae_dcgan", name="DCGAN"),
        "patch": restorer(place / "patch", 1),
        "whole": restorer(place / "whole", 3),
        "small": codec(place / "small", 0.001),
    }


@pytest.fixture(scope="module")
def models(folders):
    return app_models.load([*folders.values()])


def test_each_has_its_place(models):
    assert {*models.restorers} == {"model 1", "model 3"}
    assert [*models.codecs] == ["λ = 0.001", "λ = 0.1"]
    assert [*models.latents] == ["DCGAN"]


def test_restorers_fill_and_say_what(models):
    image = picture(20, 30)
    model = models.restorers["model 3"]
    mask = canvas.center((20, 30), model.hole)
    restored = model.fill(image, mask)
    np.testing.assert_array_equal(restored[mask[..., 0] == 0], image[mask[..., 0] == 0])
    assert not np.array_equal(restored, image)
    assert model.limits == "It sees pictures at 16×16 pixels and fills any hole."


def test_a_hole_too_large_is_refused_as_was_said(models):
    model = models.restorers["model 1"]
    assert "fills one hole of up to half of each side." in model.limits
    mask = canvas.center((20, 30), (0, 0.8))
    with pytest.raises(UnfillableHoleError, match="up to 8x8 pixels"):
        model.fill(picture(20, 30), mask)


def test_the_parts_of_a_face_that_a_model_fills_are_said(
    models, folders, tmp_path, monkeypatch
):
    assert models.restorers["model 3"].parts == masks.REGIONS
    for parts, said in {
        ("nose",): "nose",
        ("eyes", "left_half"): "eyes and left half",
        ("eyes", "nose", "mouth"): "eyes, nose and mouth",
    }.items():
        monkeypatch.setattr(FaceRestorer, "regions", lambda self, parts=parts: parts)
        (model,) = app_models.load([folders["patch"]]).restorers.values()
        assert model.parts == parts
        assert model.limits.endswith(f" Of the parts of a face it fills: {said}.")
    # Whose faces lie nobody knows where, and which fills nothing but the center.
    shutil.copytree(folders["patch"], tmp_path / "1")
    fills = {"side": 4, "centered": True}
    say(tmp_path / "1", config={"dataset": "folder"}, fills=fills)
    (model,) = app_models.load([tmp_path / "1"]).restorers.values()
    assert model.parts == ()
    assert model.fills == "one hole: a quarter of each side, in the center"
    assert model.limits.endswith(
        "in the center. Of the parts of a face it fills: none."
    )


def test_no_seam_is_left(folders):
    """What the model has painted is fitted to what is around it."""
    image = picture(20, 30)
    model = photo.PhotoRestorer(folders["whole"])
    mask = canvas.center((20, 30), model.hole)
    served = model([image], [mask])[0]
    (restorer,) = app_models.load([folders["whole"]]).restorers.values()
    found = restorer.fill(image, mask)
    np.testing.assert_array_equal(found, seamless(served, mask, 16))
    assert not np.array_equal(found, served)


def test_codecs_take_the_largest_upload_and_no_bombs(models):
    """An upload's sides are padded; a file may claim anything."""
    for each in (*models.codecs.values(), *models.latents.values()):
        assert uploads.MAX_PIXELS < each._max_pixels < 2 * uploads.MAX_PIXELS


def test_faces_are_brought_where_the_model_has_met_them(folders, tmp_path):
    """Where it is known where that is."""
    for name in ("faces", "folder"):
        shutil.copytree(folders["whole"], tmp_path / name / "export" / "1")
        say(
            tmp_path / name / "export" / "1", config={"dataset": name, "image_size": 16}
        )
    models = app_models.load(tmp_path.glob("*/export/1"))
    assert models.restorers["model 3, folder"].fill_faces is None
    face = draw.draw(0, size=64)
    image = np.pad(face["image"], ((40, 20), (30, 50), (0, 0)), mode="edge")
    landmarks = face["landmarks"] + (30, 40)
    mask = np.zeros((*image.shape[:2], 1), np.uint8)
    mask[70:80, 55:70] = 1
    fill_faces = models.restorers["model 3, faces"].fill_faces
    restored = fill_faces(image, mask, [landmarks])
    np.testing.assert_array_equal(restored[mask[..., 0] == 0], image[mask[..., 0] == 0])
    assert not np.array_equal(restored, image)


class TestNames:
    @pytest.fixture
    def names(self, tmp_path, monkeypatch):
        """The names of models that say this of themselves."""

        def names(said, ending="export/1"):
            folders = []
            for run, (name, dataset) in said.items():
                folder = tmp_path / run / ending
                folder.mkdir(parents=True, exist_ok=True)
                facts = {"paper": "skip_inpainting", "name": name}
                folders.append(say(folder, **facts, config={"dataset": dataset}))
            return [*app_models.load(folders).restorers]

        monkeypatch.setattr(app_models, "_open_restorer", lambda folder: None)
        return names

    def test_they_are_the_models_own(self, names):
        said = {"a": ("model 2", "lfw"), "b": ("model 3", "lfw")}
        assert names(said) == ["model 2", "model 3"]

    def test_namesakes_are_told_apart(self, names):
        said = {
            "a": ("model 3", "faces"),
            "b": ("model 3", "lfw"),
            "c": ("model 3", "lfw"),
            "d": ("model 2", "lfw"),
            "e/c": ("model 2", "faces"),
        }
        assert names(said) == [
            "model 3, faces",
            "model 3, lfw (b)",
            "model 3, lfw (c)",
            "model 2, lfw",
            "model 2, faces",
        ]

    def test_those_of_the_repository_too(self, names):
        said = {"0f/mended": ("model 3", "lfw"), "1e/other": ("model 3", "lfw")}
        assert names(said, "1") == ["model 3, lfw (mended)", "model 3, lfw (other)"]

    def test_also_those_whose_runs_share_a_name(self, names, tmp_path):
        said = {"x/run": ("model 3", "lfw"), "y/run": ("model 3", "lfw")}
        expected = [str(tmp_path / run / "export" / "1") for run in said]
        assert names(said) == expected

    def test_the_same_one_twice_is_an_error(self, folders):
        with pytest.raises(ValueError, match="is given twice"):
            app_models.load([folders["whole"], folders["whole"]])


class TestCommand:
    @pytest.fixture
    def shipped(self, folders, monkeypatch):
        """Two models come with the repository."""
        shipped = {"mended": folders["whole"], "patched": folders["patch"]}
        monkeypatch.setattr(zoo, "names", lambda *papers: tuple(shipped))
        monkeypatch.setattr(zoo, "resolve", lambda name: shipped.get(name, name))

    @pytest.mark.usefixtures("shipped")
    def test_names_and_folders(self, folders):
        models = app.load(["mended", folders["latents"]])
        assert [*models.restorers] == ["model 3"] and [*models.latents] == ["DCGAN"]

    @pytest.mark.usefixtures("shipped")
    def test_without_any_all_that_the_repository_brings(self):
        assert [*app.load([]).restorers] == ["model 3", "model 1"]


class TestErrors:
    def test_no_export(self, tmp_path):
        text = f"{tmp_path} is not an exported model"
        with pytest.raises(FileNotFoundError, match=re.escape(text)):
            app_models.load([tmp_path])

    def test_of_no_system_that_is_known(self, tmp_path):
        folder = say(tmp_path, paper="another")
        with pytest.raises(ValueError, match="exported by 'another', which this page"):
            app_models.load([folder])
