"""The annotation files of CelebA, in the format in which they are published.

list_eval_partition.txt: lines such as `000001.jpg 0`; 0 is train, 1 validation, 2
test. list_attr_celeba.txt: a line with the number of rows, a line with the 40 names,
then lines such as `000001.jpg -1  1  1 -1` with one value a name.
list_landmarks_align_celeba.txt: likewise, with x and y of five points, in pixels
counted from 1.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

ATTRIBUTES = (
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
)
LANDMARKS = tuple(
    f"{point}_{axis}"
    for point in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    for axis in "xy"
)
PARTITIONS = {"0": "train", "1": "validation", "2": "test"}


def read_partition(path: pathlib.Path) -> dict[str, list[str]]:
    """list_eval_partition.txt -> {"train": names, "validation": ..., "test": ...}.

    Raises:
      ValueError: If a line is malformed, naming it.
    """
    parts = {split: [] for split in PARTITIONS.values()}
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if len(fields) != 2 or fields[1] not in PARTITIONS:
            raise _malformed(path, number, "a file name and 0, 1 or 2", line)
        parts[PARTITIONS[fields[1]]].append(fields[0])
    return parts


def read_attributes(path: pathlib.Path) -> tuple[tuple[str, ...], np.ndarray]:
    """list_attr_celeba.txt -> names, bool [N, 40].

    Raises:
      ValueError: If the file is malformed, naming the line.
    """
    return _read(path, path.stat().st_mtime_ns, ATTRIBUTES, _signs, "values, 1 or -1")


def read_landmarks(path: pathlib.Path) -> tuple[tuple[str, ...], np.ndarray]:
    """list_landmarks_align_celeba.txt -> names, float32 [N, 5, 2], from 0.

    Raises:
      ValueError: If the file is malformed, naming the line.
    """
    names, values = _read(path, path.stat().st_mtime_ns, LANDMARKS, _numbers, "numbers")
    return names, landmarks_from_zero(values)


def landmarks_from_zero(values: np.ndarray) -> np.ndarray:
    """[..., 10], as published and counted from 1 -> float32 [..., 5, 2] from 0."""
    values = np.asarray(values, np.float32) - 1.0
    return values.reshape(*values.shape[:-1], 5, 2)


def rows_of(
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


@functools.lru_cache(maxsize=2)  # three splits read the same files
def _read(
    path: pathlib.Path,
    modified_ns: int,
    header: tuple[str, ...],
    parse: Callable[[list[str]], list],
    what: str,
) -> tuple[tuple[str, ...], np.ndarray]:
    lines = _lines(path)
    if not lines or not lines[0].strip().isdigit():
        got = lines[0] if lines else "an empty file"
        raise _malformed(path, 1, "the number of rows", got)
    _check_header(path, lines[1].split() if len(lines) > 1 else [], header)
    if len(lines) - 2 != int(lines[0]):
        raise ValueError(
            f"{path}: line 1 announces {int(lines[0]):,} rows, {len(lines) - 2:,} "
            f"follow; the file is incomplete. Fetch it again."
        )
    names, rows = [], []
    for number, line in enumerate(lines[2:], 3):
        fields = line.split()
        try:
            if len(fields) != 1 + len(header):
                raise ValueError
            rows.append(parse(fields[1:]))
        except ValueError:
            rule = f"a file name and {len(header)} {what}"
            raise _malformed(path, number, rule, line) from None
        names.append(fields[0])
    return tuple(names), np.array(rows)


def _signs(fields: list[str]) -> list[bool]:
    if not {"1", "-1"}.issuperset(fields):
        raise ValueError
    return [field == "1" for field in fields]


def _numbers(fields: list[str]) -> list[float]:
    return [float(field) for field in fields]


def _check_header(
    path: pathlib.Path, got: Sequence[str], expected: Sequence[str]
) -> None:
    if tuple(got) == tuple(expected):
        return
    pairs: Iterator = zip([*got, "nothing"], [*expected, "nothing"])
    column, (wrong, right) = next(
        (column, pair) for column, pair in enumerate(pairs, 1) if pair[0] != pair[1]
    )
    raise ValueError(
        f"{path}, line 2: the header must hold CelebA's {len(expected)} column names; "
        f"column {column} must be {right}, got {wrong}. Fetch the file again."
    )


def _lines(path: pathlib.Path) -> list[str]:
    return path.read_text("utf-8-sig", errors="replace").rstrip().splitlines()


def _malformed(path: pathlib.Path, number: int, rule: str, line: str) -> ValueError:
    return ValueError(f"{path}, line {number}: expected {rule}, got {line[:60]!r}.")
