"""MediaPipe's face mesh, an optional extra: 468 points of a face, and our five."""

from __future__ import annotations

import functools
import threading

import cv2
import numpy as np

from data_pipeline import machine

# Points of the mesh: corners and lids of each eye, tip of the nose, corners of the
# mouth. "Left" is left in the picture of an upright head, so the person's right.
_LEFT_EYE, _RIGHT_EYE = (33, 133, 159, 145), (362, 263, 386, 374)
_NOSE, _LEFT_MOUTH, _RIGHT_MOUTH = (1,), (61,), (291,)
_FIVE = (_LEFT_EYE, _RIGHT_EYE, _NOSE, _LEFT_MOUTH, _RIGHT_MOUTH)

_FACES = 5  # at most so many in an image; the largest one counts


def five_of(points: np.ndarray) -> np.ndarray:
    """The points of a mesh -> the five landmarks [5, 2] of `datasets.elements`."""
    return np.stack([points[list(ids)].mean(axis=0) for ids in _FIVE])


class FaceMesh:
    """Finds the largest face of an image.

    May be called from any thread: each has a mesh of its own, because MediaPipe's
    graphs take one image at a time. On one core it takes 5 to 10 ms an image.

    Attributes:
      oval: Places, among the mesh's points, of those around the face, in order.

    Raises:
      ImportError: If MediaPipe is not installed, or is a version without the mesh.
    """

    def __init__(self):
        try:
            from mediapipe.python.solutions import face_mesh
        except ImportError as error:
            raise ImportError(
                f"--face_masks=mediapipe needs MediaPipe ({error}): make extras, or "
                "pip install 'mediapipe==0.10.21'. Without it faces are found by "
                "files, or by landmarks where the data set has them."
            ) from error
        self._build = functools.partial(
            face_mesh.FaceMesh, static_image_mode=True, max_num_faces=_FACES
        )
        self.oval = _ring(dict(face_mesh.FACEMESH_FACE_OVAL))
        self._own = threading.local()

    def __call__(self, image: np.ndarray) -> np.ndarray | None:
        """uint8 [H, W, 3] -> x and y of the points, float [468, 2]; None without one.

        They are in pixels, 0 at the center of the first.
        """
        if not hasattr(self._own, "mesh"):
            with machine.quiet():  # it warns when it begins
                self._own.mesh = self._build()
                self._own.mesh.process(np.zeros((8, 8, 3), np.uint8))
        faces = self._own.mesh.process(image).multi_face_landmarks or []
        height, width = image.shape[:2]
        # The mesh counts from the image's edge in shares of its sides.
        found = [
            np.array([(point.x, point.y) for point in face.landmark]) * (width, height)
            - 0.5
            for face in faces
        ]
        return max(found, key=self._size, default=None)

    def _size(self, points: np.ndarray) -> float:
        return cv2.contourArea(points[self.oval].astype(np.float32))


def _ring(successor: dict[int, int]) -> list[int]:
    """The points of a closed line in order, given each one's successor."""
    points = [min(successor)]
    while len(points) < len(successor):
        points.append(successor[points[-1]])
    return points
