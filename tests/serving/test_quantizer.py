"""Latents as levels of a few bits, fitted to a training set."""

import numpy as np
import pytest
import tiny

from serving.codec import quantizer as module
from serving.codec.entropy import EntropyTables, npz
from serving.codec.quantizer import Quantizer


def gaussian(images=4000, spreads=(0.1, 1.0, 3.0), seed=0):
    shape = (images, len(spreads))
    return np.random.default_rng(seed).normal(0.5, spreads, shape).astype("f")


class TestFit:
    @pytest.mark.parametrize("bits", [1, 4, 6, 8])
    def test_a_value_inside_is_within_half_a_step(self, bits):
        latents = gaussian()
        quantizer = Quantizer.fit(latents, bits)
        low, high = np.percentile(latents, (0.1, 99.9), axis=0)
        inside = latents.clip(low, high)
        levels = quantizer.quantize(inside)
        assert levels.dtype == np.int32
        np.testing.assert_array_equal(levels.min(axis=0), 0)
        np.testing.assert_array_equal(levels.max(axis=0), 2**bits - 1)
        found = quantizer.dequantize(levels)
        assert found.dtype == np.float32
        half = (high - low) / (2**bits - 1) / 2
        assert np.all(np.abs(found - inside) <= half * 1.001)
        np.testing.assert_array_equal(quantizer.quantize(found), levels)

    def test_what_is_outside_takes_the_last_level(self):
        levels = Quantizer.fit(gaussian(), 4).quantize(np.float32([[-1e30, 1e30, 99]]))
        np.testing.assert_array_equal(levels, [[0, 15, 15]])

    def test_a_few_extreme_faces_do_not_widen_the_steps(self):
        latents = gaussian()
        latents[:3] = 1e6
        found = Quantizer.fit(latents, 4).dequantize(np.full(3, 15))
        assert np.all(found < 0.5 + 4 * np.array([0.1, 1.0, 3.0]))

    def test_levels_that_never_occurred_are_coded(self):
        latents = np.repeat(np.float32([[0.0], [1.0]]), 500, axis=0)
        tables = Quantizer.fit(latents, 8).tables
        levels = np.arange(256, dtype=np.int32).reshape(1, 256, 1)
        data = tables.encode(levels)
        np.testing.assert_array_equal(tables.decode(data, 1, 256), levels)
        # The escape, which no level takes, has next to nothing of the table.
        often = tables.estimated_bits(levels[:, [0, 255]])
        assert often == pytest.approx(2 * np.log2((1000 + 128) / 500.5), abs=0.01)

    def test_collapsed_latents_cost_nothing_and_keep_their_value(self):
        latents = gaussian(spreads=[1.0] + [0.001] * 499 + [0.0])
        quantizer = Quantizer.fit(latents, 8)
        np.testing.assert_array_equal(quantizer.levels, [256] + [1] * 500)
        levels = quantizer.quantize(latents[:1])
        bits = quantizer.tables.estimated_bits(levels[None])
        assert 5 < bits < 16 and len(quantizer.tables.encode(levels[None])) < 6
        found = quantizer.dequantize(levels)[0]
        np.testing.assert_allclose(found[1:], 0.5, atol=1e-3)
        assert found[-1] == latents[0, -1]

    @pytest.mark.parametrize("bits", [4, 8])
    def test_deviations_are_those_of_the_training_set(self, bits):
        latents = np.random.default_rng(0).normal(3, [0.5, 2.0, 0.0], [20_000, 3])
        found = Quantizer.fit(latents.astype("f"), bits).deviations()
        np.testing.assert_allclose(found, [0.5, 2.0, 0.0], rtol=0.05)

    @pytest.mark.parametrize(
        "latents, bits, text",
        [
            (gaussian(9), 0, "bits must be 1 to 8; got 0"),
            (gaussian(9), 9, "bits must be 1 to 8; got 9"),
            (np.zeros(5), 4, r"must be \[N, L\] finite.*Encode the"),
            (np.zeros((0, 5)), 4, r"got \[0, 5\]"),
            (np.full((2, 5), np.nan), 4, "finite"),
            (np.zeros((2, 3, 4)), 4, r"got \[2, 3, 4\]"),
        ],
    )
    def test_what_is_no_training_set(self, latents, bits, text):
        with pytest.raises(ValueError, match=text):
            Quantizer.fit(latents, bits)

    def test_images_are_taken_evenly_and_not_too_many(self, monkeypatch):
        monkeypatch.setattr(module, "MOST_IMAGES", 10)
        for count, expected in ((10, range(10)), (25, range(0, 25, 3))):
            numbers = np.arange(count, dtype=np.uint8)[:, None, None, None]
            split = tiny.split_of(np.broadcast_to(numbers, [count, 2, 2, 3]))
            taken = module.fitted_images(split)
            assert taken[:, 0, 0, 0].tolist() == list(expected)


@pytest.mark.parametrize(
    "change, why",
    [
        ({"low": np.zeros(2, "f")}, r"float32 \[3\], .* got float32 \[2\]"),
        ({"high": np.ones(3)}, r"got float32 \[3\] and float64 \[3\]"),
        ({"low": np.float32([0, np.nan, 0])}, "must be finite"),
        ({"low": np.float32([0, 9, 0]), "high": np.float32([1, 8, 0])}, "end above"),
        ({"high": np.float32([1, 1, 5])}, "without length"),
        ({"high": np.float32([1, 0, 0])}, "end above"),
        ({"offsets": np.int32([0, 1, 0])}, "begin at level 0"),
    ],
)
def test_parts_that_do_not_fit(change, why):
    cdfs = [np.int32([0, 5, 12, 16])] * 2 + [np.int32([0, 15, 16])]
    parts = {"low": np.zeros(3, "f"), "high": np.float32([1, 1, 0]), **change}
    offsets = parts.pop("offsets", np.zeros(3, np.int32))
    with pytest.raises(ValueError, match=why):
        Quantizer(**parts, tables=EntropyTables(cdfs, offsets, 4))


class TestFiles:
    def test_it_comes_back(self, tmp_path):
        latents, path = gaussian(), tmp_path / "quantizer.npz"
        quantizer = Quantizer.fit(latents, 6)
        path.write_bytes(npz(quantizer.arrays()))
        again = Quantizer.load(path)
        for name, array in quantizer.arrays().items():
            np.testing.assert_array_equal(again.arrays()[name], array, strict=True)
        levels = again.quantize(latents[:9])
        np.testing.assert_array_equal(levels, quantizer.quantize(latents[:9]))

    def test_damaged_and_other_files_are_errors(self, tmp_path):
        path = tmp_path / "quantizer.npz"
        with pytest.raises(FileNotFoundError, match=r"quantizer\.npz"):
            Quantizer.load(path)
        quantizer = Quantizer.fit(gaussian(200), 4)
        path.write_bytes(npz(quantizer.arrays()))
        data = path.read_bytes()
        for length in range(0, len(data), 31):
            path.write_bytes(data[:length])
            with pytest.raises(ValueError, match=r"quantizer\.npz holds no .*Export"):
                Quantizer.load(path)
        path.write_bytes(npz(quantizer.tables.arrays()))
        with pytest.raises(ValueError, match=r"no quantizer \(KeyError.*Export the"):
            Quantizer.load(path)
        path.write_bytes(npz({**quantizer.arrays(), "low": np.zeros(2, "f")}))
        with pytest.raises(ValueError, match=r"no quantizer \(ValueError: The ends"):
            Quantizer.load(path)
