"""Pictures through a network into files and back: exactly, or with an error."""

import dataclasses
import hashlib
import os
import pathlib
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
from tiny_codec import mutate, picture

from data_pipeline import pixels
from models import portrait_autoencoder
from serving.codec import container, image_codec
from serving.codec.container import CorruptFileError, ForeignFileError, Header
from serving.codec.entropy import LARGEST
from serving.codec.image_codec import Codec, identify

SIZES = [(1, 1), (1, 500), (500, 1), (16, 16), (17, 33), (45, 61), (250, 190)]


@pytest.fixture(scope="module")
def codec():
    return tiny_codec.build()


def gray(image):
    return image[..., :1].repeat(3, axis=-1)


class TestRoundTrip:
    @pytest.mark.parametrize("look", [lambda image: image, gray], ids=["color", "gray"])
    @pytest.mark.parametrize("size", SIZES)
    def test_what_is_decoded_is_the_networks_own_picture(self, codec, size, look):
        image = look(picture(*size))
        decoded = codec.decompress(codec.compress(image))
        assert decoded.shape == image.shape and decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, codec.reconstruct(image))

    def test_pictures_are_told_apart(self, codec):
        first, second = (codec.reconstruct(picture(64, 64, seed)) for seed in (0, 1))
        assert np.abs(first.astype(int) - second).mean() > 1

    @pytest.mark.parametrize("look", [lambda image: image, gray], ids=["color", "gray"])
    def test_it_is_what_the_network_says_of_rounded_latents(self, codec, look):
        image = look(picture(48, 80))
        analysis, synthesis = tiny_codec.networks()
        latents = tf.round(analysis(pixels.bytes_to_unit(image)[None]))
        np.testing.assert_array_equal(codec.quantize(image), latents[0])
        expected = synthesis(latents)[0]
        if look is gray:
            expected = tf.repeat(tf.reduce_mean(expected, -1, keepdims=True), 3, -1)
        expected = pixels.unit_to_bytes(expected)
        np.testing.assert_array_equal(codec.reconstruct(image), expected)

    def test_gray_stays_gray(self, codec):
        image = gray(picture(40, 50))
        data = codec.compress(image)
        decoded = codec.decompress(data)
        np.testing.assert_array_equal(decoded, gray(decoded))
        assert container.unpack(data, codec.model_id)[0] == Header(50, 40, True)
        almost = image.copy()
        almost[7, 9, 2] += 1
        assert not container.unpack(codec.compress(almost), codec.model_id)[0].gray

    def test_edges_are_repeated_around_the_picture(self, codec):
        image = picture(17, 33)
        padded = np.pad(image, ((7, 8), (7, 8), (0, 0)), mode="edge")
        np.testing.assert_array_equal(codec.quantize(image), codec.quantize(padded))
        restored = codec.reconstruct(padded)[7:24, 7:40]
        np.testing.assert_array_equal(codec.reconstruct(image), restored)

    def test_bytes_are_close_to_the_estimate(self, codec):
        image = picture(250, 190)
        bits = codec.tables.estimated_bits(codec.quantize(image))
        size = len(codec.compress(image))
        assert abs(size - bits / 8) <= 0.02 * bits / 8 + 64

    def test_another_process_decodes_the_same(self, codec, tmp_path):
        sums = []
        for number, size in enumerate(SIZES):
            data = codec.compress(picture(*size))
            (tmp_path / f"{number}.fmc").write_bytes(data)
            sums.append(hashlib.sha256(codec.decompress(data)).hexdigest())
        program = (
            "import hashlib, pathlib, sys, tiny_codec\n"
            "codec = tiny_codec.build()\n"
            "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
            "    image = codec.decompress(path.read_bytes())\n"
            "    print(hashlib.sha256(image).hexdigest())\n"
        )
        tests = pathlib.Path(__file__).parents[1]
        path = os.pathsep.join([str(tests), str(tests.parent)])
        result = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env={**os.environ, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            text=True,
        )
        assert result.stdout.split() == sums


