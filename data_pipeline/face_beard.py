"""Stubble, beards and mustaches of drawn faces."""

from __future__ import annotations

import numpy as np

from data_pipeline.face_canvas import Canvas
from data_pipeline.face_features import Layout
from data_pipeline.face_geometry import Head, moved, smooth


def draw_beard(canvas: Canvas, head: Head, traits, layout: Layout, layer, skin) -> None:
    """Stubble, goatee or full beard, before the mouth."""
    t = traits
    under_lip = layout.mouth_y + 0.65 * layout.mouth_gap + layout.lower_lip + 0.04
    if t.beard == "goatee":
        chin = head.chin
        half = [(0.24, under_lip + 0.03), (0.33, 0.5 * (under_lip + chin))]
        half += [(0.22, chin + 0.02)]
        left = [(-x, y) for x, y in half[::-1]]
        shape = smooth([(0.0, under_lip), *half, (0.0, chin + 0.09), *left])
        points = head.on(shape)
        canvas.blend(points, layer, 0.75, blur=0.008, role="figure")
        canvas.blend(points, layer, 0.6, blur=0.003)
        return
    wide = layout.mouth_half_width
    cheek = [(0.93, 0.05), (0.86, 0.42), (0.70, 0.74), (wide + 0.10, layout.mouth_y)]
    cheek += [(wide - 0.04, under_lip - 0.02), (0.16, under_lip + 0.03)]
    inner = np.array(cheek + [(-x, y) for x, y in cheek[::-1]])
    flat = head.flat(smooth(inner, closed=False, steps=4))
    limit = 0.96 * head.width
    flat[:, 0] = np.clip(flat[:, 0], -limit, limit)
    grow = 0.0 if t.beard == "stubble" else 1.0
    right = head.half_outline[4:].copy()
    right[:, 0] += grow * np.array([0.0, 0.03, 0.05, 0.06, 0.0])
    right[:, 1] += grow * np.array([-0.05, 0.0, 0.05, 0.10, 0.13])
    rim = smooth(np.concatenate([right[:-1] * (-1, 1, 1), right[::-1]]), closed=False)
    shape = np.concatenate([head.place(flat), head.rim(rim)])
    if t.beard == "stubble":
        dark = 0.55 * skin + 0.25 * np.array((40, 44, 52))
        canvas.blend(shape, dark, 0.42, blur=0.02)
        area = smooth([(-0.4, 0.92), (-0.2, 0.79), (0.2, 0.79), (0.4, 0.92), (0, 0.9)])
        canvas.blend(head.on(area), dark, 0.42, blur=0.012)
        return
    canvas.blend(shape, layer, 0.7, blur=0.012, role="figure")
    canvas.blend(shape, layer, 0.65, blur=0.004)


def draw_mustache(canvas: Canvas, head: Head, traits, layout: Layout, layer) -> None:
    """A mustache, over the mouth's upper edge."""
    top, lip = layout.nose_y + 0.16, layout.mouth_y - 0.5 * layout.upper_lip
    lip = lip - 0.35 * layout.mouth_gap
    wide = layout.mouth_half_width
    half = [
        (0.17, top),
        (0.85 * wide, lip - 0.03),
        (wide + 0.08, layout.corner_y + 0.03),
    ]
    half += [(0.7 * wide, lip + 0.045), (0.10, lip + 0.02)]
    left = [(-x, y) for x, y in half[::-1]]
    shape = smooth([(0.0, top + 0.03), *half, (0.0, lip - 0.02), *left])
    points = head.on(shape, 0.05)
    canvas.shade(moved(points, 0.0, 0.004), 0.25, blur=0.005)
    canvas.blend(points, layer, 0.95, blur=0.003)
