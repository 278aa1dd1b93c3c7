"""The faces of a photograph through an exported restorer, each laid where it belongs.

A model has met faces of one size, upright, at one place of a small square. Each face of
a photograph is brought there, restored, blended, and brought back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serving import blending, framing
from serving.alignment import Alignment, align, part_of
from serving.photo import PhotoRestorer, UnfillableHoleError

# A hole larger than what the model fills is made to fit by showing it the face so much
# smaller than those it has met, and not more.
_SMALLEST = 2 / 3


class FaceRestorer:
    """Restores the faces of whole photographs.

    Args:
      model: Whose config.json says how faces lie in its pictures; see `framing.of`.

    Raises:
      ValueError: If it does not.
    """

    def __init__(self, model: PhotoRestorer):
        self._model = model
        self._framing = framing.of(model.facts)
        fills = model.facts.get("fills", {})
        self._side = fills.get("side", 0)  # of the largest hole; 0 = any
        self._centered = fills.get("centered", False)

    @property
    def size(self) -> int:
        """Side of the square in which the model sees a face, pixels."""
        return self._model.size

    def hole(
        self, landmarks: np.ndarray, crop: np.ndarray, height: int, width: int
    ) -> np.ndarray:
        """A hole of the model's own pictures, on a face of a photograph.

        Args:
          landmarks: Of the face, float [5, 2].
          crop: bool [S, S] with S = `size`.
          height: Of the photograph, pixels.
          width: Likewise.

        Returns:
          bool [height, width].
        """
        return self._align(landmarks).back(crop, height, width)

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, faces: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Restores what is missing of the faces.

        Each missing pixel belongs to the face that is nearest to it, measured in that
        face's own size. One face after the other is restored; to the later ones what
        was restored is known.

        Args:
          image: uint8 [H, W, 3].
          mask: uint8 [H, W, 1], 1 = missing.
          faces: The landmarks of each, float [5, 2]; see `data_pipeline.elements`.

        Returns:
          uint8 [H, W, 3]; known pixels are unchanged.

        Raises:
          UnfillableHoleError: If the model cannot fill the hole of one of the faces, or
            something is missing where no face is.
          NoFaceError: If landmarks make no face.
        """
        unknown = mask[..., 0] > 0
        alignments = [self._align(face) for face in faces]
        owners = self._owners(unknown, alignments)
        restored = image.copy()
        for number, alignment in enumerate(alignments):
            own = owners == number
            if own.any():
                self._restore(restored, unknown, own, alignment)
                unknown = unknown & ~own
        return restored

    def _align(self, landmarks: np.ndarray) -> Alignment:
        return align(landmarks, self._framing, self._model.size)

    def _owners(
        self, missing: np.ndarray, alignments: Sequence[Alignment]
    ) -> np.ndarray:
        """Whose each missing pixel is: faces' positions, [H, W]; -1 elsewhere."""
        rows, columns = np.nonzero(missing)
        points = np.stack([columns, rows], axis=-1)
        nearest, owner = np.full(len(rows), np.inf), np.full(len(rows), -1, np.int16)
        scale = self.size / np.array([self._framing.width, self._framing.height])
        middle = self._framing.anchors.mean(axis=0) * scale - 0.5
        for number, alignment in enumerate(alignments):
            places = alignment(points)
            inside = ((places >= -0.5) & (places <= self.size - 0.5)).all(axis=-1)
            distance = np.hypot(*(places - middle).T)
            taken = inside & (distance < nearest)
            nearest[taken], owner[taken] = distance[taken], number
        astray = int((owner < 0).sum())
        if astray:
            raise UnfillableHoleError(
                f"{astray:,} of its {len(rows):,} pixels are not near a face that is "
                "restored. --face=all restores every face; without --align the "
                "picture is restored as a whole."
            )
        owners = np.full(missing.shape, -1, np.int16)
        owners[rows, columns] = owner
        return owners

    def _restore(
        self,
        image: np.ndarray,
        unknown: np.ndarray,
        own: np.ndarray,
        alignment: Alignment,
    ) -> None:
        """Restores a face's own missing pixels in place."""
        alignment, hole = self._fitted(alignment, own)
        crop = alignment.cut(image, unknown)
        try:
            restored = self._model.restore_crop(crop / np.float32(255.0), hole) * 255.0
        except UnfillableHoleError as error:
            width, height = _extent(hole)
            raise UnfillableHoleError(
                f"In the aligned face of {self.size}x{self.size} pixels it spans "
                f"{width}x{height}. {error}"
            ) from error
        # What the model fills may be more than what is missing.
        missing = alignment.cut_mask(own)
        restored = np.where(missing[..., None], restored, crop)
        known = ~alignment.cut_mask(unknown & ~own)
        restored = blending.blend(restored, missing, known)
        box = _around(own)
        part, own = part_of(image, box), part_of(own, box)
        values = blending.sharpen(
            alignment.enlarged(restored, box),
            part,
            ~part_of(unknown, box),
            reach=1.0 / alignment.density,
        )
        part[own] = np.clip(np.rint(values[own]), 0, 255).astype(np.uint8)

    def _fitted(
        self, alignment: Alignment, own: np.ndarray
    ) -> tuple[Alignment, np.ndarray]:
        """The alignment under which the model can fill the hole, and what it fills.

        Where the model fills squares of a size only, the face is made a little smaller
        until the hole fits. Where it fills the center only, the hole is brought there.
        """
        hole = alignment.cut_mask(own)
        if not self._side or not (self._centered or max(_extent(hole)) > self._side):
            return alignment, hole
        rows, columns = np.nonzero(own)
        places = alignment(np.stack([columns, rows], axis=-1))
        low, high = places.min(axis=0), places.max(axis=0)
        middle, longest = (low + high) / 2, max((high - low).max(), 1.0)
        # A mask is a pixel longer where its border lies within pixels.
        scale = min((self._side - (not self._centered)) / longest, 1.0)
        if scale < _SMALLEST:
            return alignment, hole  # the model will say what it can fill
        if not self._centered:
            fitted = alignment.moved(scale, middle, middle)
            return fitted, fitted.cut_mask(own)
        start = (self.size - self._side) // 2
        to = np.full(2, start + (self._side - 1) / 2)
        square = np.zeros((self.size, self.size), bool)
        square[start : start + self._side, start : start + self._side] = True
        return alignment.moved(scale, middle, to), square


def _around(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is marked and the pixels beside it."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    height, width = mask.shape
    left, right = max(columns[0] - 1, 0), min(columns[-1] + 2, width)
    return left, max(rows[0] - 1, 0), right, min(rows[-1] + 2, height)


def _extent(hole: np.ndarray) -> tuple[int, int]:
    """Width and height of the smallest rectangle around a hole, pixels."""
    sides = (np.flatnonzero(hole.any(axis=axis)) for axis in (0, 1))
    width, height = (int(np.ptp(side)) + 1 if side.size else 0 for side in sides)
    return width, height
