"""Losses per example: [B, ...] -> [B], float32, named after the papers' equations.

Sums over terms, weights and the mean over the global batch are the trainers' business.
"""

from __future__ import annotations

import tensorflow as tf


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
    """Squared difference of the missing pixels, over the whole image's number of them.

    ||M (x - y)||^2 / N, M [B, H, W, 1] with 1 = missing: a larger hole weighs more.
    """
    return _mean_per_example(mask * tf.math.squared_difference(target, restored))


def l1_to(score: tf.Tensor, label: float) -> tf.Tensor:
    """Mean absolute difference of a discriminator's map to a constant map."""
    return _mean_per_example(tf.abs(score - label))


def l2_to(score: tf.Tensor, label: float) -> tf.Tensor:
    """Mean squared difference of a discriminator's map to a constant map."""
    return _mean_per_example(tf.square(score - label))


def cross_entropy_to(logit: tf.Tensor, label: float) -> tf.Tensor:
    """Mean binary cross-entropy of a discriminator's logits to a constant label."""
    labels = tf.fill(tf.shape(logit), label)
    return _mean_per_example(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logit)
    )


def multi_label(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy of logits [B, K] to K labels [B, K], each 0 or 1."""
    labels = tf.cast(labels, logits.dtype)
    return _mean_per_example(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    )


def multi_class(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of logits [B, K] to one of K classes each, integer [B]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
