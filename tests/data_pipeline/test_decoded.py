"""Splits decoded once: what is skipped, what is cached, what does not fit."""

import dataclasses
import os
import socket

import numpy as np
import psutil
import pytest
import tensorflow as tf
import tiny

from data_pipeline import decoded, machine, pipeline, pixels, sources
from data_pipeline.datasets import elements

SIZE = 16


def pictures(root, count=6, seed=0):
    """Fills root/train and root/test with PNGs that are not square."""
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for number, image in enumerate(tiny.noise(count, 24, seed)):
            data = pixels.encode_png(image[:, :20])
            (root / split / f"{number:02d}.png").write_bytes(data)
    return root


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "pictures")


def load(folder):
    return sources.load("folder", "train", data_dir=str(folder))


def decode(folder, **options):
    return decoded.decode(load(folder), **{"size": SIZE, "crop": "center", **options})


def assert_same(left, right):
    assert left.names == right.names
    assert left.skipped == right.skipped
    np.testing.assert_array_equal(left.images, right.images)
    assert left.fields.keys() == right.fields.keys()
    for key, values in left.fields.items():
        np.testing.assert_array_equal(values, right.fields[key])
        assert values.dtype == right.fields[key].dtype


def gathered(split):
    """The images as TensorFlow sees them, in reverse order."""
    positions = tf.data.Dataset.range(len(split) - 1, -1, -1)
    return np.stack(list(positions.map(split.lookup()).as_numpy_iterator()))


@pytest.mark.parametrize("crop", ["center", "none", "8"])
def test_images_are_cropped_and_resized_in_order(folder, crop):
    split = decode(folder, crop=crop)
    assert split.names == tuple(f"train/{number:02d}.png" for number in range(6))
    assert len(split) == 6
    for name, image in zip(split.names, split.images):
        whole = {"image": pixels.read(folder / name)}
        expected = pixels.fit(whole, size=SIZE, crop=crop)["image"]
        np.testing.assert_array_equal(image, expected)
    np.testing.assert_array_equal(gathered(split), split.images[::-1])


@pytest.mark.parametrize("name", ["faces", "scenes"])
def test_processes_draw_what_threads_draw(name, monkeypatch):
    drawn = sources.load(name, "test", limit=12, size=32)
    threads = decoded.decode(drawn, size=32, crop="center")
    monkeypatch.setattr(decoded, "_FEW", 2)
    processes = decoded.decode(drawn, size=32, crop="center")
    assert processes.names == threads.names == drawn.names
    np.testing.assert_array_equal(processes.images, threads.images)
    assert processes.fields.keys() == threads.fields.keys() == {*drawn.fields}
    for key, values in threads.fields.items():
        np.testing.assert_array_equal(processes.fields[key], values)


def test_unreadable_images_are_named_counted_and_skipped(folder, capsys):
    whole = decode(folder)
    broken = {
        "train/00.png": b"",
        "train/03.png": b"not a picture",
        "train/05.png": (folder / "train/05.png").read_bytes()[:200],
    }
    for name, data in broken.items():
        (folder / name).write_bytes(data)
    split = decode(folder)
    said = capsys.readouterr().err
    assert "3 of 6 images of the train split could not be read" in said
    assert len(split.skipped) == 3
    for name, text in zip(broken, split.skipped):
        assert name in text
        assert f"skipped {text}" in said
    kept = [1, 2, 4]
    assert split.names == tuple(whole.names[i] for i in kept)
    np.testing.assert_array_equal(split.images, whole.images[kept])
    np.testing.assert_array_equal(gathered(split), split.images[::-1])


def annotated(count=9, broken=()):
    """A source with every optional field; some images cannot be decoded."""
    images = tiny.noise(count, SIZE)

    def readers(positions):
        for position in positions:
            yield lambda i=position: element(i)

    def element(i):
        if i in broken:
            raise pixels.UnreadableImageError(f"image_{i}: broken.")
        return {
            "image": images[i],
            "name": f"image_{i}",
            "attributes": np.array([i % 2 == 0, i % 3 == 0]),
            "landmarks": np.full([5, 2], i, np.float32),
            "face_mask": np.full([SIZE, SIZE, 1], i % 2, np.uint8),
            "identity": f"person {i % 7}",
        }

    names = tuple(f"image_{i}" for i in range(count))
    info = elements.SourceInfo("annotated", "", {"train": count}, "", "", "")
    return elements.Source(info, "train", names, readers, decoded.OPTIONAL_FIELDS)


