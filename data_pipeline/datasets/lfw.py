"""Labeled Faces in the Wild (LFW): the archive, its folder, or prepared by TFDS."""

from __future__ import annotations

import collections
import functools
import gzip
import pathlib
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data_pipeline.datasets import archives, elements, folder, tfds

HOMEPAGE = "http://vis-www.cs.umass.edu/lfw"
COUNT = 13233
# Aligned ("funneled") releases have the same names. The first one found is read.
VARIANTS = ("lfw", "lfw-deepfunneled", "lfw-funneled", "lfw_funneled")
# The host of HOMEPAGE is gone. These copies are the ones that scikit-learn
# (sklearn/datasets/_lfw.py) and TensorFlow Datasets (datasets/lfw/checksums.tsv) fetch.
ADDRESSES = {
    "lfw.tgz": "https://ndownloader.figshare.com/files/5976018",
    "lfw-funneled.tgz": "https://ndownloader.figshare.com/files/5976015",
}
CHECKSUMS = {
    "lfw.tgz": "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
    "lfw-funneled.tgz": (
        "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"
    ),
    "lfw-deepfunneled.tgz": "68331da3eb755a505a502b5aacb3c201",  # MD5
}
_FETCH = (
    f"Fetch lfw.tgz (181 MB) from {ADDRESSES['lfw.tgz']} (SHA-256 "
    f"{CHECKSUMS['lfw.tgz']}) or, with faces aligned, lfw-funneled.tgz from "
    f"{ADDRESSES['lfw-funneled.tgz']} (SHA-256 {CHECKSUMS['lfw-funneled.tgz']}); the "
    "set's own host is gone"
)

# <anything>/<Person>/<Person>_0001.jpg
_MEMBER = re.compile(r"(?:.*/)?([^/]+)/(\1_\d{4})\.jpg")


def load(
    split: str,
    *,
    data_dir: str,
    seed: int = 0,
    split_by: str = "image",
    subset: int = 0,
) -> elements.Source:
    """LFW, which has no official partition of single images.

    The folder and the archive give the same splits in the same order; TFDS keeps an
    order and names of its own.

    Args:
      split: "train" or "test".
      data_dir: The archive, its extracted folder, or the folder that holds either;
        or TFDS's data_dir with prepared data.
      seed: Of the shuffle and the subset.
      split_by: "image" or "order", see `elements.split_rows`; or "person", see
        `split_by_person`.
      subset: Number of images that are split, chosen by the seed; 0 = all.

    Raises:
      FileNotFoundError: If `data_dir` holds none of these.
      ValueError: If the archive is damaged, or has fewer images than `subset`.
    """
    prepared = tfds.find(data_dir, "lfw")
    if prepared:
        path, names = prepared, tfds.split_names(prepared, "train")
    else:
        path, members, fetch_members = _find(data_dir)
        names = sorted(members)
    used = _choose(len(names), subset, seed)
    notes = f"80/20 by seeded shuffle of each {split_by}, seed {seed}"
    if split_by in ("image", "order"):
        parts = elements.split_rows(len(used), seed, split_by)
    elif prepared:
        people = tfds.text_of(prepared, "train", "label")
        parts = split_by_person([people[row] for row in used], seed)
    else:
        people = [person_in(names[row]) for row in used]
        parts = split_by_person(people, seed)
    if split_by == "order":
        notes = elements.split_note(seed, split_by)
    notes += f"; read {path}"
    parts = {part: used[rows] for part, rows in parts.items()}
    if subset:
        notes += f"; {subset:,} of {len(names):,} images, chosen by the seed"
    info = _info(parts, elements.check_count("lfw", notes, len(names), COUNT))
    if prepared:
        rows = np.sort(parts[split])
        stored = {"identity": lambda record: record["label"].decode()}
        return tfds.load(info, split, prepared, "train", rows=rows, annotate=stored)
    chosen = [names[row] for row in parts[split]]
    fetch = fetch_members([members[name] for name in chosen])
    shown = np.array([person_in(name) for name in chosen], str)
    return elements.from_files(info, split, chosen, fetch, {"identity": shown})


def person_in(name: str) -> str:
    """The person in an image: "Ana_Li_0002" -> "Ana_Li"."""
    return name.rsplit("_", 1)[0]


def _choose(count: int, subset: int, seed: int) -> np.ndarray:
    """Rows of the subset, in order."""
    if not subset:
        return np.arange(count)
    if not 0 < subset <= count:
        raise ValueError(
            f"subset must be in 1..{count}, the images of lfw; got {subset}."
        )
    # Not the key of the split: a subset must not depend on it.
    rows = np.random.default_rng([seed, subset]).permutation(count)[:subset]
    return np.sort(rows)


