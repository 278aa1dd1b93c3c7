"""A file lock that one process holds until it ends, however it ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None
    import msvcrt


@contextlib.contextmanager
def held(path: str | os.PathLike) -> Iterator[None]:
    """Holds the lock of a file while the block runs.

    Args:
      path: A file; it is made if it is missing, and not deleted.

    Raises:
      BlockingIOError: If another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    if fcntl:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    try:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # the first byte
    except PermissionError as error:
        raise BlockingIOError(*error.args) from error
