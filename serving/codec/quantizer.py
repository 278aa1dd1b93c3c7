"""Real numbers to levels of a few bits, and what coding each level costs.

Every latent has a range of its own, with as many evenly spaced levels, and a table of
how often it took each in the training set.
"""

from __future__ import annotations

import io
import os
import statistics

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from serving.codec.entropy import MAX_PRECISION, EntropyTables

MAX_BITS = 8

# A latent's range, in percent of the training set. The most extreme of thousands of
# faces would widen every step, and the few values beyond are close to the last level.
_RANGE = (0.1, 99.9)
# How long it is if a latent is normally distributed.
_DEVIATIONS = 2 * statistics.NormalDist().inv_cdf(_RANGE[1] / 100)
# A range below this part of the widest one is no range: a collapsed latent varies by
# next to nothing, and levels within that would cost as much as those of any other.
_COLLAPSED = 0.01


class Quantizer:
    """Levels of L latents, 0 to `levels` - 1, and their tables.

    Args:
      low: The value of each latent's first level, float32 [L].
      high: Of its last; the same as low where there is one level.
      tables: Of L channels, which code the levels.

    Attributes:
      levels: How many each latent has, int32 [L].
      tables: As given.

    Raises:
      ValueError: If these do not fit together.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, tables: EntropyTables):
        self.tables = tables
        self.levels = tables.arrays()["length"] - 2  # a table has a 0 and the escape
        ends = (low, high)
        if any(x.dtype != np.float32 or x.shape != self.levels.shape for x in ends):
            raise ValueError(
                f"The ends of the ranges must be float32 [{tables.channels}], because "
                f"the tables have so many channels; got {low.dtype} {list(low.shape)} "
                f"and {high.dtype} {list(high.shape)}."
            )
        fitting = np.where(self.levels > 1, low < high, low == high)
        if not np.isfinite(ends).all() or not fitting.all():
            raise ValueError(
                "A latent's range must be finite, without length where the latent has "
                "one level, and end above its beginning otherwise. Fit it again."
            )
        if tables.arrays()["offset"].any():
            raise ValueError("The tables must begin at level 0. Fit them again.")
        self._low, self._high = low, high
        self._step = _steps(low, high, self.levels)

    @classmethod
    def fit(cls, latents: np.ndarray, bits: int) -> Quantizer:
        """Takes ranges and tables from the latents of a training set.

        A range holds all values but the lowest and the highest 0.1%. One that is below
        1% of the widest has a single level, the median, and costs nothing. Half an
        occurrence is added to each level's (Krichevsky and Trofimov), so that those
        that never occurred can be coded too.

        Args:
          latents: [N, L], without noise: the means of a variational auto-encoder.
          bits: k, 1 to `MAX_BITS`, for 2 ** k levels.

        Raises:
          ValueError: If there are none, or a value is NaN or infinite, or for other
            bits.
        """
        if not 1 <= bits <= MAX_BITS:
            raise ValueError(f"bits must be 1 to {MAX_BITS}; got {bits}. Try 6.")
        latents = np.asarray(latents)
        if latents.ndim != 2 or not latents.size or not np.isfinite(latents).all():
            raise ValueError(
                "Latents must be [N, L] finite numbers of at least one image; got "
                f"{list(latents.shape)}. Encode the training set."
            )
        low, high = np.percentile(latents, _RANGE, axis=0).astype(np.float32)
        length = high - low
        collapsed = length <= _COLLAPSED * length.max()
        low[collapsed] = high[collapsed] = np.median(latents[:, collapsed], axis=0)
        levels = np.where(collapsed, 1, 2**bits)
        steps, cdfs = _steps(low, high, levels), []
        for column, *place in zip(latents.T, low, steps, levels):
            found = _nearest(column, *place)
            cdfs.append(_cdf(np.bincount(found, minlength=place[-1]) + 0.5))
        offsets = np.zeros(len(cdfs), np.int32)
        return cls(low, high, EntropyTables(cdfs, offsets, MAX_PRECISION))

    def quantize(self, latents: np.ndarray) -> np.ndarray:
        """Finite numbers [..., L] -> int32 [..., L], the nearest levels."""
        return _nearest(latents, self._low, self._step, self.levels)

    def dequantize(self, levels: np.ndarray) -> np.ndarray:
        """Levels [..., L] -> their values, float32 [..., L]."""
        return (self._low + levels * self._step).astype(np.float32)

    def deviations(self) -> np.ndarray:
        """About each latent's standard deviation in the training set, float32 [L].

        Taken from the ranges, as if all were normally distributed; 0 of one level.
        """
        return (self._high - self._low) / np.float32(_DEVIATIONS)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `save` writes; `codec.identify` takes it in place of tables."""
        return {"low": self._low, "high": self._high, **self.tables.arrays()}

    def save(self, path: str | os.PathLike) -> None:
        """Writes an .npz file."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.arrays())
        pixels.write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike) -> Quantizer:
        """Reads what `save` wrote.

        Raises:
          OSError: If the file cannot be read.
          ValueError: If it holds no quantizer.
        """
        tables = EntropyTables.load(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["low"], file["high"], tables)
        # NumPy and zipfile raise a dozen kinds of errors on damaged files.
        except Exception as error:
            raise ValueError(
                f"{path} holds no quantizer ({type(error).__name__}: {error}). "
                "Export the model again."
            ) from error


def _steps(low: np.ndarray, high: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """From level to level, float64 [L]; 1 where there is one level."""
    length = high.astype(np.float64) - low
    return np.where(levels > 1, length / np.maximum(levels - 1, 1), 1.0)


def _nearest(latents, low, step, levels) -> np.ndarray:
    """Numbers -> levels, int32; what is outside the range takes its end."""
    return np.clip(np.rint((latents - low) / step), 0, levels - 1).astype(np.int32)


def _cdf(counts: np.ndarray) -> np.ndarray:
    """How often each level occurs, never 0 -> the table with its escape, int32."""
    # No level is escaped: the escape takes the least that a symbol can.
    shares = np.append(counts / counts.sum(), 0.0).astype(np.float32)
    return tfc.pmf_to_quantized_cdf(shares, precision=MAX_PRECISION).numpy()


BITS = (4, 6, 8)
MOST_IMAGES = 10_000  # a range leaves out 0.1% at each end, which is ten of these
_AT_ONCE = 256


def fit(encoder: tf.keras.Model, split: DecodedSplit) -> dict[int, Quantizer]:
    """Fits quantizers to the means of `fitted_images`.

    Args:
      encoder: Image [B, S, S, 3] in [0, 1] -> {"mean": [B, L], ...}.
      split: The training images.

    Returns:
      {bits: quantizer}, for each of `BITS`.
    """
    means = encode(encoder, fitted_images(split))["mean"]
    return {bits: Quantizer.fit(means, bits) for bits in BITS}


def fitted_images(split: DecodedSplit) -> np.ndarray:
    """Every n-th image of a split, at most `MOST_IMAGES`: uint8 [N, S, S, 3]."""
    # From the first to the last, because not every split is in shuffled order.
    return split.images[:: -(-len(split) // MOST_IMAGES)]


def encode(encoder: tf.keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """What an encoder says of images.

    Args:
      encoder: Image [B, S, S, 3] in [0, 1] -> {name: [B, L]}.
      images: uint8 [N, S, S, 3].

    Returns:
      {name: float32 [N, L]}.
    """
    run = tf.function(lambda x: encoder(x, training=False), reduce_retracing=True)
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(images), _AT_ONCE):
        batch = np.asarray(images[start : start + _AT_ONCE])
        for name, code in run(pixels.bytes_to_unit(batch)).items():
            parts.setdefault(name, []).append(code.numpy())
    return {name: np.concatenate(codes) for name, codes in parts.items()}
