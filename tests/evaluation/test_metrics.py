"""Metrics against other implementations, and the regions they are measured on."""

import numpy as np
import pytest
import skimage.metrics
import tensorflow as tf

from evaluation.metrics import measure, registry, ssim

PIXEL_METRICS = ("l1_percent", "mae", "mse", "psnr_db")
STRUCTURAL = ("ssim", "ms_ssim", "ms_ssim_3", "ms_ssim_5w")


def value(name, target, restored):
    return getattr(measure, name)(target, restored).numpy()


def pair(height, width, noise=0.1, batch=2):
    """Smooth images, and the same with noise: SSIM-like values well inside (0, 1)."""
    rng = np.random.default_rng(0)
    small = rng.uniform(0.1, 0.9, [batch, 6, 6, 3]).astype("f")
    target = tf.image.resize(small, [height, width], "bicubic").numpy().clip(0, 1)
    restored = target + noise * rng.standard_normal(target.shape).astype("f")
    return target, restored.clip(0, 1)


class TestValues:
    def test_pixel_metrics_of_two_flat_images_by_hand(self):
        pair = np.full([1, 4, 4, 3], 0.2), np.full([1, 4, 4, 3], 0.5)
        found = [value(name, *pair)[0] for name in PIXEL_METRICS]
        assert found == pytest.approx([30, 0.3, 0.09, 10.4576], abs=1e-4)
        with pytest.raises(ValueError, match="mae compares two"):
            value("mae", pair[0], pair[1][:, :, :3])

    def test_psnr_is_per_image_and_equals_scikit_image(self):
        target, restored = pair(20, 30)
        restored[1] = 1 - restored[1]
        expected = [
            skimage.metrics.peak_signal_noise_ratio(t, r, data_range=1)
            for t, r in zip(target, restored)
        ]
        found = value("psnr_db", target, restored)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        levels = [
            np.rint(255 * images[0]).astype("u1") for images in (target, restored)
        ]
        expected = skimage.metrics.peak_signal_noise_ratio(*levels)
        assert measure.psnr_db_uint8(*levels) == pytest.approx(expected)

    @pytest.mark.parametrize("height, width", [(11, 11), (40, 57)])
    def test_ssim_equals_scikit_image_away_from_the_border(self, height, width):
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
            found = value("ssim", target, restored)[i]
            assert found == pytest.approx(inner, abs=1e-5)

    @pytest.mark.parametrize(
        "name, weights, taps, height, width",
        [
            ("ssim", (1.0,), 11, 163, 176),
            ("ms_ssim", ssim.FIVE_SCALES, 11, 163, 176),
            ("ms_ssim_3", (0.07105, 0.45298, 0.47597), 11, 41, 58),
            ("ms_ssim_5w", ssim.FIVE_SCALES, 11, 163, 176),
            ("ms_ssim_5w", ssim.FIVE_SCALES, 8, 128, 128),
            ("ms_ssim_5w", ssim.FIVE_SCALES, 2, 17, 35),
        ],
    )
    def test_structural_metrics_are_tensorflows(
        self, name, weights, taps, height, width
    ):
        images = pair(height, width)
        expected = tf.image.ssim_multiscale(
            *images,
            max_val=1.0,
            power_factors=weights,
            filter_size=taps,
            filter_sigma=1.5 * taps / 11,
        )
        np.testing.assert_allclose(value(name, *images), expected, atol=2e-5)

    def test_negative_contrast_counts_as_zero(self):
        target, _ = pair(64, 64)
        np.testing.assert_array_equal(value("ms_ssim_3", target, 1 - target), [0, 0])

    @pytest.mark.parametrize("name", [*PIXEL_METRICS, *STRUCTURAL])
    def test_identity_clipping_and_growing_noise(self, name):
        target, _ = pair(161, 161)
        best = 1.0 if name in STRUCTURAL else 0
        best = measure.PSNR_CAP_DB if name == "psnr_db" else best
        np.testing.assert_allclose(value(name, target, target), best, atol=1e-4)
        over = np.where(target > 0.5, 1.7, -0.4)
        for given in ((target, over), (over, target)):
            clipped = (image.clip(0, 1) for image in given)
            np.testing.assert_array_equal(value(name, *given), value(name, *clipped))
        noisy = [
            value(name, *pair(161, 161, noise)) for noise in (0.02, 0.05, 0.1, 0.3)
        ]
        direction = 1 if registry.METRICS[name].higher_is_better else -1
        assert np.all(direction * np.diff(noisy, axis=0) < 0)

    @pytest.mark.parametrize(
        "name, size",
        [("ssim", 11), ("ms_ssim_5w", 17), ("ms_ssim_3", 41), ("ms_ssim", 161)],
    )
    def test_the_smallest_image_works_and_a_smaller_one_is_an_error(self, name, size):
        assert measure.minimum_size(name) == size
        assert np.isfinite(value(name, *pair(size, size + 9))).all()
        message = rf"{name} needs .* {size} px.*{size - 1}×200"
        with pytest.raises(ValueError, match=message):
            value(name, *pair(size - 1, 200))


def masks(size, *boxes):
    """A square of each (top, left, height, width)."""
    mask = np.zeros([len(boxes), size, size, 1], "f")
    for image, (top, left, height, width) in zip(mask, boxes):
        image[top : top + height, left : left + width] = 1
    return mask


