"""A canvas for anti-aliased shapes, and the curves that shapes are made of.

Coordinates go from 0 to 1 across the picture. OpenCV draws the polygons with sub-pixel
corners; soft edges are blurred masks.
"""

from __future__ import annotations

import colorsys
import contextlib
import functools

import cv2
import numpy as np

MIN_SIZE, MAX_SIZE = 32, 512  # pixels
LEAST_SIDE = 192  # smaller pictures are shrunk from this: no line is thinner than 1
_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel
_PARTS = 1 << _SHIFT
UNIT = 150  # the value that stands for "times 1" in an 8-bit map of factors
# Coverage to lost light, [256, 1, 3]. Shadows on skin are warm: blue goes first.
_SHADE = np.arange(256.0)[:, None, None] * (0.87, 1.0, 1.0)


def check_size(size: int) -> None:
    """Raises a ValueError unless pictures can be drawn at this size."""
    if not MIN_SIZE <= size <= MAX_SIZE:
        nearest = min(max(size, MIN_SIZE), MAX_SIZE)
        raise ValueError(
            f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, because the drawing's "
            f"lines are made for these; got {size}. Try {nearest} and resize."
        )


def check_not_negative(**numbers: int) -> None:
    """Raises a ValueError that names the first negative number."""
    for name, value in numbers.items():
        if value < 0:
            raise ValueError(f"{name} must not be negative; got {value}.")


def add_grain(image: np.ndarray, deviation: float, rng: np.random.Generator):
    """Adds the gray noise of a sensor; the deviation is in levels of 255."""
    grain = rng.standard_normal(image.shape[:2], np.float32)
    grain = np.rint(deviation * grain).astype(np.int16)
    return cv2.add(image, cv2.merge([grain] * 3), dtype=cv2.CV_8U)


