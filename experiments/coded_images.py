"""Images as they come back from what they were kept in, and how many bytes that took.

Each function goes through images in order and gives some at a time, so that a set of
any size takes little memory: (what came back, float32 [B, S, S, 3] in [0, 1]; bytes of
each, float64 [B]).
"""

from __future__ import annotations

import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation.image_formats import ImageFormat

Coded = Iterable[tuple[np.ndarray, np.ndarray]]

_AT_ONCE = 64  # images, a bound on memory


class Codec(Protocol):
    """What makes a file of a picture and a picture of a file."""

    def compress(self, image: np.ndarray) -> bytes:
        """uint8 [H, W, 3] -> a file's bytes."""

    def decompress(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3]."""


def of_network(restore: Callable, batches: Iterable, *, length: int) -> Coded:
    """What a network makes of images, each of which took `length` bytes.

    Args:
      restore: inputs -> float32 [B, S, S, 3] in [0, 1].
      batches: Of (inputs, target), in the order of the images.
      length: Of what the network is given or keeps.
    """
    for inputs, _ in batches:
        restored = np.asarray(restore(inputs), np.float32)
        yield restored, np.full(len(restored), float(length))


def of_constant(image: np.ndarray, count: int) -> Coded:
    """The same image, float32 [S, S, 3] in [0, 1], for each of so many; 0 bytes."""
    for start in range(0, count, _AT_ONCE):
        here = min(_AT_ONCE, count - start)
        yield np.broadcast_to(image, [here, *image.shape]), np.zeros(here)


def of_codec(codec: Codec, images: np.ndarray) -> Coded:
    """Files of a codec, written and read: images uint8 [N, S, S, 3]."""
    for some in _parts(images):
        files = [codec.compress(image) for image in some]
        yield _stacked((codec.decompress(file), len(file)) for file in files)


def of_format(form: ImageFormat, quality: int, images: np.ndarray) -> Coded:
    """Files of an image format, written and read: images uint8 [N, S, S, 3]."""

    def there_and_back(image: np.ndarray) -> tuple[np.ndarray, int]:
        data = form.encode(image, quality)
        return form.decode(data), len(data)

    return _by_threads(there_and_back, _parts(images))


def of_format_at_full_size(
    form: ImageFormat, quality: int, split: DecodedSplit, *, crop: str
) -> Coded:
    """Files of the images as they are in their own, read again; then made S x S.

    Args:
      form: The format.
      quality: Its own.
      split: What `decoded.decode` made of its source.
      crop: How; a file is of the image before it was cropped.

    Raises:
      UnreadableImageError: If an image is no longer there.
    """
    size = split.images.shape[1]
    position = {name: i for i, name in enumerate(split.source.names)}
    readers = split.source.readers([position[name] for name in split.names])

    def there_and_back(read: Callable[[], dict]) -> tuple[np.ndarray, int]:
        data = form.encode(read()["image"], quality)
        fitted = pixels.fit({"image": form.decode(data)}, size=size, crop=crop)
        return fitted["image"], len(data)

    return _by_threads(there_and_back, _runs(readers))


def _by_threads(there_and_back: Callable, parts: Iterable[Sequence]) -> Coded:
    """Pillow lets other threads run while it works."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for some in parts:
            yield _stacked(pool.map(there_and_back, some))


def _parts(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _AT_ONCE):
        yield np.asarray(images[start : start + _AT_ONCE])


def _runs(readers: Iterator[Callable]) -> Iterator[list[Callable]]:
    while some := list(itertools.islice(readers, _AT_ONCE)):
        yield some


def _stacked(pairs: Iterable[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an image uint8 [S, S, 3] and its bytes -> a part of `Coded`."""
    images, lengths = zip(*pairs)
    return pixels.bytes_to_unit(np.stack(images)).numpy(), np.array(lengths, float)
