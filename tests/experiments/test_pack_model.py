"""Packing models to be shipped: what is compared, written, and refused."""

import functools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
import tiny_latents
import tiny_serving

from data_pipeline import sources
from data_pipeline.datasets import lfw
from experiments import compress, pack_model
from experiments.core import cards, networks
from experiments.core.system import load
from serving.codec import container
from serving.export import codec as codec_export
from serving.export import saved_model
from serving.export.kinds import INPAINTING
from serving.photo import restorer
from serving.zoo import package, zoo

NAME = "tiny_model"
CARD = """# Çard

It restores.

## How to use it
experiments.compress --model=export/1 ...
load_model("export/1")

## Results
"""
MAKERS = {
    "skip_inpainting": tiny_serving.export_restorer,
    "portrait_autoencoder": lambda run: tiny_codec.export(run)[0],
    "cvae_dcgan": lambda run: tiny_latents.export(run)[0],
}


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """Paper -> an export as its experiment writes it, of photographs."""

    @functools.cache
    def make(paper):
        folder = MAKERS[paper](tmp_path_factory.mktemp(paper))
        rewrite(
            folder,
            **{"image_size": tiny_serving.SIZE, **saved_model.read_config(folder)},
            paper=paper,
            config={"dataset": "lfw", "epochs": 8, "initial": "another"},
        )
        (folder / "assets.extra" / "model_card.md").write_text(CARD)
        return folder

    return make


def rewrite(folder, **config):
    config = {**saved_model.read_config(folder), **config}
    (folder / "assets.extra" / "config.json").write_text(json.dumps(config))


@pytest.fixture
def folder(exports):
    return exports("skip_inpainting")


@pytest.fixture
def output(tmp_path, monkeypatch):
    """Where packages go, and are found by name."""
    monkeypatch.setattr(zoo, "PRETRAINED", tmp_path / "pretrained")
    monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "pretrained"


def pack(folder, output, name=NAME, **options):
    options = {"model": str(folder), "name": name, "output": str(output), **options}
    pack_model.pack(pack_model.Options(**options))


