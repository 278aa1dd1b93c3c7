"""Readers of what strangers send, and what they promise of any bytes.

Each function of `READERS` takes the bytes of a file. It returns what it read, after
checking that it is what it must be, or raises one of `REFUSALS`: any other error, and a
failed assertion, is a bug. tests/test_untrusted.py runs them over tests/corpus and over
mutations of it, tests/fuzz.py for as long as one likes.
"""

import functools
import json
import pathlib
import struct
import tempfile

import numpy as np
import tiny_codec

from data_pipeline import limits, mask_pictures, pixels
from data_pipeline.datasets import celeba, lfw
from data_pipeline.mask_pictures import MaskError
from data_pipeline.pixels import UnreadableImageError
from experiments import latents
from serving.codec import container
from serving.codec.container import CorruptFileError, ForeignFileError
from serving.codec.entropy import LARGEST, EntropyTables
from serving.codec.quantizer import Quantizer
from serving.export import saved_model
from serving.export.kinds import kind_of
from serving.photo.restorer import PhotoRestorer

CORPUS = pathlib.Path(__file__).with_name("corpus")
WHOLE = "whole"  # files whose names begin so are read, the others are refused
SIDE = 32  # pixels of the picture that a mask is for
_MODEL = bytes(range(8))
_PIXELS = 2**16  # that a compressed file may claim here


@functools.cache
def codec():
    return tiny_codec.build(max_pixels=_PIXELS)


@functools.cache
def tables():
    return tiny_codec.laplace_tables([1.0, 3.0])


def read_container(data):
    header, payload = container.unpack(data, _MODEL)
    assert container.pack(header, payload, _MODEL) == data
    assert 1 <= header.width * header.height <= container.MAX_PIXELS


def read_picture_file(data):
    """A compressed file, whose checksum is made right: its writer may be malicious."""
    fields, payload = data[:22], data[container.HEADER_BYTES :]
    if len(fields) == 22:
        fields = fields[:10] + struct.pack("<I", len(payload)) + codec().model_id
        data = fields + container._checksum(fields, payload) + payload
    header, _ = container.unpack(data, codec().model_id, max_pixels=_PIXELS)
    image = codec().decompress(data)
    assert image.shape == (header.height, header.width, 3) and image.dtype == np.uint8


def read_range_coder(data):
    """The first two bytes are the latents' size."""
    height, width = (byte % 8 + 1 for byte in data[:2].ljust(2, b"\0"))
    latents = tables().decode(data[2:], height, width)
    assert latents.shape == (height, width, 2) and np.abs(latents).max() <= LARGEST
    assert tables().encode(latents) == data[2:]


def _at_path(suffix):
    """Makes a reader of bytes of a reader of paths, whose errors must name the path."""

    def wrap(read):
        @functools.wraps(read)
        def run(data):
            with tempfile.TemporaryDirectory() as place:
                path = pathlib.Path(place, f"given{suffix}")
                path.write_bytes(data)
                try:
                    read(path)
                except ValueError as error:
                    assert str(path) in str(error), f"{error} does not name the file"
                    raise
                # Nothing is written, wherever a name in it leads.
                assert [*path.parent.iterdir()] == [path]

        return run

    return wrap


@_at_path(".npz")
def read_tables(path):
    found = EntropyTables.load(path)
    zeros = np.zeros([1, 1, found.channels], np.int32)
    np.testing.assert_array_equal(found.decode(found.encode(zeros), 1, 1), zeros)


@_at_path(".npz")
def read_quantizer(path):
    assert np.isfinite(Quantizer.load(path).deviations()).all()


@_at_path(".npz")
def read_latents(path):
    for name, row in latents.read(path, _MODEL).items():
        assert ".." not in pathlib.PurePosixPath(name).parts and row.ndim == 1


@_at_path(".png")
def read_mask(path):
    mask, told = mask_pictures.read_mask(path, (SIDE, SIDE), orientation=6)
    assert mask.shape == (SIDE, SIDE, 1) and mask.dtype == np.uint8 and told
    assert 0 < mask.sum() < mask.size and mask.max() == 1


@_at_path(".png")
def read_picture(path):
    picture = pixels.read_picture(path)
    assert picture.image.dtype == np.uint8 and picture.image.shape[2:] == (3,)
    assert picture.image[..., 0].size <= limits.max_pixels()


@_at_path(".txt")
def read_partition(path):
    parts = celeba.read_partition(path)
    names = [name for part in parts.values() for name in part]
    assert len(set(names)) == len(names) and all(parts.values())


@_at_path(".txt")
def read_landmarks(path):
    names, points = celeba.read_landmarks(path)
    assert points.shape == (len(names), 5, 2) and np.isfinite(points).all()


@_at_path(".txt")
def read_attributes(path):
    names, values = celeba.read_attributes(path)
    assert values.shape == (len(names), 40) and values.dtype == bool


@_at_path(".csv")
def read_kaggle_landmarks(path):
    read_landmarks.__wrapped__(path)


@_at_path(".txt")
def read_identities(path):
    names, people = celeba.read_identities(path)
    assert len(names) == len(people)


def _read_all(members, fetch):
    for label, read in fetch(range(len(members))):
        try:
            pixels.decode(read(), label)
        except OSError as error:
            assert str(error)
        except UnreadableImageError:
            pass


@_at_path(".tgz")
def read_tar(path):
    members = lfw._members(path, 0)
    _read_all(members, lfw._fetch_from_archive(path, list(members.values())))


@_at_path(".zip")
def read_zip(path):
    files, fetch_files = celeba._zipped(path)
    _read_all(files, fetch_files(files))


def read_saved_model(data):
    """The graph of a SavedModel folder."""
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        (folder / "saved_model.pb").write_bytes(data)
        PhotoRestorer(folder)


def read_config(data):
    """The description of a SavedModel folder."""
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place, "assets.extra", "config.json")
        path.parent.mkdir()
        path.write_bytes(data)
        config = saved_model.read_config(place)
        assert isinstance(kind_of(config), str) and json.dumps(config)


READERS = {
    name.removeprefix("read_"): function
    for name, function in list(globals().items())
    if name.startswith("read_")
}
REFUSALS = (CorruptFileError, ForeignFileError, UnreadableImageError, MaskError)
# Those without an error of their own raise a ValueError that names the path.
_BY_PATH = (
    *("tables", "quantizer", "latents", "partition", "landmarks", "attributes"),
    *("kaggle_landmarks", "identities", "tar", "zip", "saved_model", "config"),
)


def refuses(name, data):
    """Runs a reader: the error by which it refuses the bytes, or None if it reads them.

    Any other error is raised.
    """
    expected = ValueError if name in _BY_PATH else REFUSALS
    try:
        READERS[name](data)
    except expected as error:
        assert str(error) and "\n" not in str(error).strip()
        return error
    return None


def corpus(name):
    """The files of a reader, sorted by name."""
    return sorted((CORPUS / name).iterdir())
