"""Latents to bytes and back: exactly, at the price that the tables name."""

import numpy as np
import pytest
import tensorflow_compression as tfc
from tiny_codec import laplace_tables

from serving.codec import entropy
from serving.codec.container import CorruptFileError
from serving.codec.entropy import LARGEST, EntropyTables

SPREADS = (0.2, 1.0, 3.0, 30.0)
REACH = 12


@pytest.fixture(scope="module")
def tables():
    return laplace_tables(SPREADS, reach=REACH)


def laplace(spread, shape=(24, 20, 4), seed=0):
    rng = np.random.default_rng(seed)
    return np.rint(rng.laplace(0, spread, shape)).astype(np.int32)


def column(values):
    """Every channel has these values, position after position."""
    values = np.asarray(values, np.int32)
    return np.tile(values[:, None, None], (1, 1, len(SPREADS)))


def assert_coded(tables, latents):
    """It comes back, and costs what it should. Returns the bytes."""
    data = tables.encode(latents)
    decoded = tables.decode(data, *latents.shape[:2])
    assert decoded.dtype == np.int32
    np.testing.assert_array_equal(decoded, latents)
    expected = tables.estimated_bits(latents) / 8
    assert abs(len(data) - expected) <= 0.001 * expected + 4
    return data


class TestRoundTrip:
    @pytest.mark.parametrize("spread", [0, 0.3, 1, 5, 40, 1000, 1e6])
    def test_latents_of_any_spread(self, tables, spread):
        assert_coded(tables, laplace(spread))

    def test_every_value_around_the_edges_of_the_tables(self, tables):
        assert_coded(tables, column(np.arange(-REACH - 600, REACH + 600)))

    def test_the_farthest_values_and_all_powers_of_two(self, tables):
        powers = 2 ** np.arange(25)
        values = np.concatenate([powers, powers[1:] - 1, powers[:-1] + 1])
        values = np.concatenate([values, -values, values - REACH, REACH - values])
        values = values[np.abs(values) <= LARGEST]
        assert values.max() == LARGEST and values.min() == -LARGEST
        assert_coded(tables, column(values))

    def test_values_are_coded_in_parts(self, tables, monkeypatch):
        monkeypatch.setattr(entropy, "_VALUES_AT_ONCE", 50)
        assert_coded(tables, laplace(15))

    @pytest.mark.parametrize("precision", range(1, 17))
    def test_any_precision(self, precision):
        ends = {1: [0, 1, 2], 2: [0, 1, 3, 4]}.get(precision, [0, 2, 5, 7, 8])
        cdf = np.array(ends, np.int32) * 2 ** max(precision - 3, 0)
        other = np.array([0, *ends[-2:]], np.int32) * 2 ** max(precision - 3, 0)
        tables = EntropyTables([cdf, other, cdf], np.int32([-1, 0, 0]), precision)
        assert_coded(tables, laplace(1, (40, 30, 3)))

    def test_many_likely_latents_fit_into_few_bytes(self):
        cdf = np.array([0, 65534, 65535, 65536], np.int32)
        tables = EntropyTables([cdf] * 3, np.int32([0, 0, 0]), 16)
        data = assert_coded(tables, np.zeros((900, 900, 3), np.int32))
        assert len(data) < 20


def test_the_format_does_not_move():
    cdf = np.array([0, 5, 11, 14, 16], np.int32)
    tables = EntropyTables([cdf, cdf], np.int32([-1, 0]), 4)
    latents = np.int32([[[0, 0], [-1, 2], [900, -7]], [[1, 1], [-5, 0], [0, 70000]]])
    assert tables.encode(latents).hex() == "5832a91c02975db19b3813b8"


