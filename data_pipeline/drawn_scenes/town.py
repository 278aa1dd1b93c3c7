"""Drawn streets: houses, walls full of windows, signs with lettering.

No house has two windows over a door in the middle, which is easily taken for a face:
windows stand in rows of three or more, doors aside.
"""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix, moved, ribbon
from data_pipeline.drawn_scenes.nature import foliage, outline, sky, tree
from data_pipeline.drawn_scenes.surfaces import (
    BLACK,
    FLAT,
    WHITE,
    Rng,
    brighter,
    chance,
    defocused,
    lay,
    pick,
    rect,
    rough,
    tint,
)

_LETTERS = "BCDFGHJKLMNPRSTVWXZ0123456789"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def town(canvas: Canvas, rng: Rng) -> None:
    """A street: a skyline, houses before it, a road with lamp posts and trees."""
    floor = rng.uniform(0.72, 0.9)
    air = sky(canvas, rng, floor)
    far = mix(air, (80, 86, 98), 0.4)
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
            _lamp_post(canvas, x, floor + 0.03, rng.uniform(0.3, 0.5))


def _house(canvas, rng, left, right, floor):
    """A front with a roof, rows of windows and a door at one side."""
    wall = tint(rng, (0.0, 0.16), (0.05, 0.45), (0.5, 0.95))
    top, width = floor - rng.uniform(0.28, 0.62), right - left
    surface = rough(rng, canvas.side, wall, 0.1, (9, 9))
    canvas.blend(rect(left, top, right, floor), surface)
    if chance(rng, 0.65):
        _roof(canvas, rng, left, right, top, brighter(wall, 0.6))
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
            x, y = left + column * step_x, top + 0.03 + row * step_y
            if row == rows - 1 and (shop or column == door):
                continue
            box = (x + 0.22 * step_x, y + 0.12 * step_y)
            window(canvas, rng, *box, 0.56 * step_x, 0.62 * step_y, wall, glass)
    y = floor - step_y
    if shop:
        front = (left + 0.06 * width, y + 0.3 * step_y, right - 0.06 * width, floor)
        canvas.fill(rect(*front), brighter(glass, 0.8))
        awning = tint(rng, value=(0.5, 0.9))
        for stripe, x in enumerate(np.linspace(left, right, 9)[:-1]):
            color = awning if stripe % 2 else (240, 238, 232)
            band = rect(x, y + 0.1 * step_y, x + width / 8, y + 0.42 * step_y)
            canvas.fill(band, color)
    else:
        x, color = left + door * step_x, tint(rng, value=(0.2, 0.6))
        canvas.fill(
            rect(x + 0.2 * step_x, y + 0.1 * step_y, x + 0.8 * step_x, floor), color
        )
    if chance(rng, 0.5):
        canvas.shade(rect(right - 0.25 * width, top, right, floor), 0.25, blur=0.002)


def _roof(canvas, rng, left, right, top, chimney):
    """A roof with rows of tiles, perhaps a chimney, and the shadow of its edge."""
    color = tint(rng, (0.98, 1.08), (0.2, 0.6), (0.3, 0.6))
    peak, over, width = top - rng.uniform(0.06, 0.16), 0.02, right - left
    inset = width * pick(rng, (0.5, 0.25, 0.12))
    if chance(rng, 0.6):
        x = rng.uniform(left + 0.3 * width, right - 0.2 * width)
        canvas.fill(rect(x, peak - 0.05, x + 0.04, top), chimney)
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


def window(canvas: Canvas, rng: Rng, x, y, width, height, wall, glass) -> None:
    """A window with a frame, panes and something of what it mirrors."""
    frame = mix(wall, WHITE, 0.6)
    lit = chance(rng, 0.12)
    pane = np.array((252, 220, 150)) if lit else brighter(glass, rng.uniform(0.6, 1.2))
    canvas.fill(
        rect(x - 0.1 * width, y - 0.07 * height, x + 1.1 * width, y + 1.09 * height),
        frame,
    )
    canvas.fill(rect(x, y, x + width, y + height), pane)
    mirrored = [(x, y), (x + 0.7 * width, y), (x, y + 0.8 * height)]
    canvas.blend(np.array(mirrored), brighter(pane, 1.35), 0.6)
    if chance(rng, 0.3):
        blind = y + rng.uniform(0.2, 0.6) * height
        canvas.fill(rect(x, y, x + width, blind), mix(frame, (214, 204, 184), 0.5))
    bar = 0.06 * width
    middle = x + 0.5 * width
    canvas.fill(rect(middle - bar, y, middle + bar, y + height), frame)
    canvas.fill(rect(x, y + 0.4 * height, x + width, y + 0.4 * height + bar), frame)
    canvas.blend(rect(x, y, x + width, y + 0.07 * height), BLACK, 0.35)


def _lamp_post(canvas, x, y, height):
    iron = (46, 50, 54)
    canvas.shade(ellipse(x, y, 0.05, 0.01), 0.5, blur=0.008)
    canvas.fill(rect(x - 0.006, y - height, x + 0.006, y), iron)
    arm = np.array([(x, y - height), (x + 0.05, y - height - 0.03)])
    canvas.fill(ribbon(arm, 0.004), iron)
    head = [(-0.02, 0.0), (0.02, 0.0), (0.028, 0.018), (-0.028, 0.018)]
    canvas.fill(moved(head, x + 0.06, y - height - 0.04), (236, 226, 190))


