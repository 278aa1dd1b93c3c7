"""Restoring files: names, masks, faces, what is skipped, and what is never touched."""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import ClassVar

import mask_table
import numpy as np
import pytest
import tiny
from absl import flags
from PIL import Image

from data_pipeline import pixels
from experiments import compress, request, restore
from experiments.core import command_line
from models import skip_inpainting
from serving import png
from serving.export import restorer as export
from serving.export.kinds import INPAINTING
from serving.export.restorer import Fillable
from serving.photo import masks
from serving.photo.blending import blend
from serving.photo.restorer import PhotoRestorer
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).parent  # no model
RED = (255, 0, 0)


class Painter:
    """Stands in for a model: paints what is missing red and counts its batches."""

    sizes: list
    hole = (0.25, 0.75)
    size = 64  # of what it sees of a face with --align

    def __init__(self, folder, engine, precision):
        Painter.sizes = []
        config = {"dataset": "faces", "crop": "none", "image_size": self.size}
        self.facts = {"config": config}

    def __call__(self, images, masks):
        Painter.sizes.append(len(images))
        assert all(mask.dtype == np.uint8 and mask.max() <= 1 for mask in masks)
        red = np.array(RED, np.uint8)
        return [np.where(mask, red, image) for image, mask in zip(images, masks)]

    def restore_crop(self, image, hole):
        Painter.sizes.append(1)
        return np.where(hole[..., None], np.float32(RED) / 255, image)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command with options; by default photos/ -> out/ and the painter."""

    def run(*, model=None, facts=None, skipped=0, **options):
        monkeypatch.setattr(restore, "PhotoRestorer", PhotoRestorer)
        if model is None:
            model = tmp_path / "model"
            (model / "assets.extra").mkdir(parents=True, exist_ok=True)
            if facts is not None:
                said = json.dumps(facts)
                (model / "assets.extra" / "config.json").write_text(said)
            monkeypatch.setattr(restore, "PhotoRestorer", Painter)
            # Red stays red.
            monkeypatch.setattr(restore, "blend", lambda image, mask, size: image)
        paths = {"input": tmp_path / "photos", "output": tmp_path / "out"}
        options = {"model": model, **paths, **options}
        for key in ("model", "input", "output", "mask", "invented"):
            if key in options:
                options[key] = str(options[key])
        if not skipped:
            restore.restore(restore.Options(**options))
            return
        many = f"{skipped} pictures" if skipped > 1 else "1 picture"
        with pytest.raises(ValueError, match=f"^{many} could not be restored; see"):
            restore.restore(restore.Options(**options))

    return run


def blue(height=20, width=30):
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 2] = np.arange(width) * 5
    image[..., 1] = np.arange(height)[:, None] * 5
    return image


def write(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blue() if image is None else image).save(path, **options)
    return path


def sideways():
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: to be turned by 90 degrees clockwise
    return exif


@pytest.fixture
def photo(tmp_path):
    """The one picture in photos/; its result is `result`."""
    return write(tmp_path / "photos" / "a.png")


@pytest.fixture
def result(tmp_path):
    return tmp_path / "out" / "a.png"


def red(path):
    """Where a result is red, bool [H, W]."""
    return (pixels.read(path) == RED).all(axis=-1)


def inside(top, bottom, left, right, size=(20, 30)):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def contents(folder):
    """{relative path: bytes} of what is not hidden, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    return {n: (folder / n).read_bytes() for n in names if "/." not in f"/{n}"}


def files(folder):
    return [*contents(folder)]


def test_batches_do_not_mix_pictures(run, tmp_path):
    for index in range(5):
        image = np.full((20 + index, 30, 3), 40 * index, np.uint8)
        write(tmp_path / "photos" / f"{index}.png", image)
    run(batch_size=2)
    assert Painter.sizes == [2, 2, 1]
    for index in range(5):
        restored = pixels.read(tmp_path / "out" / f"{index}.png")
        assert restored.shape == (20 + index, 30, 3)
        assert (restored[0, 0] == 40 * index).all()


def test_results_may_lie_within_the_inputs(run, photo):
    for _ in range(2):
        run(output=photo.parent / "restored")
        assert files(photo.parent) == ["a.png", "restored/a.png"]


