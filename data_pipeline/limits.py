"""The limit of a picture's pixels, for all of a process.

Decoding takes memory by pixels, not by bytes: a file of 100 kB may be a picture of
119 megapixels. So the size in its header is checked before anything is decoded, and
the length of its file before it is read.
"""

from __future__ import annotations

from PIL import Image

MEGAPIXELS = 50  # photographs of today's telephones pass
FLAG = "max_megapixels"
_pixels = MEGAPIXELS * 10**6
# Of a file: four channels of 32 bits, not compressed, and what else a file may hold.
_BYTES_A_PIXEL, _BESIDE = 16, 2**26


def max_pixels() -> int:
    """The largest number of pixels that a picture may have."""
    return _pixels


def max_padded() -> int:
    """The limit for codecs, which pad sides to whole cells."""
    return _pixels * 11 // 10


def set_max_megapixels(megapixels: float) -> None:
    """Sets the limit.

    Raises:
      ValueError: If it is not above 0.
    """
    global _pixels
    if not megapixels > 0:
        raise ValueError(f"--{FLAG} must be above 0; got {megapixels:g}.")
    _pixels = round(megapixels * 10**6)
    # Pillow refuses twice as many by itself.
    Image.MAX_IMAGE_PIXELS = max(_pixels, MEGAPIXELS * 10**6)


def check(width: int, height: int, name: str) -> None:
    """Raises a ValueError unless a picture's size is within the limit."""
    if width * height > _pixels:
        raise ValueError(refusal(f"{name}: {width}x{height}", width * height))


def refusal(picture: str, count: int) -> str:
    """The sentence on a picture of too many pixels."""
    needed = -(-count // 10**6)
    return (
        f"{picture} is over the limit of {_pixels / 1e6:g} megapixels. Make it smaller "
        f"first, or pass --{FLAG}={needed}, which takes memory."
    )


def check_bytes(size: int, name: str) -> None:
    """Raises a ValueError if a file is longer than any picture within the limit."""
    most = _BYTES_A_PIXEL * _pixels + _BESIDE
    if size > most:
        raise ValueError(
            f"{name}: {size:,} bytes are more than a picture of {_pixels / 1e6:g} "
            f"megapixels can have, {most:,}. Pass another file, or raise --{FLAG}."
        )
