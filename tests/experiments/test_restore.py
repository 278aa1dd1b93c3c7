"""Restoring files: names, masks, what is skipped, and what is never touched."""

import json
import re
import sys

import numpy as np
import pytest
from PIL import Image

from data_pipeline import pixels
from experiments import restore
from experiments.core import file_jobs
from models import skip_inpainting
from serving import png
from serving.export import restorer as export
from serving.export.restorer import Fillable
from serving.photo import masks as restore_masks
from serving.photo import restorer as photo
from serving.photo.blending import seamless

RED = (255, 0, 0)


class Painter:
    """Stands in for a model: paints what is missing red and counts its batches."""

    sizes: list
    hole = (0.25, 0.75)
    size = 64  # of what it sees of a face with --align

    def __init__(self, folder):
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

    def run(*, model=None, **options):
        painted = model is None
        model = "." if painted else model
        restorer = Painter if painted else photo.PhotoRestorer
        monkeypatch.setattr(restore, "PhotoRestorer", restorer)
        if painted:  # red stays red
            monkeypatch.setattr(restore, "seamless", lambda image, mask, size: image)
        paths = {"input": tmp_path / "photos", "output": tmp_path / "out"}
        for key in ("input", "output", "mask"):
            if key in options:
                paths[key] = options.pop(key)
        paths = {key: str(path) for key, path in paths.items()}
        restore.restore(restore.Options(model=str(model), **paths, **options))

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


def red(path):
    """Where a result is red, bool [H, W]."""
    return (pixels.read(path) == RED).all(axis=-1)


def files(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    )


def snapshot(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


class TestNames:
    def test_they_are_kept_in_nested_folders(self, run, tmp_path, capsys):
        photos = tmp_path / "photos"
        for name in ("b.png", "a.jpg", "one/two/c.WEBP", "one/d.e.bmp"):
            write(photos / name)
        (photos / "notes.txt").write_text("no picture")
        before = snapshot(photos)
        run()
        expected = ["a.png", "b.png", "one/d.e.png", "one/two/c.png"]
        assert files(tmp_path / "out") == expected
        assert snapshot(photos) == before
        assert "4 pictures restored: " in capsys.readouterr().out

    def test_pictures_of_one_name_keep_their_suffix(self, run, tmp_path):
        photos = tmp_path / "photos"
        shades = {"a.jpg": 10, "a.png": 90, "b.png": 170, "in/a.png": 250}
        for name, shade in shades.items():
            write(photos / name, np.full((20, 20, 3), shade, np.uint8))
        run()
        found = {
            name: int(pixels.read(tmp_path / "out" / name)[0, 0, 0])
            for name in files(tmp_path / "out")
        }
        assert found == pytest.approx(
            {"a.jpg.png": 10, "a.png.png": 90, "b.png": 170, "in/a.png": 250}, abs=1
        )

    @pytest.mark.parametrize(
        "names",
        [
            ("a.jpg", "a.png", "a.jpg.png"),
            ("a.jpg", "a.png", "a.jpg.png", "a.jpg.webp"),
            ("a.jpg", "a.jpg.png", "a.jpg.png.png"),
            ("a.JPG", "a.jpg", "a.jpeg"),
        ],
    )
    def test_no_two_results_share_a_name(self, tmp_path, names):
        for name in names:
            write(tmp_path / "photos" / name)
        jobs = file_jobs.find(
            tmp_path / "photos",
            tmp_path / "out",
            kind="picture",
            suffixes=pixels.IMAGE_SUFFIXES,
            result=".png",
        )
        assert len({target for _, target in jobs}) == len(jobs) == len(names)

    def test_one_picture_is_enough(self, run, tmp_path):
        run(input=write(tmp_path / "face.jpg"))
        assert files(tmp_path / "out") == ["face.png"]

    def test_batches_do_not_mix_pictures(self, run, tmp_path):
        for index in range(5):
            image = np.full((20 + index, 30, 3), 40 * index, np.uint8)
            write(tmp_path / "photos" / f"{index}.png", image)
        run(batch_size=2)
        assert Painter.sizes == [2, 2, 1]
        for index in range(5):
            restored = pixels.read(tmp_path / "out" / f"{index}.png")
            assert restored.shape == (20 + index, 30, 3)
            assert (restored[0, 0] == 40 * index).all()

    @pytest.mark.parametrize("contents", [[], ["notes.txt"]])
    def test_no_picture_is_an_error(self, run, tmp_path, contents):
        (tmp_path / "photos").mkdir()
        for name in contents:
            (tmp_path / "photos" / name).touch()
        with pytest.raises(FileNotFoundError, match="--input=.* is neither a picture"):
            run()

    @pytest.mark.parametrize("missing", ["model", "input", "output"])
    def test_required_flags_are_named(self, run, missing):
        with pytest.raises(ValueError, match=f"--{missing} is required"):
            run(**{missing: ""})


class TestNothingIsLost:
    def test_an_input_is_never_replaced(self, run, tmp_path):
        photos = tmp_path / "photos"
        write(photos / "a.png"), write(photos / "b.jpg")
        before = snapshot(photos)
        for overwrite in (False, True):
            with pytest.raises(ValueError, match="would replace the input .*a.png"):
                run(output=photos, overwrite=overwrite)
        assert snapshot(photos) == before

    def test_nor_through_a_link(self, run, tmp_path):
        photos = tmp_path / "photos"
        write(photos / "a.png")
        (tmp_path / "link").symlink_to(photos)
        with pytest.raises(ValueError, match="would replace the input"):
            run(output=tmp_path / "link", overwrite=True)

    def test_a_result_is_left_alone_unless_told_otherwise(self, run, tmp_path, capsys):
        write(tmp_path / "photos" / "a.png"), write(tmp_path / "photos" / "b.png")
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "a.png").write_bytes(b"mine")
        run()
        assert (tmp_path / "out" / "a.png").read_bytes() == b"mine"
        assert red(tmp_path / "out" / "b.png").any()
        assert "1 result already there, left alone" in capsys.readouterr().err
        run(overwrite=True)
        assert red(tmp_path / "out" / "a.png").any()

    def test_results_may_lie_within_the_inputs(self, run, tmp_path):
        photos = tmp_path / "photos"
        write(photos / "a.png")
        for _ in range(2):
            run(output=photos / "restored")
            assert files(photos) == ["a.png", "restored/a.png"]

    def test_a_second_run_does_nothing(self, run, tmp_path, capsys):
        write(tmp_path / "photos" / "a.png")
        run()
        before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
        run()
        assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before
        assert Painter.sizes == []