@pytest.mark.parametrize(
    "options, text",
    [
        ({"mask": "centre"}, "--mask must be one of center, .* mean: center"),
        *(
            ({"mask": f"rect:{typed}"}, "--mask=rect:x,y,w,h takes four whole")
            for typed in ("1,2,3", "1,2,3,x", "1,2,0,4")
        ),
        ({"mask": "eyes"}, "--mask=eyes needs --align"),
        ({"face": "all"}, "--face=all needs --align"),
        ({"landmarks": (40.0,) * 10}, "--landmarks=40,40,.* needs --align"),
        ({"landmarks": (1.0, 2.0)}, "--landmarks takes ten numbers.* got 2"),
        ({"align": True, "face": "larges"}, "Did you mean: largest"),
        ({"model": ROOT}, r"holds no saved_model\.pb"),
    ],
)
def test_mistakes(run, photo, options, text):
    with pytest.raises((ValueError, FileNotFoundError), match=text):
        run(**options)


def test_a_hole_too_large_is_named_with_its_size(run, patch_model, tmp_path, capsys):
    photos, holes = tmp_path / "photos", tmp_path / "masks"
    for name, (height, width) in {"a": (4, 6), "b": (19, 12), "c": (8, 8)}.items():
        write(photos / f"{name}.png")
        mask = inside(1, 1 + height, 5, 5 + width).astype(np.uint8) * 255
        write(holes / f"{name}.png", mask)
    run(model=patch_model, align=False, mask=holes, skipped=1)
    assert files(tmp_path / "out") == ["a.png", "c.png"]
    text = (
        f"skipped {photos / 'b.png'}: its hole spans 12x19 of 30x20 pixels. This "
        r"model fills .* of up to 8x8 pixels in a picture of 16x16\."
    )
    err = capsys.readouterr().err
    assert re.search(text, err) and err.count("skipped") == 1


def test_batches_are_bounded_by_pixels(run, tmp_path, monkeypatch):
    monkeypatch.setattr(restore, "_BATCH_PIXELS", 1300)
    for index, width in enumerate((30, 30, 30, 90, 30)):
        write(tmp_path / "photos" / f"{index}.png", blue(20, width))
    run()
    assert Painter.sizes == [2, 1, 1, 1]


