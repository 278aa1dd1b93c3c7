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


def test_masked_l2_counts_missing_pixels_over_the_whole_image():
    rng = np.random.default_rng(0)
    target, restored = rng.normal(size=[2, 3, 4, 6, 3]).astype(np.float32)
    mask = np.zeros([3, 4, 6, 1], np.float32)
    mask[0, 1:3, 2:5] = mask[1, :, :3] = 1  # a quarter, a half, and nothing
    result = losses.masked_l2(target, restored, mask)
    assert result.dtype == tf.float32 and result.shape == [3]
    squared = np.square(target - restored)
    expected = [squared[0, 1:3, 2:5].sum(), squared[1, :, :3].sum(), 0]
    np.testing.assert_allclose(result, np.array(expected) / (4 * 6 * 3), rtol=1e-5)
    # Known pixels do not matter; a hole that is all of the image is plain L2.
    spoiled = np.where(mask > 0, restored, 9.0)
    np.testing.assert_array_equal(losses.masked_l2(target, spoiled, mask), result)
    whole = losses.masked_l2(target, restored, np.ones_like(mask))
    np.testing.assert_allclose(whole, losses.l2(target, restored), rtol=1e-6)


LOGITS = np.float32([[0.0, 2.0, -1.0], [-3.0, 3.0, 0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.int32, bool])
def test_multi_label_is_minus_the_mean_log_likelihood_of_each(dtype):
    labels = np.array([[0, 1, 1], [0, 0, 1]], dtype)
    probability = 1 / (1 + np.exp(-LOGITS))
    likelihood = np.where(labels, probability, 1 - probability)
    result = losses.multi_label(labels, tf.constant(LOGITS))
    assert result.dtype == tf.float32 and result.shape == [2]
    np.testing.assert_allclose(result, -np.log(likelihood).mean(axis=1), rtol=1e-5)


def test_multi_class_is_minus_the_log_likelihood_of_the_right_one():
    likelihood = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    for labels in ([0, 1], [2, 2]):
        expected = -np.log(likelihood[range(2), labels])
        result = losses.multi_class(tf.constant(labels), tf.constant(LOGITS))
        assert result.dtype == tf.float32 and result.shape == [2]
        np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_losses_of_labels_stay_finite_at_the_ends():
    logits = tf.constant([[1e4, -1e4]] * 2)
    for labels in ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]):
        assert np.isfinite(losses.multi_label(tf.constant(labels), logits)).all()
    assert np.isfinite(losses.multi_class(tf.constant([0, 1]), logits)).all()
