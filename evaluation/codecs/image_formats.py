"""What a user would take instead of a codec of ours: JPEG, WebP and AVIF, by Pillow.

All three store chroma at half the resolution, as they do by default. What a user can
have for nothing is switched on: JPEG's tables are made for each image, which takes 9%
off a face of 192 pixels, and WebP searches as long as it can, which takes 3% off. JPEG
is sequential: progressive files of such faces are larger. AVIF searches at its default
speed: two steps slower it takes 2% off and gains 0.5 dB, but needs seven times as long.
It runs in one thread, because the number of threads changes its files a little, and
numbers would then depend on the machine. (Ten photographs of LFW, at quality 50.)
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
    """One of Pillow's formats that lose something.

    Attributes:
      name: As users say it.
      feature: What Pillow calls its ability to write it.
      library: That writes it, as Pillow calls it.
      qualities: The settings of a sweep, increasing. On faces of 192 pixels they give
        0.1 to 2 bits per pixel; the first is the lowest that the format has.
      options: Of Pillow's `save`.
    """

    name: str
    feature: str
    library: str
    qualities: tuple[int, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        """uint8 [H, W, 3] -> a file's bytes, without metadata.

        Args:
          image: RGB.
          quality: The format's own, at most `HIGHEST`.
        """
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, self.name, quality=quality, **self.options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3].

        Raises:
          UnreadableImageError: If it is no such file.
        """
        return pixels.decode(data, f"a {self.name} file")

    def nearest(self, image: np.ndarray, size: int) -> tuple[int, bytes]:
        """The quality whose file is nearest to so many bytes, and that file.

        Found by bisection: a higher quality makes a larger file, but for a few bytes.

        Args:
          image: uint8 [H, W, 3].
          size: In bytes.
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


def versions() -> dict[str, str]:
    """What writes the available formats: {"JPEG": "libjpeg_turbo 3.1.1", ...}."""
    return {
        name: f"{form.library} {features.version(form.library) or '(unknown version)'}"
        for name, form in available().items()
    }


def _has(feature: str) -> bool:
    with warnings.catch_warnings():
        # Of formats that an older Pillow has never heard of.
        warnings.simplefilter("ignore")
        return bool(features.check(feature))
