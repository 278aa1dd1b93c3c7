"""Power by band of spatial frequency: exact sums, and waves where they belong."""

import numpy as np
import pytest

from experiments.portrait_autoencoder import other_images


def wave(size, half_cycles, across=0):
    """A cosine of the transform itself, [1, size, size, 3], mean square 1/2 or 1/4."""
    place = (np.arange(size) + 0.5) * np.pi / size
    rows, columns = np.cos(half_cycles * place), np.cos(across * place)
    return np.repeat((rows[:, None] * columns)[None, :, :, None], 3, axis=3)


def test_bands_of_the_published_size_and_of_others():
    expected = [0, 1 / 384, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, np.sqrt(0.5)]
    np.testing.assert_allclose(other_images.bands(192), expected)
    np.testing.assert_allclose(other_images.bands(8), [0, 1 / 16, 1 / 4, np.sqrt(0.5)])
    for size in (8, 9, 31, 64, 100, 250, 384):
        assert (np.diff(other_images.bands(size)) > 0).all()
        noise = np.random.default_rng(0).random([1, size, size, 1])
        assert (other_images.by_band(noise, noise)[0] > 0).all()  # no band is empty
    with pytest.raises(ValueError, match="at least 8 pixels.*got 7"):
        other_images.bands(7)


@pytest.mark.parametrize("size", [8, 33, 64])
def test_the_bands_sum_to_mean_square_and_mean_squared_error_exactly(size):
    rng = np.random.default_rng(size)
    target = rng.random([20, size, size, 3])
    restored = target + 0.1 * rng.standard_normal(target.shape) - 0.05
    signal, error = other_images.by_band(target, restored)
    assert signal.shape == error.shape == (20, len(other_images.bands(size)) - 1)
    square = np.square(target).mean(axis=(1, 2, 3))
    squared_error = np.square(target - restored).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(signal.sum(axis=1), square, rtol=1e-12)
    np.testing.assert_allclose(error.sum(axis=1), squared_error, rtol=1e-12)


@pytest.mark.parametrize(
    ("half_cycles", "across", "band"),
    [(1, 0, 1), (5, 0, 1), (6, 0, 2), (11, 0, 2), (12, 0, 3), (0, 24, 4), (90, 0, 5),
     (96, 0, 6), (80, 80, 6), (191, 191, 6)],
)  # fmt: skip
def test_a_wave_lies_in_the_band_of_its_frequency(half_cycles, across, band):
    image = wave(192, half_cycles, across)
    signal, error = other_images.by_band(image, np.zeros_like(image))
    power = 0.25 if across and half_cycles else 0.5
    expected = np.where(np.arange(7) == band, power, 0)
    np.testing.assert_allclose(signal[0], expected, atol=1e-12)
    np.testing.assert_allclose(error, signal, atol=1e-12)


def test_the_first_band_is_the_mean_color_alone():
    flat = np.full([1, 16, 16, 3], (0.2, 0.4, 0.8), np.float32)
    signal, error = other_images.by_band(flat, flat + np.float32(0.1))
    expected = np.mean([0.04, 0.16, 0.64])
    np.testing.assert_allclose(
        signal[0], [expected, *[0] * (signal.shape[1] - 1)], atol=1e-7
    )
    np.testing.assert_allclose(
        error[0], [0.01, *[0] * (signal.shape[1] - 1)], atol=1e-7
    )


def test_independent_noise_has_power_by_the_number_of_frequencies():
    noise = np.random.default_rng(1).standard_normal([8, 64, 64, 3])
    signal, _ = other_images.by_band(noise, noise)
    step = np.arange(64) / 128
    radius = np.hypot(step[:, None], step)
    counts, _ = np.histogram(radius, other_images.bands(64))
    np.testing.assert_allclose(signal.mean(axis=0), counts / 64**2, rtol=0.5)
    np.testing.assert_allclose(
        signal.mean(axis=0)[-2:], (counts / 64**2)[-2:], rtol=0.03
    )


def test_images_of_one_batch_do_not_mix():
    rng = np.random.default_rng(2)
    target, restored = rng.random([2, 40, 16, 16, 3])
    together = other_images.by_band(target, restored)
    for i in (0, 17, 39):
        alone = other_images.by_band(target[i : i + 1], restored[i : i + 1])
        for one, all_of_them in zip(alone, together):
            np.testing.assert_allclose(one[0], all_of_them[i], rtol=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 16, 16, 3), (1, 16, 17, 3)),
        ((16, 16, 3), (16, 16, 3)),
        ((1, 16, 20, 3), (1, 16, 20, 3)),
    ],
)
def test_shapes_that_do_not_fit_are_an_error(one, other):
    with pytest.raises(ValueError, match=r"compares square images, two \[B, S, S, C\]"):
        other_images.by_band(np.zeros(one), np.zeros(other))