class TestSkipped:
    def test_the_others_are_restored_before_it_is_an_error(self, run, tmp_path, capsys):
        photos = tmp_path / "photos"
        write(photos / "a.png"), write(photos / "c.png")
        (photos / "b.png").write_bytes(b"no picture")
        with pytest.raises(ValueError, match="^1 picture could not be restored; see"):
            run()
        assert files(tmp_path / "out") == ["a.png", "c.png"]
        out, err = capsys.readouterr()
        assert f"skipped {photos / 'b.png'}: " in err
        assert "2 pictures restored, 1 skipped: " in out

    def test_none_readable_leaves_nothing(self, run, tmp_path):
        (tmp_path / "photos").mkdir()
        for name in ("a.png", "b.png"):
            (tmp_path / "photos" / name).write_bytes(b"no picture")
        with pytest.raises(ValueError, match="^2 pictures could not be restored"):
            run()
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("batch_size", [1, 8])
    def test_a_hole_too_large_is_named_with_its_size(
        self, run, patch_model, tmp_path, capsys, batch_size
    ):
        photos, masks = tmp_path / "photos", tmp_path / "masks"
        holes = {"a": (4, 6), "b": (19, 12), "c": (8, 8)}  # heights and widths
        for name, (height, width) in holes.items():
            write(photos / f"{name}.png")
            mask = np.zeros((20, 30), np.uint8)
            mask[1 : 1 + height, 5 : 5 + width] = 255
            write(masks / f"{name}.png", mask)
        with pytest.raises(ValueError, match="^1 picture could not be restored"):
            run(model=patch_model, mask=masks, batch_size=batch_size)
        assert files(tmp_path / "out") == ["a.png", "c.png"]
        told = (
            f"skipped {photos / 'b.png'}: its hole spans 12x19 of 30x20 pixels. This "
            r"model fills .* of up to 8x8 pixels in a picture of 16x16\."
        )
        out, err = capsys.readouterr()
        assert re.search(told, err)
        assert err.count("skipped") == 1
        assert "2 pictures restored, 1 skipped: " in out


