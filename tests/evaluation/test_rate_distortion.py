"""BD-rates by hand, their intervals, and codecs measured on the same images."""

import math

import numpy as np
import pytest

from evaluation import bootstrap
from evaluation.codecs import rate_distortion, round_trips
from evaluation.codecs.rate_distortion import OURS, Comparison, RateCurve
from evaluation.codecs.round_trips import BITS, BYTES, PSNR, codec_round_trip
from evaluation.record import Evaluation, fingerprint

RATES, QUALITIES = np.array([0.1, 0.3, 0.8, 2.0]), np.array([25.0, 30.0, 34.0, 41.0])
REFERENCE = RateCurve(RATES, QUALITIES)


class TestBdRate:
    @pytest.mark.parametrize(("times", "percent"), [(1, 0), (0.5, -50), (2, 100)])
    def test_so_many_times_the_rate(self, times, percent):
        curve = RateCurve(times * RATES, QUALITIES)
        assert curve.bd_rate(REFERENCE) == pytest.approx(percent)

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
    @pytest.mark.parametrize(
        ("curve", "qualities", "rates"),
        [
            (REFERENCE, QUALITIES, RATES),
            (REFERENCE, [24.9, 41.1], [np.nan] * 2),  # outside nothing is said
            (RateCurve([1, 4], [30, 34]), [32, 33], [2, 2**1.5]),  # an exponential
            (RateCurve([3.0], [30.0]), [30, 31], [3, np.nan]),
            # Of equal qualities the lower rate counts.
            (RateCurve([5, 1, 4, 9], [34, 30, 34, 36]), [30, 34, 36], [1, 4, 9]),
            # A setting that another one beats stays.
            (RateCurve([1, 5, 4], [30, 32, 34]), [30, 32, 34], [1, 5, 4]),
        ],
    )
    def test_by_hand(self, curve, qualities, rates):
        np.testing.assert_allclose(curve.rate_at(qualities), rates)


def test_ms_ssim_is_put_into_decibels_and_psnr_stays():
    np.testing.assert_array_equal(rate_distortion.scaled(PSNR, [31]), 31)
    for key in ("file/ms_ssim", "file/ms_ssim_5w"):
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


def bd_rates(ours, others, *, resamples=100, **options):
    """BD-rates of codecs, given the values of their settings, and the comparison."""
    values, settings = {}, {}
    for codec, given in {OURS: ours, **others}.items():
        settings[codec] = [f"{codec} {i}" for i in range(len(given))]
        values.update(zip(settings[codec], given))
    count = len(ours[0][BITS])
    names = [str(i) for i in range(count)]
    evaluation = Evaluation(names, values, np.ones(count), "0" * 16)
    found = rate_distortion.bd_rates(
        evaluation,
        settings[OURS],
        {codec: settings[codec] for codec in others},
        PSNR,
        resamples=resamples,
        **options,
    )
    return found, Comparison(evaluation, settings, 64)


class TestBdRates:
    def test_a_saving_on_every_image_has_no_spread(self):
        found, _ = bd_rates(
            codec_values(RATES / 2, QUALITIES),
            {
                "a": codec_values(RATES, QUALITIES),
                "b": codec_values(RATES / 4, QUALITIES),
            },
        )
        for codec, percent in (("a", -50), ("b", 100)):
            ends = [found[codec][end] for end in ("mean", "low", "high")]
            assert ends == pytest.approx([percent] * 3)
            assert found[codec]["count"] == 40
            assert found[codec]["to"] - found[codec]["from"] == pytest.approx(16)

    def test_the_interval_is_that_of_resampled_means(self):
        ours, theirs = (codec_values(RATES, QUALITIES, seed=seed) for seed in (1, 2))
        options = {"resamples": 50, "seed": 3, "confidence": 0.8}
        found, comparison = bd_rates(ours, {"a": theirs}, **options)
        drawn = []
        for weights in np.concatenate(list(bootstrap.draw(40, 50, 3))) / 40:
            mine, other = (
                RateCurve(*([weights @ v[key] for v in values] for key in (BITS, PSNR)))
                for values in (ours, theirs)
            )
            drawn.append(mine.bd_rate(other))
        entry, expected = found["a"], np.quantile(drawn, [0.1, 0.9])
        np.testing.assert_allclose([entry["low"], entry["high"]], expected)
        assert entry["low"] < entry["mean"] < entry["high"]
        mine, other = (comparison.curve(codec, PSNR) for codec in (OURS, "a"))
        assert entry["mean"] == pytest.approx(mine.bd_rate(other))

    def test_draws_without_a_common_range_are_left_out(self):
        # Without the first image they do not overlap.
        ours, theirs = (
            [{BITS: np.ones(2), PSNR: np.array(quality)} for quality in qualities]
            for qualities in (([29, 20], [40, 30]), ([20, 31], [32, 41]))
        )
        entry = bd_rates(ours, {"a": theirs})[0]["a"]
        assert (entry["mean"], entry["low"], entry["high"]) == (0, 0, 0)

    @pytest.mark.parametrize(("shift", "images"), [(100, 40), (0, 1)])
    def test_what_cannot_be_said_is_nan(self, shift, images):
        ours = codec_values(RATES, QUALITIES + shift, images)
        found, _ = bd_rates(ours, {"a": codec_values(RATES, QUALITIES, images)})
        entry = found["a"]
        assert math.isnan(entry["low"]) and math.isnan(entry["high"])
        assert math.isnan(entry["mean"]) == math.isnan(entry["from"]) == bool(shift)


