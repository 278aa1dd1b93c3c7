"""Visual information fidelity in the pixel domain, VIFp (Sheikh & Bovik 2006).

The share of the target's visual information that is left in the restored image. The
model: neighborhoods of the target are Gaussian with a variance of their own, the
restored image is the target times a gain plus noise, and the eye adds noise to both;
mutual information is then a sum of logarithms. The measure is the authors' release
`vifp_mscale`: four scales, with Gaussian windows of 17, 9, 5 and 3 pixels inside the
image.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf

from evaluation.metrics.ssim import as_images, gaussian_band

# The fourth scale, (((41 - 8) / 2 - 4) / 2 - 2) / 2 pixels rounded up, is one window.
MINIMUM_SIZE = 41

_TAPS = (17, 9, 5, 3)  # of each scale's window, whose sigma is a fifth of that
_EYE_NOISE = 2.0  # its variance, for levels of 0 to 255
_NOTHING = 1e-10  # a smaller variance is rounding


def vif(target, restored) -> tf.Tensor:
    """VIFp, averaged over the channels; >= 41 px.

    1 for equal images, 0 where nothing of the target is left (a constant image, a
    negative), over 1 where contrast is enhanced. It is not symmetric. The release is
    for gray images; averaging channels is how Python packages extend it to color.
    Implementations that measure luma differ, except for gray images.

    Both images are RGB [B, H, W, 3] in [0, 1]; values outside are clipped, nothing is
    rounded to 8 bits.

    Returns:
      float32 [B]. Channels in which the target is constant are left out; NaN if it is
      constant in all of them.

    Raises:
      ValueError: If the shapes differ or the short side is below `MINIMUM_SIZE`.
    """
    target, restored = as_images("vif", target, restored)
    height, width = target.shape[1:3]
    if min(height, width) < MINIMUM_SIZE:
        raise ValueError(
            f"vif needs images of at least {MINIMUM_SIZE} px on the short side, "
            f"because its window must fit the coarsest scale; got {height}×{width}. "
            "Smaller images have ssim (from 11 px)."
        )
    return _compiled()(target, restored)


@functools.cache
def _compiled() -> Callable:
    """`_vif`, traced once for every image size."""
    images = tf.TensorSpec([None, None, None, None], tf.float32)
    return tf.function(_vif, input_signature=[images, images])


def _vif(target, restored) -> tf.Tensor:
    # float64, because E[x^2] - E[x]^2 of nearly flat skin loses its digits in float32.
    with tf.device("/CPU:0"):
        x, y = _levels(target), _levels(restored)
        kept = available = 0.0
        for scale, taps in enumerate(_TAPS):
            if scale:
                x, y = (_blurred(z, taps)[..., ::2, ::2] for z in (x, y))
            scale_kept, scale_available = _information(x, y, taps)
            kept, available = kept + scale_kept, available + scale_available
        channels = tf.reduce_sum(tf.cast(available > 0, tf.float64), axis=1)
        total = tf.reduce_sum(tf.math.divide_no_nan(kept, available), axis=1)
        return tf.cast(total / channels, tf.float32)


def _levels(images) -> tf.Tensor:
    """[B, H, W, C] in [0, 1] -> float64 [B, C, H, W], 255 levels around a mean of 0.

    Variances do not depend on the mean, and are more exact without it.
    """
    levels = 255 * tf.cast(tf.transpose(images, [0, 3, 1, 2]), tf.float64)
    return levels - tf.reduce_mean(levels, axis=[2, 3], keepdims=True)


def _information(x, y, taps: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Information about x in y, and in x itself: sums over one scale, [B, C]."""
    mean_x, mean_y, xx, yy, xy = tf.unstack(
        _blurred(tf.stack([x, y, x * x, y * y, x * y]), taps)
    )
    xx, yy, xy = xx - mean_x * mean_x, yy - mean_y * mean_y, xy - mean_x * mean_y
    xx = tf.where(xx < _NOTHING, tf.zeros_like(xx), xx)
    related = (xx > 0) & (yy >= _NOTHING) & (xy > 0)
    gain = tf.where(related, tf.math.divide_no_nan(xy, xx), tf.zeros_like(xx))
    noise = tf.maximum(yy - gain * xy, 0)  # of the restored image
    kept = tf.math.log1p(gain * gain * xx / (noise + _EYE_NOISE))
    available = tf.math.log1p(xx / _EYE_NOISE)
    return tf.reduce_sum(kept, axis=[-2, -1]), tf.reduce_sum(available, axis=[-2, -1])


def _blurred(z, taps: int) -> tf.Tensor:
    """[..., H, W] -> [..., H - taps + 1, W - taps + 1]."""
    # Products with banded matrices, as in `ssim`.
    rows, columns = (
        gaussian_band(tf.shape(z)[axis], taps, taps / 5, tf.float64)
        for axis in (-2, -1)
    )
    return tf.linalg.matmul(rows, tf.einsum("...hw,vw->...hv", z, columns))
