"""Losses are means over an example, one value each."""

import numpy as np
import pytest
import tensorflow as tf

from evaluation.metrics import measure
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


def test_weighted_l1_weighs_the_hole_and_divides_by_its_share():
    rng = np.random.default_rng(0)
    target, restored = rng.normal(size=[2, 3, 4, 6, 3]).astype(np.float32)
    mask = np.zeros([3, 4, 6, 1], np.float32)
    mask[0, 1:3, 2:5] = mask[1, :, :3] = 1  # 6 and 12 of 24 pixels, and none
    difference = np.abs(target - restored)
    by_hand = [
        difference[0, 1:3, 2:5].sum() / (6 * 3),  # the mean over the hole
        difference[1, :, :3].sum() / (12 * 3),
        0.0,
    ]
    result = losses.weighted_l1(target, restored, mask, 0.0)
    assert result.dtype == tf.float32 and result.shape == [3]
    np.testing.assert_allclose(result, by_hand, rtol=1e-5)
    known = (difference * (1 - mask)).sum(axis=(1, 2, 3))
    by_hand += 0.1 * known / (np.array([6, 12, 0.24]) * 3)  # no hole counts as 1%
    result = losses.weighted_l1(target, restored, mask, 0.1)
    np.testing.assert_allclose(result, by_hand, rtol=1e-5)


def test_hinge_is_0_beyond_the_margin_and_straight_before_it():
    score = tf.reshape([[0.5, 3.0, 1.0, -1.0], [-2.0, -1.0, 0.0, 2.0]], [2, 2, 2, 1])
    # max(0, 1 - s) of real images, max(0, 1 + s) of restored ones, their means.
    np.testing.assert_allclose(losses.hinge(score, 1.0), [2.5 / 4, 6.0 / 4])
    np.testing.assert_allclose(losses.hinge(score, -1.0), [7.5 / 4, 4.0 / 4])
    np.testing.assert_allclose(losses.minus_score(score), [-3.5 / 4, 1.0 / 4])


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


