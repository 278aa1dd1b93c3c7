"""What is around a drawn face: the background, the neck and the clothes."""

from __future__ import annotations

import cv2
import numpy as np

from data_pipeline import face_palette
from data_pipeline.face_canvas import Canvas
from data_pipeline.face_geometry import Head, ellipse, ribbon, smooth


def background(traits, rng: np.random.Generator, side: int) -> np.ndarray:
    """uint8 [side, side, 3]; drawn at a fixed size, so the same at every other."""
    t = traits
    near = face_palette.cloth(
        t.background_hue, t.background_saturation, t.background_value
    )
    far = face_palette.cloth(
        t.background_hue + 0.08 * t.background_contrast,
        t.background_saturation * 0.8,
        t.background_value * (1.0 - 0.55 * t.background_contrast),
    )
    coarse = 80  # pixels; backgrounds are out of focus
    cells = 9 if t.background == "clouds" else 4
    share = 0.8 * rng.random((cells, cells)) + np.linspace(0.0, 0.5, cells)[:, None]
    share = cv2.resize(share, (coarse, coarse), interpolation=cv2.INTER_CUBIC)
    share = np.clip(share, 0.0, 1.0)[:, :, None]
    canvas = Canvas((near * (1.0 - share) + far * share).astype(np.uint8))
    if t.background in _PATTERNS:
        _PATTERNS[t.background](canvas, t, rng, near, far)
    image = canvas.image
    sigma = 0.6 + 2.6 * t.background_blur
    image = cv2.GaussianBlur(image, (0, 0), sigma)
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)


def _lights(canvas, traits, rng, near, far):
    """Lamps out of focus."""
    for x, y, size, shade, strength in rng.random((14, 5)):
        color = face_palette.cloth(traits.background_hue + 0.3 * shade, 0.35, 1.0)
        radius = 0.03 + 0.07 * size
        disk = ellipse(1.2 * x - 0.1, 1.2 * y - 0.1, radius, radius)
        canvas.blend(disk, color, 0.15 + 0.5 * strength)


def _leaves(canvas, traits, rng, near, far):
    """Foliage: many small leaves, lighter and darker."""
    for x, y, size, turn, shade in rng.random((46, 5)):
        leaf = ellipse(0.0, 0.0, 0.04 + 0.06 * size, 0.02 + 0.025 * size, 10)
        angle = turn * np.pi
        spin = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        green = face_palette.cloth(0.24 + 0.12 * shade, 0.45, 0.25 + 0.5 * shade)
        canvas.fill(leaf @ spin + (x, y), face_palette.mix(green, near, 0.35))


def _wall(canvas, traits, rng, near, far):
    """Bricks or tiles with joints."""
    rows = 7
    joint = np.clip(near * 0.6 + 70, 0, 255)
    canvas.image[:] = joint
    shades = rng.random((rows, 7))
    for row in range(rows):
        for column in range(7):
            x, y = (column - 0.5 * (row % 2)) / 6, row / rows
            brick = np.array([(x, y), (x + 0.15, y), (x + 0.15, y + 0.12), (x, y + 0.12)])
            canvas.fill(brick, face_palette.mix(near, far, shades[row, column]))


def _stripes(canvas, traits, rng, near, far):
    """A curtain or a paneled wall."""
    count = int(rng.integers(5, 12))
    slant = 0.25 * (rng.random() - 0.5)
    for stripe in range(-1, count + 1):
        x = stripe / count
        band = [(x, 0), (x + 0.5 / count, 0), (x + 0.5 / count + slant, 1), (x + slant, 1)]
        canvas.blend(np.array(band), far, 0.75)


_PATTERNS = {
    "lights": _lights,
    "leaves": _leaves,
    "wall": _wall,
    "stripes": _stripes,
}


