"""Compressing files: what is written, what is said of it, what is never touched."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tiny_codec
import tiny_latents
from PIL import Image
from tiny_codec import picture

from data_pipeline import pixels
from evaluation.metrics import measure
from experiments import compress
from serving import png
from serving.codec import container
from serving.export import codec as codec_export
from serving.export import latents as latent_export

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_codec.export(tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def codec(model):
    return codec_export.load_image_codec(model)


@pytest.fixture
def run(codec, tmp_path, monkeypatch):
    """Runs an action with options; compress: photos/ -> small/, decompress -> back/."""
    monkeypatch.setattr(codec_export, "load", lambda folder, bits: codec)
    return runs_in(tmp_path)


@pytest.fixture(scope="module")
def latents(tmp_path_factory):
    """An export that writes files of 4, 6 or 8 bits a latent."""
    return tiny_latents.export(tmp_path_factory.mktemp("run"))[0]


def runs_in(tmp_path):
    def run(action, **options):
        places = {"compress": ("photos", "small"), "decompress": ("small", "back")}
        names = dict(zip(("input", "output"), places[action]))
        paths = {key: str(tmp_path / name) for key, name in names.items()}
        others = {k: options.pop(k) for k in ("overwrite", "bits") if k in options}
        paths.update({key: str(value) for key, value in options.items()})
        options = compress.Options(**{"model": ".", **paths, **others})
        getattr(compress, action)(options)

    return run


def write(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture(20, 30) if image is None else image
    Image.fromarray(image).save(path, **options)
    return path


def files(folder):
    paths = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def snapshot(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


def gray(image):
    return image[..., :1].repeat(3, axis=-1)


PICTURES = {
    "a.png": picture(45, 61),
    "one/b.webp": picture(16, 32, seed=1),
    "one/two/c.JPG": picture(1, 1),
    "d.e.bmp": picture(17, 300, seed=2),
    "gray.png": gray(picture(40, 50)),
    "gray8.png": picture(33, 20)[..., 0],
}


class TestRoundTrip:
    def test_what_comes_back_is_the_codecs_own_picture(self, run, codec, tmp_path):
        photos = tmp_path / "photos"
        for name, image in PICTURES.items():
            write(photos / name, image)
        before = snapshot(photos)
        run("compress")
        run("decompress")
        assert snapshot(photos) == before
        stems = ["a", "d.e", "gray", "gray8", "one/b", "one/two/c"]
        assert files(tmp_path / "small") == [f"{stem}.fmc" for stem in stems]
        assert files(tmp_path / "back") == [f"{stem}.png" for stem in stems]
        for name in PICTURES:
            image = pixels.read(photos / name)
            stem = pathlib.PurePosixPath(name).with_suffix("")
            data = (tmp_path / "small" / f"{stem}.fmc").read_bytes()
            assert data == codec.compress(image)
            back = tmp_path / "back" / f"{stem}.png"
            with Image.open(back) as file:
                kind = "L" if "gray" in name else "RGB"
                assert (file.format, file.mode) == ("PNG", kind)
                assert file.text["Description"] == png.DECODED
            again = pixels.read(back)
            np.testing.assert_array_equal(again, codec.reconstruct(image))
            if "gray" in name:
                np.testing.assert_array_equal(again, gray(again))

    def test_one_file_is_enough_whatever_its_name(self, run, tmp_path):
        run("compress", input=write(tmp_path / "face.data", format="PNG"))
        (tmp_path / "small" / "face.fmc").rename(tmp_path / "sent")
        run("decompress", input=tmp_path / "sent")
        assert pixels.read(tmp_path / "back" / "sent.png").shape == (20, 30, 3)

    def test_pictures_are_as_they_are_looked_at(self, run, tmp_path):
        sideways = Image.Exif()
        sideways[0x0112] = 6  # Orientation: to be turned by 90 degrees clockwise
        write(tmp_path / "photos" / "a.jpg", picture(20, 50), exif=sideways)
        run("compress")
        run("decompress")
        assert pixels.read(tmp_path / "back" / "a.png").shape == (50, 20, 3)


class TestWhatIsSaid:
    LINE = r"^(\S+): ([\d,]+) bytes, ([\d.]+) bits per pixel, ([\d.]+) dB$"

    def test_of_each_picture_and_in_all(self, run, tmp_path, capsys):
        photos = tmp_path / "photos"
        for name, image in PICTURES.items():
            write(photos / name, image)
        run("compress")
        out, err = capsys.readouterr()
        run("decompress")
        lines = re.findall(self.LINE, out, re.MULTILINE)
        assert [line[0] for line in lines] == [
            str(photos / name) for name in files(photos)
        ]
        sizes, areas, psnr_db = [], [], []
        for path, size, rate, decibels in lines:
            stem = pathlib.Path(path).relative_to(photos).with_suffix("")
            image = pixels.read(path)
            again = pixels.read(tmp_path / "back" / f"{stem}.png")
            sizes.append((tmp_path / "small" / f"{stem}.fmc").stat().st_size)
            areas.append(image.shape[0] * image.shape[1])
            unit = (pixels.bytes_to_unit(x[None]) for x in (image, again))
            psnr_db.append(float(measure.psnr_db(*unit)[0]))
            assert int(size.replace(",", "")) == sizes[-1]
            assert float(rate) == pytest.approx(8 * sizes[-1] / areas[-1], abs=6e-4)
            assert float(decibels) == pytest.approx(psnr_db[-1], abs=6e-3)
        assert np.ptp(psnr_db) > 0.5
        share = sum(sizes) / sum(len(data) for data in snapshot(photos).values())
        assert (
            f"in all {sum(sizes):,} bytes, {share:.1%} of the pictures' files; "
            f"{8 * sum(sizes) / sum(areas):.3f} bits per pixel, "
            f"mean PSNR {np.mean(psnr_db):.2f} dB\n"
            f"6 pictures compressed: {tmp_path / 'small'}\n"
        ) in out
        assert "compress: 100%" in err

    def test_decompressing_says_sizes(self, run, tmp_path, capsys):
        write(tmp_path / "photos" / "a.png", picture(45, 61))
        run("compress")
        capsys.readouterr()
        run("decompress")
        out, err = capsys.readouterr()
        assert f"{tmp_path / 'small' / 'a.fmc'}: 61x45 pixels\n" in out
        assert f"1 picture decompressed: {tmp_path / 'back'}\n" in out
        assert "decompress: 100%" in err

    def test_equal_pictures_have_the_capped_psnr(self):
        image = picture(5, 7)
        assert measure.psnr_db_uint8(image, image) == measure.PSNR_CAP_DB
        other = image.copy()
        other[0, 0, 0] ^= 255
        difference = (int(other[0, 0, 0]) - int(image[0, 0, 0])) ** 2
        expected = 10 * np.log10(255**2 * image.size / difference)
        assert measure.psnr_db_uint8(image, other) == pytest.approx(expected)
        assert measure.psnr_db_uint8(other, image) == pytest.approx(expected)
        assert measure.psnr_db_uint8(image * 0, image * 0 + 255) == 0


class TestLatents:
    def test_bits_are_for_writing_alone(self, latents, tmp_path, capsys):
        run, sizes = runs_in(tmp_path), {}
        images = [picture(45, 61), tiny_latents.training_images()[3]]
        for number, image in enumerate(images):
            write(tmp_path / "photos" / f"{number}.png", image)
        for bits in (4, 0, 8):
            codec = latent_export.load(latents, bits=bits or 6)
            small = tmp_path / f"small{bits}"
            run("compress", model=latents, bits=bits, output=small)
            for number, image in enumerate(images):
                data = (small / f"{number}.fmc").read_bytes()
                assert data == codec.compress(image)
            sizes[bits] = sum(len(data) for data in snapshot(small).values())
            # Another model of the same export reads them: the file says which.
            said = capsys.readouterr().out
            back = tmp_path / f"back{bits}"
            run("decompress", model=latents, input=small, output=back)
            for number, image in enumerate(images):
                again = pixels.read(back / f"{number}.png")
                np.testing.assert_array_equal(again, codec.reconstruct(image))
                assert again.shape == image.shape
                psnr_db = measure.psnr_db_uint8(image, again)
                assert re.search(f"{number}.png: .* {psnr_db:.2f} dB\n", said)
        assert sizes[4] < sizes[0] < sizes[8]

    def test_bits_that_it_does_not_have(self, latents, tmp_path):
        write(tmp_path / "photos" / "a.png")
        with pytest.raises(ValueError, match="quantizers of 4, 6, 8 bits a latent, no"):
            runs_in(tmp_path)("compress", model=latents, bits=7)


class TestSkipped:
    def test_pictures_that_cannot_be_read_or_coded(self, run, tmp_path, capsys):
        photos = tmp_path / "photos"
        write(photos / "a.png"), write(photos / "d.png")
        (photos / "b.png").write_bytes(b"no picture")
        write(photos / "c.png", np.zeros((1, 65536, 3), np.uint8))
        with pytest.raises(
            ValueError, match="^2 pictures could not be compressed; see"
        ):
            run("compress")
        assert files(tmp_path / "small") == ["a.fmc", "d.fmc"]
        out, err = capsys.readouterr()
        assert f"skipped {photos / 'b.png'}: not a readable image" in err
        assert (
            f"skipped {photos / 'c.png'}: A picture's sides must be 1 to 65535" in err
        )
        assert "2 pictures compressed, 2 skipped: " in out

    def test_nothing_readable_leaves_nothing(self, run, tmp_path, capsys):
        (tmp_path / "photos").mkdir()
        (tmp_path / "photos" / "a.png").write_bytes(b"no picture")
        with pytest.raises(ValueError, match="^1 picture could not be compressed"):
            run("compress")
        assert not (tmp_path / "small").exists()
        assert "in all" not in capsys.readouterr().out

    def test_files_that_cannot_be_decoded(self, run, codec, tmp_path, capsys):
        small = tmp_path / "small"
        write(tmp_path / "photos" / "a.png"), write(tmp_path / "photos" / "z.png")
        run("compress")
        data = (small / "a.fmc").read_bytes()
        flipped = bytearray(data)
        flipped[40] ^= 4
        other = tiny_codec.build().compress(picture(20, 30))
        header = container.Header(20, 20, gray=False)
        bad = {
            "cut": (data[:-1], "is cut off"),
            "empty": (b"", "is cut off"),
            "flipped": (bytes(flipped), "is damaged: its checksum"),
            "foreign": (b"GIF89a and so on, without end", "not a compressed picture"),
            "garbage": (
                container.pack(header, bytes(400), codec.model_id),
                "latents are damaged",
            ),
            "long": (data + b"x", "has bytes at its end"),
            "other": (other, "was compressed by the model"),
        }
        for name, (damaged, _) in bad.items():
            (small / f"{name}.fmc").write_bytes(damaged)
        (small / "gone.fmc").symlink_to(tmp_path / "nowhere")
        before = snapshot(small)
        capsys.readouterr()
        with pytest.raises(ValueError, match="^8 pictures could not be decompressed;"):
            run("decompress")
        assert files(tmp_path / "back") == ["a.png", "z.png"]
        assert snapshot(small) == before
        out, err = capsys.readouterr()
        for name, text in {**bad, "gone": (None, "No such file")}.items():
            told = f"skipped {re.escape(str(small / name))}.fmc: .*{text[1]}"
            assert re.search(told, err), name
        assert err.count("skipped ") == 8
        assert "2 pictures decompressed, 8 skipped: " in out


class TestNothingIsLost:
    def test_pictures_of_one_name_keep_their_suffix(self, run, tmp_path):
        for name in ("a.jpg", "a.png", "b.png", "in/a.png", "a.jpg.webp"):
            write(tmp_path / "photos" / name)
        run("compress")
        stems = ["a.jpg", "a.jpg.webp", "a.png", "b", "in/a"]
        assert files(tmp_path / "small") == [f"{stem}.fmc" for stem in stems]
        run("decompress")
        assert files(tmp_path / "back") == sorted(f"{stem}.png" for stem in stems)

    @pytest.mark.parametrize("action", ["compress", "decompress"])
    def test_an_input_is_never_replaced(self, run, codec, tmp_path, action):
        folder = tmp_path / "files"
        write(folder / "a.png")
        (folder / "a.fmc").write_bytes(codec.compress(picture(20, 30)))
        result = {"compress": ".fmc", "decompress": ".png"}[action]
        # An input whose name says that it is a result.
        source = folder / f"a{result}"
        before = snapshot(folder)
        with pytest.raises(ValueError, match=f"would replace the input .*a{result}"):
            run(action, input=source, output=folder, overwrite=True)
        assert snapshot(folder) == before

    @pytest.mark.parametrize("action", ["compress", "decompress"])
    def test_results_are_replaced_when_told_only(self, run, tmp_path, action, capsys):
        write(tmp_path / "photos" / "a.png"), write(tmp_path / "photos" / "b.png")
        result = tmp_path / "small" / "a.fmc"
        if action == "decompress":
            run("compress")
            result = tmp_path / "back" / "a.png"
        result.parent.mkdir(exist_ok=True)
        result.write_bytes(b"mine")
        run(action)
        assert result.read_bytes() == b"mine"
        assert len(files(result.parent)) == 2
        assert "1 result already there, left alone" in capsys.readouterr().err
        run(action, overwrite=True)
        assert len(result.read_bytes()) > 30
        run(action)
        assert f"0 pictures {action}ed: " in capsys.readouterr().out

    def test_results_of_another_model_are_counted(self, run, tmp_path, capsys):
        for name in ("a.png", "b.png", "c.png"):
            write(tmp_path / "photos" / name)
        run("compress")
        assert "another model" not in capsys.readouterr().err
        run("compress")
        assert "another model" not in capsys.readouterr().err
        other = tiny_codec.build().compress(picture(20, 30))
        (tmp_path / "small" / "b.fmc").write_bytes(other)
        run("compress")
        told = capsys.readouterr().err
        assert "3 results already there, left alone" in told
        assert "Of these, 1 by another model, or with other --bits." in told
        assert (tmp_path / "small" / "b.fmc").read_bytes() == other

    def test_results_may_lie_beside_and_within_the_inputs(self, run, tmp_path):
        photos = tmp_path / "photos"
        write(photos / "a.png")
        run("compress", output=photos)
        assert files(photos) == ["a.fmc", "a.png"]
        for _ in range(2):
            run("decompress", input=photos, output=photos / "back")
            assert files(photos) == ["a.fmc", "a.png", "back/a.png"]

    def test_a_result_is_whole_or_absent(self, run, tmp_path, monkeypatch):
        write(tmp_path / "photos" / "a.png")

        def fail(*paths):
            raise OSError("the disk is full")

        monkeypatch.setattr(pixels.os, "replace", fail)
        with pytest.raises(OSError, match="the disk is full"):
            run("compress")
        assert files(tmp_path / "small") == []


class TestMistakes:
    @pytest.mark.parametrize("missing", ["model", "input", "output"])
    def test_required_flags_are_named(self, run, missing):
        with pytest.raises(ValueError, match=f"--{missing} is required"):
            run("compress", **{missing: ""})

    def test_a_file_in_the_way_of_results(self, run, tmp_path):
        (tmp_path / "small").touch()
        with pytest.raises(ValueError, match="--output=.*must be a folder, but"):
            run("compress")

    @pytest.mark.parametrize(
        "action, text",
        [
            ("compress", r"--input=.* is neither a picture nor .* \(.jpg, .*.bmp\)"),
            ("decompress", r"neither a compressed picture nor a folder .* \(.fmc\)"),
        ],
    )
    def test_no_input(self, run, tmp_path, action, text):
        for folder in ("photos", "small"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "notes.txt").touch()
        with pytest.raises(FileNotFoundError, match=text):
            run(action)

    def test_a_model_that_is_not_there(self, tmp_path):
        write(tmp_path / "photos" / "a.png")
        paths = {"input": str(tmp_path / "photos"), "output": str(tmp_path / "small")}
        with pytest.raises(FileNotFoundError, match=f"{tmp_path} is not an exported"):
            compress.compress(compress.Options(model=str(tmp_path), **paths))


def test_the_command_line_writes_what_this_process_would(model, codec, tmp_path):
    image = picture(45, 61)
    write(tmp_path / "photos" / "a.png", image)
    (tmp_path / "photos" / "b.png").write_bytes(b"no picture")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.compress", f"--model={model}"),
            *("compress", f"--input={tmp_path / 'photos'}"),
            f"--output={tmp_path / 'small'}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (tmp_path / "small" / "a.fmc").read_bytes() == codec.compress(image)
    assert "1 picture compressed, 1 skipped: " in done.stdout
    assert "error: 1 picture could not be compressed; see above." in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