def facade(canvas: Canvas, rng: Rng) -> None:
    """One large building in perspective, its front full of windows or balconies."""
    wall = tint(rng, (0.0, 0.16), (0.03, 0.35), (0.4, 0.9))
    flat = Canvas(rough(rng, FLAT, wall, 0.08, (10, 10)))
    columns, rows = (int(count) for count in rng.integers(3, 8, 2))
    wide, tall = rng.uniform(0.35, 0.8), rng.uniform(0.45, 0.8)
    glass = tint(rng, (0.48, 0.65), (0.1, 0.5), (0.2, 0.7))
    balconies = chance(rng, 0.35)
    for row in range(rows):
        y, ledge = (row + 0.5 - 0.5 * tall) / rows, (row + 0.98) / rows
        if chance(rng, 0.7):
            band = rect(0.0, ledge - 0.008, 1.0, ledge + 0.004)
            flat.fill(band, brighter(wall, 0.75))
        for column in range(columns):
            x = (column + 0.5 - 0.5 * wide) / columns
            window(flat, rng, x, y, wide / columns, tall / rows, wall, glass)
            if balconies:
                _balcony(flat, x, y + tall / rows, wide / columns, 0.3 / rows, wall)
    sky(canvas, rng, 0.8)
    turn = rng.uniform(-0.35, 0.35)
    near, far = 0.1 + max(turn, 0), 0.1 - min(turn, 0)
    left, right = rng.uniform(-0.3, 0.12), rng.uniform(0.88, 1.3)
    top = rng.uniform(-0.2, 0.12)
    corners = [(left, top - near), (right, top - far)]
    corners += [(right, 1.05 + far), (left, 1.05 + near)]
    lay(canvas, flat.image, np.array(corners))


def _balcony(flat, x, y, width, height, wall):
    """A slab, its shadow, and a railing."""
    out = 0.15 * width
    flat.shade(rect(x - out, y, x + width + out, y + 0.5 * height), 0.5, blur=0.006)
    for bar in np.linspace(x - out, x + width + out, 8):
        flat.fill(rect(bar - 0.0015, y - height, bar + 0.0015, y), (58, 60, 64))
    rail = rect(x - out, y - height, x + width + out, y - 0.9 * height)
    flat.fill(rail, (58, 60, 64))
    slab = rect(x - out, y, x + width + out, y + 0.18 * height)
    flat.fill(slab, brighter(wall, 1.15))


def sign(canvas: Canvas, rng: Rng) -> None:
    """A plate, a poster or a page with lettering, before something out of focus."""
    background = pick(rng, (foliage, sky_alone, facade))
    background(canvas, rng)
    defocused(canvas, rng.uniform(0.01, 0.03))
    plate = tint(rng, saturation=(0.0, 0.9), value=(0.35, 1.0))
    ink = np.array((28, 28, 30) if plate @ (0.3, 0.6, 0.1) > 120 else (244, 244, 240))
    flat = Canvas(rough(rng, FLAT, plate, 0.04))
    margin = rng.uniform(0.03, 0.07)
    edge = rect(margin, margin, 1 - margin, 1 - margin)
    flat.fill([edge, (edge - 0.5) * 0.965 + 0.5], ink)
    lines = int(rng.integers(1, 4)) if chance(rng, 0.6) else int(rng.integers(6, 15))
    font, height = pick(rng, _FONTS), 0.78 / lines
    for line in range(lines):
        letters = int(np.clip(rng.uniform(0.8, 1.25) / height, 2, 24))
        text = "".join(pick(rng, _LETTERS) for _ in range(letters))
        if lines > 4:  # a page of words
            text = " ".join(text[start : start + 5] for start in range(0, letters, 5))
        scale = min(height * FLAT / 34, 0.78 * FLAT / (19 * len(text)))
        y = int(FLAT * (0.1 + height * (line + 0.72)))
        place, thick = (int(FLAT * 0.12), y), max(round(2.0 * scale), 1)
        cv2.putText(
            flat.image, text, place, font, scale, ink.tolist(), thick, cv2.LINE_AA
        )
    wide, tall = rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.42)
    middle = rng.uniform(0.38, 0.62, 2)
    corners = rect(-wide, -tall, wide, tall) + middle + rng.uniform(-0.06, 0.06, (4, 2))
    if chance(rng, 0.6):
        x = middle[0]
        canvas.fill(rect(x - 0.02, middle[1], x + 0.02, 1.1), (112, 114, 116))
    canvas.shade(moved(corners, 0.015, 0.02), 0.4, blur=0.015)
    lay(canvas, flat.image, corners)


def sky_alone(canvas: Canvas, rng: Rng) -> None:
    """A sky with a distant skyline, for what stands before it."""
    air = sky(canvas, rng, 1.0)
    canvas.fill(outline(rng, 0.9, 0.2, 6, 1.05), mix(air, (70, 80, 90), 0.5))
