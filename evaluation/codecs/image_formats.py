"""JPEG, WebP, AVIF and JPEG XL by Pillow, the alternatives to a trained codec.

The first three store chroma at half the resolution, as they do by default. Options that
only cost time are switched on: JPEG's Huffman tables are optimized for each image
(files are 9% smaller at 192 pixels) and WebP searches as long as it can (3% smaller).
JPEG is sequential, because progressive files of such images are larger. AVIF runs at
its default speed (two steps slower saves 2%, gains 0.5 dB and takes seven times as
long) and in one thread, because the number of threads changes its files. (Ten
photographs of LFW, at quality 50.) Its slowest speed is a format of its own, measured
on request. JPEG XL runs at its default effort, where the package pillow-jxl-plugin is
installed (the extra jxl).
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
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
      name: In tables; `writer` is Pillow's name of the format, where it is another.
      feature: Pillow's name of the feature that writes it; empty for a plugin's.
      library: That writes it; of a plugin the package.
      qualities: The settings of a sweep, increasing from the lowest that the format
        has. On faces of 192 pixels they give 0.1 to 2 bits per pixel.
      options: Of Pillow's `save`.
      slow: Whether it takes a second an image.
    """

    name: str
    feature: str
    library: str
    qualities: tuple[int, ...]
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    writer: str = ""
    slow: bool = False

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        """RGB uint8 [H, W, 3] -> a file without metadata; quality <= `HIGHEST`."""
        buffer = io.BytesIO()
        options = {"quality": quality, **self.options}
        Image.fromarray(image).save(buffer, self.writer or self.name, **options)
        return buffer.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """A file -> uint8 [H, W, 3]; UnreadableImageError for any other data."""
        if self.feature:
            return pixels.decode(data, f"a {self.name} file")
        try:
            with Image.open(io.BytesIO(data), formats=[self.writer]) as opened:
                return np.asarray(opened.convert("RGB"))
        except Exception as error:  # plugins raise many kinds
            raise pixels.UnreadableImageError(f"a {self.name} file: {error}") from error

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
    ImageFormat(
        "AVIF, slowest",
        "avif",
        "avif",
        (0, 10, 20, 30, 40, 50, 60, 70, 80, 90),
        {"max_threads": 1, "speed": 0},
        writer="AVIF",
        slow=True,
    ),
    ImageFormat(
        "JPEG XL",
        "",
        "pillow-jxl-plugin",
        (1, 10, 20, 30, 40, 50, 60, 70, 80, 90),
        {"num_threads": 1},
        writer="JXL",
    ),
)


def available(*, slow: bool = False) -> dict[str, ImageFormat]:
    """The formats that the installed Pillow can write, by name."""
    forms = (form for form in _FORMATS if slow or not form.slow)
    return {form.name: form for form in forms if _has(form)}


def sweep(*names: str, slow: bool = False) -> dict[str, dict[str, FormatCodec]]:
    """Every quality of some or all formats: {"JPEG": {"JPEG, quality 1": codec}}."""
    return {
        name: {f"{name}, quality {q}": form.at(q) for q in form.qualities}
        for name, form in available(slow=slow).items()
        if not names or name in names
    }


def versions(*, slow: bool = False) -> dict[str, str]:
    """The libraries of the available formats: {"JPEG": "libjpeg_turbo 3.1.1", ...}."""
    return {
        name: f"{form.library} {_version(form) or '(unknown version)'}"
        for name, form in available(slow=slow).items()
    }


def described(*, slow: bool = False) -> dict[str, str]:
    """Version, options and qualities of the available formats, for reports."""
    library = versions(slow=slow)
    return {
        name: ", ".join(
            [
                library[name],
                *(f"{option}={value}" for option, value in form.options.items()),
                f"qualities {' '.join(map(str, form.qualities))}",
            ]
        )
        for name, form in available(slow=slow).items()
    }


def _version(form: ImageFormat) -> str | None:
    if form.feature:
        return features.version(form.library)
    return importlib.metadata.version(form.library)


def _has(form: ImageFormat) -> bool:
    if not form.feature:
        with contextlib.suppress(ImportError):
            import pillow_jxl  # noqa: F401  it tells Pillow of the format

            return True
        return False
    with warnings.catch_warnings():
        # Pillow warns of features that are newer than itself.
        warnings.simplefilter("ignore")
        return bool(features.check(form.feature))
