"""Random factors of drawn faces, and the attributes that follow from them.

Each factor takes one number of a stream keyed by (seed, index), so the factors are
independent of each other and of the size.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np

from data_pipeline.datasets import celeba

_NORMAL = statistics.NormalDist()


def _factor(value_of: Callable[[float], Any]) -> Any:
    """A field whose value is computed from a uniform number in [0, 1)."""
    return dataclasses.field(metadata={"value_of": value_of})


def _between(low: float, high: float) -> Any:
    return _factor(lambda u: float(low + (high - low) * u))


def _bell(deviation: float, limit: float, *, center: float = 0.0) -> Any:
    """Normal numbers, cut at `limit` from the center."""

    def value_of(u: float) -> float:
        quantile = _NORMAL.inv_cdf(0.0005 + 0.999 * u)
        return center + float(min(max(deviation * quantile, -limit), limit))

    return _factor(value_of)


def _chance(probability: float) -> Any:
    return _factor(lambda u: bool(u < probability))


def _choice(**weights: float) -> Any:
    def value_of(u: float) -> str:
        at = u * sum(weights.values())
        for name, weight in weights.items():
            at -= weight
            if at < 0:
                return name
        return name

    return _factor(value_of)


def _integer(limit: int) -> Any:
    return _factor(lambda u: int(u * limit))


@dataclasses.dataclass(frozen=True)
class Traits:
    """The factors of one face. Lengths are in half head widths, angles in degrees."""

    # pose and framing
    yaw: float = _bell(14, 30)  # positive: towards the right of the picture
    pitch: float = _bell(5, 12)  # positive: down
    roll: float = _bell(5.5, 16)  # positive: clockwise
    scale: float = _between(0.246, 0.274)  # half a head width in picture widths
    # The middle between the eyes of an unturned head, in the picture.
    center_x: float = _bell(0.008, 0.02, center=0.5)
    center_y: float = _bell(0.008, 0.02, center=0.415)
    # head
    head_shape: str = _choice(oval=4, round=2, square=2, heart=2, long=1.5)
    head_width: float = _bell(0.02, 0.05)
    jaw: float = _bell(0.02, 0.04)
    chin: float = _bell(0.025, 0.05)
    ear_size: float = _between(0.85, 1.2)
    skin_tone: float = _between(0.0, 1.0)
    undertone: float = _between(-1.0, 1.0)
    rosy: bool = _chance(0.2)
    freckles: bool = _chance(0.14)
    bags: bool = _chance(0.2)
    # hair
    hair_style: str = _choice(
        bald=1, buzz=1.2, short=3, quiff=1.8, curly=1.6, afro=1, bob=2, long=3, tied=1.4
    )
    hair_color: str = _choice(black=3, brown=3.2, blond=2, gray=1.6, red=1.1)
    hair_lightness: float = _between(-1, 1)
    hair_wave: bool = _chance(0.45)
    bangs: bool = _chance(0.28)
    receding: bool = _chance(0.14)
    parting: float = _between(-1, 1)  # where the hair is parted, -1 to 1
    hair_volume: float = _between(0, 1)
    # brows and eyes
    brow_height: float = _bell(0.02, 0.05)
    brow_tilt: float = _bell(0.035, 0.08, center=0.03)
    arched_brows: bool = _chance(0.3)
    bushy_brows: bool = _chance(0.25)
    eye_spacing: float = _bell(0.012, 0.03)
    eye_size: float = _bell(0.06, 0.14)
    eye_tilt: float = _bell(0.015, 0.04)
    eye_opening: float = _bell(0.08, 0.18)
    narrow_eyes: bool = _chance(0.18)
    gaze_x: float = _bell(0.45, 1.0)  # -1 to 1
    gaze_y: float = _bell(0.3, 0.7)
    iris: str = _choice(dark=3, brown=3, hazel=1.5, green=1.3, blue=2, gray=1)
    # nose and mouth
    big_nose: bool = _chance(0.25)
    nose_length: float = _bell(0.02, 0.05)
    nose_width: float = _bell(0.06, 0.12)
    mouth_width: float = _bell(0.02, 0.05)
    mouth_height: float = _bell(0.012, 0.03)
    smiling: bool = _chance(0.48)
    smile: float = _between(0, 1)  # how much, beyond or short of smiling, 0 to 1
    mouth_open: bool = _chance(0.38)
    mouth_gap: float = _between(0, 1)
    big_lips: bool = _chance(0.28)
    lipstick: bool = _chance(0.3)
    lip_shade: float = _between(0, 1)
    # facial hair
    beard: str = _choice(none=7, stubble=1.2, goatee=1, full=1.4)
    mustache: bool = _chance(0.15)
    # things worn
    glasses: str = _choice(none=7.6, round=1, square=1, wire=0.8)
    glasses_shade: float = _between(0, 1)
    hat: str = _choice(none=8.4, beanie=0.6, cap=0.5, brim=0.5)
    hat_hue: float = _between(0, 1)
    hat_value: float = _between(0, 1)
    earrings: bool = _chance(0.25)
    top: str = _choice(crew=3, vneck=2, shirt=2, tie=1.2, turtleneck=1.2)
    top_hue: float = _between(0, 1)
    top_saturation: float = _between(0.05, 0.7)
    top_value: float = _between(0.2, 0.95)
    necklace: bool = _chance(0.25)
    # light
    light_azimuth: float = _bell(38, 75)  # positive: from the right
    light_elevation: float = _between(5, 45)
    light_strength: float = _between(0.25, 0.8)
    light_warmth: float = _bell(0.4, 1.0)
    cast_shadow: bool = _chance(0.12)
    cast_place: float = _between(-0.8, 0.8)
    cast_angle: float = _between(-60, 60)
    # background and grain
    background: str = _choice(
        plain=2, clouds=2, lights=2, leaves=1.5, wall=1.5, stripes=1
    )
    background_hue: float = _between(0, 1)
    background_contrast: float = _between(0.3, 1)
    background_saturation: float = _between(0.04, 0.48)
    background_value: float = _between(0.25, 0.9)
    background_blur: float = _between(0, 1)
    grain: float = _between(0.3, 2.2)  # deviation of sensor noise, levels of 255
    texture: int = _integer(2**31)  # seed of strands, freckles, background and noise


def sample(seed: int, index: int) -> Traits:
    """The traits of face number `index`; independent of every other face."""
    # Uniform numbers only: numpy keeps their stream stable.
    stream = np.random.Generator(np.random.PCG64([seed, index])).random(96)
    fields = dataclasses.fields(Traits)
    values = {f.name: f.metadata["value_of"](u) for f, u in zip(fields, stream)}
    return Traits(**values)


# Judgments on people, and attributes that are not drawn.
_NOT_DRAWN = {
    "Attractive", "Blurry", "Chubby", "Double_Chin", "Heavy_Makeup",
    "High_Cheekbones", "Male", "Pointy_Nose", "Sideburns", "Young",
}  # fmt: skip

# In CelebA's order.
ATTRIBUTES: tuple[str, ...] = tuple(
    name for name in celeba.ATTRIBUTES if name not in _NOT_DRAWN
)

COVERS_EARS = ("bob", "long", "afro")  # hair styles
_PALE = 0.16  # skin tones below this are Pale_Skin


def attributes(traits: Traits) -> np.ndarray:
    """The attributes of a face, bool [len(ATTRIBUTES)], in the order of ATTRIBUTES.

    No_Beard says that there is no beard on chin and cheeks, whatever the upper lip;
    stubble (5_o_Clock_Shadow) counts as a beard.
    """
    t = traits
    hat, hairy = t.hat != "none", t.hair_style != "bald"
    # A hat leaves hair to see at the temples, but its texture only where it is long.
    textured = hairy and t.hair_style != "buzz"
    textured = textured and (not hat or t.hair_style in COVERS_EARS)
    curly = t.hair_style in ("curly", "afro")
    shown = {
        "5_o_Clock_Shadow": t.beard == "stubble",
        "Arched_Eyebrows": t.arched_brows,
        "Bags_Under_Eyes": t.bags,
        "Bald": not hairy and not hat,
        "Bangs": has_bangs(t),
        "Big_Lips": t.big_lips,
        "Big_Nose": t.big_nose,
        "Black_Hair": hairy and t.hair_color == "black",
        "Blond_Hair": hairy and t.hair_color == "blond",
        "Brown_Hair": hairy and t.hair_color == "brown",
        "Bushy_Eyebrows": t.bushy_brows,
        "Eyeglasses": t.glasses != "none",
        "Goatee": t.beard == "goatee",
        "Gray_Hair": hairy and t.hair_color == "gray",
        "Mouth_Slightly_Open": t.mouth_open,
        "Mustache": t.mustache,
        "Narrow_Eyes": t.narrow_eyes,
        "No_Beard": t.beard == "none",
        "Oval_Face": t.head_shape == "oval",
        "Pale_Skin": t.skin_tone < _PALE,
        "Receding_Hairline": has_receding_hairline(t),
        "Rosy_Cheeks": t.rosy,
        "Smiling": t.smiling,
        "Straight_Hair": textured and not (curly or t.hair_wave),
        "Wavy_Hair": textured and (curly or t.hair_wave),
        "Wearing_Earrings": t.earrings,
        "Wearing_Hat": hat,
        "Wearing_Lipstick": t.lipstick,
        "Wearing_Necklace": has_necklace(t),
        "Wearing_Necktie": t.top == "tie",
    }
    return np.array([shown[name] for name in ATTRIBUTES], dtype=bool)


def has_bangs(traits: Traits) -> bool:
    """Whether hair falls over the forehead; not under a hat."""
    fitting = traits.hair_style in ("short", "curly", "bob", "long")
    return traits.bangs and fitting and traits.hat == "none"


def has_receding_hairline(traits: Traits) -> bool:
    """Whether the hairline is drawn receding; bangs and hats would hide it."""
    fitting = traits.hair_style in ("buzz", "short", "quiff", "tied")
    return (
        traits.receding and fitting and traits.hat == "none" and not has_bangs(traits)
    )


def has_necklace(traits: Traits) -> bool:
    """Whether a necklace is drawn; it needs a bare neck."""
    return traits.necklace and traits.top in ("crew", "vneck")
