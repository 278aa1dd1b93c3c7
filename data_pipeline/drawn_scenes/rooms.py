"""Drawn rooms: a lamp on a table, things laid out on a cloth, shelves."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix, moved, ribbon, smooth
from data_pipeline.drawn_scenes.nature import landscape
from data_pipeline.drawn_scenes.surfaces import (
    BLACK,
    FLAT,
    WHITE,
    Rng,
    brighter,
    chance,
    defocused,
    field,
    lay,
    mixed,
    pick,
    rect,
    rough,
    tint,
    wood,
)


def _wall(canvas, rng) -> np.ndarray:
    """A painted or papered wall; returns its color."""
    color = tint(rng, saturation=(0.05, 0.4), value=(0.45, 0.95))
    canvas.image = mixed(
        brighter(color, 0.8), brighter(color, 1.05), field(rng, canvas.side, (2, 2), 3)
    )
    if chance(rng, 0.4):
        count, other = int(rng.integers(6, 20)), brighter(color, rng.uniform(0.75, 1.2))
        for left in np.arange(count) / count:
            canvas.blend(rect(left, 0.0, left + 0.45 / count, 1.0), other, 0.7)
    return color


def _table(canvas, rng, top):
    """A table's top or a cloth, from `top` to the bottom of the picture."""
    color = tint(rng, (0.04, 0.12), (0.2, 0.65), (0.3, 0.8))
    if chance(rng, 0.7):
        surface = wood(rng, FLAT, color, int(rng.integers(2, 7)))
    else:
        color = tint(rng, saturation=(0.0, 0.5), value=(0.5, 0.95))
        surface = rough(rng, FLAT, color, 0.06, (40, 40), 2)
    corners = np.array([(-0.05, top), (1.05, top), (1.7, 1.1), (-0.7, 1.1)])
    lay(canvas, surface, corners)
    canvas.blend(rect(-0.05, top, 1.05, top + 0.01), brighter(color, 1.3), 0.5)


def _picture(canvas, rng, left, top, width, height, *, window):
    """A framed picture on the wall, or a window with the landscape behind it."""
    frame = tint(rng, (0.05, 0.12), (0.1, 0.6), (0.2, 0.9))
    right, bottom = left + width, top + height
    canvas.shade(rect(left, top, right + 0.02, bottom + 0.03), 0.35, blur=0.015)
    edge = 0.05 * width
    canvas.fill(rect(left - edge, top - edge, right + edge, bottom + edge), frame)
    view = Canvas(np.zeros((128, 128, 3), np.uint8))
    landscape(view, rng)
    if window:
        defocused(view, 0.012)
        view.image = mixed(view.image, WHITE, np.full((128, 1), 0.25))
    inside = rect(left, top, right, bottom)
    lay(canvas, view.image, inside)
    if window:
        middle, bar = left + width / 2, 0.02 * width
        canvas.fill(rect(middle - bar, top, middle + bar, bottom), frame)
        sill = rect(left - 0.12 * width, bottom, right + 0.12 * width, bottom + 0.03)
        canvas.fill(sill, brighter(frame, 1.2))


def room(canvas: Canvas, rng: Rng) -> None:
    """A lamp on a table before a wall, perhaps with a picture, a window, a plant."""
    light = pick(rng, (-1, 1))
    _wall(canvas, rng)
    top = rng.uniform(0.6, 0.85)
    # What hangs on the wall is on one side, the lamp on the other.
    place = rng.uniform(0.58, 0.8)
    if chance(rng, 0.75):
        width, height = rng.uniform(0.22, 0.36, 2)
        left = rng.uniform(0.06, 0.14)
        bottom = top - rng.uniform(0.12, 0.25)
        window = chance(rng, 0.5)
        _picture(canvas, rng, left, bottom - height, width, height, window=window)
    _table(canvas, rng, top)
    if chance(rng, 0.8):
        lamp(canvas, rng, place, top + 0.05, rng.uniform(0.4, 0.62), light)
    else:
        plant(canvas, rng, place, top + 0.05, rng.uniform(0.35, 0.55), light)
    for x in rng.permutation([0.12, 0.3, 0.46])[: int(rng.integers(1, 4))]:
        _thing(canvas, rng, x, top + rng.uniform(0.04, 0.1), 0.16, light)
    if chance(rng, 0.3):  # mirrored: the lamp is on the left
        canvas.image = np.ascontiguousarray(canvas.image[:, ::-1])


