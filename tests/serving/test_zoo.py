"""Models by name: what is used is whole and is the one that is meant."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tiny
from PIL import Image

from data_pipeline import machine, pixels
from experiments import compress, restore, serve
from experiments import latents as faces
from serving.export import codec, latents, restorer
from serving.export.kinds import CODEC, INPAINTING, LATENTS
from serving.photo.restorer import PhotoRestorer
from serving.tf_serving import server
from serving.zoo import package as zoo_package
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "tiny_model"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The bytes of a restorer's package."""
    place = tmp_path_factory.mktemp("package")
    folder = restorer.save(
        restorer.build_restorer(tiny.plain_generator(), fill=1.0),
        place / "export" / "1",
        extras={"config.json": json.dumps({"image_size": tiny.SIZE, "hole_size": 16})},
    )
    zoo_package.pack(folder, place / "package.zip")
    return (place / "package.zip").read_bytes()


def write_index(folder, *entries):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / zoo.INDEX).write_text(json.dumps({zoo.LIST: list(entries)}))


def entry(name, data=b"", paper="skip_inpainting", **others):
    empty = dict.fromkeys(("results", "trained_on", "license"), "")
    return {
        "name": name,
        "file": f"{name}.zip",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "paper": paper,
        "card": f"{name}.md",
        **empty,
        **others,
    }


@pytest.fixture
def shipped(tmp_path, monkeypatch, package):
    """A folder with one model, and an empty cache."""
    folder = tmp_path / "pretrained"
    write_index(folder, entry(NAME, package))
    (folder / f"{NAME}.zip").write_bytes(package)
    monkeypatch.setattr(zoo, "PRETRAINED", folder)
    monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def stub(shipped, monkeypatch):
    """In place of unpacking, which TensorFlow does: files with known bytes."""
    calls = []

    def unpack(data, folder):
        calls.append(folder)
        (folder / "inner").mkdir(parents=True)
        (folder / "a").write_bytes(b"first")
        (folder / "inner" / "b").write_bytes(b"second")

    monkeypatch.setattr(zoo_package, "unpack", unpack)
    return calls


def cached(tmp_path):
    """What is in the cache, hidden or not."""
    place = tmp_path / "cache" / "models"
    return sorted(path.name for path in place.iterdir()) if place.exists() else []


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


WHOLE = {"a": b"first", "b": b"second"}


def test_a_folder_is_returned_as_it_is(shipped, tmp_path, monkeypatch):
    (tmp_path / "runs" / "1").mkdir(parents=True)
    (tmp_path / NAME).mkdir()  # which goes before the model of this name
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/1", tmp_path / "runs" / "1", NAME):
        assert zoo.resolve(folder) == pathlib.Path(folder)
    assert not cached(tmp_path)


