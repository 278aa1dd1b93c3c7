"""What `experiments.restore` takes for missing in a picture."""

from __future__ import annotations

import hashlib
import pathlib

import numpy as np

from data_pipeline import masks, pixels
from serving import face_regions

DRAWN = ("center", "random")
REGIONS = face_regions.REGIONS
RECTANGLE = "rect:"


class EmptyMaskError(ValueError):
    """Nothing is missing from a picture; the message says why."""


def rectangle(mask: str) -> tuple[int, int, int, int]:
    """Left, top, width and height of a rectangle, from "rect:x,y,w,h".

    Raises:
      ValueError: If it is no rectangle.
    """
    try:
        left, top, width, height = map(int, mask[len(RECTANGLE) :].split(","))
    except ValueError:
        width = height = 0
    if width < 1 or height < 1:
        raise ValueError(
            "--mask=rect:x,y,w,h takes four whole numbers of pixels: the upper left "
            f"corner, width and height, such as rect:120,80,64,64; got {mask!r}."
        )
    return left, top, width, height


def mask_for(
    picture: pathlib.Path,
    size: tuple[int, int],
    *,
    mask: str,
    root: pathlib.Path,
    hole: tuple[float, float],
    seed: int,
    missing_is_black: bool,
) -> np.ndarray:
    """The mask of a picture.

    Args:
      picture: Its file.
      size: Its height and width, pixels.
      mask: One of `DRAWN`, "rect:x,y,w,h", a mask picture, or a folder of them.
      root: The folder of all pictures, which a folder of masks may mirror.
      hole: Where the center's hole begins and ends, as shares of each side. In a
        picture that is no square it is none either: the model sees pictures squeezed
        into a square, and there it is one.
      seed: Of the places of random holes.
      missing_is_black: In mask pictures black marks what is missing, not white.

    Returns:
      uint8 [height, width, 1], 1 = missing.

    Raises:
      EmptyMaskError: If a rectangle lies outside the picture.
      FileNotFoundError: If the folder has no mask for the picture.
      UnreadableImageError: If the mask is no picture.
    """
    if mask in DRAWN:
        return draw(mask, picture.name, size, hole=hole, seed=seed)
    if mask.startswith(RECTANGLE):
        return _rectangle(mask, size)
    path = pathlib.Path(mask)
    if path.is_dir():
        path = _mask_of(picture, path, root)
    return masks.read_mask(path, size, missing_is_black)


def _mask_of(
    picture: pathlib.Path, folder: pathlib.Path, root: pathlib.Path
) -> pathlib.Path:
    """The mask with a picture's name, whatever its suffix.

    It is looked for in the folder's own copy of the inputs' folders, then in itself.
    """
    places = [folder]
    if root.is_dir():
        places.insert(0, folder / picture.parent.relative_to(root))
    for place in places:
        for suffix in pixels.IMAGE_SUFFIXES:
            for path in (place / f"{picture.stem}{suffix}", place / picture.name):
                if path.exists():
                    return path
    raise FileNotFoundError(f"{folder} has no mask called {picture.stem}.")


def _rectangle(mask: str, size: tuple[int, int]) -> np.ndarray:
    """What of a rectangle lies in a picture."""
    left, top, width, height = rectangle(mask)
    missing = np.zeros((*size, 1), np.uint8)
    rows = slice(max(top, 0), max(top + height, 0))
    missing[rows, max(left, 0) : max(left + width, 0)] = 1
    if not missing.any():
        raise EmptyMaskError(
            f"--mask={mask} lies outside the picture, which has {size[1]}x{size[0]} "
            "pixels."
        )
    return missing


def draw(
    mask: str,
    name: str,
    size: tuple[int, int],
    *,
    hole: tuple[float, float],
    seed: int,
) -> np.ndarray:
    """The hole in the center, or where seed and name say.

    Args:
      mask: One of `DRAWN`.
      name: Of the picture.
      size: Its height and width, pixels.
      hole: See `mask_for`.
      seed: See `mask_for`.

    Returns:
      uint8 [height, width, 1], 1 = missing.
    """
    start, stop = (np.rint(np.multiply(size, share)).astype(int) for share in hole)
    sides = stop - start
    if mask == "random":
        # Keyed by the name, so that a second run has the same holes.
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        start = np.random.default_rng(list(digest)).integers(0, size - sides + 1)
    missing = np.zeros((*size, 1), np.uint8)
    missing[start[0] : start[0] + sides[0], start[1] : start[1] + sides[1]] = 1
    return missing
