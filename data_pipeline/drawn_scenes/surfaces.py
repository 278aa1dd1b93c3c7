"""Random colors, textures and flat pictures in perspective, for drawn scenes.

Textures are random grids enlarged to the picture, so that a scene is the same at
every size.
"""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline.drawing import Canvas, hsv

Rng = np.random.Generator

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
FLAT = 256  # pixels along a picture that is drawn flat and then laid over something


def chance(rng: Rng, probability: float) -> bool:
    """True with this probability."""
    return bool(rng.random() < probability)


def pick(rng: Rng, options):
    """One of the options."""
    return options[rng.integers(len(options))]


def tint(
    rng: Rng, hue=(0.0, 1.0), saturation=(0.1, 0.7), value=(0.3, 0.95)
) -> np.ndarray:
    """A random color within ranges of hue, saturation and value; RGB, 0 to 255."""
    return hsv(rng.uniform(*hue), rng.uniform(*saturation), rng.uniform(*value))


def brighter(color, factor: float) -> np.ndarray:
    """A color times a factor; darker below 1."""
    return np.minimum(np.asarray(color) * factor, 255)


def field(rng: Rng, side: int, cells=(3, 3), octaves: int = 4, gain: float = 0.55):
    """A cloudy random texture, float32 [side, side] in [0, 1].

    Args:
      rng: Source of its numbers.
      side: Of the picture, pixels.
      cells: Rows and columns of the coarsest grid.
      octaves: Number of grids, each twice as fine as the one before.
      gain: Amplitude of each grid relative to the one before.
    """
    total, weight, sum_of_weights = 0.0, 1.0, 0.0
    for octave in range(octaves):
        shape = [(count << octave) + 1 for count in cells]
        grid = rng.random(shape, np.float32)
        grid = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC)
        total = total + weight * grid
        sum_of_weights += weight
        weight *= gain
    # The mean of several random numbers hardly ever comes near 0 or 1.
    return np.clip(1.7 * (total / sum_of_weights - 0.5) + 0.5, 0.0, 1.0)


def mixed(one, other, share) -> np.ndarray:
    """Two colors or pictures mixed pixel by pixel; uint8 [side, side, 3].

    Args:
      one: RGB, or [side, side, 3].
      other: The same.
      share: Of `other`: float [side, side] or [side, 1], in [0, 1].
    """
    one, other = (np.asarray(part, np.float32) for part in (one, other))
    share = np.asarray(share, np.float32)
    share = np.broadcast_to(share, (len(share), len(share)))[:, :, None]
    return (one + (other - one) * share).astype(np.uint8)


def rough(rng: Rng, side: int, color, strength: float, cells=(5, 5), octaves: int = 5):
    """A picture of a surface whose color varies by a share of `strength`."""
    low, high = brighter(color, 1.0 - strength), brighter(color, 1.0 + strength)
    return mixed(low, high, field(rng, side, cells, octaves, gain=0.75))


def wood(rng: Rng, side: int, color, boards: int) -> np.ndarray:
    """A picture of horizontal boards with grain along them."""
    share = field(rng, side, (12, 1), octaves=4, gain=0.8)
    rows = np.arange(side) * boards // side
    share = np.clip(share + rng.uniform(-0.3, 0.3, boards)[rows][:, None], 0.0, 1.0)
    picture = mixed(brighter(color, 0.62), brighter(color, 1.15), share)
    ends = np.linspace(0, side, boards + 1)[1:-1].astype(int)
    picture[ends] = (picture[ends] * 0.5).astype(np.uint8)
    return picture


def rect(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The corners of an upright rectangle, clockwise from the upper left."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def lay(canvas: Canvas, picture: np.ndarray, corners) -> None:
    """Lays a flat picture over a quadrilateral in perspective.

    Args:
      canvas: Is drawn on.
      picture: uint8 [N, N, 3].
      corners: [4, 2], clockwise from the picture's upper left.
    """
    target = (np.asarray(corners) * canvas.side - 0.5).astype(np.float32)
    source = (rect(0.0, 0.0, 1.0, 1.0) * len(picture) - 0.5).astype(np.float32)
    # Shrinking without a blur before it would alias.
    sides = np.linalg.norm(target - np.roll(target, 1, axis=0), axis=1)
    shrunk = len(picture) / max(sides.min(), 1.0)
    if shrunk > 1.3:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrunk)
    matrix = cv2.getPerspectiveTransform(source, target)
    size = (canvas.side, canvas.side)
    warped = cv2.warpPerspective(picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    canvas.blend(corners, warped)


def defocused(canvas: Canvas, sigma: float) -> None:
    """Blurs everything so far; sigma is in picture widths."""
    canvas.image = cv2.GaussianBlur(canvas.image, (0, 0), max(sigma * canvas.side, 0.3))