def _thing(canvas, rng, x, y, size, light):
    """Anything that stands on a table."""
    kind = pick(rng, ("ball", "vessel", "vessel", "block", "books", "plant"))
    size = size * rng.uniform(0.7, 1.3)
    color = tint(rng, saturation=(0.1, 0.85), value=(0.3, 0.95))
    if kind == "ball":
        fruit = tint(rng, (-0.02, 0.3), (0.55, 0.9), (0.55, 0.95))
        ball(canvas, x, y, 0.45 * size, fruit, light)
    elif kind == "vessel":
        shape = pick(rng, VESSELS)
        tall = {"bottle": 2.0, "bowl": 0.5, "cup": 0.8}.get(shape, 1.3)
        vessel(canvas, rng, x, y, tall * size, shape, color, light)
    elif kind == "block":
        wide, tall, deep = rng.uniform((0.5, 0.3, 0.1), (1.2, 1.2, 0.4)) * size
        block(canvas, x, y, wide, tall, deep, color, light)
    elif kind == "books":
        books(canvas, rng, x - 0.5 * size, x + 0.6 * size, y, 1.2 * size)
    else:
        plant(canvas, rng, x, y, 1.8 * size, light)


def still_life(canvas: Canvas, rng: Rng) -> None:
    """Fruits, bottles and boxes on a table, the far ones first."""
    light = pick(rng, (-1, 1))
    if chance(rng, 0.5):
        dark = tint(rng, saturation=(0.1, 0.6), value=(0.1, 0.35))
        canvas.image = rough(rng, canvas.side, dark, 0.4, (2, 2), 4)
    else:
        _wall(canvas, rng)
    top = rng.uniform(0.35, 0.6)
    _table(canvas, rng, top)
    count = int(rng.integers(4, 9))
    places = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    depths = np.sort(rng.uniform(0.15, 0.85, count))
    for x, depth in zip(rng.permutation(places), depths):
        y = top + (1.0 - top) * depth
        size = (0.16 + 0.14 * depth) * rng.uniform(0.8, 1.3)
        _thing(canvas, rng, 1.1 * x - 0.05, y, size, light)


def shelf(canvas: Canvas, rng: Rng) -> None:
    """A bookcase: books, boxes and vases on boards."""
    light = pick(rng, (-1, 1))
    color = tint(rng, (0.04, 0.12), (0.1, 0.6), (0.3, 0.85))
    canvas.image = wood(rng, canvas.side, brighter(color, 0.45), 3)
    boards = int(rng.integers(2, 5))
    thick, step = 0.025, 1.0 / boards
    shift = rng.uniform(-0.5, 0.0) * step
    for row in range(boards + 1):
        floor = shift + (row + 1) * step - thick
        height = 0.85 * (step - thick)
        x = rng.uniform(-0.1, 0.0)
        while x < 1.0:
            width = rng.uniform(0.15, 0.5)
            if chance(rng, 0.7):
                books(canvas, rng, x, x + width, floor, height * rng.uniform(0.7, 1.0))
            else:
                _thing(canvas, rng, x + 0.5 * width, floor, 0.5 * height, light)
            x += width + 0.02
        under = rect(-0.05, floor - height - thick, 1.05, floor - 0.75 * height)
        canvas.shade(under, 0.45, blur=0.02)
        board = wood(rng, canvas.side, color, 1)
        canvas.blend(rect(-0.05, floor, 1.05, floor + thick), board)
        canvas.blend(rect(-0.05, floor, 1.05, floor + 0.006), WHITE, 0.25)
    for x in (0.0, rng.uniform(0.35, 0.65)) if chance(rng, 0.5) else ():
        canvas.fill(rect(x - 0.012, -0.1, x + 0.012, 1.1), mix(color, BLACK, 0.15))


def _cast(canvas, x, y, half_width, light):
    """The shadow on the ground, away from the light."""
    shadow = ellipse(x - 0.5 * light * half_width, y, 1.2 * half_width, 0.025)
    canvas.shade(shadow, 0.5, blur=0.012)