def draw_body(canvas: Canvas, head: Head, traits, skin) -> None:
    """Neck, shoulders and clothes, before the head."""
    t = traits
    cloth = face_palette.cloth(t.top_hue, t.top_saturation, t.top_value)
    half = 0.56 * head.width
    shoulders = head.body(
        smooth(
            [(-3.2, 3.6), (-2.3, 2.55), (-1.5, 2.22), (-half - 0.1, 1.86)]
            + [(half + 0.1, 1.86), (1.5, 2.22), (2.3, 2.55), (3.2, 3.6)]
        )
    )
    canvas.fill(shoulders, cloth, role="figure")
    chest = {"crew": 2.16, "vneck": 2.75, "shirt": 2.45, "tie": 2.3, "turtleneck": 1.9}
    low = chest[t.top]
    upper = head.rim([(-half, 0.9, 0.0), (half, 0.9, 0.0)])
    pointed = t.top in ("vneck", "shirt", "tie")
    bend = 0.25 if pointed else 0.75
    lower = head.body(
        [(half + 0.02, 1.72), (half + 0.12, 1.92), (half * bend, 0.4 * 1.9 + 0.6 * low)]
        + [(0.0, low)]
        + [(-half * bend, 0.4 * 1.9 + 0.6 * low), (-half - 0.12, 1.92)]
        + [(-half - 0.02, 1.72)]
    )
    neck = np.concatenate([upper[:1], upper[1:], lower])
    canvas.fill(smooth(neck, steps=4), skin * (0.90, 0.87, 0.86), role="figure")
    _draw_collar(canvas, head, t, cloth, half, low)
    _draw_neck_shadow(canvas, head, t)


def _draw_neck_shadow(canvas, head, traits):
    jaw = head.outline
    down = head.body([(0.0, 0.24)]) - head.body([(0.0, 0.0)])
    sideways = -np.sign(traits.light_azimuth) * 0.10 * head.scale
    canvas.shade(jaw + down + (sideways, 0.0), 0.5, blur=0.018)


def _draw_collar(canvas, head, traits, cloth, half, low):
    t = traits
    dark, pale = cloth * 0.72, np.minimum(cloth * 1.15 + 8, 255)
    if t.top == "turtleneck":
        roll = [(-half - 0.06, 1.55), (0.0, 1.66), (half + 0.06, 1.55)]
        roll += [(half + 0.16, 2.0), (0.0, 2.12), (-half - 0.16, 2.0)]
        canvas.fill(head.body(smooth(roll)), cloth * 0.92, role="figure")
        fold = smooth([(-half - 0.1, 1.98), (0, 2.1), (half + 0.1, 1.98)], closed=False)
        canvas.fill(ribbon(head.body(fold), 0.02 * head.scale), dark)
        return
    if t.top in ("crew", "vneck"):
        reach = 0.25 if t.top == "vneck" else 0.75
        edge = [(-half - 0.13, 1.9), (-half * reach, 0.4 * 1.9 + 0.6 * low), (0, low)]
        edge += [(half * reach, 0.4 * 1.9 + 0.6 * low), (half + 0.13, 1.9)]
        curve = head.body(smooth(edge, closed=False))
        canvas.fill(ribbon(curve, 0.045 * head.scale), dark)
        return
    shirt = face_palette.mix(pale, (250, 250, 250), 0.6)
    if t.top == "tie":
        tie = face_palette.cloth(t.top_hue + 0.45, 0.75, 0.3 + 0.4 * (1 - t.top_value))
        inset = [(-half - 0.1, 1.9), (half + 0.1, 1.9), (0.55, 3.4), (-0.55, 3.4)]
        canvas.fill(head.body(inset), shirt * 0.96)
        blade = [(-0.13, 2.1), (0.13, 2.1), (0.26, 3.4), (-0.26, 3.4)]
        canvas.fill(head.body(blade), tie * 0.85)
        knot = [(-0.19, 1.84), (0.19, 1.84), (0.12, 2.16), (-0.12, 2.16)]
        canvas.fill(head.body(knot), tie)
    for side in (-1, 1):
        flap = [(side * (half + 0.02), 1.62), (side * 0.14, 1.96), (side * 0.42, 2.36)]
        flap += [(side * (half + 0.30), 1.98)]
        points = head.body(flap)
        canvas.shade(points + (0.0, 0.008), 0.3, blur=0.006)
        canvas.fill(points, shirt if t.top == "tie" else pale, role="figure")
