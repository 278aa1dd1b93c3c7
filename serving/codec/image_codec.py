"""The codec of an autoencoder that takes pictures of any size."""

from __future__ import annotations

import copy
import itertools
import typing
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from serving.codec import container
from serving.codec.base import Codec, apply
from serving.codec.container import CELL, Header
from serving.codec.entropy import EntropyTables
from serving.codec.hyperprior import REDUCTION, Hyperprior, Latents, Rates

# Large pictures go through the networks in tiles, counted in cells of 16 pixels. Each
# has a margin, where the result is dropped: a network that looks no farther (13 pixels
# beyond a cell as published, 125 with two residual pairs a stage) leaves no seams.
# Decoding must cut as encoding did: other numbers make another file format.
_TILE = 64  # 1024 pixels
_MARGIN = 8
MARGIN_PIXELS = _MARGIN * CELL


class ImageCodec(Codec):
    """A convolutional autoencoder as an image format.

    Args:
      analysis: image [1, h, w, 3] in [0, 1] -> latents [1, h / 16, w / 16, N], float32,
        for any h and w that are multiples of 16; None of a codec that reads alone.
      synthesis: latents -> image, float32, clipped to [0, 1] here.
      tables: Of the N channels, or their hyperprior.
      model_id: See `Codec`.
      hyper_analysis: latents, of any height and width -> hyper-latents [1, h / 64,
        w / 64, M], float32; with a hyperprior, and only to encode.
      max_pixels: See `Codec`. With 192 channels, a picture of 5000 x 3000 takes 0.5 GB
        and a few seconds of two cores.
    """

    def __init__(
        self,
        analysis: Callable | None,
        synthesis: Callable,
        tables: EntropyTables | Hyperprior,
        model_id: bytes,
        *,
        hyper_analysis: Callable | None = None,
        max_pixels: int = container.MAX_PIXELS,
    ):
        super().__init__(tables, model_id, max_pixels=max_pixels)
        self._analysis, self._synthesis = analysis, synthesis
        self._hyper_analysis = hyper_analysis
        rates = self.rates
        self._quality = rates.usual if rates else 0

    @property
    def rates(self) -> Rates | None:
        """Those of a codec whose files have a quality."""
        return self.tables.rates if isinstance(self.tables, Hyperprior) else None

    @property
    def writes(self) -> bool:
        """Whether it compresses; otherwise it is kept to read its files."""
        return self._analysis is not None

    def at(self, quality: int) -> ImageCodec:
        """This codec as it writes files of a quality, 0 to 100; it reads all.

        Raises:
          ValueError: If it is no such number, or the codec has a single rate.
        """
        if not self.rates:
            raise ValueError(
                "The codec has a single rate. Qualities are of those that were trained "
                "with several, such as by portrait_autoencoder --preset=rates."
            )
        other = copy.copy(self)
        other._quality = self.rates.check(quality)
        return other

    def compress_to(self, image: np.ndarray, most: int) -> bytes:
        """The file of the best quality that has at most so many bytes.

        If there is none, or the codec has a single rate, the smallest that it writes.
        Raises errors as `compress` does.
        """
        latents = self._latents(image)
        if not self.rates:
            return self._file(image, self._quantized(latents, 0))
        best, data = 0, self._file(image, self._quantized(latents, 0))
        # Sizes all but always rise with the quality.
        end = self.rates.BEST + 1
        while end - best > 1 and len(data) <= most:
            middle = (best + end) // 2
            larger = self._file(image, self._quantized(latents, middle))
            if len(larger) <= most:
                best, data = middle, larger
            else:
                end = middle
        return data

    def quantize(self, image: np.ndarray) -> np.ndarray | Latents:
        """Rounded latents of a picture: int32 [ceil(H / 16), ceil(W / 16), N]."""
        return self._quantized(self._latents(image), self._quality)

    def _latents(self, image: np.ndarray) -> np.ndarray:
        self._check(image)
        if not self.writes:
            raise ValueError(
                "This codec is kept to read its files and writes none. Take another."
            )
        height, width = map(container.cells, image.shape[:2])
        latents = np.empty((height, width, self.tables.channels), np.float32)
        for rows, columns in itertools.product(_cuts(height), _cuts(width)):
            seen = _padded(image, rows.seen, columns.seen)
            shape = (rows.size, columns.size, self.tables.channels)
            found = apply(self._analysis, pixels.bytes_to_unit(seen), shape)
            latents[rows.kept, columns.kept] = found[rows.inner, columns.inner]
        return latents

    def _quantized(self, latents: np.ndarray, quality: int) -> np.ndarray | Latents:
        if not isinstance(self.tables, Hyperprior):
            return self.tables.quantize(latents)
        if self.rates:
            latents = latents * self.rates.factors(quality)[0]
        cells = (-(-side // REDUCTION) for side in latents.shape[:2])
        shape = (*cells, self.tables.hyper_channels)
        hyper = apply(self._hyper_analysis, tf.constant(latents), shape).numpy()
        return self.tables.quantize(latents, hyper, quality)

    def _read(self, payload: bytes, header: Header) -> np.ndarray | Latents:
        height, width = container.cells(header.height), container.cells(header.width)
        return self.tables.decode(payload, height, width)

    def _draw(self, quantized: np.ndarray | Latents, header: Header) -> np.ndarray:
        latents = self.tables.dequantize(quantized)
        image = np.empty((header.height, header.width, 3), np.uint8)
        for rows, columns in itertools.product(*map(_cuts, latents.shape[:2])):
            seen = tf.cast(latents[rows.seen, columns.seen], tf.float32)
            shape = (CELL * rows.size, CELL * columns.size, 3)
            drawn = apply(self._synthesis, seen, shape)
            drawn = drawn[_in_pixels(rows.inner), _in_pixels(columns.inner)]
            if header.gray:
                drawn = tf.reduce_mean(drawn, axis=-1, keepdims=True)
            (to_rows, from_rows), (to_columns, from_columns) = (
                _without_padding(cut.kept, side)
                for cut, side in zip((rows, columns), image.shape)
            )
            # One channel of gray becomes three.
            drawn = pixels.unit_to_bytes(drawn)[from_rows, from_columns]
            image[to_rows, to_columns] = drawn
        return image


class _Cut(typing.NamedTuple):
    """One tile's part of a side, in cells."""

    seen: slice  # with margins
    kept: slice  # without them
    inner: slice  # the kept part, counted from the beginning of the seen one
    size: int  # of the seen part


def _cuts(cells: int) -> list[_Cut]:
    """Cuts a side of so many cells into tiles."""
    cuts = []
    for start in range(0, cells, _TILE):
        stop = min(start + _TILE, cells)
        seen = slice(max(start - _MARGIN, 0), min(stop + _MARGIN, cells))
        inner = slice(start - seen.start, stop - seen.start)
        cuts.append(_Cut(seen, slice(start, stop), inner, seen.stop - seen.start))
    return cuts


def _padding(side: int) -> int:
    """The pixels before a side, of those that make it whole cells.

    The side is centered because networks draw a corner's pixel worst, and the smallest
    picture has no other.
    """
    return (CELL * container.cells(side) - side) // 2


def _padded(image: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Some cells of a picture whose edges are repeated to whole cells.

    Repeated edges are cheap: for crops of 150 photographs JPEG and WebP took 2.6% and
    5.6% more with reflections.
    """
    places = (
        np.clip(np.arange(*_ends(cells)) - _padding(side), 0, side - 1)
        for cells, side in zip((rows, columns), image.shape)
    )
    return image[np.ix_(*places)]


def _without_padding(cells: slice, side: int) -> tuple[slice, slice]:
    """Where some cells lie on a side: their pixels of the side, and of the cells."""
    start, stop = (end - _padding(side) for end in _ends(cells))
    first, last = max(start, 0), min(stop, side)
    return slice(first, last), slice(first - start, last - start)


def _ends(cells: slice) -> tuple[int, int]:
    return CELL * cells.start, CELL * cells.stop


def _in_pixels(cells: slice) -> slice:
    return slice(*_ends(cells))
