"""Pictures through networks into files and back: exactly, or with an error."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
from PIL import Image
from tiny_codec import FACE_SIZE, LATENTS, mutate, picture

from data_pipeline import pixels
from models import portrait_autoencoder
from serving.codec import container, image_codec
from serving.codec.base import identify
from serving.codec.container import CorruptFileError, ForeignFileError, Header
from serving.codec.entropy import LARGEST, EntropyTables
from serving.codec.image_codec import ImageCodec
from serving.codec.latent_codec import LatentCodec
from serving.codec.quantizer import Quantizer

BUILD = {
    "image": tiny_codec.build,
    "hyperprior": tiny_codec.build_hyperprior,
    "rates": tiny_codec.build_rates,
    "latent": tiny_codec.build_latents,
}
SIZES = [(1, 1), (1, 500), (500, 1), (16, 16), (17, 33), (45, 61), (250, 190)]


@pytest.fixture(scope="module")
def codecs():
    return {kind: build() for kind, build in BUILD.items()}


@pytest.fixture(params=BUILD)
def kind(request):
    return request.param


@pytest.fixture
def codec(codecs, kind):
    return codecs[kind]


@pytest.fixture
def images(codecs):
    return codecs["image"]


@pytest.fixture
def faces(codecs):
    return codecs["latent"]


def gray(image):
    return image[..., :1].repeat(3, axis=-1)


both_looks = pytest.mark.parametrize(
    "look", [lambda image: image, gray], ids=["color", "gray"]
)


class TestRoundTrip:
    @both_looks
    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_decoded_is_the_networks_own_picture(self, codec, size, look):
        image = look(picture(*size))
        decoded = codec.decompress(codec.compress(image))
        assert decoded.shape == image.shape and decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, codec.reconstruct(image))
        if look is gray:
            np.testing.assert_array_equal(decoded, gray(decoded))

    def test_the_header_says_size_and_whether_it_is_gray(self, codec):
        image = gray(picture(40, 50))
        header, _ = container.unpack(codec.compress(image), codec.model_id)
        assert header == Header(width=50, height=40, gray=True)
        image[7, 9, 2] += 1
        assert not container.unpack(codec.compress(image), codec.model_id)[0].gray

    def test_bytes_are_close_to_the_estimate(self, codec):
        image = picture(250, 190)
        bits = codec.tables.estimated_bits(codec.quantize(image))
        size = len(codec.compress(image))
        assert abs(size - bits / 8) <= 0.02 * bits / 8 + 64


class TestImages:
    @both_looks
    def test_it_is_what_the_network_says_of_rounded_latents(self, images, look):
        image = look(picture(48, 80))
        analysis, synthesis = tiny_codec.networks()
        latents = tf.round(analysis(pixels.bytes_to_unit(image)[None]))
        np.testing.assert_array_equal(images.quantize(image), latents[0])
        expected = synthesis(latents)[0]
        if look is gray:
            expected = tf.repeat(tf.reduce_mean(expected, -1, keepdims=True), 3, -1)
        expected = pixels.unit_to_bytes(expected)
        np.testing.assert_array_equal(images.reconstruct(image), expected)

    def test_edges_are_repeated_around_the_picture(self, images):
        image = picture(17, 33)
        padded = np.pad(image, ((7, 8), (7, 8), (0, 0)), mode="edge")
        np.testing.assert_array_equal(images.quantize(image), images.quantize(padded))
        restored = images.reconstruct(padded)[7:24, 7:40]
        np.testing.assert_array_equal(images.reconstruct(image), restored)

    def test_memory_is_that_of_the_picture_and_its_latents(self, images, monkeypatch):
        image = picture(1000, 1200)
        latents = images.quantize(image)
        header = Header(width=1200, height=1000, gray=False)
        monkeypatch.setattr(image_codec, "_TILE", 4)
        for run, kept in (
            # Before rounding and after.
            (lambda: images.quantize(image), 2 * latents.nbytes),
            (lambda: images._draw(latents, header), image.nbytes),
        ):
            run()  # traces graphs
            tracemalloc.start()
            run()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < kept + 0.5 * image.nbytes

    def test_tiles_leave_no_seam(self, images, monkeypatch):
        image = picture(200, 333)
        latents, whole = images.quantize(image), images.reconstruct(image)
        monkeypatch.setattr(image_codec, "_TILE", 3)
        monkeypatch.setattr(image_codec, "_MARGIN", 2)
        np.testing.assert_array_equal(images.quantize(image), latents)
        tiled = images.reconstruct(image)
        # Convolutions of another size may round differently.
        assert np.abs(tiled.astype(int) - whole).max() <= 1
        assert np.mean(tiled != whole) < 1e-3
        np.testing.assert_array_equal(images.decompress(images.compress(image)), tiled)

    @pytest.mark.parametrize("depth, kernels", [(2, (5, 3, 3)), (0, (9, 5, 5))])
    def test_the_margin_is_wide_enough_for_the_paper(self, monkeypatch, depth, kernels):
        options = {"channels": 5, "depth": depth, "kernels": kernels}
        tf.keras.utils.set_random_seed(1)
        analysis = portrait_autoencoder.build_analysis(None, **options)
        synthesis = portrait_autoencoder.build_synthesis(None, **options)
        codec = ImageCodec(
            lambda image: 50 * analysis(image),
            lambda latents: synthesis(latents / 50),
            tiny_codec.laplace_tables([9.0] * 5),
            bytes(8),
        )
        image = picture(16 * 22, 16 * 3)
        latents, whole = codec.quantize(image), codec.reconstruct(image)
        monkeypatch.setattr(image_codec, "_TILE", 2)
        np.testing.assert_array_equal(codec.quantize(image), latents)
        assert np.abs(codec.reconstruct(image).astype(int) - whole).max() <= 1


class TestRates:
    @pytest.fixture(scope="class")
    def several(self, codecs):
        return codecs["rates"]

    def test_a_higher_quality_makes_larger_files_and_better_pictures(self, several):
        image, sizes, errors = picture(96, 80), [], []
        for quality in range(0, 101, 20):
            data = several.at(quality).compress(image)
            decoded = several.decompress(data)
            np.testing.assert_array_equal(
                decoded, several.at(quality).reconstruct(image)
            )
            assert several.read(data)[1].quality == quality
            sizes.append(len(data))
            # Of this untrained network's own picture without rounding.
            latents = several._latents(image)
            drawn = several._synthesis(latents[None])[0].numpy()
            errors.append(np.mean((255 * np.clip(drawn, 0, 1) - decoded) ** 2))
        assert sizes == sorted(sizes) and sizes[-1] > 2 * sizes[0]
        assert errors == sorted(errors, reverse=True) and errors[0] > 4 * errors[-1]

    def test_who_asks_for_no_quality_gets_the_usual_one(self, several):
        image = picture(45, 61)
        assert several.compress(image) == several.at(40).compress(image)
        assert several.at(99).at(40).compress(image) == several.compress(image)

    def test_the_best_file_that_fits(self, several):
        image = picture(96, 80)
        files = [several.at(quality).compress(image) for quality in range(101)]
        sizes = [len(data) for data in files]
        for most in (sizes[0], sizes[50], sizes[50] + 3, sizes[100], 10**6):
            data = several.compress_to(image, most)
            assert len(data) <= most
            next_better = sizes[files.index(data) + 1 :]
            assert not next_better or next_better[0] > most
        assert several.compress_to(image, 1) == files[0]

    @pytest.mark.parametrize("quality", [-1, 101, 50.0, None])
    def test_other_qualities_are_refused(self, several, quality):
        with pytest.raises(ValueError, match=f"from 0 to 100; got {quality}"):
            several.at(quality)

    def test_a_codec_of_one_rate_has_no_quality(self, images):
        with pytest.raises(ValueError, match="single rate"):
            images.at(50)
        image = picture(20, 20)
        assert images.compress_to(image, 1) == images.compress(image)


class TestLatents:
    def test_it_is_what_the_network_says_of_quantized_latents(self, faces):
        image = picture(FACE_SIZE, FACE_SIZE, 900)
        encoder, decoder, _ = tiny_codec.linear_networks()
        latents = encoder(pixels.bytes_to_unit(image)[None]).numpy()
        np.testing.assert_array_equal(faces.encode(image), latents[0])
        found = faces._quantizer.dequantize(faces.quantize(image)[0])
        assert 0 < np.abs(found - latents).max() < 0.2
        expected = pixels.unit_to_bytes(decoder(found))[0]
        np.testing.assert_array_equal(faces.reconstruct(image), expected)

    def test_other_sizes_are_resized_there_and_back(self, faces):
        image, size = picture(90, 50), (FACE_SIZE, FACE_SIZE)
        small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        small = np.asarray(small)
        np.testing.assert_array_equal(faces.quantize(image), faces.quantize(small))
        large = pixels.resize(faces.reconstruct(small), 90, 50)
        np.testing.assert_array_equal(faces.reconstruct(image), large)

    def test_the_format_does_not_move(self):
        cdf = np.int32([0, 3, 8, 13, 15, 16])
        tables = EntropyTables([cdf] * 6, np.zeros(6, np.int32), 4)
        codec = LatentCodec(
            lambda image: tf.reshape(image, [1, -1])[:, :6],
            lambda latents: tf.reshape(tf.tile(latents, [1, 2]), [1, 2, 2, 3]),
            Quantizer(np.zeros(6, "f"), np.ones(6, "f"), tables),
            bytes(8),
            image_size=2,
        )
        image = np.arange(0, 240, 20, dtype=np.uint8).reshape(2, 2, 3)
        np.testing.assert_array_equal(codec.quantize(image), [[[0, 0, 0, 1, 1, 1]]])
        header, payload = container.unpack(codec.compress(image), bytes(8))
        assert header == Header(2, 2, False) and payload.hex() == "0073"
        decoded = codec.decompress(codec.compress(image))
        np.testing.assert_array_equal(decoded[0], [[0, 0, 0], [85, 85, 85]])

    @pytest.mark.parametrize("level", [-1, 2**6, 2**20])
    def test_levels_that_the_model_does_not_have(self, faces, level):
        levels = faces.quantize(picture(FACE_SIZE, FACE_SIZE))
        levels[0, 0, 7] = level
        payload = faces.tables.encode(levels)
        data = container.pack(Header(16, 16, False), payload, faces.model_id)
        with pytest.raises(CorruptFileError, match="beyond the levels of its model"):
            faces.decompress(data)

    @pytest.mark.parametrize(
        "latents, text",
        [
            (np.zeros(LATENTS + 1), rf"must be \[{LATENTS}\] numbers"),
            (np.zeros([1, LATENTS]), rf"got \[1, {LATENTS}\]"),
            (np.full(LATENTS, np.nan), "must be finite"),
        ],
    )
    def test_other_numbers_are_no_latents(self, faces, latents, text):
        with pytest.raises(ValueError, match=text):
            faces.decode(latents)


class TestDamagedFiles:
    def test_mutations_are_errors(self, codec):
        rng = np.random.default_rng(0)
        data, other = codec.compress(picture(45, 61)), codec.compress(picture(30, 20))
        for _ in range(400):
            changed = mutate(data, other, rng)
            if changed not in (data, other):
                with pytest.raises((CorruptFileError, ForeignFileError)):
                    codec.decompress(changed)

    def test_with_the_right_checksum_they_are_errors_or_pictures(self, codec):
        rng = np.random.default_rng(0)
        data = codec.compress(picture(45, 61))
        header, payload = container.unpack(data, codec.model_id)
        pictures = 0
        for _ in range(200):
            changes = {
                name: int(rng.integers(1, 200))
                for name in ("width", "height")
                if rng.random() < 0.3
            }
            claimed = dataclasses.replace(header, **changes)
            changed = bytearray(payload)
            changed[rng.integers(len(payload))] ^= rng.integers(1, 256, dtype=np.uint8)
            if rng.random() < 0.3:
                changed = changed[: rng.integers(len(payload))]
            data = container.pack(claimed, bytes(changed), codec.model_id)
            try:
                decoded = codec.decompress(data)
            except CorruptFileError:
                continue
            assert decoded.shape == (claimed.height, claimed.width, 3)
            pictures += 1
        assert 0 < pictures < 200

    def test_claims_that_the_bytes_cannot_hold_are_not_allocated(self):
        codec = tiny_codec.build(max_pixels=2**31)
        data = container.pack(Header(32000, 32000, False), bytes(99), codec.model_id)
        tracemalloc.start()
        with pytest.raises(CorruptFileError, match="2000x2000 .* 99 bytes cannot hold"):
            codec.decompress(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000
        tracemalloc.stop()

    @pytest.mark.parametrize("side", [8000, 10900, 65535])
    def test_a_small_file_that_claims_a_huge_picture_takes_no_memory(self, side):
        codec = tiny_codec.build_latents()
        data = codec.compress(picture(16, 16))
        _, payload = container.unpack(data, codec.model_id)
        data = container.pack(Header(side, side, False), payload, codec.model_id)
        assert len(data) < 400
        tracemalloc.start()
        with pytest.raises(CorruptFileError, match="limit of 55000000.*max_megapixels"):
            codec.decompress(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000
        tracemalloc.stop()


class TestRefusals:
    @pytest.mark.parametrize(
        "image, text",
        [
            (np.zeros((9, 9), "u1"), r"must be uint8 \[H, W, 3\]; got .*RGB"),
            (np.zeros((9, 9, 4), "u1"), r"got uint8 \[9, 9, 4\]"),
            (np.zeros((9, 9, 3), "f4"), "got float32"),
            (np.zeros((0, 5, 3), "u1"), "1 to 65535 pixels; got 5x0"),
        ],
    )
    def test_what_is_no_picture(self, codec, image, text):
        with pytest.raises(ValueError, match=text):
            codec.compress(image)

    def test_pictures_of_too_many_pixels(self, codec, kind):
        small = BUILD[kind](max_pixels=40 * 48)
        small.decompress(small.compress(picture(40, 30)))
        with pytest.raises(ValueError, match="30x50, padded to 2048.*limit of 1920"):
            small.compress(picture(50, 30))
        with pytest.raises(CorruptFileError, match="over the limit of 1920"):
            small.decompress(codec.compress(picture(50, 30)))

    @pytest.mark.parametrize("half", [0, 1], ids=["encoder", "decoder"])
    @pytest.mark.parametrize(
        "spoil, why",
        [
            (lambda x: x * np.float32(np.nan), "infinite or not a number. Its weights"),
            (lambda x: x + np.float32(np.inf), "infinite or not a number. Its weights"),
            (lambda x: x[..., :-1], r"it must be float32 \[1, .*Are they of one model"),
            (lambda x: tf.cast(x, tf.float16), "made float16"),
        ],
    )
    def test_networks_that_give_something_else(self, codec, kind, half, spoil, why):
        faces = kind == "latent"
        networks = tiny_codec.linear_networks if faces else tiny_codec.networks
        halves = list(networks()[:2])
        good = halves[half]
        halves[half] = lambda given: spoil(good(given))
        if not faces:
            options = {"hyper_analysis": tiny_codec.pool}
            other = ImageCodec(*halves, codec.tables, bytes(8), **options)
        else:
            options = {"image_size": FACE_SIZE}
            other = LatentCodec(*halves, codec._quantizer, bytes(8), **options)
        with pytest.raises(ValueError, match=why):
            other.reconstruct(picture(20, 20))

    def test_latents_that_are_too_large(self):
        analysis, synthesis = tiny_codec.networks()
        tables = tiny_codec.laplace_tables([1.0] * 5)
        codec = ImageCodec(lambda x: analysis(x) * 1e7, synthesis, tables, bytes(8))
        with pytest.raises(ValueError, match=f"cannot be coded: .*{LARGEST}. The"):
            codec.compress(picture(20, 20))


def test_identifiers_tell_models_apart(images, faces):
    weights = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)]
    tables, others = images.tables, tiny_codec.laplace_tables([2.0] * 5)
    found = {
        identify(weights, tables),
        identify(weights, others),
        identify(weights, faces._quantizer),
        identify(weights[::-1], tables),
        identify([weights[0].T, weights[1]], tables),
        identify([weights[0].reshape(3, 2), weights[1]], tables),
        identify([weights[0], weights[1] * np.float32(1 + 1e-7)], tables),
    }
    assert len(found) == 7
    assert identify([w.copy() for w in weights], tables) in found
    assert all(len(model_id) == container.ID_BYTES for model_id in found)
