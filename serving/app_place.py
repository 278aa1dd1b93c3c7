"""The folder in which a page keeps what visitors upload and download.

It is deleted when the page ends. A process that is killed deletes nothing, so the next
one does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator

_PREFIX = "facemend-page-"
# Nothing is deleted that does not hold it: a user may call a folder of theirs alike.
_MARKER = ".uploads-of-a-facemend-page"
_FRESH = 60  # seconds that a folder may be there before its process has locked it


@contextlib.contextmanager
def place() -> Iterator[pathlib.Path]:
    """A folder that is deleted when the block ends, as those of dead processes are."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name, _locked(name):
        (pathlib.Path(name) / _MARKER).touch()
        yield pathlib.Path(name)


def sweep() -> None:
    """Deletes the folders of processes that have ended without doing so."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Others may delete the same one, and folders of other users are their own.
        with contextlib.suppress(OSError):
            own = folder.lstat().st_uid == os.getuid()
            old = time.time() - folder.lstat().st_mtime > _FRESH
            ours = (folder / _MARKER).exists() and not folder.is_symlink()
            if own and old and ours:
                with _locked(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: str | os.PathLike) -> Iterator[None]:
    """Holds a folder's lock, which the system releases when its process ends.

    Raises:
      BlockingIOError: If a process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