def test_files_without_a_suffix_are_read_and_others_are_named(run, tmp_path, capsys):
    photos = tmp_path / "photos"
    write(photos / "scan", format="JPEG"), write(photos / "b.jfif", format="JPEG")
    write(photos / "c.jp2")
    for name in ("README", "a.psd", "list.txt", ".hidden"):
        (photos / name).write_text("no picture")
    (photos / "d.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    run(skipped=1)
    assert files(tmp_path / "out") == ["b.png", "c.png", "scan.png"]
    err = capsys.readouterr().err
    assert "3 files are no pictures and left out: README, a.psd, list.txt" in err
    assert "d.heic: HEIC is read with pillow-heif: pip install pillow-heif" in err


def test_what_was_invented_is_written_beside(run, tmp_path):
    photos, invented = tmp_path / "photos", tmp_path / "invented"
    write(photos / "a.jpg"), write(photos / "one" / "b.png")
    mask = write(tmp_path / "mask.png", inside(3, 9, 10, 25) * np.uint8(255))
    run(mask=mask, invented=invented)
    assert files(invented) == files(tmp_path / "out") == ["a.png", "one/b.png"]
    for name in files(invented):
        with Image.open(invented / name) as file:
            assert file.mode == "L" and "invented" in file.text["Description"]
            np.testing.assert_array_equal(
                np.asarray(file) == 255, red(tmp_path / "out" / name)
            )
    for folder in (photos, tmp_path / "out"):
        with pytest.raises(ValueError, match="--invented=.* must be another folder"):
            run(mask=mask, invented=folder)


@pytest.mark.parametrize(
    "flags, text",
    [
        (("one/a.png", "masks/a.png", "masks", "one"), "--output=.* replace .*masks/a"),
        (("one/a.png", "masks/a.png", "new", "one"), "--invented=.* replace .*one/a"),
        (("one", "masks", "masks/in", ""), "--output=.* replace .*masks/in/a"),
        (("one", "masks", "new", "masks/in"), "--invented=.* replace .*masks/in/a"),
        # What is made up in a.png, and the result of in/a.png.
        (("one", "masks", "new", "new/in"), "--invented=.* replace .*new/in/a"),
    ],
)
def test_pictures_and_masks_and_results_do_not_replace_each_other(
    run, tmp_path, flags, text
):
    place, white = tmp_path / "w", inside(3, 9, 10, 25) * np.uint8(255)
    for name in ("a.png", "in/a.png"):
        write(place / "one" / name), write(place / "masks" / name, white)
    before = contents(place)
    names = ("input", "mask", "output", "invented")
    paths = {key: place / flag if flag else "" for key, flag in zip(names, flags)}
    with pytest.raises(ValueError, match=f"{text}.png, which is a pic.*another folder"):
        run(**paths, overwrite=True)
    assert contents(place) == before


def test_masks_among_the_pictures_are_no_pictures(run, tmp_path):
    photos, white = tmp_path / "photos", inside(3, 9, 10, 25) * np.uint8(255)
    for name in ("a.png", "one/b.png"):
        write(photos / name), write(photos / "masks" / name, white)
    options = {"mask": photos / "masks", "invented": photos / "one" / "invented"}
    for _ in range(2):
        run(overwrite=True, **options)
        assert files(tmp_path / "out") == ["a.png", "one/b.png"]
    mask = write(photos / "masks" / "all.png", white)
    run(input=mask.parent, mask=mask, output=tmp_path / "other")
    assert files(tmp_path / "other") == ["a.png", "one/b.png"]


def test_what_is_hidden_is_no_picture(run, photo, tmp_path, capsys):
    """Companions of macOS, what a killed command left, and thumbnails."""
    (photo.parent / "._a.png").write_bytes(b"\0\5\x16\7")
    write(photo.parent / ".part-12", format="PNG")
    write(photo.parent / ".thumbnails" / "a.png")
    run()
    assert files(tmp_path / "out") == ["a.png"]
    assert "left out" not in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
def test_what_may_have_no_end_is_skipped(run, photo, tmp_path, capsys):
    for name in ("pipe", "pipe.png"):
        os.mkfifo(photo.parent / name)
    for name in ("zero", "zero.png"):
        (photo.parent / name).symlink_to("/dev/zero")
    with (photo.parent / "long.png").open("wb") as file:
        file.truncate(10**12)  # which takes no space
    run(skipped=3)
    assert files(tmp_path / "out") == ["a.png"]
    err = capsys.readouterr().err
    assert "2 files are no pictures and left out: pipe, zero" in err
    for name, why in (("pipe", "a device"), ("zero", "a device"), ("long", "1,000,0")):
        assert f"{name}.png: {why}" in err


def test_a_picture_of_any_width_is_restored(run, tmp_path):
    """OpenCV warps 32,766 pixels in a row."""
    wide = np.full((8, 40_000, 3), (200, 30, 90), np.uint8)
    write(tmp_path / "photos" / "a.png", wide), write(tmp_path / "photos" / "b.png")
    run(model=exported(tmp_path, 3), mask="rect:5,3,39000,2")
    assert files(tmp_path / "out") == ["a.png", "b.png"]
    found = pixels.read(tmp_path / "out" / "a.png")
    known = ~inside(3, 5, 5, 39_005, size=wide.shape[:2])
    np.testing.assert_array_equal(found[known], wide[known])
    assert (found != wide).any()


def test_a_result_of_other_settings_is_never_taken_for_another(
    run, photo, result, tmp_path, monkeypatch, capsys
):
    mask, model = tmp_path / "mask.png", tmp_path / "model"
    write(mask, inside(3, 9, 10, 25) * np.uint8(255))
    (model / "variables").mkdir(parents=True)
    monkeypatch.setattr(restore.zoo.known, "tell", lambda folder: None)
    options = {"model": str(model), "mask": mask, "format": "jpeg"}
    options |= {"invented": tmp_path / "invented"}

    def again(**other):
        monkeypatch.setattr(restore, "PhotoRestorer", Painter)
        typed = {"input": str(photo.parent), "output": str(tmp_path / "out")}
        typed |= {k: str(v) for k, v in options.items()} | other
        restore.restore(restore.Options(**typed))

    def model_trained_on():
        (model / "variables" / "variables.data").write_bytes(b"other")

    def mask_painted_anew():
        write(mask, inside(3, 9, 10, 20) * np.uint8(255))

    again()
    made = contents(tmp_path / "out"), contents(tmp_path / "invented")
    again(batch_size=1, input=str(photo))
    assert "1 result is already there" in capsys.readouterr().out
    # What was deleted is made again, the one or the other.
    for folder in ("out", "invented"):
        for name in files(tmp_path / folder):
            (tmp_path / folder / name).unlink()
        again()
    for other, change, text in (
        ({"mask": "center"}, None, "another --mask"),
        ({"mask": "rect:1,2,3,4", "quality": 50}, None, "another --quality and --mask"),
        ({"seed": 1}, None, "another --seed"),
        ({"keep_location": True}, None, "another --keep_location"),
        ({}, model_trained_on, "another --model"),
        ({}, mask_painted_anew, "another --model and --mask"),
    ):
        if change:
            change()
        with pytest.raises(ValueError, match=rf"1 result that .*: a.jpg \({text}\)"):
            again(**other)
        assert made == (contents(tmp_path / "out"), contents(tmp_path / "invented"))
    again(overwrite=True)
    again()
    assert made != (contents(tmp_path / "out"), contents(tmp_path / "invented"))
    for flag in ("output", "invented"):
        with pytest.raises(ValueError, match=f"--{flag}=.* would replace the masks"):
            again(mask=str(tmp_path), **{flag: str(tmp_path)})


@pytest.mark.skipif(sys.platform != "linux", reason="names may be any bytes")
def test_a_name_of_any_bytes_ends_no_command(patch_model, tmp_path):
    """On a terminal without Unicode; and --output=~/out is below the home."""
    photos = tmp_path / "photos"
    plain = write(tmp_path / "plain.png").read_bytes()
    names = [b"\xff.png", b"a\nb.png", b"-c.png", "\u65e5.png".encode(), b"x" * 255]
    names += ["cafe\u0301.png".encode(), "\U0001f600.png".encode()]
    photos.mkdir()
    for name in names:
        (photos / os.fsdecode(name)).write_bytes(plain)
    (photos / os.fsdecode(b"\xfe\n.png")).write_bytes(b"no picture")
    environment = {"HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    mask = write(tmp_path / "mask.png", inside(1, 5, 5, 9) * np.uint8(255))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.restore", f"--model={patch_model}"),
            *(f"--input={photos}", "--output=~/out", f"--mask={mask}", "--noalign"),
        ],
        env={**os.environ, **environment},
        cwd=pathlib.Path(restore.__file__).parents[1],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1  # for the one that is no picture, and the long name
    assert rb"skipped " in done.stderr and rb"\xfe\n.png: not a rea" in done.stderr
    assert b"its result cannot be written (File name too long)" in done.stderr
    assert rb"a\nb.png: white on black: 2.7% missing" in done.stdout
    written = set(os.listdir(os.fsencode(tmp_path / "out")))
    assert written - {b".facemend.jsonl"} == set(names) - {b"x" * 255}