class TestRegions:
    @pytest.mark.parametrize(
        ("size", "whole"), [(64, {"ms_ssim_3", "ms_ssim_5w"}), (161, {"ms_ssim"})]
    )
    def test_metrics_are_those_that_the_size_allows(self, size, whole):
        box = (5, 5, 20, 20)
        measured = measure.measure(*pair(size, size), masks(size, box, box))
        common = {*PIXEL_METRICS, "ssim"}
        expected = {f"hole/{n}" for n in common | {"ms_ssim_3", "ms_ssim_5w"}}
        for region in ("composite", "raw"):
            expected |= {f"{region}/{n}" for n in common | whole}
        assert set(measured) == expected
        assert {v.shape for v in measured.values()} == {(2,)}
        assert {key.split("/")[1] for key in measured} <= set(registry.METRICS)

    def test_an_error_in_known_pixels_is_only_in_raw(self):
        target, _ = pair(64, 64)
        mask = masks(64, *[(16, 20, 30, 30)] * 2)
        mask[:, 24:34, 24:34] = 0  # known pixels inside the bounding box
        restored = np.where(mask == 1, target, 1 - target)
        measured = measure.measure(target, restored, mask)
        for region in ("hole", "composite"):
            np.testing.assert_array_equal(measured[f"{region}/mse"], 0)
            np.testing.assert_allclose(measured[f"{region}/ssim"], 1, atol=1e-4)
        assert (measured["raw/mse"] > 0).all() and (measured["raw/ssim"] < 0.9).all()

    def test_an_error_in_the_hole_is_undiluted_there(self):
        target, noisy = pair(64, 64)
        mask = masks(64, *[(16, 20, 32, 24)] * 2)
        measured = measure.measure(target, np.where(mask == 1, noisy, target), mask)
        crop = np.s_[:, 16:48, 20:44]
        for name in ("ssim", "mse", "psnr_db", "ms_ssim_5w"):
            np.testing.assert_array_equal(
                measured[f"composite/{name}"], measured[f"raw/{name}"]
            )
            expected = value(name, target[crop], noisy[crop])
            np.testing.assert_allclose(measured[f"hole/{name}"], expected, rtol=1e-4)
        share = 32 * 24 / 64**2
        np.testing.assert_allclose(
            measured["hole/l1_percent"] * share, measured["raw/l1_percent"], rtol=1e-4
        )

    def test_images_of_a_batch_are_measured_one_by_one(self):
        boxes = [(0, 0, 20, 20), (5, 9, 20, 20), (3, 3, 50, 44), (40, 40, 8, 24)]
        target, restored = pair(64, 64, batch=4)
        mask = masks(64, *boxes)
        together = measure.measure(target, restored, mask)
        for i in range(4):
            one = np.s_[i : i + 1]
            alone = measure.measure(target[one], restored[one], mask[one])
            for key, values in alone.items():
                np.testing.assert_allclose(
                    together[key][one], values, atol=1e-5, err_msg=key
                )
        # In order, too, if there are more than are held at once.
        target, restored = pair(16, 16, batch=130)
        many = measure.measure(target, restored, target[..., :1] >= 0)
        expected = value("psnr_db", target, restored)
        np.testing.assert_allclose(many["raw/psnr_db"], expected, rtol=1e-5)

    def test_undefined_is_nan_for_that_image_only(self):
        target, restored = pair(64, 64, batch=4)
        mask = masks(64, *((2, 2, side, side) for side in (8, 16, 40, 0)))
        measured = measure.measure(target, restored, mask)
        nan = {key: np.isnan(v).tolist() for key, v in measured.items()}
        assert nan.pop("hole/ssim") == [True, False, False, True]
        assert nan.pop("hole/ms_ssim_5w") == [True, True, False, True]
        assert nan.pop("hole/ms_ssim_3") == [True, True, True, True]
        for key, undefined in nan.items():
            assert undefined == [False, False, False, key.startswith("hole")], key

    def test_lpips_sees_the_crop_and_is_nan_below_its_minimum(self):
        def fake(target, restored):
            seen.append(target.shape)
            return np.abs(target - restored).mean(axis=(1, 2, 3))

        seen, fake.minimum_size = [], 31
        target, restored = pair(64, 64, batch=3)
        mask = masks(64, *((2, 2, side, side) for side in (31, 30, 31)))
        found = measure.measure(target, restored, mask, lpips=fake, regions=["hole"])
        assert seen == [(2, 31, 31, 3)]
        assert np.isnan(found["hole/lpips"]).tolist() == [False, True, False]
        np.testing.assert_allclose(found["hole/lpips"][0], found["hole/mae"][0], 1e-5)
        assert {key.split("/")[0] for key in found} == {"hole"}

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"mask": np.ones([2, 16, 16, 3])}, r"mask \(2, 16, 16, 1\)"),
            ({"restored": np.zeros([2, 16, 17, 3])}, r"shape \(2, 16, 16, 3\)"),
            ({"restored": np.full([2, 16, 16, 3], np.nan)}, "holds NaN .* 2 of 2"),
            ({"regions": ["whole"]}, "regions must be among"),
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, change, message):
        target, restored = pair(16, 16)
        arguments = {"target": target, "restored": restored, "mask": target[..., :1]}
        with pytest.raises(ValueError, match=message):
            measure.measure(**{**arguments, **change})
