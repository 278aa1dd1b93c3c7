"""Finds faces and their landmarks with MediaPipe, which is an optional extra."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from data_pipeline import face_mesh, machine

_LONGEST = 1280  # pixels, the longer side of a picture for the detector
# Parts per side of the picture that are searched: the whole, and parts of a half, a
# quarter and an eighth of each side that overlap by half. The detector finds faces
# down to about a tenth of what it is shown.
_PARTS = (1, 3, 7, 15)
_LEAST_PART = 160  # pixels, of the smaller side of a small part
_MARGIN = 0.5  # of the sides, around a picture that a face may fill beyond its borders
_AROUND = 2.0  # a face's box is enlarged by this factor for the mesh
_MESH = 512  # pixels, the longer side of that box
# Where detector and mesh agree, their eyes and mouths are at most so many distances
# between the eyes apart: of 40 upright faces of LFW 0.46, of 11 that were found upside
# down or on their side 0.74 and more, but for one.
_APART = 0.6
_TILTED = 60.0  # degrees from upright; beyond it another turn shows the face better
# The score of a face that surely is upright; below it other turns may score more.
_SURE = 0.8


class FaceFinder:
    """Finds the faces of a picture, upright or turned by 90 or 180 degrees.

    Large and small ones are found: each size is searched for until there are any.

    Raises:
      ImportError: If MediaPipe is not installed, or in a version without the mesh.
    """

    @machine.quiet()
    def __init__(self):
        try:
            from mediapipe.python.solutions import face_detection
            from mediapipe.python.solutions.face_mesh import FaceMesh
        except ImportError as error:
            raise ImportError(
                f"finding faces needs MediaPipe ({error}): make extras, or pip install "
                "'.[face]', in the clone; elsewhere pip install 'mediapipe==0.10.21'. "
                "Without it pass where the face is with --landmarks."
            ) from error
        self._detect = face_detection.FaceDetection(model_selection=1)
        self._mesh = FaceMesh(static_image_mode=True, max_num_faces=1)
        for graph in (self._detect, self._mesh):  # they warn when they begin
            graph.process(np.zeros((8, 8, 3), np.uint8))

    @machine.quiet()
    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """The landmarks of each face in uint8 [H, W, 3], the largest face first.

        Each is float [5, 2], as in `data_pipeline.datasets.elements`; left is left in
        the picture of an upright head.
        """
        best = _best_turn(image, lambda turned: self._upright(turned, _PARTS[:2]))
        best = best or _best_turn(image, self._filling)
        for count in _PARTS[2:]:
            best = best or self._upright(image, (count,))
        faces = sorted((face.points for face in best), key=_size, reverse=True)
        distinct = []
        for face in faces:
            if all(_apart(face, other) for other in distinct):
                distinct.append(face)
        return distinct

    def _filling(self, image: np.ndarray) -> list[_Face]:
        """Faces that reach beyond the picture's borders."""
        rows, columns = (int(side * _MARGIN) for side in image.shape[:2])
        margins = ((rows, rows), (columns, columns), (0, 0))
        found = self._upright(np.pad(image, margins, mode="edge"), _PARTS[:1])
        return [face.moved(-columns, -rows) for face in found]

    def _upright(self, image: np.ndarray, counts: Sequence[int]) -> list[_Face]:
        """The upright faces in parts of a picture; some come twice.

        Args:
          image: uint8 [H, W, 3].
          counts: How many parts a side has.
        """
        height, width = image.shape[:2]
        faces = []
        for count in counts:
            rows, columns = (-(-2 * side // (count + 1)) for side in (height, width))
            if count > _PARTS[1] and min(rows, columns) < _LEAST_PART:
                continue
            for top in np.linspace(0, height - rows, count).astype(int):
                for left in np.linspace(0, width - columns, count).astype(int):
                    part = image[top : top + rows, left : left + columns]
                    for face in self._detected(part):
                        face = self._checked(image, face.moved(left, top))
                        faces += [face] if face else []
        return faces

    def _detected(self, part: np.ndarray) -> list[_Face]:
        """What the detector finds: eyes and mouth, and the box around the face."""
        size = part.shape[1::-1]
        faces = []
        for found in self._detect.process(_shrunk(part, _LONGEST)).detections or []:
            box = found.location_data.relative_bounding_box
            middle = (box.xmin + box.width / 2, box.ymin + box.height / 2)
            points = [(p.x, p.y) for p in found.location_data.relative_keypoints]
            first, second, _, mouth, *_ = points
            faces.append(
                _Face(
                    np.multiply([first, second, mouth], size),
                    found.score[0],
                    np.multiply(middle, size),
                    max(np.multiply((box.width, box.height), size)),
                )
            )
        return faces

    def _checked(self, image: np.ndarray, face: _Face) -> _Face | None:
        """The face with the mesh's five points, if they are where the detector's are.

        Of a face on its head the detector may see the eyes where the mesh sees the
        mouth.
        """
        points = self._landmarks(image, (*face.middle, face.side))
        if points is None:
            return None
        eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
        between = max(np.hypot(*(points[1] - points[0])), 1.0)
        off = np.stack([points[0], points[1], mouth]) - face.points
        across, down = mouth - eyes
        tilt = np.degrees(np.arctan2(abs(across), down))
        if np.hypot(*off.T).max() > _APART * between or tilt > _TILTED:
            return None
        return dataclasses.replace(face, points=points)

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
        return face_mesh.five_of(points)


def _shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The image, its longer side at most so many pixels."""
    factor = longest / max(image.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(image)
    size = [max(round(side * factor), 1) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@dataclasses.dataclass(frozen=True)
class _Face:
    """A face that was found.

    Attributes:
      points: float [N, 2], x and y in pixels.
      score: The detector's, 0 to 1.
      middle: Of the box around it, float [2].
      side: Of that box, pixels.
    """

    points: np.ndarray
    score: float
    middle: np.ndarray
    side: float

    def moved(self, x: float, y: float) -> _Face:
        """The face elsewhere."""
        shift = np.array((x, y))
        return dataclasses.replace(
            self, points=self.points + shift, middle=self.middle + shift
        )

    def turned_back(self, turn: int, shape: Sequence[int]) -> _Face:
        """The face of `np.rot90(image, turn)` in the image of that shape."""
        height, width = shape[:2]
        x, y = self.points.T
        points = {
            0: (x, y),
            1: (width - 1 - y, x),
            2: (width - 1 - x, height - 1 - y),
            3: (y, height - 1 - x),
        }[turn]
        return dataclasses.replace(self, points=np.stack(points, axis=-1))


def _best_turn(
    image: np.ndarray, search: Callable[[np.ndarray], list[_Face]]
) -> list[_Face]:
    """The faces that `search` finds in the turn of the picture that scores most."""
    best: list[_Face] = []
    for turn in range(4):
        found = search(np.rot90(image, turn))
        if _score(found) > _score(best):
            best = [face.turned_back(turn, image.shape) for face in found]
        if turn == 0 and _score(found) >= _SURE:
            break
    return best


def _score(faces: Sequence[_Face]) -> float:
    """The best face's; 0 without any."""
    return max((face.score for face in faces), default=0.0)


def _size(face: np.ndarray) -> float:
    """The longer of a face's width and height, pixels: a turned head looks narrower."""
    eyes, mouth = face[:2].mean(axis=0), face[3:].mean(axis=0)
    return float(max(np.hypot(*(face[1] - face[0])), np.hypot(*(mouth - eyes))))


def _apart(face: np.ndarray, other: np.ndarray) -> bool:
    """Whether two faces are different ones, and not one found twice."""
    distance = np.hypot(*(face.mean(axis=0) - other.mean(axis=0)))
    return bool(distance > max(_size(face), _size(other)))
