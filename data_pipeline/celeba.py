"""CelebA: prepared by TFDS, or the files as they are published."""

from __future__ import annotations

import functools
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from absl import logging

from data_pipeline import celeba_annotations as annotations
from data_pipeline import elements, folder, pixels, prepared_tfds

HOMEPAGE = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
COUNTS = {"train": 162770, "validation": 19867, "test": 19962}

ATTRIBUTES = annotations.ATTRIBUTES

_PARTITION = "list_eval_partition.txt"
_FILES = {
    "attributes": ("list_attr_celeba.txt", annotations.read_attributes),
    "landmarks": ("list_landmarks_align_celeba.txt", annotations.read_landmarks),
}
_IMAGES = ("img_align_celeba", "img_align_celeba_png", "img_align_celeba.zip")
# Below --data_dir: everything in one folder, or the folders of the official download.
_BASES = ("", "CelebA", "celeba", "celeb_a", "downloads/manual")
_SUBFOLDERS = ("", "Img", "Anno", "Eval")


def load(split: str, *, data_dir: str, split_by: str = "image") -> elements.Source:
    """CelebA, aligned and cropped (218x178), in its official partition.

    Args:
      split: "train", "validation" or "test".
      data_dir: TFDS's data_dir with prepared data, or the folder that holds
        `img_align_celeba/` or `img_align_celeba.zip` and `list_eval_partition.txt`,
        directly or in `Img/`, `Anno/` and `Eval/`. Attributes and landmarks are there
        where `list_attr_celeba.txt` and `list_landmarks_align_celeba.txt` are;
        `identity_CelebA.txt` is not needed.
      split_by: "image" is the official partition; "order" leaves it out: the last
        tenth of all names is the test split.

    Raises:
      FileNotFoundError: If images or partition are not there.
      ValueError: If a file is malformed, or prepared data is to be split by order.
    """
    prepared = prepared_tfds.find(data_dir, "celeb_a")
    if prepared and split_by == "order":
        raise ValueError(
            "--split_by=order needs CelebA's own files, whose names are in order; "
            f"{prepared} has TFDS's. Pass the folder of img_align_celeba/."
        )
    if prepared:
        parts = {part: prepared_tfds.split_names(prepared, part) for part in COUNTS}
        info = _info(parts, f"official partition; prepared TFDS data in {prepared}")
        stored = {"attributes": _stored_attributes, "landmarks": _stored_landmarks}
        return prepared_tfds.load(info, split, prepared, split, annotate=stored)
    images, partition = _locate(data_dir, _IMAGES), _locate(data_dir, [_PARTITION])
    if not images or not partition:
        raise _absent(data_dir, images, partition)
    files, fetch_files = _zipped(images) if images.is_file() else _loose(images)
    # By stem, because the lossless release has the same names ending in .png.
    by_stem = {pathlib.PurePosixPath(file).stem: file for file in files}
    parts = {
        part: [name for name in names if name.rsplit(".", 1)[0] in by_stem]
        for part, names in annotations.read_partition(partition).items()
    }
    notes = f"official partition; read {images}"
    if split_by == "order":
        names = sorted(name for part in parts.values() for name in part)
        rows = elements.split_rows(len(names), 0, split_by)
        parts = {part: [names[row] for row in rows[part]] for part in rows}
        notes = f"{elements.split_note(0, split_by)}; read {images}"
    found = {key: _locate(data_dir, [file]) for key, (file, _) in _FILES.items()}
    for key, path in found.items():
        notes += "" if path else f"; no {key}, because {_FILES[key][0]} is not there"
    count = sum(map(len, parts.values()))
    if count != sum(COUNTS.values()):
        notes += f"; it has {count:,} images, the published set 202,599"
        logging.warning("celeb_a: %s", notes)
    if split not in parts:
        raise elements.no_such_split("celeb_a", split, tuple(parts))
    chosen = parts[split]
    return elements.from_files(
        _info(parts, notes, attributes=bool(found["attributes"])),
        split,
        chosen,
        fetch_files([by_stem[name.rsplit(".", 1)[0]] for name in chosen]),
        {
            key: annotations.rows_of(path, _FILES[key][1], chosen)
            for key, path in found.items()
            if path
        },
    )


