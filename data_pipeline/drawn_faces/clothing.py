"""Clothes, jewelry, glasses and hats of drawn people."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import (
    Canvas,
    ellipse,
    hsv,
    mirrored,
    mix,
    moved,
    ribbon,
    smooth,
)
from data_pipeline.drawn_faces.features import Layout
from data_pipeline.drawn_faces.head import Head

# How far down the chest the neckline goes, in head units below the eyes.
_NECKLINE = {"crew": 2.16, "vneck": 2.75, "shirt": 2.45, "tie": 2.3, "turtleneck": 1.9}


def draw_body(canvas: Canvas, head: Head, traits, skin) -> None:
    """Neck, shoulders and clothes, before the head."""
    t = traits
    cloth = hsv(t.top_hue, t.top_saturation, t.top_value)
    half = 0.56 * head.width  # of the neck
    shoulder = [(half + 0.1, 1.86), (1.5, 2.22), (2.3, 2.55), (3.2, 3.6)]
    canvas.fill(head.body(smooth(mirrored(shoulder))), cloth, role="figure")
    low = _NECKLINE[t.top]
    bend = 0.25 if t.top in ("vneck", "shirt", "tie") else 0.75
    neckline = [(0.0, low), (half * bend, 0.76 + 0.6 * low), (half + 0.13, 1.91)]
    throat = head.rim([(-half, 0.9, 0.0), (half, 0.9, 0.0)])
    chest = head.body(mirrored([*neckline, (half + 0.02, 1.72)])[::-1])
    neck = smooth(np.concatenate([throat, chest]), steps=4)
    canvas.fill(neck, skin * (0.90, 0.87, 0.86), role="figure")
    if t.top == "turtleneck":
        _draw_turtleneck(canvas, head, cloth, half)
    elif t.top in ("crew", "vneck"):
        seam = head.body(smooth(mirrored(neckline), closed=False))
        canvas.fill(ribbon(seam, 0.045 * head.scale), cloth * 0.72)
    else:
        _draw_collar(canvas, head, t, cloth, half)
    # The head's shadow falls on the side away from the light.
    aside = -0.10 if t.light_azimuth > 0 else 0.10
    canvas.shade(
        moved(head.outline, aside * head.scale, 0.24 * head.scale), 0.5, blur=0.018
    )


def _draw_turtleneck(canvas, head, cloth, half):
    roll = [(-half - 0.06, 1.55), (0.0, 1.66), (half + 0.06, 1.55)]
    roll += [(half + 0.16, 2.0), (0.0, 2.12), (-half - 0.16, 2.0)]
    canvas.fill(head.body(smooth(roll)), cloth * 0.92, role="figure")
    fold = smooth([(-half - 0.1, 1.98), (0, 2.1), (half + 0.1, 1.98)], closed=False)
    canvas.fill(ribbon(head.body(fold), 0.02 * head.scale), cloth * 0.72)


def _draw_collar(canvas, head, traits, cloth, half):
    """A shirt's collar; with a tie the cloth becomes a jacket over a pale shirt."""
    t = traits
    shirt = np.minimum(cloth * 1.15 + 8, 255)
    if t.top == "tie":
        shirt = mix(shirt, (250, 250, 250), 0.6)
        tie = hsv(t.top_hue + 0.45, 0.75, 0.3 + 0.4 * (1 - t.top_value))
        inset = [(-half - 0.1, 1.9), (half + 0.1, 1.9), (0.55, 3.4), (-0.55, 3.4)]
        canvas.fill(head.body(inset), shirt * 0.96)
        blade = [(-0.13, 2.1), (0.13, 2.1), (0.26, 3.4), (-0.26, 3.4)]
        canvas.fill(head.body(blade), tie * 0.85)
        knot = [(-0.19, 1.84), (0.19, 1.84), (0.12, 2.16), (-0.12, 2.16)]
        canvas.fill(head.body(knot), tie)
    flap = [(half + 0.02, 1.62), (0.14, 1.96), (0.42, 2.36), (half + 0.30, 1.98)]
    flaps = [head.body(np.array(flap) * (side, 1.0)) for side in (-1, 1)]
    canvas.shade([moved(points, 0.0, 0.008) for points in flaps], 0.3, blur=0.006)
    canvas.fill(flaps, shirt, role="figure")


