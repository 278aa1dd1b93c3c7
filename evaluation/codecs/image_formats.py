"""JPEG, WebP and AVIF by Pillow, the alternatives to a trained codec.

All three store chroma at half the resolution, as they do by default. Options that only
cost time are switched on: JPEG's Huffman tables are optimized for each image (files are
9% smaller at 192 pixels) and WebP searches as long as it can (3% smaller). JPEG is
sequential, because progressive files of such images are larger. AVIF runs at its
default speed (two steps slower saves 2%, gains 0.5 dB and takes seven times as long)
and in one thread, because the number of threads changes its files. (Ten photographs of
LFW, at quality 50.)
"""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, features

from data_pipeline import pixels

HIGHEST = 100


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """One of Pillow's lossy formats.

    Attributes:
      name: Pillow's name of the format; `feature` is that of the feature, and `library`
        of the library, that writes it.
      qualities: The settings of a sweep, increasing from the lowest that the format
        has. On faces of 192 pixels they give 0.1 to 2 bits per pixel.
      options: Of Pillow's `save`.
    """

    name: str
    feature: str
    library: str
    qualities: tuple[int, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        """RGB uint8 [H, W, 3] -> a file without metadata; quality <= `HIGHEST`."""
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, self.name, quality=quality, **self.options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """A file -> uint8 [H, W, 3]; UnreadableImageError for any other data."""
        return pixels.decode(data, f"a {self.name} file")

    def at(self, quality: int) -> FormatCodec:
        """The format at one quality, as a codec."""
        return FormatCodec(self, quality)

    def nearest(self, image: np.ndarray, size: int) -> tuple[int, bytes]:
        """The quality whose file of an image is nearest to `size` bytes, and the file.

        Found by bisection: a higher quality makes a larger file, but for a few bytes.
        """
        low, high = self.qualities[0], HIGHEST
        while low < high:  # to the lowest quality that takes so many bytes
            middle = (low + high) // 2
            if len(self.encode(image, middle)) < size:
                low = middle + 1
            else:
                high = middle
        near = range(max(low - 1, self.qualities[0]), low + 1)
        files = [(quality, self.encode(image, quality)) for quality in near]
        return min(files, key=lambda file: abs(len(file[1]) - size))


@dataclasses.dataclass(frozen=True)
class FormatCodec:
    """An image format at one quality; a `measure.Codec` that threads may share."""

    form: ImageFormat
    quality: int

    def compress(self, image: np.ndarray) -> bytes:
        """See `ImageFormat.encode`."""
        return self.form.encode(image, self.quality)

    def decompress(self, data: bytes) -> np.ndarray:
        """See `ImageFormat.decode`."""
        return self.form.decode(data)


_FORMATS = (
    ImageFormat(
        "JPEG",
        "jpg",
        "libjpeg_turbo",
        (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90),
        {"optimize": True},
    ),
    ImageFormat(
        "WebP",
        "webp",
        "webp",
        (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
        {"method": 6},
    ),
    ImageFormat(
        "AVIF",
        "avif",
        "avif",
        (0, 10, 20, 30, 40, 50, 60, 70, 80, 90),
        {"max_threads": 1},
    ),
)


def available() -> dict[str, ImageFormat]:
    """The formats that the installed Pillow can write, by name."""
    return {form.name: form for form in _FORMATS if _has(form.feature)}


def sweep(*names: str) -> dict[str, dict[str, FormatCodec]]:
    """Every quality of some or all formats: {"JPEG": {"JPEG, quality 1": codec}}."""
    return {
        name: {f"{name}, quality {q}": form.at(q) for q in form.qualities}
        for name, form in available().items()
        if not names or name in names
    }


def versions() -> dict[str, str]:
    """The libraries of the available formats: {"JPEG": "libjpeg_turbo 3.1.1", ...}."""
    return {
        name: f"{form.library} {features.version(form.library) or '(unknown version)'}"
        for name, form in available().items()
    }


def described() -> dict[str, str]:
    """Version, options and qualities of the available formats, for reports."""
    library = versions()
    return {
        name: ", ".join(
            [
                library[name],
                *(f"{option}={value}" for option, value in form.options.items()),
                f"qualities {' '.join(map(str, form.qualities))}",
            ]
        )
        for name, form in available().items()
    }


def _has(feature: str) -> bool:
    with warnings.catch_warnings():
        # Pillow warns of features that are newer than itself.
        warnings.simplefilter("ignore")
        return bool(features.check(feature))