class TestOutput:
    @pytest.mark.parametrize("inside", ["", "deeper"])
    def test_a_file_in_its_place_is_an_error(self, run, tmp_path, inside):
        write(tmp_path / "photos" / "a.png")
        (tmp_path / "file").touch()
        output = tmp_path / "file" / inside
        text = (
            f"--output={output} must be a folder, but {tmp_path}/file is a file. Pass"
        )
        with pytest.raises(ValueError, match=re.escape(text)):
            run(output=output)


class TestMasks:
    @pytest.fixture
    def picture(self, tmp_path):
        return write(tmp_path / "photos" / "a.jpg")

    @pytest.fixture
    def result(self, tmp_path, picture):
        return tmp_path / "out" / "a.png"

    missing = np.zeros((20, 30), bool)
    missing[3:9, 10:25] = True

    def write_mask(self, path, missing=missing):
        return write(path, missing.astype(np.uint8) * 255)

    def test_the_default_is_the_center_half(self, run, result):
        run()
        expected = np.zeros((20, 30), bool)
        expected[5:15, 8:22] = True
        np.testing.assert_array_equal(red(result), expected)

    def test_random_holes_depend_on_name_and_seed_alone(self, run, tmp_path):
        for index in range(4):
            write(tmp_path / "photos" / f"{index}.png")

        def places(seed):
            run(mask="random", seed=seed, overwrite=True)
            holes = [red(path) for path in sorted((tmp_path / "out").iterdir())]
            for hole in holes:
                rows, columns = np.nonzero(hole)
                assert (np.ptp(rows), np.ptp(columns), len(rows)) == (9, 13, 140)
            return [tuple(np.argwhere(hole)[0]) for hole in holes]

        first = places(0)
        assert places(0) == first
        assert len(set(first)) > 1
        assert places(1) != first
        (tmp_path / "photos" / "0.png").unlink()
        (tmp_path / "out" / "0.png").unlink()
        assert places(0) == first[1:]

    def test_a_file_is_everybodys_mask(self, run, result, tmp_path):
        run(mask=self.write_mask(tmp_path / "mask.png"))
        np.testing.assert_array_equal(red(result), self.missing)

    def test_black_may_mark_what_is_missing(self, run, result, tmp_path):
        mask = self.write_mask(tmp_path / "mask.png", ~self.missing)
        run(mask=mask, missing_is_black=True)
        np.testing.assert_array_equal(red(result), self.missing)

    def test_it_is_fitted_to_the_picture(self, run, result, tmp_path):
        large = self.missing.repeat(3, axis=0).repeat(3, axis=1)
        run(mask=self.write_mask(tmp_path / "mask.png", large))
        np.testing.assert_array_equal(red(result), self.missing)

    @pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg"])
    def test_a_folder_has_one_of_each_name(self, run, result, tmp_path, name):
        self.write_mask(tmp_path / "masks" / "z.png", ~self.missing)
        self.write_mask(tmp_path / "masks" / name)
        run(mask=tmp_path / "masks")
        np.testing.assert_array_equal(red(result), self.missing)

    def test_a_folder_may_have_the_pictures_own_folders(self, run, tmp_path):
        for folder in ("one", "two"):
            write(tmp_path / "photos" / folder / "a.png")
        self.write_mask(tmp_path / "masks" / "one" / "a.png")
        self.write_mask(tmp_path / "masks" / "two" / "a.png", ~self.missing)
        run(mask=tmp_path / "masks")
        one, two = (red(tmp_path / "out" / f / "a.png") for f in ("one", "two"))
        np.testing.assert_array_equal(one, self.missing)
        np.testing.assert_array_equal(two, ~self.missing)

    def test_a_picture_without_a_mask_is_skipped_and_named(
        self, run, result, tmp_path, capsys
    ):
        write(tmp_path / "photos" / "b.png")
        self.write_mask(tmp_path / "masks" / "a.png")
        with pytest.raises(ValueError, match="1 picture could not be restored"):
            run(mask=tmp_path / "masks")
        assert files(tmp_path / "out") == ["a.png"]
        assert "has no mask called b" in capsys.readouterr().err

    def test_a_mask_that_is_not_there_is_an_error(self, run, result):
        with pytest.raises(
            ValueError, match="--mask must be one of center, .* mean: center"
        ):
            run(mask="centre")


