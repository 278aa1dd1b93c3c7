"""Tan's report: errors on other images, by spatial frequency, and with overflow."""

import dataclasses
import re
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_papers
from PIL import Image

from data_pipeline import pixels, sources
from data_pipeline.drawn_scenes import draw
from evaluation import baselines
from evaluation.metrics import registry
from evaluation.record import Evaluation
from experiments.portrait_autoencoder import report as other_images
from experiments.portrait_autoencoder import training
from experiments.portrait_autoencoder.report import mse_uint8_wrap
from experiments.portrait_autoencoder.system import SYSTEM

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
        lines = {series.label: series.ours for series in curve.series}
        assert lines == {
            "test images": True, "drawn scenes": False, "noise images": False
        }  # fmt: skip
        edges = other_images.bands(SIZE)
        for series in curve.series:
            assert (edges[1:-1] < series.x).all() and (series.x < edges[2:]).all()
            np.testing.assert_allclose(series.y, 0.25, rtol=1e-5)

    def test_the_seed_decides_scenes_and_noise(self, measured):
        row = measured.tables[0].rows[0]
        assert measure().tables[0].rows[0] == row
        other = measure(seed=1).tables[0].rows[0]
        same = [one == another for one, another in zip(other[1:], row[1:])]
        assert same == [True, False, False]

    def test_restorers_get_images_in_the_unit_range_and_keys_of_zeros(
        self, monkeypatch
    ):
        """A part at a time."""
        monkeypatch.setattr(other_images, "_AT_ONCE", 4)
        seen = []

        def watch(inputs):
            seen.append(inputs)
            return grayer(inputs)

        parts = measure({"ours": watch}).tables[0]
        assert (
            parts.rows
            == measure({"ours": grayer}, faces=faces(batch=10)).tables[0].rows
        )
        assert [len(inputs["image"]) for inputs in seen] == [4, 2, 4, 2, 4, 2]
        for inputs in seen:
            image, key = inputs["image"], inputs["key"]
            assert image.dtype == np.float32 and image.shape[1:] == (SIZE, SIZE, 3)
            assert 0 <= image.min() <= image.max() <= 1
            assert key.dtype == np.int32
            np.testing.assert_array_equal(key, np.zeros([len(image), 2]))

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

    def test_missing_images_and_broken_restorers_are_errors(self, tmp_path):
        for name in ("empty/notes.txt", "bad/one.jpg"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text("no image")
        for where, reason in {
            "absent": "--other_images.*it is not a folder",
            "empty": "--other_images.*none in it",
            "bad": "None of the 1 images of --other_images",
        }.items():
            with pytest.raises((FileNotFoundError, ValueError), match=reason):
                measure(folder=str(tmp_path / where))
        text = "'ours' returned NaN or infinity for test image 0"
        with pytest.raises(ValueError, match=text):
            measure({"ours": lambda inputs: inputs["image"] * np.nan})
        with pytest.raises(ValueError, match="There is no test image to measure"):
            measure(faces=iter(()))


class TestCrops:
    def test_they_are_the_middle_and_each_corner_in_turn(self):
        rows, columns = np.mgrid[0:96, 0:96].astype(np.uint8)
        image = np.stack([rows, columns, rows], axis=-1)
        middles, corners = other_images.crops(np.stack([image] * 5))
        # A third of the side, in cells of 16.
        assert middles.shape == corners.shape == (5, 32, 32, 3)
        np.testing.assert_array_equal(middles[3], image[32:64, 32:64])
        places = [crop[0, 0, :2].tolist() for crop in corners]
        assert places == [[0, 0], [0, 64], [64, 0], [64, 64], [0, 0]]

    def test_photographs_are_measured_by_the_network_at_any_size(self):
        config = tiny_papers.configure(SYSTEM, image_size=48)
        images = tiny.noise(8, 48)
        images[:, 16:32, 16:32] = 90  # nothing to lose
        split = tiny.split_of(images)
        network = training.build_network(config)
        restorers = {"ours": SYSTEM.restorer(network), **baselines.rescaling()}
        for name in ("lfw", "faces"):
            info = dataclasses.replace(split.source.info, name=name)
            source = dataclasses.replace(split.source, info=info)
            test = dataclasses.replace(split, source=source)
            data = types.SimpleNamespace(test=test)
            run = types.SimpleNamespace(
                config=config, data=data, network=network, system=SYSTEM
            )
            found = other_images.measure_crops(run, restorers)
            if name == "faces":
                assert not found.tables and not found.data
                continue
            (table,) = found.tables
            assert list(table.columns) == ["", "8 face crops", "8 corner crops"]
            assert [row[0] for row in table.rows] == list(restorers)
            middle, corner = (numbers(cell)[0] for cell in table.rows[1][1:])
            assert (middle, corner > 100) == (0, True)  # of bicubic 2x
            (part,) = found.data[other_images.OTHERS]
            middle, corner = (numbers(cell)[0] for cell in table.rows[0][1:])
            assert part["ratio"] == pytest.approx(corner / middle, rel=1e-2)
            assert (part["kind"], part["count"]) == ("photographs", 8)

    def test_the_ratio_is_that_of_the_means_with_an_interval(self, measured):
        (part,) = measured.data[other_images.OTHERS]
        assert (part["kind"], part["images"], part["faces"], part["count"]) == (
            "drawn", f"{COUNT} drawn scenes", f"{COUNT} test images", COUNT
        )  # fmt: skip
        faces_error, scenes_error = (
            numbers(cell)[0] for cell in measured.tables[0].rows[0][1:3]
        )
        assert part["ratio"] == pytest.approx(scenes_error / faces_error, rel=1e-2)
        assert part["low"] < part["ratio"] < part["high"]


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
        for size in (8, 9, 31, 250):
            noise = np.random.default_rng(0).random([1, size, size, 1])
            assert (other_images.by_band(noise, noise)[0] > 0).all()  # none is empty

    @pytest.mark.parametrize("size", [8, 33])
    def test_the_bands_sum_to_the_mean_squares_exactly(self, size):
        rng = np.random.default_rng(size)
        target = rng.random([20, size, size, 3])
        restored = target + 0.1 * rng.standard_normal(target.shape) - 0.05
        signal, error = other_images.by_band(target, restored)
        for found, power in ((signal, target), (error, target - restored)):
            square = np.square(power).mean(axis=(1, 2, 3))
            np.testing.assert_allclose(found.sum(axis=1), square, rtol=1e-12)
        # Images of one batch do not mix.
        alone = other_images.by_band(target[17:18], restored[17:18])[1]
        np.testing.assert_allclose(alone[0], error[17], rtol=1e-12)

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

    def test_sizes_and_shapes_that_do_not_fit_are_an_error(self):
        with pytest.raises(ValueError, match="at least 8 pixels.*got 7"):
            other_images.bands(7)
        shapes = (
            [(1, 16, 16, 3), (1, 16, 17, 3)],
            [(16, 16, 3)] * 2,
            [(1, 16, 20, 3)] * 2,
        )
        for one, other in shapes:
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

    def test_it_is_the_mean_of_each_image_in_8_bits(self):
        both = mse_uint8_wrap(flat(0, 100), flat(20, 116))
        np.testing.assert_allclose(both, [144 / 255**2, 0], rtol=1e-6)
        # Rounded, and clipped.
        nearly = flat(103) + np.float32(0.4 / 255)
        expected = mse_uint8_wrap(flat(100), flat(103))
        np.testing.assert_array_equal(mse_uint8_wrap(flat(100), nearly), expected)
        beyond = mse_uint8_wrap(flat(250), np.full_like(flat(0), 1.3))
        np.testing.assert_allclose(beyond, [25 / 255**2], rtol=1e-6)
        # No direction is better.
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
