"""What `experiments.restore` takes for missing in a picture."""

from __future__ import annotations

import hashlib
import pathlib

import numpy as np

from data_pipeline import masks, pixels

DRAWN = ("center", "random")


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
      mask: One of `DRAWN`, a mask picture, or a folder of them.
      root: The folder of all pictures, which a folder of masks may mirror.
      hole: Where the center's hole begins and ends, as shares of each side. In a
        picture that is no square it is none either: the model sees pictures squeezed
        into a square, and there it is one.
      seed: Of the places of random holes.
      missing_is_black: In mask pictures black marks what is missing, not white.

    Returns:
      uint8 [height, width, 1], 1 = missing.

    Raises:
      FileNotFoundError: If the folder has no mask for the picture.
      UnreadableImageError: If the mask is no picture.
    """
    if mask in DRAWN:
        return _hole(picture.name, size, hole, seed if mask == "random" else None)
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


def _hole(
    name: str, size: tuple[int, int], hole: tuple[float, float], seed: int | None
) -> np.ndarray:
    """The hole in the center, or where seed and name say."""
    start, stop = (np.rint(np.multiply(size, share)).astype(int) for share in hole)
    sides = stop - start
    if seed is not None:
        # Keyed by the name, so that a second run has the same holes.
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        start = np.random.default_rng(list(digest)).integers(0, size - sides + 1)
    mask = np.zeros((*size, 1), np.uint8)
    mask[start[0] : start[0] + sides[0], start[1] : start[1] + sides[1]] = 1
    return mask
