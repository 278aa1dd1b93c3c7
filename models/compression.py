"""Layers of image compression: GDN, quantization, priors, gains of several rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models.optional import tensorflow_compression

MIN_BETA = 1e-6
# Tables of a range coder for normal distributions: their standard deviations, e^(-9/4)
# to e^(45/8), are eight to each factor of e.
SCALES = 64
SCALES_PER_E, FIRST_SCALE = 8, 18
GAINS, INVERSE_GAINS = "gains", "inverse_gains"  # names of layers
# Added before the root is taken: a gamma of 0 keeps a small gradient.
_PEDESTAL = 2.0**-36


@tf.keras.utils.register_keras_serializable("facemend")
class GDN(tf.keras.layers.Layer):
    """Divides each channel of a pixel by a weighted sum of all. [B, H, W, C], float32.

      y_i = x_i / (beta_i + sum_j gamma_ji |x_j|)       inverse: x_i * (...)

    Generalized divisive normalization of Ballé, Laparra & Simoncelli (2016), without
    their square and root, as in Johnston et al. (2019), "Computationally efficient
    neural image compression", and in tensorflow-compression by default. That layer
    cannot be saved; this one computes the same outputs and gradients from the same
    weights with stock operations, in float32 whatever the precision policy.

    The trained weights are the roots of beta and gamma, which keeps both from becoming
    negative and makes steps small where a small divisor would make them large. With
    `inverse` it multiplies instead: the approximate inverse, for decoders.
    """

    def __init__(self, inverse: bool = False, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self.inverse = inverse

    def build(self, input_shape):
        """Starts at beta 1 and gamma 0.1 times the identity."""
        channels = input_shape[-1]
        self.root_beta = self.add_weight("root_beta", [channels], initializer="ones")
        self.root_gamma = self.add_weight(
            "root_gamma",
            [channels, channels],
            initializer=lambda shape, dtype: tf.sqrt(
                0.1 * tf.eye(*shape, dtype=dtype) + _PEDESTAL
            ),
        )
        super().build(input_shape)

    @property
    def beta(self):
        """[C], at least `MIN_BETA`."""
        return _squared(self.root_beta, minimum=MIN_BETA)

    @property
    def gamma(self):
        """[C, C], at least 0; [j, i] is the weight of channel j in the divisor of i."""
        return _squared(self.root_gamma, minimum=0.0)

    def call(self, inputs):
        """[B, H, W, C] -> the same shape."""
        kernel = self.gamma[tf.newaxis, tf.newaxis]
        weighed = tf.nn.conv2d(tf.abs(inputs), kernel, strides=1, padding="VALID")
        weighed = tf.nn.bias_add(weighed, self.beta)
        return inputs * weighed if self.inverse else inputs / weighed

    def get_config(self):
        """The arguments of `from_config`."""
        return {**super().get_config(), "inverse": self.inverse}


def _squared(root, *, minimum: float):
    """The parameter with this root, at least `minimum` up to rounding."""
    return tf.square(_bounded(root, (minimum + _PEDESTAL) ** 0.5)) - _PEDESTAL


def _bounded(weight, bound: float):
    """tf.maximum with a gradient that lets a weight below its bound rise again."""

    @tf.custom_gradient
    def bounded(weight):
        def gradient(upstream):
            free = (weight >= bound) | (upstream < 0)
            return tf.where(free, upstream, tf.zeros_like(upstream))

        return tf.maximum(weight, bound), gradient

    return bounded(tf.convert_to_tensor(weight))


class Quantization(tf.keras.layers.Layer):
    """Rounds latents; in training adds noise instead, which has a gradient.

    Uniform noise in -1/2..1/2 models the error of rounding (Ballé et al., 2016). It
    depends on the key and the salt alone, as in `cvae_dcgan`. With means, what is
    rounded is the distance from them (Minnen et al., 2018). float32 whatever the
    policy.

    [B, H, W, N], a key, integer [B, 2], whose first row is used, and perhaps means,
    [B, H, W, N] -> [B, H, W, N].
    """

    def __init__(self, salt: int = 0, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self._salt = salt

    def call(self, inputs, training=False):
        """Rounds, ties to even, or adds noise."""
        latents, key, *means = inputs
        if training:
            seed = tf.add(tf.cast(key[0], tf.int32), [self._salt, 0])
            shape = tf.shape(latents)
            return latents + tf.random.stateless_uniform(shape, seed, -0.5, 0.5)
        return tf.round(latents - means[0]) + means[0] if means else tf.round(latents)


class FactorizedPrior(tf.keras.layers.Layer):
    """Bits of quantized latents under a learned distribution of each channel.

    The factorized prior of Ballé, Minnen, Singh, Hwang & Johnston (2018), App. 6.1,
    from tensorflow-compression. float32 whatever the policy.

    [B, H, W, N] -> bits of each image, float32 [B].
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def build(self, input_shape):
        """Makes one distribution a channel."""
        tfc = tensorflow_compression()
        self.prior = tfc.NoisyDeepFactorized(batch_shape=(input_shape[-1],))
        super().build(input_shape)

    def call(self, latents):
        """-log2 of the latents' probability, summed over an image."""
        log_probability = self.prior.log_prob(latents)
        return -tf.reduce_sum(log_probability, axis=[1, 2, 3]) / math.log(2.0)

    def entropy_model(self, precision: int = 12) -> tf.Module:
        """Tables for a range coder, made from the present distributions in seconds.

        Latents are rounded to whole numbers, without an offset; `precision`, in bits,
        is that of the tables.

        Returns:
          A `ContinuousBatchedEntropyModel` of tensorflow-compression.
        """
        return tensorflow_compression().ContinuousBatchedEntropyModel(
            self.prior,
            coding_rank=3,
            compression=True,
            offset_heuristic=False,
            range_coder_precision=precision,
        )


