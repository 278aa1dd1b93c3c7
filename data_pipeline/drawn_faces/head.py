"""The shape of a drawn head, and the pose that projects it into the picture.

Three coordinate systems, all with x to the right and y down:

  head     x, y, z (z towards the viewer) in half head widths; (0, 0) lies between
           the eyes, the mouth near y = 0.95, the chin near 1.56, the crown at -1.5
  flat     the head after yaw and pitch, seen from the front; same unit
  picture  the flat head after roll, scale and shift; [0, 1] across the picture

Everything is drawn in picture coordinates, whatever the size in pixels.
"""

from __future__ import annotations

import math

import numpy as np

from data_pipeline.drawing import ribbon, smooth

# The right half of a head's silhouette from crown to chin: x, y, z. The jaw and the
# chin lie in front of the axis of the neck, so they swing when the head turns.
_OUTLINE = np.column_stack(
    [
        (0.00, 0.56, 0.90, 1.00, 0.98, 0.93, 0.80, 0.47, 0.00),
        (-1.50, -1.38, -1.00, -0.45, 0.10, 0.55, 1.00, 1.41, 1.56),
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.3, 0.5, 0.6),
    ]
)
_JAW = np.array([0, 0, 0, 0, 0.05, 0.35, 0.9, 1.0, 0])  # how much of `jaw` each takes
_CHIN = np.array([0, 0, 0, 0, 0, 0.1, 0.45, 0.9, 1.0])
_BROW = np.array([0, 0.2, 0.9, 1.0, 0.5, 0, 0, 0, 0])

# shape: change of head width, jaw width, chin length, forehead width
HEAD_SHAPES = {
    "oval": (0.0, -0.04, 0.0, 0.0),
    "round": (0.05, 0.06, -0.12, 0.0),
    "square": (0.01, 0.11, -0.03, 0.0),
    "heart": (0.0, -0.12, 0.03, 0.04),
    "long": (-0.06, 0.0, 0.12, -0.02),
}


class Head:
    """One head in its pose: every method returns picture coordinates.

    Attributes:
      affine: Flat to picture, [2, 3].
      scale: Half a head width in picture widths.
      sin_yaw: How far the head is turned to the right, -1 to 1.
      width, chin: Half the head's width and the chin's y, in head units.
      half_outline: The silhouette's right half, crown first, [9, 3], head units.
      outline: The whole silhouette in the picture, [N, 2].
    """

    def __init__(self, traits):
        yaw, pitch, roll = map(math.radians, (traits.yaw, traits.pitch, traits.roll))
        self.sin_yaw, self._cos_yaw = math.sin(yaw), math.cos(yaw)
        self._sin_pitch, self._cos_pitch = math.sin(pitch), math.cos(pitch)
        self.scale = traits.scale
        # Crops of faces are centered on the features, not on the skull: undo most
        # of the way that a turn moves them.
        recenter = np.array([0.55 * self.sin_yaw, 0.55 * self._sin_pitch])
        self._origin = np.array([traits.center_x, traits.center_y])
        self.affine = self._similarity(roll, recenter)
        # The same for rows of points: [N, 2] @ linear + shift, [N, 3] @ rim + shift.
        self._linear = np.ascontiguousarray(self.affine[:, :2].T)
        self._rim = np.concatenate(
            [self._linear, [[self.sin_yaw, self._sin_pitch]] @ self._linear]
        )
        self._body_affine = self._similarity(0.35 * roll, 0.6 * recenter)
        width, jaw, chin, brow = HEAD_SHAPES[traits.head_shape]
        self.width = 1.0 + width + traits.head_width
        self.chin = 1.56 + chin + traits.chin
        self._across = 1.0 / (1.12 * self.width)
        half = _OUTLINE.copy()
        half[:, 0] += (jaw + traits.jaw) * _JAW + brow * _BROW
        half[:, 0] *= self.width
        half[:, 1] += (chin + traits.chin) * _CHIN
        self.half_outline = half
        left = half[-2:0:-1] * (-1.0, 1.0, 1.0)
        self.outline = self.rim(smooth(np.concatenate([half, left])))

    def _similarity(self, roll, recenter):
        cos, sin = math.cos(roll) * self.scale, math.sin(roll) * self.scale
        matrix = np.array([[cos, -sin], [sin, cos]])
        pivot = np.array([0.0, 0.5])  # between eyes and mouth
        shift = self._origin + self.scale * pivot - matrix @ (recenter + pivot)
        return np.concatenate([matrix, shift[:, None]], axis=1)

    def place(self, flat) -> np.ndarray:
        """Flat points [N, 2] to the picture."""
        return np.asarray(flat) @ self._linear + self.affine[:, 2]

    def body(self, flat) -> np.ndarray:
        """Points of neck and shoulders [N, 2], which follow the head only partly."""
        return np.asarray(flat) @ self._body_affine[:, :2].T + self._body_affine[:, 2]

    def rim(self, points) -> np.ndarray:
        """Silhouette points [N, 3]: a skull is as deep as wide, so no narrowing."""
        return np.asarray(points) @ self._rim + self.affine[:, 2]

    def flat(self, points, lift=0.0) -> np.ndarray:
        """Points [N, 2] on the face's surface, raised by lift, after yaw and pitch."""
        points = np.asarray(points, np.float64)
        x, y = points[:, 0], points[:, 1]
        x_part, y_part = x * self._across, y * 0.5 - 0.025
        z = np.sqrt(np.maximum(1.0 - x_part * x_part - y_part * y_part, 0.02))
        z = z * 0.95 + lift
        flat = np.empty((len(points), 2))
        flat[:, 0] = x * self._cos_yaw + z * self.sin_yaw
        forward = z * self._cos_yaw - x * self.sin_yaw
        flat[:, 1] = y * self._cos_pitch + forward * self._sin_pitch
        return flat

    def on(self, points, lift=0.0) -> np.ndarray:
        """Points [N, 2] on the face's surface to the picture."""
        return self.place(self.flat(points, lift))

    def pair(self, points, lift=0.0, offset=(0.0, 0.0)) -> list:
        """Points on the right half of the face and their mirror image, moved alike."""
        points = np.asarray(points, np.float64)
        both = np.concatenate([points, points * (-1.0, 1.0)]) + offset
        both = self.on(both, lift)
        return [both[: len(points)], both[len(points) :]]

    def stroke(self, points, half_width: float, lift=0.0, taper: float = 0.0):
        """The outline of a smooth line through points [N, 2] on the face.

        `half_width` is in head units; `taper` is 1 for a line that ends in points.
        """
        return self._thicken(self.on(points, lift), half_width, taper)

    def strokes(self, points, half_width: float, lift=0.0, taper: float = 0.0) -> list:
        """As `stroke`, with its mirror image."""
        both = self.pair(points, lift)
        return [self._thicken(line, half_width, taper) for line in both]

    def _thicken(self, line, half_width, taper):
        curve = smooth(line, closed=False, steps=max(1, 18 // len(line)))
        half_width = half_width * self.scale
        if taper:
            along = np.arange(len(curve)) * (2.0 / (len(curve) - 1)) - 1.0
            half_width = half_width * (1.0 - taper * along * along)
        return ribbon(curve, half_width)
