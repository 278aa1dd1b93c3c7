"""Entropy coding with a hyperprior: a file holds its latents' distribution first.

A file holds hyper-latents, whose tables are fixed, and then the latents, each coded
around its mean by one of 64 tables of normal distributions. Means and tables come from
a small network on the hyper-latents (Ballé et al. 2018; Minnen, Ballé & Toderici 2018).

Reader and writer must agree on every table, or the file is rubbish. So this network
computes in whole numbers (Ballé, Johnston & Minnen, "Integer networks for data
compression with latent-variable models", 2019). They are held in float64, where sums
below 2 ** 53 are exact in whatever order they are added: the bits are the same on every
processor, with any number of threads, and no setting of TensorFlow has a say. Weights
are so fine that the trained network needs no training for it.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from models import compression
from models.optional import tensorflow_compression
from serving.codec.entropy import (
    MAX_PRECISION,
    Decoder,
    Encoder,
    EntropyTables,
    bits_of,
    codable,
    damaged,
    read_npz,
    rounded,
)

REDUCTION = 4  # of latents to hyper-latents, in height and width
# Whole numbers of the network stand for so many times less.
_ONE, _WEIGHT_ONE = 2**10, 2**14  # values and means; weights
_LARGEST = 2**24  # a layer's value, clipped; float32 holds all of them
_EXACT = 2**53
_POSITIONS = 1024  # hyper-latents at once, a bound on memory
_LAYERS = 3
_REACH = 3.5  # standard deviations; values beyond are escaped
_DIVERGED = (
    "The weights of the hyperprior's network are so large that its sums are not exact. "
    "They have diverged: train again with a smaller --learning_rate."
)


class Latents(NamedTuple):
    """Quantized latents: what a file holds, and what the network makes of the first.

    Attributes:
      hyper: Hyper-latents, int32 [ceil(h / 4), ceil(w / 4), M].
      residuals: Distances of the latents from their means, int32 [h, w, N].
      means: In 1/1024, int32 [h, w, N].
      scales: Number of each latent's table, int32 [h, w, N].
      quality: See `Rates`; 0 without them.
    """

    hyper: np.ndarray
    residuals: np.ndarray
    means: np.ndarray
    scales: np.ndarray
    quality: int = 0


class Rates:
    """What latents are multiplied by at each quality, of a codec of several rates.

    Qualities are whole numbers from 0, the first rate, to `BEST`, the last; between two
    rates logarithms are interpolated (Cui et al., "Asymmetric gained deep image
    compression with continuous rate adaptation", 2021).

    Args:
      logarithms: Of each rate and channel, before quantization, float32 [R, N].
      inverses: The same after it, for the decoder.
      usual: The quality of whoever asks for none.

    Raises:
      ValueError: If they do not fit.
    """

    BEST = 100

    def __init__(self, logarithms: np.ndarray, inverses: np.ndarray, usual: int):
        both = np.stack([logarithms, inverses])
        if both.dtype != np.float32 or both.ndim != 3 or both.shape[1] < 2:
            raise ValueError(
                "Rates are float32 [R, N] twice, R at least 2; got "
                f"{logarithms.dtype} {list(logarithms.shape)}."
            )
        if not np.isfinite(both).all():
            raise ValueError("A factor of a rate is infinite or no number.")
        self.usual = self.check(usual)
        self._both = both

    @classmethod
    def check(cls, quality: int) -> int:
        """The quality, or a ValueError."""
        if not (isinstance(quality, numbers.Integral) and 0 <= quality <= cls.BEST):
            raise ValueError(
                f"A quality is a whole number from 0 to {cls.BEST}; got {quality}."
            )
        return int(quality)

    @property
    def channels(self) -> int:
        """N."""
        return self._both.shape[-1]

    def position(self, quality: int) -> float:
        """Where a quality is among the rates, 0 to R - 1."""
        return quality / self.BEST * (self._both.shape[1] - 1)

    def factors(self, quality: int) -> tuple[np.ndarray, np.ndarray]:
        """Those before quantization and those after it, float32 [N] each."""
        position = self.position(quality)
        below = min(int(position), self._both.shape[1] - 2)
        share = np.float32(position - below)
        before, after = self._both[:, below], self._both[:, below + 1]
        return tuple(np.exp((1 - share) * before + share * after))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that defines it."""
        logarithms, inverses = self._both
        usual = np.array(self.usual, np.int32)
        return {"gains": logarithms, "inverse_gains": inverses, "quality": usual}


def scale_tables() -> EntropyTables:
    """A table for each scale, of the normal distribution that it stands for."""
    tfc = tensorflow_compression()
    cdfs, reaches = [], []
    for scale in np.exp(
        (np.arange(compression.SCALES) - compression.FIRST_SCALE)
        / compression.SCALES_PER_E
    ):
        reach = int(np.ceil(_REACH * scale))
        edges = np.arange(-reach, reach + 2) - 0.5
        shares = np.diff(ndtr(edges / scale))
        shares = np.append(shares, max(0.0, 1 - shares.sum())).astype(np.float32)
        cdf = tfc.pmf_to_quantized_cdf(shares, precision=MAX_PRECISION)
        cdfs.append(cdf.numpy())
        reaches.append(reach)
    return EntropyTables(cdfs, -np.array(reaches, np.int32), MAX_PRECISION)


class IntegerNetwork:
    """`build_hyper_synthesis` in whole numbers: the same bits everywhere.

    Args:
      kernels: Two transposed convolutions, [3, 3, out, in], and [in, out]: int32.
      biases: int64.

    Raises:
      ValueError: If they do not fit, or sums could be too large to be exact.
    """

    def __init__(self, kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray]):
        _check(kernels, biases)
        self._kernels = [kernel.astype(np.float64) for kernel in kernels]
        self._biases = [bias.astype(np.float64) for bias in biases]

    @classmethod
    def from_weights(cls, weights: Sequence[np.ndarray]) -> IntegerNetwork:
        """Rounds the weights of a trained network, as Keras's get_weights has them."""
        kernels = [_whole(_WEIGHT_ONE * kernel, np.int32) for kernel in weights[::2]]
        biases = [_whole(_WEIGHT_ONE * _ONE * b, np.int64) for b in weights[1::2]]
        return cls([*kernels[:-1], kernels[-1][0, 0]], biases)

    @property
    def channels(self) -> tuple[int, int]:
        """M of the hyper-latents, and N of the latents."""
        return self._kernels[0].shape[-1], len(self._biases[-1]) // 2

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that defines the network."""
        found = {}
        for number, pair in enumerate(zip(self._kernels, self._biases), start=1):
            kernel, bias = pair
            found[f"kernel{number}"] = kernel.astype(np.int32)
            found[f"bias{number}"] = bias.astype(np.int64)
        return found

    def __call__(self, hyper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hyper-latents, int32 [h, w, M] -> means and scales, int32 [4 h, 4 w, N]."""
        rows, columns, _ = hyper.shape
        height, width = REDUCTION * rows, REDUCTION * columns
        means = np.empty((height, width, self.channels[1]), np.int32)
        scales = np.empty_like(means)
        step = max(1, _POSITIONS // columns)
        for start in range(0, rows, step):
            # What it says of a row depends on that row and on the one above.
            above = min(start, 1)
            found = self._apply(hyper[start - above : start + step])
            kept = slice(REDUCTION * start, REDUCTION * min(start + step, rows))
            means[kept], scales[kept] = (x[REDUCTION * above :] for x in found)
        return means, scales

    def _apply(self, hyper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        most = _LARGEST // _ONE
        x = np.clip(hyper, -most, most) * float(_ONE)
        for kernel, bias in zip(self._kernels[:-1], self._biases):
            x = _divided(_doubled(x, kernel) + bias, _WEIGHT_ONE)
            x = np.clip(x, 0, _LARGEST)
        x = _divided(_product(x, self._kernels[-1]) + self._biases[-1], _WEIGHT_ONE)
        means, log_scales = np.split(np.clip(x, -_LARGEST, _LARGEST), 2, axis=-1)
        scales = _divided(
            compression.SCALES_PER_E * log_scales + compression.FIRST_SCALE * _ONE, _ONE
        )
        scales = np.clip(scales, 0, compression.SCALES - 1)
        return means.astype(np.int32), scales.astype(np.int32)


class Hyperprior:
    """Codes latents by the tables that hyper-latents choose; see `EntropyTables`.

    Args:
      tables: Of the M channels of the hyper-latents, followed by those of the scales.
      network: From hyper-latents to means and scales.
      rates: Of a codec that has several, or None.

    Raises:
      ValueError: If they do not fit.
    """

    def __init__(
        self,
        tables: EntropyTables,
        network: IntegerNetwork,
        rates: Rates | None = None,
    ):
        self.hyper_channels, self.channels = network.channels
        if tables.channels != self.hyper_channels + compression.SCALES:
            raise ValueError(
                f"There must be a table for each of {self.hyper_channels} channels of "
                f"hyper-latents and {compression.SCALES} scales; got {tables.channels}."
            )
        if rates and rates.channels != self.channels:
            raise ValueError(
                f"The rates have {rates.channels} channels and the latents "
                f"{self.channels}."
            )
        self.rates = rates
        self._tables, self._network = tables, network

    def quantize(
        self, latents: np.ndarray, hyper: np.ndarray, quality: int = 0
    ) -> Latents:
        """Finite float32 [h, w, N] and their hyper-latents -> what `encode` takes.

        With rates both are of latents that are multiplied already.

        Raises:
          ValueError: If they do not fit or cannot be coded.
        """
        whole = rounded(hyper)
        means, scales = self._predict(whole, *latents.shape[:2])
        residuals = rounded(latents - means / _ONE)
        return Latents(whole, residuals, means, scales, quality)

    def dequantize(self, latents: Latents) -> np.ndarray:
        """What `quantize` or `decode` returned -> float32 [h, w, N]."""
        found = (latents.residuals + latents.means / _ONE).astype(np.float32)
        return found * self.rates.factors(latents.quality)[1] if self.rates else found

    def encode(self, latents: Latents) -> bytes:
        """What `quantize` returned -> bytes, with rates the quality before others."""
        quality = bytes([latents.quality]) if self.rates else b""
        encoder = Encoder(self._tables)
        encoder.put(latents.hyper, self._each(latents.hyper.shape))
        encoder.put(latents.residuals, self.hyper_channels + latents.scales)
        return quality + encoder.finish()

    def decode(self, data: bytes, height: int, width: int) -> Latents:
        """The inverse of `encode`, for latents [height, width, N].

        Raises:
          CorruptFileError: If no latents of this size are encoded as these bytes.
        """
        whole, quality = data, 0
        if self.rates:
            quality, data = (data or b"\xff")[0], data[1:]
            if quality > Rates.BEST:
                raise damaged()
        rows, columns = -(-height // REDUCTION), -(-width // REDUCTION)
        self._tables.check_claim(data, rows, columns, self.hyper_channels)
        decoder = Decoder(self._tables, data)
        hyper = decoder.get(self._each((rows, columns, self.hyper_channels)))
        if not codable(hyper):
            raise damaged()
        means, scales = self._predict(hyper, height, width)
        residuals = decoder.get(self.hyper_channels + scales)
        latents = Latents(hyper, residuals, means, scales, quality)
        if not codable(residuals) or self.encode(latents) != whole:
            raise damaged()
        return latents

    def estimated_bits(self, latents: Latents) -> float:
        """The bits that `encode` takes by the tables: -log2 of the probability."""
        hyper = bits_of(self._tables, latents.hyper, self._each(latents.hyper.shape))
        which = self.hyper_channels + latents.scales
        return hyper + bits_of(self._tables, latents.residuals, which)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that defines it; see `entropy.npz` and `load`."""
        rates = self.rates.arrays() if self.rates else {}
        return {**self._tables.arrays(), **self._network.arrays(), **rates}

    def _each(self, shape: tuple[int, ...]) -> np.ndarray:
        """The tables of hyper-latents."""
        return np.broadcast_to(np.arange(self.hyper_channels), shape)

    def _predict(self, hyper, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        means, scales = self._network(hyper)
        # Contiguous, because the coder looks at parts of them.
        return tuple(np.ascontiguousarray(x[:height, :width]) for x in (means, scales))


def load(path: str | os.PathLike) -> EntropyTables | Hyperprior:
    """Reads an .npz file of either's `arrays`; a ValueError if it holds neither."""
    tables = EntropyTables.load(path)
    with read_npz(path, "entropy tables") as file:
        if "kernel1" not in file:
            return tables
        layers = range(1, _LAYERS + 1)
        kernels, biases = (
            [file[f"{name}{layer}"] for layer in layers] for name in ("kernel", "bias")
        )
        rates = None
        if "gains" in file:
            usual = file["quality"]
            rates = Rates(file["gains"], file["inverse_gains"], int(usual))
        return Hyperprior(tables, IntegerNetwork(kernels, biases), rates)


def _doubled(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Transposed convolution 3x3/2, SAME: [h, w, in] -> [2 h, 2 w, out]."""
    rows, columns, _ = x.shape
    sums = np.zeros((2 * rows + 1, 2 * columns + 1, kernel.shape[2]))
    for row, column in np.ndindex(3, 3):
        place = sums[row : row + 2 * rows : 2, column : column + 2 * columns : 2]
        place += _product(x, kernel[row, column].T)
    return sums[:-1, :-1]


def _product(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """[h, w, in], [in, out] -> [h, w, out]: all positions at once, which is faster."""
    rows, columns, inputs = x.shape
    return (x.reshape(-1, inputs) @ kernel).reshape(rows, columns, -1)


def _whole(values: np.ndarray, dtype: type) -> np.ndarray:
    """Rounds trained weights, or raises a ValueError."""
    found = np.rint(values.astype(np.float64))
    if not (np.abs(found) < np.iinfo(dtype).max).all():
        raise ValueError(_DIVERGED)
    return found.astype(dtype)


def _divided(x: np.ndarray, divisor: int) -> np.ndarray:
    """Whole numbers, divided by a power of 2 and rounded, halves upwards; exact."""
    return np.floor(x / divisor + 0.5)


def _check(kernels: Sequence[np.ndarray], biases: Sequence[np.ndarray]) -> None:
    """Raises a ValueError unless these are the weights of an `IntegerNetwork`."""
    ranks = [kernel.ndim for kernel in kernels]
    if ranks != [4, 4, 2] or len(biases) != _LAYERS:
        raise ValueError(
            f"A hyperprior's network has three kernels of 4, 4 and 2 axes; got {ranks}."
        )
    *doubling, last = kernels
    inputs = [kernel.shape[-1] for kernel in doubling] + [last.shape[0]]
    outputs = [kernel.shape[-2] for kernel in doubling] + [last.shape[1]]
    sides = {kernel.shape[:2] for kernel in doubling}
    fitting = inputs[1:] == outputs[:-1] and outputs == [len(b) for b in biases]
    if not fitting or sides != {(3, 3)} or outputs[-1] % 2:
        shapes = [kernel.shape for kernel in kernels]
        raise ValueError(
            f"The kernels and biases of a hyperprior do not fit: {shapes}."
        )
    for kernel, bias in zip(kernels, biases):
        if kernel.dtype != np.int32 or bias.dtype != np.int64:
            raise ValueError(
                f"Weights must be int32 and int64; got {kernel.dtype}, {bias.dtype}."
            )
        axes = (0, 1, 3) if kernel.ndim == 4 else 0
        weighed = np.abs(kernel.astype(np.float64)).sum(axis=axes)
        # Twice, because the division adds a half.
        if 2 * (_LARGEST * weighed + np.abs(bias.astype(np.float64))).max() >= _EXACT:
            raise ValueError(_DIVERGED)
