"""What `experiments.restore` takes for missing in a picture."""

from __future__ import annotations

import hashlib
import pathlib

import cv2
import numpy as np

from data_pipeline import masks, pixels
from data_pipeline.choices import check_choice
from data_pipeline.face_masks import ellipse
from serving.photo.framing import anchors

DRAWN = ("center", "random")
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


REGIONS = ("eyes", "nose", "mouth", "left_half", "right_half")

_REACH = 3.0  # distances between the eyes within which a face ends
_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel


def mask(name: str, landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where a part of a face is.

    Args:
      name: "eyes", a band over both; "nose"; "mouth", with the lips' surroundings; or
        "left_half" or "right_half" of the face as its picture shows it when the head
        is upright, divided where the nose is.
      landmarks: float [5, 2]; see `data_pipeline.datasets.elements`.
      height: Of the picture, pixels.
      width: Of the picture, pixels.

    Returns:
      bool [height, width].

    Raises:
      ValueError: If there is no such part.
    """
    check_choice("mask", name, REGIONS)
    landmarks = np.asarray(landmarks, np.float64)
    left_eye, right_eye, mouth = anchors(landmarks)
    eyes = (left_eye + right_eye) / 2
    frame = np.stack([right_eye - left_eye, mouth - eyes])  # rows: x, y
    to_face = np.linalg.inv(frame)
    if name in ("left_half", "right_half"):
        return _half(name == "left_half", landmarks, eyes, to_face, height, width)
    _, _, nose, *corners = (landmarks - eyes) @ to_face
    if name == "eyes":
        outline = _box(-0.9, 0.9, -0.33, 0.3)
    elif name == "mouth":
        left, right = (corner[0] for corner in corners)
        outline = _box(left - 0.15, right + 0.15, 0.76, 1.5)
    else:
        (x, y), top = nose, _box(-0.14, 0.14, 0.04, 0.04)[:2]
        bottom = _box(x - 0.36, x + 0.36, y - 0.06, y + 0.2)
        outline = np.array([*top, *bottom[1:], bottom[0]])
    filled = np.zeros((height, width), np.uint8)
    corners = np.rint((outline @ frame + eyes) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(filled, [corners], 1, cv2.LINE_8, _SHIFT)
    return filled > 0


def _box(left: float, right: float, top: float, bottom: float) -> np.ndarray:
    """Its corners, clockwise from the upper left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _half(left, landmarks, eyes, to_face, height, width) -> np.ndarray:
    """The half of the ellipse of a face on one side of its nose."""
    reach = _REACH * np.linalg.norm(landmarks[1] - landmarks[0])
    low = np.clip(np.floor(eyes - reach).astype(int), 0, (width, height))
    high = np.clip(np.ceil(eyes + reach).astype(int), 0, (width, height))
    columns, rows = high - low
    half = np.zeros((height, width), bool)
    face = ellipse.mask(landmarks - low, rows, columns)[..., 0] > 0
    pixel = np.stack(np.meshgrid(*map(np.arange, (columns, rows))), axis=-1)
    x, y = np.moveaxis((pixel + low - eyes) @ to_face, -1, 0)
    nose_x, nose_y = (landmarks[2] - eyes) @ to_face
    # From the forehead over the nose to the middle of the mouth, and straight on.
    middle = np.interp(y, [0.0, np.clip(nose_y, 0.1, 0.9), 1.0], [0.0, nose_x, 0.0])
    side = x < middle if left else x >= middle
    half[low[1] : high[1], low[0] : high[0]] = face & side
    return half
