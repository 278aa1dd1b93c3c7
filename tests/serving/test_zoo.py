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

from data_pipeline import pixels
from experiments import compress, restore, serve
from experiments import latents as experiments_latents
from serving.export import codec, latents, restorer
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


def entry(name, data, paper="skip_inpainting"):
    return {
        "name": name,
        "file": f"{name}.zip",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "paper": paper,
        "card": f"{name}.md",
        "results": "",
        "trained_on": "",
        "license": "",
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


class TestFolders:
    def test_a_folder_is_returned_as_it_is(self, shipped, tmp_path, monkeypatch):
        (tmp_path / "runs" / "1").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        assert zoo.resolve("runs/1") == pathlib.Path("runs/1")
        assert zoo.resolve(tmp_path / "runs" / "1") == tmp_path / "runs" / "1"

    def test_a_folder_goes_before_a_model_of_its_name(
        self, shipped, tmp_path, monkeypatch
    ):
        (tmp_path / NAME).mkdir()
        monkeypatch.chdir(tmp_path)
        assert zoo.resolve(NAME) == pathlib.Path(NAME)
        assert not cached(tmp_path)

    def test_folders_and_names_need_no_tensorflow(self):
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
        picture = tmp_path / "photos" / "a.png"
        picture.parent.mkdir()
        Image.fromarray(tiny.noise(1)[0]).save(picture)
        options = restore.Options(
            model=NAME, input=str(picture), output=str(tmp_path / "out")
        )
        restore.restore(options)
        seen, restored = pixels.read(picture), pixels.read(tmp_path / "out" / "a.png")
        np.testing.assert_array_equal(seen[:8], restored[:8])
        assert not np.array_equal(seen[8:-8, 8:-8], restored[8:-8, 8:-8])

    def test_other_commands_take_it_too(self, stub, tmp_path, monkeypatch):
        class Opened(Exception):
            pass

        def opened(what, *_, **options):
            raise Opened(what)

        for module, name in (
            (codec, "load"),
            (latents, "load"),
            (server, "write"),
        ):
            monkeypatch.setattr(module, name, opened)
        picture, out = str(tmp_path / "a.png"), str(tmp_path / "out")
        Image.fromarray(tiny.noise(1)[0]).save(picture)
        paths = {"model": NAME, "input": picture}
        for run, expected in (
            (
                lambda: compress.compress(compress.Options(output=out, **paths)),
                zoo.resolve(NAME),
            ),
            (
                lambda: experiments_latents.traverse(
                    experiments_latents.Options(output=f"{out}.png", **paths)
                ),
                zoo.resolve(NAME),
            ),
            (
                lambda: serve.serve(serve.Options(model=(NAME, "."), output=out)),
                [zoo.resolve(NAME), pathlib.Path(".")],
            ),
        ):
            with pytest.raises(Opened) as caught:
                run()
            assert caught.value.args == (expected,)

    def test_they_are_those_of_the_papers_that_are_asked_for(self, shipped):
        write_index(
            shipped,
            entry("b", b"", "pyramid_cgan"),
            entry("a", b"", "cvae_dcgan"),
            entry("c", b"", "cvae_dcgan"),
        )
        assert zoo.names() == ("b", "a", "c")
        assert zoo.names("cvae_dcgan") == ("a", "c")
        assert zoo.flag_help("Folder", "cvae_dcgan") == "Folder, or one of a, c."
        assert zoo.flag_help("Folder", "skip_inpainting") == "Folder."

    def test_the_cache_is_the_users_by_default(self, monkeypatch):
        monkeypatch.setenv("HOME", "/somebody")
        monkeypatch.delenv("FACEMEND_CACHE", raising=False)
        assert zoo.cache() == pathlib.Path("/somebody/.cache/facemend")


class TestMistakes:
    def test_an_unknown_name_lists_those_that_are(self, shipped, package):
        write_index(shipped, entry(NAME, package), entry("other", package))
        with pytest.raises(FileNotFoundError) as caught:
            zoo.resolve("tiny_modle")
        assert "tiny_model, other. Did you mean: tiny_model ?" in str(caught.value)
        with pytest.raises(FileNotFoundError, match="tiny_model, other. Pass one"):
            zoo.resolve("runs/model3/export/1")

    def test_without_the_repository_it_says_so(self, shipped):
        (shipped / zoo.INDEX).unlink()
        assert zoo.names() == ()
        with pytest.raises(FileNotFoundError, match="Clone it and install from"):
            zoo.resolve(NAME)

    def test_an_empty_name_is_not_the_folder_one_is_in(self, shipped):
        with pytest.raises(FileNotFoundError, match="^An empty name is neither a fol"):
            zoo.resolve("")

    def test_what_a_later_index_says_more_is_ignored(self, shipped, stub, package):
        write_index(shipped, {**entry(NAME, package), "min_version": "2"})
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

    @pytest.mark.parametrize("place", [0, 1000, -1])
    def test_a_damaged_byte_is_refused(self, shipped, stub, tmp_path, package, place):
        data = bytearray(package)
        data[place] ^= 1
        (shipped / f"{NAME}.zip").write_bytes(data)
        with pytest.raises(ValueError, match=r"is damaged: .*git checkout"):
            zoo.resolve(NAME)
        assert not stub and not cached(tmp_path)

    def test_a_file_cut_off_is_refused(self, shipped, stub, package):
        (shipped / f"{NAME}.zip").write_bytes(package[:-1])
        with pytest.raises(ValueError, match=r"is damaged: "):
            zoo.resolve(NAME)

    def test_a_missing_file_says_how_to_get_it(self, shipped):
        (shipped / f"{NAME}.zip").unlink()
        with pytest.raises(FileNotFoundError, match="git sparse-checkout add pretrain"):
            zoo.resolve(NAME)

    def test_what_stands_for_it_in_git_lfs_is_known(self, shipped):
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        (shipped / f"{NAME}.zip").write_text(pointer)
        with pytest.raises(ValueError, match="`git lfs pull`"):
            zoo.resolve(NAME)

    def test_a_cache_that_cannot_be_written_is_named(self, stub, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "file"))
        with pytest.raises(OSError, match="Set the environment variable FACEMEND_"):
            zoo.resolve(NAME)


