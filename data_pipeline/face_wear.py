"""Glasses, hats, earrings and necklaces of drawn faces."""

from __future__ import annotations

import numpy as np

from data_pipeline import face_palette
from data_pipeline.face_canvas import Canvas
from data_pipeline.face_features import Layout
from data_pipeline.face_geometry import Head, ellipse, ribbon, smooth

_FRAMES = ((30, 28, 30), (92, 56, 34), (140, 30, 36), (44, 60, 96), (60, 60, 62))


def draw_glasses(canvas: Canvas, head: Head, traits, layout: Layout) -> None:
    """Frames, lenses with a glare, and the arms to the ears."""
    t = traits
    color = np.array(_FRAMES[min(int(t.glasses_shade * len(_FRAMES)), 4)], np.float64)
    thick, lift = 0.038, 0.10
    if t.glasses == "wire":
        color, thick = np.array((150, 138, 112.0)), 0.02
    x = layout.eye_x + 0.01
    for side in (-1, 1):
        arm = np.array([(side * (x + 0.26), -0.07, 0.62), (side * head.width, -0.12, 0.0)])
        far = np.sign(head.sin_yaw) == side and abs(head.sin_yaw) > 0.2
        if not far:
            arm[0, :2] = [(side * (x + 0.27)), -0.06]
            start = head.on(arm[:1, :2], lift)
            end = head.rim(arm[1:])
            line = np.concatenate([start, 0.5 * (start + end), end])
            canvas.fill(ribbon(line, 0.75 * thick * head.scale), color * 0.8)
        if t.glasses == "square":
            lens = [(-0.27, -0.17), (0, -0.19), (0.27, -0.18), (0.27, 0.06), (0.2, 0.19)]
            lens += [(0, 0.21), (-0.19, 0.19), (-0.26, 0.06)]
            lens = smooth(np.array(lens) * (side, 1) + (side * x, 0.02))
        else:
            lens = ellipse(side * x, 0.02, 0.26, 0.235, 28)
        outline = head.on(lens, lift)
        center = outline.mean(0)
        inner = center + (outline - center) * (1.0 - thick / 0.24)
        canvas.shade(outline + (0.0, 0.012), 0.12, blur=0.006)
        canvas.blend(inner, (206, 222, 232), 0.10)
        with canvas.clipped(inner):
            glare = np.array([(-0.16, -0.3), (-0.04, -0.3), (-0.2, 0.3), (-0.32, 0.3)])
            canvas.blend(head.on(glare + (side * x, 0.0), lift), (255, 255, 255), 0.22)
        canvas.fill([outline, inner], color)
    bridge = [(-x + 0.25, -0.03), (0.0, -0.09), (x - 0.25, -0.03)]
    canvas.fill(head.stroke(bridge, 0.8 * thick, lift + 0.05), color)


