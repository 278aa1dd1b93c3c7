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
        kind = {"compress": compress.Options, "decompress": compress.FileOptions}
        getattr(compress, action)(kind[action](**{"model": ".", **options}))

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


def test_why_files_cannot_be_decoded_is_told(run, codec, tmp_path, capsys):
    small, other = tmp_path / "small", tiny_codec.build()
    small.mkdir()
    data = codec.compress(picture(20, 30))
    unknown = f"by the model {other.model_id.hex()}, which does not come with"
    header = container.Header(20, 20, gray=False)
    bad = {
        "cut": (data[:-1], "is cut off"),
        "flipped": (None, "is damaged: its checksum"),
        "foreign": (b"GIF89a and so on, without end", "not a compressed picture"),
        "garbage": (
            container.pack(header, bytes(400), codec.model_id),
            "latents are damaged",
        ),
        "other": (other.compress(picture(20, 30)), unknown),
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


@pytest.fixture
def shipped(monkeypatch):
    """The codec that comes along, of several rates; asking for another is an error."""
    codec = tiny_codec.build_rates()
    monkeypatch.setattr(zoo, "names", lambda *kinds: (compress.MODEL,))
    monkeypatch.setattr(zoo, "resolve", lambda name, *kinds: name)
    monkeypatch.setattr(zoo, "fingerprint", lambda name, *kinds: name)
    monkeypatch.setattr(
        zoo, "writer", lambda found: {codec.model_id: compress.MODEL}[found]
    )
    monkeypatch.setattr(
        codec_export, "load", lambda folder, **_: {compress.MODEL: codec}[folder]
    )
    return codec


@pytest.mark.parametrize(
    "options, quality",
    [
        ({}, 40),
        ({"quality": 0}, 0),
        ({"quality": 100}, 100),
        ({"target_bytes": 10**6}, 100),
        ({"target_bytes": 200}, None),
    ],
    ids=str,
)
def test_a_file_has_the_quality_or_the_size_that_was_asked_for(
    run_any, shipped, tmp_path, options, quality
):
    image = picture(96, 80)
    write(tmp_path / "photos" / "a.png", image)
    run_any("compress", model=compress.MODEL, **options)
    data = (tmp_path / "small" / "a.fmc").read_bytes()
    if quality is None:
        assert data == shipped.compress_to(image, 200)
        assert 150 < len(data) <= 200
    else:
        assert data == shipped.at(quality).compress(image)
    for model in ("", compress.MODEL):
        run_any("decompress", model=model, overwrite=True)
        again = pixels.read(tmp_path / "back" / "a.png")
        np.testing.assert_array_equal(again, shipped.decompress(data))


def test_a_file_of_other_settings_is_never_taken_for_another(
    run_any, shipped, tmp_path, capsys
):
    write(tmp_path / "photos" / "a.png")
    run_any("compress", model=compress.MODEL, quality=100)
    made = contents(tmp_path / "small")
    run_any("compress", model=compress.MODEL, quality=100)
    assert "1 result is already there" in capsys.readouterr().out
    for options, text in (
        ({"model": "a", "quality": 100}, "--model"),
        ({"quality": 0}, "--quality"),
        ({"target_bytes": 900}, "--quality and --target_bytes"),
        ({"quality": 100, "lossless": True}, "--lossless"),
        ({"quality": 100, "bits": 4}, "--bits"),
    ):
        with pytest.raises(ValueError, match=rf"a\.fmc \(another {text}\)\. Pass"):
            run_any("compress", **{"model": compress.MODEL, **options})
    assert contents(tmp_path / "small") == made


def test_a_picture_that_does_not_fit_is_named(run_any, shipped, tmp_path, capsys):
    write(tmp_path / "photos" / "a.png")
    size = len(shipped.at(0).compress(picture(20, 30)))
    with pytest.raises(ValueError, match="1 picture could not be compressed"):
        run_any("compress", model=compress.MODEL, target_bytes=size - 1)
    said = f"the smallest file has {size} bytes, more than --target_bytes={size - 1}. S"
    assert said in capsys.readouterr().err
    assert not (tmp_path / "small").exists()


def test_a_codec_without_qualities_is_not_asked_for_one(run, run_any, tmp_path):
    write(tmp_path / "photos" / "a.png")
    with pytest.raises(ValueError, match="single rate"):
        run("compress", quality=50)


def test_a_codec_of_faces_has_bits_instead(run_any, tmp_path):
    write(tmp_path / "photos" / "a.png")
    latents = tiny_latents.export(tmp_path)[0]
    with pytest.raises(
        ValueError, match="--quality does not apply .*; --bits chooses it"
    ):
        run_any("compress", model=latents, quality=50)


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
    options = {"model": compress.MODEL, "quality": 100}
    run_any("compress", **options)
    noise, striped, *_ = capsys.readouterr().out.splitlines()
    assert "noise.png" in noise and "PNG of it" not in noise
    assert re.search(r"stripes\.png: .*Warning: a PNG of it, without", striped)
    size = len(png.encode_png(stripes, "", level=6))
    assert f"has {size} bytes only" in striped
    # Unless it may be kept without loss, by every codec.
    options |= {"input": tmp_path / "photos" / "stripes.png", "lossless": True}
    run_any("compress", overwrite=True, **options)
    assert f"stripes.png: {size} bytes" in capsys.readouterr().out
    assert (tmp_path / "small" / "stripes.fmc").stat().st_size == size
    for model in ("", compress.MODEL):
        small = tmp_path / "small" / "stripes.fmc"
        run_any("decompress", model=model, input=small, overwrite=True)
        again = pixels.read(tmp_path / "back" / "stripes.png")
        np.testing.assert_array_equal(again, stripes)


def test_without_loss_a_picture_may_fit_that_no_codec_makes_fit(
    run_any, shipped, tmp_path, capsys
):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[::4] = 255
    size = len(png.encode_png(stripes, "", level=6))
    assert len(shipped.at(0).compress(stripes)) > size
    write(tmp_path / "photos" / "a.png", stripes)
    options = {"model": compress.MODEL, "lossless": True}
    run_any("compress", target_bytes=size, **options)
    assert (tmp_path / "small" / "a.fmc").stat().st_size == size
    assert f"a.png: {size} bytes" in capsys.readouterr().out
    with pytest.raises(ValueError, match="1 picture could not be compressed"):
        run_any("compress", target_bytes=size - 1, output=tmp_path / "b", **options)
    assert f"the smallest file has {size} bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, text",
    [
        ({"model": ""}, "--model is required"),
        ({"quality": 0, "target_bytes": 9}, "--quality and --target_bytes each say"),
        ({"quality": 101}, "--quality must be 0 to 100; got 101"),
        ({"target_bytes": -1}, "--target_bytes must be at le"),
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