class Raw:
    """Keeps every byte."""

    def compress(self, image):
        return image.tobytes()

    def decompress(self, data):
        return np.frombuffer(data, np.uint8).reshape(20, 20, 3)


class Flat:
    """One color instead of the picture, in three bytes."""

    def __init__(self, size=20):
        self.size = size

    def compress(self, image):
        if not image.any():
            raise ValueError("too black")
        return image.mean(axis=(0, 1)).round().astype(np.uint8).tobytes()

    def decompress(self, data):
        return np.full((self.size, self.size, 3), np.frombuffer(data, np.uint8))


class TestEvaluateCodecs:
    images = np.random.default_rng(0).integers(0, 256, (70, 20, 20, 3), np.uint8)
    names = tuple(f"image {i}" for i in range(70))

    def evaluate(self, images=images, names=names, **codecs):
        trips = {
            name: codec_round_trip(codec, images, names, parallel=name == "threads")
            for name, codec in codecs.items()
        }
        return round_trips.evaluate_codecs(trips, images, names, progress=None)

    def test_bits_are_of_whole_files_and_quality_of_decoded_images(self):
        found = self.evaluate(raw=Raw(), flat=Flat(), threads=Flat())
        raw, flat, threads = found.values.values()
        assert list(raw) == [BITS, PSNR, "file/ms_ssim_5w"]
        # The published one where it fits.
        assert round_trips.similarity_key(192) == "file/ms_ssim"
        assert round_trips.similarity_key(160) == "file/ms_ssim_5w"
        np.testing.assert_array_equal(raw[BITS], 24)
        np.testing.assert_array_equal(flat[BITS], 24 / 400)
        np.testing.assert_allclose(raw[PSNR], 100, rtol=1e-6)
        np.testing.assert_allclose(raw["file/ms_ssim_5w"], 1, atol=1e-5)
        for index in (0, 69):
            image = self.images[index].astype(float)
            error = np.mean((image - image.mean(axis=(0, 1)).round()) ** 2) / 255**2
            expected = pytest.approx(-10 * np.log10(error), abs=1e-3)
            assert flat[PSNR][index] == expected
        assert flat["file/ms_ssim_5w"].max() < 0.5
        for key, value in flat.items():
            np.testing.assert_array_equal(threads[key], value)
        whole = (np.ones([20, 20, 1]) for _ in range(70))
        assert found.fingerprint == fingerprint(self.names, whole)
        np.testing.assert_array_equal(found.hole_ratio, 1)

    def test_one_round_trip_has_bytes_too(self):
        trip = codec_round_trip(Flat(), self.images, self.names)
        found = round_trips.measure_round_trip(self.images, trip)
        assert list(found) == [BYTES, BITS] and set(found[BYTES]) == {3}

    @pytest.mark.parametrize(
        ("codec", "image", "message"),
        [
            (Flat(), 0 * images[0], "threads: b cannot be coded: too black"),
            (Flat(10), images[0], r"threads: a came back as uint8 \[10, 10, 3\]; it"),
        ],
    )
    def test_a_codec_that_fails_is_named(self, codec, image, message):
        with pytest.raises(ValueError, match=message):
            self.evaluate(np.stack([self.images[1], image]), ["a", "b"], threads=codec)

    @pytest.mark.parametrize(("count", "names"), [(0, []), (2, ["a"])])
    def test_each_image_must_have_a_name(self, count, names):
        with pytest.raises(ValueError, match=f"got {count} and {len(names)}"):
            self.evaluate(self.images[:count], names)
