"""What people give the web page and take from it: pictures, masks, files."""

from __future__ import annotations

import io
import os
import pathlib

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from data_pipeline import pixels

# Of an upload. Restoring as many pixels takes some 3 GB and half a minute of two cores.
MAX_BYTES = 24 * 2**20
MAX_PIXELS = 25_000_000
# Pillow knows dozens of formats more, and some of them start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")

RESTORED = "restored by facemend; invented content"
DECODED = "decompressed by facemend; details may be invented"
DRAWN = "drawn by facemend; invented content, nobody's picture"


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


def encode_png(image: np.ndarray, said: str) -> bytes:
    """A picture as a PNG that says what it is.

    Args:
      image: uint8 [H, W, 3].
      said: In its text chunk "Description", which viewers and editors keep and show.
    """
    text = PngImagePlugin.PngInfo()
    text.add_text("Description", said)
    text.add_text("Software", "facemend")
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", pnginfo=text)
    return buffer.getvalue()
