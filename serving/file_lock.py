"""A lock that one process holds, and that goes with the process, whatever ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator


@contextlib.contextmanager
def held(path: str | os.PathLike) -> Iterator[None]:
    """Holds the lock of a file while the block runs.

    Args:
      path: A file, made if it is not there, and left there.

    Raises:
      BlockingIOError: If another process holds it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
