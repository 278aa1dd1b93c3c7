"""Sampling and dropout whose noise a key decides."""

import numpy as np
import pytest
import tensorflow as tf

from models.stochastic import KeyedDropout, Sampling


def keys(count=2):
    return np.full([count, 2], [0, 7], np.int32)


def test_samples_have_the_mean_and_the_variance_they_are_given():
    means, log_variances = np.float32([0, 3, -1]), np.float32([0, -2, 1.5])
    count = 40_000
    given = [np.tile(x, [count, 1]) for x in (means, log_variances)]
    sample = Sampling()([*given, keys(count)], training=True).numpy()
    noise = (sample - means) / np.exp(log_variances / 2)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(noise.std(axis=0), 1, rtol=0.02)
    # Neither latents nor examples share their noise.
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(3), atol=0.03)
    assert len(np.unique(noise[:, 0])) > 0.9 * count
    inside = np.mean(np.abs(noise) < 1)  # normal, not only of this variance
    assert inside == pytest.approx(0.683, abs=0.01)


def test_nothing_but_the_first_key_decides():
    values = np.zeros([3, 5], np.float32)

    def draw(*rows):
        return Sampling()([values, values, np.int32(rows)], training=True).numpy()

    one = draw([1, 2], [0, 0], [0, 0])
    np.testing.assert_array_equal(one, draw([1, 2], [8, 8], [9, 9]))
    for other in ([2, 2], [1, 3]):
        assert not np.allclose(one, draw(other, [0, 0], [0, 0]))


def test_at_evaluation_it_is_the_mean_whatever_the_variance():
    mean = np.float32([[1, -2]])
    for log_variance in (np.float32([[9, 9]]), np.float32([[-np.inf, 200]])):
        result = Sampling()([mean, log_variance, keys(1)])
        np.testing.assert_array_equal(result, mean)


def test_a_log_variance_beyond_all_bounds_stays_finite():
    mean = np.float32([[0, 0, 0, 0]])
    inputs = [mean, np.float32([[-200, -30, 20, 200]]), keys(1)]
    sample = np.abs(Sampling()(inputs, training=True).numpy()[0])
    assert np.isfinite(sample).all()
    assert sample[:2].max() < 1e-5 and sample[2:].min() > 1e2


def test_mean_and_variance_are_learned_through_a_sample():
    mean, log_variance = tf.constant([[1.0, 2.0]]), tf.constant([[0.5, -1.0]])
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        sample = Sampling()([mean, log_variance, keys(1)], training=True)
    gradients = tape.gradient(sample, [mean, log_variance])
    np.testing.assert_array_equal(gradients[0], [[1, 1]])
    np.testing.assert_allclose(gradients[1], (sample - mean) / 2, rtol=1e-5)


def test_dropout_keeps_a_share_and_the_mean():
    values = np.ones([2, 100, 100, 3], np.float32)
    masks = []
    for number in (1, 2):
        layer = KeyedDropout(0.3, number)
        dropped = layer([values, keys()], training=True).numpy()
        np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7], rtol=1e-6)
        assert dropped.mean() == pytest.approx(1, abs=0.02)
        masks.append(dropped > 0)
        assert not np.array_equal(*masks[-1])  # the images of a batch
        np.testing.assert_array_equal(layer([values, keys()]), values)
    # Layers that are given the same key drop independently of each other.
    assert np.mean(masks[0] & masks[1]) == pytest.approx(0.7**2, abs=0.02)
