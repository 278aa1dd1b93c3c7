"""Tan's report: errors on other images, by spatial frequency, and with overflow."""

import re

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from data_pipeline import pixels, sources
from data_pipeline.drawn_scenes import draw
from evaluation import baselines, tables
from evaluation.metrics import measure as metrics
from evaluation.metrics import registry
from evaluation.record import Evaluation
from evaluation.report import plots
from experiments.portrait_autoencoder import report as other_images
from experiments.portrait_autoencoder.report import mse_uint8_wrap

SIZE, COUNT = 32, 6


def faces(count=10, batch=4):
    """Stand-ins for test faces: batches of (inputs, target), in [0, 1]."""
    images = (tiny.smooth(count, SIZE) + 1) / 2
    for start in range(0, count, batch):
        target = tf.constant(images[start : start + batch])
        yield {"image": target, "key": tf.zeros([len(target), 2], tf.int32)}, target


def grayer(inputs):
    """Half way to 0.5: each band but the mean color loses a quarter of its power."""
    return 0.5 * inputs["image"] + 0.25


def measure(restorers=None, **options):
    restorers = restorers or {"ours": grayer, "as it is": lambda x: x["image"]}
    options = {"size": SIZE, "seed": 0, "faces": faces(), "count": COUNT, **options}
    return other_images.measure_other_images(restorers, **options)


def numbers(cell):
    return [float(n) for n in re.findall(r"[\d.]+", cell)]


def power(cell):
    return float(cell.replace("−", "-"))


@pytest.fixture(scope="module")
def measured():
    return measure()