class Canvas:
    """A picture under construction, with masks of the face and the person in it.

    `points` are one polygon, [N, 2], or a list of them; a polygon inside another one
    is a hole in it. Colors are RGB, 0 to 255; blurs are sigmas in picture widths. The
    role of a shape is "face" (becomes visible face), "cover" (hides the face), "figure"
    (belongs to the person), or "" (changes neither mask).

    Attributes:
      side: Pixels along each side.
      image: uint8 [side, side, 3], RGB.
      face: uint8 [side, side], 255 where the face is seen.
      figure: uint8 [side, side], 255 where the person is.
    """

    def __init__(self, image: np.ndarray):
        self.image = image
        self.side = len(image)
        self.face = np.zeros(image.shape[:2], np.uint8)
        self.figure = np.zeros(image.shape[:2], np.uint8)

    def _corners(self, points) -> list:
        """Corners in 1/16 pixel, int32. A pixel's center is whole for OpenCV."""
        polygons = points if isinstance(points, list) else [points]
        scale, shift = self.side * _PARTS, 0.5 - _PARTS / 2
        return [(polygon * scale + shift).astype(np.int32) for polygon in polygons]

    def _box(self, corners, margin: int):
        """(top, bottom, left, right) in pixels around the corners, or None."""
        left, top, width, height = cv2.boundingRect(np.concatenate(corners))
        right, bottom = (left + width) // _PARTS, (top + height) // _PARTS
        left, top = left // _PARTS - 1 - margin, top // _PARTS - 1 - margin
        right, bottom = right + 3 + margin, bottom + 3 + margin
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.side), min(bottom, self.side)
        return (top, bottom, left, right) if top < bottom and left < right else None

    def _coverage(self, points, blur: float):
        """The pixels around a shape and how much of each it covers.

        -> (rows and columns, uint8 mask of them, the corners), or None outside the
        picture.
        """
        corners = self._corners(points)
        sigma = blur * self.side
        box = self._box(corners, int(2.5 * sigma))
        if box is None:
            return None
        top, bottom, left, right = box
        height, width = bottom - top, right - left
        # A soft mask needs few pixels: draw it small and enlarge it.
        shrink = 4 if sigma > 3 else 2 if sigma > 1.2 else 1
        small = (-(-height // shrink), -(-width // shrink))
        mask = np.zeros(small, np.uint8)
        origin = np.array([left, top], np.int32) * _PARTS
        local = [polygon - origin for polygon in corners]
        if shrink > 1:
            center = _PARTS // 2
            local = [(p + center) // shrink - center for p in local]
        cv2.fillPoly(mask, local, 255, cv2.LINE_AA, _SHIFT)
        if sigma > 0.3:
            reach = 2 * int(2.2 * sigma / shrink + 0.5) + 1
            mask = cv2.GaussianBlur(
                mask, (reach, reach), sigma / shrink, borderType=cv2.BORDER_REPLICATE
            )
        if shrink > 1:
            mask = cv2.resize(mask, (small[1] * shrink, small[0] * shrink))
            mask = mask[:height, :width]
        return (slice(top, bottom), slice(left, right)), mask, corners

    def fill(self, points, color, *, role: str = "") -> None:
        """Fills polygons with a color."""
        corners = self._corners(points)
        color = tuple(float(c) for c in color)
        cv2.fillPoly(self.image, corners, color, cv2.LINE_AA, _SHIFT)
        self._mark(corners, role)

    def _mark(self, corners, role):
        if role:
            cv2.fillPoly(self.figure, corners, 255, cv2.LINE_AA, _SHIFT)
        if role in ("face", "cover"):
            value = 255 if role == "face" else 0
            cv2.fillPoly(self.face, corners, value, cv2.LINE_AA, _SHIFT)

    def blend(
        self, points, paint, opacity: float = 1.0, *, blur: float = 0.0, role: str = ""
    ) -> None:
        """Lays a color over polygons, or their part of a picture, [side, side, 3].

        Blurred edges are soft in the picture and hard in the masks.
        """
        covered = self._coverage(points, blur)
        if covered is None:
            return
        box, mask, corners = covered
        weight = mask * np.float32(opacity / 255.0)
        target = self.image[box]
        if isinstance(paint, np.ndarray) and paint.ndim == 3:
            layer = paint[box]
        else:
            layer = np.empty(target.shape, np.uint8)
            layer[:] = np.minimum(paint, 255)
        self.image[box] = cv2.blendLinear(target, layer, 1.0 - weight, weight)
        if role:
            self._mark(corners, role)

    def shade(self, points, strength: float, *, blur: float) -> None:
        """Casts a soft shadow that takes `strength` (0 to 1) of the light."""
        covered = self._coverage(points, blur)
        if covered is None:
            return
        box, mask, _ = covered
        left = cv2.applyColorMap(mask, (255.5 - strength * _SHADE).astype(np.uint8))
        self.image[box] = cv2.multiply(self.image[box], left, scale=1 / 255)

    @contextlib.contextmanager
    def clipped(self, points):
        """Limits drawing in this context to the inside of the polygons."""
        covered = self._coverage(points, 0.0)
        if covered is None:
            yield
            return
        box, mask, _ = covered
        before = self.image
        self.image = before.copy()
        yield
        weight = mask * np.float32(1 / 255)
        inside = self.image[box]
        before[box] = cv2.blendLinear(before[box], inside, 1.0 - weight, weight)
        self.image = before

    def multiply(self, factors: np.ndarray) -> None:
        """Multiplies the picture by uint8 factors [side, side, 3]; UNIT means 1."""
        self.image = cv2.multiply(self.image, factors, scale=1 / UNIT)

    def multiply_figure(self, factors: np.ndarray) -> None:
        """Multiplies the person alone; see `multiply`."""
        # All of the light on pixels that are half covered: their background shows less
        # than a bright seam around a dark head would.
        weight = np.minimum(self.figure * np.float32(2 / 255), 1.0)
        before = self.image
        self.multiply(factors)
        self.image = cv2.blendLinear(before, self.image, 1.0 - weight, weight)

    def resized(self, side: int) -> Canvas:
        """The picture and its masks at another size, averaged over areas."""
        if side == self.side:
            return self

        def shrunk(picture):
            return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)

        canvas = Canvas(shrunk(self.image))
        canvas.face, canvas.figure = shrunk(self.face), shrunk(self.figure)
        return canvas


def mix(a, b, share: float) -> np.ndarray:
    """`share` of color b in color a."""
    return np.asarray(a, np.float64) * (1.0 - share) + np.asarray(b) * share


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """A color by hue, saturation and value, each from 0 to 1."""
    return 255.0 * np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


@functools.cache
def _spline_basis(count: int, steps: int, closed: bool) -> np.ndarray:
    """Catmull–Rom weights, [points on the curve, count]; the rows sum to 1."""
    t = np.arange(steps) / steps
    before, after = -t + 2 * t**2 - t**3, t**3 - t**2
    start, end = 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3
    weights = 0.5 * np.stack([before, start, end, after], axis=1)
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
    """Points around an ellipse with its center at x, y; [count, 2]."""
    return _circle(count) * (rx, ry) + (x, y)


def moved(points, x: float, y: float) -> np.ndarray:
    """Points [N, 2], shifted."""
    return np.asarray(points) + np.array([x, y])


def mirrored(half) -> np.ndarray:
    """A right half [N, 2], top first, with its mirror image before it.

    Points at x = 0 stand once, so that a half that ends there becomes a closed shape.
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