@pytest.mark.parametrize("cached", [False, True])
def test_fields_stay_with_their_images(tmp_path, cached):
    cache_dir = str(tmp_path) if cached else ""
    source = annotated(150, broken=(0, 70, 149))  # more than are decoded at once
    split = decoded.decode(source, size=SIZE, crop="none", cache_dir=cache_dir)
    numbers = np.array([int(name[6:]) for name in split.names])
    assert len(numbers) == 147
    np.testing.assert_array_equal(split.images, tiny.noise(150, SIZE)[numbers])
    fields = split.fields
    np.testing.assert_array_equal(fields["landmarks"][:, 0, 0], numbers)
    np.testing.assert_array_equal(fields["attributes"][:, 0], numbers % 2 == 0)
    np.testing.assert_array_equal(fields["face_mask"][:, 3, 3, 0], numbers % 2)
    assert fields["attributes"].dtype == bool
    assert fields["identity"].tolist() == [f"person {i % 7}" for i in numbers]


def test_a_cache_with_fewer_fields_is_made_anew(tmp_path):
    options = {"size": SIZE, "crop": "none", "cache_dir": str(tmp_path)}
    source = annotated()
    decoded.decode(dataclasses.replace(source, fields=()), **options)
    (path,) = tmp_path.glob("*/fields.npz")
    with np.load(path) as stored:
        kept = {key: stored[key] for key in stored if key != "identity"}
    np.savez(path, **kept)
    split = decoded.decode(source, **options)
    assert split.fields.keys() == {*decoded.OPTIONAL_FIELDS}


def test_the_disk_cache_equals_memory_and_is_not_decoded_again(tmp_path, monkeypatch):
    source = annotated(broken=(4,))
    options = {"size": SIZE, "crop": "none"}
    memory = decoded.decode(source, **options)
    first = decoded.decode(source, **options, cache_dir=str(tmp_path))
    assert_same(first, memory)

    def refuse(*args, **kwargs):
        raise AssertionError("decoded again")

    monkeypatch.setattr(pixels, "fit", refuse)
    unread = dataclasses.replace(source, readers=refuse)
    second = decoded.decode(unread, **options, cache_dir=str(tmp_path))
    assert_same(second, memory)
    for split in (first, second):
        np.testing.assert_array_equal(gathered(split), gathered(memory))
    (cache,) = tmp_path.iterdir()
    left = sorted(path.name for path in cache.iterdir())
    assert left == ["fields.npz", "images.u8", "meta.json"]


