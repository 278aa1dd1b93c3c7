"""Full disks: an error that names the folder and the space that is needed."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FullDiskError(OSError):
    """A disk without the space for a file; the message names folder and space."""

    def __str__(self):
        return self.strerror  # without "[Errno 28]"


@contextlib.contextmanager
def naming(folder: str | os.PathLike, needed: int) -> Iterator[None]:
    """Turns errors of a full disk into a `FullDiskError`.

    Args:
      folder: That the block writes to.
      needed: Bytes that it writes, at least.
    """
    try:
        yield
    except FullDiskError:
        raise
    except Exception as error:  # among them TensorFlow's, which is not imported here
        if not _is_full(error):
            raise
        raise FullDiskError(
            errno.ENOSPC,
            f"The disk of {folder} is full: {in_bytes(needed)} are needed and "
            f"{in_bytes(_free(folder))} are free. Make room and start the same command "
            "again: what is written is whole, and it goes on from there.",
        ) from error


def in_bytes(count: int) -> str:
    """Such as "12 kB", rounded up."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= 10 * size:
            return f"{-(-count // size):,} {unit}"
    return f"{count:,} bytes"


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    # The errors of TensorFlow and of `shutil.copytree` say it in words.
    return any(os.strerror(number) in str(error) for number in _FULL)


def _free(folder: str | os.PathLike) -> int:
    """Free bytes of the disk of a folder, which may not be there."""
    path = pathlib.Path(folder).absolute()
    there = next(place for place in (path, *path.parents) if place.exists())
    return shutil.disk_usage(there).free