class NormalPrior(tf.keras.layers.Layer):
    """Bits of quantized latents that are normal, each with its own mean and scale.

    The distribution of Ballé et al. (2018) and Minnen, Ballé & Toderici (2018), from
    tensorflow-compression: a normal one convolved with the noise of `Quantization`.
    float32 whatever the policy.

    [B, H, W, N] and [B, H, W, 2 N], means before logarithms of standard deviations, ->
    bits of each image, float32 [B].
    """

    def __init__(self, **options):
        super().__init__(**{**options, "dtype": "float32"})

    def call(self, inputs):
        """-log2 of the latents' probability, summed over an image."""
        latents, parameters = inputs
        tfc = tensorflow_compression()
        means, log_scales = tf.split(parameters, 2, axis=-1)
        # Between the first and the last table, with a gradient that leads back there.
        indexes = tfc.lower_bound(SCALES_PER_E * log_scales + FIRST_SCALE, 0.0)
        indexes = tfc.upper_bound(indexes, SCALES - 1.0)
        scales = tf.exp((indexes - FIRST_SCALE) / SCALES_PER_E)
        prior = tfc.NoisyNormal(loc=tf.zeros_like(means), scale=scales)
        log_probability = prior.log_prob(latents - means)
        return -tf.reduce_sum(log_probability, axis=[1, 2, 3]) / math.log(2.0)


class RatePosition(tf.keras.layers.Layer):
    """Where among several rates each image is: in training anywhere, else in one place.

    Anything with a row for each image, and a key, integer [B, 2], whose first row is
    used -> positions, float32 [B] in 0..R - 1.

    Args:
      rates: R.
      usual: The position where it does not train.
    """

    def __init__(self, rates: int, usual: float, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self._last, self.usual = rates - 1.0, usual

    def call(self, inputs, training=False):
        """Draws positions, the first and the last as often as others, or the usual."""
        images, key = inputs
        shape = tf.shape(images)[:1]
        if not training:
            return tf.fill(shape, tf.constant(self.usual, tf.float32))
        # A salt of its own, beside those of `Quantization`.
        seed = tf.add(tf.cast(key[0], tf.int32), [2, 0])
        drawn = tf.random.stateless_uniform(shape, seed, -0.5, self._last + 0.5)
        return tf.clip_by_value(drawn, 0.0, self._last)


@tf.keras.utils.register_keras_serializable("facemend")
class Gains(tf.keras.layers.Layer):
    """Scales latents for a rate, so that one network makes files of several.

    The gain units of Cui et al. (2021), "Asymmetric gained deep image compression with
    continuous rate adaptation": a factor for each channel at each of some rates.
    Between two rates their logarithms are interpolated. float32 whatever the policy.

    [B, H, W, N] and positions among the rates, [B] in 0..R - 1 -> [B, H, W, N].

    Args:
      begin: Logarithms that the factors of the R rates have before training.
    """

    def __init__(self, begin: Sequence[float], **options):
        super().__init__(**{**options, "dtype": "float32"})
        self._begin = [float(logarithm) for logarithm in begin]

    def build(self, input_shape):
        """Makes a factor a rate and channel."""
        begin = np.repeat(np.array(self._begin)[:, None], input_shape[0][-1], axis=1)
        self.logarithms = self.add_weight(
            "logarithms", begin.shape, initializer=tf.constant_initializer(begin)
        )
        super().build(input_shape)

    def call(self, inputs):
        """Scales each image by the factors at its position."""
        latents, position = inputs
        return latents * tf.exp(interpolated(self.logarithms, position))[:, None, None]

    def get_config(self):
        """The arguments of the constructor."""
        return {**super().get_config(), "begin": self._begin}


def interpolated(rows: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Rows [R, ...] at positions [B] in 0..R - 1, linearly between two -> [B, ...]."""
    rows = tf.convert_to_tensor(rows)
    below = tf.clip_by_value(tf.floor(position), 0.0, rows.shape[0] - 2.0)
    first = tf.cast(below, tf.int32)
    share = tf.reshape(position - below, [-1] + [1] * (rows.shape.rank - 1))
    return (1.0 - share) * tf.gather(rows, first) + share * tf.gather(rows, first + 1)


def cropped(parameters: tf.Tensor, latents: tf.Tensor) -> tf.Tensor:
    """Crops what a hyperprior says to the height and the width of the latents."""
    height, width = tf.unstack(tf.shape(latents)[1:3])
    return parameters[:, :height, :width]
