"""Ears, eyes, brows, nose, mouth, freckles and landmarks of a drawn face."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import Canvas, ellipse, mix, moved, ribbon, smooth
from data_pipeline.drawn_faces.head import Head

_IRIS = {
    "dark": (62, 40, 28),
    "brown": (104, 68, 38),
    "hazel": (132, 104, 54),
    "green": (92, 126, 82),
    "blue": (84, 132, 176),
    "gray": (122, 136, 148),
}
_LIPSTICK = ((176, 26, 44), (196, 48, 88), (150, 34, 60), (206, 84, 78), (116, 28, 58))

_LINE = np.linspace(-1.0, 1.0, 13)
_ARC = 1.0 - _LINE**2


class Layout:
    """The measures of one face's features, in head units."""

    def __init__(self, traits, head: Head):
        t = traits
        self.eye_x = (0.43 + t.eye_spacing) * head.width
        self.eye_half_width = 0.205 * (1.0 + t.eye_size)
        opening = 0.062 if t.narrow_eyes else 0.128
        self.eye_opening = opening * (1.0 + t.eye_opening) * (1.0 + t.eye_size)
        self.nose_y = 0.60 + t.nose_length
        self.nose_half_width = (0.265 if t.big_nose else 0.19) * (1.0 + t.nose_width)
        self.mouth_y = 0.96 + t.mouth_height
        smile = 0.45 + 0.55 * t.smile if t.smiling else 0.25 * t.smile - 0.15
        self.mouth_half_width = 0.33 + t.mouth_width + 0.09 * max(smile, 0.0)
        self.corner_y = self.mouth_y - 0.10 * smile
        self.mouth_gap = 0.07 + 0.15 * t.mouth_gap if t.mouth_open else 0.0
        fullness = 1.55 if t.big_lips else 0.9
        self.upper_lip = 0.075 * fullness
        self.lower_lip = 0.095 * fullness

    def landmarks(self, head: Head) -> np.ndarray:
        """Eyes, nose, mouth corners in the picture, float32 [5, 2], 0 to 1."""
        eye, corner = (self.eye_x, 0.0), (self.mouth_half_width, self.corner_y)
        spots = np.array([eye, eye, (0.0, self.nose_y), corner, corner])
        spots[[0, 3], 0] *= -1  # on the left
        return head.on(spots, np.array([0, 0, 0.16, 0, 0])).astype(np.float32)


# x beyond the edge of the head, y, z
_EAR = np.column_stack(
    [
        (-0.06, 0.12, 0.20, 0.16, 0.08, -0.08),
        (-0.16, -0.21, -0.06, 0.20, 0.40, 0.36),
        (0.0, -0.1, -0.1, -0.1, -0.05, 0.0),
    ]
)
_EAR_HOLLOW = np.column_stack(
    [
        (0.0, 0.11, 0.14, 0.10, 0.03),
        (-0.07, -0.11, 0.0, 0.14, 0.26),
        (0.0, -0.1, -0.1, -0.1, -0.1),
    ]
)


def draw_ears(canvas: Canvas, head: Head, traits, skin) -> None:
    """Both ears, before the head; the one that is turned away shrinks."""
    tall, shells, hollows = traits.ear_size, [], []
    for side in (-1, 1):
        reach = min(max(1.0 - side * 1.3 * head.sin_yaw, 0.15), 1.25) * tall
        shell, hollow = _EAR * (reach, tall, 1.0), _EAR_HOLLOW * (reach, tall, 1.0)
        place = (head.width * 0.97, 0.0, 0.0)
        shells.append(head.rim(smooth((shell + place) * (side, 1, 1), steps=4)))
        hollows.append(head.rim(smooth((hollow + place) * (side, 1, 1), steps=4)))
    canvas.fill(shells, skin * (0.93, 0.87, 0.86), role="figure")
    canvas.blend(hollows, skin * (0.76, 0.62, 0.60), 0.8, blur=0.003)


