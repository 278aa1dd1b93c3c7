"""Drawn landscapes: sky, hills, woods and water."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix
from data_pipeline.drawn_scenes.surfaces import (
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


def tree(canvas: Canvas, rng: Rng, x: float, y: float, height: float, color) -> None:
    """A conifer, or a tree with a round crown; its trunk stands at x, y."""
    canvas.shade(ellipse(x, y, 0.35 * height, 0.07 * height), 0.45, blur=0.06 * height)
    trunk, conifer = 0.035 * height, chance(rng, 0.5)
    top = y - (0.2 if conifer else 0.6) * height
    canvas.fill(rect(x - trunk, top, x + trunk, y), (84, 64, 48))
    if conifer:
        for tier in range(4):
            low, wide = y - (0.12 + 0.2 * tier) * height, (0.26 - 0.05 * tier) * height
            tip, left, right = (
                (x, low - 0.36 * height),
                (x - wide, low),
                (x + wide, low),
            )
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
    air = sky(canvas, rng, horizon)
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
                tree(canvas, rng, x, y + 0.3 * size, size, leaf)


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
