"""The faces of a photograph through an exported restorer, each laid where it belongs.

A model has met faces of one size, upright, at one place of a small square. Each face of
a photograph is brought there, restored, blended, and brought back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serving.photo import blending, framing
from serving.photo import masks as photo_masks
from serving.photo.alignment import Alignment, align, around, part_of
from serving.photo.masks import REGIONS
from serving.photo.restorer import PhotoRestorer, UnfillableHoleError

# A hole larger than what the model fills is made to fit by showing it the face so much
# smaller than those it has met, and not more.
_SMALLEST = 2 / 3
# A model that fills the center only draws what it has met there, a nose, wherever in a
# face the hole is. It may be so much of its side off the center, and so much larger;
# in training pictures are shifted by a little more.
_LEEWAY = 0.1


class BeyondFacesError(UnfillableHoleError):
    """Something is missing where no face is that is restored."""


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
        start = (model.size - self._side) // 2
        self._middle = start + (self._side - 1) / 2
        self._square = np.zeros((model.size, model.size), bool)
        self._square[start : start + self._side, start : start + self._side] = True

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

    def regions(self) -> tuple[str, ...]:
        """The parts of a face that the model fills; see `face_regions`.

        They are those of a typical face: of another one, a part may be a little too
        large where this one's is not.
        """
        scale = self.size / max(self._framing.width, self._framing.height)
        landmarks = framing.typical(self._framing) * scale - 0.5
        alignment = self._align(landmarks)
        height = round(self._framing.height * scale)
        width = round(self._framing.width * scale)
        masks = {
            name: photo_masks.mask(name, landmarks, height, width) for name in REGIONS
        }
        return tuple(name for name, own in masks.items() if self._fit(alignment, own))

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
          faces: Landmarks, each float [5, 2]; see `data_pipeline.datasets.elements`.

        Returns:
          uint8 [H, W, 3]; known pixels are unchanged.

        Raises:
          UnfillableHoleError: If the model cannot fill the hole of one of the faces; a
            `BeyondFacesError` if something is missing where no face is.
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
            raise BeyondFacesError(
                f"{astray:,} of its {len(rows):,} pixels are not near a face that is "
                "restored."
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
        fitted = self._fit(alignment, own)
        alignment = fitted or alignment
        # Where it does not fit, the model says what does.
        whole = fitted and self._centered
        hole = self._square if whole else alignment.cut_mask(own)
        crop = alignment.cut(image, unknown)
        try:
            restored = self._model.restore_crop(crop / np.float32(255.0), hole) * 255.0
        except UnfillableHoleError as error:
            raise UnfillableHoleError(f"{self._place(hole)} {error}") from error
        # What the model fills may be more than what is missing.
        missing = alignment.cut_mask(own)
        restored = np.where(missing[..., None], restored, crop)
        known = ~alignment.cut_mask(unknown & ~own)
        restored = blending.blend(restored, missing, known)
        box = around(own)
        part, own = part_of(image, box), part_of(own, box)
        values = blending.sharpen(
            alignment.enlarged(restored, box),
            part,
            ~part_of(unknown, box),
            reach=1.0 / alignment.density,
        )
        part[own] = np.clip(np.rint(values[own]), 0, 255).astype(np.uint8)

    def _fit(self, alignment: Alignment, own: np.ndarray) -> Alignment | None:
        """The alignment under which the model can fill a hole; None if there is none.

        Where the model fills squares of a size only, the face is made a little smaller
        until the hole fits. Where it fills the center only, the face is also moved,
        but hardly.
        """
        if not self._side:
            return alignment
        if not self._centered and max(_extent(alignment.cut_mask(own))) <= self._side:
            return alignment
        rows, columns = np.nonzero(own)
        places = alignment(np.stack([columns, rows], axis=-1))
        low, high = places.min(axis=0), places.max(axis=0)
        longest = max((high - low).max(), 1.0)
        if not self._centered:
            # A mask is a pixel longer where its border lies within pixels.
            scale, middle = (self._side - 1) / longest, (low + high) / 2
            if scale < _SMALLEST:
                return None
            return alignment.moved(min(scale, 1.0), middle, middle)
        scale, middle = min(self._side / longest, 1.0), np.full(2, self._middle)
        # Where the hole ends beyond the square.
        low, high = (scale * (corner - middle) for corner in (low, high))
        reach = (self._side - 1) / 2
        shift = np.maximum(-reach - low, 0) - np.maximum(high - reach, 0)
        if scale * (1 + _LEEWAY) < 1 or np.abs(shift).max() > _LEEWAY * self._side:
            return None
        return alignment.moved(scale, middle, middle + shift)

    def _place(self, hole: np.ndarray) -> str:
        """Where a hole of what the model sees is, in a sentence."""
        width, height = _extent(hole)
        said = f"In the aligned face of {self.size}x{self.size} pixels it spans "
        said += f"{width}x{height}"
        if self._centered and hole.any():
            places = [np.flatnonzero(hole.any(axis=axis)) for axis in (0, 1)]
            middle = [(place[0] + place[-1]) / 2 for place in places]
            off = np.abs(np.subtract(middle, self._middle)).max()
            said += f", {off:.0f} pixels off the center"
        return f"{said}."


def _extent(hole: np.ndarray) -> tuple[int, int]:
    """Width and height of the smallest rectangle around a hole, pixels."""
    sides = (np.flatnonzero(hole.any(axis=axis)) for axis in (0, 1))
    width, height = (int(np.ptp(side)) + 1 if side.size else 0 for side in sides)
    return width, height
