"""Drawn images without a face: places, things, patterns; and plain noise.

What an auto-encoder for faces does with everything else can be measured on them, and
one that must not know faces can be trained on them. Scene number `index` of a seed is
always the same, at any size.

  image = drawn_scenes.draw(7, seed=0, size=192)
  image = drawn_scenes.noise(7, seed=0, size=192)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from data_pipeline.drawing import UNIT, Canvas, ellipse, moved
from data_pipeline.drawn_scenes import nature, patterns, rooms, town
from data_pipeline.drawn_scenes.surfaces import Rng, chance, defocused, pick, rect

MIN_SIZE, MAX_SIZE = 32, 512  # pixels
_LEAST_SIDE = 192  # smaller pictures are shrunk from this, as drawn faces are

_SCENE, _GRAIN, _NOISE = range(3)  # what a stream of random numbers is for

KINDS = (
    rooms.room,
    nature.landscape,
    patterns.cloth,
    town.town,
    rooms.still_life,
    nature.foliage,
    town.sign,
    nature.sea,
    patterns.tiling,
    rooms.shelf,
    town.facade,
    nature.ground,
)
# On which a shadow may fall without regard to what is drawn.
_FLAT_KINDS = (
    patterns.cloth,
    patterns.tiling,
    town.facade,
    nature.foliage,
    nature.ground,
)


def draw(index: int, *, seed: int = 0, size: int = 128) -> np.ndarray:
    """Draws one scene.

    Args:
      index: Which scene; not negative.
      seed: Which data set; not negative.
      size: Side S of the picture in pixels, 32 to 512.

    Returns:
      uint8 [S, S, 3], RGB.

    Raises:
      ValueError: If index or seed is negative, or size out of range.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        nearest = min(max(size, MIN_SIZE), MAX_SIZE)
        raise ValueError(
            f"size must be from {MIN_SIZE} to {MAX_SIZE} pixels, because the drawing's "
            f"lines are made for these; got {size}. Try {nearest} and resize."
        )
    rng = _stream(seed, index, _SCENE)
    kind = pick(rng, KINDS)
    canvas = paint(kind, rng, max(size, _LEAST_SIDE)).resized(size)
    grain = _stream(seed, index, _GRAIN)
    levels = grain.uniform(0.5, 4.0)
    normal = grain.standard_normal((size, size), np.float32)
    normal = np.rint(levels * normal).astype(np.int16)
    return cv2.add(canvas.image, cv2.merge([normal] * 3), dtype=cv2.CV_8U)


def paint(kind: Callable[[Canvas, Rng], None], rng: Rng, side: int) -> Canvas:
    """Paints a scene of one of `KINDS`, in the light that falls on it."""
    canvas = Canvas(np.zeros((side, side, 3), np.uint8))
    kind(canvas, rng)
    if kind in _FLAT_KINDS and chance(rng, 0.4):
        pick(rng, (_half_shadow, _blinds, _leaf_shadows))(canvas, rng)
    _light(canvas, rng)
    defocused(canvas, 0.0025 * rng.random() ** 2)
    return canvas


def noise(index: int, *, seed: int = 0, size: int = 128) -> np.ndarray:
    """Independent uniform pixels, uint8 [size, size, 3], of any size.

    Raises:
      ValueError: If index or seed is negative.
    """
    stream = _stream(seed, index, _NOISE)
    return stream.integers(0, 256, (size, size, 3), np.uint8)


def _stream(seed: int, index: int, purpose: int) -> Rng:
    """Random numbers of one image for one purpose."""
    for name, value in (("index", index), ("seed", seed)):
        if value < 0:
            raise ValueError(f"{name} must not be negative; got {value}.")
    return np.random.Generator(np.random.PCG64([seed, index, purpose]))


def _light(canvas, rng):
    """Light that falls off across the picture, and its color."""
    y, x = np.mgrid[-1.0:1.0:24j, -1.0:1.0:24j]
    angle = rng.uniform(0, 2 * math.pi)
    level = rng.uniform(0.85, 1.3) + rng.uniform(0.0, 0.25) * (
        x * math.cos(angle) + y * math.sin(angle)
    )
    level -= rng.uniform(0.0, 0.2) * (x * x + y * y)
    warmth = rng.uniform(-0.1, 0.1)
    factors = level[:, :, None] * (1.0 + warmth, 1.0, 1.0 - warmth)
    factors = cv2.convertScaleAbs(factors, alpha=UNIT)
    size = (canvas.side, canvas.side)
    canvas.multiply(cv2.resize(factors, size, interpolation=cv2.INTER_LINEAR))


def _half_shadow(canvas, rng):
    """The shadow of something large beside the picture."""
    top, bottom = rng.uniform(0.2, 0.8, 2)
    shape = np.array([(-0.1, -0.1), (top, -0.1), (bottom, 1.1), (-0.1, 1.1)])
    if chance(rng, 0.5):
        shape = shape * (-1.0, 1.0) + (1.0, 0.0)
    canvas.shade(shape, rng.uniform(0.25, 0.5), blur=rng.uniform(0.003, 0.02))


def _blinds(canvas, rng):
    """The shadow of slats before a window."""
    count, slant = int(rng.integers(4, 9)), rng.uniform(-0.3, 0.3)
    slat = rect(-0.1, 0.0, 1.1, 0.45 / count)
    slat[1:3, 1] += slant
    slats = [moved(slat, 0.0, top) for top in np.arange(-1, count + 1) / count]
    canvas.shade(slats, rng.uniform(0.2, 0.4), blur=0.006)


def _leaf_shadows(canvas, rng):
    """Spots of shadow under a tree."""
    for x, y, size, strength in rng.random((20, 4)):
        spot = ellipse(x, y, 0.03 + 0.09 * size, 0.02 + 0.06 * size)
        canvas.shade(spot, 0.1 + 0.25 * strength, blur=0.012)
