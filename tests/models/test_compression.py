"""GDN beside tensorflow-compression's; quantization; the factorized prior."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_compression as tfc

from models import compression
from models.compression import FactorizedPrior, Quantization

CHANNELS = 5


def features(seed=0):
    return tf.random.stateless_normal([2, 4, 3, CHANNELS], [0, seed])


def built(layer, seed=None):
    """The layer, with weights of which some lie below their bounds."""
    layer.build([None, None, None, CHANNELS])
    if seed is not None:
        rng = np.random.default_rng(seed)
        for weight in layer.weights:
            weight.assign(rng.uniform(-0.3, 1, weight.shape))
    return layer


def results(layer, inputs):
    """Outputs, then gradients of inputs, beta's weight and gamma's weight."""
    weight = tf.random.stateless_normal(inputs.shape, [0, 9])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        loss = tf.reduce_sum(weight * outputs)
    weights = sorted(layer.trainable_weights, key=lambda w: len(w.shape))
    return [outputs, *tape.gradient(loss, [inputs, *weights])]


@pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])
class TestNumbers:
    def test_they_are_those_of_tensorflow_compression(self, inverse):
        for seed in (None, 0):
            ours = built(compression.GDN(inverse), seed)
            theirs = built(tfc.GDN(inverse=inverse), seed)
            shapes = [weight.shape for weight in ours.weights]
            assert shapes == [weight.shape for weight in theirs.weights]
            np.testing.assert_array_equal(ours.beta, theirs.beta)
            np.testing.assert_array_equal(ours.gamma, theirs.gamma)
            pairs = zip(results(ours, features()), results(theirs, features()))
            for a, b in pairs:
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)

    def test_they_are_those_of_the_formula(self, inverse):
        layer = built(compression.GDN(inverse), 1)
        x, beta, gamma = (t.numpy() for t in (features(), layer.beta, layer.gamma))
        expected = np.empty_like(x)
        for i in range(CHANNELS):
            weighed = beta[i] + sum(
                gamma[j, i] * np.abs(x[..., j]) for j in range(CHANNELS)
            )
            expected[..., i] = x[..., i] * (weighed if inverse else 1 / weighed)
        np.testing.assert_allclose(layer(features()), expected, rtol=1e-5)


def test_float32_under_every_precision():
    expected = built(compression.GDN(), 2)(features())
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    for inputs in (features(), tf.cast(features(), tf.bfloat16)):
        assert built(compression.GDN(), 2)(inputs).dtype == tf.float32
    np.testing.assert_array_equal(built(compression.GDN(), 2)(features()), expected)


class TestQuantization:
    latents = np.float32([0.5, 1.5, -0.4, 2.6]).reshape(1, 1, 1, 4)

    def test_it_rounds_ties_to_even(self):
        rounded = Quantization()([self.latents, [[0, 0]]])
        np.testing.assert_array_equal(np.ravel(rounded), [0, 2, 0, 3])

    def test_in_training_it_adds_noise_that_the_key_decides(self):
        layer, many = Quantization(), np.zeros([2, 50, 50, 4], np.float32)
        one, same, other = (
            layer([many, [[seed, 1], [9, 9]]], training=True).numpy()
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)
        assert -0.5 <= one.min() < -0.49 and 0.49 < one.max() < 0.5
        np.testing.assert_allclose(one.std(), 12**-0.5, rtol=0.02)


class TestFactorizedPrior:
    def test_its_bits_are_those_of_a_range_coder(self):
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
        prior = FactorizedPrior()
        rng = np.random.default_rng(0)
        latents = np.round(rng.normal(0, 2, [3, 40, 40, 4])).astype(np.float32)
        bits = prior(latents)
        assert bits.shape == (3,) and bits.dtype == tf.float32
        coded = prior.entropy_model().compress(latents).numpy()
        for estimated, string in zip(bits.numpy() / 8, coded):
            assert abs(len(string) - estimated) < 64 + 0.02 * estimated
        assert len(prior.trainable_weights) >= 8


class TestGains:
    def test_factors_are_interpolated_by_their_logarithms(self):
        layer = compression.Gains([-1.0, 0.0, 2.0])
        latents = tf.ones([4, 2, 2, 3])
        layer([latents, tf.zeros([4])])
        layer.set_weights([np.float32([[-1, 0, 1], [0, 1, 2], [2, 2, 2]])])
        found = layer([latents, tf.constant([0.0, 0.5, 1.75, 2.0])])
        expected = [[-1, 0, 1], [-0.5, 0.5, 1.5], [1.5, 1.75, 2], [2, 2, 2]]
        np.testing.assert_allclose(np.log(found[:, 1, 0]), expected, atol=1e-6)

    def test_it_is_saved_with_the_network(self):
        layer = compression.Gains([0.0, 1.0], name="gains")
        again = compression.Gains.from_config(layer.get_config())
        again([tf.ones([1, 1, 1, 2]), tf.zeros([1])])
        np.testing.assert_array_equal(again.logarithms, [[0, 0], [1, 1]])

    def test_images_are_anywhere_in_training_and_otherwise_at_the_usual_rate(self):
        layer, images = compression.RatePosition(6, 3.0), tf.zeros([500, 1])
        found = [
            layer([images, tf.constant([[key, 7]] * 500)], training=True).numpy()
            for key in (1, 1, 2)
        ]
        np.testing.assert_array_equal(found[0], found[1])
        assert np.abs(found[0] - found[2]).mean() > 1
        # As often near each of the six rates, and the ends themselves.
        counts, _ = np.histogram(found[0], np.arange(-0.5, 6))
        assert counts.sum() == 500 and counts.min() > 60
        assert 25 < (found[0] == 0).sum() < 60 and 25 < (found[0] == 5).sum() < 60
        np.testing.assert_array_equal(layer([images, tf.zeros([500, 2])]), [3.0] * 500)
