"""The error that overflows: by hand, and on the faces that it was found with."""

import numpy as np
import pytest

from data_pipeline import pixels, sources
from evaluation import baselines
from evaluation.metrics import measure, registry
from experiments.portrait_autoencoder.report import mse_uint8_wrap


def flat(*levels):
    """One flat image a level, float32 [B, 2, 2, 3]."""
    return np.broadcast_to(
        np.reshape(levels, [-1, 1, 1, 1]), [len(levels), 2, 2, 3]
    ) / (np.float32(255))


@pytest.mark.parametrize(
    ("difference", "squared"),
    [(0, 0), (1, 1), (15, 225), (16, 0), (17, 33), (20, 144), (48, 0), (255, 1)],
)
def test_difference_and_square_wrap_as_computed_by_hand(difference, squared):
    low, high = flat(0), flat(difference)
    for pair in ((low, high), (high, low)):
        wrapped = mse_uint8_wrap(*pair)
        np.testing.assert_allclose(wrapped, [squared / 255**2], rtol=1e-6)


def test_it_is_the_mean_of_each_image_and_small_errors_are_true():
    rng = np.random.default_rng(0)
    target = rng.integers(20, 230, [3, 8, 8, 3])
    small = target + rng.integers(-15, 16, target.shape)
    target, small = target / np.float32(255), small / np.float32(255)
    np.testing.assert_allclose(
        mse_uint8_wrap(target, small), measure.mse(target, small), rtol=1e-5
    )
    both = mse_uint8_wrap(flat(0, 100), flat(20, 116))
    np.testing.assert_allclose(both, [144 / 255**2, 0], rtol=1e-6)


def test_images_are_rounded_to_8_bits_and_clipped():
    target, restored = flat(100), flat(103)
    expected = mse_uint8_wrap(target, restored)
    nearly = restored + np.float32(0.4 / 255)
    np.testing.assert_array_equal(mse_uint8_wrap(target, nearly), expected)
    beyond = np.full_like(target, 1.3)
    np.testing.assert_allclose(
        mse_uint8_wrap(flat(250), beyond), [25 / 255**2], rtol=1e-6
    )


def test_reports_know_it_and_call_no_direction_better():
    assert registry.title("raw/mse_uint8_wrap") == "Raw MSE with 8-bit overflow"
    assert registry.arrow("raw/mse_uint8_wrap") == ""


def test_on_faces_bicubic_overflows_to_errors_of_the_published_size(outside_data):
    source = sources.load("lfw", "test", data_dir=str(outside_data / "lfw"), limit=80)
    faces = [pixels.fit(element, size=192, crop="none")["image"] for element in source]
    target = np.stack(faces) / np.float32(255)
    published = (1.9e-4, 4.5e-4, 9.3e-4)
    true = (4.7e-4, 2.2e-3, 6.7e-3)
    for restore, printed, error in zip(baselines.rescaling().values(), published, true):
        restored = restore({"image": target})
        assert np.square(restored - target).mean() == pytest.approx(error, rel=0.1)
        wrapped = mse_uint8_wrap(target, restored).mean()
        assert wrapped == pytest.approx(printed, rel=0.25)
