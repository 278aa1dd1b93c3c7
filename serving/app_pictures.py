"""What people give the web page: its limits."""

from __future__ import annotations

import io
import os
import pathlib

import numpy as np
from PIL import Image, UnidentifiedImageError

from data_pipeline import pixels

# Of an upload. Restoring as many pixels takes some 3 GB and half a minute of two cores.
MAX_BYTES = 24 * 2**20
MAX_PIXELS = 25_000_000
# Pillow knows dozens of formats more, and some of them start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


def read(path: str | os.PathLike) -> np.ndarray:
    """Reads an upload, whatever it is, as `pixels.decode` does.

    Args:
      path: Of the file.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UnreadableImageError: If it is no picture, or too large; the message is for
        whoever uploaded it.
    """
    path = pathlib.Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise pixels.UnreadableImageError(
            f"This file is larger than {MAX_BYTES >> 20} MB. Save the picture as JPEG, "
            "or make it smaller."
        )
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size  # of the header: nothing is decoded yet
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise pixels.UnreadableImageError(
            "This file is not a readable picture. The page takes JPEG, PNG, WebP and "
            "BMP."
        ) from error
    except Image.DecompressionBombError:
        width, height = MAX_PIXELS, MAX_PIXELS
    if width * height > MAX_PIXELS:
        raise pixels.UnreadableImageError(
            f"This picture has more than {MAX_PIXELS // 10**6} megapixels. Make it "
            "smaller first; the command line takes larger ones."
        )
    return pixels.decode(data, "This picture")


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """The picture, its longer side at most so many pixels.

    Args:
      image: uint8 [H, W, 3].
      side: In pixels.
    """
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(round(scale * length), 1) for length in image.shape[:2])
    return pixels.resize(image, height, width)
