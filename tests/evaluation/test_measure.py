import numpy as np
import pytest
import tensorflow as tf

from evaluation.metrics import measure, registry

PIXEL_METRICS = ("l1_percent", "mae", "mse", "psnr_db")


def value(name, target, restored):
    return getattr(measure, name)(target, restored).numpy()


def pair(height, width, batch=2):
    """Smooth images, and the same with noise: SSIM-like values well inside (0, 1)."""
    rng = np.random.default_rng(0)
    small = rng.uniform(0.1, 0.9, [batch, 6, 6, 3]).astype("f")
    target = tf.image.resize(small, [height, width], "bicubic").numpy().clip(0, 1)
    restored = target + 0.1 * rng.standard_normal(target.shape).astype("f")
    return target, restored.clip(0, 1)


def square_mask(batch, size, top, left, height, width):
    mask = np.zeros([batch, size, size, 1], "f")
    mask[:, top : top + height, left : left + width] = 1
    return mask


def test_measure_reports_what_the_image_size_allows():
    for size, whole in ((64, {"ms_ssim_3", "ms_ssim_5w"}), (161, {"ms_ssim"})):
        measured = measure.measure(
            *pair(size, size), square_mask(2, size, 5, 5, 20, 20)
        )
        common = {*PIXEL_METRICS, "ssim"}
        expected = {f"hole/{n}" for n in common | {"ms_ssim_3", "ms_ssim_5w"}}
        for region in ("composite", "raw"):
            expected |= {f"{region}/{n}" for n in common | whole}
        assert set(measured) == expected
        assert {v.shape for v in measured.values()} == {(2,)}
        assert {key.split("/")[1] for key in measured} <= set(registry.METRICS)


def test_an_error_in_known_pixels_is_only_in_raw():
    target, _ = pair(64, 64)
    mask = square_mask(2, 64, 16, 20, 30, 30)
    restored = np.where(mask == 1, target, 1 - target)
    measured = measure.measure(target, restored, mask)
    for region in ("hole", "composite"):
        np.testing.assert_array_equal(measured[f"{region}/mse"], 0)
        np.testing.assert_allclose(measured[f"{region}/ssim"], 1, atol=1e-4)
    assert (measured["raw/mse"] > 0).all() and (measured["raw/ssim"] < 0.9).all()


def test_an_error_in_the_hole_is_undiluted_there():
    target, noisy = pair(64, 64)
    mask = square_mask(2, 64, 16, 20, 32, 24)
    measured = measure.measure(target, np.where(mask == 1, noisy, target), mask)
    for name in ("ssim", "mae", "psnr_db", "ms_ssim_5w"):
        np.testing.assert_array_equal(
            measured[f"composite/{name}"], measured[f"raw/{name}"]
        )
    share = 32 * 24 / 64**2
    np.testing.assert_allclose(
        measured["hole/l1_percent"] * share, measured["raw/l1_percent"], rtol=1e-4
    )
    crop = np.s_[:, 16:48, 20:44]
    for name in ("ssim", "ms_ssim_5w", "psnr_db", "mse"):
        np.testing.assert_allclose(
            measured[f"hole/{name}"], value(name, target[crop], noisy[crop]), rtol=1e-4
        )


def test_known_pixels_inside_the_bounding_box_have_no_pixel_error():
    target, _ = pair(32, 32)
    mask = square_mask(2, 32, 4, 4, 20, 20)
    mask[:, 8:20, 8:20] = 0
    restored = np.where(mask == 1, target, 0)
    measured = measure.measure(target, restored, mask)
    np.testing.assert_array_equal(measured["hole/mae"], 0)
    np.testing.assert_allclose(measured["hole/ssim"], 1, atol=1e-4)


def test_bounding_boxes_of_different_sizes_equal_one_by_one():
    target, restored = pair(64, 64, batch=5)
    boxes = [
        (0, 0, 20, 20),
        (5, 9, 20, 20),
        (3, 3, 50, 44),
        (40, 40, 8, 24),
        (9, 1, 17, 60),
    ]
    mask = np.concatenate([square_mask(1, 64, *box) for box in boxes])
    together = measure.measure(target, restored, mask)
    for i in range(5):
        one = np.s_[i : i + 1]
        alone = measure.measure(target[one], restored[one], mask[one])
        for key, values in alone.items():
            np.testing.assert_allclose(
                together[key][one], values, atol=1e-5, err_msg=key
            )


def test_undefined_is_nan_for_that_image_only():
    target, restored = pair(64, 64, batch=4)
    sizes = (8, 16, 40, 0)
    mask = np.concatenate([square_mask(1, 64, 2, 2, n, n) for n in sizes])
    measured = measure.measure(target, restored, mask)
    nan = {key: np.isnan(v).tolist() for key, v in measured.items()}
    assert nan.pop("hole/ssim") == [True, False, False, True]
    assert nan.pop("hole/ms_ssim_5w") == [True, True, False, True]
    assert nan.pop("hole/ms_ssim_3") == [True, True, True, True]
    for key, undefined in nan.items():
        assert undefined == [False, False, False, key.startswith("hole")], key


def test_lpips_sees_the_crop_and_is_nan_below_its_minimum():
    def fake(target, restored):
        seen.append(target.shape)
        return np.abs(target - restored).mean(axis=(1, 2, 3))

    seen, fake.minimum_size = [], 31
    target, restored = pair(64, 64, batch=3)
    mask = np.concatenate([square_mask(1, 64, 2, 2, n, n) for n in (31, 30, 31)])
    measured = measure.measure(target, restored, mask, lpips=fake, regions=["hole"])
    assert seen == [(2, 31, 31, 3)]
    assert np.isnan(measured["hole/lpips"]).tolist() == [False, True, False]
    np.testing.assert_allclose(measured["hole/lpips"][0], measured["hole/mae"][0], 1e-5)
    assert {key.split("/")[0] for key in measured} == {"hole"}


def test_a_large_batch_is_measured_in_order():
    target, restored = pair(16, 16, batch=130)
    mask = square_mask(130, 16, 2, 2, 12, 12).astype(bool)
    measured = measure.measure(target, restored, mask)
    np.testing.assert_allclose(
        measured["raw/psnr_db"], value("psnr_db", target, restored), rtol=1e-5
    )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"mask": np.ones([2, 16, 16, 3])}, r"mask \(2, 16, 16, 1\)"),
        ({"restored": np.zeros([2, 16, 17, 3])}, r"target's shape \(2, 16, 16, 3\)"),
        ({"restored": np.full([2, 16, 16, 3], np.nan)}, "restored holds NaN .* 2 of 2"),
        ({"regions": ["whole"]}, "regions must be among"),
    ],
)
def test_measure_refuses_what_it_cannot_measure(change, message):
    target, restored = pair(16, 16)
    arguments = {"target": target, "restored": restored, "mask": target[..., :1]}
    with pytest.raises(ValueError, match=message):
        measure.measure(**{**arguments, **change})
