"""Sources in general, folders of images, drawn faces and scenes."""

import os
import socket
import time

import numpy as np
import pytest
from tiny import encoded

from data_pipeline import pixels, sources
from data_pipeline.drawn_scenes.draw import draw as draw_scene


def fill(root, names, **options):
    """Writes one small image per name; returns the folder."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        color = (number % 256, 100, 200)
        path.write_bytes(encoded(color, (6, 4), **{"format": "PNG", **options}))
    return root


def load(root, split="train", **options):
    return sources.load("folder", split, data_dir=str(root), **options)


@pytest.mark.parametrize("name", ["lfw", "celeb_a", "celeb_a_hq", "folder"])
@pytest.mark.parametrize("where", ["unset", "empty", "absent"])
def test_absent_data_is_a_quick_error_that_says_what_to_do(
    name, where, tmp_path, monkeypatch
):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "empty").mkdir()
    data_dir = "" if where == "unset" else str(tmp_path / where)
    start = time.monotonic()
    with pytest.raises(FileNotFoundError) as caught:
        sources.load(name, "train", data_dir=data_dir)
    assert time.monotonic() - start < 5
    homepage = {
        "lfw": "figshare.com",
        "celeb_a": "mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        "celeb_a_hq": "github.com/tkarras/progressive_growing_of_gans",
        "folder": "images",
    }
    for part in ("--data_dir", data_dir, homepage[name]):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "split", "options", "message"),
    [
        ("celeba", "train", {}, r"faces, lfw, .*Did you mean: celeb_a \?"),
        ("lfw", "validation", {}, "train, test; got 'validation'"),
        ("celeb_a", "dev", {}, "train, validation, test; got 'dev'"),
        ("celeb_a", "train", {"split_by": "person"}, "which only lfw"),
        ("faces", "train", {"split_by": "order"}, "split_by=order is for files"),
        ("lfw", "train", {"split_by": "first"}, "split_by=first is a split of celeb_a"),
        ("faces", "train", {"limit": -1}, "limit must be at least 0"),
        ("faces", "train", {"subset": 10}, "subset is an option of lfw"),
    ],
)
def test_arguments_that_are_none_get_the_list_and_a_suggestion(
    name, split, options, message
):
    with pytest.raises(ValueError, match=message):
        sources.load(name, split, **options)


def test_folder_is_searched_below_and_hidden_things_are_left_out(tmp_path):
    names = ["a.png", "b.AVIF", "below/deep/c.TIF", "below/日本 é.gif"]
    fill(tmp_path, [*names, ".hidden.png", ".cache/c.png"])
    (tmp_path / "notes.txt").write_text("not an image")
    os.symlink(tmp_path, tmp_path / "below" / "loop")
    train, test = load(tmp_path), load(tmp_path, "test")
    assert sorted(train.names + test.names) == names
    assert {element["name"] for element in train} == set(train.names)
    assert train.info.split_counts == {"train": 3, "test": 1}


def test_split_is_a_seeded_shuffle_of_the_sorted_names(tmp_path):
    names = [f"{number:03d}.png" for number in range(101)]
    fill(tmp_path, names)
    train, test = load(tmp_path).names, load(tmp_path, "test").names
    assert (len(train), len(test)) == (80, 21)  # floor(0.8 * 101)
    assert sorted(train + test) == names
    assert list(train) != sorted(train)
    assert (load(tmp_path).names, load(tmp_path, "test").names) == (train, test)
    assert set(load(tmp_path, "test", seed=1).names) != set(test)


@pytest.mark.parametrize("name", ["folder", "celeb_a_hq"])
def test_by_order_nothing_is_shuffled(tmp_path, name):
    names = [f"{number:03d}.png" for number in range(21)]
    options = {"data_dir": str(fill(tmp_path, names)), "split_by": "order"}
    assert sources.load(name, "train", **options).names == tuple(names[:18])
    assert sources.load(name, "test", **options).names == tuple(names[18:])


def test_subfolders_named_as_splits_are_the_splits(tmp_path):
    fill(tmp_path, ["train/b.png", "train/a/c.png", "test/a.png", "other.png"])
    assert load(tmp_path).names == ("train/a/c.png", "train/b.png")
    assert load(tmp_path, "test").names == ("test/a.png",)
    assert "1 images outside them are left out" in load(tmp_path).info.notes
    with pytest.raises(ValueError, match="splits train, test; got 'validation'"):
        load(tmp_path, "validation")
    with pytest.raises(ValueError, match="has the subfolders train, test"):
        load(tmp_path, split_by="order")
    fill(tmp_path, ["validation/v.png"])
    assert load(tmp_path, "validation").names == ("validation/v.png",)


def test_too_few_images_for_a_split_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"train split of folder has no images"):
        load(fill(tmp_path, ["only.png"]))


def test_damaged_image_is_named_and_the_others_are_read(tmp_path):
    fill(tmp_path, [f"{number}.jpg" for number in range(9)], format="JPEG")
    whole = (tmp_path / "0.jpg").read_bytes()
    source = load(tmp_path)
    cut, empty, gone = source.names[1], source.names[3], source.names[4]
    (tmp_path / cut).write_bytes(whole[: len(whole) // 2])
    (tmp_path / empty).write_bytes(b"")
    (tmp_path / gone).unlink()
    read, failed = [], []
    for name, reader in zip(source.names, source.readers(range(len(source)))):
        try:
            read.append(reader()["name"])
        except pixels.UnreadableImageError as error:
            assert str(tmp_path / name) in str(error)
            failed.append(name)
    assert failed == [cut, empty, gone]
    assert read == [name for name in source.names if name not in failed]


def test_sub_selections_keep_order_and_information(tmp_path):
    fill(tmp_path, [f"{number:02d}.png" for number in range(20)])
    source = load(tmp_path)
    images = [element["image"] for element in source]
    part = source.skip(3).take(5).skip(1)
    assert part.names == source.names[4:8]
    assert part.info == source.info
    assert (part.split, len(part)) == ("train", 4)
    for element, name, image in zip(part, source.names[4:8], images[4:8]):
        assert element["name"] == name
        np.testing.assert_array_equal(element["image"], image)
    np.testing.assert_array_equal(part[-1]["image"], images[7])
    with pytest.raises(IndexError):
        part[4]
    limited = load(tmp_path, limit=5)
    assert limited.names == source.names[:5]
    assert limited.info.split_counts == {"train": 16, "test": 4}
    assert len(source.take(99)) == len(source)


@pytest.mark.parametrize("name", ["faces", "scenes"])
def test_drawn_images_are_disjoint_repeatable_and_know_what_they_are(name):
    parts = [sources.load(name, split, size=32) for split in sources.splits(name)]
    assert [len(part) for part in parts] == [8000, 512, 1000]
    assert len({name for part in parts for name in part.names}) == 9512
    test = parts[-1]
    element = test[7]
    assert element["name"] == test.names[7]
    assert set(element) == {"image", "name", *test.fields}
    assert test.fields == (
        ("attributes", "landmarks", "face_mask") if name == "faces" else ()
    )
    assert len(test.info.attribute_names) == len(element.get("attributes", ()))
    if name == "scenes":
        expected = draw_scene(7, seed=0, size=32)
        np.testing.assert_array_equal(element["image"], expected)
    again = sources.load(name, "test", size=32, limit=8)
    np.testing.assert_array_equal(list(again)[7]["image"], element["image"])
    other = sources.load(name, "test", size=32, seed=1)[7]
    assert (other["image"] != element["image"]).any()
    assert sources.load(name, "test", size=8)[0]["image"].shape == (32, 32, 3)


def test_splits_are_told_apart_by_what_they_depend_on():
    def equal(*one, **two):
        return sources.partition(*one) == sources.partition(**two)

    same = {"name": "lfw", "split_by": "image", "seed": 0, "subset": 0}
    assert equal("lfw", "image", 0, **same)
    assert not equal("lfw", "image", 1, **same)
    assert not equal("lfw", "image", 0, **{**same, "subset": 1000})
    ordered = {**same, "split_by": "order"}
    assert equal("lfw", "order", 1, **ordered)
    # A subset is chosen by the seed.
    assert not equal("lfw", "order", 1, 1000, **{**ordered, "subset": 1000})
    assert equal("celeb_a", "image", 1, **{**same, "name": "celeb_a"})
