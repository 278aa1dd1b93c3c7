"""Sources in general, folders of images, drawn faces and scenes."""

import io
import os
import socket
import time

import numpy as np
import pytest
from PIL import Image

from data_pipeline import pixels, sources
from data_pipeline.drawn_scenes import draw

BLUE = (20, 60, 200)


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def fill(root, names, format="PNG"):
    """Writes one small image a name; returns the folder."""
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        color = (number % 256, 100, 200)
        path.write_bytes(encoded(Image.new("RGB", (6, 4), color), format=format))
    return root


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def no_default_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", ["lfw", "celeb_a", "celeb_a_hq", "folder"])
@pytest.mark.parametrize("where", ["unset", "empty", "absent"])
def test_absent_data_is_a_quick_error_that_says_what_to_do(
    name, where, tmp_path, no_network, no_default_dir
):
    (tmp_path / "empty").mkdir()
    data_dir = "" if where == "unset" else str(tmp_path / where)
    start = time.monotonic()
    with pytest.raises(FileNotFoundError) as caught:
        sources.load(name, "train", data_dir=data_dir)
    assert time.monotonic() - start < 5
    message = str(caught.value)
    assert "--data_dir" in message
    assert data_dir in message
    homepage = {
        "lfw": "vis-www.cs.umass.edu/lfw",
        "celeb_a": "mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        "celeb_a_hq": "github.com/tkarras/progressive_growing_of_gans",
        "folder": "images",
    }
    assert homepage[name] in message


def test_unknown_names_get_the_list_and_a_suggestion():
    with pytest.raises(ValueError, match=r"faces, lfw, .*Did you mean: celeb_a \?"):
        sources.load("celeba", "train")
    with pytest.raises(ValueError, match="train, test; got 'validation'"):
        sources.load("lfw", "validation")
    with pytest.raises(ValueError, match="train, validation, test; got 'dev'"):
        sources.load("celeb_a", "dev")
    with pytest.raises(ValueError, match="which only lfw"):
        sources.load("celeb_a", "train", split_by="person")
    with pytest.raises(ValueError, match="limit must be at least 0"):
        sources.load("faces", "train", limit=-1)


GRAY16 = np.linspace(0, 65535, 24).reshape(4, 6).astype(np.uint16)
FORMATS = {
    "jpeg.jpg": encoded(Image.new("RGB", (6, 4), BLUE), format="JPEG", quality=95),
    "upper.JPEG": encoded(Image.new("RGB", (6, 4), BLUE), format="JPEG", quality=95),
    "rgb.png": encoded(Image.new("RGB", (6, 4), BLUE), format="PNG"),
    "webp.webp": encoded(Image.new("RGB", (6, 4), BLUE), format="WEBP", lossless=True),
    "avif.avif": encoded(Image.new("RGB", (6, 4), BLUE), format="AVIF", quality=95),
    "tiff.TIF": encoded(Image.new("RGB", (6, 4), BLUE), format="TIFF"),
    "frames.gif": encoded(
        Image.new("RGB", (6, 4), BLUE).quantize(4),
        format="GIF",
        save_all=True,
        append_images=[Image.new("P", (6, 4))],
    ),
    "bmp.bmp": encoded(Image.new("RGB", (6, 4), BLUE), format="BMP"),
    "palette.png": encoded(Image.new("RGB", (6, 4), BLUE).quantize(4), format="PNG"),
    "alpha.png": encoded(Image.new("RGBA", (6, 4), (*BLUE, 255)), format="PNG"),
    "cmyk.jpg": encoded(
        Image.new("RGB", (6, 4), BLUE).convert("CMYK"), format="JPEG", quality=95
    ),
    "gray.png": encoded(Image.new("L", (6, 4), 77), format="PNG"),
    "gray16.png": encoded(Image.fromarray(GRAY16), format="PNG"),
    "gray16.tiff": encoded(Image.fromarray(GRAY16), format="TIFF"),
}


def test_every_format_becomes_rgb_bytes(tmp_path):
    for name, data in FORMATS.items():
        (tmp_path / name).write_bytes(data)
    source = [
        *sources.load("folder", "train", data_dir=str(tmp_path)),
        *sources.load("folder", "test", data_dir=str(tmp_path)),
    ]
    images = {element["name"]: element["image"] for element in source}
    assert sorted(images) == sorted(FORMATS)
    for name, image in images.items():
        assert (image.shape, image.dtype) == ((4, 6, 3), np.uint8), name
        if "gray" not in name:
            off = np.abs(image.astype(int) - BLUE).max()
            lossy = name.lower().endswith(("jpg", "jpeg", "avif"))
            assert off <= (3 if lossy else 0), name
    assert (images["gray.png"] == 77).all()
    for name in ("gray16.png", "gray16.tiff"):
        np.testing.assert_allclose(images[name][..., 0], GRAY16 / 257, atol=0.51)


def test_folder_is_searched_below_and_hidden_things_are_left_out(tmp_path):
    names = ["a.png", "below/deep/b.png", "below/日本 é.png"]
    unseen = [".hidden.png", ".cache/c.png"]
    fill(tmp_path, names + unseen)
    (tmp_path / "notes.txt").write_text("not an image")
    os.symlink(tmp_path, tmp_path / "below" / "loop")
    train = sources.load("folder", "train", data_dir=str(tmp_path))
    test = sources.load("folder", "test", data_dir=str(tmp_path))
    assert sorted(train.names + test.names) == names
    assert {element["name"] for element in train} == set(train.names)
    assert train.info.split_counts == {"train": 2, "test": 1}


