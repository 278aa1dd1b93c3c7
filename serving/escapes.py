"""Values that a table of the range coder does not hold: how far outside they are.

A distance is coded as its kind, which is its side and how many binary digits it has
after the first, and these digits, up to 8 at a time. All of it is read in a number of
steps that is known beforehand, whatever the bytes are. tensorflow-compression's own
escapes are not used: its decoder looks for a digit 1 also in bytes that have ended, and
from some bytes it never returns.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc

from serving import coder_tables

MOST_DIGITS = 24  # after the first
FARTHEST = 2 ** (MOST_DIGITS + 1) - 1
_SHIFTS = np.array([0, 8, 16])  # of the pieces that digits are coded in
_PIECE = 8
_KINDS_PRECISION = coder_tables.MAX_PRECISION
_KINDS_PLACE = 0
_PIECES_PLACE = 1  # of the table of no digits; that of one digit follows, and so on


def tables() -> list[tuple[int, np.ndarray]]:
    """What `encode` and `decode` expect at the beginning of the coder's tables.

    Returns:
      A precision in bits and a cumulative distribution for each table.
    """
    pieces = [
        (_PIECE, np.arange(0, 2**_PIECE + 1, 2 ** (_PIECE - digits)))
        for digits in range(_PIECE + 1)
    ]
    return [(_KINDS_PRECISION, _kinds_cdf()), *pieces]


def _kinds_cdf() -> np.ndarray:
    """Each digit more is half as likely, as in an Elias gamma code; sides are alike."""
    side = 2 ** (_KINDS_PRECISION - 1)
    counts = np.maximum(side // 2 ** np.arange(1, MOST_DIGITS + 2), 1)
    counts[0] += side - counts.sum()
    return np.concatenate([[0], np.cumsum(np.repeat(counts, 2))])


def encode(handle: tf.Tensor, distances: np.ndarray) -> tf.Tensor:
    """Codes distances.

    Args:
      handle: Of a range encoder.
      distances: Integers [K]: from 1 above a table's last value, from -1 below its
        first, -FARTHEST to FARTHEST.

    Returns:
      The handle.
    """
    kinds, pieces = _split(distances)
    index = np.full(kinds.shape, _KINDS_PLACE, np.int32)
    handle = tfc.entropy_encode_index(handle, index, kinds)
    return tfc.entropy_encode_index(handle, _places(kinds), pieces)


def decode(handle: tf.Tensor, count: int) -> tuple[tf.Tensor, np.ndarray]:
    """The inverse of `encode`: a range decoder's handle -> handle, int64 [count]."""
    index = np.full([count], _KINDS_PLACE, np.int32)
    handle, kinds = tfc.entropy_decode_index(handle, index, [count], tf.int32)
    places = _places(kinds.numpy())
    handle, pieces = tfc.entropy_decode_index(handle, places, places.shape, tf.int32)
    return handle, _join(kinds.numpy(), pieces.numpy())


def estimated_bits(distances: np.ndarray) -> float:
    """What `encode` takes."""
    kinds, _ = _split(distances)
    return float((coder_tables.symbol_bits(_kinds_cdf())[kinds] + kinds // 2).sum())


def _split(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-> kinds int32 [K] and pieces int32 [K, 3]."""
    far = np.abs(distances.astype(np.int64))
    # The exponent of a float is exact, a logarithm is not.
    digits = np.frexp(far.astype(np.float64))[1] - 1
    kinds = 2 * digits + (distances < 0)
    pieces = ((far - 2 ** digits.astype(np.int64))[:, None] >> _SHIFTS) % 2**_PIECE
    return kinds.astype(np.int32), pieces.astype(np.int32)


def _join(kinds: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """-> int64 [K]."""
    far = 2 ** (kinds // 2).astype(np.int64)
    far += np.sum(pieces.astype(np.int64) << _SHIFTS, axis=1)
    return np.where(kinds % 2 == 1, -far, far)


def _places(kinds: np.ndarray) -> np.ndarray:
    """Of the tables that code the pieces: int32 [K, 3]."""
    digits = np.clip((kinds // 2)[:, None] - _SHIFTS, 0, _PIECE)
    return (_PIECES_PLACE + digits).astype(np.int32)
