"""Data sets by name: `load` opens one split as a `Source`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from data_pipeline.choices import check_choice
from data_pipeline.datasets import celeba, celeba_hq, elements, folder, lfw
from data_pipeline.datasets.elements import Source, SourceInfo
from data_pipeline.datasets.folder import whole as whole_folder
from data_pipeline.drawn_faces.draw import ATTRIBUTES
from data_pipeline.drawn_faces.draw import draw as draw_face
from data_pipeline.drawn_scenes.draw import element as draw_scene

__all__ = ["DATASETS", "Source", "SourceInfo", "load", "splits", "whole_folder"]

_SPLITS = {
    "faces": ("train", "validation", "test"),
    "lfw": ("train", "test"),
    "celeb_a": ("train", "validation", "test"),
    "celeb_a_hq": ("train", "test"),
    "folder": ("train", "test"),
    "scenes": ("train", "validation", "test"),
}
DATASETS = tuple(_SPLITS)
SPLIT_BY = ("image", "person", "order", "first")
# Sets without an official partition, of which the seed says what is for training; a
# folder may bring its own.
SHUFFLED, _BY_SEED = ("lfw", "celeb_a_hq", "folder"), ("image", "person")

# Indices of the drawn images of each split. Training comes last, so that it can grow
# without changing the test set.
_DRAWN = {
    "test": range(1000),
    "validation": range(1000, 1512),
    "train": range(1512, 9512),
}


def splits(name: str) -> tuple[str, ...]:
    """Splits of a data set. A folder may bring a "validation" of its own."""
    check_choice("dataset", name, DATASETS)
    return _SPLITS[name]


def partition(name: str, split_by: str, seed: int, subset: int = 0) -> tuple:
    """Equal for equal splits of a data set; see `load`."""
    if name not in SHUFFLED:
        return (name,)
    by_seed = split_by in _BY_SEED or subset
    return name, split_by, seed if by_seed else None, subset


def load(
    name: str,
    split: str,
    *,
    data_dir: str = "",
    seed: int = 0,
    split_by: str = "image",
    subset: int = 0,
    limit: int = 0,
    size: int = 128,
) -> Source:
    """Opens one split of a data set. Nothing is ever downloaded.

    Args:
      name: One of `DATASETS`.
      split: One of `splits(name)`.
      data_dir: The folder with the files; "faces" and "scenes" need none.
      seed: Of drawn images, and of the shuffle that splits sets without an official
        partition.
      split_by: "image", the official partition or 80/20 by seeded shuffle; "person"
        (lfw only), nobody is in both splits; "order", no shuffle, the last tenth of
        the names is the test split; "first" (celeb_a only), no shuffle, the first
        180,000 names, the next 10,000 and the next 10,000.
      subset: Number of images of lfw that are split, chosen by the seed; 0 means all.
      limit: Largest number of images of the split; 0 means all.
      size: Side in pixels at which images are drawn, clamped to 32..512. Of several
        prepared resolutions of celeb_a_hq the smallest that reaches it is read.

    Raises:
      ValueError: If an argument is none of the above, or a file is malformed.
      FileNotFoundError: If the data is not there; the message says which files to
        fetch from where and where to put them.
    """
    known, drawn = splits(name), name in ("faces", "scenes")
    if split not in known and (name != "folder" or split != "validation"):
        raise elements.no_such_split(name, split, known)
    check_choice("split_by", split_by, SPLIT_BY)
    if split_by == "person" and name != "lfw":
        raise ValueError(
            f"split_by=person needs to know who is in each image, which only lfw "
            f"says; for {name} use split_by=image."
        )
    if split_by == "first" and name != "celeb_a":
        raise ValueError(
            "split_by=first is a split of celeb_a, 180,000, 10,000 and 10,000 images "
            f"in the order of the files; for {name} use split_by=image."
        )
    if split_by == "order" and drawn:
        raise ValueError(
            f"split_by=order is for files; the splits of {name} are drawn apart. Use "
            "split_by=image."
        )
    if subset and name != "lfw":
        raise ValueError(f"subset is an option of lfw; {name} takes limit instead.")
    if limit < 0:
        raise ValueError(f"limit must be at least 0 (0 means all); got {limit}.")
    options = {"data_dir": data_dir, "split_by": split_by}
    if drawn:
        source = _drawn(name, split, seed=seed, size=min(max(size, 32), 512))
    elif name == "lfw":
        source = lfw.load(split, seed=seed, subset=subset, **options)
    elif name == "celeb_a":
        source = celeba.load(split, **options)
    elif name == "celeb_a_hq":
        source = celeba_hq.load(split, seed=seed, size=size, **options)
    else:
        source = folder.load(split, seed=seed, **options)
    if not source.names:
        raise ValueError(
            f"the {split} split of {name} has no images ({source.info.notes}); more "
            "images are needed."
        )
    return source.take(limit) if limit else source


def _drawn(name: str, split: str, *, seed: int, size: int) -> Source:
    """Drawn faces with all they know about themselves, or drawn scenes."""
    faces, indices = name == "faces", _DRAWN[split]
    names = tuple(f"{'face' if faces else 'scene'}_{index:06d}" for index in indices)

    draw = draw_face if faces else draw_scene

    def readers(positions: Sequence[int]) -> Iterator[Callable[[], dict]]:
        for position in positions:
            yield functools.partial(draw, indices[position], seed=seed, size=size)

    info = SourceInfo(
        name=name,
        title=f"Drawn {name}",
        split_counts={part: len(_DRAWN[part]) for part in splits(name)},
        license="Apache-2.0, like the program that draws them",
        attribute_names=ATTRIBUTES if faces else (),
        notes=f"drawn with seed {seed}; the splits are disjoint",
    )
    fields = ("attributes", "landmarks", "face_mask") if faces else ()
    return Source(info, split, names, readers, fields, drawn=True)
