"""Uploaded pictures: their limits, and the folder that holds them meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image, UnidentifiedImageError

from data_pipeline import pixels
from serving import file_lock

# Restoring a picture of this many pixels takes about 3 GB, and 30 seconds on two cores.
MAX_BYTES = 24 * 2**20
MAX_PIXELS = 25_000_000
# Formats that are not called as Pillow calls them.
_CALLED = {"WEBP": "WebP", "HEIF": "HEIC", "JPEG2000": "JPEG 2000"}

_PREFIX = "facemend-page-"
# Only a folder with this file is deleted: a user's own may have the same prefix.
_MARKER = ".uploads-of-a-facemend-page"
_FRESH = 60  # seconds after which a live process has surely locked its folder


def read(path: str | os.PathLike) -> np.ndarray:
    """Reads an uploaded file of any kind.

    Returns:
      uint8 [H, W, 3], as from `pixels.decode`.

    Raises:
      UnreadableImageError: If it is not a picture, or too large; the message is for
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
        with Image.open(io.BytesIO(data), formats=pixels.installed_formats()) as image:
            width, height = image.size  # from the header: nothing is decoded yet
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise pixels.UnreadableImageError(
            "This file is not a readable picture. The page takes "
            f"{', '.join(format_names())}."
        ) from error
    except Image.DecompressionBombError:
        width, height = MAX_PIXELS, MAX_PIXELS
    if width * height > MAX_PIXELS:
        raise pixels.UnreadableImageError(
            f"This picture has more than {MAX_PIXELS // 10**6} megapixels. Make it "
            "smaller first; the command line takes larger ones."
        )
    return pixels.decode(data, "This picture")


def format_names() -> list[str]:
    """What the formats that are read are called."""
    return [_CALLED.get(form, form) for form in pixels.installed_formats()]


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    """Shrinks a picture to a longer side of at most so many pixels."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(round(scale * length), 1) for length in image.shape[:2])
    return pixels.resize(image, height, width)


@contextlib.contextmanager
def folder() -> Iterator[pathlib.Path]:
    """A temporary folder, deleted at the end, as are those of processes that died."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        path = pathlib.Path(name)
        with file_lock.held(path / _MARKER):
            yield path


def sweep() -> None:
    """Deletes the folders that processes left behind when they died."""
    for path in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another process may delete the same one; other users' folders are their own.
        with contextlib.suppress(OSError):
            # Windows has a temporary folder for each user.
            own = not hasattr(os, "getuid") or path.lstat().st_uid == os.getuid()
            old = time.time() - path.lstat().st_mtime > _FRESH
            marked = (path / _MARKER).exists() and not path.is_symlink()
            if own and old and marked:
                with file_lock.held(path / _MARKER):
                    shutil.rmtree(path, ignore_errors=True)
