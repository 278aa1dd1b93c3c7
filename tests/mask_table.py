"""Mask pictures as users bring them, and what each must be taken for.

All mark the same place, `MISSING`, of a picture of `SIZE`; every reader of masks is
tested with the same table.
"""

import io

import numpy as np
from PIL import Image

SIZE = (40, 60)
MISSING = np.zeros(SIZE, bool)
MISSING[12:28, 12:36] = True  # in fours, not in the eights of a JPEG
_SOFT = np.zeros(SIZE, np.uint8)  # a rim of half its strength, as brushes have
_SOFT[11:29, 11:37] = 100


def layer(color, strength=255, around=(0, 0, 0)):
    """Strokes of a color on a transparent layer."""
    picture = np.zeros((*SIZE, 4), np.uint8)
    picture[..., :3] = around
    picture[..., 3] = _SOFT
    picture[MISSING] = (*color, 255)
    picture[..., 3] = picture[..., 3] * (strength / 255)
    return Image.fromarray(picture)


def levels(low, high, kind=np.uint8):
    return Image.fromarray(np.where(MISSING, high, low).astype(kind))


def colors(low, high):
    return Image.fromarray(np.where(MISSING[..., None], high, low).astype(np.uint8))


def palette(*colors, transparent=None):
    """A palette whose first color is around, its second marks."""
    image = Image.fromarray(MISSING.astype(np.uint8), mode="P")
    image.putpalette(np.ravel(colors).tolist())
    if transparent is not None:
        image.info["transparency"] = transparent
    return image


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)
TWO = "the brighter of its two levels, {} and {}"
JPEG = {"form": "JPEG", "quality": 30}

# Name -> the file's bytes, and what it is taken for.
MASKS = {
    "white on black": (encoded(levels(0, 255)), "white on black"),
    "one bit": (encoded(levels(0, 255).convert("1")), "white on black"),
    "color": (encoded(colors(BLACK, WHITE)), "white on black"),
    "bitmap": (encoded(colors(BLACK, WHITE), "BMP"), "white on black"),
    "noise of a JPEG": (encoded(levels(0, 255), **JPEG), "white on black"),
    "faint JPEG": (
        encoded(levels(0, 127), **JPEG),
        r"brighter than the middle between 0 and 1\d\d",
    ),
    "0 and 1": (encoded(levels(0, 1)), TWO.format(0, 1)),
    "0 and 127": (encoded(levels(0, 127)), TWO.format(0, 127)),
    "200 and 220": (encoded(levels(200, 220)), TWO.format(200, 220)),
    "0 and 1 of 16 bits": (encoded(levels(0, 1, np.uint16)), TWO.format(0, 1)),
    "16 bits": (encoded(levels(0, 65535, np.uint16)), "white on black"),
    "red on black": (encoded(colors(BLACK, RED)), TWO.format(0, 85)),
    "palette": (encoded(palette(BLACK, (128, 0, 0))), TWO.format(0, 42.67)),
    "palette of grays": (encoded(palette(BLACK, WHITE)), "white on black"),
    "transparent palette": (
        encoded(palette(BLACK, WHITE, transparent=0), transparency=0),
        "white strokes on a transparent layer",
    ),
    "white strokes": (encoded(layer(WHITE)), "white strokes on a transparent layer"),
    "black strokes": (encoded(layer(BLACK)), "black strokes on a transparent layer"),
    "red strokes": (encoded(layer(RED)), "colored strokes on a transparent layer"),
    "white around": (
        encoded(layer(WHITE, around=WHITE)),
        "white strokes on a transparent layer",
    ),
    "faint strokes": (
        encoded(layer(WHITE, strength=100)),
        "white strokes on a transparent layer",
    ),
    "gray and transparent": (
        encoded(layer(WHITE).convert("LA")),
        "white strokes on a transparent layer",
    ),
    "opaque layer": (encoded(levels(0, 255).convert("RGBA")), "white on black"),
    "twice as large": (
        encoded(levels(0, 255).resize((120, 80), Image.NEAREST)),
        "white on black, resized from 120x80",
    ),
    "a quarter": (
        encoded(levels(0, 255).resize((15, 10), Image.NEAREST)),
        "white on black, resized from 15x10",
    ),
}

# Name -> the file's bytes, and words of the error.
REFUSED = {
    "nothing": (encoded(levels(0, 0)), "nothing"),
    "everything": (encoded(levels(255, 255)), "everything"),
    "no strokes": (encoded(Image.new("RGBA", SIZE[::-1])), "nothing"),
    "everything painted": (
        encoded(Image.new("RGBA", SIZE[::-1], (*WHITE, 200))),
        "everything",
    ),
    "another shape": (encoded(Image.new("L", (60, 41))), "60x41 .*60x40"),
    "not a multiple": (
        encoded(levels(0, 255).resize((90, 60), Image.NEAREST)),
        "90x60 .*60x40",
    ),
    "turned": (encoded(levels(0, 255).rotate(90, expand=True)), "40x60 .*60x40"),
    "labels": (
        encoded(Image.fromarray(np.arange(2400, dtype=np.uint8).reshape(SIZE) % 19)),
        "white where",
    ),
}
