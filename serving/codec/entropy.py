"""Entropy coding of whole numbers by the tables of a range coder.

Each channel has a table of its frequent values. Any other value is coded as the escape,
the table's last symbol, followed by its distance from the table. The code of a distance
has three parts: its sign and number of binary digits, as one symbol, and the digits
after the first in pieces of 8 bits.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from models.optional import tensorflow_compression
from serving.codec.container import CorruptFileError

# float32 holds every whole number up to here, and latents are rounded float32.
LARGEST = 2**24
MAX_PRECISION = 16
# Memory is bounded by coding so many values at a time, each time followed by their
# escapes: another number is another file format.
_VALUES_AT_ONCE = 2**20
_FARTHEST = 2**20  # of a table's values, so that sums with them are int32
_FIELDS = ("cdf", "length", "offset", "precision")

_MOST_DIGITS = 24  # of a distance, after the first
_PIECE = 8  # bits
_SHIFTS = np.array([0, 8, 16])  # of the pieces
_KINDS_TABLE = 0  # sign and number of digits
_FIRST_PIECE_TABLE = 1  # of no digits; that of one digit follows, and so on


class EntropyTables:
    """Tables that code latents, channel by channel.

    Args:
      cdfs: For each channel how often, of 2 ** precision, a latent is below its first
        value (0), below the second and so on to the escape, and 2 ** precision: int32,
        increasing.
      offsets: The first value of each channel's table, int32 [N].
      precision: In bits, 1 to 16.

    Raises:
      ValueError: If these are no tables.
    """

    def __init__(self, cdfs: Sequence[np.ndarray], offsets: np.ndarray, precision: int):
        _check(cdfs, offsets, precision)
        self._cdfs = [np.asarray(cdf, np.int32) for cdf in cdfs]
        self.offsets = np.asarray(offsets, np.int32)
        self._precision = int(precision)
        lengths = np.array([len(cdf) for cdf in cdfs], np.int32)
        self.escapes = lengths - 2  # the escape follows the values 0 ... length - 3
        self.starts = np.cumsum(lengths - 1) - (lengths - 1)  # of each table in `bits`
        self.bits = np.concatenate([_symbol_bits(cdf) for cdf in self._cdfs])
        # The coder takes a precision that equals the 2 ** precision at the end of the
        # table before for a part of that. In this order none does.
        tables = _escape_tables()
        self.places = np.arange(len(cdfs), dtype=np.int32) + len(tables)
        tables += [(self._precision, cdf) for cdf in self._cdfs]
        flat = np.concatenate([[number, *cdf] for number, cdf in tables])
        self.lookup = tf.constant(flat, tf.int32)

    @property
    def channels(self) -> int:
        """N."""
        return len(self._cdfs)

    @classmethod
    def from_model(cls, model: tf.Module) -> EntropyTables:
        """Takes the tables of a fitted model, a channel for each distribution.

        It is a `ContinuousBatchedEntropyModel` with compression=True and
        offset_heuristic=False; one that does not round is a ValueError.
        """
        shift = model.quantization_offset
        if shift is not None and np.any(shift):
            raise ValueError(
                "The entropy model rounds to whole numbers plus an offset; the codec "
                "rounds to whole numbers. Build it with offset_heuristic=False."
            )
        # Table after table: -precision, 0, ..., 2 ** precision.
        flat = model.cdf.numpy()
        starts = np.flatnonzero(flat < 0)
        cdfs = [table[1:] for table in np.split(flat, starts[1:])]
        return cls(cdfs, model.cdf_offset.numpy(), -flat[0])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that defines the tables; see `npz` and `load`."""
        return {
            "cdf": np.concatenate(self._cdfs),
            "length": np.array([len(cdf) for cdf in self._cdfs], np.int32),
            "offset": self.offsets,
            "precision": np.array(self._precision, np.int32),
        }

    @classmethod
    def load(cls, path: str | os.PathLike) -> EntropyTables:
        """Reads an .npz file of `arrays`; a ValueError if it holds no tables."""
        with read_npz(path, "entropy tables") as file:
            cdf, length, offset, precision = (file[name] for name in _FIELDS)
            if any(x.dtype != np.int32 for x in (cdf, length, offset, precision)):
                raise ValueError("an array is not int32")
            if np.any(length < 0) or length.sum(dtype=np.int64) != cdf.size:
                raise ValueError("the lengths do not add up")
            return cls(np.split(cdf, np.cumsum(length)[:-1]), offset, int(precision))

    def followed_by(self, others: EntropyTables) -> EntropyTables:
        """These tables and those of another, of the same precision."""
        offsets = np.concatenate([self.offsets, others.offsets])
        return EntropyTables([*self._cdfs, *others._cdfs], offsets, self._precision)

    def quantize(self, latents: np.ndarray) -> np.ndarray:
        """Rounds finite float32 [H, W, N] to what `encode` takes, or a ValueError."""
        return rounded(latents)

    def dequantize(self, latents: np.ndarray) -> np.ndarray:
        """What `quantize` returned, as the decoder's network takes it."""
        return latents

    def encode(self, latents: np.ndarray) -> bytes:
        """int32 [H, W, N], -LARGEST to LARGEST -> bytes; others are a ValueError."""
        encoder = Encoder(self)
        encoder.put(*self._checked(latents))
        return encoder.finish()

    def decode(self, data: bytes, height: int, width: int) -> np.ndarray:
        """The inverse of `encode`: -> int32 [height, width, N].

        Raises:
          CorruptFileError: If no latents of this size are encoded as these bytes.
        """
        self.check_claim(data, height, width, self.channels)
        every = np.broadcast_to(
            np.arange(self.channels), [height, width, self.channels]
        )
        latents = Decoder(self, data).get(every)
        # The decoder reads any bytes, and zeros after the last one. Bytes are valid if
        # their latents are encoded as the same bytes again.
        if not codable(latents) or self.encode(latents) != data:
            raise damaged()
        return latents

    def check_claim(self, data: bytes, height: int, width: int, channels: int) -> None:
        """Raises a CorruptFileError if the bytes cannot hold latents of so many."""
        # What one position takes, all channels together.
        least = np.minimum.reduceat(self.bits, self.starts)[:channels].sum()
        if len(data) + 8 < 0.9 * height * width * least / 8:
            raise CorruptFileError(
                f"The file claims {height}x{width} latents of {channels} channels, "
                f"which its {len(data)} bytes cannot hold. Get it again."
            )

    def estimated_bits(self, latents: np.ndarray) -> float:
        """The bits that `encode` takes by the tables: -log2 of the probability."""
        return bits_of(self, *self._checked(latents))

    def _checked(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents that can be coded, and the table of each."""
        if latents.ndim != 3 or latents.shape[-1] != self.channels or not latents.size:
            raise ValueError(
                f"Latents must be [H, W, {self.channels}], because the tables have so "
                f"many channels; got {list(latents.shape)}."
            )
        if latents.dtype != np.int32 or not codable(latents):
            raise ValueError(
                f"Latents must be int32, -{LARGEST} to {LARGEST}; got {latents.dtype}, "
                f"{latents.min()} to {latents.max()}."
            )
        return latents, self.each(*latents.shape[:2])

    def each(self, height: int, width: int) -> np.ndarray:
        """The number of each latent's table, [height, width, N]."""
        shape = (height, width, self.channels)
        return np.broadcast_to(np.arange(self.channels), shape)


class Encoder:
    """Codes values, part after part, each by a table of its own."""

    def __init__(self, tables: EntropyTables):
        self._tables = tables
        self._handle = tensorflow_compression().create_range_encoder([], tables.lookup)

    def put(self, values: np.ndarray, which: np.ndarray) -> None:
        """Codes values and the numbers of their tables, both int [H, W, N]."""
        tfc = tensorflow_compression()
        for part, table in zip(_chunks(values), _chunks(which)):
            symbols, distances = _symbols(self._tables, part, table)
            index = self._tables.places[table]
            self._handle = tfc.entropy_encode_index(self._handle, index, symbols)
            if distances.size:
                self._handle = _encode_distances(self._handle, distances)

    def finish(self) -> bytes:
        """The bytes of everything that was coded."""
        return tensorflow_compression().entropy_encode_finalize(self._handle).numpy()


class Decoder:
    """The inverse of `Encoder`: the same parts in the same order."""

    def __init__(self, tables: EntropyTables, data: bytes):
        self._tables = tables
        self._handle = tensorflow_compression().create_range_decoder(
            tf.constant(data), tables.lookup
        )

    def get(self, which: np.ndarray) -> np.ndarray:
        """The numbers of tables, int [H, W, N] -> the values, int32."""
        tfc, tables = tensorflow_compression(), self._tables
        values = np.empty(which.shape, np.int32)
        for part, table in zip(_chunks(values), _chunks(which)):
            index, last = tables.places[table], tables.escapes[table]
            self._handle, symbols = tfc.entropy_decode_index(
                self._handle, index, index.shape, tf.int32
            )
            symbols = symbols.numpy()
            outside = symbols == last
            if outside.any():
                count = int(outside.sum())
                self._handle, distances = _decode_distances(self._handle, count)
                # From the last value, before the escape, or from the first, 0.
                nearest = np.where(distances > 0, symbols[outside] - 1, 0)
                symbols[outside] = nearest + distances
            part[:] = symbols + tables.offsets[table]
        return values


def bits_of(tables: EntropyTables, values: np.ndarray, which: np.ndarray) -> float:
    """The bits that an `Encoder` takes for such a part."""
    total = 0.0
    for part, table in zip(_chunks(values), _chunks(which)):
        symbols, distances = _symbols(tables, part, table)
        total += tables.bits[tables.starts[table] + symbols].sum()
        kinds, _ = _split(distances)
        total += (_symbol_bits(_kinds_cdf())[kinds] + kinds // 2).sum()
    return float(total)


def rounded(latents: np.ndarray) -> np.ndarray:
    """Finite numbers -> the nearest whole ones, int32, ties to even.

    Raises:
      ValueError: If one of them cannot be coded.
    """
    whole = np.rint(latents)
    if np.abs(whole).max() > LARGEST:
        raise ValueError(
            f"A latent is {np.abs(whole).max():.3g} and cannot be coded: the limit is "
            f"{LARGEST}. The network's weights have diverged."
        )
    return whole.astype(np.int32)


def codable(latents: np.ndarray) -> bool:
    """Whether all are from -LARGEST to LARGEST."""
    return bool(latents.min() >= -LARGEST and latents.max() <= LARGEST)


def damaged() -> CorruptFileError:
    """The error of a payload that no latents are encoded as."""
    return CorruptFileError(
        "The file's latents are damaged: the bytes are not what they would be coded "
        "as. Get it again."
    )


def _chunks(values: np.ndarray) -> Iterator[np.ndarray]:
    """[H, W, N] -> views [P, N] of some of the positions."""
    flat = values.reshape(-1, values.shape[-1])
    step = max(1, _VALUES_AT_ONCE // values.shape[-1])
    for start in range(0, len(flat), step):
        yield flat[start : start + step]


def _symbols(
    tables: EntropyTables, values: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """-> places in the tables, int32, and the distances of escaped values.

    A distance counts from 1 above the table's last value and from -1 below its first.
    """
    symbols, escapes = values - tables.offsets[which], tables.escapes[which]
    outside = (symbols < 0) | (symbols >= escapes)
    distances = symbols[outside]
    above = distances - (escapes[outside] - 1)
    distances = np.where(distances < 0, distances, above)
    return np.where(outside, escapes, symbols), distances


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """The bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@contextlib.contextmanager
def read_npz(path: str | os.PathLike, what: str) -> Iterator[Mapping[str, np.ndarray]]:
    """Opens an .npz file; errors, also of its reader, are ValueErrors that name it."""
    data = pathlib.Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            yield file
    # NumPy and zipfile raise a dozen kinds of errors on damaged files.
    except Exception as error:
        raise ValueError(
            f"{path} holds no {what} ({type(error).__name__}: {error}). Export the "
            "model again."
        ) from error


def _symbol_bits(cdf: np.ndarray) -> np.ndarray:
    """Bits of each symbol of a table."""
    return np.log2(cdf[-1]) - np.log2(np.diff(cdf))


def _check(cdfs: Sequence[np.ndarray], offsets: np.ndarray, precision: int) -> None:
    """Raises a ValueError unless these are tables; see `EntropyTables`."""
    if not 1 <= precision <= MAX_PRECISION:
        raise ValueError(f"precision must be 1 to {MAX_PRECISION}; got {precision}.")
    if not len(cdfs) or np.shape(offsets) != (len(cdfs),):
        raise ValueError(
            f"Each table must have an offset; got {len(cdfs)} tables and offsets "
            f"{list(np.shape(offsets))}."
        )
    for channel, cdf in enumerate(cdfs):
        whole = np.ndim(cdf) == 1 and len(cdf) >= 3
        whole = whole and cdf[0] == 0 and cdf[-1] == 2**precision
        if not whole or np.any(np.diff(cdf) <= 0):
            raise ValueError(
                f"The table of channel {channel} must increase from 0 to "
                f"{2**precision} and hold a value and the escape."
            )
    farthest = max(abs(int(x)) + len(cdf) for x, cdf in zip(offsets, cdfs))
    if farthest > _FARTHEST:
        raise ValueError(f"Tables must stay within {_FARTHEST}; got {farthest}.")


def _escape_tables() -> list[tuple[int, np.ndarray]]:
    """Tables of distances, which precede the channels': (precision in bits, CDF)."""
    pieces = [
        (_PIECE, np.arange(0, 2**_PIECE + 1, 2 ** (_PIECE - digits)))
        for digits in range(_PIECE + 1)
    ]
    return [(MAX_PRECISION, _kinds_cdf()), *pieces]


def _kinds_cdf() -> np.ndarray:
    """Each digit more is half as likely, as in an Elias gamma code; signs are alike."""
    side = 2 ** (MAX_PRECISION - 1)
    counts = np.maximum(side // 2 ** np.arange(1, _MOST_DIGITS + 2), 1)
    counts[0] += side - counts.sum()
    return np.concatenate([[0], np.cumsum(np.repeat(counts, 2))])


def _encode_distances(handle: tf.Tensor, distances: np.ndarray) -> tf.Tensor:
    """Codes distances [K]; takes and returns the handle of a range encoder."""
    tfc = tensorflow_compression()
    kinds, pieces = _split(distances)
    index = np.full(kinds.shape, _KINDS_TABLE, np.int32)
    handle = tfc.entropy_encode_index(handle, index, kinds)
    return tfc.entropy_encode_index(handle, _piece_tables(kinds), pieces)


def _decode_distances(handle: tf.Tensor, count: int) -> tuple[tf.Tensor, np.ndarray]:
    """The inverse: a range decoder's handle -> handle, int64 [count]."""
    tfc = tensorflow_compression()
    index = np.full([count], _KINDS_TABLE, np.int32)
    handle, kinds = tfc.entropy_decode_index(handle, index, [count], tf.int32)
    kinds = kinds.numpy()
    places = _piece_tables(kinds)
    handle, pieces = tfc.entropy_decode_index(handle, places, places.shape, tf.int32)
    far = 2 ** (kinds // 2).astype(np.int64)
    far += np.sum(pieces.numpy().astype(np.int64) << _SHIFTS, axis=1)
    return handle, np.where(kinds % 2 == 1, -far, far)


def _split(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> kinds int32 [K], twice the digits plus the sign, and pieces int32 [K, 3]."""
    far = np.abs(distances.astype(np.int64))
    # The exponent of a float is exact, a logarithm is not.
    digits = np.frexp(far.astype(np.float64))[1] - 1
    kinds = 2 * digits + (distances < 0)
    pieces = ((far - 2 ** digits.astype(np.int64))[:, None] >> _SHIFTS) % 2**_PIECE
    return kinds.astype(np.int32), pieces.astype(np.int32)


def _piece_tables(kinds: np.ndarray) -> np.ndarray:
    """The tables that code the pieces: int32 [K, 3]."""
    digits = np.clip((kinds // 2)[:, None] - _SHIFTS, 0, _PIECE)
    return (_FIRST_PIECE_TABLE + digits).astype(np.int32)
