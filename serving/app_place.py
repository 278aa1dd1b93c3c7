"""The folder in which a page keeps what visitors upload and download.

It is deleted when the page ends. A process that is killed deletes nothing, so the next
one does.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator

from serving import file_lock

_PREFIX = "facemend-page-"
# Nothing is deleted that does not hold it: a user may call a folder of theirs alike.
_MARKER = ".uploads-of-a-facemend-page"
_FRESH = 60  # seconds that a folder may be there before its process has locked it


@contextlib.contextmanager
def place() -> Iterator[pathlib.Path]:
    """A folder that is deleted when the block ends, as those of dead processes are."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = pathlib.Path(name)
        with file_lock.held(folder / _MARKER):
            yield folder


def sweep() -> None:
    """Deletes the folders of processes that have ended without doing so."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Others may delete the same one, and folders of other users are their own.
        with contextlib.suppress(OSError):
            own = folder.lstat().st_uid == os.getuid()
            old = time.time() - folder.lstat().st_mtime > _FRESH
            ours = (folder / _MARKER).exists() and not folder.is_symlink()
            if own and old and ours:
                with file_lock.held(folder / _MARKER):
                    shutil.rmtree(folder, ignore_errors=True)
