r"""Restores pictures with an exported model.

  python -m experiments.restore --model=runs/NAME/export/1 --input=photos \
      --mask=masks --output=restored

--input is a picture or a folder of them (searched recursively); --mask says what is
missing: a picture (white = missing), a folder with a mask of each picture's name, or
center or random, a square of half the picture's side. Results are PNGs that keep the
names of their inputs.
"""

from __future__ import annotations

import collections
import hashlib
import os
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
import tqdm
from absl import flags

from data_pipeline import masks, pixels
from experiments import command
from serving.photo import PhotoRestorer

SQUARES = ("center", "random")

_MODEL = flags.DEFINE_string("model", None, "Folder of an exported model.")
_INPUT = flags.DEFINE_string("input", None, "A picture, or a folder of pictures.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the restored pictures.")
_MASK = flags.DEFINE_string(
    "mask", "center", "A mask picture, a folder of them, center, or random."
)
_MISSING_IS_BLACK = flags.DEFINE_boolean(
    "missing_is_black", False, "In mask pictures black marks what is missing."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 8, "Pictures at once.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of --mask=random.")
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replace results that are there; inputs are never replaced."
)


def restore() -> None:
    """Restores everything that --input names."""
    command.require(_MODEL, _INPUT, _OUTPUT)
    jobs = find_jobs(pathlib.Path(_INPUT.value), pathlib.Path(_OUTPUT.value))
    if not _OVERWRITE.value:
        done = [job for job in jobs if job[1].exists()]
        if done:
            print(
                f"{len(done)} results are there already and are left alone "
                "(--overwrite replaces them).",
                file=sys.stderr,
            )
        jobs = [job for job in jobs if not job[1].exists()]
    model = PhotoRestorer(_MODEL.value)
    skipped = 0
    with tqdm.tqdm(total=len(jobs), unit="img", desc="restore") as progress:
        for start in range(0, len(jobs), _BATCH_SIZE.value):
            batch = jobs[start : start + _BATCH_SIZE.value]
            ready = list(_read(batch))
            if ready:
                outputs, images, holes = zip(*ready)
                for output, restored in zip(outputs, model(images, holes)):
                    pixels.write_bytes(output, pixels.encode_png(restored))
            skipped += len(batch) - len(ready)
            progress.update(len(batch))
    note = f", {skipped} skipped" if skipped else ""
    print(f"{len(jobs) - skipped} pictures restored{note}: {_OUTPUT.value}")
    if jobs and skipped == len(jobs):
        raise ValueError("none of the pictures could be restored; see above.")


def find_jobs(
    source: pathlib.Path, output: pathlib.Path
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Pictures and where their results go.

    A result has its picture's name with .png; where two pictures would share one, the
    picture's own suffix stays in it (a.jpg.png, a.webp.png). An output folder within
    the input folder is not searched.

    Raises:
      FileNotFoundError: If there are no pictures.
      ValueError: If a result would replace an input.
    """
    if source.is_file():
        pictures, root = [source], source.parent
    else:
        root = source
        pictures = sorted(_pictures(source, output))
    if not pictures:
        raise FileNotFoundError(
            f"--input={source} is neither a picture nor a folder with any "
            f"({', '.join(pixels.IMAGE_SUFFIXES)})."
        )
    stems = collections.Counter(picture.with_suffix("") for picture in pictures)
    inputs, jobs = set(pictures), []
    for picture in pictures:
        stem = picture.with_suffix("")
        # Of a.jpg, a.png and a.jpg.png the first becomes what the last would be.
        shared = stems[stem] > 1 or stem in inputs
        name = picture.name if shared else picture.stem
        target = output / picture.relative_to(root).with_name(f"{name}.png")
        jobs.append((picture, target))
    inputs = {picture.resolve() for picture in pictures}
    for _, target in jobs:
        if target.resolve() in inputs:
            raise ValueError(
                f"--output={output} would replace the input {target}; pass another "
                "folder."
            )
    return jobs


def _pictures(source: pathlib.Path, output: pathlib.Path) -> Iterator[pathlib.Path]:
    """The pictures below a folder, but for the results of an earlier run."""
    results = output.resolve()
    for folder, inner, names in os.walk(source):
        here = pathlib.Path(folder)
        inner[:] = [name for name in inner if (here / name).resolve() != results]
        for name in names:
            if name.lower().endswith(pixels.IMAGE_SUFFIXES):
                yield here / name


def _read(batch: list) -> Iterator[tuple[pathlib.Path, np.ndarray, np.ndarray]]:
    """(output, image, mask) of the pictures that can be read."""
    for picture, target in batch:
        try:
            image = pixels.read(picture)
            yield target, image, _mask(picture, image.shape[:2])
        except (pixels.UnreadableImageError, FileNotFoundError) as error:
            # What is wrong with a mask names the mask only.
            told = str(error)
            if not told.startswith(str(picture)):
                told = f"{picture}: {told}"
            print(f"skipped {told}", file=sys.stderr)


def _mask(picture: pathlib.Path, size: tuple[int, int]) -> np.ndarray:
    """uint8 [H, W, 1], 1 = missing."""
    if _MASK.value in SQUARES:
        return _square(picture.name, size)
    path = pathlib.Path(_MASK.value)
    if path.is_dir():
        path = _mask_of(picture, path)
    if not path.exists():
        raise ValueError(
            f"--mask must be {', '.join(SQUARES)}, a mask picture or a folder of them; "
            f"got {_MASK.value!r}."
        )
    return masks.read_mask(path, size, _MISSING_IS_BLACK.value)


def _mask_of(picture: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The mask with a picture's name, whatever its suffix.

    It is looked for in the folder's own copy of the inputs' folders, then in itself.
    """
    root, places = pathlib.Path(_INPUT.value), [folder]
    if root.is_dir():
        places.insert(0, folder / picture.parent.relative_to(root))
    for place in places:
        for suffix in pixels.IMAGE_SUFFIXES:
            for path in (place / f"{picture.stem}{suffix}", place / picture.name):
                if path.exists():
                    return path
    raise FileNotFoundError(f"{folder} has no mask called {picture.stem}.")


def _square(name: str, size: tuple[int, int]) -> np.ndarray:
    """A square of half the shorter side, in the center or where the name says."""
    side = min(size) // 2
    room = np.array(size) - side
    corner = room // 2
    if _MASK.value == "random":
        # Keyed by the name, so that a second run has the same holes.
        digest = hashlib.sha256(f"{_SEED.value}/{name}".encode()).digest()
        corner = np.random.default_rng(list(digest)).integers(0, room + 1)
    mask = np.zeros((*size, 1), np.uint8)
    mask[corner[0] : corner[0] + side, corner[1] : corner[1] + side] = 1
    return mask


if __name__ == "__main__":
    command.run(restore)
