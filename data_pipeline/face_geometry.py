"""Where things are on a drawn head: curves, and the pose that projects them.

Three coordinate systems, all with x to the right and y down:

  head     x, y, z (z towards the viewer) in half head widths; (0, 0) lies between
           the eyes, the mouth near y = 0.95, the chin near 1.56, the crown at -1.5
  flat     the head after yaw and pitch, seen from the front; same unit
  picture  the flat head after roll, scale and shift; [0, 1] across the picture

Everything is drawn in picture coordinates, so that no shape knows a pixel size.
"""

from __future__ import annotations

import functools
import math

import numpy as np


@functools.cache
def _spline_basis(count: int, steps: int, closed: bool) -> np.ndarray:
    """Catmull–Rom weights, [points on the curve, count]; the rows sum to 1."""
    t = np.arange(steps)[:, None] / steps
    weights = 0.5 * np.concatenate(
        [
            -t + 2 * t**2 - t**3,
            2 - 5 * t**2 + 3 * t**3,
            t + 4 * t**2 - 3 * t**3,
            t**3 - t**2,
        ],
        axis=1,
    )
    spans = count if closed else count - 1
    basis = np.zeros((spans * steps + (not closed), count))
    for span in range(spans):
        for offset in range(4):
            knot = span + offset - 1
            knot = knot % count if closed else min(max(knot, 0), count - 1)
            basis[span * steps : (span + 1) * steps, knot] += weights[:, offset]
    if not closed:
        basis[-1, -1] = 1.0
    basis.setflags(write=False)  # shared between threads
    return basis


def smooth(points, *, closed: bool = True, steps: int = 6) -> np.ndarray:
    """A smooth curve through the points, [N, D] -> [about N * steps, D]."""
    points = np.asarray(points, np.float64)
    return _spline_basis(len(points), steps, closed) @ points


@functools.cache
def _circle(count: int) -> np.ndarray:
    angle = np.arange(count) * (2 * np.pi / count)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    circle.setflags(write=False)
    return circle


def ellipse(x: float, y: float, rx: float, ry: float, count: int = 24) -> np.ndarray:
    """Points around an ellipse, [count, 2], in the system of its center."""
    return _circle(count) * (rx, ry) + (x, y)


def moved(points, x: float, y: float) -> np.ndarray:
    """Points [N, 2], moved."""
    return np.asarray(points) + np.array([x, y])


def mirrored(half) -> np.ndarray:
    """A right half [N, 2], top first, and its mirror image before or after it.

    The half's points at x = 0 stand once. The result runs from the left over the
    right half's first point to its last, and where that has x = 0, around to the
    start.
    """
    half = np.asarray(half, np.float64)
    left = half[::-1] * (-1.0, 1.0)
    return np.concatenate([left[left[:, 0] != 0], half])


def ribbon(points: np.ndarray, half_width) -> np.ndarray:
    """The outline of a stroke along points [N, 2]; half_width is a number or [N]."""
    along = np.empty_like(points)
    np.subtract(points[2:], points[:-2], out=along[1:-1])
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    length = np.sqrt(along[:, 0] ** 2 + along[:, 1] ** 2)
    factor = half_width / np.maximum(length, 1e-9)
    across = np.empty_like(points)
    np.multiply(along[:, 1], -factor, out=across[:, 0])
    np.multiply(along[:, 0], factor, out=across[:, 1])
    return np.concatenate([points + across, (points - across)[::-1]])


# The right half of a head's silhouette from crown to chin: x, y, z. The jaw and the
# chin lie in front of the axis of the neck, so they swing when the head turns.
_OUTLINE = np.array(
    [
        (0.00, -1.50, 0.0),
        (0.56, -1.38, 0.0),
        (0.90, -1.00, 0.0),
        (1.00, -0.45, 0.0),
        (0.98, 0.10, 0.0),
        (0.93, 0.55, 0.1),
        (0.80, 1.00, 0.3),
        (0.47, 1.41, 0.5),
        (0.00, 1.56, 0.6),
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

    Args:
      traits: A `face_traits.Traits`; only its head shape and pose are read.

    Attributes:
      affine: Flat to picture, [2, 3].
      scale: Half a head width in picture widths.
      sin_yaw: How far the head is turned to the right, -1 to 1.
      width, chin: Half the head's width and the chin's y, in head units.
      half_outline: The silhouette's right half, crown first, [9, 3], head units.
      outline: The whole silhouette in the picture, [N, 2].
    """

    def __init__(self, traits):
        yaw, pitch, roll = (
            math.radians(angle) for angle in (traits.yaw, traits.pitch, traits.roll)
        )
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
        """The outline of a smooth line on the face.

        Args:
          points: [N, 2] on the surface.
          half_width: In head units, at the middle of the line.
          lift: Height above the surface.
          taper: 0 for an even line, 1 for one that ends in points.
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
