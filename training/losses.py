"""Losses per example: [B, ...] -> [B], float32, named after the papers' equations.

Trainers weight them, add them up and take the mean over the global batch.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# MS-SSIM: the three finest of the five weights of Wang et al. (2003).
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001)
_WINDOW = 11  # pixels, of SSIM
# The least side of an image, pixels: the coarsest scale is a fourth of it.
MS_SSIM_SIDE = (_WINDOW - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1
_LEAST_TERM = 0.01  # smaller terms of MS-SSIM are made positive
_LEAST_SHARE = 0.01  # of a hole; a loss is divided by it
_IGNORE_LUMINANCE = 1e5  # k1 of `tf.image.ssim`, large against any image's mean


def _mean_per_example(values: tf.Tensor) -> tf.Tensor:
    """[B, ...] -> [B]."""
    return tf.reduce_mean(values, axis=list(range(1, values.shape.rank)))


def l1(target: tf.Tensor, restored: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference."""
    return _mean_per_example(tf.abs(target - restored))


def l2(target: tf.Tensor, restored: tf.Tensor) -> tf.Tensor:
    """Mean squared difference."""
    return _mean_per_example(tf.math.squared_difference(target, restored))


def masked_l2(target: tf.Tensor, restored: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Squared difference of the missing pixels, summed and divided by all pixels.

    ||M (x - y)||^2 / N, M [B, H, W, 1] with 1 = missing: a larger hole weighs more.
    """
    return _mean_per_example(mask * tf.math.squared_difference(target, restored))


def weighted_l1(
    target: tf.Tensor, restored: tf.Tensor, mask: tf.Tensor, known_weight: float
) -> tf.Tensor:
    """Absolute difference, known pixels weighing less, over the hole's share.

    mean(W |x - y|) / mean(M), W = M + known_weight (1 - M), M [B, H, W, 1] with 1 =
    missing: a small hole counts as much as a large one. Shares below 1% count as 1%.
    """
    weight = mask + known_weight * (1.0 - mask)
    return over_share(_mean_per_example(weight * tf.abs(target - restored)), mask)


def over_share(loss: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """A loss [B] that only the hole adds to, divided by the hole's share of the image.

    loss / mean(M), M [B, H, W, 1] with 1 = missing: a mean over the image becomes one
    over the hole, whatever its size. Shares below 1% count as 1%.
    """
    return loss / tf.maximum(tf.reduce_mean(mask, axis=[1, 2, 3]), _LEAST_SHARE)


def l1_to(score: tf.Tensor, label: float) -> tf.Tensor:
    """Mean absolute difference of a discriminator's map to a constant map."""
    return _mean_per_example(tf.abs(score - label))


def l2_to(score: tf.Tensor, label: float) -> tf.Tensor:
    """Mean squared difference of a discriminator's map to a constant map."""
    return _mean_per_example(tf.square(score - label))


def hinge(score: tf.Tensor, sign: float) -> tf.Tensor:
    """Mean hinge loss of a discriminator's map: max(0, 1 - sign * score).

    The sign is 1 for real images and -1 for restored ones.
    """
    return _mean_per_example(tf.nn.relu(1.0 - sign * score))


def minus_score(score: tf.Tensor) -> tf.Tensor:
    """Minus the mean of a discriminator's map, the generator's part of `hinge`."""
    return -_mean_per_example(score)


def cross_entropy_to(logit: tf.Tensor, label: float) -> tf.Tensor:
    """Mean binary cross-entropy of a discriminator's logits to a constant label."""
    return multi_label(tf.fill(tf.shape(logit), label), logit)


def multi_label(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy of logits [B, K] to K labels [B, K], each 0 or 1."""
    labels = tf.cast(labels, logits.dtype)
    return _mean_per_example(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def multi_class(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of logits [B, K] to one of K classes each, integer [B].

    A label below 0 is unknown: 0, whatever the logits.
    """
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=tf.maximum(labels, 0), logits=logits
    )
    return tf.where(labels >= 0, loss, tf.zeros_like(loss))


def kl(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, variance) || N(0, 1)) of latents [B, L], their mean, in nats.

    (mean^2 + variance - 1 - log variance) / 2 for each latent. A mean and not a sum:
    a weight means the same for any number of latents.
    """
    # expm1 is exact where the variance is close to 1, and keeps this from below 0.
    spread = tf.math.expm1(log_variance) - log_variance
    return _mean_per_example((tf.square(mean) + spread) / 2.0)


def ssim(target: tf.Tensor, restored: tf.Tensor) -> tf.Tensor:
    """1 - SSIM of images [B, H, W, C] in [0, 1], as `tf.image.ssim` has it: 0 to 2.

    Raises:
      ValueError: If the images are smaller than its window, 11 px.
    """
    _check_sides("ssim", restored, _WINDOW)
    return 1.0 - tf.image.ssim(target, restored, 1.0)


def ms_ssim(target: tf.Tensor, restored: tf.Tensor) -> tf.Tensor:
    """1 - MS-SSIM over three scales, of images [B, H, W, C] in [0, 1]: 0 to 1.

    The weights are those of the three finest scales of Wang et al. (2003), made to sum
    to 1. `tf.image.ssim_multiscale` has a NaN gradient where a term is not positive, as
    of an inverted image; here terms below 0.01 become small positive ones with a
    gradient that leads upwards.

    Raises:
      ValueError: If the images have less than 41 px: the window is 11 px wide, and the
        coarsest scale is four times smaller.
    """
    scales = len(_SCALE_WEIGHTS)
    _check_sides("ms_ssim", restored, MS_SSIM_SIDE)
    pair, similarity = (target, restored), 1.0
    for scale, weight in enumerate(_SCALE_WEIGHTS, start=1):
        if scale > 1:
            pair = [tf.nn.avg_pool2d(x, 2, 2, "SAME") for x in pair]
        # Channels become images of a batch [B, C, H, W, 1]: each has a term of its own.
        planes = [tf.transpose(x, [0, 3, 1, 2])[..., None] for x in pair]
        # Of the finer scales only contrast and structure are compared.
        k1 = 0.01 if scale == scales else _IGNORE_LUMINANCE
        term = _positive(tf.image.ssim(*planes, 1.0, k1=k1))  # [B, C]
        similarity *= tf.pow(term, weight / sum(_SCALE_WEIGHTS))
    return 1.0 - tf.reduce_mean(similarity, axis=1)


def on_faces(loss: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Multiplies both images of a loss by a face mask, float32 [B, H, W, 1], 1 = face.

    (target, restored) -> [B] becomes (target, restored, face_mask) -> [B], divided by
    the share of the image that is face. A mean over all pixels thereby becomes one over
    the face, whatever its size, and keeps its weight beside other terms. Without a face
    it is 0.
    """

    def masked(target, restored, face_mask):
        share = tf.reduce_mean(face_mask, axis=[1, 2, 3])
        value = loss(face_mask * target, face_mask * restored)
        return tf.math.divide_no_nan(value, share)

    return masked


def _positive(term: tf.Tensor) -> tf.Tensor:
    """The term from `_LEAST_TERM` on; below, what falls towards 0 without a kink."""
    low = tf.minimum(term, _LEAST_TERM)
    return tf.maximum(term, _LEAST_TERM) / (2.0 - low / _LEAST_TERM)


def _check_sides(name: str, images: tf.Tensor, smallest: int) -> None:
    """Raises a ValueError where images are known to be too small."""
    height, width = images.shape[1:3]
    if height is not None and width is not None and min(height, width) < smallest:
        raise ValueError(
            f"The loss {name} needs images of at least {smallest} px on the short "
            f"side, because its window must fit the coarsest scale; got "
            f"{height}×{width}. Take larger images or another loss, such as l1."
        )