def test_bits_are_those_of_the_tables():
    tables = EntropyTables([np.int32([0, 2, 3, 4])], np.int32([5]), 2)
    cases = {5: 1, 6: 2}  # half, a quarter
    # A quarter for the escape; one side, distances 1, 2 to 3, 4 to 7 ... half as likely
    # each, and their digits.
    cases.update({7: 2 + 2, 4: 2 + 2, 8: 2 + 3 + 1, 9: 2 + 3 + 1, 1: 2 + 4 + 2})
    for value, bits in cases.items():
        found = tables.estimated_bits(np.full((3, 2, 1), value, np.int32))
        assert found == pytest.approx(6 * bits, rel=0.001)


class TestRefusals:
    @pytest.mark.parametrize("value", [LARGEST + 1, -LARGEST - 1, -(2**31), 2**31 - 1])
    def test_latents_over_the_limit(self, tables, value):
        latents = laplace(1)
        latents[3, 4, 2] = value
        for take in (tables.encode, tables.estimated_bits):
            with pytest.raises(ValueError, match=f"-{LARGEST} to {LARGEST}; got int32"):
                take(latents)

    @pytest.mark.parametrize(
        "shape, dtype, text",
        [
            ((4, 5, 3), np.int32, r"must be \[H, W, 4\], .* got \[4, 5, 3\]"),
            ((4, 5), np.int32, r"got \[4, 5\]"),
            ((0, 5, 4), np.int32, r"got \[0, 5, 4\]"),
            ((1, 4, 5, 4), np.int32, r"got \[1, 4, 5, 4\]"),
            ((2, 3, 4), np.float32, "must be int32.*got float32"),
        ],
    )
    def test_other_shapes_and_types(self, tables, shape, dtype, text):
        with pytest.raises(ValueError, match=text):
            tables.encode(np.zeros(shape, dtype))

    @pytest.mark.parametrize(
        "cdfs, offsets, precision, why",
        [
            ([[0, 1, 4]], [0], 0, "precision must be 1 to 16; got 0"),
            ([[0, 1, 2**17]], [0], 17, "precision must be 1 to 16; got 17"),
            ([], [], 2, "must have an offset; got 0 tables"),
            ([[0, 1, 4]], [0, 0], 2, r"must have an offset; got 1 tables .*\[2\]"),
            ([[0, 1, 4], [1, 2, 4]], [0, 0], 2, "channel 1 must increase from 0 to 4"),
            ([[0, 1, 3]], [0], 2, "channel 0 must increase"),
            ([[0, 1, 1, 4]], [0], 2, "channel 0 must increase"),
            ([[0, 3, 1, 4]], [0], 2, "channel 0 must increase"),
            ([[0, 4]], [0], 2, "hold a value and the escape"),
            ([[]], [0], 2, "channel 0 must increase"),
            ([[0, 1, 4]], [-(2**31)], 2, "must stay within"),
            ([[0, 1, 4]], [2**20], 2, "must stay within"),
        ],
    )
    def test_what_is_no_table(self, cdfs, offsets, precision, why):
        cdfs = [np.array(cdf, np.int32) for cdf in cdfs]
        with pytest.raises(ValueError, match=why):
            EntropyTables(cdfs, np.array(offsets, np.int32), precision)


