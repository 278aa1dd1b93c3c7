"""Hats of drawn people: a beanie, a cap, and one with a brim."""

from __future__ import annotations

import numpy as np

from data_pipeline import face_palette
from data_pipeline.face_canvas import Canvas
from data_pipeline.face_geometry import Head, ellipse, mirrored, moved, ribbon, smooth

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
        """The lower edge in front, right to left, [13, 2]."""
        x = _ACROSS * self.wide + self.shift * _ROUND
        return np.stack([x, self.edge + sag * _ROUND], axis=1)

    def dome(self, top: float, sag: float) -> np.ndarray:
        """The outline of the crown, [N, 2]."""
        right = [
            (0.0, top),
            (0.72, -1.48),
            (self.wide + 0.01, -1.0),
            (self.wide, self.edge + 0.06),
        ]
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
    color = face_palette.cloth(t.hat_hue, saturation, value)
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
    right = [
        (0.0, -0.10),
        (0.45, -0.08),
        (0.86, -0.02),
        (0.70, 0.17),
        (0.0, 0.25),
    ]
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