def test_an_interrupted_cache_is_done_again(tmp_path):
    whole = annotated()

    def stops(positions):
        for position, reader in zip(positions, whole.readers(positions)):
            if position == 5:
                raise KeyboardInterrupt
            yield reader

    options = {"size": SIZE, "crop": "none", "cache_dir": str(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        decoded.decode(dataclasses.replace(whole, readers=stops), **options)
    memory = decoded.decode(whole, size=SIZE, crop="none")
    assert_same(decoded.decode(whole, **options), memory)
    # Killed after the images, before the file that says that all is there.
    (cache,) = tmp_path.iterdir()
    left = "images.u8.4194305.partial", f"fields.npz.4194305.ab@{socket.gethostname()}"
    # What another machine writes into a shared folder is its own.
    others = cache / "images.u8.4194305.ab@elsewhere.partial"
    for path in (cache / left[0], cache / f"{left[1]}.partial", others):
        path.write_bytes(b"a killed process left this")
    (cache / "meta.json").unlink()
    (cache / "images.u8").write_bytes(b"half")
    assert_same(decoded.decode(whole, **options), memory)
    assert list(cache.glob("*.partial")) == [others]


def test_two_processes_may_decode_into_one_cache(tmp_path, monkeypatch):
    whole = annotated()
    options = {"size": SIZE, "crop": "none", "cache_dir": str(tmp_path)}
    memory = decoded.decode(whole, size=SIZE, crop="none")

    def meanwhile(positions):
        """The other one begins and ends while this one is reading."""
        for position, reader in zip(positions, whole.readers(positions)):
            if position == 5:
                with monkeypatch.context() as patch:
                    patch.setattr(socket, "gethostname", lambda: "elsewhere")
                    assert_same(decoded.decode(whole, **options), memory)
            yield reader

    other = dataclasses.replace(whole, readers=meanwhile)
    assert_same(decoded.decode(other, **options), memory)
    assert_same(decoded.decode(whole, **options), memory)


@pytest.mark.parametrize(
    "changed",
    [{"size": 8}, {"crop": "none"}, {"folder": "others"}, {"fewer": True}],
    ids=lambda change: next(iter(change)),
)
def test_what_decodes_otherwise_is_cached_apart(folder, tmp_path, changed):
    cache_dir = str(tmp_path / "cache")
    decode(folder, cache_dir=cache_dir)
    if "folder" in changed:  # the same names in another folder
        folder = pictures(tmp_path / "others", seed=1)
    if "fewer" in changed:
        (folder / "train/02.png").unlink()
    options = {key: changed[key] for key in ("size", "crop") if key in changed}
    other = decode(folder, **options, cache_dir=cache_dir)
    assert_same(other, decode(folder, **options))
    assert len(os.listdir(cache_dir)) == 2


def test_too_little_memory_is_an_error_that_says_what_to_do(
    folder, tmp_path, monkeypatch
):
    # 6 images of 16 px take 4,608 bytes.
    monkeypatch.setattr(machine, "available_memory", lambda: 4096)
    message = "6 images of 16 px .* GB.*available.*--cache_dir=DIR.*--limit=N"
    with pytest.raises(ValueError, match=message):
        decode(folder)
    assert len(decode(folder, cache_dir=str(tmp_path / "cache"))) == 6


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("positions", [slice(2, None), slice(0, 4)], ids=str)
def test_a_part_keeps_images_names_and_fields_together(tmp_path, cached, positions):
    cache_dir = str(tmp_path) if cached else ""
    split = decoded.decode(annotated(), size=SIZE, crop="none", cache_dir=cache_dir)
    part = split.part(positions.start, positions.stop)
    assert part.names == tuple(f"image_{i}" for i in np.arange(9)[positions])
    np.testing.assert_array_equal(part.images, split.images[positions])
    np.testing.assert_array_equal(gathered(part), part.images[::-1])
    np.testing.assert_array_equal(gathered(part.part(1)), part.images[:0:-1])
    for key, values in split.fields.items():
        np.testing.assert_array_equal(part.fields[key], values[positions])


@pytest.mark.parametrize("count", [1, 300])  # 300 is more than one piece of the sum
def test_the_mean_image_is_the_average(count):
    images = tiny.noise(count, 8)
    mean = tiny.split_of(images).mean_image()
    assert mean.dtype == np.float32
    np.testing.assert_allclose(mean, images.mean(axis=0) / 255, atol=1e-6)


def test_a_split_without_a_readable_image_is_an_error(folder):
    for path in (folder / "train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"None of the 6 images of folder .*00\.png"):
        decode(folder)
    with pytest.raises(ValueError, match="train split of annotated is empty"):
        decoded.decode(annotated().take(0), size=SIZE, crop="none")


def test_each_filter_has_its_own_cache_and_the_usual_one_keeps_its_name(
    folder, tmp_path
):
    options = {"cache_dir": str(tmp_path / "cache")}
    usual = decode(folder, **options)
    (name,) = [path.name for path in (tmp_path / "cache").iterdir()]
    source = load(folder)
    assert name == decoded._key(source, SIZE, "center", "bicubic")
    plain = decode(folder, resize="bilinear", **options)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert np.abs(plain.images.astype(int) - usual.images).max() > 5
    expected = pixels.fit(
        {"image": next(iter(source.readers([0])))()["image"]},
        size=SIZE,
        crop="center",
        filter="bilinear",
    )
    np.testing.assert_array_equal(plain.images[0], expected["image"])


def test_memory_does_not_grow_with_a_set_on_disk(tmp_path):
    shape, path = (3300, 64, 64, 3), tmp_path / "images.u8"
    np.memmap(path, np.uint8, "w+", shape=shape)[:] = 7
    images = np.memmap(path, np.uint8, "r", shape=shape)
    assert images.nbytes > 40e6
    split = dataclasses.replace(tiny.split_of(images), path=path)
    task = pipeline.reconstruction()
    batches = iter(pipeline.training_batches(split, task, batch_size=10, seed=0))

    def own_megabytes():
        found = psutil.Process().memory_full_info()
        return (found.rss - found.shared) / 1e6

    for _ in range(50):  # until as many threads and batches are there as it takes
        next(batches)
    before = own_megabytes()
    for _ in range(330):  # an epoch
        next(batches)
    assert own_megabytes() - before < 20
