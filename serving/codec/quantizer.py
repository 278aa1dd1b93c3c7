"""Quantization of latents to levels of a few bits, fitted to a training set.

Every latent has its own range, divided into evenly spaced levels, and a table of how
often each level occurred.
"""

from __future__ import annotations

import os
import statistics

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from models.optional import tensorflow_compression
from serving.codec.entropy import MAX_PRECISION, EntropyTables, read_npz

MAX_BITS = 8
BITS = (4, 6, 8)  # that `fit` fits quantizers of
MOST_IMAGES = 10_000  # that `fit` takes; a range leaves out ten of them at each end
_AT_ONCE = 256

# A latent's range, in percentiles of the training set. The extremes of thousands of
# faces would widen every step, and the few values beyond are close to the last level.
_RANGE = (0.1, 99.9)
# The length of the range of a normal distribution, in standard deviations.
_DEVIATIONS = 2 * statistics.NormalDist().inv_cdf(_RANGE[1] / 100)
# A latent whose range is below this part of the widest one has collapsed: it hardly
# varies, but its levels would cost as much as those of any other.
_COLLAPSED = 0.01


class Quantizer:
    """Levels of L latents, 0 to `levels` - 1, and their tables.

    Args:
      low: The value of each latent's first level, float32 [L].
      high: Of its last level; equal to low where there is one level.
      tables: Of L channels, which code the levels.

    Attributes:
      levels: The number of levels of each latent, int32 [L].

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

        A range holds all values but the lowest and the highest 0.1%. One below 1% of
        the widest has a single level, the median, and costs nothing. Half an occurrence
        is added to each level (Krichevsky and Trofimov), so that levels that never
        occurred can be coded too.

        Args:
          latents: [N, L], without noise: the means of a variational autoencoder.
          bits: k, 1 to `MAX_BITS`, for 2 ** k levels.

        Raises:
          ValueError: If there are no latents or other bits, or a value is not finite.
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
        """Finite numbers [..., L] -> the nearest levels, int32 [..., L]."""
        return _nearest(latents, self._low, self._step, self.levels)

    def dequantize(self, levels: np.ndarray) -> np.ndarray:
        """Levels [..., L] -> their values, float32 [..., L]."""
        return (self._low + levels * self._step).astype(np.float32)

    def deviations(self) -> np.ndarray:
        """Each latent's standard deviation in training, if normal: float32 [L]."""
        return (self._high - self._low) / np.float32(_DEVIATIONS)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that defines the quantizer; see `entropy.npz` and `load`."""
        return {"low": self._low, "high": self._high, **self.tables.arrays()}

    @classmethod
    def load(cls, path: str | os.PathLike) -> Quantizer:
        """Reads an .npz file of `arrays`; a ValueError if it holds no quantizer."""
        tables = EntropyTables.load(path)
        with read_npz(path, "quantizer") as file:
            return cls(file["low"], file["high"], tables)


def _steps(low: np.ndarray, high: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The distance of neighboring levels, float64 [L]; 1 where there is one level."""
    length = high.astype(np.float64) - low
    return np.where(levels > 1, length / np.maximum(levels - 1, 1), 1.0)


def _nearest(latents, low, step, levels) -> np.ndarray:
    """Numbers -> levels, int32; those outside the range take its ends."""
    return np.clip(np.rint((latents - low) / step), 0, levels - 1).astype(np.int32)


def _cdf(counts: np.ndarray) -> np.ndarray:
    """Occurrences of each level, never 0 -> the table with its escape, int32."""
    # No level is escaped, so the escape takes the least that a symbol can.
    shares = np.append(counts / counts.sum(), 0.0).astype(np.float32)
    tfc = tensorflow_compression()
    return tfc.pmf_to_quantized_cdf(shares, precision=MAX_PRECISION).numpy()


def fit(encoder: tf.keras.Model, split: DecodedSplit) -> dict[int, Quantizer]:
    """Fits a quantizer of each of `BITS` to the means of `fitted_images`."""
    means = encode(encoder, fitted_images(split))["mean"]
    return {bits: Quantizer.fit(means, bits) for bits in BITS}


def fitted_images(split: DecodedSplit) -> np.ndarray:
    """Every n-th image of a split, at most `MOST_IMAGES`: uint8 [N, S, S, 3]."""
    # From the first to the last, because not every split is in shuffled order.
    return split.images[:: -(-len(split) // MOST_IMAGES)]


def encode(encoder: tf.keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Encodes images uint8 [N, S, S, 3], batch by batch, as {name: float32 [N, L]}."""
    run = tf.function(lambda x: encoder(x, training=False), reduce_retracing=True)
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(images), _AT_ONCE):
        batch = np.asarray(images[start : start + _AT_ONCE])
        for name, code in run(pixels.bytes_to_unit(batch)).items():
            parts.setdefault(name, []).append(code.numpy())
    return {name: np.concatenate(codes) for name, codes in parts.items()}
