"""Drawn views to the horizon: sky, hills, sea."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix, moved, ribbon, smooth
from data_pipeline.drawn_scenes.surfaces import (
    WHITE,
    Rng,
    brighter,
    chance,
    defocused,
    field,
    mixed,
    pick,
    ramp,
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


def sky(canvas: Canvas, rng: Rng, horizon: float) -> np.ndarray:
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


def outline(
    rng: Rng, base: float, height: float, knots: int, bottom: float
) -> np.ndarray:
    """A rugged line across the picture and everything below it down to `bottom`."""
    x = np.linspace(-0.05, 1.05, 65)
    y = np.full_like(x, base)
    for octave in range(4):
        at = np.linspace(-0.05, 1.05, (knots << octave) + 1)
        steps = rng.random(len(at))
        y -= height * 0.5**octave * (np.interp(x, at, steps) - 0.4)
    return np.concatenate([np.stack([x, y], 1), [(1.05, bottom), (-0.05, bottom)]])


def tree(canvas: Canvas, rng: Rng, x: float, y: float, height: float, color) -> None:
    """A conifer, or a tree with a round crown, whose trunk stands at x, y."""
    canvas.shade(ellipse(x, y, 0.35 * height, 0.07 * height), 0.45, blur=0.06 * height)
    trunk = 0.035 * height
    bark = (84, 64, 48)
    if chance(rng, 0.5):
        canvas.fill(rect(x - trunk, y - 0.2 * height, x + trunk, y), bark)
        for tier in range(4):
            low, wide = y - (0.12 + 0.2 * tier) * height, (0.26 - 0.05 * tier) * height
            tip = (x, low - 0.36 * height)
            left, right = (x - wide, low), (x + wide, low)
            canvas.fill(np.array([left, tip, right]), color)
            dark = np.array([(x, low), tip, right])
            canvas.blend(dark, brighter(color, 0.6), 0.6)
        return
    canvas.fill(rect(x - trunk, y - 0.6 * height, x + trunk, y), bark)
    for part in range(9):
        across, up = rng.uniform(-0.24, 0.24), rng.uniform(0.42, 0.85)
        size = rng.uniform(0.12, 0.2) * height
        light = 0.65 + 0.5 * up - 0.5 * across + 0.05 * part
        crown = ellipse(x + across * height, y - up * height, size, size, 12)
        canvas.fill(crown, brighter(color, light))


def landscape(canvas: Canvas, rng: Rng) -> None:
    """Hills behind each other, with woods, fields, perhaps a lake or a road."""
    horizon = rng.uniform(0.3, 0.65)
    air = sky(canvas, rng, horizon)
    hue = rng.uniform(0.06, 0.36)
    lake = chance(rng, 0.3)
    ridges = int(rng.integers(3, 7))
    steep = rng.uniform(0.05, 0.25)
    for number in range(ridges):
        near = number / (ridges - 1)
        base = horizon + (0.95 - horizon) * near**1.4
        color = tint(rng, (hue - 0.04, hue + 0.04), (0.2, 0.6), (0.3, 0.7))
        color = mix(air, color, 0.25 + 0.75 * near)
        ridge = outline(rng, base, steep * (1.1 - near), int(rng.integers(2, 5)), 1.05)
        surface = rough(rng, canvas.side, color, 0.08 + 0.25 * near, (8, 4))
        canvas.blend(ridge, surface)
        if number == 0 and lake:
            _lake(canvas, rng, horizon)
        if number and chance(rng, 0.6):
            leaf = mix(air, brighter(color, 0.6), 0.4 + 0.6 * near)
            size = 0.05 + rng.uniform(0.1, 0.22) * near
            for x in np.sort(rng.uniform(-0.05, 1.05, int(rng.integers(2, 9)))):
                y = float(np.interp(x, ridge[:-2, 0], ridge[:-2, 1]))
                tree(canvas, rng, x, y + 0.3 * size, size, leaf)
    if chance(rng, 0.3):
        _road(canvas, rng, horizon)


def _lake(canvas, rng, horizon):
    """Still water that mirrors what stands behind it."""
    top = min(horizon + 0.05, 0.8)
    water = mixed(canvas.image[::-1], (70, 96, 116), np.full([canvas.side, 1], 0.35))
    shift = int((2 * top - 1) * canvas.side)
    canvas.blend(rect(-0.05, top, 1.05, 1.05), np.roll(water, shift, axis=0))
    _waves(canvas, rng, top, 1.0, (200, 212, 220), 25)


def _waves(canvas, rng, top, bottom, color, count):
    """Streaks that get longer and thicker towards the viewer."""
    for x, depth, long, strong in rng.random((count, 4)):
        y = top + (bottom - top) * depth**1.6
        wide = (0.02 + 0.12 * long) * (0.3 + depth)
        streak = ellipse(1.2 * x - 0.1, y, wide, 0.002 + 0.008 * depth, 10)
        canvas.blend(streak, color, 0.15 + 0.4 * strong)


def _road(canvas, rng, horizon):
    """A road that winds towards the horizon."""
    x = np.linspace(rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.9), 5)
    x[1:-1] += rng.uniform(-0.12, 0.12, 3)
    y = np.linspace(1.08, horizon + 0.12, 5)
    middle = smooth(np.stack([x, y], 1), closed=False)
    depth = (middle[:, 1] - horizon) / (1.08 - horizon)
    gray = pick(rng, ((126, 120, 112), (168, 148, 120), (96, 98, 102)))
    canvas.blend(ribbon(middle, 0.13 * depth**1.5), gray, blur=0.003)
    for start in range(0, len(middle) - 2, 4):
        mark = ribbon(middle[start : start + 3], 0.006 * depth[start] ** 1.5)
        canvas.blend(mark, (226, 224, 214), 0.8)


def sea(canvas: Canvas, rng: Rng) -> None:
    """Water to the horizon, with boats, and a beach or rocks in front."""
    horizon = rng.uniform(0.3, 0.6)
    air = sky(canvas, rng, horizon)
    far = mix(air, tint(rng, (0.5, 0.62), (0.3, 0.7), (0.4, 0.7)), 0.55)
    near = tint(rng, (0.46, 0.6), (0.4, 0.8), (0.25, 0.55))
    share = np.clip((np.linspace(0, 1, canvas.side) - horizon) / 0.5, 0, 1)[:, None]
    share = 0.7 * share + 0.3 * field(rng, canvas.side, (24, 3), octaves=3)
    canvas.blend(rect(-0.05, horizon, 1.05, 1.05), mixed(far, near, share))
    if chance(rng, 0.4):
        coast = outline(rng, horizon, 0.08, 3, horizon)
        canvas.fill(coast, mix(air, (70, 84, 78), 0.5))
    _waves(canvas, rng, horizon + 0.01, 1.0, mix(near, WHITE, 0.6), 55)
    for _ in range(int(rng.integers(0, 4))):
        depth = rng.uniform(0.05, 0.5)
        y = horizon + (0.9 - horizon) * depth
        _boat(canvas, rng, rng.uniform(0.08, 0.92), y, 0.06 + 0.3 * depth)
    if chance(rng, 0.5):
        shore = outline(rng, rng.uniform(0.82, 0.95), 0.12, 2, 1.05)
        canvas.blend(moved(shore, 0.0, -0.02), (236, 240, 238), 0.75, blur=0.008)
        sand = tint(rng, (0.08, 0.13), (0.2, 0.4), (0.6, 0.85))
        canvas.blend(shore, rough(rng, canvas.side, sand, 0.15, (30, 30), 2))
    if chance(rng, 0.35):
        for x, y, size in rng.random((4, 3)):
            stone(canvas, rng, x, 0.85 + 0.15 * y, 0.05 + 0.1 * size, (92, 88, 84))


def _boat(canvas, rng, x, y, size):
    """A hull with a mast and one or two sails."""
    hull = tint(rng, value=(0.3, 0.9))
    canvas.shade(ellipse(x, y + 0.02 * size, 0.5 * size, 0.06 * size), 0.4, blur=0.01)
    sides = [(-0.5, -0.14), (0.55, -0.16), (0.36, 0.02), (-0.38, 0.02)]
    canvas.fill(moved(size * np.array(sides), x, y), hull)
    canvas.fill(rect(x - 0.012 * size, y - size, x + 0.012 * size, y), (86, 66, 50))
    color = pick(rng, ((244, 240, 230), (206, 74, 58), (232, 196, 110)))
    sails = [[(0.03, -0.98), (0.46, -0.24), (0.03, -0.24)]]
    if chance(rng, 0.6):
        sails.append([(-0.03, -0.85), (-0.36, -0.22), (-0.03, -0.22)])
    for number, sail in enumerate(sails):
        points = moved(size * np.array(sail), x, y)
        canvas.fill(points, brighter(color, 1.0 - 0.18 * number))


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