def test_folders_and_names_need_no_tensorflow():
    code = (
        "import sys; from serving import zoo; zoo.names(); zoo.resolve('.'); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class TestNames:
    def test_a_name_is_an_export_in_a_folder_of_that_name(self, shipped, tmp_path):
        folder = zoo.resolve(NAME)
        assert folder.is_relative_to(tmp_path / "cache")
        assert server.name_of(folder) == NAME
        assert folder.name == "1"
        picture, output = tmp_path / "photos" / "a.png", tmp_path / "out"
        picture.parent.mkdir()
        Image.fromarray(tiny.noise(1)[0]).save(picture)
        paths = {"input": str(picture), "output": str(output)}
        restore.restore(restore.Options(model=NAME, **paths))
        seen, restored = pixels.read(picture), pixels.read(output / "a.png")
        np.testing.assert_array_equal(seen[:8], restored[:8])
        assert not np.array_equal(seen[8:-8, 8:-8], restored[8:-8, 8:-8])

    @pytest.mark.parametrize(
        "opener, options, run, paper",
        [
            (
                *((codec, "load"), compress.Options, compress.compress),
                "portrait_autoencoder",
            ),
            ((latents, "load"), faces.Options, faces.traverse, "cvae_dcgan"),
            ((server, "write"), serve.Options, serve.serve, "skip_inpainting"),
        ],
    )
    def test_other_commands_take_it_too(
        self, shipped, package, stub, tmp_path, monkeypatch, opener, options, run, paper
    ):
        write_index(shipped, entry(NAME, package, paper=paper))

        def opened(folder, *_, **__):
            raise RuntimeError(folder)

        monkeypatch.setattr(*opener, opened)
        picture, output = tmp_path / "a.png", str(tmp_path / "out.png")
        Image.fromarray(tiny.noise(1)[0]).save(picture)
        several = opener[1] == "write"  # models at once, and no input
        given = (
            {"model": (NAME,)} if several else {"model": NAME, "input": str(picture)}
        )
        with pytest.raises(RuntimeError) as caught:
            run(options(output=output, **given))
        expected = zoo.resolve(NAME)
        assert caught.value.args == ([expected] if several else expected,)

    def test_they_are_those_of_the_kinds_that_are_asked_for(self, shipped):
        write_index(
            shipped,
            entry("b", paper="pyramid_cgan"),
            entry("a", paper="cvae_dcgan"),
            entry("c", paper="a sixth", kind=LATENTS),
            entry("d", paper="portrait_autoencoder"),
        )
        assert zoo.names() == ("b", "a", "c", "d")
        assert zoo.names(INPAINTING) == ("b",)
        assert zoo.names(CODEC, LATENTS) == ("a", "c", "d")
        assert zoo.flag_help("Folder", LATENTS) == "Folder, or one of a, c."
        with pytest.raises(ValueError, match="one of inpainting, codec, latents; got"):
            zoo.names("cvae_dcgan")
        write_index(shipped)
        assert zoo.flag_help("Folder", LATENTS) == "Folder."

    def test_identifiers_of_shipped_codecs_get_their_names(self, shipped):
        write_index(shipped, entry("a", codec_ids=["0011", "2233"]), entry("b"))
        assert zoo.named("of 2233, not 4455") == "of a (2233), not 4455"
        (shipped / zoo.INDEX).write_text("{")
        assert zoo.named("2233") == "2233"

    def test_a_retired_codec_is_read_with_and_not_offered(self, shipped):
        retired = entry("a", paper="portrait_autoencoder", codec_ids=["0011"])
        newer = entry("b", paper="portrait_autoencoder", codec_ids=["2233"])
        write_index(shipped, {**retired, "retired": True}, newer)
        assert zoo.names(CODEC) == ("b",)
        assert zoo.writer(bytes.fromhex("0011")) == "a"


class TestMistakes:
    def test_an_unknown_name_lists_those_that_are(self, shipped, package):
        write_index(shipped, entry(NAME, package), entry("other", package))
        for name, text in (
            (
                "tiny_modle",
                r"mean: tiny_model \? Pass one of tiny_model, other, or the",
            ),
            ("othre", r"Did you mean: other \? Pass one of other, tiny_model, or the"),
            ("runs/model3/export/1", r"model\. Pass one of "),
            ("", "^An empty name is neither a folder"),
        ):
            with pytest.raises(FileNotFoundError, match=text):
                zoo.resolve(name)
        (shipped / zoo.INDEX).unlink()
        assert zoo.names() == ()
        with pytest.raises(FileNotFoundError, match="Clone it and install from"):
            zoo.resolve(NAME)

    def test_a_model_of_earlier_names_what_takes_its_place(self, shipped, package):
        write_index(shipped, entry("skip_inpainting_restorer", package))
        for name in zoo.REPLACED:
            with pytest.raises(FileNotFoundError, match="no longer .*_restorer rest"):
                zoo.resolve(name)
        write_index(shipped, entry(NAME, package))
        with pytest.raises(FileNotFoundError, match="^pyramid_d is neither a folder"):
            zoo.resolve("pyramid_d")

    def test_a_name_of_another_kind_lists_those_that_fit(self, shipped):
        papers = ("cvae_dcgan", "pyramid_cgan", "skip_inpainting")
        write_index(shipped, *(entry(paper, paper=paper) for paper in papers))
        text = (
            "^The model cvae_dcgan encodes faces as numbers, for which there is "
            "facemend latents; here a model is needed that fills holes. Pass one of "
        )
        for find in (zoo.resolve, zoo.fingerprint):
            with pytest.raises(ValueError, match=f"{text}.*pyramid_cgan.* or the fo"):
                find("cvae_dcgan", INPAINTING)
            for kinds, fitting in (
                ([INPAINTING], "skip_inpainting, pyramid_cgan, or the folder"),
                ([CODEC, LATENTS], "cvae_dcgan, or the folder"),
            ):
                with pytest.raises(FileNotFoundError, match=f"of {fitting}"):
                    find("skip_inpaint", *kinds)

    def test_more_keys_of_a_later_index_are_ignored(self, shipped, stub, package):
        write_index(shipped, entry(NAME, package, min_version="2"))
        assert contents(zoo.resolve(NAME)) == WHOLE

    @pytest.mark.parametrize(
        "text",
        ["{", "[]", '{"facemend-models": [1]}', '{"facemend-models": [{"name": 1}]}'],
    )
    def test_a_damaged_index_is_named(self, shipped, text):
        (shipped / zoo.INDEX).write_text(text)
        with pytest.raises(ValueError, match=r"models.json is damaged .*git checkout"):
            zoo.resolve(NAME)
        assert zoo.flag_help("Folder") == "Folder."  # the command still starts

    @pytest.mark.parametrize("place", [0, 1000, -1, None])
    def test_a_damaged_byte_is_refused(self, shipped, stub, tmp_path, package, place):
        data = bytearray(package)
        if place is None:
            del data[-1]
        else:
            data[place] ^= 1
        (shipped / f"{NAME}.zip").write_bytes(data)
        with pytest.raises(ValueError, match=r"is damaged: .*git checkout"):
            zoo.resolve(NAME)
        assert not stub and not cached(tmp_path)

    def test_a_missing_file_says_how_to_get_it(self, shipped):
        package = shipped / f"{NAME}.zip"
        package.unlink()
        with pytest.raises(FileNotFoundError, match="git sparse-checkout add pretrain"):
            zoo.resolve(NAME)
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        package.write_text(pointer)
        with pytest.raises(ValueError, match="`git lfs pull`"):
            zoo.resolve(NAME)

    def test_a_model_of_another_kind_is_called_so(self, tmp_path):
        for path, text in (
            ("saved_model.pb", ""),
            ("assets.extra/config.json", '{"kind": "latents"}'),
        ):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text)
        text = "does not fill holes: it encodes faces as numbers, for which there is fa"
        with pytest.raises(ValueError, match=text):
            PhotoRestorer(tmp_path)

    def test_a_cache_that_cannot_be_written_is_named(self, stub, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "file"))
        with pytest.raises(OSError, match="Set the environment variable FACEMEND_"):
            zoo.resolve(NAME)


