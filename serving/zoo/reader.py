"""Opens compressed files without being told which codec wrote them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable

import numpy as np

from data_pipeline import pixels
from serving.codec import container
from serving.codec.base import Codec
from serving.export import codec
from serving.zoo import zoo

# A file may be a PNG, where that is smaller: it is what it was, without loss.
_PNG = b"\x89PNG\r\n\x1a\n"


class Reader:
    """Decompresses files of the given codecs, and of all that come with the repository.

    Codecs of the repository are opened when a file first names them, and kept.

    Args:
      codecs: Those that are open already.
      max_pixels: Of a picture; see `container.check_size`.
    """

    def __init__(
        self, codecs: Iterable[Codec] = (), *, max_pixels: int = container.MAX_PIXELS
    ):
        self._lock = threading.Lock()
        self._codecs = {one: each for each in codecs for one in each.model_ids}
        self._shipped = functools.cache(
            lambda name: codec.load(zoo.resolve(name), max_pixels=max_pixels)
        )

    def decompress(self, data: bytes) -> np.ndarray:
        """The bytes of a file -> its picture, uint8 [H, W, 3].

        Raises:
          CorruptFileError: If the file is damaged.
          ForeignFileError: If it is no such file, or of a codec that is not here.
        """
        if is_png(data):
            return lossless(data)
        writer = container.claimed_id(data)
        if writer in self._codecs:
            return self._codecs[writer].decompress(data)
        try:
            name = zoo.writer(writer)
        except ValueError as error:
            container.unpack(data, writer)  # raises an error for a damaged file
            raise container.ForeignFileError(str(error)) from error
        with self._lock:  # threads would open it twice
            shipped = self._shipped(name)
        return shipped.decompress(data)


def is_png(data: bytes) -> bool:
    """Whether a file is a PNG, whatever its name."""
    return data.startswith(_PNG)


def lossless(data: bytes) -> np.ndarray:
    """The picture of a file that is a PNG."""
    return pixels.decode(data, "a PNG")
