"""A layer that shows a discriminator whether the images of a batch are alike."""

import tensorflow as tf


class BatchDeviation(tf.keras.layers.Layer):
    """Appends how much a batch differs at each place (Karras et al. 2018, Sec. 3).

    [B, H, W, C] -> [B, H, W, C + 1]: the standard deviation over the batch, averaged
    over channels. A discriminator sees by it whether all images are alike.
    """

    def call(self, x):
        """Appends the channel."""
        variance = tf.math.reduce_variance(tf.cast(x, tf.float32), axis=0)
        deviation = tf.reduce_mean(tf.sqrt(variance + 1e-8), axis=-1, keepdims=True)
        deviation = tf.tile(deviation[None], [tf.shape(x)[0], 1, 1, 1])
        return tf.concat([x, tf.cast(deviation, x.dtype)], axis=-1)
