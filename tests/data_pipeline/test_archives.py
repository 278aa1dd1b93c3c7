"""Archives of strangers: limits on how many members they have, and how large."""

import gzip
import io
import tarfile
import zipfile

import pytest

from data_pipeline import sources
from data_pipeline.datasets import archives


def tgz(path, *sizes):
    with tarfile.open(path, "w:gz") as archive:
        for number, size in enumerate(sizes, 1):
            info = tarfile.TarInfo(f"lfw/Ana/Ana_{number:04d}.jpg")
            info.size = size
            archive.addfile(info, io.BytesIO(bytes(size)))
    return path


def zipped(path, *sizes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes, 1):
            archive.writestr(f"{number:06d}.jpg", bytes(size))
    return path


def members(path):
    if path.suffix == ".tgz":
        return [*archives.tar_members(path)]
    return archives.zip_members(zipfile.ZipFile(path))


@pytest.fixture(params=[(tgz, "lfw.tgz"), (zipped, "img_align_celeba.zip")])
def pack(request, tmp_path):
    function, name = request.param
    return lambda *sizes: function(tmp_path / name, *sizes)


def test_within_the_limits_all_members_are_listed(pack, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    monkeypatch.setattr(archives, "MOST_BYTES", 900)
    assert len(members(pack(900, 9, 0))) == 3


@pytest.mark.parametrize(
    "limit, value, sizes, text",
    [
        ("MOST_MEMBERS", 2, (9, 9, 9), "more than 2 members"),
        ("MOST_BYTES", 899, (9, 900), "claims 900 bytes, more than 899"),
        ("MOST_BESIDE", 0, (2**18,) * 4, "inflates to more than"),
    ],
)
def test_bombs_are_refused(pack, monkeypatch, limit, value, sizes, text):
    monkeypatch.setattr(archives, limit, value)
    with pytest.raises(archives.OverLimitError, match=text):
        members(pack(*sizes))


def test_the_error_names_the_archive_and_a_way_out(tmp_path, monkeypatch):
    tgz(tmp_path / "lfw.tgz", 900)
    monkeypatch.setattr(archives, "MOST_BYTES", 899)
    with pytest.raises(ValueError, match=r"lfw\.tgz is no archive .*unpack it"):
        sources.load("lfw", "train", data_dir=str(tmp_path))


def test_a_gigabyte_of_zeros_is_not_read(tmp_path):
    """A header of 512 bytes announces a name of a gigabyte."""
    name = tarfile.TarInfo("name")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2**30
    path = tmp_path / "lfw.tgz"
    path.write_bytes(gzip.compress(name.tobuf() + bytes(2**20)))
    with pytest.raises(archives.OverLimitError, match="claims 1,073,741,824 bytes"):
        members(path)
