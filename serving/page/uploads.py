"""What people give the web page: its limits."""

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


# An upload with what surrounds it in a form.
MAX_REQUEST = MAX_BYTES + 2**20

# Everything comes from this server or is made in the page; nothing is fetched, from
# fonts to statistics, and no other page may frame this one. Gradio's own scripts are
# partly inline, and its painter compiles its shaders' code.
POLICY = "; ".join(
    (
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class Guard:
    """ASGI middleware: limits the size of requests and adds headers to answers.

    Args:
      app: What answers.
      max_request: Of a request's body, bytes.
    """

    def __init__(self, app, max_request: int = MAX_REQUEST):
        self._app = app
        self._max_request = max_request

    async def __call__(self, scope, receive, send):
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = self._refusal(scope)
        if status:
            text = [(b"content-type", b"text/plain")]
            headers = [*_HEADERS, *text]
            start = {"type": "http.response.start", "status": status}
            await send({**start, "headers": headers})
            body = f"Requests may have {self._max_request} bytes.".encode()
            await send({"type": "http.response.body", "body": body})
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), *_HEADERS]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope) -> int:
        """The status that refuses a request; 0 lets it pass.

        Servers read no more of a body than its header announces, so that the header is
        enough; without it nobody knows how much is to come.
        """
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is None:
            return 411 if b"transfer-encoding" in headers else 0
        return 413 if int(length) > self._max_request else 0


_PREFIX = "facemend-page-"
# Nothing is deleted that does not hold it: a user may call a folder of theirs alike.
_MARKER = ".uploads-of-a-facemend-page"
_FRESH = 60  # seconds that a folder may be there before its process has locked it


@contextlib.contextmanager
def place() -> Iterator[pathlib.Path]:
    """A folder that is deleted when the block ends, as those of dead processes are."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = pathlib.Path(name)
        with file_lock.held(folder / _MARKER):
            yield folder


def sweep() -> None:
    """Deletes the folders of processes that have ended without doing so."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Others may delete the same one, and folders of other users are their own.
        with contextlib.suppress(OSError):
            own = folder.lstat().st_uid == os.getuid()
            old = time.time() - folder.lstat().st_mtime > _FRESH
            ours = (folder / _MARKER).exists() and not folder.is_symlink()
            if own and old and ours:
                with file_lock.held(folder / _MARKER):
                    shutil.rmtree(folder, ignore_errors=True)
