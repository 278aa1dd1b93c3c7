"""Colors of drawn people: skin, hair, eyes and lips."""

from __future__ import annotations

import numpy as np

from data_pipeline.drawing import mix

_SKIN_TONES = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
_SKIN = np.array(
    [
        (245, 217, 198),
        (237, 198, 171),
        (224, 172, 136),
        (186, 129, 92),
        (134, 86, 58),
        (88, 56, 41),
    ]
)

# name: color, range of its lightness
HAIR = {
    "black": ((38, 33, 34), 0.55),
    "brown": ((96, 62, 41), 0.34),
    "blond": ((214, 172, 104), 0.22),
    "gray": ((176, 173, 171), 0.20),
    "red": ((160, 76, 40), 0.28),
}

IRIS = {
    "dark": (62, 40, 28),
    "brown": (104, 68, 38),
    "hazel": (132, 104, 54),
    "green": (92, 126, 82),
    "blue": (84, 132, 176),
    "gray": (122, 136, 148),
}

_LIPSTICK = ((176, 26, 44), (196, 48, 88), (150, 34, 60), (206, 84, 78), (116, 28, 58))


def skin_color(tone: float, undertone: float) -> np.ndarray:
    """Skin from pale (tone 0) to deep (1); undertone from cool (-1) to warm (1)."""
    color = [np.interp(tone, _SKIN_TONES, _SKIN[:, channel]) for channel in range(3)]
    return np.clip(np.array(color) + undertone * np.array([3.0, 2.0, -7.0]), 0, 255)


def hair_color(color: str, lightness: float) -> np.ndarray:
    """A natural hair color; lightness goes from -1 to 1."""
    base, spread = HAIR[color]
    return np.clip(np.array(base) * (1.0 + 0.5 * spread * lightness), 0, 255)


def lips(skin_color, *, lipstick: bool, shade: float) -> np.ndarray:
    """Lips: the skin's own color, redder, or a lipstick; shade from 0 to 1."""
    if lipstick:
        place = shade * (len(_LIPSTICK) - 1)
        low = int(place)
        high = min(low + 1, len(_LIPSTICK) - 1)
        return mix(_LIPSTICK[low], _LIPSTICK[high], place - low)
    return mix(np.asarray(skin_color) * 0.86, (184, 70, 72), 0.30 + 0.15 * shade)
