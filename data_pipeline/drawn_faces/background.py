"""Backgrounds of drawn faces: plain, clouds, lamps, leaves, walls and stripes."""

from __future__ import annotations

import math

import cv2
import numpy as np

from data_pipeline.drawing import Canvas, ellipse, hsv, mix, moved


def draw_background(traits, rng: np.random.Generator, side: int) -> np.ndarray:
    """A background out of focus, uint8 [side, side, 3]."""
    t = traits
    near = hsv(t.background_hue, t.background_saturation, t.background_value)
    far = hsv(
        t.background_hue + 0.08 * t.background_contrast,
        t.background_saturation * 0.8,
        t.background_value * (1.0 - 0.55 * t.background_contrast),
    )
    coarse = 64  # pixels; drawn at this size for every other
    cells = 9 if t.background == "clouds" else 4
    share = 0.8 * rng.random((cells, cells)) + np.linspace(0.0, 0.5, cells)[:, None]
    share = cv2.resize(share, (coarse, coarse), interpolation=cv2.INTER_CUBIC)
    share = np.clip(share, 0.0, 1.0)[:, :, None]
    canvas = Canvas((near * (1.0 - share) + far * share).astype(np.uint8))
    if t.background in _PATTERNS:
        _PATTERNS[t.background](canvas, t, rng, near, far)
    image = canvas.image
    sigma = 0.5 + 2.0 * t.background_blur
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)


def _lights(canvas, traits, rng, near, far):
    """Lamps out of focus."""
    for x, y, size, shade, strength in rng.random((14, 5)):
        color = hsv(traits.background_hue + 0.3 * shade, 0.35, 1.0)
        radius = 0.03 + 0.07 * size
        disk = ellipse(1.2 * x - 0.1, 1.2 * y - 0.1, radius, radius)
        canvas.blend(disk, color, 0.15 + 0.5 * strength)


def _leaves(canvas, traits, rng, near, far):
    """Foliage: many small leaves, lighter and darker."""
    for x, y, size, turn, shade in rng.random((46, 5)):
        leaf = ellipse(0.0, 0.0, 0.04 + 0.06 * size, 0.02 + 0.025 * size, 10)
        cos, sin = math.cos(turn * math.pi), math.sin(turn * math.pi)
        leaf = moved(leaf @ np.array([[cos, sin], [-sin, cos]]), x, y)
        green = hsv(0.24 + 0.12 * shade, 0.45, 0.25 + 0.5 * shade)
        canvas.fill(leaf, mix(green, near, 0.35))


def _wall(canvas, traits, rng, near, far):
    """Bricks or tiles with joints."""
    canvas.image[:] = np.clip(near * 0.6 + 70, 0, 255)
    brick = [(0.0, 0.0), (0.15, 0.0), (0.15, 0.12), (0.0, 0.12)]
    for row, shades in enumerate(rng.random((7, 7))):
        for column, shade in enumerate(shades):
            place = moved(brick, (column - 0.5 * (row % 2)) / 6, row / 7)
            canvas.fill(place, mix(near, far, shade))


def _stripes(canvas, traits, rng, near, far):
    """A curtain or a paneled wall."""
    count = 5 + int(7 * rng.random())
    slant, wide = 0.25 * (rng.random() - 0.5), 0.5 / count
    band = [(0.0, 0.0), (wide, 0.0), (wide + slant, 1.0), (slant, 1.0)]
    bands = [moved(band, stripe / count, 0.0) for stripe in range(-1, count + 1)]
    canvas.blend(bands, far, 0.75)


_PATTERNS = {
    "lights": _lights,
    "leaves": _leaves,
    "wall": _wall,
    "stripes": _stripes,
}
