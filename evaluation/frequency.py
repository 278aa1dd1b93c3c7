"""Signal and error by spatial frequency: what of an image a restorer loses.

Each channel is transformed by the orthonormal DCT-II, which mirrors the image at its
edges, so that no power leaks from them, and keeps sums of squares: the bands of the
error sum to its mean squared error exactly.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

HIGHEST = math.sqrt(0.5)  # cycles per pixel: the checkerboard, which is never reached
_COARSEST = 3  # cycles across the image that the coarsest octave reaches at least
_CHUNK = 16  # images transformed at once, a bound on memory


def bands(size: int) -> np.ndarray:
    """The edges of the bands of an image, in cycles per pixel.

    The first band is the mean color alone. Octaves follow; the coarsest takes
    everything below it too, and the finest the corners beyond 1/2.

    Args:
      size: Side of the image, pixels; 8 at least.

    Returns:
      float64 [K + 1], ascending from 0 to `HIGHEST`. For 192: 0, 1/384, 1/64, 1/32,
      1/16, 1/8, 1/4, 0.71. Band k goes from edge k up to, without, edge k + 1.

    Raises:
      ValueError: If the image is too small for two octaves.
    """
    if size < 8:
        raise ValueError(
            "size must be at least 8 pixels, because a smaller image has no two "
            f"octaves of frequencies; got {size}."
        )
    coarsest = max(math.floor(math.log2(size / _COARSEST)), 2)
    octaves = [2.0**-power for power in range(coarsest, 1, -1)]
    return np.array([0.0, 0.5 / size, *octaves, HIGHEST])


def by_band(target: np.ndarray, restored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The power of images and of their errors in each band of `bands`.

    Args:
      target: [B, S, S, C], the true images.
      restored: The same of the restored ones; nothing is clipped.

    Returns:
      (signal, error), each float64 [B, K]: the mean over pixels and channels of the
      square of what lies in the band. The signal's bands sum to the image's mean
      square, the error's to the mean squared error.

    Raises:
      ValueError: If the shapes are not [B, S, S, C], or differ.
    """
    target, restored = np.asarray(target), np.asarray(restored)
    shape = target.shape
    if len(shape) != 4 or shape[1] != shape[2] or restored.shape != shape:
        raise ValueError(
            "by_band compares square images, two [B, S, S, C] of one shape; got "
            f"{list(shape)} and {list(restored.shape)}."
        )
    members = _members(shape[1])
    parts = []
    for start in range(0, len(target), _CHUNK):
        images = target[start : start + _CHUNK].astype(np.float64)
        errors = restored[start : start + _CHUNK] - images
        parts.append([_power(values) @ members for values in (images, errors)])
    signal, error = (np.concatenate(part) for part in zip(*parts))
    return signal, error


def _members(size: int) -> np.ndarray:
    """Which frequency is in which band: float64 [S * S, K], one 1 a row."""
    # Coefficient k of a DCT-II makes k half cycles across the image.
    step = np.arange(size) / (2.0 * size)
    edges = bands(size)
    place = np.digitize(np.hypot(step[:, None], step), edges[1:-1]).ravel()
    return np.eye(len(edges) - 1)[place]


def _power(images: np.ndarray) -> np.ndarray:
    """[B, S, S, C] -> [B, S * S]: each frequency's part of the mean square."""
    count, size = images.shape[:2]
    coefficients = scipy.fft.dctn(images, axes=(1, 2), norm="ortho")
    return np.square(coefficients).mean(axis=3).reshape(count, -1) / size**2
