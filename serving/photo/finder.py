"""Finds faces and their landmarks with MediaPipe, which is an optional extra."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline import machine

_LONGEST = 1280  # pixels, the longer side of a picture for the detector
_TILES = 3  # per side; each half as long as the picture's, so they overlap by half
_AROUND = 2.0  # a face's box is enlarged by this factor for the mesh
_MESH = 512  # pixels, the longer side of that box

# Points of the mesh: corners and lids of each eye, tip of the nose, corners of the
# mouth. "Left" is left in the picture of an upright head, so the person's right.
_LEFT_EYE, _RIGHT_EYE = (33, 133, 159, 145), (362, 263, 386, 374)
_NOSE, _LEFT_MOUTH, _RIGHT_MOUTH = (1,), (61,), (291,)
_FIVE = (_LEFT_EYE, _RIGHT_EYE, _NOSE, _LEFT_MOUTH, _RIGHT_MOUTH)


class FaceFinder:
    """Finds the faces of a picture, down to about a twentieth of its longer side.

    Raises:
      ImportError: If MediaPipe is not installed, or in a version without the mesh.
    """

    @machine.quiet()
    def __init__(self):
        try:
            from mediapipe.python.solutions import face_detection, face_mesh
        except ImportError as error:
            raise ImportError(
                f"finding faces needs MediaPipe ({error}): make extras, or pip install "
                "'mediapipe==0.10.21'. Without it pass where the face is with "
                "--landmarks."
            ) from error
        self._detect = face_detection.FaceDetection(model_selection=1)
        self._mesh = face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1)
        for graph in (self._detect, self._mesh):  # they warn when they begin
            graph.process(np.zeros((8, 8, 3), np.uint8))

    @machine.quiet()
    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The landmarks of each face in uint8 [H, W, 3], the largest face first.

        Each is float [5, 2], as in `data_pipeline.datasets.elements`; left is left in
        the picture of an upright head.
        """
        faces = []
        for box in self._boxes(image):
            face = self._landmarks(image, box)
            if face is not None:
                faces.append(face)
        faces.sort(key=_size, reverse=True)
        distinct = []
        for face in faces:
            if all(_apart(face, other) for other in distinct):
                distinct.append(face)
        return distinct

    def _boxes(self, image: np.ndarray) -> list[tuple[float, float, float]]:
        """(x, y, side) of squares around faces, x and y the center; some come twice.

        The detector works at 192x192 pixels: it finds large faces in the whole picture
        and small ones in parts of it.
        """
        height, width = image.shape[:2]
        boxes = self._detected(image, 0, 0)
        rows, columns = -(-height // 2), -(-width // 2)
        for top in np.linspace(0, height - rows, _TILES).astype(int):
            for left in np.linspace(0, width - columns, _TILES).astype(int):
                tile = image[top : top + rows, left : left + columns]
                boxes += self._detected(tile, left, top)
        return boxes

    def _detected(self, part: np.ndarray, left: int, top: int) -> list[tuple]:
        height, width = part.shape[:2]
        found = self._detect.process(_shrunk(part, _LONGEST)).detections or []
        boxes = []
        for detection in found:
            box = detection.location_data.relative_bounding_box
            x = left + (box.xmin + box.width / 2) * width
            y = top + (box.ymin + box.height / 2) * height
            boxes.append((x, y, max(box.width * width, box.height * height)))
        return boxes

    def _landmarks(self, image: np.ndarray, box: tuple) -> np.ndarray | None:
        x, y, side = box
        half = _AROUND * side / 2
        height, width = image.shape[:2]
        left, top = (int(max(center - half, 0)) for center in (x, y))
        part = image[top : min(int(y + half) + 1, height)]
        part = part[:, left : min(int(x + half) + 1, width)]
        if not part.size:
            return None
        found = self._mesh.process(_shrunk(part, _MESH)).multi_face_landmarks
        if not found:
            return None
        # The mesh counts from the image's edge in shares of its sides.
        points = np.array([(point.x, point.y) for point in found[0].landmark])
        points = points * (part.shape[1], part.shape[0]) - 0.5 + (left, top)
        return np.stack([points[list(ids)].mean(axis=0) for ids in _FIVE])


def _shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The image, its longer side at most so many pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(image)
    size = [max(round(side * factor), 1) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _size(face: np.ndarray) -> float:
    """The longer of a face's width and height, pixels: a turned head looks narrower."""
    eyes, mouth = face[:2].mean(axis=0), face[3:].mean(axis=0)
    return float(max(np.hypot(*(face[1] - face[0])), np.hypot(*(mouth - eyes))))


def _apart(face: np.ndarray, other: np.ndarray) -> bool:
    """Whether two faces are different ones, and not one found twice."""
    distance = np.hypot(*(face.mean(axis=0) - other.mean(axis=0)))
    return bool(distance > max(_size(face), _size(other)))
