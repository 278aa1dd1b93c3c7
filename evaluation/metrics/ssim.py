"""SSIM and MS-SSIM of float32 [B, H, W, C] in [0, 1], fast on a CPU.

The values equal `tf.image.ssim` and `tf.image.ssim_multiscale` (Wang et al. 2004 and
2003: K1 0.01, K2 0.03, windows inside the image, channels averaged). Filtering is two
products with a banded matrix, one for the rows and one for the columns, which is faster
than a depthwise convolution with one 11×11 filter.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

TAPS = 11
FIVE_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
THREE_SCALES = tuple(w / sum(FIVE_SCALES[:3]) for w in FIVE_SCALES[:3])

_C1, _C2 = 0.01**2, 0.03**2
# (fewest taps, scales). With a single tap there would be no contrast left to compare.
_WINDOWS = {"ssim": (11, 1), "ms_ssim": (11, 5), "ms_ssim_3": (11, 3)}
_WINDOWS["ms_ssim_5w"] = (2, 5)


def ssim(target, restored) -> tf.Tensor:
    """SSIM with an 11×11 Gaussian window that stays inside the image; >= 11 px."""
    return similarity()(*as_images("ssim", target, restored))


def ms_ssim(target, restored) -> tf.Tensor:
    """MS-SSIM over five scales as published; needs >= 161 px on the short side."""
    images = as_images("ms_ssim", target, restored)
    return similarity(FIVE_SCALES)(*images)


def ms_ssim_3(target, restored) -> tf.Tensor:
    """MS-SSIM over the three finest scales, weights made to sum to 1; >= 41 px."""
    images = as_images("ms_ssim_3", target, restored)
    return similarity(THREE_SCALES)(*images)


def ms_ssim_5w(target, restored) -> tf.Tensor:
    """MS-SSIM over five scales with a window that fits the coarsest; >= 17 px.

    The window has min(11, short side of the coarsest scale) taps, and sigma shrinks in
    proportion: 8 taps and 1.09 for 128 px, 4 and 0.55 for 64. Only values of images of
    the same size are comparable. From 161 px on it equals `ms_ssim`.
    """
    images = as_images("ms_ssim_5w", target, restored)
    coarsest = -(-min(images[0].shape[1:3]) // 16)
    taps = min(TAPS, coarsest)
    return similarity(FIVE_SCALES, taps)(*images)


def minimum_size(name: str) -> int:
    """The smallest short side, in pixels, for which a metric is defined.

    A scale halves the image, rounding up, so n scales and k taps need
    (k - 1) * 2 ** (n - 1) + 1 pixels.
    """
    taps, scales = _WINDOWS.get(name, (1, 1))
    return (taps - 1) * 2 ** (scales - 1) + 1


def as_images(name: str, target, restored) -> tuple[tf.Tensor, tf.Tensor]:
    """Both as float32 [B, H, W, 3], clipped to [0, 1].

    Raises:
      ValueError: If shapes differ, or the images are too small for the metric `name`.
    """
    target = tf.convert_to_tensor(target, tf.float32)
    restored = tf.convert_to_tensor(restored, tf.float32)
    if target.shape.rank != 4 or target.shape[1:] != restored.shape[1:]:
        raise ValueError(
            f"{name} compares two [B, H, W, 3] of one size; got {target.shape} and "
            f"{restored.shape}."
        )
    height, width = target.shape[1:3]
    if min(height, width) < minimum_size(name):
        raise ValueError(
            f"{name} needs images of at least {minimum_size(name)} px on the short "
            "side, because its window must fit the coarsest scale; got "
            f"{height}×{width}. Smaller images have ms_ssim_3 (from 41 px), ms_ssim_5w "
            "(from 17 px) and ssim (from 11 px)."
        )
    return tf.clip_by_value(target, 0.0, 1.0), tf.clip_by_value(restored, 0.0, 1.0)


@functools.cache
def similarity(weights: tuple[float, ...] = (1.0,), taps: int = TAPS) -> Callable:
    """Makes the compiled `(target, restored) -> [B]`, of two [B, H, W, C].

    Args:
      weights: Exponent of each scale, finest first. One scale of weight 1 is SSIM;
        more are MS-SSIM, where negative terms count as 0, as in `tf.image`. A scale
        halves the image, rounding up; the last must hold the window.
      taps: Width of the Gaussian window. Its sigma is 1.5 * taps / 11.
    """
    # One trace serves every image size.
    images = tf.TensorSpec([None, None, None, None], tf.float32)

    @tf.function(input_signature=[images, images])
    def compiled(target, restored):
        # TF32 on a GPU is too coarse for the subtraction E[x^2] - E[x]^2.
        with tf.device("/CPU:0"):
            pair = [tf.transpose(x, [0, 3, 1, 2]) for x in (target, restored)]
            terms = []
            for scale in range(len(weights)):
                pair = [_halved(x) for x in pair] if scale else pair
                luminance, contrast = _terms(*pair, taps)
                last = scale == len(weights) - 1
                term = luminance * contrast if last else contrast
                terms.append(tf.reduce_mean(term, axis=[2, 3]))  # [B, C]
            if len(weights) > 1:
                terms = [tf.pow(tf.nn.relu(t), w) for t, w in zip(terms, weights)]
            return tf.reduce_mean(functools.reduce(tf.multiply, terms), axis=1)

    return compiled


def _terms(x, y, taps: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps of the luminance and the contrast-structure term, [B, C, H', W']."""
    sigma = 1.5 * taps / TAPS
    rows = gaussian_band(tf.shape(x)[2], taps, sigma)
    columns = gaussian_band(tf.shape(x)[3], taps, sigma)

    def blurred(z):
        along_rows = tf.einsum("bchw,vw->bchv", z, columns)
        return tf.linalg.matmul(rows, along_rows)

    mean_x, mean_y = blurred(x), blurred(y)
    product = 2 * mean_x * mean_y
    squares = tf.square(mean_x) + tf.square(mean_y)
    luminance = (product + _C1) / (squares + _C1)
    covariance = 2 * blurred(x * y) - product
    variances = blurred(tf.square(x) + tf.square(y)) - squares
    return luminance, (covariance + _C2) / (variances + _C2)


def gaussian_band(size, taps: int, sigma: float, dtype="float32") -> tf.Tensor:
    """[size - taps + 1, size], a Gaussian window at each of its positions."""
    offsets = tf.range(taps, dtype=dtype) - (taps - 1) / 2
    window = tf.nn.softmax(-tf.square(offsets / sigma) / 2)
    shift = tf.range(size)[None, :] - tf.range(size - taps + 1)[:, None]
    inside = (shift >= 0) & (shift < taps)
    placed = tf.gather(window, tf.clip_by_value(shift, 0, taps - 1))
    return tf.where(inside, placed, tf.zeros_like(placed))


def _halved(x) -> tf.Tensor:
    """2×2 means of [B, C, H, W]; an odd side is first lengthened by its last line."""
    height, width = tf.shape(x)[2], tf.shape(x)[3]
    padding = [[0, 0], [0, 0], [0, height % 2], [0, width % 2]]
    x = tf.pad(x, padding, mode="SYMMETRIC")
    batch, channels, height, width = tf.unstack(tf.shape(x))
    pairs = tf.reshape(x, [batch, channels, height // 2, 2, width // 2, 2])
    return tf.reduce_mean(pairs, axis=[3, 5])