class TestHostileBytes:
    """Whatever the bytes are, decoding ends, with an error or with what they mean."""

    @staticmethod
    def assert_refused_or_meant(tables, data, height, width):
        try:
            latents = tables.decode(data, height, width)
        except CorruptFileError:
            return False
        assert latents.shape == (height, width, tables.channels)
        assert tables.encode(latents) == data
        return True

    @pytest.mark.parametrize("byte", [0, 1, 127, 128, 254, 255])
    def test_the_same_byte_again_and_again(self, tables, byte):
        for length in (0, 1, 2, 3, 4, 60, 5000):
            self.assert_refused_or_meant(tables, bytes([byte]) * length, 7, 9)

    def test_escapes_at_the_end_of_the_bytes(self):
        # With tables that hold next to nothing everything is an escape, whose digits
        # are still to come when the bytes end.
        cdf = np.array([0, 1, 4096], np.int32)
        tables = EntropyTables([cdf], np.int32([0]), 12)
        rng = np.random.default_rng(0)
        for length in range(40):
            self.assert_refused_or_meant(tables, rng.bytes(length), 3, 4)
        # The escape, and nothing: tensorflow-compression's own decoder never returns.
        self.assert_refused_or_meant(tables, b"\x00\x10", 1, 1)

    def test_mutations_are_refused(self, tables):
        rng = np.random.default_rng(0)
        data = tables.encode(laplace(np.array([0.2, 1, 9, 30])))
        meant = 0
        for number in range(300):
            changed, place = bytearray(data), rng.integers(len(data))
            if number % 3 == 0:
                changed[place] ^= 1 << rng.integers(8)
            elif number % 3 == 1:
                del changed[place:]
            else:
                changed += rng.bytes(rng.integers(1, 9))
            meant += self.assert_refused_or_meant(tables, bytes(changed), 24, 20)
        # A flipped bit often means other latents of the same length: only the file's
        # checksum tells. A cut or an end that does not belong always shows.
        assert meant < 100


class TestFiles:
    def test_tables_come_back(self, tables, tmp_path):
        path = tmp_path / "tables.npz"
        path.write_bytes(entropy.npz(tables.arrays()))
        again = EntropyTables.load(path)
        for name, array in tables.arrays().items():
            np.testing.assert_array_equal(again.arrays()[name], array, strict=True)
        assert again.encode(laplace(9)) == tables.encode(laplace(9))

    @pytest.mark.parametrize(
        "changes, why",
        [
            ({"cdf": None}, "KeyError"),
            ({"cdf": np.zeros(99, np.int64)}, "an array is not int32"),
            ({"length": np.int32([1, 2])}, "lengths do not add up"),
            ({"length": np.int32([-1, 100])}, "lengths do not add up"),
            ({"offset": np.zeros(3, np.int32)}, "must have an offset"),
            ({"precision": np.int32(11)}, "increase from 0 to 2048"),
            ({"precision": np.int32([12, 12])}, "TypeError"),
            ({"cdf": np.array([{}])}, "allow_pickle=False"),
        ],
    )
    def test_other_files_are_errors(self, tables, tmp_path, changes, why):
        arrays = {**tables.arrays(), **changes}
        arrays = {k: v for k, v in arrays.items() if v is not None}
        (tmp_path / "x.npz").write_bytes(entropy.npz(arrays))
        with pytest.raises(ValueError, match=f"x.npz holds no entropy tables.*{why}"):
            EntropyTables.load(tmp_path / "x.npz")


class TestFromModel:
    @staticmethod
    def model(**options):
        # Tables of several lengths; other priors take seconds.
        prior = tfc.NoisyLogistic(loc=[0.0, 0.3, -4.0], scale=[0.01, 2.0, 7.0])
        return tfc.ContinuousBatchedEntropyModel(
            prior, coding_rank=3, compression=True, **options
        )

    def test_it_costs_what_the_model_says(self):
        model = self.model(offset_heuristic=False)
        tables = EntropyTables.from_model(model)
        assert tables.channels == 3
        rng = np.random.default_rng(0)
        latents = rng.logistic([0.0, 0.3, -4.0], [0.01, 2.0, 7.0], (60, 50, 3))
        latents = np.rint(latents).astype(np.int32)
        data = assert_coded(tables, latents)
        _, bits = model(latents[None].astype(np.float32), training=False)
        assert abs(len(data) - float(bits[0]) / 8) <= 0.02 * len(data) + 64
        theirs = model.compress(latents[None].astype(np.float32)).numpy()[0]
        assert len(data) < 1.002 * len(theirs) + 4

    def test_an_offset_is_refused(self):
        with pytest.raises(ValueError, match="Build it with offset_heuristic=False"):
            EntropyTables.from_model(self.model())
