"""What a drawn face is like: its random factors.

Each factor takes one number of a stream keyed by (seed, index), so the factors are
independent of each other and of the size. What follows from several of them, such as
the color of the brows or hair under a hat, is decided where it is drawn.
"""

from __future__ import annotations

import dataclasses
import statistics

import numpy as np

from data_pipeline.datasets import celeba

_NORMAL = statistics.NormalDist()


@dataclasses.dataclass(frozen=True)
class Traits:
    """The factors of one face. Lengths are in half head widths, angles in degrees."""

    # pose and framing
    yaw: float  # positive: towards the right of the picture
    pitch: float  # positive: down
    roll: float  # positive: clockwise
    scale: float  # half a head width in picture widths
    center_x: float  # the middle between the eyes of an unturned head, in the picture
    center_y: float
    # head
    head_shape: str
    head_width: float
    jaw: float
    chin: float
    ear_size: float
    skin_tone: float
    undertone: float
    rosy: bool
    freckles: bool
    bags: bool
    # hair
    hair_style: str
    hair_color: str
    hair_lightness: float
    hair_wave: bool
    bangs: bool
    receding: bool
    parting: float  # where the hair is parted, -1 to 1
    hair_volume: float
    # brows and eyes
    brow_height: float
    brow_tilt: float
    arched_brows: bool
    bushy_brows: bool
    eye_spacing: float
    eye_size: float
    eye_tilt: float
    eye_opening: float
    narrow_eyes: bool
    gaze_x: float  # -1 to 1
    gaze_y: float
    iris: str
    # nose and mouth
    big_nose: bool
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    smiling: bool
    smile: float  # how much, beyond or short of smiling, 0 to 1
    mouth_open: bool
    mouth_gap: float
    big_lips: bool
    lipstick: bool
    lip_shade: float
    # facial hair
    beard: str
    mustache: bool
    # things worn
    glasses: str
    glasses_shade: float
    hat: str
    hat_hue: float
    hat_value: float
    earrings: bool
    top: str
    top_hue: float
    top_saturation: float
    top_value: float
    necklace: bool
    # light
    light_azimuth: float  # positive: from the right
    light_elevation: float
    light_strength: float
    light_warmth: float
    cast_shadow: bool
    cast_place: float
    cast_angle: float
    # background and grain
    background: str
    background_hue: float
    background_contrast: float
    background_saturation: float
    background_value: float
    background_blur: float
    grain: float  # standard deviation of the sensor noise, in levels of 255
    texture: int  # seed of strands, freckles, background and noise


def sample(seed: int, index: int) -> Traits:
    """The traits of face number `index`; independent of every other face."""
    # Uniform numbers only: their stream is the one that numpy keeps stable.
    stream = iter(np.random.Generator(np.random.PCG64([seed, index])).random(96))

    def between(low, high):
        return float(low + (high - low) * next(stream))

    def bell(deviation, limit):
        quantile = _NORMAL.inv_cdf(0.0005 + 0.999 * next(stream))
        return float(min(max(deviation * quantile, -limit), limit))

    def chance(probability):
        return bool(next(stream) < probability)

    def choice(**weights):
        at = next(stream) * sum(weights.values())
        for name, weight in weights.items():
            at -= weight
            if at < 0:
                return name
        return name

    return Traits(
        yaw=bell(14, 30),
        pitch=bell(5, 12),
        roll=bell(5.5, 16),
        scale=between(0.246, 0.274),
        center_x=0.5 + bell(0.008, 0.02),
        center_y=0.415 + bell(0.008, 0.02),
        head_shape=choice(oval=4, round=2, square=2, heart=2, long=1.5),
        head_width=bell(0.02, 0.05),
        jaw=bell(0.02, 0.04),
        chin=bell(0.025, 0.05),
        ear_size=between(0.85, 1.2),
        skin_tone=between(0.0, 1.0),
        undertone=between(-1.0, 1.0),
        rosy=chance(0.2),
        freckles=chance(0.14),
        bags=chance(0.2),
        hair_style=choice(
            bald=1,
            buzz=1.2,
            short=3,
            quiff=1.8,
            curly=1.6,
            afro=1,
            bob=2,
            long=3,
            tied=1.4,
        ),
        hair_color=choice(black=3, brown=3.2, blond=2, gray=1.6, red=1.1),
        hair_lightness=between(-1, 1),
        hair_wave=chance(0.45),
        bangs=chance(0.28),
        receding=chance(0.14),
        parting=between(-1, 1),
        hair_volume=between(0, 1),
        brow_height=bell(0.02, 0.05),
        brow_tilt=0.03 + bell(0.035, 0.08),
        arched_brows=chance(0.3),
        bushy_brows=chance(0.25),
        eye_spacing=bell(0.012, 0.03),
        eye_size=bell(0.06, 0.14),
        eye_tilt=bell(0.015, 0.04),
        eye_opening=bell(0.08, 0.18),
        narrow_eyes=chance(0.18),
        gaze_x=bell(0.45, 1.0),
        gaze_y=bell(0.3, 0.7),
        iris=choice(dark=3, brown=3, hazel=1.5, green=1.3, blue=2, gray=1),
        big_nose=chance(0.25),
        nose_length=bell(0.02, 0.05),
        nose_width=bell(0.06, 0.12),
        mouth_width=bell(0.02, 0.05),
        mouth_height=bell(0.012, 0.03),
        smiling=chance(0.48),
        smile=between(0, 1),
        mouth_open=chance(0.38),
        mouth_gap=between(0, 1),
        big_lips=chance(0.28),
        lipstick=chance(0.3),
        lip_shade=between(0, 1),
        beard=choice(none=7, stubble=1.2, goatee=1, full=1.4),
        mustache=chance(0.15),
        glasses=choice(none=7.6, round=1, square=1, wire=0.8),
        glasses_shade=between(0, 1),
        hat=choice(none=8.4, beanie=0.6, cap=0.5, brim=0.5),
        hat_hue=between(0, 1),
        hat_value=between(0, 1),
        earrings=chance(0.25),
        top=choice(crew=3, vneck=2, shirt=2, tie=1.2, turtleneck=1.2),
        top_hue=between(0, 1),
        top_saturation=between(0.05, 0.7),
        top_value=between(0.2, 0.95),
        necklace=chance(0.25),
        light_azimuth=bell(38, 75),
        light_elevation=between(5, 45),
        light_strength=between(0.25, 0.8),
        light_warmth=bell(0.4, 1.0),
        cast_shadow=chance(0.12),
        cast_place=between(-0.8, 0.8),
        cast_angle=between(-60, 60),
        background=choice(plain=2, clouds=2, lights=2, leaves=1.5, wall=1.5, stripes=1),
        background_hue=between(0, 1),
        background_contrast=between(0.3, 1),
        background_saturation=between(0.04, 0.48),
        background_value=between(0.25, 0.9),
        background_blur=between(0, 1),
        grain=between(0.3, 2.2),
        texture=int(next(stream) * 2**31),
    )


# Judgements on people, and what the drawing has no lines for: it could not make them
# true.
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
    """What the drawing of these traits shows.

    Args:
      traits: Of the face.

    Returns:
      bool [len(ATTRIBUTES)], in the order of ATTRIBUTES. Facial hair is named as it is
      drawn: No_Beard says that there is none on chin and cheeks, whatever the upper
      lip; stubble (5_o_Clock_Shadow) counts as a beard.
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
