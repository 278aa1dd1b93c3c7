"""What makes an auto-encoder a codec: latents that can be written, and their price."""

from __future__ import annotations

import math

import tensorflow as tf
import tensorflow_compression as tfc


class Quantization(tf.keras.layers.Layer):
    """Rounds latents; in training it adds noise instead, which has a gradient.

    Uniform noise in -1/2..1/2 stands in for the error of rounding (Balle, Laparra &
    Simoncelli, 2016). It depends on nothing but the key, so that a run that resumes
    sees the noise it would have seen anyway. float32 whatever the policy.

    [B, H, W, N] and a key, integer [B, 2], of which the first row counts
    -> [B, H, W, N].
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, inputs, training=False):
        """Rounds, ties to even, or adds noise."""
        latents, key = inputs
        if not training:
            return tf.round(latents)
        return latents + tf.random.stateless_uniform(
            tf.shape(latents), tf.cast(key[0], tf.int32), -0.5, 0.5
        )


class FactorizedPrior(tf.keras.layers.Layer):
    """Bits that quantized latents take, by a learned distribution of each channel.

    The factorized prior of Balle, Minnen, Singh, Hwang & Johnston (2018), App. 6.1,
    from tensorflow-compression. float32 whatever the policy.

    [B, H, W, N] -> bits of each image, float32 [B].
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def build(self, input_shape):
        """Makes one distribution a channel."""
        self.prior = tfc.NoisyDeepFactorized(batch_shape=(input_shape[-1],))
        super().build(input_shape)

    def call(self, latents):
        """-log2 of the latents' probability, summed over an image."""
        log_probability = self.prior.log_prob(latents)
        return -tf.reduce_sum(log_probability, axis=[1, 2, 3]) / math.log(2.0)

    def entropy_model(self) -> tfc.ContinuousBatchedEntropyModel:
        """What a range coder needs, made from the distributions as they are.

        Takes seconds. Latents are rounded to whole numbers, without an offset.
        """
        return tfc.ContinuousBatchedEntropyModel(
            self.prior, coding_rank=3, compression=True, offset_heuristic=False
        )
