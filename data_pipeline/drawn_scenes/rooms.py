"""Drawn rooms: things on a table before a wall."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix, moved, ribbon, smooth
from data_pipeline.drawn_scenes.outdoors import landscape
from data_pipeline.drawn_scenes.surfaces import (
    BLACK,
    FLAT,
    WHITE,
    Rng,
    brighter,
    chance,
    field,
    lay,
    mixed,
    pick,
    rect,
    rough,
    tint,
    wood,
)


def room(canvas: Canvas, rng: Rng) -> None:
    """A table with things on it, perhaps a lamp, and a picture or a window behind."""
    light = pick(rng, (-1, 1))  # the side it comes from
    _wall(canvas, rng)
    top = rng.uniform(0.4, 0.8)
    if chance(rng, 0.75):
        _picture(canvas, rng, top)
    _table(canvas, rng, top)
    if chance(rng, 0.5):
        place, height = rng.uniform(0.58, 0.8), rng.uniform(0.4, 0.62)
        _lamp(canvas, rng, place, top + 0.05, height, light)
    count = int(rng.integers(2, 8))
    places = (np.arange(count) + rng.uniform(0.1, 0.9, count)) / count
    depths = np.sort(rng.uniform(0.15, 0.85, count))  # the far ones first
    for x, depth in zip(rng.permutation(places), depths):
        y = top + (1.0 - top) * depth
        size = (0.14 + 0.14 * depth) * rng.uniform(0.7, 1.3)
        _thing(canvas, rng, 1.1 * x - 0.05, y, size, light)
    if chance(rng, 0.5):  # mirrored: the lamp is on the left
        canvas.image = np.ascontiguousarray(canvas.image[:, ::-1])


def _wall(canvas, rng):
    """A painted wall, perhaps with stripes."""
    color = tint(rng, saturation=(0.05, 0.4), value=(0.2, 0.95))
    canvas.image = mixed(
        brighter(color, 0.8), brighter(color, 1.05), field(rng, canvas.side, (2, 2), 3)
    )
    if chance(rng, 0.4):
        count, other = int(rng.integers(6, 20)), brighter(color, rng.uniform(0.75, 1.2))
        for left in np.arange(count) / count:
            canvas.blend(rect(left, 0.0, left + 0.45 / count, 1.0), other, 0.7)


def _table(canvas, rng, top):
    """A table's top, of wood or under a cloth, from `top` downwards."""
    color = tint(rng, (0.04, 0.12), (0.2, 0.65), (0.3, 0.8))
    if chance(rng, 0.7):
        surface = wood(rng, FLAT, color, int(rng.integers(2, 7)))
    else:
        color = tint(rng, saturation=(0.0, 0.5), value=(0.5, 0.95))
        surface = rough(rng, FLAT, color, 0.06, (40, 40), 2)
    corners = np.array([(-0.05, top), (1.05, top), (1.7, 1.1), (-0.7, 1.1)])
    lay(canvas, surface, corners)
    canvas.blend(rect(-0.05, top, 1.05, top + 0.01), brighter(color, 1.3), 0.5)


def _picture(canvas, rng, floor):
    """A framed landscape on the wall, or a window with one behind it."""
    width, height = rng.uniform(0.22, 0.36, 2)
    left, top = rng.uniform(0.06, 0.14), floor - rng.uniform(0.12, 0.2) - height
    right, bottom, edge = left + width, top + height, 0.05 * width
    frame = tint(rng, (0.05, 0.12), (0.1, 0.6), (0.2, 0.9))
    canvas.shade(rect(left, top, right + 0.02, bottom + 0.03), 0.35, blur=0.015)
    canvas.fill(rect(left - edge, top - edge, right + edge, bottom + edge), frame)
    view = Canvas(np.zeros((128, 128, 3), np.uint8))
    landscape(view, rng)
    lay(canvas, view.image, rect(left, top, right, bottom))
    if chance(rng, 0.5):
        middle, bar = left + width / 2, 0.02 * width
        canvas.fill(rect(middle - bar, top, middle + bar, bottom), frame)
        sill = rect(left - 0.12 * width, bottom, right + 0.12 * width, bottom + 0.03)
        canvas.fill(sill, brighter(frame, 1.2))


def _thing(canvas, rng, x, y, size, light):
    """A ball, a vessel, a box, books or a plant that stands at x, y."""
    kind = pick(rng, ("ball", "vessel", "vessel", "box", "books", "plant"))
    color = tint(rng, saturation=(0.1, 0.85), value=(0.3, 0.95))
    if kind == "ball":
        _ball(canvas, x, y, 0.45 * size, color, light)
    elif kind == "vessel":
        shape = pick(rng, tuple(_PROFILES))
        tall = {"bottle": 2.0, "bowl": 0.5, "cup": 0.8}.get(shape, 1.3)
        _vessel(canvas, rng, x, y, tall * size, shape, color, light)
    elif kind == "box":
        width, height, depth = rng.uniform((0.5, 0.3, 0.1), (1.2, 1.2, 0.4)) * size
        _box(canvas, x, y, width, height, depth, color, light)
    elif kind == "books":
        _books(canvas, rng, x - 0.5 * size, x + 0.6 * size, y, 1.2 * size)
    else:
        _plant(canvas, rng, x, y, 1.8 * size, light)


