"""CelebA: prepared by TFDS, or the files as they are published.

Holds CelebA's names of attributes and landmarks, the source of its images, and the
readers of its annotation files.
"""

from __future__ import annotations

import functools
import lzma
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data_pipeline import pixels
from data_pipeline.datasets import archives, elements, folder, tfds

HOMEPAGE = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
COUNTS = {"train": 162770, "validation": 19867, "test": 19962}
# As in TensorFlow Datasets (datasets/celeb_a/checksums.tsv).
CHECKSUMS = {
    "img_align_celeba.zip": (
        "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74"
    )
}
PARTITIONS = {"0": "train", "1": "validation", "2": "test"}
ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald",
    "Bangs", "Big_Lips", "Big_Nose", "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair",
    "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses", "Goatee", "Gray_Hair",
    "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose",
    "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling", "Straight_Hair",
    "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip
LANDMARKS = tuple(
    f"{point}_{axis}"
    for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    for axis in "xy"
)

_IMAGES = ("img_align_celeba", "img_align_celeba_png", "img_align_celeba.zip")
_PARTITION = "list_eval_partition.txt"
_ANNOTATIONS = {
    "attributes": "list_attr_celeba.txt",
    "landmarks": "list_landmarks_align_celeba.txt",
}
# It is handed out on request; few have it, so that nothing is said where it lacks.
_IDENTITIES = "identity_CelebA.txt"
_FARTHEST = 1e6  # pixels, of a landmark
_MOST_DIGITS = 9  # of a count, or of the number of a person
_CSV = ".csv"  # the suffix of Kaggle's copies
_CSV_NAME = "image_id"  # their first column
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
        where `list_attr_celeba.txt` and `list_landmarks_align_celeba.txt` are, and
        who is in an image where `identity_CelebA.txt` is. Kaggle's copy has the same
        as `.csv` and the images in `img_align_celeba/img_align_celeba/`.
      split_by: "image" is the official partition; "order" and "first" ignore it: the
        last tenth of all names is the test split, or see `elements.first_rows`.

    Raises:
      FileNotFoundError: If images or partition are not there.
      ValueError: If a file is malformed, or prepared data is to be split by order.
    """
    if prepared := tfds.find(data_dir, "celeb_a"):
        if split_by in ("order", "first"):
            raise ValueError(
                f"--split_by={split_by} needs CelebA's own files, whose names are in "
                "order; "
                f"{prepared} has TFDS's. Pass the folder of img_align_celeba/."
            )
        parts = {part: tfds.split_names(prepared, part) for part in COUNTS}
        info = _info(parts, f"official partition; prepared TFDS data in {prepared}")
        stored = {"attributes": _stored_attributes, "landmarks": _stored_landmarks}
        return tfds.load(info, split, prepared, split, annotate=stored)
    images, partition = _locate(data_dir, _IMAGES), _locate_list(data_dir, _PARTITION)
    if not images or not partition:
        raise _absent(data_dir, images, partition)
    files, fetch_files = _zipped(images) if images.is_file() else _loose(images)
    # By stem, because the lossless release has the same names ending in .png.
    by_stem = {pathlib.PurePosixPath(file).stem: file for file in files}
    parts = {
        part: [name for name in names if name.rsplit(".", 1)[0] in by_stem]
        for part, names in read_partition(partition).items()
    }
    notes = "official partition"
    if split_by in ("order", "first"):
        names = sorted(name for part in parts.values() for name in part)
        rows = (
            elements.first_rows(len(names))
            if split_by == "first"
            else elements.split_rows(len(names), 0, split_by)
        )
        parts = {part: [names[row] for row in rows[part]] for part in rows}
        notes = elements.split_note(0, split_by)
    notes += f"; read {images}"
    found = {key: _locate_list(data_dir, file) for key, file in _ANNOTATIONS.items()}
    for key, path in found.items():
        notes += "" if path else f"; no {key}, because {_ANNOTATIONS[key]} is not there"
    count = sum(map(len, parts.values()))
    notes = elements.check_count("celeb_a", notes, count, sum(COUNTS.values()))
    if split not in parts:
        raise elements.no_such_split("celeb_a", split, tuple(parts))
    chosen = parts[split]
    found["identity"] = _locate(data_dir, [_IDENTITIES])
    readers = {
        "attributes": read_attributes,
        "landmarks": read_landmarks,
        "identity": read_identities,
    }
    return elements.from_files(
        _info(parts, notes, attributes=bool(found["attributes"])),
        split,
        chosen,
        fetch_files([by_stem[name.rsplit(".", 1)[0]] for name in chosen]),
        {
            key: _rows_of(path, readers[key], chosen)
            for key, path in found.items()
            if path
        },
    )


def _stored_attributes(record: dict) -> np.ndarray:
    return np.array([record["attributes"][name] for name in ATTRIBUTES], bool)


def _stored_landmarks(record: dict) -> np.ndarray:
    return _from_zero(np.array([record["landmarks"][name] for name in LANDMARKS]))


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


def _locate_list(data_dir: str, name: str) -> pathlib.Path | None:
    """A list as published, or Kaggle's."""
    return _locate(data_dir, [name, name.replace(".txt", _CSV)])


