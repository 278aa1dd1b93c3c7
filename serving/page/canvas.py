"""The square canvas on which missing parts are painted, and the parts it can mark.

The canvas has the same size for every picture, because Gradio's editor misplaces a
picture that is smaller than its first canvas. A picture is fitted into it, with margins
that are ignored. `Faces` knows where the face is whose parts the buttons mark.
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
_MARGIN = 245  # of 255, the gray of the margins

# Labels of buttons -> parts as `photo.masks` names them.
PARTS = {name.replace("_", " ").capitalize(): name for name in masks.REGIONS}
CENTER = "Center"
REGIONS = (CENTER, *PARTS)

# image uint8 [H, W, 3] -> landmarks of each face, float [5, 2], the largest first
Find = Callable[[np.ndarray], list]


def fit(image: np.ndarray) -> np.ndarray:
    """Fits a picture into the canvas, uint8 [H, W, 3] -> [SIDE, SIDE, 3]."""
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
        high-resolution screens.
      size: Height and width of the picture, pixels.

    Returns:
      uint8 [height, width, 1], 1 = missing: where at least half is covered.
    """
    top, left, height, width = _place(size)
    mask = np.zeros(size, bool)
    for layer in layers:
        covered = (layer[..., 3] >= PAINT[3] / 2).astype(np.uint8) * np.uint8(255)
        covered = pixels.resize(covered, SIDE, SIDE)
        part = covered[top : top + height, left : left + width]
        mask |= pixels.resize(part, *size) >= 128
    return mask.astype(np.uint8)[..., None]


def _place(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, height and width of a picture of this size in the canvas."""
    scale = SIDE / max(size)
    height, width = (max(round(scale * side), 1) for side in size)
    return (SIDE - height) // 2, (SIDE - width) // 2, height, width


class Faces:
    """Finds faces: those of the examples are known, others are searched for.

    Args:
      known: Pictures, uint8 [H, W, 3], and the landmarks of the one face of each.
      find: Finds the faces in any other picture, such as a `photo.finder.FaceFinder`;
        None if that is not installed.

    Attributes:
      installed: Whether other pictures can be searched.
    """

    def __init__(
        self,
        known: Iterable[tuple[np.ndarray, np.ndarray]] = (),
        find: Find | None = None,
    ):
        self._known = {_key(image): landmarks for image, landmarks in known}
        self._find = find
        self._lock = threading.Lock()  # MediaPipe is not thread-safe
        self.installed = find is not None

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The landmarks of each face of uint8 [H, W, 3]."""
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
          hole: See `photo.masks.center`.

        Returns:
          uint8 [H, W, 1], 1 = missing.

        Raises:
          NoFaceError: If no face is found; the message is for the page's users.
        """
        size = image.shape[:2]
        if name == CENTER:
            return masks.center(size, hole)
        faces = self(image)
        if not faces:
            raise NoFaceError(
                "No face was found in this picture. Paint over the part instead."
                if self.installed
                else "Finding faces in pictures other than the drawn ones needs "
                "MediaPipe (make extras). Paint over the part instead."
            )
        part = masks.region(PARTS[name], faces[0], *size)
        return part.astype(np.uint8)[..., None]


def _key(image: np.ndarray) -> bytes:
    """A hash that tells pictures apart."""
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()
