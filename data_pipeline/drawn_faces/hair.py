"""Hair, beards and mustaches of drawn faces: strands, and the shapes they fill."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from data_pipeline.drawing import UNIT, Canvas, moved, smooth
from data_pipeline.drawn_faces.features import Layout
from data_pipeline.drawn_faces.head import Head
from data_pipeline.drawn_faces.traits import has_bangs, has_receding_hairline

# name: color, range of its lightness
HAIR = {
    "black": ((38, 33, 34), 0.55),
    "brown": ((96, 62, 41), 0.34),
    "blond": ((214, 172, 104), 0.22),
    "gray": ((176, 173, 171), 0.20),
    "red": ((160, 76, 40), 0.28),
}

_LOW, _HIGH = np.array([-1.9, -2.0]), np.array([1.9, 2.6])  # of the strands, flat head
_CROWN = (0.0, -1.62)  # strands run away from here
_ANGLES = 1024  # entries of the table of strands around the crown


@functools.lru_cache(maxsize=8)
def _polar_grid(columns: int, rows: int):
    """Angle (entries of the table) and distance from the crown, [rows, columns]."""
    u = np.linspace(_LOW[0], _HIGH[0], columns)[None, :] - _CROWN[0]
    v = np.linspace(_LOW[1], _HIGH[1], rows)[:, None] - _CROWN[1]
    angle = (np.arctan2(v, u) * (_ANGLES / (2 * np.pi))).astype(np.float32)
    distance = np.hypot(u, v).astype(np.float32)
    for grid in (angle, distance):
        grid.setflags(write=False)  # shared between threads
    return angle, distance


def _noise_around(rng, count: int) -> np.ndarray:
    """Noise of `count` bumps around the circle, float32 [_ANGLES], -1 to 1."""
    bumps = rng.random(count).astype(np.float32)
    bumps = np.concatenate([bumps, bumps[:1]])[None]
    return 2.0 * cv2.resize(bumps, (_ANGLES, 1))[0] - 1.0


def strands(head: Head, traits, rng, side: int, color, *, kind: str) -> np.ndarray:
    """A picture full of strands from the crown, uint8 [side, side, 3].

    Hair is cut out of it. Its kind is "straight", "wavy", "curly" or "short" (stubbly).
    """
    t = traits
    # About two pixels of the picture each: finer strands would only flicker.
    step = 2.0 / (0.24 * side)
    columns, rows = (int(n) for n in np.ceil((_HIGH - _LOW) / step))
    angle, distance = _polar_grid(columns, rows)
    if kind in ("curly", "short"):
        cells = (56, 68) if kind == "curly" else (90, 110)
        noise = rng.random(cells[::-1]).astype(np.float32)
        noise = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_CUBIC)
        # The ridges of noise wind like curls do.
        level = 0.11 - 0.48 * np.abs(noise - 0.5)
        if kind == "short":
            level = 0.24 * (noise - 0.5)
    else:
        table = 0.09 * _noise_around(rng, 40) + 0.12 * _noise_around(rng, 230)
        at = angle
        if kind == "wavy":
            phase = 2 * np.pi * rng.random()
            swing = 15.0 * np.clip(distance - 0.3, 0.1, 1.0)
            at = angle + swing * np.sin(8.5 * distance + phase)
        level = table[at.astype(np.int32) & (_ANGLES - 1)]
    shine = angle * (2 * np.pi / _ANGLES) - np.pi / 2 + 0.012 * t.light_azimuth
    gloss = np.maximum(np.cos(shine), 0.0) * np.exp(-(((distance - 0.5) / 0.17) ** 2))
    level = 0.95 + level + 0.32 * gloss - 0.05 * distance
    linear = head.affine[:, :2] * (step * side)
    shift = (head.affine[:, :2] @ _LOW + head.affine[:, 2]) * side - 0.5
    texture = cv2.warpAffine(
        cv2.convertScaleAbs(level, alpha=UNIT),
        np.concatenate([linear, shift[:, None]], axis=1),
        (side, side),
        borderMode=cv2.BORDER_REFLECT,
    )
    table = np.arange(256)[:, None, None] / UNIT * color
    return cv2.applyColorMap(texture, np.minimum(table, 255).astype(np.uint8))


def hair_color(color: str, lightness: float) -> np.ndarray:
    """A natural hair color; lightness goes from -1 to 1."""
    base, spread = HAIR[color]
    return np.clip(np.array(base) * (1.0 + 0.5 * spread * lightness), 0, 255)


def kind_of_strands(traits) -> str:
    """The kind of `strands` for this hair style."""
    if traits.hair_style in ("curly", "afro"):
        return "curly"
    if traits.hair_style == "buzz":
        return "short"
    return "wavy" if traits.hair_wave else "straight"


# style: how far it stands off the skull, how far down the side it goes
_STYLES = {
    "buzz": (0.02, 0.02),
    "short": (0.10, -0.02),
    "quiff": (0.13, -0.04),
    "curly": (0.22, 0.15),
    "afro": (0.40, 0.62),
    "bob": (0.16, 1.12),
    "long": (0.14, 2.30),
    "tied": (0.05, -0.03),
}


def _volume(traits) -> float:
    grow = _STYLES[traits.hair_style][0] * (0.75 + 0.6 * traits.hair_volume)
    return grow * (0.3 if traits.hat != "none" else 1)


def _shell(head: Head, traits, grow: float, bottom: float) -> np.ndarray:
    """Head points [N, 2] over the top, from the left side's bottom to the right's."""
    right = head.half_outline[:5, :2].copy()
    right[4, 1] = -0.05
    out = right - (0.0, -0.3)
    right += grow * out / np.linalg.norm(out, axis=1, keepdims=True)
    if traits.hair_style == "quiff" and traits.hat == "none":
        right[:3] *= [(1, 1.06), (1.0, 1.09), (1.0, 1.03)]
    side_x = right[4, 0]
    tail = {
        "bob": [(0.06, 0.45), (0.12, 0.85), (0.02, bottom), (-0.18, bottom + 0.07)],
        "long": [(0.04, 0.45), (0.10, 1.2), (0.16, 0.9 * bottom), (0.06, bottom)],
        "afro": [(-0.02, 0.25), (-0.14, 0.52), (-0.34, bottom)],
    }.get(traits.hair_style, [(-0.05, bottom)])
    right = np.concatenate([right, moved(tail, side_x, 0.0)])
    left = right[:0:-1] * (-1.0, 1.0)
    curve = smooth(np.concatenate([left, right]), closed=False)
    return _ruffle(curve, traits, grow)


def _ruffle(curve, traits, grow):
    """Curls and waves on an outline."""
    phase = traits.texture % 628 / 100.0
    along = np.linspace(0.0, 1.0, len(curve))
    if traits.hair_style in ("curly", "afro"):
        bumps = 0.06 * np.abs(np.sin(24 * along + phase)) + 0.03 * np.sin(61 * along)
    elif traits.hair_wave and traits.hair_style in ("bob", "long"):
        bumps = 0.035 * np.sin(10.0 * curve[:, 1] + phase) * (curve[:, 1] > 0.2)
    else:
        return curve
    if traits.hat != "none":
        bumps = 0.4 * bumps
    out = curve - (0.0, -0.3)
    return curve + bumps[:, None] * out / np.linalg.norm(out, axis=1, keepdims=True)


def draw_behind(canvas: Canvas, head: Head, traits, layer) -> None:
    """The hair behind head and neck."""
    t = traits
    dark = cv2.convertScaleAbs(layer, alpha=0.62)
    if t.hair_style in ("bob", "long", "afro"):
        grow = _volume(t)
        bottom = {"bob": 1.25, "long": 2.7, "afro": 0.80}[t.hair_style]
        shape = _shell(head, t, grow, bottom)
        points = np.concatenate([shape, np.zeros((len(shape), 1))], axis=1)
        canvas.blend(head.rim(points), dark, role="figure")
    elif t.hair_style == "tied":
        side = 1 if t.parting > 0 else -1
        tail = [(side * 0.5, 0.9), (side * 1.02, 1.35), (side * 1.12, 1.9)]
        tail += [(side * 0.98, 2.6), (side * 0.72, 2.5), (side * 0.6, 1.7)]
        canvas.blend(head.body(smooth(tail)), dark, role="figure")


def _hairline(traits) -> np.ndarray:
    """Face points [N, 2] from the right temple over the forehead to the left."""
    t = traits
    x = np.array([0.94, 0.88, 0.84, 0.68, 0.42, 0.16])
    y = np.array([0.12, -0.22, -0.50, -0.80, -0.96, -1.01])
    if has_receding_hairline(t):
        y = np.array([0.12, -0.30, -0.68, -1.12, -1.22, -1.00])
    right = np.stack([x, y], 1)
    line = np.concatenate([right, right[::-1] * (-1.0, 1.0)])
    if has_bangs(t):
        teeth = np.linspace(0.74, -0.74, 15)
        ragged = 0.045 * np.sin(2.6 * np.arange(15) + t.texture % 100)
        ragged *= 0.3 if t.hair_style == "bob" else 1.0
        sweep = 0.10 * t.parting * teeth
        fringe = np.stack([teeth, -0.47 + ragged + sweep - 0.08 * teeth**2], 1)
        sides = right[:3]
        line = np.concatenate([sides, fringe, sides[::-1] * (-1.0, 1.0)])
    elif t.hair_style in ("short", "bob", "long", "tied", "quiff"):
        if not has_receding_hairline(t):
            # Parted: the hair rises at the parting and falls to both sides.
            off = line[:, 0] - 0.45 * t.parting
            lift = 0.16 * np.exp(-((off / 0.22) ** 2)) - 0.10 * np.exp(
                -(((np.abs(off) - 0.5) / 0.3) ** 2)
            )
            line[:, 1] -= lift * (line[:, 1] < -0.6)
    return line


def draw_hair(canvas: Canvas, head: Head, traits, layer) -> None:
    """The hair on top and at the sides; it hides what it covers of the face."""
    t = traits
    bottom = _STYLES[t.hair_style][1]
    shell = _shell(head, t, _volume(t), bottom)
    outer = head.rim(np.concatenate([shell, np.zeros((len(shell), 1))], axis=1))
    line = _hairline(t)
    ragged = has_bangs(t)
    inner = smooth(line, closed=False, steps=2 if ragged else 5)
    # In front of the ears hair grows lower than the surface of the face reaches.
    flat = head.flat(inner, -0.38 * np.clip((np.abs(inner[:, 0]) - 0.7) / 0.22, 0, 1))
    # The far temple lies behind the edge of the head, so its hair only frames it.
    far = _far_side(head)
    hidden = (far * inner[:, 0] > 0.75) * min(2.2 * abs(head.sin_yaw), 1.0)
    edge = 0.985 * head.width
    flat[:, 0] += hidden * (far * edge - flat[:, 0])
    flat[:, 0] = np.clip(flat[:, 0], -edge, edge)
    parts = [outer]
    if bottom > 1:
        parts.append(_curtain(head, t, bottom, 1))
    parts.append(head.place(flat))
    if bottom > 1:
        parts.append(_curtain(head, t, bottom, -1)[::-1])
    shape = np.concatenate(parts)
    with_shadow = 0.42 if t.hair_style != "buzz" else 0.15
    canvas.shade(moved(shape, 0.0, 0.008), with_shadow, blur=0.009)
    soft = 0.010 if t.hair_style == "buzz" else 0.0025
    opacity = 0.82 if t.hair_style == "buzz" else 1.0
    canvas.blend(shape, layer, opacity, blur=soft, role="cover")


def _far_side(head) -> int:
    """The side that the head turns to, 1 for right, and so hides."""
    return 1 if head.sin_yaw > 0 else -1


def _curtain(head, traits, bottom, side):
    """The inner edge of hair that hangs beside a cheek, bottom first."""
    end = 0.80 if traits.hair_style == "bob" else 0.72
    edge = smooth(
        [
            (side * end, bottom + 0.02, 0.1),
            (side * 0.86, 0.6 * bottom + 0.2, 0.15),
            (side * 0.90, 0.55, 0.2),
            (side * 0.93, 0.2, 0.25),
        ],
        closed=False,
    )
    edge[:, 0] *= head.width
    if side == _far_side(head):
        # It hangs behind the cheek's edge; the other one in front of the cheek.
        edge[:, 0] += side * (0.10 * abs(head.sin_yaw))
        edge[:, 2] *= 1.0 - min(2.2 * abs(head.sin_yaw), 1.0)
    return head.rim(edge)


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
    half = [(0.17, top), (0.85 * wide, lip - 0.03)]
    half += [(wide + 0.08, layout.corner_y + 0.03)]
    half += [(0.7 * wide, lip + 0.045), (0.10, lip + 0.02)]
    left = [(-x, y) for x, y in half[::-1]]
    shape = smooth([(0.0, top + 0.03), *half, (0.0, lip - 0.02), *left])
    points = head.on(shape, 0.05)
    canvas.shade(moved(points, 0.0, 0.004), 0.25, blur=0.005)
    canvas.blend(points, layer, 0.95, blur=0.003)
