"""Untrusted archives: listed and read in memory, never extracted.

Names in them are only names, so that a path that leads elsewhere, an absolute one, a
link and a device lead nowhere. What they claim and what they inflate to has limits,
which a set of photographs is far from: photographs hardly shrink in an archive.
"""

from __future__ import annotations

import gzip
import pathlib
import tarfile
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

MOST_MEMBERS = 1_000_000  # five times CelebA's
MOST_BYTES = 2**26  # of a member; no photograph of these sets has a hundredth
# What all members may have: so many times the archive's bytes, and so many more.
MOST_TIMES, MOST_BESIDE = 100, 2**26


class OverLimitError(ValueError):
    """An archive with more or larger members than photographs need; says which."""


def tar_members(path: pathlib.Path) -> Iterator[tarfile.TarInfo]:
    """The files in a .tgz, without links, devices and folders.

    Raises:
      OverLimitError: If it is over a limit.
      tarfile.TarError, EOFError, OSError, zlib.error: If it is damaged.
    """
    limit = _most(path)
    with gzip.open(path) as stream:
        bounded = _Bounded(stream, limit)
        with tarfile.open(fileobj=bounded, mode="r:") as archive:
            for number, info in enumerate(archive, 1):
                _check_count(number)
                if info.size < 0:
                    raise tarfile.ReadError(f"a member of {info.size} bytes")
                if info.isfile():
                    _check_size(info.name, info.size)
                    yield info


def zip_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The files in an opened .zip; an `OverLimitError` if it is over a limit."""
    # Not is_dir, which fails for a member without a name.
    members = [i for i in archive.infolist() if not i.filename.endswith("/")]
    _check_count(len(members))
    for info in members:
        _check_size(info.filename, info.file_size)
    total = sum(info.file_size for info in members)
    _check_total(total, _most(pathlib.Path(archive.filename)))
    return members


def _most(path: pathlib.Path) -> int:
    return MOST_TIMES * path.stat().st_size + MOST_BESIDE


def _check_count(count: int) -> None:
    if count > MOST_MEMBERS:
        raise OverLimitError(f"it has more than {MOST_MEMBERS:,} members")


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise OverLimitError(
            f"its member {name[:100]!r} claims {size:,} bytes, more than {MOST_BYTES:,}"
        )


def _check_total(total: int, most: int) -> None:
    if total > most:
        raise OverLimitError(
            f"it inflates to more than {most:,} bytes, {MOST_TIMES} times its own"
        )


class _Bounded:
    """A tar's stream, whose headers cannot make `tarfile` read at length or in circles.

    Its own readers believe a length in a header, also a negative one.
    """

    def __init__(self, stream: BinaryIO, limit: int):
        self._stream, self._limit = stream, limit

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MOST_BYTES:
            raise OverLimitError(f"a header in it claims {size:,} bytes")
        return self._stream.read(size)

    def seek(self, position: int) -> int:
        _check_total(position, self._limit)
        # `tarfile` goes back by a byte to see whether the last member is whole.
        if position < self.tell() - 1:
            raise tarfile.ReadError("a member ends before it begins")
        return self._stream.seek(position)