def exported(folder, model, fillable=export.ANY_HOLE, extras=None):
    """A network for pictures of 16x16 pixels."""
    generator = skip_inpainting.build_generator(model, image_size=16, widths=(8, 8))
    network = skip_inpainting.build_inpainter(generator)
    restorer = export.build_restorer(network, fill=1.0, fillable=fillable)
    return export.save(restorer, folder / "export" / "1", extras=extras)


@pytest.fixture(scope="module")
def patch_model(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("run"), 1, fillable=Fillable(8))


class TestModel:
    @pytest.fixture(scope="class")
    def model(self, tmp_path_factory):
        return exported(tmp_path_factory.mktemp("run"), 3)

    def test_known_pixels_are_those_that_are_looked_at(self, run, model, tmp_path):
        """Also of a photograph that is stored lying on its side."""
        sideways = Image.Exif()
        sideways[0x0112] = 6  # Orientation: to be turned by 90 degrees clockwise
        photos = tmp_path / "photos"
        paths = [
            write(photos / "upright.jpg", quality=90),
            write(photos / "turned.jpg", quality=90, exif=sideways),
            write(photos / "large.png", blue(50, 45)),
            write(photos / "gray.png", blue()[..., 2]),
        ]
        run(model=model, mask="center")
        for path in paths:
            with Image.open(path) as stored:
                height, width = stored.size[::-1]
            seen = pixels.read(path)
            if path.stem == "turned":
                assert seen.shape == (width, height, 3)
            restored = pixels.read(tmp_path / "out" / f"{path.stem}.png")
            assert restored.shape == seen.shape
            top, left = (round(length / 4) for length in seen.shape[:2])
            bottom, right = (round(length * 3 / 4) for length in seen.shape[:2])
            known = np.ones(seen.shape[:2], bool)
            known[top:bottom, left:right] = False
            np.testing.assert_array_equal(restored[known], seen[known])
            assert not np.array_equal(restored, seen)
            gray = (restored == restored[..., :1]).all()
            assert gray == (path.stem == "gray")

    def test_no_seam_shows_and_the_file_says_what_it_is(self, run, model, tmp_path):
        image = blue(50, 45)
        write(tmp_path / "photos" / "a.png", image)
        run(model=model, mask="center")
        restorer = photo.PhotoRestorer(model)
        mask = restore_masks.draw(
            "center", "a.png", image.shape[:2], hole=restorer.hole, seed=0
        )
        served = restorer([image], [mask])[0]
        expected = seamless(served, mask, restorer.size)
        assert not np.array_equal(expected, served)
        with Image.open(tmp_path / "out" / "a.png") as file:
            assert file.text["Description"] == png.RESTORED
            np.testing.assert_array_equal(np.asarray(file), expected)

    def test_a_model_that_is_not_there_is_an_error(self, run, tmp_path):
        write(tmp_path / "photos" / "a.png")
        with pytest.raises(FileNotFoundError, match="holds no saved_model.pb"):
            run(model=tmp_path)


# Five points of a face, and how it is written on the command line.
FACE = np.array([(40, 60), (80, 60), (60, 85), (45, 105), (75, 105)], float)
TYPED = tuple(FACE.ravel())


