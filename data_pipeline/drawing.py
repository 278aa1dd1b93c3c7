"""Anti-aliased shapes on a picture, in coordinates from 0 to 1.

OpenCV draws the polygons with sub-pixel corners; soft edges are blurred masks. A
canvas also keeps two masks up to date: `face` (bare face) and `figure` (person).
"""

from __future__ import annotations

import colorsys
import contextlib
import functools

import cv2
import numpy as np

_SHIFT = 4  # OpenCV takes corners as integers in 1/16 pixel
_PARTS = 1 << _SHIFT
UNIT = 150  # the value that stands for "times 1" in an 8-bit map of factors
# Coverage to lost light, [256, 1, 3]. Shadows on skin are warm: blue goes first.
_SHADE = np.arange(256.0)[:, None, None] * (0.87, 1.0, 1.0)


class Canvas:
    """A picture under construction.

    Wherever a method takes `points`, it takes one polygon, [N, 2], or a list of
    them; a polygon inside another one is a hole in it.

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
        scale = self.side * _PARTS
        return [
            (polygon * scale + (0.5 - _PARTS / 2)).astype(np.int32)
            for polygon in polygons
        ]

    def _box(self, corners, margin: int):
        """(top, bottom, left, right) in pixels around the corners, or None."""
        together = corners[0] if len(corners) == 1 else np.concatenate(corners)
        left, top, width, height = cv2.boundingRect(together)
        right, bottom = (left + width) // _PARTS, (top + height) // _PARTS
        left, top = left // _PARTS - 1 - margin, top // _PARTS - 1 - margin
        right, bottom = right + 3 + margin, bottom + 3 + margin
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(right, self.side), min(bottom, self.side)
        return (top, bottom, left, right) if top < bottom and left < right else None

    def _coverage(self, points, blur: float):
        """The pixels around a shape and how much of each it covers.

        Returns:
          (rows and columns, uint8 mask of them, the corners), or None outside the
          picture; blur is in picture widths.
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
        """Fills polygons.

        Args:
          points: What to fill.
          color: RGB, 0 to 255.
          role: "face" (becomes visible face), "cover" (hides the face), "figure"
            (belongs to the person), or "" (changes neither mask).
        """
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
        """Lays a color or a picture over polygons.

        Args:
          points: Where.
          paint: RGB, or uint8 [side, side, 3], of which the area is taken.
          opacity: 0 to 1.
          blur: Sigma of the soft edge, in picture widths.
          role: As in `fill`; the masks get the hard edge.
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
        """Casts a soft shadow: takes away `strength` (0 to 1) of the light."""
        covered = self._coverage(points, blur)
        if covered is None:
            return
        box, mask, _ = covered
        left = cv2.applyColorMap(mask, (255.5 - strength * _SHADE).astype(np.uint8))
        self.image[box] = cv2.multiply(self.image[box], left, scale=1 / 255)

    @contextlib.contextmanager
    def clipped(self, points):
        """What is drawn inside this context shows only inside the polygons."""
        covered = self._coverage(points, 0.0)
        if covered is None:
            yield
            return
        box, mask, _ = covered
        before = self.image
        self.image = before.copy()
        yield
        weight = mask * np.float32(1 / 255)
        before[box] = cv2.blendLinear(
            before[box], self.image[box], 1.0 - weight, weight
        )
        self.image = before

    def multiply(self, factors: np.ndarray) -> None:
        """Multiplies the picture by uint8 factors [side, side, 3]; UNIT means 1."""
        self.image = cv2.multiply(self.image, factors, scale=1 / UNIT)

    def multiply_figure(self, factors: np.ndarray) -> None:
        """As `multiply`, but only where the person is."""
        # All of the light on pixels that are half covered: their background shows less
        # than a bright seam around a dark head would.
        weight = np.minimum(self.figure * np.float32(2 / 255), 1.0)
        before = self.image
        self.multiply(factors)
        self.image = cv2.blendLinear(before, self.image, 1.0 - weight, weight)

    def resized(self, side: int) -> Canvas:
        """The same picture and masks with `side` pixels, averaged."""
        if side == self.side:
            return self

        def shrunk(picture):
            return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)

        canvas = Canvas(shrunk(self.image))
        canvas.face, canvas.figure = shrunk(self.face), shrunk(self.figure)
        return canvas


_SKIN_TONES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
_SKIN = np.array(
    [
        (245, 217, 198),
        (237, 198, 171),
        (224, 172, 136),
        (186, 129, 92),
        (134, 86, 58),
        (88, 56, 41),
    ]
)

# name: color, how far lighter or darker strands of this color are
HAIR = {
    "black": ((38, 33, 34), 0.55),
    "brown": ((96, 62, 41), 0.34),
    "blond": ((214, 172, 104), 0.22),
    "gray": ((176, 173, 171), 0.20),
    "red": ((160, 76, 40), 0.28),
}

IRIS = {
    "dark": (62, 40, 28),
    "brown": (104, 68, 38),
    "hazel": (132, 104, 54),
    "green": (92, 126, 82),
    "blue": (84, 132, 176),
    "gray": (122, 136, 148),
}

_LIPSTICK = ((176, 26, 44), (196, 48, 88), (150, 34, 60), (206, 84, 78), (116, 28, 58))


def mix(a, b, share: float) -> np.ndarray:
    """`share` of color b in color a."""
    return np.asarray(a, np.float64) * (1.0 - share) + np.asarray(b) * share


def skin(tone: float, undertone: float) -> np.ndarray:
    """Skin from pale (tone 0) to deep (1); undertone from cool (-1) to warm (1)."""
    color = [np.interp(tone, _SKIN_TONES, _SKIN[:, channel]) for channel in range(3)]
    return np.clip(np.array(color) + undertone * np.array([3.0, 2.0, -7.0]), 0, 255)


def hair(color: str, lightness: float) -> np.ndarray:
    """A natural hair color; lightness from -1 to 1 stays within its name."""
    base, spread = HAIR[color]
    return np.clip(np.array(base) * (1.0 + 0.5 * spread * lightness), 0, 255)


def lips(skin_color, *, lipstick: bool, shade: float) -> np.ndarray:
    """Lips: the skin's own color, redder, or a lipstick; shade from 0 to 1."""
    if lipstick:
        place = shade * (len(_LIPSTICK) - 1)
        low = int(place)
        high = min(low + 1, len(_LIPSTICK) - 1)
        return mix(_LIPSTICK[low], _LIPSTICK[high], place - low)
    return mix(np.asarray(skin_color) * 0.86, (184, 70, 72), 0.30 + 0.15 * shade)


def cloth(hue: float, saturation: float, value: float) -> np.ndarray:
    """A color by hue, saturation and value, each from 0 to 1."""
    return 255.0 * np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value))


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
