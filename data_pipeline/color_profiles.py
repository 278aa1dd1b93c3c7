"""ICC profiles: what the numbers of a picture's file mean as colors."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

_MODES = ("RGB", "L", "CMYK")  # Pillow's, which profiles are made for
# Profiles that say sRGB differ by their authors' rounding, and must change nothing.
_ROUNDING = 2
_PROBED = 18  # levels a channel, 15 apart


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Makes the colors that a profile means sRGB's, which is what networks see.

    Args:
      image: RGB, RGBA, L or CMYK.
      profile: What the file has embedded, if anything. One that is damaged or of
        another kind of picture counts for nothing, as one of sRGB itself does, which
        leaves every number as it is.

    Returns:
      RGB, or RGBA with the alpha that there was; the image itself if nothing changes.
    """
    if image.mode == "RGBA":
        colors = to_srgb(image.convert("RGB"), profile)
        colors.putalpha(image.getchannel("A"))
        return colors
    if not profile or image.mode not in _MODES:
        return image
    transform = _transform(profile, image.mode)
    return ImageCms.applyTransform(image, transform) if transform else image


@functools.lru_cache(maxsize=16)  # pictures of one camera have one profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """What makes sRGB of a mode, or None if that is to change nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    # PyCMSError is of other pictures' profiles too; ImportError, of a Pillow without
    # LittleCMS.
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        return None
    return None if _is_srgb(transform, mode) else transform


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether it changes nothing but by rounding."""
    if mode == "CMYK":
        return False
    levels = np.rint(np.linspace(0, 255, _PROBED)).astype(np.uint8)
    channels = Image.getmodebands(mode)
    before = np.stack(np.meshgrid(*[levels] * channels), axis=-1)
    before = before.reshape(_PROBED, -1, channels)
    given = Image.fromarray(before[..., 0] if mode == "L" else before)
    after = np.asarray(ImageCms.applyTransform(given, transform)).astype(int)
    return np.abs(after - before).max() <= _ROUNDING
