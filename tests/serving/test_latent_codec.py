"""Latents as levels of a few bits, and pictures in files of them."""

import io

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
from PIL import Image
from tiny_codec import mutate, picture

from data_pipeline import pixels
from serving.codec import container
from serving.codec.container import CorruptFileError, ForeignFileError, Header
from serving.codec.entropy import EntropyTables
from serving.codec.image_codec import identify
from serving.codec.latent_codec import LatentCodec
from serving.codec.quantizer import Quantizer

SIZE, LATENTS = 16, 40
SIZES = [(16, 16), (1, 1), (1, 300), (300, 1), (45, 61), (218, 178)]


def gaussian(images=4000, spreads=(0.1, 1.0, 3.0), seed=0):
    shape = (images, len(spreads))
    return np.random.default_rng(seed).normal(0.5, spreads, shape).astype("f")


def networks(seed=0):
    """A projection of the image's pixels, and its transpose."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(SIZE * SIZE * 3, LATENTS)))
    basis = basis.astype("f")

    def encoder(image):
        return tf.reshape(image - 0.5, [1, -1]) @ basis

    def decoder(latents):
        return tf.reshape(latents @ basis.T, [1, SIZE, SIZE, 3]) + 0.5

    return encoder, decoder, basis


def build(bits=6, seed=0, **options):
    encoder, decoder, basis = networks(seed)
    faces = [pixels.bytes_to_unit(picture(SIZE, SIZE, n))[None] for n in range(150)]
    latents = np.concatenate([encoder(face) for face in faces])
    quantizer = Quantizer.fit(latents, bits)
    model_id = identify([basis], quantizer)
    options = {"image_size": SIZE, **options}
    return LatentCodec(encoder, decoder, quantizer, model_id, **options)


@pytest.fixture(scope="module")
def codec():
    return build()


def gray(image):
    return image[..., :1].repeat(3, axis=-1)


class TestQuantizer:
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
        quantizer = Quantizer.fit(gaussian(), 4)
        levels = quantizer.quantize(np.float32([[-1e30, 1e30, 99]]))
        np.testing.assert_array_equal(levels, [[0, 15, 15]])

    def test_a_few_extreme_faces_do_not_widen_the_steps(self):
        latents = gaussian()
        latents[:3] = 1e6
        found = Quantizer.fit(latents, 4).dequantize(np.full(3, 15))
        assert np.all(found < 0.5 + 4 * np.array([0.1, 1.0, 3.0]))

    def test_other_faces_cost_the_entropy_of_the_levels(self):
        quantizer = Quantizer.fit(gaussian(20000), 6)
        levels = quantizer.quantize(gaussian(20000, seed=1))
        entropy = 0.0
        for column in levels.T:
            share = np.bincount(column) / len(column)
            entropy -= (share[share > 0] * np.log2(share[share > 0])).sum()
        bits = quantizer.tables.estimated_bits(levels[None]) / len(levels)
        assert entropy < bits < 1.01 * entropy < 0.92 * 6 * 3

    def test_levels_that_never_occurred_are_coded(self):
        latents = np.repeat(np.float32([[0.0], [1.0]]), 500, axis=0)
        quantizer = Quantizer.fit(latents, 8)
        levels = np.arange(256, dtype=np.int32).reshape(1, 256, 1)
        data = quantizer.tables.encode(levels)
        np.testing.assert_array_equal(quantizer.tables.decode(data, 1, 256), levels)
        # The escape, which no level takes, has next to nothing of the table.
        often = quantizer.tables.estimated_bits(levels[:, [0, 255]])
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

    def test_latents_that_all_are_constant(self):
        quantizer = Quantizer.fit(np.full((3, 5), 0.25, "f"), 4)
        found = quantizer.dequantize(quantizer.quantize(np.zeros((2, 5), "f")))
        np.testing.assert_array_equal(found, 0.25)

    @pytest.mark.parametrize("bits", [0, 9])
    def test_other_bits_are_refused(self, bits):
        with pytest.raises(ValueError, match=f"bits must be 1 to 8; got {bits}"):
            Quantizer.fit(gaussian(), bits)

    @pytest.mark.parametrize(
        "latents",
        [np.zeros(5), np.zeros((0, 5)), np.full((2, 5), np.nan), np.zeros((2, 3, 4))],
    )
    def test_what_is_no_training_set(self, latents):
        with pytest.raises(ValueError, match=r"must be \[N, L\] finite.*Encode the"):
            Quantizer.fit(latents, 4)

    @pytest.mark.parametrize(
        "change, why",
        [
            ({"low": np.zeros(2, "f")}, r"float32 \[3\], .* got float32 \[2\]"),
            ({"high": np.ones(3)}, r"got float32 \[3\] and float64 \[3\]"),
            ({"low": np.float32([0, np.nan, 0])}, "must be finite"),
            (
                {"low": np.float32([0, 9, 0]), "high": np.float32([1, 8, 0])},
                "end above",
            ),
            ({"high": np.float32([1, 1, 5])}, "without length"),
            ({"high": np.float32([1, 0, 0])}, "end above"),
            ({"offsets": np.int32([0, 1, 0])}, "begin at level 0"),
        ],
    )
    def test_parts_that_do_not_fit(self, change, why):
        cdfs = [np.int32([0, 5, 12, 16])] * 2 + [np.int32([0, 15, 16])]
        parts = {"low": np.zeros(3, "f"), "high": np.float32([1, 1, 0]), **change}
        offsets = parts.pop("offsets", np.zeros(3, np.int32))
        with pytest.raises(ValueError, match=why):
            Quantizer(**parts, tables=EntropyTables(cdfs, offsets, 4))


class TestQuantizerFiles:
    def test_it_comes_back(self, tmp_path):
        latents, path = gaussian(), tmp_path / "export" / "quantizer.npz"
        quantizer = Quantizer.fit(latents, 6)
        quantizer.save(path)
        again = Quantizer.load(path)
        for name, array in quantizer.arrays().items():
            np.testing.assert_array_equal(again.arrays()[name], array, strict=True)
        levels = again.quantize(latents[:9])
        np.testing.assert_array_equal(levels, quantizer.quantize(latents[:9]))

    def test_damaged_and_other_files_are_errors(self, tmp_path):
        path = tmp_path / "quantizer.npz"
        quantizer = Quantizer.fit(gaussian(200), 4)
        quantizer.save(path)
        data = path.read_bytes()
        for length in range(0, len(data), 31):
            path.write_bytes(data[:length])
            with pytest.raises(ValueError, match=r"quantizer\.npz holds no .*Export"):
                Quantizer.load(path)
        quantizer.tables.save(path)
        with pytest.raises(ValueError, match=r"no quantizer \(KeyError.*Export the"):
            Quantizer.load(path)
        buffer = io.BytesIO()
        np.savez(buffer, **{**quantizer.arrays(), "low": np.zeros(2, "f")})
        path.write_bytes(buffer.getvalue())
        with pytest.raises(ValueError, match=r"no quantizer \(ValueError: The ends"):
            Quantizer.load(path)

    def test_a_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"quantizer\.npz"):
            Quantizer.load(tmp_path / "quantizer.npz")


class TestRoundTrip:
    @pytest.mark.parametrize("look", [lambda image: image, gray], ids=["color", "gray"])
    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_decoded_is_the_networks_own_picture(self, codec, size, look):
        image = look(picture(*size))
        decoded = codec.decompress(codec.compress(image))
        assert decoded.shape == image.shape and decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, codec.reconstruct(image))
        if look is gray:
            np.testing.assert_array_equal(decoded, gray(decoded))

    def test_it_is_what_the_network_says_of_quantized_latents(self, codec):
        image = picture(SIZE, SIZE, 900)
        encoder, decoder, _ = networks()
        latents = encoder(pixels.bytes_to_unit(image)[None]).numpy()
        found = codec._quantizer.dequantize(codec.quantize(image)[0])
        assert 0 < np.abs(found - latents).max() < 0.2
        expected = pixels.unit_to_bytes(decoder(found))[0]
        np.testing.assert_array_equal(codec.reconstruct(image), expected)

    def test_other_sizes_are_resized_there_and_back(self, codec):
        image = picture(90, 50)
        small = Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        small = np.asarray(small)
        np.testing.assert_array_equal(codec.quantize(image), codec.quantize(small))
        large = pixels.resize(codec.reconstruct(small), 90, 50)
        np.testing.assert_array_equal(codec.reconstruct(image), large)
        header, _ = container.unpack(codec.compress(image), codec.model_id)
        assert header == Header(width=50, height=90, gray=False)

    def test_more_bits_are_more_bytes_and_nearer_to_the_network(self):
        encoder, decoder, _ = networks()
        image = picture(SIZE, SIZE, 900)
        drawn = decoder(encoder(pixels.bytes_to_unit(image)[None]))
        exact = pixels.unit_to_bytes(drawn)[0].numpy().astype(int)
        codecs = [build(bits) for bits in (2, 4, 6, 8)]
        sizes = [len(codec.compress(image)) for codec in codecs]
        errors = [np.abs(codec.reconstruct(image) - exact).mean() for codec in codecs]
        assert np.all(np.diff(sizes) > 0) and np.all(np.diff(errors) < 0)

    def test_bytes_are_close_to_the_estimate(self, codec):
        for seed in range(5):
            image = picture(SIZE, SIZE, seed)
            expected = codec.tables.estimated_bits(codec.quantize(image)) / 8
            assert abs(len(codec.compress(image)) - expected) <= 0.02 * expected + 64

    def test_the_format_does_not_move(self):
        cdf = np.int32([0, 3, 8, 13, 15, 16])
        tables = EntropyTables([cdf] * 6, np.zeros(6, np.int32), 4)
        quantizer = Quantizer(np.zeros(6, "f"), np.ones(6, "f"), tables)
        codec = LatentCodec(
            lambda image: tf.reshape(image, [1, -1])[:, :6],
            lambda latents: tf.reshape(tf.tile(latents, [1, 2]), [1, 2, 2, 3]),
            quantizer,
            bytes(8),
            image_size=2,
        )
        image = np.arange(0, 240, 20, dtype=np.uint8).reshape(2, 2, 3)
        np.testing.assert_array_equal(codec.quantize(image), [[[0, 0, 0, 1, 1, 1]]])
        header, payload = container.unpack(codec.compress(image), bytes(8))
        assert header == Header(2, 2, False) and payload.hex() == "0073"
        decoded = codec.decompress(codec.compress(image))
        np.testing.assert_array_equal(decoded[0], [[0, 0, 0], [85, 85, 85]])


class TestDamagedFiles:
    def test_mutations_are_errors(self, codec):
        rng = np.random.default_rng(0)
        data, other = codec.compress(picture(45, 61)), codec.compress(picture(30, 20))
        for _ in range(300):
            changed = mutate(data, other, rng)
            if changed in (data, other):
                continue
            with pytest.raises((CorruptFileError, ForeignFileError)):
                codec.decompress(changed)

    def test_with_the_right_checksum_they_are_errors_or_pictures(self, codec):
        rng = np.random.default_rng(0)
        header, payload = container.unpack(
            codec.compress(picture(45, 61)), codec.model_id
        )
        refused = 0
        for _ in range(100):
            changed = bytearray(payload)
            changed[rng.integers(len(payload))] ^= rng.integers(1, 256, dtype=np.uint8)
            if rng.random() < 0.3:
                changed = changed[: rng.integers(len(payload))]
            data = container.pack(header, bytes(changed), codec.model_id)
            try:
                assert codec.decompress(data).shape == (45, 61, 3)
            except CorruptFileError:
                refused += 1
        assert 0 < refused < 100

    @pytest.mark.parametrize("level", [-1, 2**6, 2**20])
    def test_levels_that_the_model_does_not_have(self, codec, level):
        levels = codec.quantize(picture(SIZE, SIZE))
        levels[0, 0, 7] = level
        payload = codec.tables.encode(levels)
        data = container.pack(Header(16, 16, False), payload, codec.model_id)
        with pytest.raises(CorruptFileError, match="beyond the levels of its model"):
            codec.decompress(data)

    def test_other_models_refuse_them(self, codec):
        image = picture(SIZE, SIZE)
        portrait = tiny_codec.build()
        for one, other in (
            (codec, build(seed=1)),
            (codec, build(bits=4)),
            (codec, portrait),
            (portrait, codec),
        ):
            with pytest.raises(ForeignFileError, match="compressed by the model"):
                other.decompress(one.compress(image))


class TestRefusals:
    @pytest.mark.parametrize(
        "image",
        [np.zeros((9, 9), "u1"), np.zeros((9, 9, 4), "u1"), np.zeros((9, 9, 3), "f4")],
    )
    def test_what_is_no_picture(self, codec, image):
        with pytest.raises(ValueError, match=r"must be uint8 \[H, W, 3\]; got .*RGB"):
            codec.compress(image)

    def test_pictures_of_no_pixels_or_too_many(self, codec):
        with pytest.raises(ValueError, match="1 to 65535 pixels; got 5x0"):
            codec.compress(np.zeros((0, 5, 3), np.uint8))
        small = build(max_pixels=64 * 64)
        with pytest.raises(ValueError, match="80x64, .* over the limit of 4096"):
            small.compress(picture(64, 80))
        with pytest.raises(CorruptFileError, match="over the limit of 4096"):
            small.decompress(codec.compress(picture(64, 80)))

    @pytest.mark.parametrize("half", [0, 1])
    @pytest.mark.parametrize(
        "spoil, why",
        [
            (lambda x: x * np.float32(np.nan), "infinite or no numbers. Its weights"),
            (lambda x: x[..., :-1], r"it must be float32 \[1, .*Are they of one model"),
            (lambda x: tf.cast(x, tf.float16), "made float16"),
        ],
    )
    def test_networks_that_give_something_else(self, codec, half, spoil, why):
        halves = list(networks()[:2])
        good = halves[half]
        halves[half] = lambda given: spoil(good(given))
        other = LatentCodec(*halves, codec._quantizer, bytes(8), image_size=SIZE)
        with pytest.raises(ValueError, match=why):
            other.reconstruct(picture(20, 20))

    def test_an_identifier_of_another_length(self, codec):
        halves = networks()[:2]
        with pytest.raises(ValueError, match="8 bytes; got 3"):
            LatentCodec(*halves, codec._quantizer, b"abc", image_size=SIZE)
