"""Compressing files: what is written, what is said of it, and what is skipped."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tiny
import tiny_codec
import tiny_latents
from PIL import Image
from test_restore import contents
from tiny_codec import picture

from data_pipeline import pixels
from evaluation.metrics import measure
from experiments import compress
from serving import png
from serving.codec import container
from serving.export import codec as codec_export
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_codec.export(tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def codec(model):
    return codec_export.load(model)


@pytest.fixture
def run_any(tmp_path):
    """Runs an action with options; compress: photos/ -> small/, decompress -> back/."""

    def run(action, **options):
        places = {"compress": ("photos", "small"), "decompress": ("small", "back")}
        paths = dict(zip(("input", "output"), places[action]))
        options = {**{k: tmp_path / v for k, v in paths.items()}, **options}
        options = {k: v if isinstance(v, int) else str(v) for k, v in options.items()}
        getattr(compress, action)(compress.Options(**{"model": ".", **options}))

    return run


@pytest.fixture
def run(run_any, codec, monkeypatch):
    """With one codec, that is open already."""
    monkeypatch.setattr(codec_export, "load", lambda folder, **_: codec)
    return run_any


def write(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture(20, 30) if image is None else image
    Image.fromarray(image).save(path, **options)
    return path


PICTURES = {
    "a.png": picture(45, 61),
    "gray.png": picture(40, 50)[..., :1].repeat(3, axis=-1),
    "gray8.png": picture(33, 20)[..., 0],
    "one/b.webp": picture(16, 32, seed=1),
    "one/two/c.JPG": picture(1, 1),
}
LINE = r"^(\S+): ([\d,]+) bytes, ([\d.]+) bits per pixel, ([\d.]+) dB$"


def test_what_comes_back_is_the_codecs_own_picture(run, codec, tmp_path, capsys):
    photos, small, back = (tmp_path / name for name in ("photos", "small", "back"))
    for name, image in PICTURES.items():
        write(photos / name, image)
    run("compress")
    out = capsys.readouterr().out
    run("decompress")
    assert f"{small / 'a.fmc'}: 61x45 pixels\n" in capsys.readouterr().out
    lines = re.findall(LINE, out, re.MULTILINE)
    assert [line[0] for line in lines] == [str(photos / name) for name in PICTURES]
    sizes, areas, psnr_db = [], [], []
    for name, (_, size, rate, decibels) in zip(PICTURES, lines):
        stem = re.sub(r"\.\w+$", "", name)
        image, again = pixels.read(photos / name), pixels.read(back / f"{stem}.png")
        data = (small / f"{stem}.fmc").read_bytes()
        assert data == codec.compress(image)
        np.testing.assert_array_equal(again, codec.reconstruct(image))
        with Image.open(back / f"{stem}.png") as file:
            kind = "L" if "gray" in stem else "RGB"
            assert (file.format, file.mode) == ("PNG", kind)
            assert file.text["Description"] == png.DECODED
        sizes.append(len(data))
        areas.append(image.shape[0] * image.shape[1])
        unit = (pixels.bytes_to_unit(x[None]) for x in (image, again))
        psnr_db.append(float(measure.psnr_db(*unit)[0]))
        assert int(size.replace(",", "")) == sizes[-1]
        assert float(rate) == pytest.approx(8 * sizes[-1] / areas[-1], abs=6e-4)
        assert float(decibels) == pytest.approx(psnr_db[-1], abs=6e-3)
    assert np.ptp(psnr_db) > 0.5
    share = sum(sizes) / sum(len(data) for data in contents(photos).values())
    assert (
        f"in all {sum(sizes):,} bytes, {share:.1%} of the pictures' files; "
        f"{8 * sum(sizes) / sum(areas):.3f} bits per pixel, "
        f"mean PSNR {np.mean(psnr_db):.2f} dB\n"
    ) in out


def test_bits_are_for_writing_alone(run_any, tmp_path):
    latents, sizes = tiny_latents.export(tmp_path)[0], {}
    image = tiny_latents.training_images()[3]
    write(tmp_path / "photos" / "a.png", image)
    for bits in (4, 0, 8):
        codec = codec_export.load(latents, bits=bits or 6)
        small, back = tmp_path / f"small{bits}", tmp_path / f"back{bits}"
        run_any("compress", model=latents, bits=bits, output=small)
        # Another model of the same export reads them: the file says which.
        run_any("decompress", model=latents, input=small, output=back)
        data = (small / "a.fmc").read_bytes()
        assert data == codec.compress(image)
        again = pixels.read(back / "a.png")
        np.testing.assert_array_equal(again, codec.reconstruct(image))
        sizes[bits] = len(data)
    assert sizes[4] < sizes[0] < sizes[8]
    with pytest.raises(ValueError, match="quantizers of 4, 6, 8 bits a latent, no"):
        run_any("compress", model=latents, bits=7, output=tmp_path / "small7")


def test_why_files_cannot_be_decoded_is_told(run, codec, tmp_path, capsys, monkeypatch):
    small, other = tmp_path / "small", tiny_codec.build()
    small.mkdir()
    data = codec.compress(picture(20, 30))
    # A shipped model is named, the other is not.
    entry = zoo.Entry("shipped", *[""] * 8, codec_ids=[other.model_id.hex()])
    monkeypatch.setattr(zoo, "read_index", lambda folder: {"shipped": entry})
    names = rf"model shipped \({other.model_id.hex()}\); this .* {codec.model_id.hex()}"
    header = container.Header(20, 20, gray=False)
    bad = {
        "cut": (data[:-1], "is cut off"),
        "flipped": (None, "is damaged: its checksum"),
        "foreign": (b"GIF89a and so on, without end", "not a compressed picture"),
        "garbage": (
            container.pack(header, bytes(400), codec.model_id),
            "latents are damaged",
        ),
        "other": (other.compress(picture(20, 30)), names),
    }
    for name, (damaged, _) in bad.items():
        (small / f"{name}.fmc").write_bytes(damaged or data)
    tiny_codec.flip(small / "flipped.fmc")
    (small / "gone.fmc").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="^6 pictures could not be decompressed;"):
        run("decompress")
    err = capsys.readouterr().err
    for name, text in {**bad, "gone": (None, "No such file")}.items():
        told = f"skipped {re.escape(str(small / name))}.fmc: .*{text[1]}"
        assert re.search(told, err), name


class Shipped:
    """A codec whose files have a given size, and which loses nothing."""

    def __init__(self, name, size):
        self.model_id, self.size, self.pictures = name.encode(), size, []

    def compress(self, image):
        self.pictures.append(image)
        header = self.model_id.rjust(container._FIELDS.size, b".")  # as in real files
        return header.ljust(self.size, b".")

    def decompress(self, data):
        return self.pictures[-1]


@pytest.fixture
def shipped(monkeypatch):
    """Three codecs that come along; asking for a fourth is an error."""
    codecs = {name: Shipped(name, size) for name, size in zip("abc", (99, 900, 5000))}
    monkeypatch.setattr(zoo, "names", lambda *kinds: tuple(codecs))
    monkeypatch.setattr(zoo, "resolve", lambda name, *kinds: name)
    monkeypatch.setattr(zoo, "fingerprint", lambda name, *kinds: name)
    monkeypatch.setattr(zoo, "writer", lambda digits: digits.decode().strip("."))
    monkeypatch.setattr(codec_export, "load", lambda folder, **_: codecs[folder])
    return codecs


@pytest.mark.parametrize(
    "options, name",
    [
        ({"quality": 0}, "a"),
        ({"quality": 40}, "b"),
        ({"quality": 100}, "c"),
        ({"target_bytes": 10**6}, "c"),
        ({"target_bytes": 5000}, "c"),
        ({"target_bytes": 4999}, "b"),
        ({"target_bytes": 100}, "a"),
    ],
    ids=str,
)
def test_a_shipped_codec_is_chosen_and_found_again(
    run_any, shipped, tmp_path, capsys, options, name
):
    write(tmp_path / "photos" / "a.png", tiny.noise(1, 64)[0])
    run_any("compress", model="", **options)
    assert (tmp_path / "small" / "a.fmc").stat().st_size == shipped[name].size
    assert re.search(rf"a\.png: .* dB, {name}\n", capsys.readouterr().out)
    shipped_codec = shipped.pop(name)
    shipped.clear()
    shipped[name] = shipped_codec
    run_any("decompress", model="")
    again = pixels.read(tmp_path / "back" / "a.png")
    np.testing.assert_array_equal(again, tiny.noise(1, 64)[0])


def test_a_file_of_other_settings_is_never_taken_for_another(
    run_any, shipped, tmp_path, capsys
):
    write(tmp_path / "photos" / "a.png")
    run_any("compress", model="", quality=100)
    made = contents(tmp_path / "small")
    run_any("compress", model="c")  # the same codec
    assert "1 result is already there" in capsys.readouterr().out
    for options, text in (
        ({"model": "a"}, "--model"),
        ({"model": "", "quality": 0}, "--model"),
        ({"model": "", "target_bytes": 900}, "--model and --target_bytes"),
        ({"model": "c", "lossless": True}, "--lossless"),
        ({"model": "c", "bits": 4}, "--bits"),
    ):
        with pytest.raises(ValueError, match=rf"a\.fmc \(another {text}\)\. Pass"):
            run_any("compress", **options)
    assert contents(tmp_path / "small") == made


def test_a_picture_that_does_not_fit_is_named(run_any, shipped, tmp_path, capsys):
    write(tmp_path / "photos" / "a.png")
    with pytest.raises(ValueError, match="1 picture could not be compressed"):
        run_any("compress", model="", target_bytes=98)
    said = "the smallest file, by a, has 99 bytes, more than --target_bytes=98. Shrink"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "small").exists()


def test_a_file_of_an_unknown_codec_is_named(run_any, tmp_path, capsys):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "a.fmc").write_bytes(bytes(50))
    with pytest.raises(ValueError, match="1 picture could not be decompressed"):
        run_any("decompress", model="")
    assert "not a compressed picture" in capsys.readouterr().err
    unknown = tiny_codec.build().compress(picture(20, 30))
    (tmp_path / "small" / "a.fmc").write_bytes(unknown)
    with pytest.raises(ValueError, match="1 picture could not be decompressed"):
        run_any("decompress", model="")
    told = capsys.readouterr().err
    assert f"by the model {container.claimed_id(unknown).hex()}, which does not" in told


def test_files_larger_than_a_png_come_with_a_warning(
    run_any, shipped, tmp_path, capsys
):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::4] = 255
    write(tmp_path / "photos" / "noise.png", tiny.noise(1, 64)[0])
    write(tmp_path / "photos" / "stripes.png", stripes)
    run_any("compress", model="", quality=50)
    noise, striped, *_ = capsys.readouterr().out.splitlines()
    assert "noise.png" in noise and "PNG of it" not in noise
    assert re.search(r"stripes\.png: 900 bytes.*Warning: a PNG of it, without", striped)
    size = len(png.encode_png(stripes, "", level=6))
    assert f"has {size} bytes only" in striped
    # Unless it may be kept without loss, by every codec.
    options = {"input": tmp_path / "photos" / "stripes.png", "lossless": True}
    run_any("compress", model="", quality=50, overwrite=True, **options)
    assert f"stripes.png: {size} bytes" in capsys.readouterr().out
    assert (tmp_path / "small" / "stripes.fmc").stat().st_size == size
    for model in ("", "a"):
        small = tmp_path / "small" / "stripes.fmc"
        run_any("decompress", model=model, input=small, overwrite=True)
        again = pixels.read(tmp_path / "back" / "stripes.png")
        np.testing.assert_array_equal(again, stripes)


def test_without_loss_a_picture_may_fit_that_no_codec_makes_fit(
    run_any, shipped, tmp_path, capsys
):
    size = len(png.encode_png(np.zeros((64, 64, 3), np.uint8), "", level=6))
    for codec in shipped.values():
        codec.size += 2 * size
    write(tmp_path / "photos" / "a.png", np.zeros((64, 64, 3), np.uint8))
    run_any("compress", model="", target_bytes=size, lossless=True)
    assert (tmp_path / "small" / "a.fmc").stat().st_size == size
    assert f"a.png: {size} bytes" in capsys.readouterr().out
    other = {"output": tmp_path / "other", "lossless": True}
    with pytest.raises(ValueError, match="1 picture could not be compressed"):
        run_any("compress", model="", target_bytes=size - 1, **other)
    assert f"the smallest file, by PNG, has {size} bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, text",
    [
        ({"model": ""}, "--model is required to compress, or --quality or"),
        ({"quality": 0}, "--model, --quality and --target_bytes each say"),
        ({"model": "", "quality": 101}, "--quality must be 0 to 100; got 101"),
        ({"model": "", "target_bytes": -1}, "--target_bytes must be at le"),
        ({"engine": "openvino"}, "--engine=openvino is not of codecs: .*docs/codecs"),
        ({"engine": "openvno"}, "Did you mean: openvino"),
    ],
)
def test_mistakes_are_told(run_any, options, text):
    with pytest.raises(ValueError, match=text):
        run_any("compress", **options)


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


def test_shards_make_the_files_and_the_total_of_one_process(run, tmp_path, capsys):
    for name, image in PICTURES.items():
        write(tmp_path / "photos" / name, image)
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")

    def said(**options):
        with pytest.raises(ValueError, match="^1 picture could not be compressed; see"):
            run("compress", **options)
        return [
            line.partition(": ")[0] if "compressed" in line else line
            for line in capsys.readouterr().out.splitlines()
            if "in all" in line or "compressed" in line
        ]

    alone, parts = tmp_path / "small", tmp_path / "parts"
    expected = said()
    run("compress", output=parts, shard="2/3")
    with pytest.raises(FileNotFoundError, match="run --shard=1/3 first"):
        run("compress", output=parts, shard="merge/3")
    run("compress", output=parts, shard="1/3")
    # A shard that was killed while it wrote is run again.
    (notes,) = parts.glob(".compressed-1-of-3.jsonl")
    notes.write_text(notes.read_text() + '\n{"name": "a.p')
    for shard in ("1/3", "3/3"):
        run("compress", output=parts, shard=shard)
    capsys.readouterr()
    assert said(output=parts, shard="merge/3") == expected
    assert len(expected) == 2
    assert contents(parts) == contents(alone)
    with pytest.raises(ValueError, match=r"\(another --lossless\)"):
        run("compress", output=parts, shard="merge/3", lossless=True)
