"""What every command keeps that turns files into files: names, skips, overwriting."""

import dataclasses
import io
import os
import sys
from collections.abc import Callable

import numpy as np
import pytest
import tiny_codec
from PIL import Image
from test_request import Server
from test_restore import Painter, contents

from data_pipeline import pixels
from experiments import compress, restore
from experiments import request as served
from experiments.core import file_jobs
from serving.export import codec as codec_export


@dataclasses.dataclass(frozen=True)
class Command:
    action: Callable
    options: type
    suffix: str  # of its inputs
    result: str  # suffix of its results
    verb: str  # what its pictures are in the end


COMMANDS = {
    "restore": Command(restore.restore, restore.Options, "png", "png", "restored"),
    **{
        f"{place}{action}": Command(
            getattr(module, action), module.Options, suffix, result, f"{verb}ed"
        )
        for place, module in (("", compress), ("served ", served))
        for action, suffix, result, verb in (
            ("compress", "png", "fmc", "compress"),
            ("decompress", "fmc", "png", "decompress"),
        )
    },
    "served restore": Command(served.restore, served.Options, "png", "png", "restored"),
}
FLAGS = {"mask": "mask.png", "tables": "."}  # of those that have them


@pytest.fixture(scope="module")
def codec():
    return tiny_codec.build()


@pytest.fixture(params=COMMANDS.values(), ids=COMMANDS)
def command(request):
    return request.param


