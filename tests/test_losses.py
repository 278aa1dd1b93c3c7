"""Losses are means over an example, one value each."""

import numpy as np
import pytest
import tensorflow as tf

from training import losses

# Two examples; the mean of |x| and of x^2 of each, by hand.
VALUES = [[0.0, 1.0, -0.5, 1.5], [2.0, -2.0, 2.0, -2.0]]
ABSOLUTE, SQUARED = [0.75, 2.0], [0.875, 4.0]


@pytest.mark.parametrize("shape", [(4,), (2, 2, 1), (1, 2, 1, 2)])
@pytest.mark.parametrize(
    ("loss", "expected"), [(losses.l1, ABSOLUTE), (losses.l2, SQUARED)]
)
def test_a_distance_is_the_mean_over_each_example(loss, expected, shape):
    difference = tf.reshape(VALUES, [2, *shape])
    target = tf.random.stateless_uniform([2, *shape], [0, 1])
    restored = target + difference
    for result in (loss(target, restored), loss(restored, target)):
        assert result.dtype == tf.float32
        assert result.shape == [2]
        np.testing.assert_allclose(result, expected, rtol=1e-5)
    np.testing.assert_array_equal(loss(target, target), [0, 0])


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize(
    ("loss", "expected"), [(losses.l1_to, ABSOLUTE), (losses.l2_to, SQUARED)]
)
def test_a_score_is_compared_with_a_constant_map(loss, expected, label):
    score = tf.reshape(VALUES, [2, 2, 2, 1]) + label
    result = loss(score, label)
    assert result.dtype == tf.float32
    assert result.shape == [2]
    np.testing.assert_allclose(result, expected, rtol=1e-5)
    np.testing.assert_array_equal(loss(tf.fill([2, 2, 2, 1], label), label), [0, 0])


def test_cross_entropy_is_that_of_the_logits_probability():
    logits = tf.constant([[0.0, 2.0], [-3.0, 3.0]])
    probability = 1 / (1 + np.exp(-logits.numpy()))
    real = losses.cross_entropy_to(logits[:, None, :, None], 1.0)
    fake = losses.cross_entropy_to(logits[:, None, :, None], 0.0)
    np.testing.assert_allclose(real, -np.log(probability).mean(1), rtol=1e-5)
    np.testing.assert_allclose(fake, -np.log(1 - probability).mean(1), rtol=1e-5)


def test_cross_entropy_stays_finite_at_the_ends():
    logits = tf.constant([[1e4], [-1e4]])
    for label in (0.0, 1.0):
        assert np.isfinite(losses.cross_entropy_to(logits, label)).all()