class TestMasks:
    missing = inside(3, 9, 10, 25)

    def write_mask(self, path, missing=missing):
        return write(path, missing.astype(np.uint8) * 255)

    @pytest.mark.parametrize(
        "options, expected",
        [
            ({}, inside(5, 15, 8, 22)),
            ({"mask": "rect:10,3,15,6"}, missing),
            # The part outside the picture is left out.
            ({"mask": "rect:-5,15,10,100"}, inside(15, 20, 0, 5)),
            # It counts in the upright picture.
            ({"mask": "rect:0,20,20,10"}, inside(20, 30, 0, 20, size=(30, 20))),
        ],
    )
    def test_center_and_rectangles(self, run, photo, result, options, expected):
        if expected.shape == (30, 20):
            write(photo, exif=sideways())
        run(**options)
        np.testing.assert_array_equal(red(result), expected)

    def test_a_rectangle_outside_the_picture_is_skipped(
        self, run, photo, tmp_path, capsys
    ):
        write(photo.with_name("b.png"), blue(60, 60))
        run(mask="rect:40,40,5,5", skipped=1)
        assert files(tmp_path / "out") == ["b.png"]
        assert "a.png: --mask=rect:40,40,5,5 lies outside" in capsys.readouterr().err

    def test_random_holes_depend_on_name_and_seed_alone(self, run, tmp_path):
        for index in range(4):
            write(tmp_path / "photos" / f"{index}.png")

        def places(seed):
            run(mask="random", seed=seed, overwrite=True)
            holes = [red(path) for path in sorted((tmp_path / "out").glob("[!.]*"))]
            for hole in holes:
                assert masks.span(hole) == (14, 10) and hole.sum() == 140
            return [tuple(np.argwhere(hole)[0]) for hole in holes]

        first = places(0)
        assert places(0) == first
        assert len(set(first)) > 1
        assert places(1) != first
        (tmp_path / "photos" / "0.png").unlink()
        (tmp_path / "out" / "0.png").unlink()
        assert places(0) == first[1:]

    def test_a_file_is_the_mask_of_every_picture(self, run, photo, result, tmp_path):
        mask = self.write_mask(tmp_path / "mask.png")
        inverse = self.write_mask(tmp_path / "inverse.png", ~self.missing)
        large = self.missing.repeat(3, axis=0).repeat(3, axis=1)
        large = self.write_mask(tmp_path / "large.png", large)
        for options in (
            {"mask": mask},
            {"mask": inverse, "missing_is_black": True},
            {"mask": large},
        ):
            run(overwrite=True, **options)
            np.testing.assert_array_equal(red(result), self.missing)

    def test_every_kind_of_mask_is_taken_and_said(self, run, tmp_path, result, capsys):
        photo = write(tmp_path / "photos" / "a.png", blue(*mask_table.SIZE))
        for name, (data, taken_for) in mask_table.MASKS.items():
            (tmp_path / "mask").write_bytes(data)
            run(mask=tmp_path / "mask", overwrite=True)
            np.testing.assert_array_equal(red(result), mask_table.MISSING, name)
            told = rf"{photo}: {taken_for}: 16\.0% missing\n"
            assert re.search(told, capsys.readouterr().out), name

    def test_a_mask_of_no_use_is_an_error(self, run, tmp_path, capsys):
        write(tmp_path / "photos" / "a.png", blue(*mask_table.SIZE))
        for name, (data, why) in mask_table.REFUSED.items():
            (tmp_path / "mask").write_bytes(data)
            run(mask=tmp_path / "mask", skipped=1)
            err = capsys.readouterr().err
            assert re.search(f"skipped .*mask: .*{why}", err), name
        run(mask="rect:0,0,999,999", skipped=1)
        assert "everything is missing" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()

    def test_a_mask_of_the_stored_picture_is_turned_with_it(
        self, run, tmp_path, result, capsys
    ):
        write(tmp_path / "photos" / "a.png", exif=sideways())
        run(mask=self.write_mask(tmp_path / "mask.png"))
        np.testing.assert_array_equal(red(result), np.rot90(self.missing, -1))
        assert "white on black, turned with the picture" in capsys.readouterr().out

    def test_what_is_transparent_may_be_what_is_missing(
        self, run, tmp_path, result, capsys
    ):
        alpha = np.where(self.missing, 0, 255).astype(np.uint8)
        image = np.concatenate([blue(), alpha[..., None]], axis=-1)
        write(tmp_path / "photos" / "a.png", image)
        run(mask="alpha")
        np.testing.assert_array_equal(red(result), self.missing)
        with Image.open(result) as file:
            assert np.asarray(file.convert("RGBA"))[..., 3].min() == 255
        assert "its transparent part: 15.0% missing" in capsys.readouterr().out
        # JPEG has no transparency, which matters if some is left.
        for soft, said in ((0, False), (1, True)):
            alpha[0, 0] = 255 - soft
            image = np.concatenate([blue(), alpha[..., None]], axis=-1)
            write(tmp_path / "photos" / "a.png", image)
            run(mask="alpha", format="jpeg", overwrite=True)
            told = "a.png: what is transparent in it becomes white, because JPEG has"
            assert (told in capsys.readouterr().err) == said
        write(tmp_path / "photos" / "a.png")
        run(mask="alpha", overwrite=True, skipped=1)
        assert "nothing in it is transparent" in capsys.readouterr().err

    def test_accents_may_be_written_in_two_ways(self, run, tmp_path):
        write(tmp_path / "photos" / "cafe\u0301.png")
        self.write_mask(tmp_path / "masks" / "caf\u00e9.PNG")
        run(mask=tmp_path / "masks")
        assert red(tmp_path / "out" / "cafe\u0301.png").any()

    @pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg"])
    def test_a_folder_has_one_of_each_name(self, run, tmp_path, result, capsys, name):
        write(tmp_path / "photos" / "a.jpg"), write(tmp_path / "photos" / "b.jpg")
        self.write_mask(tmp_path / "masks" / "z.png", ~self.missing)
        self.write_mask(tmp_path / "masks" / name)
        run(mask=tmp_path / "masks", skipped=1)
        np.testing.assert_array_equal(red(result), self.missing)
        assert "has no mask called b" in capsys.readouterr().err

    def test_a_folder_may_have_the_pictures_own_folders(self, run, tmp_path):
        for folder, missing in (("one", self.missing), ("two", ~self.missing)):
            write(tmp_path / "photos" / folder / "a.png")
            self.write_mask(tmp_path / "masks" / folder / "a.png", missing)
        run(mask=tmp_path / "masks")
        one, two = (red(tmp_path / "out" / f / "a.png") for f in ("one", "two"))
        np.testing.assert_array_equal(one, self.missing)
        np.testing.assert_array_equal(two, ~self.missing)