def draw_eyes(canvas: Canvas, head: Head, traits, layout: Layout, skin) -> None:
    """Eyeballs turned by the gaze, lids, lashes and creases."""
    t = traits
    wide, high = layout.eye_half_width, layout.eye_opening
    iris = np.array(_IRIS[t.iris], np.float64)
    lash = mix(skin * 0.25, (24, 18, 18), 0.6)
    crease = skin * (0.60, 0.51, 0.49)
    # The right eye; the highest point lies towards the nose, the lowest outwards.
    x, tilt = layout.eye_x + wide * _LINE, -t.eye_tilt * _LINE
    upper = tilt - high * _ARC * (1.0 - 0.22 * _LINE)
    lower = tilt + 0.58 * high * _ARC * (1.0 + 0.25 * _LINE)
    upper_lid, lower_lid = np.stack([x, upper], 1), np.stack([x, lower], 1)
    opening = head.pair(np.concatenate([upper_lid, lower_lid[-2:0:-1]]))
    radius = 0.108 * (1.0 + 0.5 * t.eye_size)
    gaze = (0.45 * wide * t.gaze_x, 0.35 * high * t.gaze_y - 0.008)

    def disks(size, dx=0.0, dy=0.0, squeeze=1.0):
        disk = ellipse(layout.eye_x, 0.0, size, size * squeeze, 20)
        return head.pair(disk, 0.0, (gaze[0] + dx, gaze[1] + dy))

    with canvas.clipped(opening):
        canvas.fill(opening, (236, 230, 224))
        canvas.fill(disks(radius), iris * 0.5)
        canvas.fill(disks(0.84 * radius), iris)
        bright = iris * 1.35 + 12
        canvas.blend(
            disks(0.55 * radius, dy=0.035, squeeze=0.7), bright, 0.8, blur=0.004
        )
        canvas.fill(disks(0.45 * radius), (14, 11, 12))
        # The upper lid's shadow on the ball.
        shadow = np.concatenate([upper_lid, moved(upper_lid, 0.0, 0.055)[::-1]])
        canvas.blend(head.pair(shadow), (58, 44, 44), 0.5, blur=0.006)
        corner = ellipse(layout.eye_x - 0.93 * wide, 0.01, 0.035, 0.03, 10)
        canvas.fill(head.pair(corner), (206, 146, 138))
        towards_light = 0.038 if t.light_azimuth > 0 else -0.038
        canvas.fill(disks(0.027, towards_light, -0.038), (252, 252, 250))
    canvas.blend(head.strokes(lower_lid[1:-1:2], 0.009, taper=0.8), crease, 0.8)
    tail = (layout.eye_x + 1.07 * wide, -t.eye_tilt - 0.03)
    lashes = np.concatenate([upper_lid[::2], [tail]])
    canvas.fill(head.strokes(lashes, 0.024, taper=0.75), lash)
    fold = upper_lid[1:-1:2] - (0.0, 0.035 + 0.30 * high)
    canvas.blend(head.strokes(fold, 0.012, taper=0.9), crease, 0.75)
    if t.bags:
        bag = np.stack([x, lower + 0.09 + 0.03 * _ARC], 1)[2:-2:2]
        canvas.blend(head.strokes(bag, 0.015, taper=0.9), crease, 0.7, blur=0.002)


_BROW_X = np.array([-0.25, -0.13, 0.03, 0.18, 0.31])
_BROW_Y = np.array([0.01, -0.01, -0.02, -0.01, 0.05])
_BROW_ARCH = np.array([0.03, -0.02, -0.085, -0.10, 0.02])
_BROW_WIDTH = np.array([0.55, 1.0, 1.0, 0.85, 0.15])
_BROW_TILT = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])


def draw_brows(canvas: Canvas, head: Head, traits, layout: Layout, color) -> None:
    """Brows that taper towards the temples."""
    t = traits
    y = _BROW_Y + (_BROW_ARCH if t.arched_brows else 0.0) + t.brow_tilt * _BROW_TILT
    line = np.stack([layout.eye_x + _BROW_X, y - 0.31 - t.brow_height], 1)
    half = 0.064 if t.bushy_brows else 0.034
    width = smooth(half * head.scale * _BROW_WIDTH[:, None], closed=False)[:, 0]
    brows = [ribbon(smooth(p, closed=False), width) for p in head.pair(line, 0.02)]
    canvas.blend(brows, color, 0.6, blur=0.006)
    canvas.blend(brows, color, 0.6)


def draw_nose(canvas: Canvas, head: Head, traits, layout: Layout, skin) -> None:
    """Wings and nostrils; the soft parts of the nose are in the relief of the skin."""
    wide, y = layout.nose_half_width, layout.nose_y
    line = skin * (0.58, 0.48, 0.45)
    away = -1.0 if traits.light_azimuth > 0 else 1.0
    ridge = [(0.19, -0.20), (0.10, 0.05), (0.10, y - 0.25), (0.6 * wide, y - 0.12)]
    ridge = np.array(ridge) * (away, 1.0)
    canvas.blend(head.stroke(ridge, 0.03, 0.06, 0.6), line, 0.36, blur=0.006)
    half = [(0.5 * wide, y + 0.09), (wide, y)]
    base = [(-x, v) for x, v in half[::-1]] + [(0.0, y + 0.12), *half]
    canvas.blend(head.stroke(base, 0.03, 0.06, 0.5), line, 0.45, blur=0.006)
    tip = ellipse(0.0, y - 0.03, 0.55 * wide, 0.10)
    canvas.blend(head.on(tip, 0.14), skin * 1.07 + 5, 0.45, blur=0.009)
    wing = [(wide * 0.80, y - 0.13), (wide * 1.02, y - 0.05)]
    wing += [(wide, y + 0.05), (wide * 0.72, y + 0.085)]
    canvas.blend(head.strokes(wing, 0.017, 0.03, 0.7), line, 0.8)
    nostril = ellipse(wide * 0.45, y + 0.075, 0.30 * wide, 0.030, 14)
    canvas.blend(head.pair(nostril, 0.08), skin * (0.34, 0.24, 0.22), 0.85)


