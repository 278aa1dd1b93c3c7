"""Labeled Faces in the Wild: the archive, its folder, and the published counts."""

import concurrent.futures
import io
import tarfile

import numpy as np
import pytest
from tiny import encoded

from data_pipeline import sources
from data_pipeline.datasets import lfw

PEOPLE = {"Ana_Li": 4, "Bo": 1, "Chen_Tsai-chin": 9, "Dee_O'Neil": 2, "Eva": 1, "Fu": 3}
NAMES = [f"{who}_{k:04d}" for who, n in PEOPLE.items() for k in range(1, n + 1)]


def person(name):
    return name.rsplit("_", 1)[0]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """The same images as an archive (in an order of its own) and as a folder."""
    root = tmp_path_factory.mktemp("lfw")
    (root / "archive").mkdir()
    with tarfile.open(root / "archive" / "lfw-deepfunneled.tgz", "w:gz") as archive:
        for name in reversed(NAMES):
            data = encoded((NAMES.index(name) * 10, 0, 0), format="JPEG")
            path = f"lfw-deepfunneled/{person(name)}/{name}.jpg"
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


def load_both(data_dir, **options):
    return [load(data_dir, split, **options) for split in ("train", "test")]


def test_archive_gives_every_image_under_its_own_name(layouts):
    train, test = load_both(layouts / "archive", seed=3)
    assert train.info.split_counts == {"train": 16, "test": 4}
    assert sorted(train.names + test.names) == sorted(NAMES)
    for element in [*train, *test]:
        red = element["image"][..., 0].mean()
        assert abs(red - NAMES.index(element["name"]) * 10) < 4, element["name"]
    assert "seed 3" in train.info.notes
    assert "it has 20 images, the published set 13,233" in train.info.notes


@pytest.mark.parametrize(
    "data_dir", ["archive/lfw-deepfunneled.tgz", "folder", "folder/lfw-deepfunneled"]
)
@pytest.mark.parametrize("split_by", ["image", "person", "order"])
def test_every_layout_gives_the_same(layouts, data_dir, split_by):
    options = {"split_by": split_by}
    for expected, source in zip(
        load_both(layouts / "archive", **options),
        load_both(layouts / data_dir, **options),
    ):
        assert source.names == expected.names
        for ours, theirs in zip(source, expected):
            np.testing.assert_array_equal(ours["image"], theirs["image"])
            assert ours["identity"] == theirs["identity"] == person(ours["name"])


def test_by_order_the_last_tenth_of_the_names_is_tested_on(layouts):
    train, test = (
        load(layouts / "archive", split, split_by="order", seed=seed).names
        for split, seed in (("train", 0), ("test", 1))  # the seed has no influence
    )
    assert [*train, *test] == sorted([*train, *test])
    assert len(test) == len(train) // 9 + bool(len(train) % 9)


def test_parts_of_an_archive_are_read_in_order_from_threads_and_again(layouts):
    source = load(layouts / "archive", "train")
    images = [element["image"] for element in source]
    for position, element in enumerate(source.skip(5).take(4), 5):
        assert element["name"] == source.names[position]
        np.testing.assert_array_equal(element["image"], images[position])
    np.testing.assert_array_equal(source[11]["image"], images[11])
    readers = list(source.readers(range(len(source))))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            elements = list(pool.map(lambda reader: reader(), readers))
            assert [element["name"] for element in elements] == list(source.names)
            for element, image in zip(elements, images):
                np.testing.assert_array_equal(element["image"], image)


@pytest.mark.parametrize("split_by", ["image", "person"])
@pytest.mark.parametrize("subset", [0, 10])
def test_the_seed_decides_split_and_subset(layouts, split_by, subset):
    def names(seed=0):
        options = {"split_by": split_by, "subset": subset, "seed": seed}
        return [part.names for part in load_both(layouts / "archive", **options)]

    train, test = names()
    count = subset or 20
    assert (len(train), len(test)) == (count * 4 // 5, count // 5)
    assert len({*train, *test}) == count
    assert names() == [train, test]
    assert {names(seed)[1] for seed in range(1, 6)} - {test}
    if subset:
        assert {*names(1)[0], *names(1)[1]} != {*train, *test}
        notes = load(layouts / "archive", "test", subset=subset).info.notes
        assert "10 of 20 images, chosen by the seed" in notes


@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_in_both_splits_by_person(layouts, seed):
    parts = load_both(layouts / "folder", split_by="person", seed=seed)
    people = [set(map(person, part.names)) for part in parts]
    assert not people[0] & people[1]
    assert people[0] | people[1] == set(PEOPLE)
    # A fifth is 4; a person with many images must not overfill it.
    assert 2 <= len(parts[1]) <= 4


def test_person_split_is_never_empty():
    parts = lfw.split_by_person(["a"] * 50 + ["b"] * 40, seed=0)
    assert (len(parts["train"]), len(parts["test"])) == (50, 40)


@pytest.mark.parametrize("kept", [0.5, 0.95])
def test_incomplete_archive_is_an_error_that_names_it(layouts, tmp_path, kept):
    whole = (layouts / "archive" / "lfw-deepfunneled.tgz").read_bytes()
    (tmp_path / "lfw.tgz").write_bytes(whole[: int(len(whole) * kept)])
    message = r"lfw\.tgz .* damaged or incomplete.*ndownloader.*SHA-256 .*055f7d9c632d"
    with pytest.raises(ValueError, match=message):
        load(tmp_path, "train")


def test_what_is_missing_is_fetched_from_a_host_that_is_there(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load(tmp_path, "train")
    text = str(caught.value)
    for name, address in lfw.ADDRESSES.items():
        assert name in text and address in text and lfw.CHECKSUMS[name] in text
        assert len(lfw.CHECKSUMS[name]) == 64


def test_a_web_page_saved_as_the_archive_is_called_so(tmp_path):
    (tmp_path / "lfw.tgz").write_text("<!doctype html><title>403 Forbidden</title>")
    with pytest.raises(ValueError, match="but a web page, '403 Forbidden', that was"):
        load(tmp_path, "train")


def test_archives_and_subsets_that_cannot_be(layouts, tmp_path):
    with tarfile.open(tmp_path / "lfw.tgz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("photos/one.jpg"), io.BytesIO())
    with pytest.raises(ValueError, match="not LFW's archive"):
        load(tmp_path, "train")
    with pytest.raises(ValueError, match=r"subset must be in 1..20, .* got 12234"):
        load(layouts / "archive", "train", subset=12234)


def test_published_counts_and_splits(outside_data):
    for split_by in ("image", "person"):
        train, test = load_both(outside_data / "lfw", split_by=split_by)
        assert (len(train), len(test)) == (10586, 2647)
        assert "published set" not in train.info.notes
        names = set(train.names + test.names)
        assert len(names) == 13233
        assert len(set(map(person, names))) == 5749
    assert train[3]["image"].shape == (250, 250, 3)
