"""Which SavedModels this user knows: a SavedModel is a program.

  CACHE/known_models.txt    a line for each: the SHA-256 of its graph and layers

It names those that a run of this user wrote here, and those of which the user was
told. Weights are no part of it: they are numbers, and run nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import sys

from data_pipeline import machine

FILE = "known_models.txt"
_GRAPHS = ("saved_model.pb", "saved_model.pbtxt")  # TensorFlow loads either
_PROGRAMS = (*_GRAPHS, "keras_metadata.pb")  # Keras's may hold Python


def remember(folder: str | os.PathLike) -> None:
    """Notes that a model was made here."""
    _is_new(pathlib.Path(folder))


def tell(folder: str | os.PathLike) -> None:
    """Says of a model that is not known that it is a program, once for each."""
    if _is_new(pathlib.Path(folder)):
        print(
            f"{folder} was not exported here. A SavedModel is a program that runs with "
            "your rights: use it only if you trust who made it (docs/security.md). "
            "This is said once.",
            file=sys.stderr,
        )


def fingerprint(folder: str | os.PathLike) -> str:
    """The beginning of a SHA-256 of a SavedModel's graph and weights."""
    folder, found = pathlib.Path(folder), hashlib.sha256()
    graphs = [folder / name for name in _GRAPHS]
    for path in [*graphs, *sorted((folder / "variables").glob("*"))]:
        if path.is_file():  # whoever opens it has the better error
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _is_new(folder: pathlib.Path) -> bool:
    """Whether a folder holds a model that was not known until now."""
    parts = [folder / name for name in _PROGRAMS if (folder / name).is_file()]
    if not parts:
        return False  # whoever opens it has the better error
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in parts)).hexdigest()
    for cache in machine.cache_folders():
        with contextlib.suppress(OSError):
            if digest in (cache / FILE).read_text().split():
                return False
    # Without a folder for caches it is said again.
    with contextlib.suppress(OSError):
        path = machine.cache_folder() / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{digest}\n")
    return True