@tiny.signatures_alone()
def exported(folder, model, fillable=export.ANY_HOLE, extras=None):
    """A network for pictures of 16x16 pixels."""
    generator = skip_inpainting.build_generator(model, image_size=16, widths=(8, 8))
    network = skip_inpainting.build_inpainter(generator)
    restorer = export.build_restorer(network, fill=1.0, fillable=fillable)
    return export.save(restorer, folder / "export" / "1", extras=extras)


@pytest.fixture(scope="module")
def patch_model(tmp_path_factory):
    """Fills holes of up to 8x8 pixels; trained on drawn faces."""
    config = {"dataset": "faces", "crop": "none", "image_size": 32}
    said = json.dumps({"config": config, "fills": {"side": 8}})
    folder = tmp_path_factory.mktemp("run")
    return exported(folder, 1, Fillable(8), extras={"config.json": said})


def test_known_pixels_are_those_of_the_upright_picture(run, tmp_path):
    model, photos = exported(tmp_path, 3), tmp_path / "photos"
    paths = [
        write(photos / "upright.jpg", quality=90),
        write(photos / "turned.jpg", quality=90, exif=sideways()),
        write(photos / "large.png", blue(50, 45)),
        write(photos / "gray.png", blue()[..., 2]),
    ]
    run(model=model, mask="center")
    restorer = PhotoRestorer(model)
    for path in paths:
        seen = pixels.read(path)
        result = tmp_path / "out" / f"{path.stem}.png"
        restored = pixels.read(result)
        mask = masks.center(seen.shape[:2], restorer.hole)
        known = mask[..., 0] == 0
        assert restored.shape == seen.shape
        np.testing.assert_array_equal(restored[known], seen[known])
        gray = (restored == restored[..., :1]).all()
        assert gray == (path.stem == "gray")
        # No seam shows, and the file says that it is restored.
        (unblended,) = restorer([seen], [mask])
        assert not np.array_equal(unblended, restored)
        expected = blend(unblended, mask, restorer.size)
        np.testing.assert_array_equal(restored, expected)
        with Image.open(result) as file:
            assert file.text["Description"] == png.RESTORED
    assert pixels.read(photos / "turned.jpg").shape == (30, 20, 3)


