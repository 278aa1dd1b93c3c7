"""How far a face is turned to a side, from five landmarks.

After Gee & Cipolla, "Determining the gaze of faces in images" (Image and Vision
Computing 12(10), 1994): the tip of the nose stands out of the plane through eyes and
mouth, so it leaves the face's midline when the head turns. Seen from afar, a head that
is turned by yaw, then nods, then tilts shows

  along the line across the midline   eyes apart  2 e cos(yaw)
                                      nose        h sin(yaw)

with 2 e the distance between the eyes and h the nose's height above the plane. Nodding
only shortens the midline, tilting turns both lines alike; so

  tan(yaw) = (nose / eyes apart) / (h / 2 e)

whatever the pitch and the roll. All that must be known is h / 2 e.
"""

from __future__ import annotations

import numpy as np

# Of people, h / 2 e: 0.52 to 0.56 in MediaPipe's canonical face model (nose tip 1,
# mouth corners 61 and 291; eyes from the lids or from their corners, 6.3 cm apart). A
# nose that is a fifth higher or lower makes 20 degrees 24 or 16.
NOSE_HEIGHT = 0.55
# Drawn faces have flatter noses; a test compares the estimate with how they are drawn.
NOSE_HEIGHTS = {"faces": 0.29}

# Degrees. A pixel of the published CelebA, whose eyes are 37 apart, moves the estimate
# by 2.8: bins ten wide keep most faces where they belong.
FRONTAL, TURNED = 10, 20


def yaw_degrees(landmarks: np.ndarray, nose_height: float = NOSE_HEIGHT) -> np.ndarray:
    """The estimated yaw; positive where the face points to the picture's right.

    Args:
      landmarks: float [N, 5, 2], x and y; left eye, right eye, nose, left and right
        corner of the mouth, where left is left in the picture.
      nose_height: Of the nose's tip above the plane through eyes and mouth, in
        distances between the eyes.

    Returns:
      float64 [N], -90 to 90; NaN where a landmark is, or where all are in one place.
    """
    points = np.asarray(landmarks, np.float64)
    eyes = (points[:, 0] + points[:, 1]) / 2
    midline = (points[:, 3] + points[:, 4]) / 2 - eyes
    across = np.stack([midline[:, 1], -midline[:, 0]], axis=1)
    nose = ((points[:, 2] - eyes) * across).sum(axis=1)
    apart = ((points[:, 1] - points[:, 0]) * across).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.degrees(np.arctan(nose / apart / nose_height))


def yaw_groups(
    landmarks: np.ndarray, nose_height: float = NOSE_HEIGHT
) -> dict[str, np.ndarray]:
    """Groups faces by their estimated yaw.

    Args:
      landmarks: See `yaw_degrees`. NaN puts an image into no group.
      nose_height: See `yaw_degrees`.

    Returns:
      {where the face points, with the range in degrees: bool [N]}.
    """
    yaw = yaw_degrees(landmarks, nose_height)
    return {
        f"facing left, over {TURNED}°": yaw < -TURNED,
        f"facing left, {FRONTAL}° to {TURNED}°": (yaw >= -TURNED) & (yaw < -FRONTAL),
        f"frontal, within {FRONTAL}°": np.abs(yaw) <= FRONTAL,
        f"facing right, {FRONTAL}° to {TURNED}°": (yaw > FRONTAL) & (yaw <= TURNED),
        f"facing right, over {TURNED}°": yaw > TURNED,
    }