def _loose(path: pathlib.Path) -> tuple[list[str], Callable]:
    return folder.image_names(path), functools.partial(folder.fetch_from, path)


def _zipped(path: pathlib.Path) -> tuple[list[str], Callable]:
    archive = _open_zip(path, path.stat().st_mtime_ns)
    try:
        names = [info.filename for info in archives.zip_members(archive)]
    except archives.OverLimitError as error:
        raise elements.no_photographs(path, error) from error
    files = [
        name
        for name in names
        if name.lower().endswith(pixels.IMAGE_SUFFIXES) and "__MACOSX" not in name
    ]
    return files, functools.partial(_fetch_from_zip, archive)


@functools.lru_cache(maxsize=1)  # listing 202,599 files takes seconds
def _open_zip(path: pathlib.Path, modified_ns: int) -> zipfile.ZipFile:
    elements.check_archive(path, CHECKSUMS)
    try:
        return zipfile.ZipFile(path)
    # Of a damaged directory also what its numbers lead to.
    except (
        *(zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError),
        *(OSError, struct.error),
    ) as error:
        raise elements.damaged(path, error, HOMEPAGE, CHECKSUMS) from error


def _fetch_from_zip(archive: zipfile.ZipFile, names: Sequence[str]) -> elements.Fetch:
    def read(name: str) -> bytes:
        try:
            return archive.read(name)
        # It is encrypted (RuntimeError), packed in an unknown way, or damaged.
        except (
            *(zipfile.BadZipFile, EOFError, RuntimeError, ValueError, struct.error),
            *(zlib.error, lzma.LZMAError),
        ) as error:
            raise OSError(0, f"{type(error).__name__} {error}") from error

    def fetch(positions: Sequence[int]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        for position in positions:
            name = names[position]
            yield f"{name} in {archive.filename}", functools.partial(read, name)

    return fetch


def _absent(
    data_dir: str, images: pathlib.Path | None, partition: pathlib.Path | None
) -> FileNotFoundError:
    state = f"is not {tfds.where(data_dir)}"
    if images or partition:
        there, missing = (images, _PARTITION) if images else (partition, "the images")
        state = f"is incomplete: {there} is there, {missing} not"
    return FileNotFoundError(
        f"CelebA {state}. Looked for prepared TFDS data "
        f"(celeb_a/<version>/dataset_info.json) and for the official files "
        f"img_align_celeba.zip (or the folder img_align_celeba/) and {_PARTITION}; "
        f"attributes and landmarks are in {' and '.join(_ANNOTATIONS.values())}; "
        f"Kaggle's copies of these lists end in {_CSV}. Fetch them from {HOMEPAGE}, "
        f"put them into one folder (or its subfolders Img, Anno "
        f"and Eval), and set --data_dir to it."
    )


def _info(parts: dict, notes: str, *, attributes: bool = True) -> elements.SourceInfo:
    return elements.SourceInfo(
        name="celeb_a",
        title="CelebA",
        split_counts={part: len(names) for part, names in parts.items()},
        license="non-commercial research",
        citation=(
            "Z. Liu, P. Luo, X. Wang, X. Tang. Deep Learning Face Attributes in the "
            "Wild. ICCV 2015."
        ),
        homepage=HOMEPAGE,
        attribute_names=ATTRIBUTES if attributes else (),
        notes=notes,
    )


def read_partition(path: pathlib.Path) -> dict[str, list[str]]:
    """list_eval_partition -> {"train": names, "validation": ..., "test": ...}.

    Raises:
      ValueError: If a line is malformed or repeats an image, naming it, or a part has
        no image.
    """
    parts = {split: [] for split in PARTITIONS.values()}
    texts, first = _lines(path), 1
    if path.suffix == _CSV:
        _check_header(path, 1, _fields(path, texts[0]), (_CSV_NAME, "partition"))
        texts, first = texts[1:], 2
    lines: dict[str, int] = {}
    for number, line in enumerate(texts, first):
        fields = _fields(path, line)
        if len(fields) != 2 or fields[1] not in PARTITIONS:
            raise _malformed(path, number, "a file name and 0, 1 or 2", line)
        # a.jpg and a.png are one image; see `load`.
        _check_once(path, number, fields[0].rsplit(".", 1)[0], lines)
        parts[PARTITIONS[fields[1]]].append(fields[0])
    for part, split in PARTITIONS.items():
        if not parts[split]:
            raise ValueError(
                f"{path}: none of its {len(lines):,} lines is of partition {part}, "
                f"{split}; the file is incomplete. Fetch it again."
            )
    return parts


def _check_once(
    path: pathlib.Path, number: int, name: str, lines: dict[str, int]
) -> None:
    """Raises a ValueError if an image of `lines`, name -> line, comes again."""
    before = lines.setdefault(name, number)
    if before != number:
        raise ValueError(
            f"{path}, line {number}: {name} is on line {before} already, and must be "
            "there once. Fetch the file again."
        )


def read_attributes(path: pathlib.Path) -> tuple[tuple[str, ...], np.ndarray]:
    """list_attr_celeba -> names, bool [N, 40].

    Raises:
      ValueError: If the file is malformed, naming the line.
    """
    return _read(path, path.stat().st_mtime_ns, ATTRIBUTES, _signs, "values, 1 or -1")


def read_landmarks(path: pathlib.Path) -> tuple[tuple[str, ...], np.ndarray]:
    """list_landmarks_align_celeba -> names, float32 [N, 5, 2], from 0.

    Raises:
      ValueError: If the file is malformed, naming the line.
    """
    names, values = _read(path, path.stat().st_mtime_ns, LANDMARKS, _numbers, "numbers")
    return names, _from_zero(values)


def read_identities(path: pathlib.Path) -> tuple[tuple[str, ...], np.ndarray]:
    """identity_CelebA.txt -> names, a str [N], the number of the person in each.

    Raises:
      ValueError: If a line is malformed, naming it.
    """
    names, people = [], []
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if len(fields) != 2 or not _is_number(fields[1]):
            raise _malformed(path, number, "a file name and a number", line)
        names.append(fields[0])
        people.append(fields[1])
    return tuple(names), np.array(people)


def _from_zero(values: np.ndarray) -> np.ndarray:
    """[..., 10], as published and counted from 1 -> float32 [..., 5, 2] from 0."""
    values = np.asarray(values, np.float32) - 1.0
    return values.reshape(*values.shape[:-1], 5, 2)


@functools.lru_cache(maxsize=2)  # three splits read the same files
def _read(
    path: pathlib.Path,
    modified_ns: int,
    header: tuple[str, ...],
    parse: Callable[[list[str]], list],
    what: str,
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and parsed values of a file with a header and a row per image.

    Published files begin with their number of rows.
    """
    lines = _lines(path)
    if path.suffix == _CSV:
        _check_header(path, 1, _fields(path, lines[0]), (_CSV_NAME, *header))
        start = 1
    else:
        _check_count(path, lines)
        _check_header(path, 2, lines[1].split() if len(lines) > 1 else [], header)
        start = 2
    names, rows = {}, []
    for number, line in enumerate(lines[start:], start + 1):
        fields = _fields(path, line)
        try:
            if len(fields) != 1 + len(header):
                raise ValueError
            rows.append(parse(fields[1:]))
        except ValueError:
            rule = f"a file name and {len(header)} {what}"
            raise _malformed(path, number, rule, line) from None
        _check_once(path, number, fields[0], names)
    if not rows:
        raise ValueError(f"{path} has a header and no rows. Fetch it again.")
    return tuple(names), np.array(rows)


def _signs(fields: list[str]) -> list[bool]:
    if not {"1", "-1"}.issuperset(fields):
        raise ValueError
    return [field == "1" for field in fields]


def _numbers(fields: list[str]) -> list[float]:
    values = [float(field) for field in fields]
    if not all(abs(value) < _FARTHEST for value in values):  # nor NaN
        raise ValueError
    return values


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _check_count(path: pathlib.Path, lines: Sequence[str]) -> None:
    if not _is_number(lines[0].strip()):
        raise _malformed(path, 1, "the number of rows", lines[0])
    if len(lines) - 2 != int(lines[0]):
        raise ValueError(
            f"{path}: line 1 announces {int(lines[0]):,} rows, {len(lines) - 2:,} "
            f"follow; the file is incomplete. Fetch it again."
        )


def _check_header(
    path: pathlib.Path, line: int, got: Sequence[str], expected: Sequence[str]
) -> None:
    if tuple(got) == tuple(expected):
        return
    pairs: Iterator = zip([*got, "nothing"], [*expected, "nothing"])
    column, (wrong, right) = next(
        (column, pair) for column, pair in enumerate(pairs, 1) if pair[0] != pair[1]
    )
    raise ValueError(
        f"{path}, line {line}: the header must hold CelebA's {len(expected)} column "
        f"names; column {column} must be {right}, got {wrong}. Fetch the file again."
    )


def _lines(path: pathlib.Path) -> list[str]:
    """At least one line.

    Raises:
      ValueError: If the file is empty or a web page.
    """
    lines = path.read_text("utf-8-sig", errors="replace").rstrip().splitlines()
    page = elements.web_page(path)
    if page is not None:
        raise ValueError(
            f"{path} is not CelebA's list but a web page, {page!r}, that was saved "
            f"under its name. Fetch the file again from {HOMEPAGE}, later or in a "
            "browser."
        )
    return lines or ["an empty file"]


def _fields(path: pathlib.Path, line: str) -> list[str]:
    return [f.strip() for f in line.split(",")] if path.suffix == _CSV else line.split()


def _malformed(path: pathlib.Path, number: int, rule: str, line: str) -> ValueError:
    return ValueError(f"{path}, line {number}: expected {rule}, got {line[:60]!r}.")


def _rows_of(
    path: pathlib.Path,
    read: Callable[[pathlib.Path], tuple[tuple[str, ...], np.ndarray]],
    names: Sequence[str],
) -> np.ndarray:
    """Rows of an annotation file in the order of `names`.

    Raises:
      ValueError: If the file has no row for one of them.
    """
    listed, values = read(path)
    row_of = {name: row for row, name in enumerate(listed)}
    missing = [name for name in names if name not in row_of]
    if missing:
        raise ValueError(
            f"{path} has no row for {missing[0]} ({len(missing):,} such images). "
            f"Fetch it again, or remove the file to go without it."
        )
    return values[[row_of[name] for name in names]]
