"""How many latents carry information: by hand, and as reports show it."""

import numpy as np
import pytest

from evaluation import latents


def encoded(images=4000, seed=0):
    """Means and log-variances of four latents.

    The first two are used, the third has collapsed, the fourth is far from the prior
    but the same for every image.
    """
    rng = np.random.default_rng(seed)
    mean = rng.normal([0, 0, 0, 3.0], [2.0, 0.2, 1e-4, 1e-4], (images, 4))
    log_variance = np.broadcast_to(np.log([0.1, 0.9, 1.0, 1.0]), mean.shape)
    return mean.astype("f"), log_variance.astype("f")


def test_kl_by_hand():
    mean = np.array([[0, 1, 0, 2.0], [0, -1, 0, 0.0]])
    log_variance = np.log([[1, 1, 4, 0.25], [1, 1, 4, 1.0]])
    usage = latents.measure(mean, log_variance)
    wide = (4 - 1 - np.log(4)) / 2
    mixed = ((4 + 0.25 - 1 - np.log(0.25)) / 2 + 0) / 2
    np.testing.assert_allclose(usage.kl, [0, 0.5, wide, mixed])
    np.testing.assert_allclose(usage.variance, [0, 1, 0, 1])
    assert usage.images == 2


def test_a_small_divergence_keeps_its_digits():
    usage = latents.measure(np.zeros((2, 1)), np.full((2, 1), 1e-8))
    assert usage.kl[0] == pytest.approx(1e-16 / 4, rel=1e-2, abs=0)


def test_active_latents_differ_between_images_and_informative_ones_from_the_prior():
    usage = latents.measure(*encoded())
    assert usage.active == 2
    assert usage.informative == 3
    assert usage.kl[2] < 1e-6


def test_the_table_counts_and_sums_and_the_curve_falls():
    usage = latents.measure(*encoded())
    table = latents.table({"cvae": usage, "half": latents.measure(*encoded(4000, 1))})
    assert table.caption.endswith("over 4,000 images") and table.key == latents.KEY
    assert table.rows[0][:4] == ["cvae", 4, 2, 3]
    assert table.rows[0][4:] == pytest.approx(
        [usage.kl.sum(), usage.kl.mean(), 4.5], 0.01
    )
    curve = latents.curve({"cvae": usage})
    (line,) = curve.series
    assert line.x == [1, 2, 3, 4]
    assert line.y == sorted(usage.kl, reverse=True)
    assert "cvae 3 of 4 above 0.01" in curve.alt
    usages = {str(n): latents.measure(*encoded(n)) for n in (10, 20)}
    for show in (latents.table, latents.curve):
        with pytest.raises(ValueError, match=r"same images; got \[10, 20\]"):
            show(usages)


@pytest.mark.parametrize(
    "mean, log_variance, why",
    [
        (np.zeros((3, 4)), np.zeros((3, 5)), r"got \[3, 4\] and \[3, 5\]"),
        (np.zeros(4), np.zeros(4), r"got \[4\]"),
        (np.zeros((1, 4)), np.zeros((1, 4)), "N >= 2"),
        (np.zeros((2, 3)), np.full((2, 3), [0, np.nan, np.inf]), "variance of 2 of 3"),
        (np.full((2, 3), [0, 0, np.inf]), np.zeros((2, 3)), "first is number 2"),
    ],
)
def test_what_cannot_be_measured_is_an_error(mean, log_variance, why):
    with pytest.raises(ValueError, match=why):
        latents.measure(mean, log_variance)