class TestRectangle:
    def test_it_is_in_pixels_from_the_upper_left(self, run, tmp_path):
        write(tmp_path / "photos" / "a.png")
        run(mask="rect:10,3,15,6")
        expected = np.zeros((20, 30), bool)
        expected[3:9, 10:25] = True
        np.testing.assert_array_equal(red(tmp_path / "out" / "a.png"), expected)

    def test_what_is_outside_the_picture_is_left_out(self, run, tmp_path):
        write(tmp_path / "photos" / "a.png")
        run(mask="rect:-5,15,10,100")
        expected = np.zeros((20, 30), bool)
        expected[15:, :5] = True
        np.testing.assert_array_equal(red(tmp_path / "out" / "a.png"), expected)

    def test_wholly_outside_the_picture_is_named_and_skipped(
        self, run, tmp_path, capsys
    ):
        write(tmp_path / "photos" / "a.png")
        write(tmp_path / "photos" / "b.png", blue(60, 60))
        with pytest.raises(ValueError, match="^1 picture could not be restored"):
            run(mask="rect:40,40,5,5")
        assert files(tmp_path / "out") == ["b.png"]
        assert "a.png: --mask=rect:40,40,5,5 lies outside" in capsys.readouterr().err

    @pytest.mark.parametrize("mask", ["rect:1,2,3", "rect:1,2,3,x", "rect:1,2,0,4"])
    def test_anything_else_is_an_error(self, run, mask):
        with pytest.raises(ValueError, match=r"--mask=rect:x,y,w,h takes four whole"):
            run(mask=mask)

    def test_it_counts_in_the_picture_as_it_is_looked_at(self, run, tmp_path):
        sideways = Image.Exif()
        sideways[0x0112] = 6  # Orientation: to be turned by 90 degrees clockwise
        write(tmp_path / "photos" / "a.png", exif=sideways)
        run(mask="rect:0,20,20,10")
        result = red(tmp_path / "out" / "a.png")
        assert result.shape == (30, 20)
        assert result[20:].all() and not result[:20].any()