def draw_necklace(canvas: Canvas, head: Head, traits) -> None:
    """Beads around the neck."""
    pearl = (236, 228, 214) if traits.texture % 2 else (214, 172, 70)
    place = np.linspace(-1.0, 1.0, 15)
    spots = np.stack([0.60 * place * head.width, 1.97 - 0.18 * place**2], axis=1)
    radius = 0.042 * head.scale
    beads = [ellipse(x, y, radius, radius, 12) for x, y in head.body(spots)]
    canvas.shade([moved(bead, 0.0, 0.004) for bead in beads], 0.5, blur=0.002)
    canvas.fill(beads, pearl)


def draw_earrings(canvas: Canvas, head: Head, traits) -> None:
    """A ring at every ear that is in sight."""
    gold = (226, 186, 88) if traits.undertone > -0.2 else (206, 208, 214)
    scale = head.scale
    for side in (-1, 1):
        if side * head.sin_yaw > 0.33:
            continue
        x, lobe = side * (head.width + 0.07), 0.36 * traits.ear_size
        ring = head.rim([(x, lobe + 0.13, -0.05)])[0]
        outer = ellipse(*ring, 0.095 * scale, 0.125 * scale)
        inner = ellipse(*ring, 0.060 * scale, 0.090 * scale)
        canvas.fill([outer, inner], gold, role="figure")
        stud = ellipse(*head.rim([(x, lobe, -0.05)])[0], 0.034 * scale, 0.034 * scale)
        canvas.fill(stud, gold, role="figure")


_FRAMES = ((30, 28, 30), (92, 56, 34), (140, 30, 36), (44, 60, 96), (60, 60, 62))
_GLARE = np.array([(-0.16, -0.3), (-0.04, -0.3), (-0.2, 0.3), (-0.32, 0.3)])


def draw_glasses(canvas: Canvas, head: Head, traits, layout: Layout) -> None:
    """Frames, lenses with a glare, and the arms to the ears."""
    t = traits
    color = np.array(_FRAMES[int(t.glasses_shade * len(_FRAMES))], np.float64)
    thick, lift = 0.038, 0.10
    if t.glasses == "wire":
        color, thick = np.array((150.0, 138.0, 112.0)), 0.02
    x = layout.eye_x + 0.01
    lens = ellipse(0.0, 0.0, 1.0, 1.0, 36)
    if t.glasses == "square":  # a superellipse
        lens = np.sign(lens) * np.abs(lens) ** 0.5 * (0.265, 0.195)
    else:
        lens = lens * (0.26, 0.235)
    lens = moved(lens, x, 0.02)
    for side in (-1, 1):
        if side * head.sin_yaw > 0.2:
            continue  # that arm is behind the lens
        start = head.on([(side * (x + 0.27), -0.06)], lift)
        end = head.rim([(side * head.width, -0.12, 0.0)])
        line = np.concatenate([start, 0.5 * (start + end), end])
        canvas.fill(ribbon(line, 0.75 * thick * head.scale), color * 0.8)
    outer = head.pair(lens, lift)
    centers = [outline.mean(0) for outline in outer]
    inner = [c + (o - c) * (1.0 - thick / 0.24) for o, c in zip(outer, centers)]
    canvas.shade([moved(outline, 0.0, 0.012) for outline in outer], 0.12, blur=0.006)
    canvas.blend(inner, (206, 222, 232), 0.10)
    with canvas.clipped(inner):
        glare = [head.on(moved(_GLARE, side * x, 0.0), lift) for side in (-1, 1)]
        canvas.blend(glare, (255, 255, 255), 0.22)
    canvas.fill(outer + inner, color)
    bridge = [(-x + 0.25, -0.03), (0.0, -0.09), (x - 0.25, -0.03)]
    canvas.fill(head.stroke(bridge, 0.8 * thick, lift + 0.05), color)


_ACROSS = np.linspace(1.0, -1.0, 13)  # from the right to the left
_ROUND = 1.0 - _ACROSS**2


