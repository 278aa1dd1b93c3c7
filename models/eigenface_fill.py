"""A first guess of missing pixels from eigenfaces, for a network to refine.

Beyond the papers. Everson & Sirovich (1995) fit principal components to the known
pixels of a marred face ("gappy" data). Here each component has its variance as a prior,
so that the guess is the mean of faces like the known pixels, whatever the hole.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

SIDE = 64  # of the faces that components describe; finer detail is for the network
NUMBERS = 256
# Conjugate gradients stop before they have fitted the noise, which they fit last.
_STEPS = 16
_TINY = 1e-12  # what is smaller is solved: quotients of roundings would grow
_NOISE = 10.0  # variance of a pixel about its guess, over what the components leave


def side_of(image_size: int) -> int:
    """Side of the components for images of a size: as large, or the half, ... ≤ 64."""
    factor = 1
    while image_size > SIDE * factor or image_size % factor:
        factor += 1
    return image_size // factor


@tf.keras.utils.register_keras_serializable("facemend")
class EigenfaceFill(tf.keras.layers.Layer):
    """{"image": [B, S, S, 3] in [-1, 1], "mask": [B, S, S, 1]} -> the image, filled.

    What is in the hole has no influence, known pixels stay. Until `fit` it fills with
    gray. Nothing in it is learned, and no gradient passes through the guess.

    Args:
      numbers: k, of components.
    """

    def __init__(self, numbers: int = NUMBERS, **options):
        super().__init__(**{"dtype": "float32", **options})
        self.numbers = numbers

    def build(self, input_shape):
        """Makes the weights, which are fitted and not trained."""
        self.side = side_of(input_shape["image"][1])
        values = 3 * self.side**2

        def weight(name, shape, initializer):
            return self.add_weight(
                name, shape, initializer=initializer, trainable=False
            )

        self.mean = weight("mean", [values], "zeros")
        # Rows of length sqrt(variance).
        self.components = weight("components", [self.numbers, values], "zeros")
        self.noise = weight("noise", [], "ones")
        super().build(input_shape)

    def fit(
        self,
        mean: np.ndarray,
        components: np.ndarray,
        variances: np.ndarray,
        rest: float,
    ) -> None:
        """Takes principal components of faces in [0, 1], of the layer's side.

        Args:
          mean: [side, side, 3].
          components: Orthonormal rows [n, side * side * 3], n at most `numbers`.
          variances: Of faces along each, [n].
          rest: Mean variance of a value that the components leave.
        """
        scaled = np.zeros(self.components.shape, np.float32)
        scaled[: len(components)] = 2 * np.sqrt(variances)[:, None] * components
        noise = max(_NOISE * 4 * rest, 1e-6)
        self.set_weights([2 * mean.ravel() - 1, scaled, np.float32(noise)])

    @property
    def fitted(self) -> bool:
        """Whether it has components."""
        return bool(np.any(self.components.numpy()))

    def call(self, inputs):
        """Fills the hole."""
        image, mask = inputs["image"], inputs["mask"]
        size, side = image.shape[1], self.side
        missing = tf.cast(mask > 0.5, tf.float32)
        small = image * (1.0 - missing)
        if size > side:
            factor = size // side
            small = tf.nn.avg_pool2d(small, factor, factor, "VALID")
            missing = tf.nn.max_pool2d(missing, factor, factor, "VALID")
        known = 1.0 - missing  # small pixels, wholly
        # Not tf.tile, which OpenVINO gets wrong after a pooled single channel.
        known = tf.reshape(tf.concat([known] * 3, axis=-1), [-1, 3 * side**2])
        values = (tf.reshape(small, tf.shape(known)) - self.mean) * known
        guess = self.mean + tf.matmul(self._numbers(values, known), self.components)
        guess = tf.reshape(guess, [-1, side, side, 3])
        if size > side:
            guess = tf.image.resize(guess, [size, size])
        guess = tf.clip_by_value(tf.stop_gradient(guess), -1.0, 1.0)
        return tf.where(mask > 0.5, guess, image)

    def _numbers(self, values: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
        """Finds z of (V K V' + noise) z = V K x, [B, k], by conjugate gradients."""

        def product(z):
            part = known * tf.matmul(z, self.components)
            return tf.matmul(part, self.components, transpose_b=True) + self.noise * z

        def dot(a, b):
            return tf.reduce_sum(a * b, axis=1, keepdims=True)

        rest = tf.matmul(values, self.components, transpose_b=True)
        z, direction, energy = tf.zeros_like(rest), rest, dot(rest, rest)
        for _ in range(_STEPS):
            moved = product(direction)
            step = energy / tf.maximum(dot(direction, moved), _TINY)
            z, rest = z + step * direction, rest - step * moved
            energy, before = dot(rest, rest), energy
            direction = rest + energy / tf.maximum(before, _TINY) * direction
        return z

    def get_config(self):
        """Arguments of the constructor."""
        return {**super().get_config(), "numbers": self.numbers}