class TestCache:
    def test_it_is_used_the_second_time(self, shipped, stub, tmp_path):
        folder = zoo.resolve(NAME)
        (shipped / f"{NAME}.zip").unlink()
        assert zoo.resolve(NAME) == folder
        assert len(stub) == 1
        assert contents(folder) == WHOLE
        assert cached(tmp_path) == [folder.parents[1].name]

    def test_another_file_of_the_name_is_another_model(self, shipped, stub, tmp_path):
        first = zoo.resolve(NAME)
        (shipped / f"{NAME}.zip").write_bytes(b"other")
        write_index(shipped, entry(NAME, b"other"))
        assert zoo.resolve(NAME) != first
        assert len(stub) == len(cached(tmp_path)) == 2

    @pytest.mark.parametrize(
        "damage",
        [
            lambda folder: (folder / "a").unlink(),
            lambda folder: (folder / "a").write_bytes(b"firsT"),
            lambda folder: (folder / "inner" / "b").write_bytes(b""),
            lambda folder: (folder.parents[1] / "files.json").unlink(),
            lambda folder: (folder.parents[1] / "files.json").write_text("{}"),
            lambda folder: (folder.parents[1] / "files.json").write_text(""),
        ],
        ids=["gone", "changed", "empty", "no list", "empty list", "damaged list"],
    )
    def test_what_is_damaged_there_is_made_anew(self, stub, tmp_path, damage):
        folder = zoo.resolve(NAME)
        damage(folder)
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
    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
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
