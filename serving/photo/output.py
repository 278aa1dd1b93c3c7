"""Restored pictures as files: formats, and what is kept of the picture's own file.

EXIF data are kept, but for the orientation, which is applied, the thumbnail, which
would show the picture as it was, and the place, unless asked for. Colors are sRGB's,
and a file whose picture had a color profile says so. What was transparent stays so
where nothing was restored. Every file says that it is restored.
"""

from __future__ import annotations

import io
import pathlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from data_pipeline import pixels
from serving import png

# Pillow's names of the formats that are written, by those of flags.
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
SAME = "same"
QUALITY = 95  # of JPEG and WebP

_GPS, _EXIF, _DESCRIPTION, _SOFTWARE = 0x8825, 0x8769, 0x010E, 0x0131
_COLOR_SPACE, _WIDTH, _HEIGHT = 0xA001, 0xA002, 0xA003
_LONGEST_EXIF = 65_000  # bytes, of a JPEG


class UnwritableError(ValueError):
    """A picture cannot be written in a format; the message says why."""


def suffix(source: pathlib.Path, form: str) -> str:
    """The suffix of a result.

    Args:
      source: The picture's file.
      form: One of `FORMATS`, or `SAME`: the source's, if it is one of `FORMATS`,
        otherwise PNG.
    """
    if form != SAME:
        return pixels.FORMATS[FORMATS[form]][0]
    return source.suffix if format_of(source.suffix) else ".png"


def format_of(suffix: str) -> str | None:
    """Pillow's name of the format that a suffix stands for, if it is written."""
    for name in FORMATS.values():
        if suffix.lower() in pixels.FORMATS[name]:
            return name
    return None


def flattens(picture: pixels.Picture, mask: np.ndarray, suffix: str) -> bool:
    """Whether a format loses transparency that is left beside what is restored."""
    if picture.layer is None or format_of(suffix) != "JPEG":
        return False
    return bool((picture.layer[..., 3:] < 255)[mask == 0].any())


def encode(
    restored: np.ndarray,
    picture: pixels.Picture,
    mask: np.ndarray,
    suffix: str,
    *,
    quality: int = 0,
    keep_location: bool = False,
) -> bytes:
    """Encodes a restored picture.

    Args:
      restored: uint8 [H, W, 3].
      picture: It was before.
      mask: uint8 [H, W, 1], 1 = restored.
      suffix: Of the file; see `suffix`.
      quality: Of JPEG and WebP, 1 to 100; 0 takes a JPEG's own, otherwise `QUALITY`.
      keep_location: Whether EXIF data keep the place.

    Raises:
      UnwritableError: If the format has no room for it.
    """
    form = format_of(suffix)
    image = Image.fromarray(restored)
    is_gray = (restored == restored[..., :1]).all()
    if picture.layer is not None and form != "JPEG":
        # Not what lay over white, which is only what the model saw.
        colors = np.where(mask, restored, picture.layer[..., :3])
        is_gray = (colors == colors[..., :1]).all()
        alpha = np.where(mask, np.uint8(255), picture.layer[..., 3:])
        image = Image.fromarray(np.concatenate([colors, alpha], axis=-1))
    if is_gray and form != "WEBP":
        image = image.convert("LA" if image.mode == "RGBA" else "L")
    options: dict[str, Any] = {"quality": quality or QUALITY}
    if form == "PNG":
        options = {
            "pnginfo": png.text(png.RESTORED),
            "compress_level": png.LEVEL,
        }
    elif form == "WEBP":
        options |= {"exact": True}
    elif not quality and picture.tables:
        options = dict(picture.tables)
    elif options["quality"] >= 90:
        options["subsampling"] = 0
    if picture.has_profile and not is_gray:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        options["icc_profile"] = profile.tobytes()
    if picture.exif or form != "PNG":
        options["exif"] = _exif(picture, keep_location)
    buffer = io.BytesIO()
    try:
        image.save(buffer, form, **options)
    except (ValueError, OSError) as error:
        height, width = restored.shape[:2]
        raise UnwritableError(
            f"{width}x{height} pixels cannot be written as {form} ({error}); pass "
            "--format=png."
        ) from error
    return buffer.getvalue()


def _exif(picture: pixels.Picture, keep_location: bool) -> bytes:
    """The EXIF data of a restored picture, which say that it is one."""
    exif = Image.Exif()
    if len(picture.exif) < _LONGEST_EXIF:
        exif.load(picture.exif)
    if not keep_location:
        exif.pop(_GPS, None)
    said = exif.get(_DESCRIPTION)
    exif[_DESCRIPTION] = f"{png.RESTORED}; {said}" if said else png.RESTORED
    exif.setdefault(_SOFTWARE, "facemend")
    if _EXIF in exif:
        own = exif.get_ifd(_EXIF)
        height, width = picture.image.shape[:2]
        changed = {_WIDTH: width, _HEIGHT: height}
        if picture.has_profile:
            changed[_COLOR_SPACE] = 1  # sRGB
        own.update({tag: value for tag, value in changed.items() if tag in own})
    return exif.tobytes()
