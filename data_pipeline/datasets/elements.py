"""Sources of images, the elements they yield, and what all data sets share.

An element is a dict with "image", uint8 [H, W, 3] in the size of the file, and "name",
a str. Where the set has them it also holds "attributes", bool [A]; "landmarks",
float32 [5, 2] (x and y in pixels counted from 0, of the left eye, right eye, nose, left
and right corner of the mouth, left meaning left in the picture); "face_mask",
uint8 [H, W, 1], 1 on the face; and "identity", a str, equal in images of one person.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import html
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from absl import logging

from data_pipeline import pixels

# Positions -> for each (what errors call the image, a function that returns its bytes).
Fetch = Callable[[Sequence[int]], Iterator[tuple[str, Callable[[], bytes]]]]


@dataclasses.dataclass(frozen=True)
class SourceInfo:
    """A data set's title, terms and state."""

    name: str  # as `load` takes it
    title: str  # as people write it
    split_counts: Mapping[str, int]  # images per split, before any `limit`
    license: str  # in a sentence
    citation: str = ""  # the publication to cite
    homepage: str = ""  # where its files are published
    attribute_names: tuple[str, ...] = ()  # of the columns of "attributes"
    notes: str = ""  # how it was split, which files were read, and what is missing


@dataclasses.dataclass(frozen=True)
class Source:
    """Images of one split in a fixed order, read on demand.

    `readers` takes ascending positions into `names` and yields, in that order, one
    function per position. Iterating reads files one after the other; calling a
    function, from any thread, decodes and returns the element or raises
    `pixels.UnreadableImageError`.
    """

    info: SourceInfo
    split: str  # "train", "validation" or "test"
    names: tuple[str, ...]  # unique and stable, one per image
    readers: Callable[[Sequence[int]], Iterator[Callable[[], dict]]]
    fields: tuple[str, ...] = ()  # the optional keys that every element has
    # Python draws the images, which threads cannot do at once; the functions can be
    # sent to other processes.
    drawn: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[dict]:
        for reader in self.readers(range(len(self))):
            yield reader()

    def __getitem__(self, position: int) -> dict:
        """One element. An archive is read up to it: iterate to get many."""
        (reader,) = self.readers([range(len(self))[position]])
        return reader()

    def take(self, count: int) -> Source:
        """The first `count` images, or all where there are fewer."""
        return dataclasses.replace(self, names=self.names[:count])

    def skip(self, count: int) -> Source:
        """All but the first `count` images."""

        def readers(positions: Sequence[int]) -> Iterator[Callable[[], dict]]:
            return self.readers([position + count for position in positions])

        return dataclasses.replace(self, names=self.names[count:], readers=readers)


def no_such_split(name: str, split: str, known: Sequence[str]) -> ValueError:
    """The error for a split that a set does not have."""
    return ValueError(f"{name} has the splits {', '.join(known)}; got {split!r}.")


def split_rows(count: int, seed: int, split_by: str) -> dict[str, np.ndarray]:
    """The splits of a set without an official partition: {"train": rows, "test": rows}.

    Rows count images sorted by name. "image" is 80/20 by seeded shuffle, both splits in
    shuffled order: the first n images of one are a random sample of it. "order" is
    90/10 without a shuffle.
    """
    if split_by == "order":
        order, trained = np.arange(count), count * 9 // 10
    else:
        order, trained = np.random.default_rng(seed).permutation(count), count * 4 // 5
    return {"train": order[:trained], "test": order[trained:]}


_FIRST = 10_000  # images to validate on, and as many to test on