class TestTiles:
    def test_they_leave_no_seam(self, codec, monkeypatch):
        image = picture(200, 333)
        latents, whole = codec.quantize(image), codec.reconstruct(image)
        monkeypatch.setattr(image_codec, "_TILE", 3)
        monkeypatch.setattr(image_codec, "_MARGIN", 2)
        np.testing.assert_array_equal(codec.quantize(image), latents)
        tiled = codec.reconstruct(image)
        # Convolutions of another size may round differently.
        assert np.abs(tiled.astype(int) - whole).max() <= 1
        assert np.mean(tiled != whole) < 1e-3
        np.testing.assert_array_equal(codec.decompress(codec.compress(image)), tiled)

    @pytest.mark.parametrize("depth, kernels", [(2, (5, 3, 3)), (0, (9, 5, 5))])
    def test_the_margin_is_wide_enough_for_the_paper(self, monkeypatch, depth, kernels):
        options = {"channels": 5, "depth": depth, "kernels": kernels}
        tf.keras.utils.set_random_seed(1)
        analysis = portrait_autoencoder.build_analysis(None, **options)
        synthesis = portrait_autoencoder.build_synthesis(None, **options)
        codec = Codec(
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

    @pytest.mark.parametrize("cells", [1, 63, 64, 65, 128, 313])
    def test_every_cell_is_kept_once_and_seen_with_its_margin(self, cells):
        side = np.arange(cells)
        kept = []
        for cut in image_codec._cuts(cells):
            seen = side[cut.seen]
            assert len(seen) == cut.size <= 64 + 2 * 8
            np.testing.assert_array_equal(seen[cut.inner], side[cut.kept])
            assert seen[0] == max(0, cut.kept.start - 8)
            assert seen[-1] == min(cells, cut.kept.stop + 8) - 1
            kept.extend(side[cut.kept])
        np.testing.assert_array_equal(kept, side)


class TestDamagedFiles:
    def test_mutations_are_errors(self, codec):
        rng = np.random.default_rng(0)
        data, other = codec.compress(picture(45, 61)), codec.compress(picture(30, 20))
        for _ in range(500):
            changed = mutate(data, other, rng)
            if changed in (data, other):
                continue
            with pytest.raises((CorruptFileError, ForeignFileError)):
                codec.decompress(changed)

    def test_with_the_right_checksum_they_are_errors_or_pictures(self, codec):
        rng = np.random.default_rng(0)
        image = picture(45, 61)
        header, payload = container.unpack(codec.compress(image), codec.model_id)
        pictures = 0
        for _ in range(200):
            changes = {
                name: int(rng.integers(1, 200))
                for name in ("width", "height")
                if rng.random() < 0.3
            }
            claimed = dataclasses.replace(header, **changes)
            changed = bytearray(payload)
            changed[rng.integers(len(payload))] ^= rng.integers(256, dtype=np.uint8)
            if rng.random() < 0.3:
                changed = changed[: rng.integers(len(payload))]
            data = container.pack(claimed, bytes(changed), codec.model_id)
            try:
                decoded = codec.decompress(data)
            except CorruptFileError:
                continue
            assert decoded.shape == (claimed.height, claimed.width, 3)
            pictures += 1
        assert 0 < pictures < 150

    def test_other_models_refuse_them(self, codec):
        data = codec.compress(picture(20, 20))
        for other in (tiny_codec.build(seed=1), tiny_codec.build(spreads=[2.0] * 5)):
            with pytest.raises(ForeignFileError, match="compressed by the model"):
                other.decompress(data)

    def test_claims_that_the_bytes_cannot_hold_are_not_allocated(self, codec):
        codec = tiny_codec.build(max_pixels=2**31)
        data = container.pack(Header(32000, 32000, False), bytes(99), codec.model_id)
        tracemalloc.start()
        with pytest.raises(CorruptFileError, match="2000x2000 .* 99 bytes cannot hold"):
            codec.decompress(data)
        assert tracemalloc.get_traced_memory()[1] < 200_000
        tracemalloc.stop()


class TestRefusals:
    @pytest.mark.parametrize(
        "image",
        [np.zeros((9, 9), "u1"), np.zeros((9, 9, 4), "u1"), np.zeros((9, 9, 3), "f4")],
    )
    def test_what_is_no_picture(self, codec, image):
        with pytest.raises(ValueError, match=r"must be uint8 \[H, W, 3\]; got .*RGB"):
            codec.compress(image)

    def test_pictures_of_no_pixels_or_too_many(self):
        codec = tiny_codec.build(max_pixels=40 * 48)
        with pytest.raises(ValueError, match="1 to 65535 pixels; got 5x0"):
            codec.compress(np.zeros((0, 5, 3), np.uint8))
        with pytest.raises(ValueError, match="30x40, padded to 1536.*limit of 1500"):
            tiny_codec.build(max_pixels=1500).compress(picture(40, 30))
        codec.decompress(codec.compress(picture(40, 30)))

    @pytest.mark.parametrize("half", ["analysis", "synthesis"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_values_that_are_no_numbers(self, half, value):
        def spoil(network):
            spoilt = np.zeros(network.output_shape[-1], np.float32)
            spoilt[-1] = value
            return lambda given: network(given) + spoilt

        halves = dict(zip(("analysis", "synthesis"), tiny_codec.networks()))
        halves[half] = spoil(halves[half])
        tables = tiny_codec.laplace_tables([1.0] * 5)
        codec = Codec(**halves, tables=tables, model_id=bytes(8))
        with pytest.raises(ValueError, match="infinite or no numbers. Its weights"):
            codec.reconstruct(picture(20, 20))

    def test_latents_that_are_too_large(self):
        analysis, synthesis = tiny_codec.networks()
        tables = tiny_codec.laplace_tables([1.0] * 5)
        codec = Codec(lambda x: analysis(x) * 1e7, synthesis, tables, bytes(8))
        with pytest.raises(ValueError, match=f"cannot be coded: .*{LARGEST}. The"):
            codec.compress(picture(20, 20))

    def test_networks_and_tables_that_do_not_belong_together(self):
        analysis, synthesis = tiny_codec.networks()
        tables = tiny_codec.laplace_tables([1.0] * 6)
        codec = Codec(analysis, synthesis, tables, bytes(8))
        with pytest.raises(ValueError, match=r"\[1, 2, 2, 5\].*float32 \[1, 2, 2, 6\]"):
            codec.compress(picture(20, 20))

    def test_an_identifier_of_another_length(self, codec):
        with pytest.raises(ValueError, match="8 bytes; got 3.*codec.identify"):
            Codec(codec._analysis, codec._synthesis, codec.tables, b"abc")


def test_identifiers_tell_models_apart(codec):
    weights = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)]
    tables, others = codec.tables, tiny_codec.laplace_tables([2.0] * 5)
    found = {
        identify(weights, tables),
        identify(weights, others),
        identify(weights[::-1], tables),
        identify([weights[0].T, weights[1]], tables),
        identify([weights[0].reshape(3, 2), weights[1]], tables),
        identify([weights[0], weights[1] * np.float32(1 + 1e-7)], tables),
    }
    assert len(found) == 6
    assert identify([w.copy() for w in weights], tables) in found
    assert all(len(model_id) == container.ID_BYTES for model_id in found)
