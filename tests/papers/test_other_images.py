"""The report's part on images without faces, with restorers whose errors are known."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipeline.drawn_scenes import draw
from evaluation import baselines, tables
from evaluation.record import Evaluation
from evaluation.report import plots
from experiments.portrait_autoencoder import other_images
from tests.tiny import smooth

SIZE, COUNT = 32, 6


def faces(count=10, batch=4):
    """Stand-ins for test faces: batches of (inputs, target), in [0, 1]."""
    images = (smooth(count, SIZE) + 1) / 2
    for start in range(0, count, batch):
        target = tf.constant(images[start : start + batch])
        yield {"image": target, "key": tf.zeros([len(target), 2], tf.int32)}, target


def grayer(inputs):
    """Half way to 0.5: each band but the mean color loses a quarter of its power."""
    return 0.5 * inputs["image"] + 0.25


def keep(inputs):
    return inputs["image"]


def measure(restorers=None, **options):
    restorers = restorers or {"ours": grayer, "as it is": keep}
    options = {"size": SIZE, "seed": 0, "faces": faces(), "count": COUNT, **options}
    return other_images.measure(restorers, **options)


def numbers(cell):
    return [float(n) for n in re.findall(r"[\d.]+", cell)]


def power(cell):
    return float(cell.replace("−", "-"))


@pytest.fixture(scope="module")
def measured():
    return measure()


def test_every_restorer_has_its_errors_on_each_set_with_intervals(measured):
    mse, psnr, _ = measured.tables
    images = [
        f"{COUNT} {kind}" for kind in ("test images", "drawn scenes", "noise images")
    ]
    assert list(mse.columns) == list(psnr.columns) == ["", *images]
    assert [row[0] for row in mse.rows] == ["ours", "as it is"]
    assert mse.kinds == ["ours", "baseline"]
    expected = [
        np.concatenate([target for _, target in faces()])[:COUNT],
        np.stack([draw.draw(i, size=SIZE) for i in range(COUNT)]) / 255,
        np.stack([draw.noise(i, size=SIZE) for i in range(COUNT)]) / 255,
    ]
    for images, in_mse, in_psnr in zip(expected, mse.rows[0][1:], psnr.rows[0][1:]):
        error = np.square(0.5 * (images - 0.5)).mean(axis=(1, 2, 3))
        mean, low, high = numbers(in_mse)
        assert mean == pytest.approx(1e4 * error.mean(), abs=0.02)
        assert low < mean < high
        assert numbers(in_psnr)[0] == pytest.approx(
            (-10 * np.log10(error)).mean(), abs=0.02
        )
    assert numbers(mse.rows[1][1])[0] == 0


def test_the_bands_show_what_is_lost_and_sum_to_the_error(measured):
    errors, _, table = measured.tables
    assert [row[0] for row in table.rows] == [
        "mean color", "up to 1/8", "1/8 to 1/4", "1/4 and more",
    ]  # fmt: skip
    for place in range(3):
        columns = [
            [row[1 + 3 * place + part] for row in table.rows] for part in range(3)
        ]
        signal, error = ([power(cell) for cell in column] for column in columns[:2])
        assert columns[2][1:] == ["25.00"] * 3
        np.testing.assert_allclose(error[1:], np.array(signal[1:]) / 4, rtol=0.01)
        mse = numbers(errors.rows[0][1 + place])[0] / 1e4
        assert sum(error) == pytest.approx(mse, rel=0.01)


def test_the_chart_has_a_line_a_set_over_ascending_frequencies(measured):
    (curve,) = measured.curves
    assert [series.label for series in curve.series] == [
        "test images", "drawn scenes", "noise images",
    ]  # fmt: skip
    assert [series.ours for series in curve.series] == [True, False, False]
    edges = other_images.bands(SIZE)
    for series in curve.series:
        assert all(
            low < x < high for low, x, high in zip(edges[1:], series.x, edges[2:])
        )
        np.testing.assert_allclose(series.y, 0.25, rtol=1e-5)
    assert plots.png(curve).startswith(b"\x89PNG")


def test_numbers_of_the_tables_are_set_as_numbers(measured):
    for table in measured.tables:
        numeric = tables.numeric_columns(table.columns, table.rows)
        assert numeric == [False] + [True] * (len(table.columns) - 1)


def test_the_same_seed_gives_the_same_and_another_one_others(measured):
    again, other = measure(), measure(seed=1)
    assert [dataclasses.asdict(t) for t in again.tables] == [
        dataclasses.asdict(t) for t in measured.tables
    ]
    same, scenes, noise = (
        one == another
        for one, another in zip(
            other.tables[0].rows[0][1:], again.tables[0].rows[0][1:]
        )
    )
    assert (same, scenes, noise) == (True, False, False)


def test_restorers_get_images_in_the_unit_range_and_keys_of_zeros():
    seen = []

    def watch(inputs):
        seen.append(inputs)
        return inputs["image"]

    measure({"watch": watch})
    assert [len(inputs["image"]) for inputs in seen] == [4, 2, 6, 6]
    for inputs in seen:
        assert set(inputs) == {"image", "key"}
        assert inputs["image"].dtype == np.float32
        assert inputs["image"].shape[1:] == (SIZE, SIZE, 3)
        assert 0 <= inputs["image"].min() <= inputs["image"].max() <= 1
        assert inputs["key"].dtype == np.int32
        np.testing.assert_array_equal(
            inputs["key"], np.zeros([len(inputs["image"]), 2])
        )


def test_more_images_than_fit_at_once_are_all_measured(monkeypatch):
    monkeypatch.setattr(other_images, "_AT_ONCE", 4)
    parts = measure(count=9).tables[0]
    assert list(parts.columns)[1:] == [
        "9 test images",
        "9 drawn scenes",
        "9 noise images",
    ]
    together = measure(count=9, faces=faces(batch=9))
    assert together.tables[0].rows == parts.rows


def test_baselines_and_tensors_are_welcome():
    restorers = {
        "ours": tf.function(lambda inputs: tf.clip_by_value(inputs["image"], 0.1, 0.9)),
        **baselines.rescaling(),
    }
    table = measure(restorers).tables[0]
    on_noise = [numbers(row[3])[0] for row in table.rows]
    assert on_noise[1:] == sorted(on_noise[1:])


def test_a_folder_takes_the_place_of_the_scenes(tmp_path, capsys):
    for number in range(8):
        below = tmp_path / "lamps" / str(number)
        below.mkdir(parents=True)
        image = draw.draw(number, size=64)[:48]  # not square
        Image.fromarray(image).save(below / "picture.png")
    (tmp_path / "lamps" / "0" / "picture.png").write_bytes(b"not an image")
    found = measure(folder=str(tmp_path / "lamps"), count=100)
    assert found.tables[0].columns[2] == "7 other images"
    assert "Other images are those of the folder lamps." in found.tables[0].note
    assert "0/picture.png: not a readable image" in capsys.readouterr().err
    limited = measure(folder=str(tmp_path / "lamps"), count=3)
    assert limited.tables[0].columns[2] in ("2 other images", "3 other images")


@pytest.mark.parametrize("where", ["absent", "empty"])
def test_a_folder_without_images_is_an_error_that_names_the_flag(where, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no image")
    reason = {"absent": "it is not a folder", "empty": "none in it"}[where]
    with pytest.raises(FileNotFoundError, match=f"--other_images=.*{where}.*{reason}"):
        measure(folder=str(tmp_path / where))


def test_a_folder_of_damaged_images_is_an_error_that_names_the_flag(tmp_path):
    (tmp_path / "one.jpg").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"None of the 1 images of --other_images"):
        measure(folder=str(tmp_path))


def test_broken_restorers_and_missing_images_are_errors():
    with pytest.raises(
        ValueError, match="'ours' returned NaN or infinity for test image 0"
    ):
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