class TestPacked:
    def test_a_restorer_is_called_by_its_name(self, folder, output, capsys):
        pack(folder, output)
        size = (output / f"{NAME}.zip").stat().st_size
        told = capsys.readouterr().out
        assert f"{NAME}: all of it float16. On 8 drawn faces" in told
        assert f"{NAME}.zip: {size:,} bytes." in told
        entry = zoo.read_index(output)[NAME]
        found = (entry.bytes, entry.paper, entry.kind, entry.results)
        results = "results/skip_inpainting.json"
        assert found == (size, "skip_inpainting", INPAINTING, results)
        trained_on = "Labeled Faces in the Wild, 8 epochs, initialized from another"
        assert entry.trained_on == trained_on
        assert "research; its authors warn" in entry.license
        written = {path.name for path in output.iterdir()}
        assert written == {"models.json", entry.card, entry.file}
        card = (output / entry.card).read_text(encoding="utf-8")
        # Whoever has the package has no folder that a run exported to.
        assert card.startswith("# Çard\n\nIt restores.\n\n## This package\n")
        start, _, end = card.partition("## How to use it\n")
        assert f'folder = zoo.resolve("{NAME}")' in start
        used = f"experiments.compress --model={NAME} ...\nload_model(folder)"
        assert end == f"{used}\n\n## Results\n"
        flat = " ".join(card.split())
        assert f"--model={NAME}" in flat and entry.license in flat
        assert told.split("float16. ")[1].partition("\n")[0] in flat
        unpacked = zoo.resolve(NAME)
        assert restorer.PhotoRestorer(unpacked).size == tiny_serving.SIZE
        # Nothing in it says where it was made.
        for path in unpacked.rglob("*"):
            if path.is_file():
                assert str(folder.parents[2]).encode() not in path.read_bytes(), path
                assert str(pack_model.__file__).encode() not in path.read_bytes(), path

    def test_several_runs_are_told_in_words(self, folder, output):
        told = "Labeled Faces in the Wild, 8 epochs as model 3, then 2 as it is"
        pack(folder, output, trained_on=told)
        entry = zoo.read_index(output)[NAME]
        card = (output / entry.card).read_text(encoding="utf-8")
        assert entry.trained_on == told and told in " ".join(card.split())

    @pytest.mark.parametrize(
        "paper, codecs", [("portrait_autoencoder", 1), ("cvae_dcgan", 3)]
    )
    def test_so_is_a_codec(self, exports, output, capsys, paper, codecs):
        pack(exports(paper), output)
        assert "which does not read this one's files" in capsys.readouterr().out
        codec = codec_export.load(zoo.resolve(NAME))
        image = tiny_codec.picture(40, 50)
        data = codec.compress(image)
        np.testing.assert_array_equal(codec.decompress(data), codec.reconstruct(image))
        entry, model_id = zoo.read_index(output)[NAME], codec.model_id.hex()
        assert model_id in entry.codec_ids and len(entry.codec_ids) == codecs
        assert zoo.named(model_id) == f"{NAME} ({model_id})"
        # The original has other weights.
        with pytest.raises(container.ForeignFileError):
            codec_export.load(exports(paper)).decompress(data)

    def test_a_restorer_is_replaced_if_that_is_said(self, folder, output):
        pack(folder, output, trained_on="something else")
        pack(folder, output, "another")
        before = zoo.read_index(output)
        with pytest.raises(ValueError, match=f"--name={NAME} is in .*--overwrite"):
            pack(folder, output)
        assert zoo.read_index(output) == before
        pack(folder, output, overwrite=True)
        found = zoo.read_index(output)
        assert list(found) == ["another", NAME]
        assert found[NAME].trained_on != before[NAME].trained_on
        pack(folder, output, overwrite=True)
        assert zoo.read_index(output)[NAME] == found[NAME]  # the same bytes
        for name in found:
            folder = zoo.resolve(name)
            assert folder.parent.name == name
            assert (folder / "saved_model.pb").exists()

    def test_a_codec_is_never_replaced(self, exports, folder, output):
        """Its files would be of an unknown model."""
        pack(exports("portrait_autoencoder"), output)
        before = zoo.read_index(output)
        for model in (folder, exports("portrait_autoencoder")):
            with pytest.raises(ValueError, match=f"--name={NAME} is a codec.*new name"):
                pack(model, output, overwrite=True)
        assert zoo.read_index(output) == before

    @pytest.mark.parametrize("model", [".", "1"])
    def test_a_folder_that_is_named_from_nearby(
        self, folder, output, monkeypatch, model
    ):
        monkeypatch.chdir(folder if model == "." else folder.parent)
        pack(model, output)
        assert list(zoo.read_index(output)) == [NAME]

    def test_of_a_stranger_it_is_said_that_it_is_a_program(
        self, folder, output, capsys
    ):
        pack(folder, output)
        assert f"{folder} was not exported here" in capsys.readouterr().err


class TestAgain:
    def test_a_restorer_has_the_same_weights_and_the_card_beside_it(
        self, smoke_run, output
    ):
        pack(smoke_run("skip_inpainting").folder.export, output)
        before = zoo.resolve(NAME)
        path = output / f"{NAME}.md"
        path.write_text(path.read_text().replace("## Results", "## Measurements"))
        pack_model.pack_again(NAME, output)
        after = zoo.resolve(NAME)
        assert after != before  # the package is another
        kept = [
            saved_model.weights_of(tf.saved_model.load(str(folder)))
            for folder in (before, after)
        ]
        assert all(map(np.array_equal, *kept))
        assert saved_model.read_config(after) == saved_model.read_config(before)
        inside = (after / package.CARD).read_text()
        assert "## Measurements" in inside and cards.read_head(inside)
        assert inside == cards.in_package(path.read_text())
        with pytest.raises(ValueError, match="other weights"):
            pack_model._check_same(smoke_run("skip_inpainting").folder.export, after)

    def test_a_codec_keeps_its_files(self, exports, output):
        pack(exports("portrait_autoencoder"), output)
        image, before = tiny_codec.picture(40, 50), zoo.read_index(output)[NAME]
        data = codec_export.load(zoo.resolve(NAME)).compress(image)
        (output / before.card).write_text("# Another card\n")
        pack_model.pack_again(NAME, output)
        assert zoo.read_index(output)[NAME].codec_ids == before.codec_ids
        again = zoo.resolve(NAME)
        assert codec_export.load(again).compress(image) == data
        assert (again / package.CARD).read_text() == "# Another card\n"

    def test_a_name_that_is_not_there(self, exports, output):
        pack(exports("cvae_dcgan"), output)
        with pytest.raises(ValueError, match="--again must be one of tiny_model; got"):
            pack_model.pack_again("tiny", output)