def test_split_is_a_seeded_shuffle_of_the_sorted_names(tmp_path):
    names = [f"{number:03d}.png" for number in range(101)]
    fill(tmp_path, names)

    def load(split, seed=0):
        return sources.load("folder", split, data_dir=str(tmp_path), seed=seed).names

    train, test = load("train"), load("test")
    assert (len(train), len(test)) == (80, 21)  # floor(0.8 * 101)
    assert sorted(train + test) == names
    assert list(train) != sorted(train)
    assert (load("train"), load("test")) == (train, test)
    assert set(load("test", seed=1)) != set(test)


def test_subfolders_named_as_splits_are_the_splits(tmp_path):
    fill(tmp_path, ["train/b.png", "train/a/c.png", "test/a.png", "other.png"])

    def load(split):
        return sources.load("folder", split, data_dir=str(tmp_path))

    assert load("train").names == ("train/a/c.png", "train/b.png")
    assert load("test").names == ("test/a.png",)
    assert "1 images outside them are left out" in load("test").info.notes
    with pytest.raises(ValueError, match="splits train, test; got 'validation'"):
        load("validation")
    fill(tmp_path, ["validation/v.png"])
    assert load("validation").names == ("validation/v.png",)


def test_too_few_images_for_a_split_is_an_error(tmp_path):
    fill(tmp_path, ["only.png"])
    with pytest.raises(ValueError, match=r"train split of folder has no images"):
        sources.load("folder", "train", data_dir=str(tmp_path))


def test_damaged_image_is_named_and_the_others_are_read(tmp_path):
    fill(tmp_path, [f"{number}.jpg" for number in range(9)], format="JPEG")
    whole = (tmp_path / "0.jpg").read_bytes()
    source = sources.load("folder", "train", data_dir=str(tmp_path))
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
    source = sources.load("folder", "train", data_dir=str(tmp_path))
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
    limited = sources.load("folder", "train", data_dir=str(tmp_path), limit=5)
    assert limited.names == source.names[:5]
    assert limited.info.split_counts == {"train": 16, "test": 4}
    assert len(source.take(99)) == len(source)


def test_drawn_faces_are_disjoint_annotated_and_repeatable():
    parts = {
        split: sources.load("faces", split, size=32)
        for split in sources.splits("faces")
    }
    assert [len(part) for part in parts.values()] == [8000, 512, 1000]
    assert len({name for part in parts.values() for name in part.names}) == 9512
    element = parts["test"][7]
    assert element["name"] == parts["test"].names[7]
    assert set(element) == {"image", "name", *parts["test"].fields}
    assert element["image"].shape == (32, 32, 3)
    assert element["attributes"].shape == (len(parts["test"].info.attribute_names),)
    assert element["landmarks"].shape == (5, 2)
    assert element["face_mask"].shape == (32, 32, 1)
    again = sources.load("faces", "test", size=32, limit=8)
    np.testing.assert_array_equal(list(again)[7]["image"], element["image"])
    other = sources.load("faces", "test", size=32, seed=1)[7]
    assert (other["image"] != element["image"]).any()
    assert sources.load("faces", "test", size=8)[0]["image"].shape == (32, 32, 3)


def test_drawn_scenes_are_split_as_faces_are_and_have_nothing_but_an_image():
    parts = {
        split: sources.load("scenes", split, size=32)
        for split in sources.splits("scenes")
    }
    assert [len(part) for part in parts.values()] == [8000, 512, 1000]
    assert len({name for part in parts.values() for name in part.names}) == 9512
    assert parts["test"].fields == ()
    assert parts["test"].info.attribute_names == ()
    element = parts["test"][7]
    assert set(element) == {"image", "name"}
    assert element["name"] == parts["test"].names[7]
    expected = draw.draw(7, seed=0, size=32)
    np.testing.assert_array_equal(element["image"], expected)
    other = sources.load("scenes", "test", size=32, seed=1)[7]
    assert (other["image"] != element["image"]).any()
    assert sources.load("scenes", "test", size=8)[0]["image"].shape == (32, 32, 3)


@pytest.mark.parametrize("name", ["folder", "celeb_a_hq"])
def test_by_order_nothing_is_shuffled(tmp_path, name):
    names = [f"{number:03d}.png" for number in range(21)]
    fill(tmp_path, names)
    options = {"data_dir": str(tmp_path), "split_by": "order"}
    assert sources.load(name, "train", **options).names == tuple(names[:18])
    assert sources.load(name, "test", **options).names == tuple(names[18:])


def test_by_order_needs_one_folder_of_files(tmp_path):
    fill(tmp_path, ["train/a.png", "test/b.png"])
    with pytest.raises(ValueError, match="has the subfolders train, test"):
        sources.load("folder", "train", data_dir=str(tmp_path), split_by="order")
    with pytest.raises(ValueError, match="split_by=order is for files"):
        sources.load("faces", "train", split_by="order")