def split_by_person(people: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    """80/20 with nobody in both: the person in each image -> rows of each split.

    People, in shuffled order, go to the test set as long as they fit into its fifth.
    In LFW, where most people have a single image, that fills it exactly.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(people))
    images = collections.Counter(people)
    room, tested = len(people) - len(people) * 4 // 5, set()
    for person in rng.permutation(sorted(images)).tolist():
        if images[person] <= room:
            tested.add(person)
            room -= images[person]
    if not tested and len(images) > 1:
        tested.add(min(images, key=lambda person: (images[person], person)))
    is_test = np.array([people[row] in tested for row in order], bool)
    return {"train": order[~is_test], "test": order[is_test]}


def _find(
    data_dir: str,
) -> tuple[pathlib.Path, dict, Callable[[Sequence], elements.Fetch]]:
    """Returns the path, name -> member, and a `Fetch` for a list of members."""
    root = pathlib.Path(data_dir).expanduser()
    archives = [root / f"{name}.tgz" for name in VARIANTS]
    if data_dir and root.is_file():
        archives = [root]
    folders = [root / name for name in VARIANTS] + [root]
    for path in folders if data_dir else []:
        files = folder.image_names(path) if path.is_dir() else []
        matches = [match for match in map(_MEMBER.fullmatch, files) if match]
        if matches:
            members = {match[2]: match[0] for match in matches}
            return path, members, functools.partial(folder.fetch_from, path)
    for path in archives if data_dir else []:
        if path.is_file():
            members = _members(path, path.stat().st_mtime_ns)
            return path, members, functools.partial(_fetch_from_archive, path)
    raise FileNotFoundError(
        f"LFW is not {tfds.where(data_dir)}. Looked for prepared TFDS data "
        f"(lfw/<version>/dataset_info.json), for "
        f"{', '.join(f'{name}.tgz' for name in VARIANTS[:3])} and for the folders "
        f"{', '.join(f'{name}/' for name in VARIANTS[:3])} with "
        f"<Person>/<Person>_0001.jpg. {_FETCH}. Put it into a folder as it is, and set "
        f"--data_dir to that folder."
    )


@functools.lru_cache(maxsize=2)
def _members(path: pathlib.Path, modified_ns: int) -> dict[str, tarfile.TarInfo]:
    """Name -> member of the archive; `modified_ns` makes a new file listed anew."""
    members = {}
    elements.check_archive(path, CHECKSUMS)
    try:
        for info in archives.tar_members(path):
            match = _MEMBER.fullmatch(info.name)
            if match:
                members[match[2]] = info
    except archives.OverLimitError as error:
        raise elements.no_photographs(path, error) from error
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _damaged(path, error) from error
    if not members:
        raise ValueError(
            f"{path} holds no <Person>/<Person>_0001.jpg, so it is not LFW's archive. "
            f"{_FETCH}."
        )
    return members


def _damaged(path: pathlib.Path, error: Exception) -> ValueError:
    address = ADDRESSES.get(path.name, ADDRESSES["lfw.tgz"])
    return elements.damaged(path, error, address, CHECKSUMS)


def _fetch_from_archive(
    path: pathlib.Path, members: Sequence[tarfile.TarInfo]
) -> elements.Fetch:
    """A `Fetch` that reads the archive once, from its start to its end.

    The order of a split is not the archive's, so the compressed images, about 104 MB
    for all of them, stay in memory until they are yielded.
    """

    def fetch(positions: Sequence[int]) -> Iterator[tuple[str, Callable[[], bytes]]]:
        data = {}
        try:
            with gzip.open(path) as stream:
                for position in sorted(positions, key=lambda i: members[i].offset_data):
                    stream.seek(members[position].offset_data)
                    data[position] = stream.read(members[position].size)
        except (EOFError, OSError, zlib.error) as error:
            raise _damaged(path, error) from error
        for position in positions:
            label = f"{members[position].name} in {path}"
            yield label, functools.partial(bytes, data.pop(position))

    return fetch


def _info(parts: dict[str, np.ndarray], notes: str) -> elements.SourceInfo:
    return elements.SourceInfo(
        name="lfw",
        title="Labeled Faces in the Wild",
        split_counts={part: len(rows) for part, rows in parts.items()},
        license=(
            "public, for research; its authors warn that results do not show "
            "fitness for commercial use"
        ),
        citation=(
            "G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller. Labeled Faces in the "
            "Wild. University of Massachusetts, Amherst, Technical Report 07-49, 2007."
        ),
        homepage=HOMEPAGE,
        notes=notes,
    )
