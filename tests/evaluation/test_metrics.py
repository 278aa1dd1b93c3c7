import numpy as np
import pytest
import scipy.signal
import skimage.metrics
import tensorflow as tf

from evaluation.metrics import measure, registry, ssim

PIXEL_METRICS = ("l1_percent", "mae", "mse", "psnr_db")
STRUCTURAL = ("ssim", "ms_ssim", "ms_ssim_3", "ms_ssim_5w")


def value(name, target, restored):
    return getattr(measure, name)(target, restored).numpy()


def pair(height, width, noise=0.1, batch=2, seed=0):
    """Smooth images, and the same with noise: SSIM-like values well inside (0, 1)."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0.1, 0.9, [batch, 6, 6, 3]).astype("f")
    target = tf.image.resize(small, [height, width], "bicubic").numpy().clip(0, 1)
    restored = target + noise * rng.standard_normal(target.shape).astype("f")
    return target, restored.clip(0, 1)


def numpy_ms_ssim(x, y, weights, taps):
    """MS-SSIM of one [H, W] pair after Wang et al. 2003, in float64."""
    offsets = np.arange(taps) - (taps - 1) / 2
    window = np.exp(-(offsets**2) / (2 * (1.5 * taps / 11) ** 2))
    window = np.outer(window, window) / window.sum() ** 2
    result = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            x, y = (np.pad(z, [(0, n % 2) for n in z.shape], "edge") for z in (x, y))
            x, y = (z[::2] + z[1::2] for z in (x, y))
            x, y = ((z[:, ::2] + z[:, 1::2]) / 4 for z in (x, y))
        maps = [scipy.signal.convolve2d(z, window, "valid") for z in (x, y, x * y)]
        squares = [scipy.signal.convolve2d(z * z, window, "valid") for z in (x, y)]
        (a, b, ab), (aa, bb) = maps, squares
        term = (2 * (ab - a * b) + 9e-4) / (aa - a * a + bb - b * b + 9e-4)
        if scale == len(weights) - 1:
            term = term * (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
        result *= max(term.mean(), 0) ** weight
    return result


def test_pixel_metrics_of_two_flat_images_by_hand():
    target, restored = np.full([1, 4, 4, 3], 0.2), np.full([1, 4, 4, 3], 0.5)
    assert value("l1_percent", target, restored) == pytest.approx(30)
    assert value("mae", target, restored) == pytest.approx(0.3)
    assert value("mse", target, restored) == pytest.approx(0.09)
    assert value("psnr_db", target, restored) == pytest.approx(10.4576, abs=1e-4)


def test_psnr_is_per_image_and_equals_scikit_image():
    target, restored = pair(20, 30)
    restored[1] = 1 - restored[1]
    expected = [
        skimage.metrics.peak_signal_noise_ratio(t, r, data_range=1)
        for t, r in zip(target, restored)
    ]
    np.testing.assert_allclose(value("psnr_db", target, restored), expected, rtol=1e-5)


@pytest.mark.parametrize("height, width", [(11, 11), (40, 57)])
def test_ssim_equals_scikit_image_away_from_the_border(height, width):
    target, restored = pair(height, width)
    for i in range(2):
        _, full = skimage.metrics.structural_similarity(
            target[i].astype("d"),
            restored[i].astype("d"),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
            full=True,
        )
        # scikit-image mirrors the border; the window of 11 reaches 5 px beyond.
        inner = full[5 : height - 5, 5 : width - 5].mean()
        got = value("ssim", target, restored)[i]
        assert got == pytest.approx(inner, abs=1e-5)


@pytest.mark.parametrize(
    "name, weights, taps, height, width",
    [
        ("ms_ssim", ssim.FIVE_SCALES, 11, 161, 190),
        ("ms_ssim_3", (0.07105, 0.45298, 0.47597), 11, 41, 58),
        ("ms_ssim_3", (0.07105, 0.45298, 0.47597), 11, 64, 64),
        ("ms_ssim_5w", ssim.FIVE_SCALES, 2, 17, 35),
        ("ms_ssim_5w", ssim.FIVE_SCALES, 4, 64, 64),
        ("ms_ssim_5w", ssim.FIVE_SCALES, 8, 128, 128),
    ],
)
def test_ms_ssim_equals_a_float64_implementation(name, weights, taps, height, width):
    target, restored = pair(height, width)
    expected = [
        np.mean([numpy_ms_ssim(t[..., c], r[..., c], weights, taps) for c in range(3)])
        for t, r in zip(target.astype("d"), restored.astype("d"))
    ]
    np.testing.assert_allclose(value(name, target, restored), expected, atol=2e-5)


def test_ssim_and_ms_ssim_are_tensorflows_own():
    target, restored = pair(163, 176)
    for name, reference in (
        ("ssim", tf.image.ssim(target, restored, 1.0)),
        ("ms_ssim", tf.image.ssim_multiscale(target, restored, 1.0)),
        ("ms_ssim_5w", tf.image.ssim_multiscale(target, restored, 1.0)),
    ):
        np.testing.assert_allclose(value(name, target, restored), reference, atol=2e-5)


def test_negative_contrast_counts_as_zero():
    target, _ = pair(64, 64)
    np.testing.assert_array_equal(value("ms_ssim_3", target, 1 - target), [0, 0])


@pytest.mark.parametrize("name", [*PIXEL_METRICS, *STRUCTURAL])
def test_identity_clipping_and_growing_noise(name):
    target, _ = pair(161, 161)
    best = {"psnr_db": measure.PSNR_CAP_DB}.get(name, 1.0 if name in STRUCTURAL else 0)
    np.testing.assert_allclose(value(name, target, target), best, atol=1e-4)

    overshooting = np.where(target > 0.5, 1.7, -0.4)
    clipped = overshooting.clip(0, 1)
    for a, b in ((target, overshooting), (overshooting, target)):
        x, y = (clipped if image is overshooting else image for image in (a, b))
        np.testing.assert_array_equal(value(name, a, b), value(name, x, y))
    noisy = [
        value(name, *pair(161, 161, noise=noise)) for noise in (0.02, 0.05, 0.1, 0.3)
    ]
    direction = 1 if registry.METRICS[name].higher_is_better else -1
    assert np.all(direction * np.diff(noisy, axis=0) < 0)


@pytest.mark.parametrize(
    "name, size",
    [("ssim", 11), ("ms_ssim_5w", 17), ("ms_ssim_3", 41), ("ms_ssim", 161)],
)
def test_the_smallest_image_works_and_a_smaller_one_is_an_error(name, size):
    assert measure.minimum_size(name) == size
    assert np.isfinite(value(name, *pair(size, size + 9))).all()
    with pytest.raises(ValueError, match=rf"{name} needs .* {size} px.*{size - 1}×200"):
        value(name, *pair(size - 1, 200))


def test_different_shapes_are_an_error():
    with pytest.raises(ValueError, match="mae compares two"):
        value("mae", np.zeros([1, 4, 4, 3]), np.zeros([1, 4, 5, 3]))