class TestRetired:
    def test_it_reads_its_files_and_writes_none(self, exports, output):
        pack(exports("portrait_autoencoder"), output)
        image, before = tiny_codec.picture(40, 50), zoo.read_index(output)[NAME]
        codec = codec_export.load(zoo.resolve(NAME))
        data = codec.compress(image)
        pack_model.retire(NAME, output)
        entry = zoo.read_index(output)[NAME]
        assert entry.retired and entry.codec_ids == before.codec_ids
        assert entry.bytes < before.bytes
        assert NAME not in zoo.names() and zoo.writer(codec.model_id) == NAME
        reader = codec_export.load(zoo.resolve(NAME))
        np.testing.assert_array_equal(reader.decompress(data), codec.decompress(data))
        with pytest.raises(ValueError, match="writes none. Take another"):
            reader.compress(image)
        options = compress.Options(model=NAME, input=".", output=str(output / "out"))
        with pytest.raises(ValueError, match=f"--model={NAME} is kept to read"):
            compress._open(options)
        with pytest.raises(ValueError, match=f"--initial={NAME} is a codec that is k"):
            networks.exported(load("portrait_autoencoder"), NAME)
        card = (output / entry.card).read_text()
        assert "## Retired" in card
        pack_model.retire(NAME, output)  # again, which changes nothing
        assert zoo.read_index(output)[NAME] == entry

    def test_only_codecs_are_retired(self, folder, output):
        pack(folder, output)
        with pytest.raises(ValueError, match=f"got '?{NAME}"):
            pack_model.retire(NAME, output)


class TestRefused:
    @pytest.fixture(autouse=True)
    def nothing_is_written(self, output):
        yield
        assert not output.exists()

    def test_more_than_everybody_should_clone(self, folder, output, monkeypatch):
        monkeypatch.setattr(pack_model, "MAX_BYTES", 1000)
        with pytest.raises(ValueError, match="over the limit of 1,000. Take another"):
            pack(folder, output)

    @pytest.mark.parametrize("paper", ["skip_inpainting", "portrait_autoencoder"])
    def test_a_model_that_float16_does_not_suit(
        self, exports, output, monkeypatch, paper
    ):
        def coarse(values):
            if values.dtype != np.float32:
                return values
            return (np.round(values * 16) / 16).astype(np.float16)

        monkeypatch.setattr(package, "rounded", coarse)
        with pytest.raises(ValueError, match="too much: this network cannot be packed"):
            pack(exports(paper), output)

    @pytest.mark.parametrize(
        "config, text",
        [
            ({"dataset": "lfw", "workdir": "/home/me"}, "contains local paths"),
            ({"dataset": "folder"}, "dataset=folder, whose terms are not known"),
            (
                {"dataset": "lfw", "extra_dir": "mine"},
                "extra_dir=mine as well, whose terms are not known",
            ),
            (None, "is not an exported model"),
        ],
    )
    def test_local_paths_unknown_terms_and_no_export(
        self, folder, output, tmp_path, config, text
    ):
        if config is not None:
            shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
            rewrite(tmp_path, config=config)
        with pytest.raises((ValueError, FileNotFoundError), match=text):
            pack(tmp_path, output)

    @pytest.mark.parametrize("name", ["../x", "A", "-x", ".x", "a b", "ä"])
    def test_a_name_that_is_no_name(self, folder, output, name):
        with pytest.raises(ValueError, match="--name takes a to z"):
            pack(folder, output, name)


def test_the_terms_are_those_that_the_data_sets_say():
    title, terms = pack_model._DATA["lfw"]
    info = lfw._info({}, "")
    assert title == info.title
    assert terms.replace("LFW is ", "").replace(" on it", "") == info.license
    drawn = sources.load("faces", "test", limit=1, size=32).info
    assert pack_model._DATA["faces"] == (drawn.title, drawn.license)
