"""What a drawn face shows, in CelebA's words.

Several factors together decide some of it: a hat hides bangs, bangs hide a receding
hairline. The drawing asks the same functions, so that words and picture agree.
"""

from __future__ import annotations

import numpy as np

from data_pipeline import celeba_annotations
from data_pipeline.face_traits import Traits

# Judgements on people, and what the drawing has no lines for: it could not make them
# true.
_NOT_DRAWN = {
    "Attractive", "Blurry", "Chubby", "Double_Chin", "Heavy_Makeup",
    "High_Cheekbones", "Male", "Pointy_Nose", "Sideburns", "Young",
}  # fmt: skip

# In CelebA's order.
ATTRIBUTES: tuple[str, ...] = tuple(
    name for name in celeba_annotations.ATTRIBUTES if name not in _NOT_DRAWN
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