class TestCache:
    def test_it_is_used_the_second_time(self, shipped, stub, tmp_path):
        folder, package = zoo.resolve(NAME), shipped / f"{NAME}.zip"
        package.unlink()
        assert zoo.resolve(NAME) == folder
        assert len(stub) == 1
        assert contents(folder) == WHOLE
        assert cached(tmp_path) == [folder.parents[1].name]
        # Another file of the name is another model.
        package.write_bytes(b"other")
        write_index(shipped, entry(NAME, b"other"))
        assert zoo.resolve(NAME) != folder
        assert len(stub) == len(cached(tmp_path)) == 2

    def test_one_that_cannot_be_written_is_read(self, shipped, stub, monkeypatch):
        folder = zoo.resolve(NAME)
        monkeypatch.delenv("FACEMEND_CACHE")
        full = folder.parents[3]
        monkeypatch.setattr(machine, "cache_folders", lambda: [full, full / "other"])
        monkeypatch.setattr(machine, "cache_folder", lambda: full / "other")
        assert zoo.resolve(NAME) == folder and len(stub) == 1

    @pytest.mark.parametrize(
        "file, data",
        [
            ("tiny_model/1/a", None),
            ("tiny_model/1/a", b"firsT"),
            ("tiny_model/1/inner/b", b""),
            ("files.json", None),
            ("files.json", b"{}"),
            ("files.json", b""),
        ],
    )
    def test_what_is_damaged_there_is_made_anew(self, stub, tmp_path, file, data):
        folder = zoo.resolve(NAME)
        path = folder.parents[1] / file
        path.unlink()
        if data is not None:
            path.write_bytes(data)
        assert zoo.resolve(NAME) == folder
        assert contents(folder) == WHOLE
        assert len(stub) == 2
        assert len(cached(tmp_path)) == 1

    def test_an_interrupted_unpacking_leaves_nothing(self, stub, tmp_path, monkeypatch):
        def interrupted(data, folder):
            folder.mkdir(parents=True)
            (folder / "a").write_bytes(b"fi")
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(zoo_package, "unpack", interrupted)
            with pytest.raises(KeyboardInterrupt):
                zoo.resolve(NAME)
        assert not cached(tmp_path)
        assert contents(zoo.resolve(NAME)) == WHOLE


# Resolves in a process of its own, without TensorFlow. BODY is what unpacking does once
# there is a part of the files.
PROCESS = """
import os, pathlib, signal, sys, time, types
from serving.zoo import zoo

place, number = pathlib.Path(sys.argv[1]), sys.argv[2]
zoo.PRETRAINED = place / "pretrained"

def unpack(data, folder):
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"first")
    BODY
    (folder / "inner").mkdir()
    (folder / "inner" / "b").write_bytes(b"second")

sys.modules["serving.zoo.package"] = types.SimpleNamespace(unpack=unpack)
import serving.zoo
serving.zoo.package = sys.modules["serving.zoo.package"]
print(zoo.resolve(sys.argv[3]))
"""


def start(tmp_path, number, body):
    code = PROCESS.replace("BODY", body)
    command = [sys.executable, "-c", code, str(tmp_path), str(number), NAME]
    environment = {**os.environ, "FACEMEND_CACHE": str(tmp_path / "cache")}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


class TestProcesses:
    def test_what_a_killed_one_left_is_not_used(self, stub, tmp_path):
        killed = start(tmp_path, 0, "os.kill(os.getpid(), signal.SIGKILL)")
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        assert cached(tmp_path), "it was killed too early to leave anything"
        assert contents(zoo.resolve(NAME)) == WHOLE
        assert len(stub) == 1

    def test_two_may_unpack_at_once(self, stub, tmp_path):
        # Each goes on when both have begun.
        meet = (
            "(place / number).touch()\n"
            "    while not ((place / '0').exists() and (place / '1').exists()):\n"
            "        time.sleep(0.01)"
        )
        both = [start(tmp_path, number, meet) for number in range(2)]
        told = [one.communicate(timeout=60)[0].strip() for one in both]
        assert [one.returncode for one in both] == [0, 0]
        folder = zoo.resolve(NAME)
        assert told == [str(folder)] * 2
        assert contents(folder) == WHOLE
        assert not stub  # the one that was later leaves the first one's as it is
        assert cached(tmp_path) == [folder.parents[1].name]