class TestAlign:
    """With a finder that looks for faces where the test says."""

    @pytest.fixture
    def found(self, monkeypatch):
        def found(*faces):
            monkeypatch.setattr(
                restore, "FaceFinder", lambda: lambda image: list(faces)
            )

        return found

    @pytest.fixture
    def picture(self, tmp_path):
        """Of 300x180 pixels, with nothing in it."""
        gray = np.full((180, 300, 3), 90, np.uint8)
        return write(tmp_path / "photos" / "a.png", gray)

    @pytest.fixture
    def changed(self, tmp_path, picture):
        def changed():
            result = pixels.read(tmp_path / "out" / "a.png")
            return (result != pixels.read(picture)).any(axis=-1)

        return changed

    @pytest.mark.parametrize("name", restore_masks.REGIONS)
    def test_a_part_of_a_face_is_restored(self, run, changed, found, name):
        found(FACE)
        run(align=True, mask=name)
        part = restore_masks.mask(name, FACE, 180, 300)
        assert not changed()[~part].any()
        assert changed()[part].mean() > 0.9

    @pytest.mark.parametrize("mask", ["center", "random"])
    def test_drawn_holes_are_those_of_the_face(self, run, changed, found, mask):
        found(FACE + np.array((90, 0)))
        run(align=True, mask=mask)
        rows, columns = np.nonzero(changed())
        # Half of a square in which the eyes are 0.22 of its side apart.
        assert np.ptp(rows) == pytest.approx(0.5 * 40 / 0.22, rel=0.15)
        assert np.ptp(columns) == pytest.approx(np.ptp(rows), abs=2)
        if mask == "center":
            assert changed()[85, 150]

    @pytest.mark.parametrize(("face", "restored"), [("largest", 1), ("all", 2)])
    def test_the_largest_face_or_all_of_them(
        self, run, changed, found, capsys, face, restored
    ):
        small = FACE * 0.8 + (180, 20)
        found(FACE, small)
        run(align=True, mask="mouth", face=face)
        parts = [restore_masks.mask("mouth", f, 180, 300) for f in (FACE, small)]
        assert [changed()[part].any() for part in parts] == [True, face == "all"]
        assert Painter.sizes == [1] * restored
        assert "a.png: 2 faces" in capsys.readouterr().out

    def test_landmarks_take_the_place_of_a_finder(self, run, changed, monkeypatch):
        monkeypatch.setattr(restore, "FaceFinder", None)
        run(align=True, landmarks=TYPED, mask="rect:50,90,20,20")
        expected = np.zeros((180, 300), bool)
        expected[90:110, 50:70] = True
        assert not changed()[~expected].any()
        assert changed()[expected].mean() > 0.9

    def test_a_picture_without_a_face_is_named_and_the_next_restored(
        self, run, found, tmp_path, picture, capsys, monkeypatch
    ):
        write(tmp_path / "photos" / "b.png", np.zeros((180, 300, 3), np.uint8))
        (tmp_path / "photos" / "c.png").write_bytes(b"no picture")
        finder = lambda: lambda image: [] if image[0, 0, 0] == 90 else [FACE]  # noqa: E731
        monkeypatch.setattr(restore, "FaceFinder", finder)
        with pytest.raises(ValueError, match="^2 pictures could not be restored"):
            run(align=True, mask="mouth")
        assert files(tmp_path / "out") == ["b.png"]
        out, err = capsys.readouterr()
        assert f"{picture}: 0 faces" in out
        assert f"skipped {picture}: no face found; what is missing may hide it." in err
        assert "--landmarks, or leave out --align" in err

    def test_a_hole_off_the_face_is_named(self, run, found, picture, capsys):
        found(FACE)
        with pytest.raises(ValueError, match="1 picture could not be restored"):
            run(align=True, mask="rect:280,160,10,10")
        told = f"skipped {picture}: its hole cannot be filled: 100 of its 100 pixels"
        err = capsys.readouterr().err
        assert told in err and "--face=all restores every face; without --align" in err

    def test_a_part_outside_the_picture_is_named(self, run, found, picture, capsys):
        found(FACE - (0, 140))
        with pytest.raises(ValueError, match="1 picture could not be restored"):
            run(align=True, mask="mouth")
        assert "--mask=mouth lies outside the picture" in capsys.readouterr().err

    def test_what_needs_the_face_needs_the_flag(self, run):
        with pytest.raises(ValueError, match="--mask=eyes needs --align"):
            run(mask="eyes")
        with pytest.raises(ValueError, match="--face=all needs --align"):
            run(face="all")
        with pytest.raises(ValueError, match="--landmarks=40,60,.* needs --align"):
            run(landmarks=TYPED)
        with pytest.raises(ValueError, match="--landmarks takes ten numbers.* got 3"):
            run(align=True, landmarks=(1.0, 2.0, 3.0))
        with pytest.raises(ValueError, match="Did you mean: largest"):
            run(align=True, face="larges")

    def test_without_mediapipe_the_error_says_what_to_install(
        self, run, picture, monkeypatch
    ):
        monkeypatch.setitem(sys.modules, "mediapipe", None)
        monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
        with pytest.raises(ValueError, match=r"^--align: .* pip install \.\[face\]"):
            run(align=True, mask="mouth")

    def test_transparency_is_laid_over_white(self, run, found, tmp_path):
        found(FACE)
        image = np.full((180, 300, 4), 90, np.uint8)
        image[:20, :, 3] = 0
        write(tmp_path / "photos" / "a.png", image)
        run(align=True, mask="mouth")
        result = pixels.read(tmp_path / "out" / "a.png")
        assert (result[:20] == 255).all()

    @pytest.fixture(scope="class")
    def model(self, tmp_path_factory):
        said = {"config": {"dataset": "faces", "crop": "none", "image_size": 32}}
        return exported(
            tmp_path_factory.mktemp("run"),
            1,
            fillable=Fillable(8),
            extras={"config.json": json.dumps({**said, "fills": {"side": 8}})},
        )

    def test_an_exported_model_restores_a_face(self, run, model, found, changed):
        found(FACE)
        run(model=model, align=True, mask="rect:55,80,20,20")
        assert changed()[80:100, 55:75].any()
        expected = np.zeros((180, 300), bool)
        expected[80:100, 55:75] = True
        assert not changed()[~expected].any()

    def test_and_says_which_holes_it_fills(self, run, model, found, picture, capsys):
        found(FACE)
        with pytest.raises(ValueError, match="1 picture could not be restored"):
            run(model=model, align=True, mask="rect:5,10,110,150")
        told = (
            f"skipped {picture}: its hole cannot be filled: In the aligned face of "
            r"16x16 pixels it spans \d+x\d+. This model fills one hole of up to 8x8 .*"
            "Of a face --mask=center, .*--mask=nose.* fit this model; others need one "
            "that fills any hole."
        )
        assert re.search(told, capsys.readouterr().err)

    def test_a_model_that_does_not_say_where_faces_are_is_an_error(
        self, run, patch_model, picture
    ):
        with pytest.raises(ValueError, match="the model does not say what it was"):
            run(model=patch_model, align=True, landmarks=TYPED)