# Five points of a face in a picture of 300x180 pixels.
FACE = np.array([(40, 60), (80, 60), (60, 85), (45, 105), (75, 105)], float)
SCENE = (180, 300)


class TestAlign:
    """With a finder that finds the faces that the test says."""

    @pytest.fixture
    def found(self, monkeypatch):
        def found(*faces):
            monkeypatch.setattr(
                restore, "FaceFinder", lambda: lambda image: list(faces)
            )

        found(FACE)
        return found

    @pytest.fixture
    def photo(self, tmp_path):
        gray = np.full((*SCENE, 3), 90, np.uint8)
        return write(tmp_path / "photos" / "a.png", gray)

    @pytest.fixture
    def changed(self, photo, result, found):
        def changed(within=True):
            changed = (pixels.read(result) != pixels.read(photo)).any(axis=-1)
            assert not (changed & ~np.array(within)).any()
            return changed

        return changed

    @pytest.mark.parametrize("name", masks.REGIONS)
    def test_a_part_of_a_face_is_restored(self, run, changed, name):
        run(align=True, mask=name)
        part = masks.region(name, FACE, *SCENE)
        assert changed(within=part)[part].mean() > 0.9

    def test_a_folder_may_be_called_as_the_part_that_is_restored(
        self, run, photo, found, tmp_path, monkeypatch, capsys
    ):
        monkeypatch.chdir(tmp_path)
        for _ in range(3):
            run(align=True, mask="mouth", output="mouth")
        assert capsys.readouterr().out.count("1 result is already there") == 2

    @pytest.mark.parametrize("mask", ["center", "random"])
    def test_drawn_holes_are_those_of_the_aligned_face(self, run, changed, found, mask):
        found(FACE + np.array((90, 0)))
        run(align=True, mask=mask)
        width, height = masks.span(changed())
        # Half of a square in which the eyes are 0.22 of its side apart.
        assert height == pytest.approx(0.5 * 40 / 0.22, rel=0.15)
        assert width == pytest.approx(height, abs=2)
        assert mask == "random" or changed()[85, 150]

    @pytest.mark.parametrize("face, restored", [("largest", 1), ("all", 2)])
    def test_the_largest_face_or_all_of_them(
        self, run, changed, found, capsys, face, restored
    ):
        small = FACE * 0.8 + (180, 20)
        found(FACE, small)
        run(align=True, mask="mouth", face=face)
        parts = [masks.region("mouth", f, *SCENE) for f in (FACE, small)]
        assert [changed()[part].any() for part in parts] == [True, face == "all"]
        assert Painter.sizes == [1] * restored
        assert "a.png: 2 faces" in capsys.readouterr().out

    def test_landmarks_take_the_place_of_a_finder(self, run, changed, monkeypatch):
        monkeypatch.setattr(restore, "FaceFinder", None)
        run(align=True, landmarks=tuple(FACE.ravel()), mask="rect:50,90,20,20")
        expected = inside(90, 110, 50, 70, size=SCENE)
        assert changed(within=expected)[expected].mean() > 0.9

    def test_a_picture_without_a_face_is_named_and_the_next_restored(
        self, run, photo, tmp_path, capsys, monkeypatch
    ):
        write(photo.with_name("b.png"), np.zeros((*SCENE, 3), np.uint8))

        def find(image):
            return [] if image[0, 0, 0] == 90 else [FACE]

        monkeypatch.setattr(restore, "FaceFinder", lambda: find)
        run(align=True, mask="mouth", skipped=1)
        assert files(tmp_path / "out") == ["b.png"]
        out, err = capsys.readouterr()
        assert f"{photo}: 0 faces" in out
        assert f"skipped {photo}: no face found; what is missing may hide it." in err
        assert "--landmarks, or pass --noalign if the picture is one face" in err

    def test_a_hole_off_the_face_is_named(self, run, found, photo, capsys):
        run(align=True, mask="rect:280,160,10,10", skipped=1)
        text = (
            "its hole cannot be filled: 100 of its 100 pixels are not near a face that "
            "is restored. --face=all restores every face."
        )
        assert f"skipped {photo}: {text}" in capsys.readouterr().err
        found(FACE - (0, 140))
        run(align=True, mask="mouth", skipped=1)
        text = "--mask=mouth lies outside the picture"
        assert f"skipped {photo}: {text}" in capsys.readouterr().err

    def test_without_mediapipe_the_error_says_what_to_install(
        self, run, photo, monkeypatch
    ):
        """And is told before the model is loaded."""
        monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
        monkeypatch.setattr(Painter, "__init__", None)
        text = r"^--align: .* MediaPipe .*: make extras, or pip install '\.\[face\]'"
        with pytest.raises(ValueError, match=text):
            run(align=True, mask="mouth")

    def test_an_exported_model_restores_a_face_and_says_which_holes_it_fills(
        self, run, patch_model, changed, photo, capsys
    ):
        run(model=patch_model, align=True, mask="rect:55,80,20,20")
        assert changed(within=inside(80, 100, 55, 75, size=SCENE)).any()
        options = {"mask": "rect:5,10,110,150", "overwrite": True}
        run(model=patch_model, align=True, skipped=1, **options)
        text = (
            f"skipped {photo}: its hole cannot be filled: In the aligned face of "
            r"16x16 pixels it spans \d+x\d+. This model fills one hole of up to 8x8 .*"
            "Of a face --mask=center, .*--mask=nose.* fit this model; others need one "
            "that fills any hole."
        )
        assert re.search(text, capsys.readouterr().err)

    def test_a_model_without_a_framing_is_an_error(self, run, photo, monkeypatch):
        def init(self, *_):
            self.facts = {}

        monkeypatch.setattr(Painter, "__init__", init)
        with pytest.raises(ValueError, match="the model does not say what it was"):
            run(align=True)


