"""Drawn landscapes and streets.

No house has two windows over a door in the middle, which is easily taken for a face:
windows stand in rows of three or more, doors aside.
"""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix
from data_pipeline.drawn_scenes.surfaces import (
    BLACK,
    WHITE,
    Rng,
    brighter,
    chance,
    field,
    mixed,
    pick,
    rect,
    rough,
    tint,
)

# Zenith, horizon, light on the clouds.
_SKIES = (
    ((74, 124, 190), (196, 216, 232), (250, 250, 250)),
    ((104, 150, 204), (226, 232, 236), (255, 252, 246)),
    ((148, 154, 163), (208, 210, 212), (226, 227, 228)),
    ((112, 122, 136), (176, 180, 186), (150, 155, 164)),
    ((72, 70, 116), (238, 164, 110), (250, 190, 150)),
    ((128, 144, 188), (250, 214, 190), (255, 226, 206)),
)


def _sky(canvas: Canvas, rng: Rng, horizon: float) -> np.ndarray:
    """Paints a sky over the whole picture; returns its color at the horizon."""
    zenith, low, bright = (np.array(color, float) for color in pick(rng, _SKIES))
    down = np.clip(np.linspace(0, 1, canvas.side) / horizon, 0, 1)[:, None]
    picture = mixed(zenith, low, down)
    if chance(rng, 0.75):
        cells = (int(rng.integers(4, 8)), int(rng.integers(2, 4)))
        clouds = field(rng, canvas.side, cells, octaves=5)
        clouds = np.clip((clouds - rng.uniform(0.35, 0.7)) * 3.0, 0, 1)
        shade = field(rng, canvas.side, (6, 3), octaves=3)
        colors = mixed(brighter(bright, 0.82), bright, shade)
        picture = mixed(picture, colors, clouds * (1.0 - 0.6 * down))
    canvas.image = picture
    if chance(rng, 0.25):
        x, y = rng.uniform(0.1, 0.9), rng.uniform(0.05, 0.8) * horizon
        canvas.blend(ellipse(x, y, 0.12, 0.12), bright, 0.5, blur=0.06)
        canvas.fill(ellipse(x, y, 0.035, 0.035), mix(bright, WHITE, 0.7))
    return low


def _tree(canvas: Canvas, rng: Rng, x: float, y: float, height: float, color) -> None:
    """A conifer, or a tree with a round crown; its trunk stands at x, y."""
    canvas.shade(ellipse(x, y, 0.35 * height, 0.07 * height), 0.45, blur=0.06 * height)
    trunk, conifer = 0.035 * height, chance(rng, 0.5)
    top = y - (0.2 if conifer else 0.6) * height
    canvas.fill(rect(x - trunk, top, x + trunk, y), (84, 64, 48))
    if conifer:
        for tier in range(4):
            low, wide = y - (0.12 + 0.2 * tier) * height, (0.26 - 0.05 * tier) * height
            tip = (x, low - 0.36 * height)
            left, right = (x - wide, low), (x + wide, low)
            canvas.fill(np.array([left, tip, right]), color)
            canvas.blend(np.array([(x, low), tip, right]), brighter(color, 0.6), 0.6)
        return
    for part in range(9):
        across, up = rng.uniform(-0.24, 0.24), rng.uniform(0.42, 0.85)
        size = rng.uniform(0.12, 0.2) * height
        light = 0.65 + 0.5 * up - 0.5 * across + 0.05 * part
        crown = ellipse(x + across * height, y - up * height, size, size, 12)
        canvas.fill(crown, brighter(color, light))


def landscape(canvas: Canvas, rng: Rng) -> None:
    """Hills behind each other, with woods and meadows, perhaps at a lake."""
    horizon = rng.uniform(0.3, 0.65)
    air = _sky(canvas, rng, horizon)
    hue, lake = rng.uniform(0.06, 0.36), chance(rng, 0.4)
    ridges, steep = int(rng.integers(3, 7)), rng.uniform(0.05, 0.25)
    for number in range(ridges):
        near = number / (ridges - 1)
        base = horizon + (0.95 - horizon) * near**1.4
        color = tint(rng, (hue - 0.04, hue + 0.04), (0.2, 0.6), (0.3, 0.7))
        color = mix(air, color, 0.25 + 0.75 * near)
        ridge = _ridge(rng, base, steep * (1.1 - near), int(rng.integers(2, 5)))
        surface = rough(rng, canvas.side, color, 0.08 + 0.25 * near, (8, 4))
        canvas.blend(ridge, surface)
        if number == 0 and lake:
            _lake(canvas, rng, min(horizon + 0.05, 0.8))
        if number and chance(rng, 0.6):
            leaf = mix(air, brighter(color, 0.6), 0.4 + 0.6 * near)
            size = 0.05 + rng.uniform(0.1, 0.22) * near
            for x in np.sort(rng.uniform(-0.05, 1.05, int(rng.integers(2, 9)))):
                y = float(np.interp(x, ridge[:-2, 0], ridge[:-2, 1]))
                _tree(canvas, rng, x, y + 0.3 * size, size, leaf)


def _ridge(rng, base, height, knots):
    """A rugged line across the picture, and everything below it."""
    x = np.linspace(-0.05, 1.05, 65)
    y = np.full_like(x, base)
    for octave in range(4):
        at = np.linspace(-0.05, 1.05, (knots << octave) + 1)
        steps = rng.random(len(at))
        y -= height * 0.5**octave * (np.interp(x, at, steps) - 0.4)
    return np.concatenate([np.stack([x, y], 1), [(1.05, 1.05), (-0.05, 1.05)]])


def _lake(canvas, rng, top):
    """Water with the mirror image of what stands behind it, and waves."""
    water = mixed(canvas.image[::-1], (70, 96, 116), np.full([canvas.side, 1], 0.35))
    shift = int((2 * top - 1) * canvas.side)
    canvas.blend(rect(-0.05, top, 1.05, 1.05), np.roll(water, shift, axis=0))
    # Longer and thicker towards the viewer.
    for x, depth, long, strong in rng.random((25, 4)):
        y = top + (1.0 - top) * depth**1.6
        wide = (0.02 + 0.12 * long) * (0.3 + depth)
        wave = ellipse(1.2 * x - 0.1, y, wide, 0.002 + 0.008 * depth, 10)
        canvas.blend(wave, (200, 212, 220), 0.15 + 0.4 * strong)


def town(canvas: Canvas, rng: Rng) -> None:
    """A skyline, houses before it, and a road with trees and lamp posts."""
    floor = rng.uniform(0.72, 0.9)
    far = mix(_sky(canvas, rng, floor), (80, 86, 98), 0.4)
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
            _tree(canvas, rng, x, floor + 0.03, rng.uniform(0.2, 0.45), leaf)
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
    rows = np.linspace(peak, top, 6)[1:]
    tiles = [rect(left - over, y, right + over, y + 0.004) for y in rows]
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