class _Hat:
    """Where a hat sits on a head; hats turn with the head as its outline does."""

    def __init__(self, head: Head, edge: float, bulge: float):
        self.head, self.edge, self.wide = head, edge, head.width + bulge
        self.shift = 0.25 * head.sin_yaw  # of the front against the outline

    def at(self, points) -> np.ndarray:
        """Head points [N, 2] in the plane of the outline, in the picture."""
        return self.head.rim(np.pad(np.asarray(points, np.float64), ((0, 0), (0, 1))))

    def lower(self, sag: float) -> np.ndarray:
        """The lower edge in front, from right to left, [13, 2]."""
        x = _ACROSS * self.wide + self.shift * _ROUND
        return np.stack([x, self.edge + sag * _ROUND], axis=1)

    def dome(self, top: float, sag: float) -> np.ndarray:
        """The outline of the crown, [N, 2]."""
        right = [(0.0, top), (0.72, -1.48), (self.wide + 0.01, -1.0)]
        right += [(self.wide, self.edge + 0.06)]
        over = smooth(mirrored(right), closed=False)
        return np.concatenate([over, self.lower(sag)])

    def seams(self, count: int, top: float) -> list:
        """Lines from the top to the lower edge."""
        lines = []
        for place in np.linspace(-0.95, 0.95, count):
            foot = (place * self.wide + self.shift, self.edge + 0.2)
            bow = (place * self.wide * 0.92, -1.15)
            line = smooth(self.at([(self.shift, top - 0.1), bow, foot]), closed=False)
            lines.append(ribbon(line, 0.016 * self.head.scale))
        return lines


def draw_hat(canvas: Canvas, head: Head, traits) -> None:
    """Draws the hat and its shadow; it hides what it covers of the face."""
    t = traits
    value, saturation = 0.25 + 0.6 * t.hat_value, 0.25 + 0.45 * t.hat_hue
    color = hsv(t.hat_hue, saturation, value)
    knitted = t.hat == "beanie"
    hat = _Hat(head, edge=-0.62 if knitted else -0.70, bulge=0.14 if knitted else 0.125)
    top, sag = (-1.72, 0.04) if knitted else (-1.66, 0.10)
    crown = hat.at(hat.dome(top, sag))
    canvas.shade(moved(crown, 0.0, 0.022), 0.45, blur=0.014)
    canvas.fill(crown, color, role="cover")
    with canvas.clipped(crown):
        canvas.blend(hat.seams(15 if knitted else 5, top), color * 0.7, 0.7)
        glow = ellipse(*hat.at([(-0.3, -1.3)])[0], 0.36 * head.scale, 0.2 * head.scale)
        canvas.blend(glow, (255, 255, 255), 0.16, blur=0.03)
    if knitted:
        _draw_cuff(canvas, hat, color)
    elif t.hat == "cap":
        _draw_peak(canvas, hat, color)
    else:
        _draw_brim(canvas, hat, color)


def _draw_cuff(canvas, hat, color):
    lower = hat.lower(0.04)
    cuff = np.concatenate([lower, moved(lower[::-1], 0.0, -0.26)])
    canvas.fill(hat.at(cuff), np.minimum(color * 1.12 + 8, 255), role="cover")
    ribs = []
    for place in np.linspace(-0.95, 0.95, 19):
        x = place * hat.wide + hat.shift * (1 - place**2)
        y = hat.edge + 0.03 * (1 - place**2)
        rib = hat.at([(x, y - 0.01), (x, y - 0.13), (x, y - 0.24)])
        ribs.append(ribbon(rib, 0.012 * hat.head.scale))
    canvas.blend(ribs, color * 0.75, 0.7)


def _draw_peak(canvas, hat, color):
    right = [(0.0, -0.10), (0.45, -0.08), (0.86, -0.02), (0.70, 0.17), (0.0, 0.25)]
    peak = hat.at(moved(smooth(mirrored(right)), 3.0 * hat.shift, hat.edge))
    canvas.shade(moved(peak, 0.0, 0.018), 0.4, blur=0.012)
    canvas.fill(peak, color * 0.82, role="cover")
    canvas.blend(moved(peak, 0.0, -0.008), color, 0.5, blur=0.008)


def _draw_brim(canvas, hat, color):
    lower = hat.lower(0.10)
    band = np.concatenate([lower, moved(lower[::-1], 0.0, -0.2)])
    canvas.fill(hat.at(band), color * 0.45, role="cover")
    turn = 2 * np.pi * np.arange(28) / 28
    x = (hat.wide + 0.42) * np.cos(turn) + 0.8 * hat.shift
    droop = 0.02 - 0.12 * np.cos(turn) ** 2
    # The back half of the brim lies behind the crown.
    y = hat.edge + droop + np.maximum(np.sin(turn), 0.0) * 0.17
    brim = hat.at(np.stack([x, y], axis=1))
    canvas.shade(moved(brim, 0.0, 0.02), 0.4, blur=0.014)
    canvas.fill(brim, color * 0.9, role="cover")
