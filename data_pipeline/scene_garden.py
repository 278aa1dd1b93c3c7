"""Drawn plants and stones seen from near: leaves, flowers, grass, pebbles."""

from __future__ import annotations

import numpy as np

from data_pipeline.face_canvas import Canvas
from data_pipeline.face_geometry import ellipse, moved, ribbon, smooth
from data_pipeline.face_palette import mix
from data_pipeline.scene_surfaces import (
    Rng,
    brighter,
    chance,
    defocused,
    field,
    mixed,
    pick,
    ramp,
    rough,
    tint,
)


def foliage(canvas: Canvas, rng: Rng) -> None:
    """Leaves near the lens, some flowers, blurred green behind."""
    hue = pick(rng, (0.27, 0.3, 0.33, 0.22, 0.09))
    dark = tint(rng, (hue, hue + 0.05), (0.4, 0.7), (0.1, 0.3))
    light = tint(rng, (hue - 0.05, hue), (0.3, 0.6), (0.55, 0.9))
    canvas.image = mixed(dark, light, field(rng, canvas.side, (4, 4)))
    defocused(canvas, 0.02)
    count = int(rng.integers(60, 200))
    long = rng.uniform(0.12, 0.28) * (60 / count) ** 0.4
    slim = rng.uniform(0.18, 0.5)
    for number, (x, y, turn, shade) in enumerate(rng.random((count, 4))):
        near = number / count
        color = mix(dark, light, 0.15 + 0.45 * near + 0.4 * shade)
        angle = 6.28 * turn
        along = np.array([np.cos(angle), np.sin(angle)]) * long * (0.6 + 0.6 * near)
        across = np.array([-along[1], along[0]]) * slim
        stem = np.array([1.2 * x - 0.1, 1.2 * y - 0.1])
        for way, factor in ((1.0, 1.0), (-1.0, 0.78)):  # the two halves of the leaf
            edge = [stem, stem + 0.4 * along + way * across, stem + 1.2 * along]
            half = smooth(edge, closed=False, steps=4)
            canvas.fill(half, brighter(color, factor))
    for _ in range(int(rng.integers(0, 6)) if chance(rng, 0.5) else 0):
        _flower(canvas, rng, *rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.12))


def _flower(canvas, rng, x, y, size):
    color = tint(rng, saturation=(0.2, 0.8), value=(0.75, 1.0))
    petals = int(rng.integers(5, 12))
    for angle in np.arange(petals) * (2 * np.pi / petals) + rng.random():
        away = np.array([np.cos(angle), np.sin(angle)]) * size
        side = np.array([-away[1], away[0]]) * rng.uniform(0.28, 0.4)
        center = np.array([x, y])
        shape = [center, center + 0.7 * away + side, center + 1.1 * away]
        shape.append(center + 0.7 * away - side)
        shade = 0.88 + 0.12 * np.sin(angle)
        canvas.fill(smooth(shape, steps=4), brighter(color, shade))
    canvas.fill(ellipse(x, y, 0.28 * size, 0.28 * size), (222, 176, 56))


def ground(canvas: Canvas, rng: Rng) -> None:
    """Pebbles, or blades of grass, seen from above or along."""
    if chance(rng, 0.5):
        soil = tint(rng, (0.05, 0.13), (0.1, 0.4), (0.3, 0.6))
        canvas.image = rough(rng, canvas.side, soil, 0.3, (16, 16), 3)
        for x, y, size in rng.random((int(rng.integers(40, 110)), 3)):
            color = tint(rng, (0.02, 0.14), (0.02, 0.25), (0.35, 0.85))
            x, y = 1.1 * x - 0.05, 1.1 * y - 0.05
            stone(canvas, rng, x, y, 0.02 + 0.06 * size**2, color)
        return
    green = tint(rng, (0.17, 0.33), (0.4, 0.7), (0.35, 0.6))
    canvas.image = ramp(canvas.side, brighter(green, 1.3), brighter(green, 0.5))
    for number, (x, bend, shade) in enumerate(rng.random((150, 3))):
        near = number / 150
        foot = np.array([1.2 * x - 0.1, 0.15 + 1.0 * near])
        long = (0.08 + 0.22 * near) * (0.7 + 0.6 * shade)
        blade = [(0, 0), (0.2 * (bend - 0.5), -0.6), (0.7 * (bend - 0.5), -1.0)]
        blade = foot + smooth(np.array(blade) * long, closed=False, steps=3)
        width = np.linspace(0.004 + 0.008 * near, 0.001, len(blade))
        canvas.fill(ribbon(blade, width), brighter(green, 0.6 + 0.8 * shade))


def stone(canvas, rng: Rng, x, y, size, color):
    """A stone that is lit from above."""
    angle = np.arange(8) * (np.pi / 4)
    reach = size * rng.uniform(0.75, 1.15, 8)
    shape = np.stack([reach * np.cos(angle), 0.75 * reach * np.sin(angle)], 1)
    shape = moved(smooth(shape, steps=3), x, y)
    canvas.shade(moved(shape, 0.15 * size, 0.3 * size), 0.5, blur=0.1 * size)
    canvas.fill(shape, brighter(color, 0.72))
    top = moved((shape - (x, y)) * 0.8, x - 0.08 * size, y - 0.12 * size)
    canvas.blend(top, color, blur=0.12 * size)
