"""Pictures on their way to a server and back, with NumPy and Pillow alone."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, UnidentifiedImageError


def check(image: np.ndarray) -> np.ndarray:
    """What is passed for a picture, as an array.

    Raises:
      ValueError: Unless it is uint8 [H, W, 3]; the message says how to make it that.
    """
    image = np.asarray(image)
    ways_out = []
    if image.ndim == 4:
        ways_out.append("Pass one picture at a time.")
    elif image.ndim != 3 or image.shape[2] != 3:
        ways_out.append("Convert it to RGB.")
    if image.dtype.kind == "f":
        ways_out.append(
            "(image * 255).round().astype(np.uint8) makes one of values in [0, 1]."
        )
    elif image.dtype != np.uint8:
        ways_out.append("image.astype(np.uint8) makes one of values in 0..255.")
    if not image.size:
        ways_out.append("Pass one that has pixels.")
    if ways_out:
        raise ValueError(
            f"A picture must be uint8 [H, W, 3]; got {image.dtype} "
            f"{list(image.shape)}. {' '.join(ways_out)}"
        )
    return image


def encode(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] -> the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of a picture -> uint8 of that shape, [H, W, 3].

    Raises:
      ValueError: If it is no picture, or one of another size.
      Exception: Any that Pillow has for damaged ones.
    """
    try:
        with Image.open(io.BytesIO(data)) as picture:
            decoded = np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError("no picture at all") from error
    if decoded.shape != shape:
        raise ValueError(f"{list(decoded.shape)} in place of {list(shape)}")
    return decoded