def _stored_attributes(record: dict) -> np.ndarray:
    return np.array([record["attributes"][name] for name in ATTRIBUTES], bool)


def _stored_landmarks(record: dict) -> np.ndarray:
    values = [record["landmarks"][name] for name in annotations.LANDMARKS]
    return annotations.landmarks_from_zero(np.array(values))


def _locate(data_dir: str, names: Sequence[str]) -> pathlib.Path | None:
    """The first file or folder of one of these names; see `load`."""
    root = pathlib.Path(data_dir).expanduser()
    if not data_dir:
        return None
    # --data_dir may also be the images themselves, with the lists beside them.
    roots = [root.parent, root.parent.parent] if root.name in _IMAGES else [root]
    for name in names:
        for base in (root / base for root in roots for base in _BASES):
            for subfolder in _SUBFOLDERS:
                if (base / subfolder / name).exists():
                    return base / subfolder / name
    return None


def _loose(path: pathlib.Path) -> tuple[list[str], Callable]:
    return folder.image_names(path), functools.partial(folder.fetch_from, path)


def _zipped(path: pathlib.Path) -> tuple[list[str], Callable]:
    archive = _open_zip(path, path.stat().st_mtime_ns)
    files = [
        name
        for name in archive.namelist()
        if name.lower().endswith(pixels.IMAGE_SUFFIXES) and "__MACOSX" not in name
    ]
    return files, functools.partial(_fetch_from_zip, archive)


@functools.lru_cache(maxsize=1)  # listing 202,599 files takes seconds
def _open_zip(path: pathlib.Path, modified_ns: int) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path} ({path.stat().st_size:,} bytes) is damaged or incomplete "
            f"({error}). Fetch it again from {HOMEPAGE}."
        ) from error


def _fetch_from_zip(archive: zipfile.ZipFile, names: Sequence[str]) -> elements.Fetch:
    def fetch(positions: Sequence[int]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for position in positions:
            name = names[position]
            try:
                read = functools.partial(bytes, archive.read(name))
            except (zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
                read = functools.partial(_fail, OSError(0, str(error)))
            yield f"{name} in {archive.filename}", read

    return fetch


def _fail(error: Exception) -> bytes:
    raise error


def _absent(
    data_dir: str, images: pathlib.Path | None, partition: pathlib.Path | None
) -> FileNotFoundError:
    state = f"is not {prepared_tfds.where(data_dir)}"
    if images or partition:
        there, missing = (images, _PARTITION) if images else (partition, "the images")
        state = f"is incomplete: {there} is there, {missing} not"
    return FileNotFoundError(
        f"CelebA {state}. Looked for prepared TFDS data "
        f"(celeb_a/<version>/dataset_info.json) and for the official files "
        f"img_align_celeba.zip (or the folder img_align_celeba/) and {_PARTITION}; "
        f"attributes and landmarks are in {_FILES['attributes'][0]} and "
        f"{_FILES['landmarks'][0]}. Fetch them from {HOMEPAGE}, put them into one "
        f"folder (or its subfolders Img, Anno and Eval), and set --data_dir to it."
    )


def _info(parts: dict, notes: str, *, attributes: bool = True) -> elements.SourceInfo:
    return elements.SourceInfo(
        name="celeb_a",
        title="CelebA",
        split_counts={part: len(names) for part, names in parts.items()},
        licence="non-commercial research",
        citation=(
            "Z. Liu, P. Luo, X. Wang, X. Tang. Deep Learning Face Attributes in the "
            "Wild. ICCV 2015."
        ),
        homepage=HOMEPAGE,
        attribute_names=ATTRIBUTES if attributes else (),
        notes=notes,
    )
