"""The face oval of MediaPipe's face mesh; an extra, imported only when it is used."""

from __future__ import annotations

import functools
import threading

import cv2
import numpy as np

_FACES = 5  # at most so many in an image; the largest one counts
_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel


class FaceMesh:
    """Finds the largest face of an image.

    May be called from any thread: each has a mesh of its own, because MediaPipe's
    graphs take one image at a time.

    Raises:
      ImportError: If MediaPipe is not installed, or is a version without the mesh.
    """

    def __init__(self):
        try:
            from mediapipe.python.solutions import face_mesh
        except ImportError as error:
            raise ImportError(
                f"--face_masks=mediapipe needs mediapipe 0.10.21 ({error}): pip "
                "install .[face]. Without it faces are found by files, or by "
                "landmarks where the data set has them."
            ) from error
        self._build = functools.partial(
            face_mesh.FaceMesh, static_image_mode=True, max_num_faces=_FACES
        )
        self._oval = _ring(dict(face_mesh.FACEMESH_FACE_OVAL))
        self._own = threading.local()

    def __call__(self, image: np.ndarray) -> np.ndarray | None:
        """uint8 [H, W, 3] -> uint8 [H, W, 1], 1 in the face oval; None without one."""
        if not hasattr(self._own, "mesh"):
            self._own.mesh = self._build()
        faces = self._own.mesh.process(image).multi_face_landmarks or []
        height, width = image.shape[:2]
        # The mesh counts from the image's edge in shares of its sides.
        ovals = [
            np.array([[face.landmark[i].x, face.landmark[i].y] for i in self._oval])
            * (width, height)
            - 0.5
            for face in faces
        ]
        if not ovals:
            return None
        oval = max(ovals, key=lambda points: cv2.contourArea(points.astype(np.float32)))
        mask = np.zeros((height, width), np.uint8)
        corners = np.rint(oval * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, cv2.LINE_8, _SHIFT)
        return mask[..., None]


def _ring(successor: dict[int, int]) -> list[int]:
    """The points of a closed line, in order, from each one's successor."""
    points = [min(successor)]
    while len(points) < len(successor):
        points.append(successor[points[-1]])
    return points