def draw_hat(canvas: Canvas, head: Head, traits) -> None:
    """A beanie, a cap or a hat with a brim."""
    t = traits
    color = face_palette.cloth(t.hat_hue, 0.25 + 0.45 * t.hat_hue, 0.25 + 0.6 * t.hat_value)
    edge = -0.62 if t.hat == "beanie" else -0.70
    bulge = {"beanie": 0.14, "cap": 0.13, "brim": 0.12}[t.hat]
    wide = head.width + bulge
    top = -1.72 if t.hat == "beanie" else -1.66
    dome = smooth(
        [(-wide, edge + 0.06, 0), (-wide - 0.01, -1.0, 0), (-0.72, -1.48, 0), (0, top, 0)]
        + [(0.72, -1.48, 0), (wide + 0.01, -1.0, 0), (wide, edge + 0.06, 0)],
        closed=False,
    )
    sag = np.linspace(1, -1, 13)
    lower = np.stack(
        [
            sag * wide + 0.25 * head.sin_yaw * (1 - sag**2),
            np.full(13, edge) + 0.10 * (1 - sag**2) * (0.4 if t.hat == "beanie" else 1.0),
            np.zeros(13),
        ],
        axis=1,
    )
    shape = head.rim(np.concatenate([dome, lower]))
    canvas.shade(shape + (0.0, 0.022), 0.45, blur=0.014)
    canvas.fill(shape, color, role="cover")
    with canvas.clipped(shape):
        crown = head.rim([(0.25 * head.sin_yaw, top - 0.1, 0)])[0]
        seams = []
        for place in np.linspace(-0.95, 0.95, 15 if t.hat == "beanie" else 5):
            foot = head.rim([(place * wide + 0.25 * head.sin_yaw, edge + 0.2, 0)])[0]
            middle = head.rim([(place * wide * 0.92, -1.15, 0)])[0]
            curve = smooth([crown, middle, foot], closed=False)
            seams.append(ribbon(curve, 0.016 * head.scale))
        canvas.blend(seams, color * 0.7, 0.7)
        glow = head.rim([(-0.3, -1.3, 0)])[0]
        canvas.blend(ellipse(*glow, 0.09, 0.05), (255, 255, 255), 0.16, blur=0.03)
    if t.hat == "beanie":
        cuff = np.concatenate([lower, lower[::-1] - (0.0, 0.26, 0.0)])
        canvas.fill(head.rim(cuff), np.minimum(color * 1.12 + 8, 255), role="cover")
        ribs = []
        for place in np.linspace(-0.95, 0.95, 19):
            x = place * wide + 0.25 * head.sin_yaw * (1 - place**2)
            y = edge + 0.03 * (1 - place**2)
            rib = head.rim([(x, y - 0.01, 0), (x, y - 0.13, 0), (x, y - 0.24, 0)])
            ribs.append(ribbon(rib, 0.012 * head.scale))
        canvas.blend(ribs, color * 0.75, 0.7)
    elif t.hat == "cap":
        x = 0.75 * head.sin_yaw
        peak = smooth(
            [(x - 0.86, edge - 0.02, 0), (x - 0.45, edge - 0.08, 0), (x, edge - 0.10, 0)]
            + [(x + 0.45, edge - 0.08, 0), (x + 0.86, edge - 0.02, 0)]
            + [(x + 0.70, edge + 0.17, 0), (x, edge + 0.25, 0), (x - 0.70, edge + 0.17, 0)]
        )
        points = head.rim(peak)
        canvas.shade(points + (0.0, 0.018), 0.4, blur=0.012)
        canvas.fill(points, color * 0.82, role="cover")
        canvas.blend(points + (0.0, -0.008), color, 0.5, blur=0.008)
    else:
        band = np.concatenate([lower, lower[::-1] - (0.0, 0.2, 0.0)])
        canvas.fill(head.rim(band), color * 0.45, role="cover")
        turn = 2 * np.pi * np.arange(28) / 28
        x = (wide + 0.42) * np.cos(turn) + 0.2 * head.sin_yaw
        y = edge + 0.03 + 0.17 * np.sin(turn) - 0.12 * np.cos(turn) ** 2
        # The brim's back half lies behind the dome.
        y = np.where(np.sin(turn) < 0, edge + 0.02 - 0.12 * np.cos(turn) ** 2, y)
        points = head.rim(np.stack([x, y, np.zeros(28)], 1))
        canvas.shade(points + (0.0, 0.02), 0.4, blur=0.014)
        canvas.fill(points, color * 0.9, role="cover")


def draw_earrings(canvas: Canvas, head: Head, traits) -> None:
    """A ring at every ear that the turn of the head leaves in sight."""
    gold = (226, 186, 88) if traits.undertone > -0.2 else (206, 208, 214)
    for side in (-1, 1):
        reach = 1.0 - side * 1.5 * head.sin_yaw
        if reach < 0.5:
            continue
        x = side * (head.width + 0.07)
        lobe = 0.36 * traits.ear_size
        ring = head.rim([(x, lobe + 0.13, -0.05)])[0]
        outer = ellipse(*ring, 0.095 * head.scale, 0.125 * head.scale)
        inner = ellipse(*ring, 0.060 * head.scale, 0.090 * head.scale)
        canvas.fill([outer, inner], gold)
        stud = ellipse(*head.rim([(x, lobe, -0.05)])[0], 0.008, 0.008, 10)
        canvas.fill(stud, gold)


def draw_necklace(canvas: Canvas, head: Head, traits) -> None:
    """Beads around the neck."""
    pearl = (236, 228, 214) if traits.texture % 2 else (214, 172, 70)
    place = np.linspace(-1.0, 1.0, 15)
    spots = np.stack([0.60 * place * head.width, 2.02 - 0.20 * place**2], axis=1)
    radius = 0.042 * head.scale
    beads = [ellipse(x, y, radius, radius, 12) for x, y in head.body(spots)]
    canvas.shade([bead + (0.0, 0.004) for bead in beads], 0.5, blur=0.002)
    canvas.fill(beads, pearl)
