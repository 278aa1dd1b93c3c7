"""Restores the faces of a photograph with an exported model.

A model is trained on upright faces of one size at one place of a small square. Each
face of the photograph is aligned to that, restored, blended, and pasted back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_pipeline.masks import center
from serving.export.fillable import UnfillableHoleError
from serving.photo import blending, framing, masks
from serving.photo.alignment import Alignment, align, bounding_box
from serving.photo.restorer import PhotoRestorer

# A face is made at most so much smaller than those of training to fit a hole that is
# larger than the model fills.
_SMALLEST = 2 / 3
# A model that fills the center only has learned what is there, such as a nose, and
# draws it wherever in a face the hole is. So the hole may be off the center by no more
# than this share of its side, and larger by no more either; training shifts images by
# a little more.
_LEEWAY = 0.1


class BeyondFacesError(UnfillableHoleError):
    """Something is missing outside the faces that are restored."""


class FaceRestorer:
    """Restores the faces of photographs.

    Args:
      model: Its config.json must say how faces lie in its images; see `framing.of`.

    Raises:
      ValueError: If it does not.
    """

    def __init__(self, model: PhotoRestorer):
        self._model = model
        self._framing = framing.of(model.facts)
        fills = model.facts.get("fills", {})
        self._side = fills.get("side", 0)  # of the largest hole; 0 = any
        self._centered = fills.get("centered", False)
        self._square = center(model.size, self._side)[..., 0].numpy() > 0
        self._middle = (model.size - self._side) // 2 + (self._side - 1) / 2

    @property
    def size(self) -> int:
        """Side of the square in which the model sees a face, pixels."""
        return self._model.size

    def hole(
        self, landmarks: np.ndarray, crop: np.ndarray, height: int, width: int
    ) -> np.ndarray:
        """Lays a hole of the model's images on a face: bool [S, S] -> [height, width].

        Args:
          landmarks: Of the face, float [5, 2].
          crop: The hole; S = `size`.
          height: Of the photograph, pixels.
          width: Of the photograph, pixels.
        """
        return self._align(landmarks).mask_to_photo(crop, height, width)

    def regions(self) -> tuple[str, ...]:
        """Those of `masks.REGIONS` that the model can fill in a typical face.

        In another face a part may be a little larger, and too large.
        """
        scale = self.size / max(self._framing.width, self._framing.height)
        landmarks = framing.typical(self._framing) * scale - 0.5
        alignment = self._align(landmarks)
        height = round(self._framing.height * scale)
        width = round(self._framing.width * scale)
        return tuple(
            name
            for name in masks.REGIONS
            if self._fit(alignment, masks.region(name, landmarks, height, width))
        )

    def __call__(
        self, image: np.ndarray, mask: np.ndarray, faces: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Restores the missing pixels of the faces.

        Each missing pixel belongs to the face nearest to it, measured in that face's
        own size. The faces are restored one after the other, each with the restored
        pixels of those before it.

        Args:
          image: uint8 [H, W, 3].
          mask: uint8 [H, W, 1], 1 = missing.
          faces: Landmarks, each float [5, 2]; see `data_pipeline.datasets.elements`.

        Returns:
          uint8 [H, W, 3]; known pixels are unchanged.

        Raises:
          UnfillableHoleError: If the model cannot fill the hole of one of the faces; a
            `BeyondFacesError` if something is missing outside the faces.
          NoFaceError: If landmarks do not form a face.
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
        """The position of the face that each missing pixel belongs to; -1 elsewhere."""
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
        outside = int((owner < 0).sum())
        if outside:
            raise BeyondFacesError(
                f"{outside:,} of its {len(rows):,} pixels are not near a face that is "
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
        """Restores one face's own missing pixels in place."""
        fitted = self._fit(alignment, own)
        # If the hole does not fit, the model itself says which would.
        alignment = fitted or alignment
        missing = alignment.crop_mask(own)
        hole = self._square if fitted and self._centered else missing
        crop = alignment.crop(image, unknown)
        try:
            restored = self._model.restore_crop(crop / np.float32(255.0), hole) * 255.0
        except UnfillableHoleError as error:
            raise UnfillableHoleError(f"{self._describe(hole)} {error}") from error
        # The model may have filled more than is missing.
        restored = np.where(missing[..., None], restored, crop)
        known = ~alignment.crop_mask(unknown & ~own)
        restored = blending.poisson_blend(restored, missing, known)
        blending.paste(image, restored, own, unknown, alignment, bounding_box(own))

    def _fit(self, alignment: Alignment, own: np.ndarray) -> Alignment | None:
        """The alignment in which the model can fill a hole; None if there is none.

        For a model that fills squares of a given size, the face is made smaller until
        the hole fits, within limits. For one that fills the center only, it is also
        moved, but hardly.
        """
        if not self._side:
            return alignment
        hole = alignment.crop_mask(own)
        if not self._centered and max(masks.span(hole)) <= self._side:
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
            return alignment.zoomed(min(scale, 1.0), middle, middle)
        scale, middle = min(self._side / longest, 1.0), np.full(2, self._middle)
        # How far the hole reaches beyond the square.
        low, high = (scale * (corner - middle) for corner in (low, high))
        reach = (self._side - 1) / 2
        shift = np.maximum(-reach - low, 0) - np.maximum(high - reach, 0)
        if scale * (1 + _LEEWAY) < 1 or np.abs(shift).max() > _LEEWAY * self._side:
            return None
        return alignment.zoomed(scale, middle, middle + shift)

    def _describe(self, hole: np.ndarray) -> str:
        """Size and place of a hole in the model's image, a sentence."""
        width, height = masks.span(hole)
        text = f"In the aligned face of {self.size}x{self.size} pixels it spans "
        text += f"{width}x{height}"
        if self._centered and hole.any():
            left, top, right, bottom = bounding_box(hole, margin=0)
            middle = np.array([left + right - 1, top + bottom - 1]) / 2
            off = np.abs(middle - self._middle).max()
            text += f", {off:.0f} pixels off the center"
        return f"{text}."
