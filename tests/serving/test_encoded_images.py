"""Pictures decoded in a graph: as Pillow does, or refused."""

import io
import struct

import mask_table
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipeline import pixels
from serving.export import encoded_images

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (20, 30, 3), np.uint8)
SMOOTH = np.asarray(Image.fromarray(NOISE[:5, :7]).resize((61, 45), Image.BICUBIC))


def encode(image, format, mode="RGB", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def decode(data):
    return tf.function(encoded_images.decode)(tf.constant(data)).numpy()


def assert_refused(data, why="A BMP must have 24 or 32 bits a pixel.*Save .* as PNG"):
    with pytest.raises(tf.errors.InvalidArgumentError, match=why):
        decode(data)


FRAMES = [Image.fromarray(255 - NOISE).convert("P")]  # after the first


@pytest.mark.parametrize(
    "format, modes, options",
    [
        ("JPEG", ["RGB"], {"quality": 30, "subsampling": 0}),
        ("JPEG", ["RGB"], {"quality": 90, "subsampling": 2}),
        ("PNG", ["RGB", "L", "1", "P"], {}),
        ("GIF", ["P"], {"save_all": True, "append_images": FRAMES}),
        ("BMP", ["RGB", "L", "RGBA"], {}),
    ],
)
def test_it_is_decoded_bit_for_bit(format, modes, options):
    for mode in modes:
        for image in (SMOOTH, NOISE):
            data = encode(image, format, mode, **options)
            np.testing.assert_array_equal(decode(data), pixels.decode(data, "x"))


def test_transparency_is_dropped():
    image = np.concatenate([NOISE, NOISE[..., :1]], axis=-1)
    np.testing.assert_array_equal(decode(encode(image, "PNG", "RGBA")), NOISE)


@pytest.mark.parametrize("data", [b"", b"BM", b"hello", b"RIFF" + bytes(40)])
def test_what_is_no_picture_is_an_error(data):
    assert_refused(data, why=None)


class TestBitmaps:
    """TensorFlow misreads palettes: it takes their numbers for gray levels."""

    @pytest.mark.parametrize("mode", ["1", "P"])
    def test_with_a_palette_they_are_refused(self, mode):
        assert_refused(encode(NOISE, "BMP", mode))

    @pytest.mark.parametrize(
        "place, value",
        [
            (54 + 4 * 255, 254),  # the last color of a gray palette
            (28, 4),  # bits a pixel
            (28, 16),
            (30, 1),  # compression
            (14, 12),  # size of the header
        ],
    )
    def test_other_layouts_are_refused(self, place, value):
        data = bytearray(encode(NOISE, "BMP", "L"))
        data[place] = value
        assert_refused(bytes(data))

    @pytest.mark.parametrize("shifts, known", [((16, 8, 0), True), ((0, 8, 16), False)])
    def test_channels_that_the_file_names_must_be_in_the_usual_order(
        self, shifts, known
    ):
        data = encode(NOISE, "BMP", "RGBA")
        masks = struct.pack("<III", *(0xFF << shift for shift in shifts))
        # Where pixels begin, and compression 3: masks of the channels come first.
        head = data[:10] + struct.pack("<I", 66) + data[14:30] + struct.pack("<I", 3)
        data = head + data[34:54] + masks + data[54:]
        if known:
            np.testing.assert_array_equal(decode(data), NOISE)
        else:
            assert_refused(data)


def mask_of(data):
    picture = encode(np.full((*mask_table.SIZE, 3), 9, np.uint8), "PNG")
    pair = tf.function(encoded_images.decode_pair)(tf.constant(picture), data)
    return pair[1].numpy()[..., 0]


@pytest.mark.parametrize("name", mask_table.MASKS)
def test_masks_are_read_as_everywhere_else(name):
    data, _ = mask_table.MASKS[name]
    np.testing.assert_array_equal(mask_of(data), mask_table.MISSING)


@pytest.mark.parametrize("name", mask_table.REFUSED)
def test_masks_of_no_use_are_refused(name):
    data, why = mask_table.REFUSED[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"A mask must.*{why}"):
        mask_of(data)


def test_the_rim_of_a_hole_keeps_its_color():
    image = np.zeros([90, 90, 3], np.uint8)  # dark, and so is what is missing,
    image[20:70, 20:70] = 255  # but white around the hole
    missing = np.zeros([90, 90, 1], bool)
    missing[31:59, 31:59] = True
    image[missing[..., 0]] = 0
    found = encoded_images.shrink(tf.constant(image), tf.constant(missing), 30)
    small, mask = (part.numpy() for part in found)
    rim = np.zeros([30, 30], bool)
    rim[9:21, 9:21] = True
    rim &= mask[..., 0] == 0
    assert rim.sum() > 20 and np.min(small[rim]) > 0.99
    assert np.all(small[mask[..., 0] == 1] == 0)
