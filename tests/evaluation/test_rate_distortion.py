"""BD-rates by hand, their intervals, and coders measured on the same images."""

import math

import numpy as np
import pytest

from evaluation import bootstrap
from evaluation.codecs import measure, rate_distortion
from evaluation.codecs.measure import BITS, PSNR, Coder
from evaluation.codecs.rate_distortion import RateCurve
from evaluation.record import Evaluation, fingerprint

RATES, QUALITIES = np.array([0.1, 0.3, 0.8, 2.0]), np.array([25.0, 30.0, 34.0, 41.0])
REFERENCE = RateCurve(RATES, QUALITIES)


class TestBdRate:
    def test_equal_curves_differ_by_nothing(self):
        assert REFERENCE.bd_rate(REFERENCE) == 0

    @pytest.mark.parametrize(("times", "percent"), [(0.5, -50), (2, 100), (1.1, 10)])
    def test_so_many_times_the_rate(self, times, percent):
        curve = RateCurve(times * RATES, QUALITIES)
        assert curve.bd_rate(REFERENCE) == pytest.approx(percent)

    def test_exchanged_curves_invert_the_ratio(self):
        curve = RateCurve([0.2, 0.5, 1.0], [27.0, 31.5, 36.0])
        forth, back = curve.bd_rate(REFERENCE), REFERENCE.bd_rate(curve)
        assert (1 + forth / 100) * (1 + back / 100) == pytest.approx(1)
        assert forth * back < 0

    def test_two_straight_lines_by_hand(self):
        # log2(rate) is q - 30 and (q - 26) / 2; their difference is -2 at q = 30 and
        # 0 at q = 34, which is as far as both reach: -1 on average.
        curve = RateCurve([0.25, 16], [28, 34])
        reference = RateCurve([4, 64], [30, 38])
        assert curve.overlap(reference) == (30, 34)
        assert curve.bd_rate(reference) == pytest.approx(100 * (2**-1 - 1))

    def test_neither_units_nor_order_matter(self):
        curve = RateCurve([0.2, 0.5, 1.0], [27.0, 31.5, 36.0])
        other = RateCurve([8000, 1600, 4000], [36.0, 27.0, 31.5])
        reference = RateCurve(8000 * RATES[::-1], QUALITIES[::-1])
        assert other.bd_rate(reference) == pytest.approx(curve.bd_rate(REFERENCE))

    def test_it_is_what_the_common_test_conditions_give(self):
        # x265 at two presets, an example of the package bjontegaard 1.3.0, whose pchip
        # method is that of the common test conditions; the value is its own.
        reference = RateCurve(
            [9487.76, 4593.60, 2486.44, 1358.24], [40.037, 38.615, 36.845, 34.851]
        )
        curve = RateCurve(
            [9787.80, 4469.00, 2451.52, 1356.24], [40.121, 38.651, 36.970, 34.987]
        )
        assert curve.bd_rate(reference) == pytest.approx(-4.417485350589, rel=1e-10)

    @pytest.mark.parametrize(
        ("rates", "qualities"),
        [
            ([1, 2], [42, 45]),  # above
            ([1, 2], [41, 45]),  # they only touch
            ([1], [30]),  # no curve
            ([1, 2], [30, 30]),  # one quality
        ],
    )
    def test_without_a_common_range_it_is_undefined(self, rates, qualities):
        curve = RateCurve(rates, qualities)
        assert curve.overlap(REFERENCE) is None
        assert math.isnan(curve.bd_rate(REFERENCE))
        assert math.isnan(REFERENCE.bd_rate(curve))

    @pytest.mark.parametrize(
        ("rates", "qualities", "said"),
        [
            ([1, 2], [30], r"rate and a quality .* got \[2\] and \[1\]"),
            ([], [], "rate and a quality"),
            ([[1, 2]], [[30, 31]], "rate and a quality"),
            ([0, 2], [30, 31], "above 0"),
            ([1, np.nan], [30, 31], "above 0"),
            ([1, 2], [30, np.inf], "finite"),
        ],
    )
    def test_what_is_no_curve_is_refused(self, rates, qualities, said):
        with pytest.raises(ValueError, match=said):
            RateCurve(rates, qualities)


