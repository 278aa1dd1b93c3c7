"""What `experiments.restore --align` does with one picture."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import numpy as np
import tqdm

from evaluation.wording import counted
from experiments import restore_masks
from serving import face_regions
from serving.aligned import BeyondFacesError, FaceRestorer
from serving.face_finder import FaceFinder
from serving.framing import NoFaceError
from serving.photo import PhotoRestorer, UnfillableHoleError

FACES = ("largest", "all")


class PictureRestorer:
    """Restores the faces of pictures.

    Args:
      model: That fills holes of aligned faces.
      which: One of `FACES`.
      landmarks: Of the face, x and y of five points; empty lets MediaPipe find it.
      mask: See `experiments.restore`.
      seed: Of random holes.

    Raises:
      ValueError: If the model does not say where it has met faces, or MediaPipe is
        needed and not installed.
    """

    def __init__(
        self,
        model: PhotoRestorer,
        *,
        which: str,
        landmarks: Sequence[float],
        mask: str,
        seed: int,
    ):
        self._restore, self._hole = FaceRestorer(model), model.hole
        self._regions = self._restore.regions()
        self._which, self._mask, self._seed = which, mask, seed
        self._find = _finder(landmarks)

    def __call__(
        self,
        picture: pathlib.Path,
        image: np.ndarray,
        mask_for: Callable[[], np.ndarray],
    ) -> np.ndarray:
        """Restores one picture, and says how many faces it has.

        Args:
          picture: Its file.
          image: uint8 [H, W, 3].
          mask_for: Gives the mask where that does not depend on the faces, uint8
            [H, W, 1]; may raise errors of its own.

        Returns:
          uint8 [H, W, 3].

        Raises:
          NoFaceError: If it has none, or landmarks make none.
          EmptyMaskError: If the hole lies outside the picture.
          UnfillableHoleError: If the model cannot fill it.
        """
        faces = self._find(image)
        tqdm.tqdm.write(f"{picture}: {counted(len(faces), 'face')}")
        if not faces:
            raise NoFaceError(
                "no face found; what is missing may hide it. Say where it is with "
                "--landmarks, or leave out --align: then the picture is restored as a "
                "whole."
            )
        if self._which == "largest":
            faces = faces[:1]
        if self._mask in (*restore_masks.DRAWN, *restore_masks.REGIONS):
            mask = self._on_faces(faces, picture.name, image.shape[:2])
        else:
            mask = mask_for()
        try:
            return self._restore(image, mask, faces)
        except BeyondFacesError as error:
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} --face=all restores every face; "
                "without --align the picture is restored as a whole."
            ) from error
        except UnfillableHoleError as error:
            raise UnfillableHoleError(
                f"its hole cannot be filled: {error} {self._fits()}"
            ) from error

    def _fits(self) -> str:
        """Which masks the model fills, and what to do about the others."""
        *others, last = ("--mask=center", *map("--mask={}".format, self._regions))
        fit = f"{', '.join(others)} and {last} fit" if others else f"{last} fits"
        return f"Of a face {fit} this model; others need one that fills any hole."

    def _on_faces(
        self, faces: Sequence[np.ndarray], name: str, size: tuple[int, int]
    ) -> np.ndarray:
        """A hole on each face, uint8 [H, W, 1]."""
        missing = np.zeros(size, bool)
        for number, face in enumerate(faces):
            if self._mask in restore_masks.REGIONS:
                missing |= face_regions.mask(self._mask, face, *size)
                continue
            # In what the model sees of the face.
            crop = restore_masks.draw(
                self._mask,
                f"{name}/{number}",
                (self._restore.size, self._restore.size),
                hole=self._hole,
                seed=self._seed,
            )
            missing |= self._restore.hole(face, crop[..., 0] > 0, *size)
        if not missing.any():
            raise restore_masks.EmptyMaskError(
                f"--mask={self._mask} lies outside the picture."
            )
        return missing.astype(np.uint8)[..., None]


def _finder(landmarks: Sequence[float]) -> Callable[[np.ndarray], list]:
    """Image -> the landmarks of its faces, the largest first."""
    if landmarks:
        given = np.reshape(landmarks, (5, 2))
        return lambda image: [given]
    try:
        return FaceFinder()
    except ImportError as error:
        raise ValueError(f"--align: {error}") from error
