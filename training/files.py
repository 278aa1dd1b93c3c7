"""Files that are whole or absent."""

from __future__ import annotations

import os
import pathlib


def write(path: pathlib.Path, data: bytes) -> None:
    """Writes a file under a temporary name, and renames it when it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