class TestWithoutAlign:
    """A network of aligned faces paints one over any other picture."""

    faces: ClassVar = {
        "image_size": 24,
        "config": {"dataset": "faces", "image_size": 24},
    }
    said = "Each picture is taken as one face that is framed as in the training of "

    def test_other_pictures_are_refused_before_the_model_is_loaded(
        self, run, photo, tmp_path, monkeypatch
    ):
        write(photo.with_name("0.png"), blue(24, 24))
        photo.with_name("1.png").write_bytes(b"no picture")
        monkeypatch.setattr(Painter, "__init__", None)
        text = "^.*a.png has 30x20 pixels.* in 24x24 pixels, .*--align, .*--noalign, if"
        with pytest.raises(ValueError, match=text):
            run(facts=self.faces)
        assert not (tmp_path / "out").exists()

    def test_those_of_the_models_size_are_restored_and_it_is_said(
        self, run, photo, result, capsys
    ):
        write(photo, blue(24, 24)), write(photo.with_name("b.png"), blue(24, 24))
        run(facts=self.faces)
        assert red(result).any()
        assert capsys.readouterr().err.count(self.said) == 1
        # Whether it is asked for or the default, the result is the same.
        run(facts=self.faces, align=False)
        assert "2 results are already there" in capsys.readouterr().out

    def test_noalign_takes_any_picture_and_says_so(self, run, photo, result, capsys):
        run(facts=self.faces, align=False)
        assert red(result).any() and self.said in capsys.readouterr().err

    def test_a_model_of_no_known_framing_takes_any_picture(
        self, run, photo, result, capsys
    ):
        run(facts={"image_size": 24, "config": {"dataset": "buildings"}})
        assert red(result).any() and self.said not in capsys.readouterr().err

    def test_the_flag_says_both(self):
        own = flags.FlagValues()
        command_line.define_flags(restore.Options, flag_values=own)
        typed = ["facemend", "--input=a", "--output=b"]
        for word, align in ((), None), (("--align",), True), (("--noalign",), False):
            own.unparse_flags()
            own["align"].unparse()
            own([*typed, *word])
            options = command_line.from_flags(restore.Options, flag_values=own)
            assert options.align is align
            assert options.model in zoo.names(INPAINTING)


@pytest.mark.parametrize("command", [restore, compress, request])
def test_the_help_of_each_flag_begins_as_a_sentence(command):
    for field in dataclasses.fields(command.Options):
        assert not re.match(r"Of |In which|Program ", field.metadata["help"]), field


def test_shards_divide_the_pictures_and_what_joins_them_counts(run, tmp_path, capsys):
    for name in "abcde":
        write(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    run(skipped=1)
    alone = contents(tmp_path / "out")
    parts = tmp_path / "parts"
    for shard, written in (("1/2", "ad"), ("2/2", "bce")):
        before = set(contents(parts)) if parts.exists() else set()
        run(output=parts, shard=shard)
        assert set(contents(parts)) - before == {f"{name}.png" for name in written}
    capsys.readouterr()
    run(output=parts, shard="merge/2", skipped=1)
    assert f"5 pictures restored, 1 skipped: {parts}" in capsys.readouterr().out
    assert contents(parts) == alone
    with pytest.raises(ValueError, match=r"a.png \(another --keep_location\)"):
        run(output=parts, shard="merge/2", keep_location=True)
