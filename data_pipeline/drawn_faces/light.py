"""The skin of drawn faces, its color and relief, and the light on the person.

Relief and light are smooth, so they are computed on a coarse grid on the flat head and
warped into the picture, whatever its size.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from data_pipeline.drawing import UNIT
from data_pipeline.drawn_faces.head import Head

_SKIN_TONES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_SKIN = np.array(  # one row a channel
    [
        (245, 237, 224, 186, 134, 88),
        (217, 198, 172, 129, 86, 56),
        (198, 171, 136, 92, 58, 41),
    ]
)

_STEP = 0.05  # of the grid, in half head widths; the narrowest shading is 0.05
_LOW, _HIGH = np.array([-1.9, -2.1]), np.array([1.9, 2.5])  # beyond: replicated
_U = np.arange(_LOW[0], _HIGH[0], _STEP, dtype=np.float32)
_V = np.arange(_LOW[1], _HIGH[1], _STEP, dtype=np.float32)


def _warp(factors: np.ndarray, head: Head, side: int) -> np.ndarray:
    """Factors float [V, U, 3] on the grid -> uint8 [side, side, 3] in the picture."""
    if side > 128:  # soft as they are, half as many pixels hold them
        half = _warp(factors, head, side // 2)
        return cv2.resize(half, (side, side), interpolation=cv2.INTER_LINEAR)
    linear, shift = head.affine[:, :2], head.affine[:, 2]
    matrix = np.c_[linear * (_STEP * side), (linear @ _LOW + shift) * side - 0.5]
    factors, size = cv2.convertScaleAbs(factors, alpha=UNIT), (side, side)
    return cv2.warpAffine(factors, matrix, size, borderMode=cv2.BORDER_REPLICATE)


# x, y, lift, sigma x, sigma y, change of red, green, blue; on both sides unless x is 0.
_RELIEF = (
    (0.42, -0.03, 0.0, 0.24, 0.14, -0.11, -0.15, -0.15),  # eye sockets
    (0.22, -0.02, 0.0, 0.07, 0.13, -0.10, -0.12, -0.12),  # beside the root of the nose
    (0.50, -0.20, 0.0, 0.22, 0.06, 0.05, 0.05, 0.05),  # under the brows
    (0.00, 0.15, 0.12, 0.055, 0.30, 0.09, 0.09, 0.09),  # bridge
    (0.00, 0.55, 0.22, 0.075, 0.07, 0.12, 0.10, 0.10),  # tip
    (0.00, 0.71, 0.05, 0.15, 0.045, -0.15, -0.17, -0.16),  # under the nose
    (0.00, 0.79, 0.0, 0.035, 0.05, -0.07, -0.08, -0.08),  # groove above the lip
    (0.00, 1.21, 0.0, 0.20, 0.055, -0.13, -0.15, -0.14),  # under the lip
    (0.00, 1.39, 0.0, 0.15, 0.10, 0.06, 0.05, 0.04),  # chin
    (0.58, 0.36, 0.0, 0.22, 0.13, 0.06, 0.05, 0.04),  # cheek bones
    (0.66, 0.85, 0.0, 0.20, 0.22, -0.06, -0.07, -0.06),  # hollow of the cheeks
)


def _on_both_sides(*rows):
    for row in rows:
        yield row
        if row[0]:
            yield (-row[0], *row[1:])


def _relief_rows(traits):
    t = traits
    away = -math.copysign(1.0, t.light_azimuth)
    slant = min(abs(t.light_azimuth) / 45.0, 1.0) * (0.5 + 0.7 * t.light_strength)
    blush = (0.03, -0.20, -0.15) if t.rosy else (0.02, -0.035, -0.025)
    yield from _on_both_sides(*_RELIEF, (0.60, 0.52, 0.0, 0.21, 0.19, *blush))
    for side, part in ((away, 0.06 + 0.17 * slant), (-away, 0.05)):
        yield (side * 0.15, 0.28, 0.02, 0.055, 0.26, -part, -1.1 * part, -part)
    cast = 0.05 + 0.14 * slant
    yield (away * 0.21, 0.60, 0.0, 0.10, 0.10, -cast, -1.1 * cast, -1.1 * cast)
    glow = 0.03 + 0.05 * slant
    yield (-away * 0.35, -0.62, 0.0, 0.38, 0.22, glow, glow, glow)
    if t.bags:
        yield from _on_both_sides((0.43, 0.22, 0.0, 0.17, 0.045, -0.20, -0.22, -0.17))
    if t.smiling:
        yield from _on_both_sides((0.56, 0.56, 0.0, 0.14, 0.11, 0.07, 0.05, 0.04))


def skin_color(tone: float, undertone: float) -> np.ndarray:
    """Skin from pale (tone 0) to deep (1); undertone from cool (-1) to warm (1)."""
    color = [np.interp(tone, _SKIN_TONES, channel) for channel in _SKIN]
    return np.clip(np.array(color) + undertone * np.array([3.0, 2.0, -7.0]), 0, 255)


def skin_relief(head: Head, traits, side: int) -> np.ndarray:
    """Factors for skin: sockets, nose, cheeks; uint8 [side, side, 3], UNIT means 1."""
    table = np.array(list(_relief_rows(traits)))
    spots = head.flat(table[:, :2], table[:, 2])
    across = np.exp(-0.5 * ((_U - spots[:, :1]) / table[:, 3:4]) ** 2)  # [K, U]
    down = np.exp(-0.5 * ((_V - spots[:, 1:]) / table[:, 4:5]) ** 2)  # [K, V]
    change = np.stack([(down * table[:, c : c + 1]).T @ across for c in (5, 6, 7)], -1)
    return _warp(1.0 + np.maximum(change, -0.6), head, side)


def light(head: Head, traits, side: int) -> np.ndarray:
    """Factors of the light on the person; uint8 [side, side, 3], UNIT means 1."""
    t = traits
    azimuth, elevation = math.radians(t.light_azimuth), math.radians(t.light_elevation)
    flat = math.cos(elevation)
    towards = (math.sin(azimuth) * flat, -math.sin(elevation), math.cos(azimuth) * flat)
    # The head is narrow and round, the shoulders below it are wide and flat.
    chest = np.clip((_V - 1.2) / 0.8, 0.0, 1.0)[:, None]
    u = np.clip((_U[None, :] - 0.3 * head.sin_yaw) / (1.12 + 1.9 * chest), -1.2, 1.2)
    v = np.clip((_V - 0.05) / 1.9, -0.9, 0.5)[:, None]
    radius = u * u + v * v
    depth = np.sqrt(np.maximum(1.0 - radius, 0.0))
    length = np.sqrt(np.maximum(radius, 1.0))
    lambert = (u * towards[0] + v * towards[1]) / length + depth * towards[2]
    # Wrapped a little around the head, as light from a window is.
    lambert = np.maximum((lambert + 0.25) / 1.25, 0.0)
    level = (1.0 - t.light_strength) + t.light_strength * lambert
    level = level * (1.09 / level.max())
    if t.cast_shadow:
        angle = math.radians(t.cast_angle)
        edge = _U[None, :] * math.cos(angle) + _V[:, None] * math.sin(angle)
        inside = 1.0 / (1.0 + np.exp(-(edge - t.cast_place) / 0.06))
        level = level * (1.0 - 0.38 * inside)
    # Shade is cooler than a warm light, and the other way round.
    tint = 0.06 * t.light_warmth
    powers = (1.0 - tint, 1.0, 1.0 + 2 * tint)
    gains = (1.0 + tint, 1.0, 1.0 - tint)
    level = np.maximum(level, 0.3)
    factors = np.stack([gain * level**power for gain, power in zip(gains, powers)], -1)
    return _warp(factors, head, side)