class TestOtherImages:
    def test_every_restorer_has_its_errors_on_each_set_with_intervals(self, measured):
        mse, psnr, _ = measured.tables
        kinds = ("test images", "drawn scenes", "noise images")
        columns = ["", *(f"{COUNT} {kind}" for kind in kinds)]
        assert list(mse.columns) == list(psnr.columns) == columns
        assert [row[0] for row in mse.rows] == ["ours", "as it is"]
        assert mse.kinds == ["ours", "baseline"]
        sets = [
            np.concatenate([target for _, target in faces()])[:COUNT],
            np.stack([draw.draw(i, size=SIZE) for i in range(COUNT)]) / 255,
            np.stack([draw.noise(i, size=SIZE) for i in range(COUNT)]) / 255,
        ]
        for images, in_mse, in_psnr in zip(sets, mse.rows[0][1:], psnr.rows[0][1:]):
            error = np.square(0.5 * (images - 0.5)).mean(axis=(1, 2, 3))
            mean, low, high = numbers(in_mse)
            assert mean == pytest.approx(1e4 * error.mean(), abs=0.02)
            assert low < mean < high
            psnr_db = (-10 * np.log10(error)).mean()
            assert numbers(in_psnr)[0] == pytest.approx(psnr_db, abs=0.02)
        assert numbers(mse.rows[1][1])[0] == 0

    def test_the_bands_show_what_is_lost_and_sum_to_the_error(self, measured):
        errors, _, table = measured.tables
        bands = ["mean color", "up to 1/8", "1/8 to 1/4", "1/4 and more"]
        assert [row[0] for row in table.rows] == bands
        for place in range(3):
            columns = list(zip(*table.rows))[1 + 3 * place :][:3]
            signal, error = ([power(cell) for cell in column] for column in columns[:2])
            assert columns[2][1:] == ("25.00",) * 3
            np.testing.assert_allclose(error[1:], np.array(signal[1:]) / 4, rtol=0.01)
            mse = numbers(errors.rows[0][1 + place])[0] / 1e4
            assert sum(error) == pytest.approx(mse, rel=0.01)

    def test_the_chart_has_a_line_a_set_over_ascending_frequencies(self, measured):
        (curve,) = measured.curves
        lines = [(series.label, series.ours) for series in curve.series]
        assert lines == [
            ("test images", True), ("drawn scenes", False), ("noise images", False)
        ]  # fmt: skip
        edges = other_images.bands(SIZE)
        for series in curve.series:
            assert (edges[1:-1] < series.x).all() and (series.x < edges[2:]).all()
            np.testing.assert_allclose(series.y, 0.25, rtol=1e-5)
        assert plots.png(curve).startswith(b"\x89PNG")
        for table in measured.tables:
            numeric = tables.numeric_columns(table.columns, table.rows)
            assert numeric == [False] + [True] * (len(table.columns) - 1)

    def test_the_seed_decides_scenes_and_noise(self, measured):
        row = measured.tables[0].rows[0]
        assert measure().tables[0].rows[0] == row
        other = measure(seed=1).tables[0].rows[0]
        same = [one == another for one, another in zip(other[1:], row[1:])]
        assert same == [True, False, False]

    def test_restorers_get_images_in_the_unit_range_and_keys_of_zeros(self):
        seen = []

        def watch(inputs):
            seen.append(inputs)
            return inputs["image"]

        measure({"watch": watch})
        assert [len(inputs["image"]) for inputs in seen] == [4, 2, 6, 6]
        for inputs in seen:
            image, key = inputs["image"], inputs["key"]
            assert image.dtype == np.float32 and image.shape[1:] == (SIZE, SIZE, 3)
            assert 0 <= image.min() <= image.max() <= 1
            assert key.dtype == np.int32
            np.testing.assert_array_equal(key, np.zeros([len(image), 2]))

    def test_more_images_than_fit_at_once_are_all_measured(self, monkeypatch):
        monkeypatch.setattr(other_images, "_AT_ONCE", 4)
        parts = measure(count=9).tables[0]
        assert list(parts.columns)[2:] == ["9 drawn scenes", "9 noise images"]
        whole = measure(count=9, faces=faces(batch=9))
        assert whole.tables[0].rows == parts.rows

    def test_a_folder_takes_the_place_of_the_scenes(self, tmp_path, capsys):
        for number in range(8):
            below = tmp_path / "lamps" / str(number)
            below.mkdir(parents=True)
            image = draw.draw(number, size=64)[:48]  # not square
            Image.fromarray(image).save(below / "picture.png")
        (tmp_path / "lamps" / "0" / "picture.png").write_bytes(b"not an image")
        found = measure(folder=str(tmp_path / "lamps"), count=100).tables[0]
        assert found.columns[2] == "7 other images"
        assert "Other images are those of the folder lamps." in found.note
        assert "0/picture.png: not a readable image" in capsys.readouterr().err
        limited = measure(folder=str(tmp_path / "lamps"), count=3).tables[0]
        assert limited.columns[2] in ("2 other images", "3 other images")

    @pytest.mark.parametrize(
        "where, error, reason",
        [
            ("absent", FileNotFoundError, "it is not a folder"),
            ("empty", FileNotFoundError, "none in it"),
            ("bad", ValueError, "None of the 1 images of --other_images"),
        ],
    )
    def test_a_folder_without_images_is_named(self, where, error, reason, tmp_path):
        for name in ("empty/notes.txt", "bad/one.jpg"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text("no image")
        with pytest.raises(error, match=reason) as caught:
            measure(folder=str(tmp_path / where))
        assert "--other_images" in str(caught.value)

    def test_broken_restorers_and_missing_images_are_errors(self):
        text = "'ours' returned NaN or infinity for test image 0"
        with pytest.raises(ValueError, match=text):
            measure({"ours": lambda inputs: inputs["image"] * np.nan})
        with pytest.raises(ValueError, match="There is no test image to measure"):
            measure(faces=iter(()))


def test_single_images_spread_as_computed_by_hand():
    error = np.arange(1, 102) * 1e-4
    values = {
        "ours": {"raw/mse": error, "raw/ssim": error},
        "bicubic 2×": {"raw/mse": np.where(error > 5e-3, np.nan, 3 * error)},
        "JPEG": {"file/bits_per_pixel": error},
    }
    names = [f"face {i}" for i in range(101)]
    table = other_images.spread(Evaluation(names, values, np.ones(101), ""))
    assert [row[0] for row in table.rows] == ["ours", "bicubic 2×"]
    np.testing.assert_allclose(table.rows[0][1:], [6, 51, 96])
    np.testing.assert_allclose(table.rows[1][1:], [10.35, 76.5, 142.65])
    assert "101 test images" in table.caption


def wave(size, half_cycles, across=0):
    """A cosine of the transform itself, [1, size, size, 3], mean square 1/2 or 1/4."""
    place = (np.arange(size) + 0.5) * np.pi / size
    rows, columns = np.cos(half_cycles * place), np.cos(across * place)
    return np.repeat((rows[:, None] * columns)[None, :, :, None], 3, axis=3)


class TestFrequency:
    def test_bands_of_the_published_size_and_of_others(self):
        expected = [0, 1 / 384, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, np.sqrt(0.5)]
        np.testing.assert_allclose(other_images.bands(192), expected)
        expected = [0, 1 / 16, 1 / 4, np.sqrt(0.5)]
        np.testing.assert_allclose(other_images.bands(8), expected)
        for size in (8, 9, 31, 64, 100, 250, 384):
            noise = np.random.default_rng(0).random([1, size, size, 1])
            assert (other_images.by_band(noise, noise)[0] > 0).all()  # none is empty
        with pytest.raises(ValueError, match="at least 8 pixels.*got 7"):
            other_images.bands(7)

    @pytest.mark.parametrize("size", [8, 33, 64])
    def test_the_bands_sum_to_the_mean_squares_exactly(self, size):
        rng = np.random.default_rng(size)
        target = rng.random([20, size, size, 3])
        restored = target + 0.1 * rng.standard_normal(target.shape) - 0.05
        signal, error = other_images.by_band(target, restored)
        square = np.square(target).mean(axis=(1, 2, 3))
        squared_error = np.square(target - restored).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(signal.sum(axis=1), square, rtol=1e-12)
        np.testing.assert_allclose(error.sum(axis=1), squared_error, rtol=1e-12)
        # Images of one batch do not mix.
        for i in (0, 17, 19):
            alone = other_images.by_band(target[i : i + 1], restored[i : i + 1])
            np.testing.assert_allclose(alone[0][0], signal[i], rtol=1e-12)
            np.testing.assert_allclose(alone[1][0], error[i], rtol=1e-12)

    @pytest.mark.parametrize(
        ("half_cycles", "across", "band"),
        [(1, 0, 1), (5, 0, 1), (6, 0, 2), (11, 0, 2), (12, 0, 3), (0, 24, 4),
         (90, 0, 5), (96, 0, 6), (80, 80, 6), (191, 191, 6)],
    )  # fmt: skip
    def test_a_wave_lies_in_the_band_of_its_frequency(self, half_cycles, across, band):
        image = wave(192, half_cycles, across)
        signal, error = other_images.by_band(image, np.zeros_like(image))
        power = 0.25 if across and half_cycles else 0.5
        expected = np.where(np.arange(7) == band, power, 0)
        np.testing.assert_allclose(signal[0], expected, atol=1e-12)
        np.testing.assert_allclose(error, signal, atol=1e-12)

    def test_the_first_band_is_the_mean_color_alone(self):
        flat = np.full([1, 16, 16, 3], (0.2, 0.4, 0.8), np.float32)
        signal, error = other_images.by_band(flat, flat + np.float32(0.1))
        for found, first in ((signal, np.mean([0.04, 0.16, 0.64])), (error, 0.01)):
            expected = [first] + [0] * (found.shape[1] - 1)
            np.testing.assert_allclose(found[0], expected, atol=1e-7)

    def test_independent_noise_has_power_by_the_number_of_frequencies(self):
        noise = np.random.default_rng(1).standard_normal([8, 64, 64, 3])
        signal = other_images.by_band(noise, noise)[0].mean(axis=0)
        step = np.arange(64) / 128
        radius = np.hypot(step[:, None], step)
        counts, _ = np.histogram(radius, other_images.bands(64))
        np.testing.assert_allclose(signal, counts / 64**2, rtol=0.5)
        np.testing.assert_allclose(signal[-2:], counts[-2:] / 64**2, rtol=0.03)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ((1, 16, 16, 3), (1, 16, 17, 3)),
            ((16, 16, 3), (16, 16, 3)),
            ((1, 16, 20, 3), (1, 16, 20, 3)),
        ],
    )
    def test_shapes_that_do_not_fit_are_an_error(self, one, other):
        text = r"compares square images, two \[B, S, S, C\]"
        with pytest.raises(ValueError, match=text):
            other_images.by_band(np.zeros(one), np.zeros(other))


