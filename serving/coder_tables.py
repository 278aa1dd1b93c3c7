"""What the range coder takes for a table, and what its symbols cost.

A table is a cumulative distribution, increasing whole numbers: how often, of 2 **
precision, a symbol is below the first (0), below the second and so on, last 2 **
precision. A symbol between two equal numbers could not be coded.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_PRECISION = 16
FARTHEST = 2**20  # of a table's values, so that sums with them are int32


def symbol_bits(cdf: np.ndarray) -> np.ndarray:
    """Bits of each symbol of a table."""
    return np.log2(cdf[-1]) - np.log2(np.diff(cdf))


def check(cdfs: Sequence[np.ndarray], offsets: np.ndarray, precision: int) -> None:
    """Raises a ValueError that says what is wrong.

    Args:
      cdfs: Of each channel, with the escape as its last symbol.
      offsets: The value of each table's first symbol.
      precision: In bits.
    """
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
    if farthest > FARTHEST:
        raise ValueError(f"Tables must stay within {FARTHEST}; got {farthest}.")
