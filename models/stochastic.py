"""Sampling and dropout whose noise a key decides."""

from __future__ import annotations

import tensorflow as tf

_LOG_VARIANCES = (-30.0, 20.0)


@tf.keras.utils.register_keras_serializable("facemend")
class Sampling(tf.keras.layers.Layer):
    """Draws latents from a normal distribution; at evaluation returns its mean.

    mean + exp(log_variance / 2) * noise, the reparametrization of Kingma & Welling, in
    float32. The log-variance is clipped to -30..20, as in Rombach et al.'s
    latent-diffusion, so that a diverging training stays finite.

    mean [B, L], log_variance [B, L], key -> [B, L].
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, inputs, training=False):
        """The mean, or a sample."""
        mean, log_variance, key = inputs
        if not training:
            return mean
        log_variance = tf.clip_by_value(log_variance, *_LOG_VARIANCES)
        noise = tf.random.stateless_normal(tf.shape(mean), tf.cast(key[0], tf.int32))
        return mean + tf.exp(log_variance / 2) * noise


@tf.keras.utils.register_keras_serializable("facemend")
class KeyedDropout(tf.keras.layers.Layer):
    """Dropout in float32: bfloat16 has few random numbers.

    [B, ...], key -> the same shape. `number` is unique among the layers with one key.
    """

    def __init__(self, rate: float, number: int, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self.rate = rate
        self.number = number

    def call(self, inputs, training=False):
        """Drops in training; changes nothing at evaluation."""
        x, key = inputs
        if not training:
            return x
        seed = tf.random.experimental.stateless_fold_in(
            tf.cast(key[0], tf.int32), self.number
        )
        return tf.nn.experimental.stateless_dropout(x, self.rate, seed)

    def get_config(self):
        """The arguments of `__init__`."""
        return {**super().get_config(), "rate": self.rate, "number": self.number}