def flat(*levels):
    """One flat image a level, float32 [B, 2, 2, 3]."""
    images = np.reshape(levels, [-1, 1, 1, 1]) / np.float32(255)
    return np.broadcast_to(images, [len(levels), 2, 2, 3])


class TestOverflow:
    @pytest.mark.parametrize(
        ("difference", "squared"),
        [(0, 0), (1, 1), (15, 225), (16, 0), (17, 33), (20, 144), (48, 0), (255, 1)],
    )
    def test_difference_and_square_wrap_as_computed_by_hand(self, difference, squared):
        low, high = flat(0), flat(difference)
        for pair in ((low, high), (high, low)):
            wrapped = mse_uint8_wrap(*pair)
            np.testing.assert_allclose(wrapped, [squared / 255**2], rtol=1e-6)

    def test_it_is_the_mean_of_each_image_and_small_errors_are_true(self):
        rng = np.random.default_rng(0)
        target = rng.integers(20, 230, [3, 8, 8, 3])
        small = target + rng.integers(-15, 16, target.shape)
        pair = target / np.float32(255), small / np.float32(255)
        np.testing.assert_allclose(mse_uint8_wrap(*pair), metrics.mse(*pair), rtol=1e-5)
        both = mse_uint8_wrap(flat(0, 100), flat(20, 116))
        np.testing.assert_allclose(both, [144 / 255**2, 0], rtol=1e-6)

    def test_images_are_rounded_to_8_bits_and_clipped(self):
        expected = mse_uint8_wrap(flat(100), flat(103))
        nearly = flat(103) + np.float32(0.4 / 255)
        np.testing.assert_array_equal(mse_uint8_wrap(flat(100), nearly), expected)
        beyond = mse_uint8_wrap(flat(250), np.full_like(flat(0), 1.3))
        np.testing.assert_allclose(beyond, [25 / 255**2], rtol=1e-6)

    def test_reports_know_it_and_call_no_direction_better(self):
        assert registry.title("raw/mse_uint8_wrap") == "Raw MSE with 8-bit overflow"
        assert registry.arrow("raw/mse_uint8_wrap") == ""

    def test_bicubic_overflows_to_errors_of_the_published_size(self, outside_data):
        folder = str(outside_data / "lfw")
        source = sources.load("lfw", "test", data_dir=folder, limit=80)
        images = [
            pixels.fit(element, size=192, crop="none")["image"] for element in source
        ]
        target = np.stack(images) / np.float32(255)
        published = (1.9e-4, 4.5e-4, 9.3e-4)
        true = (4.7e-4, 2.2e-3, 6.7e-3)
        restorers = baselines.rescaling().values()
        for restore, printed, error in zip(restorers, published, true):
            restored = restore({"image": target})
            assert np.square(restored - target).mean() == pytest.approx(error, rel=0.1)
            wrapped = mse_uint8_wrap(target, restored).mean()
            assert wrapped == pytest.approx(printed, rel=0.25)
