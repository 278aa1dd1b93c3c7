"""Files through a server: what is asked, what is skipped, what ends the command."""

import pathlib
import re

import mask_table
import numpy as np
import pytest
from PIL import Image

from data_pipeline import limits, pixels
from experiments import request
from serving import png
from serving.client import errors


class Server:
    """Stands in for a client: paints holes red, and "compresses" to PNG."""

    trouble = None
    asked: list

    def __init__(self, address, **options):
        Server.asked = [(address, options)]

    def ask(self, *inputs):
        Server.asked.append(inputs)
        # With the second picture, so that there is one before and one after.
        if self.trouble and len(Server.asked) == 3:
            raise self.trouble

    def restore(self, image, mask):
        self.ask(image, mask)
        return np.where(mask[..., None], np.array((255, 0, 0), np.uint8), image)

    def compress(self, image, quality):
        self.ask(image)
        Server.quality = quality
        return pixels.encode_png(image)

    def decompress(self, data):
        self.ask(data)
        return pixels.decode(data, "file")


ACTIONS = ("restore", "compress", "decompress")


def picture(number):
    return np.full((20, 30, 3), 50 * number, np.uint8)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs an action on three pictures, or three files of them."""
    monkeypatch.setattr(request, "Client", Server)
    monkeypatch.setattr(Server, "trouble", None)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:9] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (tmp_path / "in").mkdir()
    for number, name in enumerate("abc"):
        for suffix in ("png", "fmc"):
            path = tmp_path / "in" / f"{name}.{suffix}"
            path.write_bytes(pixels.encode_png(picture(number)))

    def run(action, **options):
        paths = {"input": str(tmp_path / "in"), "output": str(tmp_path / "out")}
        own = {"mask": str(tmp_path / "mask.png")}
        own = own if action == "restore" else {"tables": "."}
        run = getattr(request, action)
        run(request.Options(**{"model": "m", **paths, **own, **options}))
        return sorted((tmp_path / "out").glob("[!.]*"))

    return run


@pytest.mark.parametrize(
    "action, text", zip(ACTIONS, (png.RESTORED, None, png.DECODED))
)
def test_each_file_becomes_what_the_server_answers(run, action, text):
    paths = run(action, server="host:8500", timeout=5.0)
    tables = None if action == "restore" else pathlib.Path(".")
    options = {"model": "m", "timeout": 5.0, "tables": tables, "max_pixels": 55_000_000}
    assert Server.asked[0] == ("host:8500", options)
    for number, path in enumerate(paths):
        expected = picture(number)
        if action == "restore":
            expected[5:9, 5:9] = (255, 0, 0)
        np.testing.assert_array_equal(pixels.read(path), expected)
        with Image.open(path) as file:
            assert file.info.get("Description") == text
    assert len(paths) == 3


@pytest.mark.parametrize("given, quality", [({}, None), ({"codec_quality": 70}, 70)])
def test_a_codec_is_asked_for_a_quality(run, given, quality):
    run("compress", **given)
    assert Server.quality == quality
    with pytest.raises(ValueError, match="--codec_quality must be 0 to 100; got 101"):
        run("compress", codec_quality=101)


def test_black_may_mark_what_is_missing(run):
    found = pixels.read(run("restore", missing_is_black=True)[2])
    np.testing.assert_array_equal(found[5:9, 5:9], picture(2)[5:9, 5:9])
    assert (found[:5] == (255, 0, 0)).all()


@pytest.mark.parametrize("action", ACTIONS)
def test_what_a_server_refuses_is_skipped(run, tmp_path, capsys, monkeypatch, action):
    refused = errors.RefusedError("This model fills no such hole.")
    monkeypatch.setattr(Server, "trouble", refused)
    with pytest.raises(ValueError, match="^1 picture could not be"):
        run(action)
    assert sorted(path.stem for path in (tmp_path / "out").glob("[!.]*")) == ["a", "c"]
    assert "fills no such hole" in capsys.readouterr().err


@pytest.mark.parametrize("kind", errors.LASTING)
def test_what_all_would_meet_ends_the_command(run, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Server, "trouble", kind("nobody there"))
    with pytest.raises(kind, match="nobody there"):
        run("compress")
    assert [path.name for path in (tmp_path / "out").glob("[!.]*")] == ["a.fmc"]
    assert len(Server.asked) == 3


def test_masks_are_read_as_the_command_restore_reads_them(run, tmp_path, capsys):
    for name in "abc":
        data = pixels.encode_png(np.zeros((*mask_table.SIZE, 3), np.uint8))
        (tmp_path / "in" / f"{name}.png").write_bytes(data)
    for name, (data, taken_for) in mask_table.MASKS.items():
        (tmp_path / "m").write_bytes(data)
        run("restore", mask=str(tmp_path / "m"), overwrite=True)
        for _, mask in Server.asked[1:]:
            np.testing.assert_array_equal(mask, mask_table.MISSING, name)
        told = rf"a.png: {taken_for}: 16\.0% missing\n"
        assert re.search(told, capsys.readouterr().out), name
    for name, (data, why) in mask_table.REFUSED.items():
        (tmp_path / "m").write_bytes(data)
        with pytest.raises(ValueError, match="3 pictures could not be"):
            run("restore", mask=str(tmp_path / "m"), overwrite=True)
        assert re.search(f"skipped .*m: .*{why}", capsys.readouterr().err), name


def test_the_limit_of_pixels_is_the_clients_too(run, monkeypatch):
    monkeypatch.setattr(limits, "_pixels", 120_000_000)
    run("compress")
    assert Server.asked[0][1]["max_pixels"] == 132_000_000


def test_masks_are_neither_replaced_nor_restored(run, tmp_path):
    masks, mask = tmp_path / "in" / "masks", (tmp_path / "mask.png").read_bytes()
    masks.mkdir()
    for name in "abc":
        (masks / f"{name}.png").write_bytes(mask)
    with pytest.raises(ValueError, match="--output=.* would replace the masks of --ma"):
        run("restore", mask=str(masks), output=str(masks), overwrite=True)
    one = {"input": str(tmp_path / "in" / "a.png"), "mask": str(masks / "a.png")}
    with pytest.raises(ValueError, match="--output=.* would replace .*a.png, which is"):
        run("restore", **one, output=str(masks), overwrite=True)
    assert all(path.read_bytes() == mask for path in masks.iterdir())
    assert len(run("restore", mask=str(masks))) == 3


def test_results_may_be_in_the_format_of_their_inputs(run, tmp_path):
    Image.fromarray(picture(1)).save(tmp_path / "in" / "d.jpeg")
    run("restore", format="same")
    names = sorted(path.name for path in (tmp_path / "out").glob("[!.]*"))
    assert names == ["a.png", "b.png", "c.png", "d.jpeg"]
    with Image.open(tmp_path / "out" / "d.jpeg") as file:
        assert file.format == "JPEG" and png.RESTORED in file.getexif()[0x010E]


@pytest.mark.parametrize(
    "action, options, text",
    [
        ("restore", {"mask": ""}, "--mask is required"),
        ("restore", {"mask": "center"}, "--mask=center is neither a picture nor"),
        ("compress", {"tables": ""}, "--tables is required"),
        ("decompress", {"tables": ""}, "--tables is required"),
        ("compress", {"timeout": 0.0}, "--timeout must be above 0; got 0.0"),
    ],
)
def test_mistakes_in_flags(run, action, options, text):
    with pytest.raises((ValueError, OSError), match=text):
        run(action, **options)


def test_a_missing_package_is_an_error_in_a_line(run, monkeypatch):
    def fail(self, address, **options):
        raise ImportError("pip install .[serving]")

    monkeypatch.setattr(Server, "__init__", fail)
    with pytest.raises(ValueError, match="pip install"):
        run("compress")
