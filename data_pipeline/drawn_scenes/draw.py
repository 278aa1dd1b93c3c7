"""Drawn scenes: pictures without faces, and plain noise.

They test networks trained on faces with other images. Scene number `index` of a seed
is the same at every size.

  image = draw(7, seed=0, size=192)
  image = noise(7, seed=0, size=192)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from data_pipeline import drawing
from data_pipeline.drawing import UNIT, Canvas
from data_pipeline.drawn_scenes.outdoors import landscape, town
from data_pipeline.drawn_scenes.rooms import room
from data_pipeline.drawn_scenes.surfaces import Rng, defocused, pattern, pick

KINDS = (room, landscape, town, pattern)
_SCENE, _GRAIN, _NOISE = range(3)  # what a stream of random numbers is for


def draw(index: int, *, seed: int = 0, size: int = 128) -> np.ndarray:
    """Draws one scene, RGB uint8 [size, size, 3], of 32 to 512 pixels.

    Raises:
      ValueError: If index or seed is negative, or size out of range.
    """
    drawing.check_size(size)
    rng = _stream(seed, index, _SCENE)
    canvas = paint(pick(rng, KINDS), rng, max(size, drawing.LEAST_SIDE)).resized(size)
    grain = _stream(seed, index, _GRAIN)
    return drawing.add_grain(canvas.image, grain.uniform(0.5, 4.0), grain)


def element(index: int, *, seed: int = 0, size: int = 128) -> dict:
    """A scene as an element of a source; see `draw`."""
    return {"name": f"scene_{index:06d}", "image": draw(index, seed=seed, size=size)}


def paint(kind: Callable[[Canvas, Rng], None], rng: Rng, side: int) -> Canvas:
    """Paints a scene of one of `KINDS` and the light on it."""
    canvas = Canvas(np.zeros((side, side, 3), np.uint8))
    kind(canvas, rng)
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
    drawing.check_not_negative(index=index, seed=seed)
    return np.random.Generator(np.random.PCG64([seed, index, purpose]))


def _light(canvas, rng):
    """Colored light that falls off across the picture."""
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