def ball(canvas: Canvas, x, y, radius, color, light) -> None:
    """A fruit or a ball."""
    _cast(canvas, x, y, radius, light)
    y = y - 0.92 * radius
    body = ellipse(x, y, radius, 0.95 * radius, 32)
    canvas.fill(body, brighter(color, 0.5))
    with canvas.clipped(body):
        lit = ellipse(
            x + 0.25 * light * radius, y - 0.2 * radius, 0.85 * radius, radius
        )
        canvas.blend(lit, color, blur=0.22 * radius)
        shine = ellipse(
            x + 0.35 * light * radius, y - 0.45 * radius, 0.2 * radius, 0.14 * radius
        )
        canvas.blend(shine, mix(color, WHITE, 0.7), 0.8, blur=0.06 * radius)


# Half width at height, from the foot (0) to the top (1), of what is turned on a lathe.
_PROFILES = {
    "bottle": [(0.30, 0.0), (0.31, 0.05), (0.31, 0.55), (0.11, 0.75), (0.10, 1.0)],
    "vase": [(0.22, 0.0), (0.38, 0.25), (0.42, 0.5), (0.22, 0.82), (0.3, 1.0)],
    "jar": [(0.36, 0.0), (0.4, 0.08), (0.4, 0.75), (0.3, 0.85), (0.32, 1.0)],
    "cup": [(0.3, 0.0), (0.42, 0.15), (0.46, 0.6), (0.48, 1.0)],
    "bowl": [(0.4, 0.0), (0.8, 0.3), (1.0, 0.7), (1.08, 1.0)],
    "pot": [(0.36, 0.0), (0.44, 0.4), (0.52, 0.8), (0.54, 1.0)],
}
VESSELS = tuple(_PROFILES)


def vessel(canvas: Canvas, rng: Rng, x, y, height, kind, color, light) -> None:
    """A bottle, vase, jar, cup, bowl or pot."""
    profile = np.array(_PROFILES[kind])
    profile[:, 0] *= rng.uniform(0.85, 1.15)
    right = smooth(profile, closed=False, steps=4) * (height, -height)
    outline = np.concatenate([right, right[::-1] * (-1.0, 1.0)])
    half = float(right[:, 0].max())
    _cast(canvas, x, y, half, light)
    body = moved(outline, x, y)
    canvas.fill(body, color)
    with canvas.clipped(body):
        dark = moved(right * (0.62, 1.0), x, y)  # from here to the edge away from light
        edge = moved(right * (1.6, 1.0), x, y)
        strip = np.concatenate([dark, edge[::-1]])
        if light > 0:
            strip = strip * (-1.0, 1.0) + (2 * x, 0.0)
        canvas.shade(strip, 0.65, blur=0.22 * half)
        gleam = ribbon(moved(right * (0.5 * light, 1.0), x, y), 0.07 * half)
        canvas.blend(gleam, WHITE, 0.5, blur=0.05 * half)
        if kind in ("bottle", "jar") and chance(rng, 0.7):
            label = rect(x - half, y - 0.42 * height, x + half, y - 0.16 * height)
            canvas.blend(label, (238, 230, 208), 0.85)
            stripe = rect(x - half, y - 0.31 * height, x + half, y - 0.27 * height)
            canvas.blend(stripe, tint(rng), 0.9)
    rim = float(right[-1, 0])
    top = y - height
    canvas.fill(ellipse(x, top, rim, 0.22 * rim), brighter(color, 1.15))
    canvas.fill(ellipse(x, top, 0.85 * rim, 0.16 * rim), brighter(color, 0.4))


def block(canvas: Canvas, x, y, width, height, depth, color, light) -> None:
    """A box: front, top, and the side that is seen."""
    _cast(canvas, x, y, 0.6 * width, light)
    left, right, top = x - width / 2, x + width / 2, y - height
    canvas.fill(rect(left, top, right, y), color)
    roof = [(left, top), (right, top), (right + depth, top - 0.6 * depth)]
    roof.append((left + depth, top - 0.6 * depth))
    canvas.fill(np.array(roof), brighter(color, 1.25))
    side = [(right, y), (right, top), (right + depth, top - 0.6 * depth)]
    side.append((right + depth, y - 0.6 * depth))
    canvas.fill(np.array(side), brighter(color, 0.9 if light > 0 else 0.6))