def _cast(canvas, x, y, half_width, light):
    """The shadow on the ground, away from the light."""
    shadow = ellipse(x - 0.5 * light * half_width, y, 1.2 * half_width, 0.025)
    canvas.shade(shadow, 0.5, blur=0.012)


def _ball(canvas, x, y, radius, color, light):
    _cast(canvas, x, y, radius, light)
    y = y - 0.92 * radius
    body = ellipse(x, y, radius, 0.95 * radius, 32)
    canvas.fill(body, brighter(color, 0.5))
    toward = x + 0.3 * light * radius
    with canvas.clipped(body):
        lit = ellipse(toward, y - 0.2 * radius, 0.85 * radius, radius)
        canvas.blend(lit, color, blur=0.22 * radius)
        shine = ellipse(toward, y - 0.45 * radius, 0.2 * radius, 0.14 * radius)
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


def _vessel(canvas, rng, x, y, height, kind, color, light):
    profile = np.array(_PROFILES[kind])
    profile[:, 0] *= rng.uniform(0.85, 1.15)
    right = smooth(profile, closed=False, steps=4) * (height, -height)
    half, rim, top = float(right[:, 0].max()), float(right[-1, 0]), y - height
    _cast(canvas, x, y, half, light)
    body = moved(np.concatenate([right, right[::-1] * (-1.0, 1.0)]), x, y)
    canvas.fill(body, color)
    with canvas.clipped(body):
        # The side away from the light.
        dark = np.concatenate([right * (0.62, 1.0), right[::-1] * (1.6, 1.0)])
        canvas.shade(moved(dark * (-light, 1.0), x, y), 0.65, blur=0.22 * half)
        gleam = ribbon(moved(right * (0.5 * light, 1.0), x, y), 0.07 * half)
        canvas.blend(gleam, WHITE, 0.5, blur=0.05 * half)
        if kind in ("bottle", "jar") and chance(rng, 0.7):
            label = rect(x - half, y - 0.42 * height, x + half, y - 0.16 * height)
            canvas.blend(label, (238, 230, 208), 0.85)
    canvas.fill(ellipse(x, top, rim, 0.22 * rim), brighter(color, 1.15))
    canvas.fill(ellipse(x, top, 0.85 * rim, 0.16 * rim), brighter(color, 0.4))


def _box(canvas, x, y, width, height, depth, color, light):
    """Front, top, and the side that is seen."""
    _cast(canvas, x, y, 0.6 * width, light)
    left, right, top, up = x - width / 2, x + width / 2, y - height, 0.6 * depth
    canvas.fill(rect(left, top, right, y), color)
    back = [(right + depth, top - up), (left + depth, top - up)]
    canvas.fill(np.array([(left, top), (right, top), *back]), brighter(color, 1.25))
    side = [(right, y), (right, top), back[0], (right + depth, y - up)]
    canvas.fill(np.array(side), brighter(color, 0.9 if light > 0 else 0.6))


def _books(canvas, rng, left, right, floor, height):
    """Books in a row."""
    x = left
    while True:
        thick = rng.uniform(0.12, 0.34) * height
        if x + thick > right:
            return
        top = floor - height * rng.uniform(0.65, 1.0)
        color = tint(rng, saturation=(0.1, 0.8), value=(0.2, 0.85))
        canvas.fill(rect(x, top, x + thick, floor), color)
        canvas.blend(rect(x + 0.82 * thick, top, x + thick, floor), BLACK, 0.35)
        for share in rng.uniform(0.12, 0.88, int(rng.integers(1, 4))):
            y = floor + (top - floor) * share
            gold = pick(rng, ((226, 196, 120), (240, 238, 230), (30, 28, 28)))
            canvas.blend(rect(x, y, x + thick, y + 0.024 * height), gold, 0.8)
        x += thick


def _lamp(canvas, rng, x, y, height, light):
    """A table lamp, lit or not."""
    color = tint(rng, (0.05, 0.16), (0.05, 0.5), (0.75, 1.0))
    metal = tint(rng, saturation=(0.1, 0.6), value=(0.2, 0.7))
    lit = chance(rng, 0.6)
    if lit:
        color = mix(color, (255, 240, 200), 0.6)
        glow = ellipse(x, y - 0.75 * height, 0.75 * height, 0.7 * height)
        canvas.blend(glow, (255, 232, 180), 0.5, blur=0.2 * height)
    _vessel(canvas, rng, x, y, 0.53 * height, "vase", metal, light)
    narrow, wide = rng.uniform(0.1, 0.2) * height, rng.uniform(0.24, 0.34) * height
    top, low = y - height, y - 0.52 * height
    cone = [(x - narrow, top), (x + narrow, top), (x + wide, low), (x - wide, low)]
    cone = np.array(cone)
    canvas.fill(cone, color)
    with canvas.clipped(cone):
        strip = rect(x - light * 2 * wide, top, x - light * 0.35 * wide, low)
        canvas.shade(strip, 0.25 if lit else 0.5, blur=0.05 * height)
    canvas.fill(ellipse(x, low, wide, 0.05 * wide), brighter(color, 0.75))


def _plant(canvas, rng, x, y, height, light):
    """Leaves that grow out of a pot."""
    pot = tint(rng, (0.0, 0.1), (0.1, 0.6), (0.4, 0.85))
    _vessel(canvas, rng, x, y, 0.4 * height, "pot", pot, light)
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