@pytest.fixture
def run(command, codec, tmp_path, monkeypatch):
    """Runs the command from in/ to out/, with models that stand in for others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(restore, "PhotoRestorer", Painter)
    monkeypatch.setattr(codec_export, "load", lambda folder, **_: codec)
    monkeypatch.setattr(served, "Client", Server)
    monkeypatch.setattr(
        Server, "compress", lambda self, image, quality: codec.compress(image)
    )
    monkeypatch.setattr(Server, "decompress", lambda self, data: codec.decompress(data))
    Image.fromarray(np.tri(20, 30, dtype=np.uint8) * 255).save("mask.png")

    def run(**typed):
        flags = {key: FLAGS[key] for key in FLAGS if hasattr(command.options, key)}
        paths = {"model": ".", "input": "in", "output": "out"}
        command.action(command.options(**{**flags, **paths, **typed}))

    return run


@pytest.fixture
def write(command, codec, tmp_path):
    """Writes an input of the command."""

    def write(name):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = tiny_codec.picture(20, 30)
        encode = pixels.encode_png if command.suffix == "png" else codec.compress
        path.write_bytes(encode(image))
        return path

    return write


def test_results_have_the_names_of_their_inputs(run, command, write, tmp_path, capsys):
    stems = ("a", "d.e", "one/two/c")
    for stem in stems:
        write(f"{stem}.{command.suffix}")
    write("notes.txt")
    before = contents(tmp_path / "in")
    run()
    assert [*contents(tmp_path / "out")] == [f"{s}.{command.result}" for s in stems]
    assert contents(tmp_path / "in") == before
    out, err = capsys.readouterr()
    assert f"3 pictures {command.verb}: out\n" in out
    assert "%" not in err  # a bar would fill a log
    # One file is enough, whatever its name.
    run(input=str(write("sent.data")), output="one")
    assert [*contents(tmp_path / "one")] == [f"sent.{command.result}"]


def test_lines_stand_above_the_bar_of_a_terminal(run, command, write, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for name in "abc":
        path = write(f"{name}.{command.suffix}")
    path.with_stem("b").write_bytes(b"no picture")
    screen = Terminal()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, screen)
    with pytest.raises(ValueError):
        run()
    assert "100%|" in screen.getvalue()
    for line in screen.getvalue().splitlines():
        if "in/" in line:  # after what clears the bar
            assert line.rpartition("\r")[2].startswith(("in/", "skipped in/")), line


def test_without_work_nothing_is_loaded(run, command, write, monkeypatch, capsys):
    write(f"a.{command.suffix}"), write(f"b.{command.suffix}")
    run()

    def load(*_, **__):
        raise AssertionError("loaded")

    monkeypatch.setattr(restore, "PhotoRestorer", load)
    monkeypatch.setattr(codec_export, "load", load)
    monkeypatch.setattr(compress, "tensorflow_compression", load)
    monkeypatch.setattr(served, "Client", load)
    capsys.readouterr()
    run()
    said = "Nothing to do: 2 results are already there; --overwrite makes them again.\n"
    assert capsys.readouterr() == (said, "")


def test_the_others_are_done_before_it_is_an_error(
    run, command, write, tmp_path, capsys
):
    for name in "abc":
        path = write(f"{name}.{command.suffix}")
    path.with_stem("b").write_bytes(b"no picture")
    with pytest.raises(
        ValueError, match=f"^1 picture could not be {command.verb}; see"
    ):
        run()
    assert [*contents(tmp_path / "out")] == [f"{n}.{command.result}" for n in "ac"]
    out, err = capsys.readouterr()
    assert f"skipped in/b.{command.suffix}: " in err and err.count("skipped") == 1
    assert f"2 pictures {command.verb}, 1 skipped: " in out


def test_results_are_replaced_when_told_only(run, command, write, tmp_path, capsys):
    result = tmp_path / "out" / f"a.{command.result}"
    write(f"a.{command.suffix}")
    result.parent.mkdir()
    result.write_bytes(b"mine")
    text = rf"^out has 1 result .*: {result.name} \(made by something else\)\. Pass"
    with pytest.raises(ValueError, match=text):
        run()
    assert contents(result.parent) == {result.name: b"mine"}
    run(overwrite=True)
    made = result.read_bytes()
    assert made != b"mine"
    write(f"b.{command.suffix}")
    run()
    told = "1 result already there, left alone (--overwrite replaces)."
    out, err = capsys.readouterr()
    assert told in err and f"1 picture {command.verb}: " in out
    # Of another input of the same name.
    source = write(f"a.{command.suffix}")
    source.write_bytes(source.read_bytes() + b".")
    with pytest.raises(ValueError, match=rf"{result.name} \(another input\)\."):
        run()
    assert result.read_bytes() == made


def test_what_was_killed_while_it_wrote_goes_on(
    run, command, write, tmp_path, monkeypatch
):
    result = tmp_path / "out" / f"a.{command.result}"
    write(f"a.{command.suffix}")
    whole = pixels.write_bytes

    def write_bytes(path, data):
        if path.exists() == before:
            raise KeyboardInterrupt
        whole(path, data)

    monkeypatch.setattr(pixels, "write_bytes", write_bytes)
    for before in (False, True):  # with the line written, and not the file
        with pytest.raises(KeyboardInterrupt):
            run(overwrite=before)
        monkeypatch.setattr(pixels, "write_bytes", whole)
        run()
        monkeypatch.setattr(pixels, "write_bytes", write_bytes)
        assert result.exists()
    # A line that was cut off, and what others wrote, spoil nothing.
    (record,) = result.parent.glob(".facemend*.jsonl")
    record.write_bytes(record.read_bytes() + b'\n{"name": "a.\n[]\n\xff')
    run()


def test_an_input_is_never_replaced(run, command, write, tmp_path):
    source = write(f"a.{command.result}")
    before = contents(tmp_path / "in")
    (tmp_path / "link").symlink_to("in")
    for output in ("in", "link"):
        for overwrite in (False, True):
            with pytest.raises(ValueError, match=r"would replace the input .*a\."):
                run(input=str(source), output=output, overwrite=overwrite)
    assert contents(tmp_path / "in") == before


def test_mistakes_are_told_at_once(run, command, write):
    write("notes.txt")
    # A compressed file says which of the shipped codecs wrote it.
    required = ("input", "output") if command.suffix == "fmc" else ("model", "input")
    for options, text in (
        *(({key: ""}, f"--{key} is req") for key in required),
        ({"output": __file__}, "--output=.* must be a folder, but"),
        ({}, rf"--input=in is neither a .*picture nor a folder .*\.{command.suffix}"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=text):
            run(**options)


def test_threads_keep_the_order_and_work_little_ahead():
    begun = []

    def do(item):
        begun.append(item)
        if item == 2:
            raise ValueError("two")
        return 10 * item

    results, errors = [], []
    for item, result in file_jobs.in_threads(do, iter(range(100))):
        assert len(begun) <= item + 2 + (os.cpu_count() or 1)
        try:
            results.append((item, result()))
        except ValueError as error:
            errors.append((item, str(error)))
    assert results == [(item, 10 * item) for item in range(100) if item != 2]
    assert errors == [(2, "two")]


def found(root, names):
    """The results' names of pictures of these names, sorted as these."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    options = {"suffixes": pixels.IMAGE_SUFFIXES, "result": ".png"}
    jobs = file_jobs.find(root, root / "out", kind="picture", **options)
    return [str(target.relative_to(root / "out")) for _, target in jobs]


def test_pictures_that_differ_in_their_suffix_keep_it(tmp_path):
    names = ["a.jpg", "a.png", "b.bmp", "one/two/a.WEBP"]
    expected = ["a.jpg.png", "a.png.png", "b.png", "one/two/a.png"]
    assert found(tmp_path, names) == expected


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpg", "a.png", "a.jpg.png", "a.jpg.webp"),
        ("a.jpg", "a.jpg.png", "a.jpg.png.png"),
        ("a.JPG", "a.jpg", "a.jpeg"),
    ],
)
def test_no_two_results_share_a_name(tmp_path, names):
    assert len(set(found(tmp_path, names))) == len(names)
