"""Drawn streets: houses with windows, trees and lamp posts.

No house has two windows over a door in the middle, which is easily taken for a face:
windows stand in rows of three or more, doors aside.
"""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, mix
from data_pipeline.drawn_scenes.nature import sky, tree
from data_pipeline.drawn_scenes.surfaces import (
    BLACK,
    WHITE,
    Rng,
    brighter,
    chance,
    pick,
    rect,
    rough,
    tint,
)


def town(canvas: Canvas, rng: Rng) -> None:
    """A skyline, houses before it, and a road with trees and lamp posts."""
    floor = rng.uniform(0.72, 0.9)
    far = mix(sky(canvas, rng, floor), (80, 86, 98), 0.4)
    for x in np.arange(-0.05, 1.0, 0.11):
        top = floor - rng.uniform(0.1, 0.5)
        canvas.fill(rect(x, top, x + rng.uniform(0.08, 0.14), 1.0), far)
    left = rng.uniform(-0.25, -0.05)
    while left < 1.0:
        width = rng.uniform(0.22, 0.5)
        _house(canvas, rng, left, left + width, floor)
        left += width + (rng.uniform(0.02, 0.12) if chance(rng, 0.3) else 0.0)
    gray = tint(rng, saturation=(0.0, 0.12), value=(0.3, 0.55))
    street = rough(rng, canvas.side, gray, 0.12, (20, 5), 3)
    canvas.blend(rect(-0.05, floor, 1.05, 1.05), street)
    canvas.fill(rect(-0.05, floor, 1.05, floor + 0.025), brighter(gray, 1.5))
    canvas.shade(rect(-0.05, floor - 0.02, 1.05, floor + 0.02), 0.4, blur=0.012)
    for x in rng.uniform(0.0, 1.0, int(rng.integers(0, 4))):
        if chance(rng, 0.5):
            leaf = tint(rng, (0.2, 0.36), (0.3, 0.6), (0.25, 0.55))
            tree(canvas, rng, x, floor + 0.03, rng.uniform(0.2, 0.45), leaf)
        else:
            iron, top = (46, 50, 54), floor - rng.uniform(0.27, 0.47)
            canvas.fill(rect(x - 0.006, top, x + 0.006, floor + 0.03), iron)
            canvas.fill(rect(x - 0.025, top - 0.02, x + 0.025, top), (236, 226, 190))


def _house(canvas, rng, left, right, floor):
    """A front with a roof, rows of windows and a door at one side or a shop."""
    wall = tint(rng, (0.0, 0.16), (0.05, 0.45), (0.5, 0.95))
    top, width = floor - rng.uniform(0.28, 0.62), right - left
    surface = rough(rng, canvas.side, wall, 0.1, (9, 9))
    canvas.blend(rect(left, top, right, floor), surface)
    if chance(rng, 0.65):
        _roof(canvas, rng, left, right, top)
    else:
        canvas.fill(rect(left - 0.01, top - 0.02, right + 0.01, top), wall * 0.7)
    columns = max(int(width / rng.uniform(0.075, 0.1)), 3)
    rows = max(int((floor - top) / rng.uniform(0.12, 0.17)), 2)
    glass = tint(rng, (0.5, 0.65), (0.15, 0.4), (0.25, 0.6))
    step_x, step_y = width / columns, (floor - top - 0.03) / rows
    door = int(rng.integers(2)) * (columns - 1)
    shop = rows > 2 and chance(rng, 0.5)
    for row in range(rows):
        for column in range(columns):
            if row == rows - 1 and (shop or column == door):
                continue
            x, y = left + column * step_x, top + 0.03 + row * step_y
            box = (x + 0.22 * step_x, y + 0.12 * step_y, 0.56 * step_x, 0.62 * step_y)
            _window(canvas, rng, *box, wall, glass)
    y = floor - step_y
    if shop:
        front = (left + 0.06 * width, y + 0.3 * step_y, right - 0.06 * width, floor)
        canvas.fill(rect(*front), brighter(glass, 0.8))
        awning = tint(rng, value=(0.5, 0.9))
        for stripe, x in enumerate(np.linspace(left, right, 9)[:-1]):
            band = rect(x, y + 0.1 * step_y, x + width / 8, y + 0.42 * step_y)
            canvas.fill(band, awning if stripe % 2 else (240, 238, 232))
    else:
        x, color = left + door * step_x, tint(rng, value=(0.2, 0.6))
        box = rect(x + 0.2 * step_x, y + 0.1 * step_y, x + 0.8 * step_x, floor)
        canvas.fill(box, color)
    if chance(rng, 0.5):
        canvas.shade(rect(right - 0.25 * width, top, right, floor), 0.25, blur=0.002)


def _roof(canvas, rng, left, right, top):
    """A roof with rows of tiles and the shadow of its edge."""
    color = tint(rng, (0.98, 1.08), (0.2, 0.6), (0.3, 0.6))
    peak, over, width = top - rng.uniform(0.06, 0.16), 0.02, right - left
    inset = width * pick(rng, (0.5, 0.25, 0.12))
    shape = [(left - over, top), (left + inset, peak), (right - inset, peak)]
    shape = np.array([*shape, (right + over, top)])
    canvas.fill(shape, color)
    tiles = [
        rect(left - over, y, right + over, y + 0.004)
        for y in np.linspace(peak, top, 6)[1:]
    ]
    with canvas.clipped(shape):
        canvas.blend(tiles, brighter(color, 0.6), 0.3)
    canvas.shade(rect(left, top, right, top + 0.015), 0.45, blur=0.008)


def _window(canvas, rng, x, y, width, height, wall, glass):
    """A window with a frame, panes and a reflection, lit or with a blind."""
    frame = mix(wall, WHITE, 0.6)
    lit = chance(rng, 0.12)
    pane = np.array((252, 220, 150)) if lit else brighter(glass, rng.uniform(0.6, 1.2))
    edge_x, edge_y = 0.1 * width, 0.08 * height
    outer = rect(x - edge_x, y - edge_y, x + width + edge_x, y + height + edge_y)
    canvas.fill(outer, frame)
    canvas.fill(rect(x, y, x + width, y + height), pane)
    reflection = [(x, y), (x + 0.7 * width, y), (x, y + 0.8 * height)]
    canvas.blend(np.array(reflection), brighter(pane, 1.35), 0.6)
    if chance(rng, 0.3):
        blind = y + rng.uniform(0.2, 0.6) * height
        canvas.fill(rect(x, y, x + width, blind), mix(frame, (214, 204, 184), 0.5))
    bar, middle = 0.06 * width, x + 0.5 * width
    canvas.fill(rect(middle - bar, y, middle + bar, y + height), frame)
    canvas.fill(rect(x, y + 0.4 * height, x + width, y + 0.4 * height + bar), frame)
    canvas.blend(rect(x, y, x + width, y + 0.07 * height), BLACK, 0.35)