def books(canvas: Canvas, rng: Rng, left, right, floor, height) -> None:
    """Books in a row, some of them leaning."""
    x = left
    while True:
        thick = rng.uniform(0.12, 0.34) * height
        if x + thick > right:
            return
        tall = height * rng.uniform(0.65, 1.0)
        lean = 0.1 * height if chance(rng, 0.08) else 0.0
        color = tint(rng, saturation=(0.1, 0.8), value=(0.2, 0.85))
        spine = [(0.0, 0.0), (lean, -tall), (lean + thick, -tall), (thick, 0.0)]
        canvas.fill(moved(spine, x, floor), color)
        edge = [(0.82 * thick, 0.0), (lean + 0.82 * thick, -tall), *spine[2:]]
        canvas.blend(moved(edge, x, floor), BLACK, 0.35)
        for share in rng.uniform(0.12, 0.88, int(rng.integers(1, 4))):
            band = [
                (lean * share, -tall * share),
                (lean * share + thick, -tall * share),
            ]
            gold = pick(rng, ((226, 196, 120), (240, 238, 230), (30, 28, 28)))
            canvas.blend(ribbon(moved(band, x, floor), 0.012 * height), gold, 0.8)
        x += thick + lean


def lamp(canvas: Canvas, rng: Rng, x, y, height, light) -> None:
    """A table lamp, lit or not."""
    shade = tint(rng, (0.05, 0.16), (0.05, 0.5), (0.75, 1.0))
    metal = tint(rng, saturation=(0.1, 0.6), value=(0.2, 0.7))
    lit = chance(rng, 0.6)
    if lit:
        glow = ellipse(x, y - 0.75 * height, 0.75 * height, 0.7 * height)
        canvas.blend(glow, (255, 232, 180), 0.5, blur=0.2 * height)
    _cast(canvas, x, y, 0.16 * height, light)
    canvas.fill(ellipse(x, y - 0.02 * height, 0.17 * height, 0.045 * height), metal)
    if chance(rng, 0.5):
        stem = rect(x - 0.015 * height, y - 0.6 * height, x + 0.015 * height, y)
        canvas.fill(stem, brighter(metal, 0.8))
    else:
        vessel(canvas, rng, x, y, 0.5 * height, "vase", metal, light)
    narrow, wide = rng.uniform(0.1, 0.2) * height, rng.uniform(0.24, 0.34) * height
    top, low = y - height, y - 0.52 * height
    cone = np.array(
        [(x - narrow, top), (x + narrow, top), (x + wide, low), (x - wide, low)]
    )
    color = mix(shade, (255, 240, 200), 0.6) if lit else shade
    canvas.fill(cone, color)
    with canvas.clipped(cone):
        strip = rect(x - light * 2 * wide, top, x - light * 0.35 * wide, low)
        canvas.shade(strip, 0.25 if lit else 0.5, blur=0.05 * height)
        if lit:
            bulb = ellipse(x, low - 0.12 * height, 0.5 * wide, 0.16 * height)
            canvas.blend(bulb, (255, 252, 236), 0.9, blur=0.06 * height)
    canvas.fill(ellipse(x, low, wide, 0.05 * wide), brighter(color, 0.75))


def plant(canvas: Canvas, rng: Rng, x, y, height, light) -> None:
    """Leaves that grow out of a pot."""
    pot = tint(rng, (0.0, 0.1), (0.1, 0.6), (0.4, 0.85))
    vessel(canvas, rng, x, y, 0.4 * height, "pot", pot, light)
    green = tint(rng, (0.22, 0.4), (0.3, 0.7), (0.3, 0.65))
    foot = np.array([x, y - 0.4 * height])
    for angle in np.linspace(-1.3, 1.3, int(rng.integers(7, 15))):
        angle += rng.uniform(-0.15, 0.15)
        long = height * rng.uniform(0.4, 0.65)
        tip = foot + long * np.array([np.sin(angle), -np.cos(angle)])
        bend = (foot + tip) / 2 - np.array([0.0, 0.12 * long])
        droop = tip + np.array([0.0, 0.08 * long])
        line = smooth([foot, bend, droop], closed=False)
        width = 0.07 * height * np.sin(np.linspace(0.25, 3.0, len(line)))
        canvas.fill(ribbon(line, width), brighter(green, rng.uniform(0.65, 1.25)))
