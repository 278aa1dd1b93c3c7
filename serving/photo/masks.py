"""Masks of photographs: from files, rectangles, the center, at random, parts of a face.

Masks of pictures are uint8 [H, W, 1], 1 = missing.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import unicodedata

import cv2
import numpy as np

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from data_pipeline.face_masks import ellipse
from data_pipeline.mask_pictures import MaskError, check, read_mask
from serving.photo.framing import anchors

DRAWN = ("center", "random")
RECTANGLE = "rect:"
ALPHA = "alpha"
REGIONS = ("eyes", "nose", "mouth", "left_half", "right_half")

_REACH = 3.0  # distances between the eyes from their middle to the end of any face
_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel


def mask_for(
    path: pathlib.Path,
    picture: pixels.Picture,
    *,
    mask: str,
    root: pathlib.Path,
    missing_is_black: bool,
    hole: tuple[float, float] = (0.25, 0.75),
    seed: int = 0,
) -> tuple[np.ndarray, str]:
    """The mask of a picture, and what a mask picture was taken for.

    Args:
      path: Of the picture.
      picture: As it was read.
      mask: One of `DRAWN`, "rect:x,y,w,h", `ALPHA` (what is transparent), a mask
        picture, or a folder of them.
      root: The folder of all pictures, whose folders a folder of masks may mirror.
      missing_is_black: In mask pictures black marks what is missing, not white.
      hole: See `center`.
      seed: Of the places of random holes.

    Raises:
      MaskError: If nothing or everything is missing, or the mask is of another size.
      FileNotFoundError: If the folder has no mask for the picture.
      UnreadableImageError: If the mask is not a picture.
    """
    size = picture.image.shape[:2]
    if mask in DRAWN:
        missing = drawn(mask, size, hole, key=f"{seed}/{path.name}")
        check(missing, f"--mask={mask}")
        return missing, ""
    if mask == ALPHA:
        if picture.layer is None:
            raise MaskError("--mask=alpha: nothing in it is transparent.")
        missing = (picture.layer[..., 3:] < 128).astype(np.uint8)
        check(missing, f"--mask={mask}")
        return missing, f"its transparent part: {missing.mean():.1%} missing"
    if mask.startswith(RECTANGLE):
        left, top, width, height = rectangle(mask)
        missing = _filled(size, (top, left), (top + height, left + width))
        if not missing.any():
            raise MaskError(
                f"--mask={mask} lies outside the picture, which has "
                f"{size[1]}x{size[0]} pixels."
            )
        check(missing, f"--mask={mask}")
        return missing, ""
    file = file_of(path, mask, root)
    if file is None:
        raise FileNotFoundError(f"{mask} has no mask called {path.stem}.")
    return read_mask(
        file,
        size,
        orientation=picture.orientation,
        missing_is_black=missing_is_black,
    )


def file_of(
    picture: pathlib.Path, mask: str, root: pathlib.Path
) -> pathlib.Path | None:
    """The mask picture of a picture; None if there is none.

    Of a folder it is the file of the picture's name, with any suffix, looked up where
    the picture lies below `root`, and then in the folder itself.
    """
    if mask in ("", *DRAWN, ALPHA) or mask.startswith(RECTANGLE):
        return None
    folder = pathlib.Path(mask)
    if not folder.is_dir():
        return folder
    places = [folder]
    if root.is_dir():
        places.insert(0, folder / picture.parent.relative_to(root))
    wanted = (_composed(picture.stem), _composed(picture.name))
    for place in filter(pathlib.Path.is_dir, places):
        for path in sorted(place.iterdir()):
            is_picture = path.suffix.lower() in pixels.IMAGE_SUFFIXES
            if (is_picture and _composed(path.stem) in wanted) or (
                _composed(path.name) == wanted[1]
            ):
                return path
    return None


def rectangle(mask: str) -> tuple[int, int, int, int]:
    """Left, top, width and height from "rect:x,y,w,h".

    Raises:
      ValueError: If it is not a rectangle.
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


def center(size: tuple[int, int], hole: tuple[float, float]) -> np.ndarray:
    """The hole in the center of a picture.

    Args:
      size: Height and width of the picture, pixels.
      hole: Where it begins and ends, as shares of each side: a model sees the picture
        squeezed into a square, in which this is a square too.
    """
    return _filled(size, *_corners(size, hole))


def drawn(
    kind: str, size: tuple[int, int], hole: tuple[float, float], *, key: str
) -> np.ndarray:
    """One of `DRAWN`: the hole of `center`, or one of its size at a random place.

    The place depends on the key alone.
    """
    if kind == "center":
        return center(size, hole)
    start, stop = _corners(size, hole)
    digest = hashlib.sha256(os.fsencode(key)).digest()  # names may be no UTF-8
    place = np.random.default_rng(list(digest)).integers(0, size - (stop - start) + 1)
    return _filled(size, place, place + stop - start)


def region(name: str, landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mask of a part of a face.

    Args:
      name: "eyes", a band over both; "nose"; "mouth", with the skin around the lips; or
        "left_half" or "right_half" of the face, as seen in the picture of an upright
        head, divided along the nose.
      landmarks: float [5, 2]; see `data_pipeline.datasets.elements`.
      height: Of the picture, pixels.
      width: Of the picture, pixels.

    Returns:
      bool [height, width].

    Raises:
      ValueError: If there is no such part.
      NoFaceError: If the landmarks do not form a face.
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


def span(mask: np.ndarray) -> tuple[int, int]:
    """Width and height of the smallest rectangle around what is marked, pixels."""
    marked = mask.reshape(mask.shape[:2]) > 0
    sides = (np.flatnonzero(marked.any(axis=axis)) for axis in (0, 1))
    width, height = (int(np.ptp(side)) + 1 if side.size else 0 for side in sides)
    return width, height


def _composed(name: str) -> str:
    """A name whose accents are parts of their letters, as on most systems."""
    return unicodedata.normalize("NFC", name)


def _corners(
    size: tuple[int, int], hole: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The upper left and the lower right corner, [y, x], of a hole given in shares."""
    start, stop = (np.rint(np.multiply(size, share)).astype(int) for share in hole)
    return start, stop


def _filled(size: tuple[int, int], start, stop) -> np.ndarray:
    """The part of a rectangle, given by its corners [y, x], that is in the picture."""
    missing = np.zeros((*size, 1), np.uint8)
    rows, columns = (slice(max(a, 0), max(b, 0)) for a, b in zip(start, stop))
    missing[rows, columns] = 1
    return missing


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
