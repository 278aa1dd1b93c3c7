"""Published files, fetched when a user asks for them, and checked."""

from __future__ import annotations

import hashlib
import os
import pathlib
import urllib.request

import tqdm


def fetch(address: str, sha256: str, path: pathlib.Path, *, otherwise: str) -> None:
    """Downloads a file.

    Args:
      address: Of the file.
      sha256: Its checksum.
      path: Where to write it.
      otherwise: A sentence: what to do where it cannot be fetched.

    Raises:
      OSError: If it cannot be fetched.
      ValueError: If it is another file; see `check`.
    """
    try:
        with urllib.request.urlopen(address, timeout=30) as source:
            total = int(source.headers.get("Content-Length") or 0) or None
            bar = tqdm.tqdm(total=total, desc=path.name, unit="B", unit_scale=True)
            with path.open("wb") as file, bar:
                while block := source.read(1 << 20):
                    file.write(block)
                    bar.update(len(block))
    except OSError as error:
        raise OSError(
            f"{address} could not be fetched ({error}). {otherwise}"
        ) from error
    check(path, sha256, f"{address} gave a file")


def check(path: str | os.PathLike, sha256: str, called: str) -> None:
    """Raises a ValueError unless a file has this checksum."""
    if (got := checksum(path)) != sha256:
        raise ValueError(
            f"{called} with sha256 {got} instead of {sha256}: it is damaged or not the "
            "published one. Nothing was kept; try again."
        )


def checksum(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, in hex digits."""
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