def draw_mouth(canvas: Canvas, head: Head, traits, layout: Layout, skin) -> None:
    """Lips; in an open mouth teeth and tongue."""
    t = traits
    color = _lips(skin, lipstick=t.lipstick, shade=t.lip_shade)
    wide, gap = layout.mouth_half_width, layout.mouth_gap
    x = wide * _LINE
    # The line between the lips hangs from the corners.
    line = layout.corner_y + (layout.mouth_y - layout.corner_y) * (1.0 - _LINE**2)
    bow = _ARC**0.75 * (1.0 - 0.26 * np.exp(-((_LINE / 0.13) ** 2)))
    top = line - 0.35 * gap * _ARC - layout.upper_lip * bow
    inner_top = line - 0.35 * gap * _ARC
    inner_bottom = line + 0.65 * gap * _ARC
    bottom = inner_bottom + layout.lower_lip * _ARC**0.7

    def between(high, low):
        edge = np.concatenate([np.stack([x, high], 1), np.stack([x, low], 1)[-2:0:-1]])
        return head.on(edge, 0.03)

    canvas.fill(between(top, bottom), color)
    canvas.blend(between(top, inner_top + 1e-3), color * 0.80, 0.9)
    shine = ellipse(0.0, bottom[6] - 0.55 * layout.lower_lip, 0.4 * wide, 0.022)
    glossy = 0.55 if t.lipstick else 0.3
    canvas.blend(head.on(shine, 0.04), (255, 236, 232), glossy, blur=0.007)
    if t.mouth_open:
        mouth = between(inner_top, inner_bottom)
        with canvas.clipped(mouth):
            canvas.fill(mouth, (62, 20, 24))
            teeth = between(inner_top - 0.02, inner_top + 0.62 * gap * _ARC)
            canvas.fill(teeth, (240, 235, 226))
            tongue = ellipse(0.0, inner_bottom[6] + 0.01, 0.5 * wide, 0.22 * gap)
            canvas.blend(head.on(tongue, 0.03), (176, 82, 86), 0.9, blur=0.004)
    else:
        slit = np.stack([x, line], 1)
        canvas.fill(head.stroke(slit, 0.013, 0.03, 0.5), color * (0.42, 0.32, 0.34))
    corner = ellipse(wide, layout.corner_y, 0.04, 0.035, 12)
    canvas.blend(head.pair(corner), skin * (0.55, 0.44, 0.42), 0.5, blur=0.006)
    if t.smiling:
        fold = [
            (layout.nose_half_width + 0.06, layout.nose_y - 0.02),
            (wide + 0.07, layout.nose_y + 0.16),
            (wide + 0.11, layout.corner_y + 0.02),
        ]
        folds = head.strokes(fold, 0.02, 0.0, 0.9)
        canvas.blend(folds, skin * (0.60, 0.49, 0.46), 0.55, blur=0.006)


def _lips(skin, *, lipstick: bool, shade: float) -> np.ndarray:
    """Lips: the skin's own color, redder, or a lipstick; shade from 0 to 1."""
    if lipstick:
        place = shade * (len(_LIPSTICK) - 1)
        low = int(place)
        high = min(low + 1, len(_LIPSTICK) - 1)
        return mix(_LIPSTICK[low], _LIPSTICK[high], place - low)
    return mix(skin * 0.86, (184, 70, 72), 0.30 + 0.15 * shade)


def draw_freckles(canvas: Canvas, head: Head, rng, skin) -> None:
    """Freckles over nose and cheeks."""
    spots = rng.random((34, 3)) * (1.3, 0.5, 1.0) + (-0.65, 0.16, 0.0)
    radii = head.scale * (0.013 + 0.013 * spots[:, 2])
    dots = [
        ellipse(x, y, radius, radius, 8)
        for (x, y), radius in zip(head.on(spots[:, :2], 0.03), radii)
    ]
    canvas.blend(dots, skin * (0.74, 0.60, 0.50), 0.65)
