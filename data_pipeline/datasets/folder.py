"""Any folder of images; other sets list and read their folders with it."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

from data_pipeline import pixels
from data_pipeline.datasets import elements


def load(
    split: str, *, data_dir: str, seed: int = 0, split_by: str = "image"
) -> elements.Source:
    """The images of a folder and all its subfolders.

    Subfolders `train` and `test` (and perhaps `validation`) are the splits, each sorted
    by name. Without them the images, sorted by their path relative to the folder, are
    split; see `elements.split_rows`.

    Raises:
      FileNotFoundError: If there is no such folder or no image in it.
      ValueError: If `split` is "validation" and there is no such subfolder, or
        `split_by` is "order" where subfolders are the splits.
    """
    if not data_dir:
        raise FileNotFoundError(
            "--dataset=folder needs --data_dir, the folder with the images."
        )
    root = pathlib.Path(data_dir).expanduser()
    names = _listed(root, "--data_dir")
    parts = _split_names(root, names)
    if parts and split_by == "order":
        raise ValueError(
            f"--split_by=order is for one folder of images; {root} has the subfolders "
            f"{', '.join(parts)}, which are its splits. Leave the flag out."
        )
    if parts:
        notes = f"the subfolders {', '.join(f'{part}/' for part in parts)}"
        unused = len(names) - sum(map(len, parts.values()))
        notes += f"; {unused} images outside them are left out" if unused else ""
    else:
        parts = parted_names(names, seed, split_by)
        notes = f"{len(names):,} images, {elements.split_note(seed, split_by)}"
    if split not in parts:
        raise elements.no_such_split("folder", split, tuple(parts))
    return from_folder(_info(root, parts, notes), split, root, parts[split])


def whole(split: str, folder: str, flag: str) -> elements.Source:
    """All images below a folder, or below its `split` if it has one, as that split.

    Raises:
      FileNotFoundError: If there is no such folder or no image in it; names the flag.
    """
    root = pathlib.Path(folder).expanduser()
    part = root / split if (root / split).is_dir() else root
    names = _listed(part, f"--{flag}")
    info = _info(root, {split: names}, f"{len(names):,} images, all of them", part)
    return from_folder(info, split, part, names)


def _listed(root: pathlib.Path, flag: str) -> list[str]:
    """`image_names`, or an error if there is none."""
    names = image_names(root) if root.is_dir() else []
    if not names:
        reason = ": it is not a folder."
        if root.is_dir():
            reason = "; looked there and in its subfolders for files ending in "
            reason += f"{', '.join(pixels.IMAGE_SUFFIXES)}."
        raise FileNotFoundError(
            f"no images in {root}{reason} Set {flag} to the folder that holds the "
            "images."
        )
    return names


def _info(root, parts: dict, notes: str, read=None) -> elements.SourceInfo:
    return elements.SourceInfo(
        name="folder",
        title=f"the folder {root.resolve().name}",
        split_counts={part: len(names) for part, names in parts.items()},
        license="whatever the images' own terms are",
        notes=f"{notes}; read {(read or root).resolve()}",
    )


def from_folder(
    info: elements.SourceInfo, split: str, root: pathlib.Path, names: Sequence[str]
) -> elements.Source:
    """A source of the files of these names in a folder."""
    return elements.from_files(info, split, printable(names), fetch_from(root, names))


def parted_names(
    names: Sequence[str], seed: int, split_by: str
) -> dict[str, list[str]]:
    """Sorted names -> the names of each split; see `elements.split_rows`."""
    parts = elements.split_rows(len(names), seed, split_by)
    return {part: [names[i] for i in rows] for part, rows in parts.items()}


def image_names(root: str | os.PathLike) -> list[str]:
    """Relative paths, with "/", of all images below a folder, sorted.

    Hidden files and folders are left out. Links to folders are followed; each folder
    is visited once.
    """
    found, seen, waiting = [], set(), [(os.fspath(root), "")]
    while waiting:
        path, prefix = waiting.pop()
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
                elif entry.name.lower().endswith(pixels.IMAGE_SUFFIXES):
                    found.append(prefix + entry.name)
    return sorted(found)


def printable(names: Sequence[str]) -> list[str]:
    r"""Names that can be written as UTF-8; a stray byte becomes its \x escape."""
    return [os.fsencode(name).decode("utf-8", "backslashreplace") for name in names]


def fetch_from(root: pathlib.Path, names: Sequence[str]) -> elements.Fetch:
    """A `Fetch` of files, which are read in the thread that decodes them."""

    def fetch(positions: Sequence[int]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for position in positions:
            path = root / names[position]
            (label,) = printable([str(path)])
            yield label, functools.partial(pixels.read_bytes, path, label)

    return fetch


def _split_names(root: pathlib.Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Names by the subfolders train, validation and test; {} without the outer two."""
    parts = {
        part: [name for name in names if name.startswith(f"{part}/")]
        for part in ("train", "validation", "test")
    }
    parts = {part: part_names for part, part_names in parts.items() if part_names}
    return parts if "train" in parts and "test" in parts else {}