class TestRateAt:
    def test_settings_give_their_own_rates(self):
        np.testing.assert_allclose(REFERENCE.rate_at(QUALITIES), RATES)

    def test_between_settings_it_increases(self):
        between = REFERENCE.rate_at(np.linspace(25, 41, 50))
        assert np.all(np.diff(between) > 0)

    def test_two_settings_make_an_exponential(self):
        curve = RateCurve([1, 4], [30, 34])
        np.testing.assert_allclose(curve.rate_at([32, 33]), [2, 2**1.5])

    def test_outside_nothing_is_said(self):
        found = REFERENCE.rate_at([24.9, 25.0, 41.0, 41.1])
        np.testing.assert_array_equal(np.isnan(found), [True, False, False, True])

    def test_a_single_setting_gives_its_own_quality(self):
        curve = RateCurve([3.0], [30.0])
        np.testing.assert_array_equal(curve.rate_at([30, 31]), [3, np.nan])

    def test_of_equal_qualities_the_smaller_counts(self):
        curve = RateCurve([5, 1, 4, 9], [34, 30, 34, 36])
        np.testing.assert_allclose(curve.rate_at([30, 34, 36]), [1, 4, 9])

    def test_a_setting_that_another_beats_stays(self):
        curve = RateCurve([1, 5, 4], [30, 32, 34])
        np.testing.assert_allclose(curve.rate_at([30, 32, 34]), [1, 5, 4])


class TestScaled:
    def test_psnr_stays(self):
        np.testing.assert_array_equal(rate_distortion.scaled("file/psnr_db", [31]), 31)

    @pytest.mark.parametrize("key", ["file/ms_ssim", "file/ms_ssim_5w"])
    def test_ms_ssim_is_put_into_decibels(self, key):
        found = rate_distortion.scaled(key, [0, 0.9, 0.99, 1])
        np.testing.assert_allclose(found, [0, 10, 20, 100])


def codec_values(rates, qualities, images=40, seed=0):
    """A codec's settings: values that vary over images around these means."""
    generator = np.random.default_rng(seed)
    size, ease = generator.uniform(0.5, 2, images), generator.normal(0, 1, images)
    return [
        {BITS: rate * size, PSNR: quality + ease}
        for rate, quality in zip(rates, qualities)
    ]


def evaluation_of(codecs):
    """{codec: its settings' values} -> evaluation and {codec: restorers}."""
    values, settings = {}, {}
    for codec, given in codecs.items():
        settings[codec] = [f"{codec} {i}" for i in range(len(given))]
        values.update(zip(settings[codec], given))
    count = len(given[0][BITS])
    names = [str(i) for i in range(count)]
    return Evaluation(names, values, np.ones(count), "0" * 16), settings


def bd_rate_of(evaluation, settings, *, resamples=100, **options):
    """What is said of the codec "ours" against "a"."""
    others = {"a": settings["a"]}
    return rate_distortion.bd_rates(
        evaluation, settings["ours"], others, PSNR, resamples=resamples, **options
    )["a"]


class TestBdRates:
    def test_a_saving_on_every_image_has_no_spread(self):
        evaluation, settings = evaluation_of(
            {
                "ours": codec_values(RATES / 2, QUALITIES),
                "a": codec_values(RATES, QUALITIES),
                "b": codec_values(RATES / 4, QUALITIES),
            }
        )
        ours = settings.pop("ours")
        found = rate_distortion.bd_rates(
            evaluation, ours, settings, PSNR, resamples=100
        )
        for codec, percent in (("a", -50), ("b", 100)):
            entry = found[codec]
            for end in ("mean", "low", "high"):
                assert entry[end] == pytest.approx(percent)
            assert entry["count"] == 40
            assert entry["to"] - entry["from"] == pytest.approx(16)

    def test_the_interval_is_that_of_resampled_means(self):
        evaluation, settings = evaluation_of(
            {
                "ours": codec_values(RATES, QUALITIES, seed=1),
                "a": codec_values(RATES, QUALITIES, seed=2),
            }
        )
        options = {"resamples": 50, "seed": 3, "confidence": 0.8}
        entry = rate_distortion.bd_rates(
            evaluation,
            settings["ours"],
            {"a": settings["a"]},
            "file/psnr_db",
            **options,
        )["a"]
        drawn = []
        for weights in np.concatenate(list(bootstrap._weights(40, 50, 3))) / 40:
            curves = [
                RateCurve(
                    [weights @ evaluation.values[s][BITS] for s in settings[c]],
                    [
                        weights @ evaluation.values[s]["file/psnr_db"]
                        for s in settings[c]
                    ],
                )
                for c in ("ours", "a")
            ]
            drawn.append(curves[0].bd_rate(curves[1]))
        expected = np.quantile(drawn, [0.1, 0.9])
        np.testing.assert_allclose([entry["low"], entry["high"]], expected)
        assert entry["low"] < entry["mean"] < entry["high"]
        whole = [
            rate_distortion.curve(evaluation, settings[codec], PSNR)
            for codec in ("ours", "a")
        ]
        assert entry["mean"] == pytest.approx(whole[0].bd_rate(whole[1]))

    def test_draws_without_a_common_range_are_left_out(self):
        # Without the first image they do not overlap.
        codecs = {"ours": ([29, 20], [40, 30]), "a": ([20, 31], [32, 41])}
        evaluation, settings = evaluation_of(
            {
                codec: [{BITS: np.ones(2), PSNR: np.array(q)} for q in qualities]
                for codec, qualities in codecs.items()
            }
        )
        entry = bd_rate_of(evaluation, settings)
        assert (entry["mean"], entry["low"], entry["high"]) == (0, 0, 0)

    @pytest.mark.parametrize(("shift", "images"), [(100, 40), (0, 1)])
    def test_what_cannot_be_said_is_nan(self, shift, images):
        evaluation, settings = evaluation_of(
            {
                "ours": codec_values(RATES, QUALITIES + shift, images),
                "a": codec_values(RATES, QUALITIES, images),
            }
        )
        entry = bd_rate_of(evaluation, settings)
        assert math.isnan(entry["low"]) and math.isnan(entry["high"])
        assert math.isnan(entry["mean"]) == math.isnan(entry["from"]) == bool(shift)


