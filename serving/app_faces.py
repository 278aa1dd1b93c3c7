"""Where the faces of the web page's pictures are, if anybody can tell."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable

import numpy as np

from serving import app_canvas, face_regions
from serving.framing import NoFaceError

# What buttons say -> parts as `face_regions` calls them.
PARTS = {name.replace("_", " ").capitalize(): name for name in face_regions.REGIONS}
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
            return app_canvas.center(size, hole)
        faces = self(image)
        if not faces:
            raise NoFaceError(
                "No face was found in this picture. Paint over the part instead."
                if self.installed
                else "Finding faces in other pictures than the drawn ones needs "
                "MediaPipe (pip install '.[face]'). Paint over the part instead."
            )
        part = face_regions.mask(PARTS[name], faces[0], *size)
        return part.astype(np.uint8)[..., None]


def _key(image: np.ndarray) -> bytes:
    """What no other picture has."""
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()
