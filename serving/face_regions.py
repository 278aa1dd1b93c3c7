"""Parts of a face by name, from its five landmarks.

In the frame of a face x counts distances between the eyes and y distances from the
eyes down to the mouth, both from the middle between the eyes; the frame turns and
shrinks with the face.
"""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline import face_ellipse
from data_pipeline.choices import check_choice
from serving.framing import anchors

REGIONS = ("eyes", "nose", "mouth", "left_half", "right_half")

_REACH = 3.0  # distances between the eyes within which a face ends
_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel


def mask(name: str, landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where a part of a face is.

    Args:
      name: "eyes", a band over both; "nose"; "mouth", with the lips' surroundings; or
        "left_half" or "right_half" of the face as its picture shows it when the head
        is upright, divided where the nose is.
      landmarks: float [5, 2]; see `data_pipeline.elements`.
      height: Of the picture, pixels.
      width: Of the picture, pixels.

    Returns:
      bool [height, width].

    Raises:
      ValueError: If there is no such part.
    """
    check_choice("mask", name, REGIONS)
    landmarks = np.asarray(landmarks, np.float64)
    left_eye, right_eye, mouth = anchors(landmarks)
    eyes = (left_eye + right_eye) / 2
    frame = np.stack([right_eye - left_eye, mouth - eyes])  # rows: x, y
    to_face = np.linalg.inv(frame)
    if name in ("left_half", "right_half"):
        return _half(name == "left_half", landmarks, eyes, to_face, height, width)
    _, _, nose, *corners = (landmarks - eyes) @ to_face
    if name == "eyes":
        outline = _box(-0.9, 0.9, -0.33, 0.3)
    elif name == "mouth":
        left, right = (corner[0] for corner in corners)
        outline = _box(left - 0.15, right + 0.15, 0.76, 1.5)
    else:
        (x, y), top = nose, _box(-0.14, 0.14, 0.04, 0.04)[:2]
        bottom = _box(x - 0.36, x + 0.36, y - 0.06, y + 0.2)
        outline = np.array([*top, *bottom[1:], bottom[0]])
    filled = np.zeros((height, width), np.uint8)
    corners = np.rint((outline @ frame + eyes) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(filled, [corners], 1, cv2.LINE_8, _SHIFT)
    return filled > 0


def _box(left: float, right: float, top: float, bottom: float) -> np.ndarray:
    """Its corners, clockwise from the upper left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _half(left, landmarks, eyes, to_face, height, width) -> np.ndarray:
    """The half of the ellipse of a face on one side of its nose."""
    reach = _REACH * np.linalg.norm(landmarks[1] - landmarks[0])
    low = np.clip(np.floor(eyes - reach).astype(int), 0, (width, height))
    high = np.clip(np.ceil(eyes + reach).astype(int), 0, (width, height))
    columns, rows = high - low
    half = np.zeros((height, width), bool)
    face = face_ellipse.mask(landmarks - low, rows, columns)[..., 0] > 0
    pixel = np.stack(np.meshgrid(*map(np.arange, (columns, rows))), axis=-1)
    x, y = np.moveaxis((pixel + low - eyes) @ to_face, -1, 0)
    nose_x, nose_y = (landmarks[2] - eyes) @ to_face
    # From the forehead over the nose to the middle of the mouth, and straight on.
    middle = np.interp(y, [0.0, np.clip(nose_y, 0.1, 0.9), 1.0], [0.0, nose_x, 0.0])
    side = x < middle if left else x >= middle
    half[low[1] : high[1], low[0] : high[0]] = face & side
    return half
