"""Mask pictures: what they mark, in whatever way they mark it.

Every command, the web page and the exported graphs (`serving.export.encoded_images`)
follow the same rule. Where an opaque part differs from a transparent one, the strokes
on the transparent layer are marked, whatever their color. Otherwise what is brighter
than the middle between the darkest and the brightest level is marked, so that masks of
0 and 1, of 0 and 127, and of black and white all work, with the noise of a JPEG too.
"""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
from PIL import Image

from data_pipeline import pixels

# The levels of a mask, or of its transparency, must be at least this share of the whole
# range apart, unless there are only two of them.
CONTRAST = 0.25
MOST = 0.5  # if more is missing, the mask may be the wrong way round
INVERTED = (
    ". That is more than half: if black marks what is missing, pass --missing_is_black"
)


class MaskError(ValueError):
    """A mask that cannot be used; the message says why."""


@dataclasses.dataclass(frozen=True)
class MaskPicture:
    """A mask picture.

    Attributes:
      marked: bool [H, W], in the orientation of its own file.
      taken_for: What it was taken for, such as "white on black".
    """

    marked: np.ndarray
    taken_for: str


def read_mask(
    path: pathlib.Path | str,
    size: tuple[int, int],
    *,
    orientation: int = 1,
    missing_is_black: bool = False,
) -> tuple[np.ndarray, str]:
    """Reads the mask of a picture.

    Args:
      path: Of the mask picture. It has the size of the upright picture, or that of the
        picture as it is stored, or one of them is a multiple of the other.
      size: Height and width of the upright picture, pixels.
      orientation: The picture's; see `pixels.Picture`.
      missing_is_black: The darker level is missing, not the brighter one.

    Returns:
      uint8 [H, W, 1], 1 = missing; and a sentence on what the mask was taken for.

    Raises:
      MaskError: If it has another size, or nothing or everything is missing.
      UnreadableImageError: If it is no picture.
    """
    picture = read_marked(path, missing_is_black)
    marked, notes = picture.marked, [picture.taken_for]
    fitted = fit(marked, size)
    if fitted is None and orientation != 1:
        marked = np.asarray(pixels.turned(Image.fromarray(marked), orientation))
        fitted = fit(marked, size)
        notes.append("turned with the picture")
    if fitted is None:
        (height, width), (rows, columns) = size, picture.marked.shape
        raise MaskError(
            f"{path}: the mask has {columns}x{rows} pixels and its picture "
            f"{width}x{height}. Save the mask with the picture's size, or a multiple."
        )
    if fitted.shape != marked.shape:
        rows, columns = marked.shape
        notes.append(f"resized from {columns}x{rows}")
    check(fitted, path, missing_is_black)
    told = f"{', '.join(notes)}: {fitted.mean():.1%} missing"
    if fitted.mean() > MOST and not missing_is_black:
        told += INVERTED
    return fitted.astype(np.uint8)[..., None], told


def read_marked(
    path: pathlib.Path | str, missing_is_black: bool = False
) -> MaskPicture:
    """Reads what a mask picture marks, of any size, be it nothing or everything.

    Raises:
      MaskError: If it has neither contrast nor a transparent part.
      UnreadableImageError: If it is no picture.
    """
    with pixels.opened(pixels.read_bytes(path), str(path)) as image:
        image = pixels.turned(image, pixels.orientation_of(image))
        if not image.mode.startswith(("I", "F")):
            layer = np.asarray(image.convert("RGBA"), np.int32)
            gray, alpha = layer[..., :3].sum(axis=-1), layer[..., 3]
            full = 3 * 255
        else:
            gray = np.asarray(image, np.float64)
            alpha = np.full(gray.shape, 255)
            # Of nothing but zeros, any number above them.
            full = 65535 if image.mode.startswith("I;16") else np.abs(gray).max() or 1.0
    if not np.isfinite(gray).all():
        raise MaskError(f"{path}: some of its numbers are infinite or none at all.")
    if np.ptp(alpha) >= CONTRAST * 255:
        return _strokes(alpha > middle(alpha), gray / full, missing_is_black)
    low, high = gray.min(), gray.max()
    if low == high:
        bright = np.full(gray.shape, low >= full / 2)
        return MaskPicture(bright ^ missing_is_black, "one level")
    bright = gray > middle(gray)
    marked = bright ^ missing_is_black
    unit = 3 if full == 3 * 255 else 1
    levels = f"{low / unit:.4g} and {high / unit:.4g}"
    if low <= full * 0.1 and high >= full * 0.9:
        words = "black on white" if missing_is_black else "white on black"
    elif np.isin(gray, (low, high)).all():
        words = f"the {_brighter(missing_is_black)} of its two levels, {levels}"
    elif high - low >= CONTRAST * full:
        words = f"{_brighter(missing_is_black)} than the middle between {levels}"
    else:
        raise MaskError(
            f"{path}: a mask must be white where the picture is missing and black "
            "elsewhere, or have strokes on a transparent layer; this one has levels "
            f"between {levels} of {full / unit:.4g}."
        )
    return MaskPicture(marked, words)


def middle(levels: np.ndarray) -> float:
    """Halfway between the lowest and the highest level."""
    return (float(levels.min()) + float(levels.max())) / 2


def fit(marked: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """A mask, bool [H, W], in a size of which it is a multiple, or the other way round.

    A pixel is marked if at least half of those that become it are. None for others.
    """
    (rows, columns), (height, width) = marked.shape, size
    if rows * width != columns * height:
        return None
    if rows % height == 0 == columns % width:
        factor = rows // height
        parts = marked.reshape(height, factor, width, factor)
        return parts.mean(axis=(1, 3)) >= 0.5
    if height % rows == 0 == width % columns:
        factor = height // rows
        return marked.repeat(factor, axis=0).repeat(factor, axis=1)
    return None


def check(
    missing: np.ndarray, name: pathlib.Path | str, missing_is_black: bool = False
) -> None:
    """Raises a MaskError if nothing or everything is missing."""
    if missing.any() and not missing.all():
        return
    what = "everything" if missing.any() else "nothing"
    way_out = "Mark in white what is missing, and leave the rest black"
    if missing_is_black:
        way_out = "Mark in black what is missing, and leave the rest white"
    raise MaskError(f"{name}: {what} is missing. {way_out}.")


def _strokes(
    opaque: np.ndarray, brightness: np.ndarray, missing_is_black: bool
) -> MaskPicture:
    """What a layer with a transparent part marks.

    Its strokes; but where black is missing and they are bright, what is around them.
    """
    mean = brightness[opaque].mean()
    color = "white" if mean > 0.9 else "black" if mean < 0.1 else "colored"
    if missing_is_black and mean > 0.5:
        return MaskPicture(~opaque, f"the transparent part of a {color} layer")
    return MaskPicture(opaque, f"{color} strokes on a transparent layer")


def _brighter(missing_is_black: bool) -> str:
    return "darker" if missing_is_black else "brighter"
