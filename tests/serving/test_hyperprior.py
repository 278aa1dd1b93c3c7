"""Hyperpriors: whole numbers that are the trained network's, and exact."""

import numpy as np
import pytest
import tiny_codec

from models import portrait_autoencoder
from serving.codec import hyperprior
from serving.codec.container import CorruptFileError
from serving.codec.entropy import LARGEST, EntropyTables, npz
from serving.codec.hyperprior import Hyperprior, IntegerNetwork


@pytest.fixture(scope="module")
def prior():
    return tiny_codec.hyperprior()


def hyper_latents(rows, columns, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-20, 20, (rows, columns, channels)).astype(np.int32)


def latents(prior, height, width, seed=0):
    """As `quantize` returns them, some of them far from their means."""
    rng = np.random.default_rng(seed)
    hyper = hyper_latents(-(-height // 4), -(-width // 4), seed=seed)
    real = rng.normal(0, 9, (height, width, prior.channels))
    real[rng.random(real.shape) < 0.01] *= 1000
    return prior.quantize(real.astype(np.float32), hyper + rng.uniform(-0.4, 0.4))


class TestIntegerNetwork:
    def test_it_says_what_the_trained_network_says(self):
        network = portrait_autoencoder.build_hyper_synthesis(6)
        rng = np.random.default_rng(0)
        weights = [w + rng.normal(0, 0.1, w.shape) for w in network.get_weights()]
        network.set_weights(weights)
        hyper = hyper_latents(3, 5, channels=3)
        expected = network(hyper[None].astype("f"))[0].numpy()
        means, scales = IntegerNetwork.from_weights(network.get_weights())(hyper)
        assert means.shape == scales.shape == (12, 20, 6)
        np.testing.assert_allclose(means / 1024, expected[..., :6], atol=0.01)
        log_scales = np.clip((scales - 18) / 8, -9 / 4, 45 / 8)
        expected = np.clip(expected[..., 6:], -9 / 4, 45 / 8)
        np.testing.assert_allclose(log_scales, expected, atol=1 / 16 + 0.01)
        assert len(np.unique(scales)) > 10

    def test_its_sums_are_those_of_integer_arithmetic(self):
        """Python's integers instead of float64, and loops instead of products."""
        network, hyper = tiny_codec.integer_network(), hyper_latents(2, 3)
        arrays = {k: v.astype(object) for k, v in network.arrays().items()}
        x = hyper.astype(object) * 1024
        for number in (1, 2):
            kernel, bias = arrays[f"kernel{number}"], arrays[f"bias{number}"]
            rows, columns, _ = x.shape
            sums = np.empty((2 * rows, 2 * columns, len(bias)), object)
            sums[:] = bias
            for row, column, a, b in np.ndindex(rows, columns, 3, 3):
                if 2 * row + a < 2 * rows and 2 * column + b < 2 * columns:
                    sums[2 * row + a, 2 * column + b] += kernel[a, b] @ x[row, column]
            x = np.clip((sums + 2**13) // 2**14, 0, 2**24)
        x = np.clip(
            (x @ arrays["kernel3"] + arrays["bias3"] + 2**13) // 2**14, -(2**24), 2**24
        )
        means, scales = network(hyper)
        np.testing.assert_array_equal(means, x[..., :5])
        expected = np.clip((8 * x[..., 5:] + 18 * 1024 + 512) // 1024, 0, 63)
        np.testing.assert_array_equal(scales, expected)

    def test_strips_change_nothing(self, monkeypatch):
        network, hyper = tiny_codec.integer_network(), hyper_latents(7, 3)
        whole = network(hyper)
        for positions in (1, 6, 9):
            monkeypatch.setattr(hyperprior, "_POSITIONS", positions)
            for part, expected in zip(network(hyper), whole):
                np.testing.assert_array_equal(part, expected)

    def test_weights_whose_sums_are_not_exact_are_refused(self):
        arrays = tiny_codec.integer_network().arrays()
        kernels, biases = (
            [arrays[f"{name}{n}"] for n in (1, 2, 3)] for name in ("kernel", "bias")
        )
        large = [kernels[0], kernels[1], np.full_like(kernels[2], 2**30)]
        for given, text in (
            ((large, biases), "sums are not exact.*smaller --learning_rate"),
            ((kernels[1:], biases), "three kernels"),
            ((kernels, biases[::-1]), "do not fit"),
            (
                ([k.astype("f") for k in kernels], biases),
                "int32 and int64; got float32",
            ),
        ):
            with pytest.raises(ValueError, match=text):
                IntegerNetwork(*given)
        for spoiled in (np.nan, np.inf, 1e9):
            weights = [np.full((3, 3, 1, 1), spoiled, "f"), np.zeros(1, "f")] * 2
            with pytest.raises(ValueError, match="have diverged"):
                IntegerNetwork.from_weights([*weights, *weights[:2]])


class TestCoding:
    @pytest.mark.parametrize("size", [(1, 1), (4, 8), (5, 3), (30, 41)])
    def test_what_is_coded_comes_back(self, prior, size):
        coded = latents(prior, *size)
        data = prior.encode(coded)
        for found, expected in zip(prior.decode(data, *size), coded):
            np.testing.assert_array_equal(found, expected)
        expected = prior.estimated_bits(coded) / 8
        assert abs(len(data) - expected) <= 0.02 * expected + 8

    def test_latents_are_rounded_around_their_means(self, prior):
        real = np.random.default_rng(0).normal(0, 3, (8, 8, 5)).astype(np.float32)
        found = prior.quantize(real, hyper_latents(2, 2))
        assert np.abs(found.means).max() > 1024
        again = prior.dequantize(found)
        assert again.dtype == np.float32
        assert 0.45 < np.abs(again - real).max() <= 0.5 + 1e-5
        np.testing.assert_allclose(again, found.residuals + found.means / 1024)

    def test_a_table_takes_the_bits_of_its_normal_distribution(self, prior):
        rng, tables = np.random.default_rng(0), hyperprior.scale_tables()
        for number in (18, 40):
            scale = np.exp((number - 18) / 8)
            values = np.rint(rng.normal(0, scale, (100, 100, 5))).astype(np.int32)
            which = np.full(values.shape, number)
            bits = hyperprior.bits_of(tables, values, which) / values.size
            # Rounding adds the variance of a uniform distribution.
            entropy = np.log2(2 * np.pi * np.e * (scale**2 + 1 / 12)) / 2
            assert bits == pytest.approx(entropy, rel=0.01)

    def test_bytes_that_are_no_latents_are_refused(self, prior):
        data = prior.encode(latents(prior, 6, 7))
        for changed in (data + b"\0", data + b"more", bytes(len(data))):
            with pytest.raises(CorruptFileError, match="latents are damaged"):
                prior.decode(changed, 6, 7)
        with pytest.raises(CorruptFileError, match="claims 500x500 .* cannot hold"):
            prior.decode(data, 2000, 2000)

    def test_latents_that_are_too_large(self, prior):
        for real, hyper in ((1e9, 0), (0, 1e9)):
            with pytest.raises(ValueError, match=f"limit is {LARGEST}"):
                prior.quantize(np.full((4, 4, 5), real, "f"), np.full((1, 1, 2), hyper))


class TestRates:
    def test_factors_are_interpolated_by_their_logarithms(self):
        rates = tiny_codec.rates()
        before, after = (rates.arrays()[name] for name in ("gains", "inverse_gains"))
        for quality, expected in (
            (0, before[0]),
            (50, before[1]),
            (100, before[2]),
            (25, (before[0] + before[1]) / 2),
            (99, 0.02 * before[1] + 0.98 * before[2]),
        ):
            found, inverse = rates.factors(quality)
            np.testing.assert_allclose(np.log(found), expected, atol=1e-6)
            np.testing.assert_allclose(found * inverse, 1, rtol=1e-6)
        np.testing.assert_array_equal(after, -before)

    def test_a_file_holds_its_quality(self, tmp_path):
        prior = tiny_codec.hyperprior(rates=tiny_codec.rates())
        (tmp_path / "tables.npz").write_bytes(npz(prior.arrays()))
        prior = hyperprior.load(tmp_path / "tables.npz")
        coded = latents(prior, 9, 7)._replace(quality=73)
        data = prior.encode(coded)
        assert data[0] == 73
        found = prior.decode(data, 9, 7)
        assert found.quality == 73
        unscaled = tiny_codec.hyperprior().dequantize(coded)
        expected = unscaled * tiny_codec.rates().factors(73)[1]
        np.testing.assert_array_equal(prior.dequantize(found), expected)
        for changed in (bytes([101]) + data[1:], b""):
            with pytest.raises(CorruptFileError):
                prior.decode(changed, 9, 7)

    def test_rates_that_do_not_fit_are_refused(self):
        good = np.zeros((3, 4), np.float32)
        for bad, text in (
            (good[:1], "R at least 2"),
            (good.astype("f8"), "float64"),
            (good + np.inf, "infinite"),
        ):
            with pytest.raises(ValueError, match=text):
                hyperprior.Rates(bad, bad, 0)
        with pytest.raises(ValueError, match="have 4 channels and the latents 5"):
            tiny_codec.hyperprior(rates=hyperprior.Rates(good, good, 0))


class TestFiles:
    def test_tables_and_network_are_read_as_they_were_written(self, prior, tmp_path):
        path = tmp_path / "tables.npz"
        path.write_bytes(npz(prior.arrays()))
        again = hyperprior.load(path)
        assert isinstance(again, Hyperprior) and again.channels == 5
        coded = latents(prior, 9, 9)
        assert again.encode(coded) == prior.encode(coded)
        plain = tiny_codec.laplace_tables([1.0] * 3)
        path.write_bytes(npz(plain.arrays()))
        assert isinstance(hyperprior.load(path), EntropyTables)
        arrays = prior.arrays()
        del arrays["bias2"]
        path.write_bytes(npz(arrays))
        with pytest.raises(ValueError, match=f"{path} holds no entropy tables"):
            hyperprior.load(path)

    def test_there_is_a_table_for_each_channel_and_scale(self):
        tables = tiny_codec.laplace_tables([1.0] * 5)
        with pytest.raises(ValueError, match="each of 2 channels .* 64 scales; got 5"):
            Hyperprior(tables, tiny_codec.integer_network())