def test_losses_of_logits_stay_finite_at_the_ends():
    logits = tf.constant([[1e4, -1e4]] * 2)
    for labels in ([[0.0, 1.0], [1.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]):
        assert np.isfinite(losses.multi_label(tf.constant(labels), logits)).all()
    assert np.isfinite(losses.multi_class(tf.constant([0, 1]), logits)).all()
    for label in (0.0, 1.0):
        assert np.isfinite(losses.cross_entropy_to(logits, label)).all()


class TestKl:
    def test_it_is_the_divergence_of_two_normal_distributions(self):
        means = np.float32([[0.5, -2.0], [0.0, 1.0]])
        log_variances = np.float32([[0.3, -1.0], [0.0, 2.0]])
        # By quadrature: the integral of p log(p / q), p the posterior, q the prior.
        z = np.linspace(-30, 30, 200_001)
        expected = []
        for mean, log_variance in zip(means.ravel(), log_variances.ravel()):
            log_p = -((z - mean) ** 2) / np.exp(log_variance) / 2 - log_variance / 2
            log_q = -(z**2) / 2
            p = np.exp(log_p) / np.sqrt(2 * np.pi)
            expected.append(np.sum(p * (log_p - log_q)) * (z[1] - z[0]))
        result = losses.kl(tf.constant(means), tf.constant(log_variances))
        assert result.dtype == tf.float32 and result.shape == [2]
        expected = np.reshape(expected, [2, 2]).mean(axis=1)
        np.testing.assert_allclose(result, expected, rtol=1e-5)

    def test_it_is_0_for_the_prior_and_never_less(self):
        zeros = tf.zeros([1, 512])
        assert losses.kl(zeros, zeros) == 0
        for exponent in range(-6, 2):
            for sign in (-1, 1):
                shifted = zeros + sign * 10.0**exponent
                assert losses.kl(zeros, shifted) >= 0 and losses.kl(shifted, zeros) >= 0


def portraits(side=64, seed=0):
    """Two smooth images [2, side, side + 1, 3] in [0, 1]: an odd side is halved too."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.1, 0.9, [2, 9, 9, 3]).astype(np.float32)
    smooth = tf.image.resize(coarse, [side, side + 1], "bicubic")
    return tf.clip_by_value(smooth, 0, 1).numpy()


def noisy(images, amount=0.05, seed=1):
    noise = np.random.default_rng(seed).normal(0, amount, images.shape)
    return np.clip(images + noise, 0, 1).astype(np.float32)


STRUCTURE = {"ssim": (losses.ssim, measure.ssim)}
STRUCTURE["ms_ssim"] = (losses.ms_ssim, measure.ms_ssim_3)
# What a network may return for a target.
RETURNED = {
    "equal": lambda target: target,
    "noisy": noisy,
    "inverted": lambda target: 1 - target,
    "another": lambda target: target[::-1],
    "random": lambda target: noisy(np.zeros_like(target), 0.5),
    "black": np.zeros_like,
    "white": np.ones_like,
    "gray": lambda target: np.full_like(target, 0.5),
}


def value_and_gradient(loss, target, restored):
    restored = tf.constant(restored)
    with tf.GradientTape() as tape:
        tape.watch(restored)
        values = loss(target, restored)
    return values, tape.gradient(values, restored).numpy()


@pytest.mark.parametrize("name", STRUCTURE)
class TestStructure:
    @pytest.mark.parametrize("returned", ["equal", "noisy", "gray"])
    def test_it_is_what_the_metric_lacks_of_1(self, name, returned):
        loss, metric = STRUCTURE[name]
        target = portraits()
        restored = RETURNED[returned](target)
        values = loss(target, restored)
        assert values.dtype == tf.float32 and values.shape == [2]
        expected = 1 - metric(target, restored).numpy()
        np.testing.assert_allclose(values, expected, atol=2e-5)
        np.testing.assert_allclose(loss(restored, target), values, atol=1e-6)

    @pytest.mark.parametrize("returned", RETURNED)
    @pytest.mark.parametrize("constant", [False, True], ids=["target", "constant"])
    def test_value_and_gradient_are_finite(self, name, returned, constant):
        loss, _ = STRUCTURE[name]
        restored = RETURNED[returned](portraits())
        target = np.full_like(restored, 0.3) if constant else portraits()
        values, gradient = value_and_gradient(loss, target, restored)
        assert (values >= -1e-6).numpy().all() and (values <= 2).numpy().all()
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 10

    def test_it_works_in_a_graph_that_does_not_know_the_batch(self, name):
        loss, _ = STRUCTURE[name]
        target = portraits()
        images = tf.TensorSpec([None, 64, 65, 3])
        compiled = tf.function(loss, input_signature=[images, images])
        values = compiled(target, noisy(target))
        np.testing.assert_allclose(values, loss(target, noisy(target)), atol=1e-5)

    def test_small_images_are_an_error_that_says_how_large(self, name):
        loss, metric = STRUCTURE[name]
        smallest = measure.minimum_size(metric.__name__)
        for side in (smallest - 1, smallest):
            target = portraits(side)
            if side == smallest:
                np.testing.assert_allclose(loss(target, target), [0, 0], atol=1e-5)
                continue
            text = f"The loss {name} needs images of at least {smallest} px on the"
            with pytest.raises(ValueError, match=f"{text}.*got {side}×{side + 1}"):
                loss(target, target)


def test_ms_ssim_weighs_scales_and_channels_as_tensorflow_does():
    weights = np.array([0.0448, 0.2856, 0.3001])
    for seed in range(2):
        target = portraits(seed=seed)
        restored = noisy(target, 0.2, seed)
        restored[..., 1] = target[..., 1]
        expected = tf.image.ssim_multiscale(
            target, restored, 1.0, power_factors=weights / weights.sum()
        )
        np.testing.assert_allclose(
            losses.ms_ssim(target, restored), 1 - expected, atol=2e-5
        )


@pytest.mark.parametrize("name", ["l1", "l2", "ssim", "ms_ssim"])
class TestOnFaces:
    def mask(self):
        """The face is a quarter of the first image, and all of the second."""
        mask = np.zeros([2, 64, 65, 1], np.float32)
        mask[0, 16:48, 16:48] = mask[1] = 1
        return mask

    def test_the_background_does_not_matter(self, name):
        loss = getattr(losses, name)
        target, mask = portraits(), self.mask()
        restored = noisy(target)
        values = losses.on_faces(loss)(target, restored, mask)
        assert values.shape == [2]
        spoiled = np.where(mask > 0, restored, 0.9)
        other = losses.on_faces(loss)(target, spoiled, mask)
        np.testing.assert_array_equal(other, values)
        _, gradient = value_and_gradient(
            lambda *images: losses.on_faces(loss)(*images, mask), target, restored
        )
        assert (gradient[0, :16] == 0).all() and np.abs(gradient[0]).max() > 0
        assert np.isfinite(gradient).all()

    def test_a_face_that_fills_the_image_is_the_plain_loss(self, name):
        loss = getattr(losses, name)
        target, restored = portraits(), noisy(portraits())
        values = losses.on_faces(loss)(target, restored, self.mask())
        plain = loss(target, restored)
        np.testing.assert_array_equal(values[1], plain[1])
        assert values[0] > 0

    def test_no_face_is_no_loss(self, name):
        loss = losses.on_faces(getattr(losses, name))
        target, mask = portraits(), np.zeros([2, 64, 65, 1], np.float32)
        values, gradient = value_and_gradient(
            lambda *images: loss(*images, mask), target, noisy(target)
        )
        np.testing.assert_allclose(values, [0, 0], atol=1e-6)
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_on_faces_is_the_mean_over_the_face_whatever_its_size():
    target, restored = np.zeros([2, 3, 4, 4, 3], np.float32)
    restored += 0.5
    mask = np.zeros([3, 4, 4, 1], np.float32)
    mask[0, 0, 0] = mask[1, :2] = mask[2] = 1
    for name, error in (("l1", 0.5), ("l2", 0.25)):
        value = losses.on_faces(getattr(losses, name))(target, restored, mask)
        np.testing.assert_allclose(value, [error] * 3, rtol=1e-6)
