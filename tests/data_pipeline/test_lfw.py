"""Labeled Faces in the Wild: the archive, its folder, and the published counts."""

import concurrent.futures
import io
import os
import pathlib
import tarfile

import numpy as np
import pytest
from PIL import Image

from data_pipeline import sources
from data_pipeline.datasets import lfw

PEOPLE = {"Ana_Li": 4, "Bo": 1, "Chen_Tsai-chin": 9, "Dee_O'Neil": 2, "Eva": 1, "Fu": 3}
NAMES = [f"{who}_{k:04d}" for who, n in PEOPLE.items() for k in range(1, n + 1)]


def jpeg(value):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(buffer, format="JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """The same images as an archive (in an order of its own) and as a folder."""
    root = tmp_path_factory.mktemp("lfw")
    (root / "archive").mkdir()
    with tarfile.open(root / "archive" / "lfw-deepfunneled.tgz", "w:gz") as archive:
        for name in reversed(NAMES):
            data = jpeg(NAMES.index(name) * 10)
            path = f"lfw-deepfunneled/{name.rsplit('_', 1)[0]}/{name}.jpg"
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
            (root / "folder" / path).parent.mkdir(parents=True, exist_ok=True)
            (root / "folder" / path).write_bytes(data)
        readme = tarfile.TarInfo("lfw-deepfunneled/README.jpg")
        archive.addfile(readme, io.BytesIO())
    return root


def load(data_dir, split, **options):
    return sources.load("lfw", split, data_dir=str(data_dir), **options)


def test_archive_gives_every_image_under_its_own_name(layouts):
    train, test = load(layouts / "archive", "train"), load(layouts / "archive", "test")
    assert (len(train), len(test)) == (16, 4)
    assert sorted(train.names + test.names) == sorted(NAMES)
    for element in [*train, *test]:
        red = element["image"][..., 0].mean()
        assert abs(red - NAMES.index(element["name"]) * 10) < 4, element["name"]


@pytest.mark.parametrize(
    "data_dir",
    [
        "archive/lfw-deepfunneled.tgz",
        "folder",
        "folder/lfw-deepfunneled",
    ],
)
@pytest.mark.parametrize("split_by", ["image", "person", "order"])
def test_every_layout_gives_the_same(layouts, data_dir, split_by):
    for split in ("train", "test"):
        expected = load(layouts / "archive", split, split_by=split_by)
        source = load(layouts / data_dir, split, split_by=split_by)
        assert source.names == expected.names
        for ours, theirs in zip(source, expected):
            np.testing.assert_array_equal(ours["image"], theirs["image"])


def test_by_order_the_last_tenth_of_the_names_is_tested_on(layouts):
    train, test = (
        load(layouts / "archive", split, split_by="order", seed=seed).names
        for split, seed in (("train", 0), ("test", 1))  # the seed has no influence
    )
    assert [*train, *test] == sorted([*train, *test])
    assert len(test) == len(train) // 9 + bool(len(train) % 9)


def test_sub_selection_of_an_archive_is_read_in_order(layouts):
    source = load(layouts / "archive", "train")
    images = [element["image"] for element in source]
    for position, element in enumerate(source.skip(5).take(4), 5):
        assert element["name"] == source.names[position]
        np.testing.assert_array_equal(element["image"], images[position])
    np.testing.assert_array_equal(source[11]["image"], images[11])


def test_readers_may_be_called_from_threads_and_again(layouts):
    source = load(layouts / "archive", "train")
    expected = [element["image"] for element in source]
    readers = list(source.readers(range(len(source))))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            elements = list(pool.map(lambda reader: reader(), readers))
            assert [element["name"] for element in elements] == list(source.names)
            for element, image in zip(elements, expected):
                np.testing.assert_array_equal(element["image"], image)


def test_same_seed_same_split_and_another_seed_another(layouts):
    for split_by in ("image", "person"):
        first = load(layouts / "archive", "test", split_by=split_by)
        again = load(layouts / "archive", "test", split_by=split_by)
        assert first.names == again.names
        others = {
            load(layouts / "archive", "test", split_by=split_by, seed=seed).names
            for seed in range(1, 6)
        }
        assert others - {first.names}


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_in_both_splits_by_person(layouts, seed):
    train = load(layouts / "folder", "train", split_by="person", seed=seed)
    test = load(layouts / "folder", "test", split_by="person", seed=seed)
    people = [{n.rsplit("_", 1)[0] for n in part.names} for part in (train, test)]
    assert not people[0] & people[1]
    assert people[0] | people[1] == set(PEOPLE)
    assert 2 <= len(test) <= 4  # a fifth is 4; a large person must not overfill it


def test_person_split_is_never_empty():
    parts = lfw.split_by_person(["a"] * 50 + ["b"] * 40, seed=0)
    assert (len(parts["train"]), len(parts["test"])) == (50, 40)


def test_notes_say_how_it_was_split_and_that_images_are_missing(layouts):
    info = load(layouts / "archive", "train", seed=3).info
    assert "seed 3" in info.notes
    assert "it has 20 images, the published set 13,233" in info.notes
    assert info.split_counts == {"train": 16, "test": 4}


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_incomplete_archive_is_an_error_that_names_it(layouts, tmp_path, kept):
    whole = (layouts / "archive" / "lfw-deepfunneled.tgz").read_bytes()
    (tmp_path / "lfw.tgz").write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match=r"lfw\.tgz .* is damaged or incomplete"):
        load(tmp_path, "train")


def test_archive_of_something_else_is_an_error(tmp_path):
    with tarfile.open(tmp_path / "lfw.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("photos/one.jpg"), io.BytesIO())
    with pytest.raises(ValueError, match="not LFW's archive"):
        load(tmp_path, "train")


needs_lfw = pytest.mark.skipif(
    not os.environ.get("FACEMEND_DATA"),
    reason="FACEMEND_DATA does not name a folder with lfw/",
)


@needs_lfw
def test_published_counts_and_splits():
    data_dir = pathlib.Path(os.environ["FACEMEND_DATA"], "lfw")
    for split_by in ("image", "person"):
        train = load(data_dir, "train", split_by=split_by)
        test = load(data_dir, "test", split_by=split_by)
        assert (len(train), len(test)) == (10586, 2647)
        assert "published set" not in train.info.notes
        names = set(train.names + test.names)
        assert len(names) == 13233
        assert len({name.rsplit("_", 1)[0] for name in names}) == 5749
    assert train[3]["image"].shape == (250, 250, 3)


@pytest.mark.parametrize("split_by", ["image", "person"])
def test_a_subset_is_split_like_the_set(layouts, split_by):
    def parts(**options):
        options = {"split_by": split_by, "subset": 10, **options}
        return [load(layouts / "archive", s, **options) for s in ("train", "test")]

    train, test = parts()
    assert (len(train), len(test)) == (8, 2)
    assert len({*train.names, *test.names}) == 10
    assert "10 of 20 images, chosen by the seed" in train.info.notes
    assert [part.names for part in parts()] == [train.names, test.names]
    other = {name for part in parts(seed=1) for name in part.names}
    assert other != {*train.names, *test.names}


def test_a_subset_larger_than_the_set_is_an_error(layouts):
    with pytest.raises(ValueError, match=r"subset must be in 1..20, .* got 12234"):
        load(layouts / "archive", "train", subset=12234)
    with pytest.raises(ValueError, match="subset is an option of lfw"):
        sources.load("faces", "train", subset=10)
