"""Data sets prepared by tensorflow-datasets, written here and read offline."""

import shutil
import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_info

from data_pipeline import sources
from data_pipeline.datasets import celeba

PARTS = {"train": range(10, 15), "validation": range(20, 23), "test": range(30, 32)}
PEOPLE = ["ana", "ana", "bo", "chen", "chen", "dee", "eva", "fu", "gus", "hal"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def image(value, size=16):
    return np.full((size, size, 3), value, np.uint8)


def prepare(root, name, features, examples, *, config=None, version="2.1.0"):
    """Writes `examples`, a dict split -> list, as TFDS does, three to a shard."""
    folder = root / name / (config or "") / version
    folder.mkdir(parents=True)
    identity = dataset_info.DatasetIdentity(
        name=name,
        version=tfds.core.Version(version),
        data_dir=str(folder),
        module_name="",
        config_name=config,
    )
    info = tfds.core.DatasetInfo(
        builder=identity, features=tfds.features.FeaturesDict(features)
    )
    writer = tfds.core.SequentialWriter(info, max_examples_per_shard=3)
    writer.initialize_splits(list(examples))
    writer.add_examples(examples)
    writer.close_all()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("tfds")
    png = tfds.features.Image(shape=(16, 16, 3), encoding_format="png")

    def face(value):
        signs = {key: value % 2 == 0 for key in celeba.ATTRIBUTES}
        points = {key: value + k for k, key in enumerate(celeba.LANDMARKS)}
        signs["Young"] = value % 3 == 0
        return {"image": image(value), "attributes": signs, "landmarks": points}

    prepare(
        root,
        "celeb_a",
        {
            "image": png,
            "attributes": {key: np.bool_ for key in celeba.ATTRIBUTES},
            "landmarks": {key: np.int64 for key in celeba.LANDMARKS},
        },
        {split: [face(value) for value in values] for split, values in PARTS.items()},
    )
    people = [{"label": who, "image": image(k)} for k, who in enumerate(PEOPLE)]
    prepare(
        root,
        "lfw",
        {"label": tfds.features.Text(), "image": png},
        {"train": people},
        version="0.1.1",
    )
    for size in (64, 256):
        prepare(
            root,
            "celeb_a_hq",
            {"image": tfds.features.Image(shape=(size, size, 3))},
            {"train": [{"image": image(k, size)} for k in range(5)]},
            config=str(size),
        )
    return root


def load(root, name, split, **options):
    return sources.load(name, split, data_dir=str(root), **options)


@pytest.mark.parametrize("below", ["", "celeb_a", "celeb_a/2.1.0"])
def test_celeb_a_keeps_its_partition_and_annotations(root, below):
    for split, values in PARTS.items():
        source = load(root / below, "celeb_a", split)
        assert len(source) == len(values)
        assert source.info.split_counts == {"train": 5, "validation": 3, "test": 2}
        assert source.fields == ("attributes", "landmarks")
        for value, name, element in zip(values, source.names, source):
            np.testing.assert_array_equal(element["image"], image(value))
            assert element["name"] == name
            expected = np.full(40, value % 2 == 0)
            expected[-1] = value % 3 == 0  # Young
            np.testing.assert_array_equal(element["attributes"], expected)
            points = np.arange(value, value + 10).reshape(5, 2) - 1
            np.testing.assert_array_equal(element["landmarks"], points)
    assert "prepared TFDS data" in source.info.notes


def test_any_positions_are_read(root):
    source = load(root, "celeb_a", "train")
    values = [reader()["image"][0, 0, 0] for reader in source.readers([1, 2, 4])]
    assert values == [11, 12, 14]
    assert source[3]["image"][0, 0, 0] == 13
    assert [element["image"][0, 0, 0] for element in source.skip(2)] == [12, 13, 14]
    assert list(source.readers([])) == []


@pytest.mark.parametrize("split_by", ["image", "person"])
def test_lfw_is_split_80_20(root, split_by):
    train, test = (
        load(root, "lfw", split, split_by=split_by) for split in sources.splits("lfw")
    )
    assert (len(train), len(test)) == (8, 2)
    values = [[int(e["image"][0, 0, 0]) for e in part] for part in (train, test)]
    assert sorted(values[0] + values[1]) == list(range(10))
    for part, numbers in zip((train, test), values):
        people = [element["identity"] for element in part]
        assert people == [PEOPLE[number] for number in numbers]
    if split_by == "person":
        people = [{PEOPLE[value] for value in part} for part in values]
        assert not people[0] & people[1]


@pytest.mark.parametrize(("size", "expected"), [(32, 64), (64, 64), (128, 256)])
def test_smallest_resolution_that_suffices_is_read(root, size, expected):
    train = load(root, "celeb_a_hq", "train", size=size)
    assert len(train) == 4
    assert train[0]["image"].shape == (expected, expected, 3)
    assert load(root, "celeb_a_hq", "test", size=512)[0]["image"].shape[0] == 256


def test_missing_shard_is_an_error_at_once(root, tmp_path):
    copy = shutil.copytree(root / "lfw", tmp_path / "lfw")
    for shard in copy.glob("*/*tfrecord*"):
        shard.unlink()
    with pytest.raises(FileNotFoundError, match="is incomplete: .* is missing"):
        load(tmp_path, "lfw", "train")
