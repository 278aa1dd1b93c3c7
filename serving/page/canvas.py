"""The square on which people paint what is missing, and the mask that it means.

It has the same size for every picture, because Gradio's editor puts what it is given
beside its place where a picture is not as large as its first canvas. A picture is
fitted into it, with margins that mean nothing.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from data_pipeline import pixels
from serving.photo import masks
from serving.photo.framing import NoFaceError

SIDE = 640  # pixels
PAINT = (11, 110, 106, 204)  # RGBA of what is missing
_MARGIN = 245  # of 255


def fit(image: np.ndarray) -> np.ndarray:
    """A picture in the square, uint8 [H, W, 3] -> [SIDE, SIDE, 3]."""
    top, left, height, width = _place(image.shape[:2])
    canvas = np.full((SIDE, SIDE, 3), _MARGIN, np.uint8)
    fitted = pixels.resize(image, height, width)
    canvas[top : top + height, left : left + width] = fitted
    return canvas


def paint(mask: np.ndarray) -> np.ndarray:
    """The layer that shows a mask, uint8 [H, W, 1] -> RGBA [SIDE, SIDE, 4]."""
    top, left, height, width = _place(mask.shape[:2])
    missing = pixels.resize(mask[..., 0] * np.uint8(255), height, width) >= 128
    layer = np.zeros((SIDE, SIDE, 4), np.uint8)
    layer[top : top + height, left : left + width][missing] = PAINT
    return layer


def painted(layers: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """The mask that is painted, the inverse of `paint`.

    Args:
      layers: Of the editor, each uint8 RGBA [S, S, 4]; S is `SIDE`, or a multiple on
        screens whose pixels are small.
      size: Height and width of the picture, pixels.

    Returns:
      uint8 [height, width, 1], 1 = missing: what is at least half covered.
    """
    top, left, height, width = _place(size)
    mask = np.zeros(size, bool)
    for layer in layers:
        covered = (layer[..., 3] >= PAINT[3] / 2).astype(np.uint8) * np.uint8(255)
        covered = pixels.resize(covered, SIDE, SIDE)
        part = covered[top : top + height, left : left + width]
        mask |= pixels.resize(part, *size) >= 128
    return mask.astype(np.uint8)[..., None]


def center(size: tuple[int, int], hole: tuple[float, float]) -> np.ndarray:
    """The mask of a picture's center.

    Args:
      size: Height and width of the picture, pixels.
      hole: Where it begins and ends, as shares of each side; see
        `photo.PhotoRestorer`.

    Returns:
      uint8 [height, width, 1], 1 = missing.
    """
    mask = np.zeros((*size, 1), np.uint8)
    (top, bottom), (left, right) = (np.rint(np.multiply(s, hole)) for s in size)
    mask[int(top) : int(bottom), int(left) : int(right)] = 1
    return mask


def _place(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of a picture of that size in the square."""
    scale = SIDE / max(size)
    height, width = (max(round(scale * side), 1) for side in size)
    return (SIDE - height) // 2, (SIDE - width) // 2, height, width


# What buttons say -> parts as `face_regions` calls them.
PARTS = {name.replace("_", " ").capitalize(): name for name in masks.REGIONS}
CENTER = "Center"
REGIONS = (CENTER, *PARTS)

# image uint8 [H, W, 3] -> landmarks of each face, float [5, 2], the largest first
Find = Callable[[np.ndarray], list]


class Faces:
    """Finds faces: those that were drawn here are known, others are looked for.

    Args:
      known: Pictures, uint8 [H, W, 3], and the landmarks of the one face of each.
      find: Looks for faces in any other picture, as `face_finder.FaceFinder`; None
        where that is not installed.

    Attributes:
      installed: Whether others can be looked for.
    """

    def __init__(
        self,
        known: Iterable[tuple[np.ndarray, np.ndarray]] = (),
        find: Find | None = None,
    ):
        self._known = {_key(image): landmarks for image, landmarks in known}
        self._find = find
        self._lock = threading.Lock()  # MediaPipe does one thing at a time
        self.installed = find is not None

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The landmarks of each face of uint8 [H, W, 3]; none where none is found."""
        landmarks = self._known.get(_key(image))
        if landmarks is not None:
            return [landmarks]
        if self._find is None:
            return []
        with self._lock:
            return self._find(image)

    def region(
        self, name: str, image: np.ndarray, hole: tuple[float, float]
    ) -> np.ndarray:
        """The mask of a part of a picture.

        Args:
          name: One of `REGIONS`: the picture's center, or a part of its largest face.
          image: uint8 [H, W, 3].
          hole: See `app_canvas.center`.

        Returns:
          uint8 [H, W, 1], 1 = missing.

        Raises:
          NoFaceError: If no face is found; the message is for the page's users.
        """
        size = image.shape[:2]
        if name == CENTER:
            return center(size, hole)
        faces = self(image)
        if not faces:
            raise NoFaceError(
                "No face was found in this picture. Paint over the part instead."
                if self.installed
                else "Finding faces in other pictures than the drawn ones needs "
                "MediaPipe (pip install '.[face]'). Paint over the part instead."
            )
        part = masks.mask(PARTS[name], faces[0], *size)
        return part.astype(np.uint8)[..., None]


def _key(image: np.ndarray) -> bytes:
    """What no other picture has."""
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()
