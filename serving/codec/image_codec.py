"""Pictures to compressed files and back, by a network's two halves and their tables."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from serving.codec import container
from serving.codec.container import CELL, Header
from serving.codec.entropy import LARGEST, EntropyTables

# Large pictures go through the networks tile by tile, in cells of 16 pixels. Each tile
# is seen with a margin, and what is drawn there is dropped: a network that looks no
# farther than the margin gives what it would give of the whole, without seams. The
# published one looks 13 pixels beyond a cell, with two residual pairs a stage 125.
# Decoding must cut as encoding did: other numbers make another file format.
_TILE = 64  # 1024 pixels
_MARGIN = 8
MARGIN_PIXELS = _MARGIN * CELL


def identify(weights: Iterable[np.ndarray], tables: EntropyTables) -> bytes:
    """What tells a model from all others: the beginning of a SHA-256.

    Args:
      weights: Of analysis and synthesis, in a fixed order.
      tables: What is built from the same prior on another machine may differ.

    Returns:
      `container.ID_BYTES` bytes.
    """
    digest = hashlib.sha256()
    for array in [*weights, *tables.arrays().values()]:
        array = np.asarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()[: container.ID_BYTES]


class Codec:
    """A trained auto-encoder as an image format.

    What is decoded equals `reconstruct` exactly, in any process on the same kind of
    machine. On another kind the latents still are exact, but its convolutions may add
    in another order, which can round a pixel to the next level.

    Args:
      analysis: image [1, h, w, 3] in [0, 1] -> latents [1, h / 16, w / 16, N], float32,
        for any h and w that are multiples of 16.
      synthesis: latents -> image, float32, clipped to [0, 1] here.
      tables: Of the N channels.
      model_id: From `identify`; files of other models are refused.
      max_pixels: Of a picture; see `container.check_size`. With 192 channels, one of
        5000 x 3000 takes 0.5 GB and a few seconds of two cores.

    Attributes:
      tables: As given.
      model_id: As given.

    Raises:
      ValueError: If the identifier has the wrong length.
    """

    def __init__(
        self,
        analysis: Callable,
        synthesis: Callable,
        tables: EntropyTables,
        model_id: bytes,
        *,
        max_pixels: int = pixels.MAX_PIXELS,
    ):
        container.check_id(model_id)
        self._analysis = analysis
        self._synthesis = synthesis
        self.tables = tables
        self.model_id = model_id
        self._max_pixels = max_pixels

    def compress(self, image: np.ndarray) -> bytes:
        """A picture -> a file's bytes.

        Args:
          image: uint8 [H, W, 3] of any size. One with three equal channels stays gray.

        Raises:
          ValueError: If it is no such picture or too large, or the network's latents
            cannot be coded.
        """
        payload = self.tables.encode(self.quantize(image))
        return container.pack(_header(image), payload, self.model_id)

    def decompress(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3].

        Raises:
          CorruptFileError: If the file is not as `compress` made it.
          ForeignFileError: If it is no such file, or another model's.
        """
        header, payload = container.unpack(
            data, self.model_id, max_pixels=self._max_pixels
        )
        height, width = container.cells(header.height), container.cells(header.width)
        return self._draw(self.tables.decode(payload, height, width), header)

    def reconstruct(self, image: np.ndarray) -> np.ndarray:
        """The network's own picture of its quantized latents.

        Args:
          image: As `compress` takes it.

        Returns:
          uint8 [H, W, 3].

        Raises:
          ValueError: As `compress`.
        """
        return self._draw(self.quantize(image), _header(image))

    def quantize(self, image: np.ndarray) -> np.ndarray:
        """Rounded latents; `tables.estimated_bits` says what they take.

        Args:
          image: As `compress` takes it.

        Returns:
          int32 [ceil(H / 16), ceil(W / 16), N].

        Raises:
          ValueError: As `compress`.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                f"A picture must be uint8 [H, W, 3]; got {image.dtype} "
                f"{list(image.shape)}. Convert it to RGB."
            )
        container.check_size(
            image.shape[1], image.shape[0], max_pixels=self._max_pixels
        )
        height, width = (container.cells(side) for side in image.shape[:2])
        # Repeated edges are cheap: for crops of 150 photographs JPEG and WebP took 2.6%
        # and 5.6% more with reflections.
        around = (*map(_padding, image.shape[:2]), (0, 0))
        image = np.pad(image, around, mode="edge")
        latents = np.empty((height, width, self.tables.channels), np.int32)
        for rows, columns in itertools.product(_cuts(height), _cuts(width)):
            seen = image[_in_pixels(rows.seen), _in_pixels(columns.seen)]
            shape = (rows.size, columns.size, self.tables.channels)
            found = _run(self._analysis, pixels.bytes_to_unit(seen), shape)
            found = tf.round(found[rows.inner, columns.inner]).numpy()
            if np.abs(found).max() > LARGEST:
                raise ValueError(
                    f"A latent is {np.abs(found).max():.3g} and cannot be coded: the "
                    f"limit is {LARGEST}. The network's weights have diverged."
                )
            latents[rows.kept, columns.kept] = found
        return latents

    def _draw(self, latents: np.ndarray, header: Header) -> np.ndarray:
        """Rounded latents -> uint8 [H, W, 3]."""
        height, width = (CELL * cells for cells in latents.shape[:2])
        image = np.empty((height, width, 3), np.uint8)
        for rows, columns in itertools.product(*map(_cuts, latents.shape[:2])):
            seen = tf.cast(latents[rows.seen, columns.seen], tf.float32)
            shape = (CELL * rows.size, CELL * columns.size, 3)
            drawn = _run(self._synthesis, seen, shape)
            drawn = drawn[_in_pixels(rows.inner), _in_pixels(columns.inner)]
            if header.gray:
                drawn = tf.reduce_mean(drawn, axis=-1, keepdims=True)
            # One channel of gray becomes three.
            part = image[_in_pixels(rows.kept), _in_pixels(columns.kept)]
            part[:] = pixels.unit_to_bytes(drawn)
        (top, _), (left, _) = _padding(header.height), _padding(header.width)
        image = image[top : top + header.height, left : left + header.width]
        return np.ascontiguousarray(image)


@dataclasses.dataclass(frozen=True)
class _Cut:
    """One tile's part of a side, in cells.

    Attributes:
      seen: With its margins.
      kept: Without.
      inner: What is kept of what is seen, counted from where that begins.
    """

    seen: slice
    kept: slice
    inner: slice

    @property
    def size(self) -> int:
        """How many cells are seen."""
        return self.seen.stop - self.seen.start


def _cuts(cells: int) -> list[_Cut]:
    """Cuts a side of so many cells."""
    cuts = []
    for start in range(0, cells, _TILE):
        stop = min(start + _TILE, cells)
        seen = slice(max(start - _MARGIN, 0), min(stop + _MARGIN, cells))
        inner = slice(start - seen.start, stop - seen.start)
        cuts.append(_Cut(seen, slice(start, stop), inner))
    return cuts


def _padding(side: int) -> tuple[int, int]:
    """The pixels that whole cells have before and after a side, which is in the middle.

    Networks draw the pixel of a corner worst, and it is all that the smallest has.
    """
    rest = CELL * container.cells(side) - side
    return rest // 2, rest - rest // 2


def _in_pixels(cells: slice) -> slice:
    return slice(CELL * cells.start, CELL * cells.stop)


def _run(network: Callable, given: tf.Tensor, shape: tuple) -> tf.Tensor:
    """A network's result for one tile, [h, w, C], which must have that shape."""
    result = tf.convert_to_tensor(network(given[None]))
    if result.dtype != tf.float32 or tuple(result.shape) != (1, *shape):
        raise ValueError(
            f"The network made {result.dtype.name} {list(result.shape)} of "
            f"{[1, *given.shape]}; it must be float32 {[1, *shape]}, for the tables "
            f"and for cells of {CELL} pixels. Are they of one model?"
        )
    if not np.isfinite(result).all():
        raise ValueError(
            "The network gives values that are infinite or no numbers. Its weights are "
            "damaged: train it again with a smaller --learning_rate."
        )
    return result[0]


def _header(image: np.ndarray) -> Header:
    """Of a picture, uint8 [H, W, 3]."""
    gray = bool((image[..., 1:] == image[..., :1]).all())
    return Header(width=image.shape[1], height=image.shape[0], gray=gray)
