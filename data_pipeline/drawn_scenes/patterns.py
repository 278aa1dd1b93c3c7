"""Drawn surfaces that repeat: woven cloth with folds, tiles, brick, parquet."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix, moved, ribbon
from data_pipeline.drawn_scenes.surfaces import (
    FLAT,
    WHITE,
    Rng,
    brighter,
    chance,
    field,
    lay,
    pick,
    rect,
    rough,
    tint,
    wood,
)


def cloth(canvas: Canvas, rng: Rng) -> None:
    """Cloth with stripes, checks or dots, in folds."""
    color = tint(rng, saturation=(0.05, 0.7), value=(0.35, 0.95))
    flat = Canvas(rough(rng, FLAT, color, 0.1, (48, 48), 2))
    pick(rng, (_plaid, _plaid, _stripes, _checks, _dots, _diamonds))(flat, rng, color)
    _spread(canvas, rng, flat.image, tilt=0.12)
    _fold(canvas, rng)


def tiling(canvas: Canvas, rng: Rng) -> None:
    """A wall or a floor of bricks, tiles or boards."""
    color = tint(rng, (-0.02, 0.62), (0.05, 0.6), (0.4, 0.9))
    joint = mix(color, pick(rng, ((226, 222, 214), (70, 66, 62))), 0.8)
    flat = Canvas(rough(rng, FLAT, joint, 0.1, (20, 20), 3))
    pick(rng, (_bricks, _bricks, _hexagons, _mosaic, _boards, _basket))(
        flat, rng, color
    )
    _spread(canvas, rng, flat.image, tilt=0.5)


def _spread(canvas, rng, picture, tilt):
    """Lays a flat picture over the whole frame, turned and in perspective."""
    angle = rng.uniform(-0.8, 0.8) if chance(rng, 0.4) else rng.uniform(-0.05, 0.05)
    # Large enough to reach the corners of the frame.
    zoom = (np.cos(angle) + abs(np.sin(angle))) * rng.uniform(1.02, 1.4) + 0.5 * tilt
    corners = rect(-0.5, -0.5, 0.5, 0.5) * zoom
    cos, sin = np.cos(angle), np.sin(angle)
    corners = corners @ np.array([[cos, sin], [-sin, cos]])
    # Farther at the top: narrower there.
    corners[:, 0] *= 1.0 + tilt * rng.random() * (corners[:, 1] + 0.1)
    lay(canvas, picture, corners + 0.5)


def _fold(canvas, rng):
    """Soft folds that shift the pattern and shade it."""
    side = canvas.side
    cells = pick(rng, ((1, 3), (2, 2), (3, 1)))
    height = field(rng, side, cells, octaves=2, gain=0.35)
    slope_y, slope_x = np.gradient(height)
    depth = rng.uniform(0.02, 0.08) * side
    y, x = np.mgrid[:side, :side].astype(np.float32)
    shift = (height - 0.5) * np.float32(depth)
    canvas.image = cv2.remap(
        canvas.image,
        x + shift,
        y + shift,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    light = 1.0 + rng.uniform(8.0, 20.0) * (side / 192) * (slope_x + 0.7 * slope_y)
    factors = np.clip(light, 0.45, 1.4)[:, :, None]
    canvas.image = np.clip(canvas.image * factors, 0, 255).astype(np.uint8)


def _plaid(flat, rng, color):
    period = 1.0 / rng.integers(2, 6)
    for _ in range(int(rng.integers(2, 5))):
        start, width = rng.random(), rng.uniform(0.08, 0.35)
        band, other = tint(rng), rng.uniform(0.4, 0.75)
        for left in np.arange(start - 1, 1 / period + 1) * period:
            right = left + width * period
            flat.blend(rect(left, 0.0, right, 1.0), band, other)
            flat.blend(rect(0.0, left, 1.0, right), band, other)


def _stripes(flat, rng, color):
    count = int(rng.integers(4, 15))
    colors = [tint(rng) for _ in range(int(rng.integers(1, 4)))]
    for number in range(count):
        left = number / count
        band = rect(left, 0.0, left + rng.uniform(0.2, 0.8) / count, 1.0)
        flat.blend(band, colors[number % len(colors)], 0.85)


def _checks(flat, rng, color):
    """Gingham: dark where stripes cross, half as dark along them."""
    count, dark = int(rng.integers(5, 13)), tint(rng, value=(0.2, 0.6))
    flat.image = rough(rng, FLAT, (240, 238, 232), 0.04, (48, 48), 2)
    for left in np.arange(count) / count:
        right = left + 0.5 / count
        flat.blend(rect(left, 0.0, right, 1.0), dark, 0.5)
        flat.blend(rect(0.0, left, 1.0, right), dark, 0.5)


def _dots(flat, rng, color):
    count, size = int(rng.integers(6, 12)), rng.uniform(0.15, 0.32)
    other = mix(color, pick(rng, (WHITE, (30, 30, 40))), 0.8)
    for row in range(count + 1):
        for column in range(count + 1):
            x, y = (column + 0.5 * (row % 2)) / count, row / count
            flat.fill(ellipse(x, y, size / count, size / count, 16), other)


def _diamonds(flat, rng, color):
    """Argyle: diamonds with thin lines across."""
    count = int(rng.integers(3, 7))
    shape = np.array([(0.0, -0.7), (0.5, 0.0), (0.0, 0.7), (-0.5, 0.0)]) / count
    colors = (tint(rng), tint(rng))
    for row in range(2 * count):
        for column in range(count + 1):
            x, y = (column + 0.5 * (row % 2)) / count, row * 0.7 / count
            flat.fill(moved(shape, x, y), colors[row % 2])
    thin = mix(color, WHITE, 0.7)
    for start in np.arange(-2 * count, 2 * count) / count:
        for way in (1.0, -1.0):
            line = np.array([(start, 0.0), (start + way / 1.4, 1.0)])
            flat.blend(ribbon(line, 0.004), thin, 0.8)


def _bricks(flat, rng, color):
    rows = int(rng.integers(7, 17))
    long, bond = rng.uniform(1.6, 3.2) / rows, pick(rng, (0.5, 0.5, 0.33, 0.0))
    gap = rng.uniform(0.05, 0.12) / rows
    for row in range(rows):
        for left in np.arange(-1, 1 / long + 1) * long + (bond * row % 1.0) * long:
            brick = rect(left, row / rows, left + long - gap, (row + 1) / rows - gap)
            flat.fill(brick, brighter(color, rng.uniform(0.7, 1.15)))
            light = rect(left, row / rows, left + long - gap, (row + 0.1) / rows)
            flat.blend(light, WHITE, 0.15)


def _hexagons(flat, rng, color):
    count = int(rng.integers(5, 10))
    angle = np.arange(6) * (np.pi / 3) + np.pi / 6
    shape = np.stack([np.cos(angle), np.sin(angle)], 1) * (0.54 / count)
    other = tint(rng)
    for row in range(int(count * 1.2) + 2):
        for column in range(count + 1):
            x, y = (column + 0.5 * (row % 2)) / count, row * 0.87 / count
            base = other if chance(rng, 0.15) else color
            flat.fill(moved(shape, x, y), brighter(base, rng.uniform(0.85, 1.1)))


def _mosaic(flat, rng, color):
    """Irregular four-cornered stones."""
    count = int(rng.integers(6, 14))
    palette = [tint(rng) for _ in range(4)] if chance(rng, 0.5) else [color]
    steps = np.arange(count + 1) / count
    grid = np.stack(np.meshgrid(steps, steps), -1)
    grid = grid + rng.uniform(-0.25, 0.25, grid.shape) / count
    for row in range(count):
        for column in range(count):
            four = grid[row : row + 2, column : column + 2].reshape(4, 2)[[0, 1, 3, 2]]
            stone = (four - four.mean(0)) * 0.88 + four.mean(0)
            flat.fill(stone, brighter(pick(rng, palette), rng.uniform(0.65, 1.2)))


def _boards(flat, rng, color):
    flat.image = wood(rng, FLAT, color, int(rng.integers(4, 10)))


def _basket(flat, rng, color):
    """Parquet: groups of three staves, by turns upright and across."""
    count = int(rng.integers(4, 8))
    for row in range(count):
        for column in range(count):
            for stave in range(3):
                box = rect(0.02, stave / 3 + 0.02, 0.98, stave / 3 + 0.31)
                if (row + column) % 2:
                    box = box[:, ::-1]
                shape = moved(box, column, row) / count
                flat.fill(shape, brighter(color, rng.uniform(0.7, 1.15)))
