"""Drawn rooms: a lamp on a table, things laid out on a cloth, shelves."""

from __future__ import annotations

import numpy as np

from data_pipeline.face_canvas import Canvas
from data_pipeline.face_palette import mix
from data_pipeline.scene_solids import VESSELS, ball, block, books, lamp, plant, vessel
from data_pipeline.scene_surfaces import (
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
from data_pipeline.scene_views import landscape


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