def first_rows(count: int) -> dict[str, np.ndarray]:
    """The first 180,000 names to train on, the next 10,000 twice; the rest is unused.

    Sets of fewer than 200,000 names are split in the same proportions, 18:1:1.
    """
    part = min(_FIRST, count // 20)
    names = np.split(np.arange(20 * part), [18 * part, 19 * part])
    return dict(zip(("train", "validation", "test"), names))


def split_note(seed: int, split_by: str) -> str:
    """Describes `split_rows` in a few words."""
    if split_by == "order":
        return "90/10 in the order of the names"
    if split_by == "first":
        return "18:1:1 in the order of the names"
    return f"80/20 by seeded shuffle, seed {seed}"


def check_count(name: str, notes: str, count: int, published: int) -> str:
    """Adds a missing number of images to the notes, and logs it."""
    if count != published:
        notes += f"; it has {count:,} images, the published set {published:,}"
        logging.warning("%s: %s", name, notes)
    return notes


def damaged(
    path: pathlib.Path, error: Exception, address: str, checksums: Mapping[str, str]
) -> ValueError:
    """The error for an archive that cannot be read."""
    known = checksums.get(path.name, "")
    known = f" The {_algorithm(known)} of the whole file is {known}." if known else ""
    page = web_page(path)
    if page is not None:
        return ValueError(
            f"{path} is not the archive but a web page, {page!r}, that was saved "
            f"under its name: the host did not give the file. Fetch it again from "
            f"{address}, later or in a browser.{known}"
        )
    return ValueError(
        f"{path} ({os.path.getsize(path):,} bytes) is damaged or incomplete ({error}). "
        f"Fetch it again from {address}.{known}"
    )


def no_photographs(path: pathlib.Path, error: Exception) -> ValueError:
    """The error for an archive that is over a limit; see `archives`."""
    return ValueError(
        f"{path} is no archive of photographs: {error}. Get it from another place, or "
        "unpack it yourself if you trust it and pass the folder."
    )


def web_page(path: pathlib.Path) -> str | None:
    """The title of a web page, whatever its file is called; None if it is none."""
    with path.open("rb") as file:
        text = file.read(100_000).decode("utf-8", "replace").lstrip("\ufeff \r\n\t")
    if not re.match(r"<(!doctype\s+html|html|head)\b", text, re.IGNORECASE):
        return None
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return " ".join(html.unescape(title[1]).split()) if title else "without a title"


def check_archive(path: pathlib.Path, checksums: Mapping[str, str]) -> None:
    """Warns of an archive that is not the published one of its name.

    It may be packed again, or hold fewer images, and still be of use.

    Args:
      path: Of the archive.
      checksums: File name -> SHA-256, or MD5 where no other was published.
    """
    if path.name not in checksums:
        logging.warning("%s: no checksum of this name is known.", path)
        return
    expected = checksums[path.name]
    found = _digest(path, path.stat().st_mtime_ns, _algorithm(expected))
    if found != expected:
        logging.warning(
            "%s is not the published file: its %s is %s instead of %s.",
            *(path, _algorithm(expected), found, expected),
        )


def _algorithm(digest: str) -> str:
    return "MD5" if len(digest) == 32 else "SHA-256"


@functools.lru_cache(maxsize=4)  # three splits read the same file
def _digest(path: pathlib.Path, modified_ns: int, algorithm: str) -> str:
    digest = hashlib.md5() if algorithm == "MD5" else hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def from_files(
    info: SourceInfo,
    split: str,
    names: Sequence[str],
    fetch: Fetch,
    annotations: Mapping[str, np.ndarray] | None = None,
) -> Source:
    """A source of encoded images, which `fetch` reads at positions into `names`.

    `annotations` maps optional keys of the elements to arrays with a row per name.
    """
    names, annotations = tuple(names), dict(annotations or {})

    def readers(positions: Sequence[int]) -> Iterator[Callable[[], dict]]:
        for position, (label, read) in zip(positions, fetch(positions)):
            element = {key: rows[position] for key, rows in annotations.items()}
            element["name"] = names[position]
            yield functools.partial(decode, element, label, read)

    return Source(info, split, names, readers, tuple(annotations))


def decode(element: dict, label: str, read: Callable[[], bytes]) -> dict:
    """Adds "image" to an element; see `Fetch` and `pixels.decode`."""
    try:
        data = read()
    except OSError as error:
        reason = error.strerror or error
        raise pixels.UnreadableImageError(f"{label}: {reason}.") from error
    return {"image": pixels.decode(data, label), **element}