def raw(image):
    return image.tobytes()


def unraw(size):
    return lambda data: np.frombuffer(data, np.uint8).reshape(size, size, 3)


def flat(image):
    """One color instead of the picture, in three bytes."""
    return image.mean(axis=(0, 1)).round().astype(np.uint8).tobytes()


def unflat(size):
    return lambda data: np.full((size, size, 3), np.frombuffer(data, np.uint8))


class TestCoders:
    @pytest.fixture(scope="class")
    def images(self):
        return np.random.default_rng(0).integers(0, 256, (70, 20, 20, 3), np.uint8)

    @pytest.fixture(scope="class")
    def measured(self, images):
        every = {
            "raw": Coder(raw, unraw(20)),
            "flat": Coder(flat, unflat(20)),
            "threads": Coder(flat, unflat(20), parallel=True),
        }
        names = [f"image {i}" for i in range(70)]
        return measure.measure(every, images, names, progress=None)

    def test_bits_are_those_of_the_whole_file(self, measured):
        np.testing.assert_array_equal(measured.values["raw"][BITS], 24)
        np.testing.assert_array_equal(measured.values["flat"][BITS], 24 / 400)

    def test_quality_is_that_of_the_decoded_picture(self, measured, images):
        values = measured.values
        np.testing.assert_allclose(values["raw"][PSNR], 100, rtol=1e-6)
        np.testing.assert_allclose(values["raw"]["file/ms_ssim_5w"], 1, atol=1e-5)
        for index in (0, 69):
            image = images[index].astype(float)
            error = np.mean((image - image.mean(axis=(0, 1)).round()) ** 2) / 255**2
            expected = pytest.approx(-10 * np.log10(error), abs=1e-3)
            assert values["flat"][PSNR][index] == expected
        assert values["flat"]["file/ms_ssim_5w"].max() < 0.5

    def test_threads_change_nothing(self, measured):
        for key, value in measured.values["flat"].items():
            np.testing.assert_array_equal(measured.values["threads"][key], value)

    def test_it_names_the_set_as_every_evaluation_does(self, measured):
        whole = (np.ones([20, 20, 1]) for _ in range(70))
        assert measured.fingerprint == fingerprint(measured.names, whole)
        np.testing.assert_array_equal(measured.hole_ratio, 1)

    @pytest.mark.parametrize(
        ("size", "key"), [(192, "file/ms_ssim"), (160, "file/ms_ssim_5w")]
    )
    def test_ms_ssim_is_the_published_one_where_it_fits(self, size, key):
        assert measure.similarity_key(size) == key

    def test_a_coder_that_fails_is_named(self, images):
        def fail(image):
            raise ValueError("too blue")

        bad = {"bad": Coder(fail, unraw(20))}
        with pytest.raises(ValueError, match="bad fails on b: too blue"):
            measure.measure(bad, images[:1], ["b"], progress=None)

    def test_another_shape_is_refused(self, images):
        bad = {"bad": Coder(flat, unflat(10), parallel=True)}
        with pytest.raises(ValueError, match=r"bad made uint8 \[10, 10, 3\] of b"):
            measure.measure(bad, images[:1], ["b"], progress=None)

    @pytest.mark.parametrize(("count", "names"), [(0, []), (2, ["a"])])
    def test_each_image_must_have_a_name(self, images, count, names):
        with pytest.raises(ValueError, match=f"got {count} and {len(names)}"):
            measure.measure({}, images[:count], names)
