"""Decoding, cropping, resizing and ranges."""

import io
import os
import stat

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipeline import pixels

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (20, 30, 3), np.uint8)
SMOOTH = np.asarray(Image.fromarray(NOISE[:5, :7]).resize((61, 45), Image.BICUBIC))


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def test_lossless_rgb_is_returned_unchanged():
    for options in ({"format": "PNG"}, {"format": "BMP"}):
        data = encoded(Image.fromarray(NOISE), **options)
        np.testing.assert_array_equal(pixels.decode(data, "x"), NOISE)
    data = encoded(Image.fromarray(NOISE), format="WEBP", lossless=True)
    np.testing.assert_array_equal(pixels.decode(data, "x"), NOISE)


def test_sixteen_bit_gray_is_scaled_not_clipped():
    gray = np.array([[0, 257, 32768, 65535]], np.uint16)
    image = pixels.decode(encoded(Image.fromarray(gray)), "x")
    np.testing.assert_array_equal(image, [[[v] * 3 for v in (0, 1, 128, 255)]])


def test_gray_and_bilevel_become_equal_channels():
    gray = pixels.decode(encoded(Image.fromarray(NOISE[..., 0])), "x")
    np.testing.assert_array_equal(gray, NOISE[..., :1].repeat(3, axis=-1))
    bits = NOISE[..., 0] > 127
    image = pixels.decode(encoded(Image.fromarray(bits)), "x")
    np.testing.assert_array_equal(image, bits[..., None].repeat(3, -1) * 255)


def test_transparency_is_laid_over_white():
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 255, 51)):
        image.putpixel((x, 0), (100, 0, 0, alpha))
    expected = [[[255, 255, 255], [100, 0, 0], [224, 204, 204]]]
    np.testing.assert_array_equal(pixels.decode(encoded(image), "x"), expected)
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    image = pixels.decode(encoded(palette, transparency=0), "x")
    np.testing.assert_array_equal(image, [[[255, 255, 255], [40, 50, 60]]])


def test_cmyk_jpeg_keeps_its_colors():
    color = (200, 60, 20)
    image = Image.new("RGB", (16, 16), color).convert("CMYK")
    decoded = pixels.decode(encoded(image, format="JPEG", quality=95), "x")
    assert np.abs(decoded.astype(int) - color).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0, 0] = 255  # a mark in the upper left corner
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    np.testing.assert_array_equal(pixels.decode(data, "x"), upright)


@pytest.mark.parametrize(
    "data", [b"", b"not an image", encoded(Image.fromarray(NOISE))[:200]]
)
def test_damaged_image_is_an_error_that_names_it(data, tmp_path):
    with pytest.raises(pixels.UnreadableImageError, match=r"some/été\.png"):
        pixels.decode(data, "some/été.png")
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(pixels.UnreadableImageError, match=r"bad\.png"):
        pixels.read(tmp_path / "bad.png")


def test_absent_and_enormous_images_are_errors(tmp_path, monkeypatch):
    with pytest.raises(pixels.UnreadableImageError, match="No such file"):
        pixels.read(tmp_path / "absent.png")
    monkeypatch.setattr(pixels, "MAX_PIXELS", 599)
    with pytest.raises(pixels.UnreadableImageError, match="30x20 is over the limit"):
        pixels.decode(encoded(Image.fromarray(NOISE)), "x")


def test_write_is_whole_or_absent(tmp_path, monkeypatch):
    path = tmp_path / "new" / "a.png"
    pixels.write_bytes(path, pixels.encode_png(NOISE))
    np.testing.assert_array_equal(pixels.read(path), NOISE)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask

    def fail(*args):
        raise OSError("disk full")

    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        pixels.write_bytes(path, b"other")
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_crop_box():
    assert pixels.crop_box(218, 178, "none") == (0, 0, 178, 218)
    assert pixels.crop_box(218, 178, "center") == (0, 20, 178, 198)
    assert pixels.crop_box(218, 178, "148") == (15, 35, 163, 183)
    assert pixels.crop_box(100, 80, "148") == (0, 10, 80, 90)
    for wrong in ("middle", "0", "-5", ""):
        with pytest.raises(ValueError, match="--crop must be one of center, none"):
            pixels.crop_box(10, 10, wrong)


def blob(height, width, x, y):
    """A smooth spot around (x, y), as an image."""
    rows, columns = np.mgrid[:height, :width]
    spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    return (spot[..., None].repeat(3, -1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("crop", ["center", "none", "90"])
@pytest.mark.parametrize("size", [37, 64, 200])
def test_fit_moves_landmarks_and_face_mask_with_the_picture(crop, size):
    x, y = 70.0, 58.0
    image = blob(150, 120, x, y)
    fitted = pixels.fit(
        {
            "image": image,
            "name": "n",
            "landmarks": np.array([[x, y]] * 5, np.float32),
            "face_mask": (image[..., :1] > 127).astype(np.uint8),
        },
        size=size,
        crop=crop,
    )
    assert fitted["image"].shape == (size, size, 3)
    assert fitted["face_mask"].shape == (size, size, 1)
    assert set(np.unique(fitted["face_mask"])) == {0, 1}
    assert fitted["landmarks"].dtype == np.float32
    # The center of the spot's brightness, against where the landmark went.
    weights = fitted["image"][..., 0].astype(float)
    rows, columns = np.mgrid[:size, :size]
    center = np.array([(weights * columns).sum(), (weights * rows).sum()])
    np.testing.assert_allclose(
        fitted["landmarks"][0], center / weights.sum(), atol=0.06
    )
    bright = fitted["image"][..., :1] > 127
    assert (bright != fitted["face_mask"]).sum() <= 0.15 * bright.sum()


def test_fit_changes_nothing_where_nothing_changes():
    element = {
        "image": NOISE[:20, :20],
        "name": "n",
        "landmarks": RNG.uniform(0, 20, (5, 2)).astype(np.float32),
        "face_mask": (NOISE[:20, :20, :1] > 127).astype(np.uint8),
        "attributes": np.array([True, False]),
    }
    for crop in ("center", "none", "20"):
        fitted = pixels.fit(element, size=20, crop=crop)
        for key in ("image", "face_mask", "attributes"):
            np.testing.assert_array_equal(fitted[key], element[key])
        np.testing.assert_allclose(fitted["landmarks"], element["landmarks"], atol=1e-5)
        assert fitted["name"] == "n"


def test_resize_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(pixels.resize(stripes, 16, 16).astype(int)) < 40


def test_ranges_are_inverses_for_every_byte():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    unit, signed = pixels.bytes_to_unit(every), pixels.bytes_to_signed(every)
    assert (unit.dtype, signed.dtype) == (tf.float32, tf.float32)
    assert (float(tf.reduce_min(unit)), float(tf.reduce_max(unit))) == (0.0, 1.0)
    assert (float(tf.reduce_min(signed)), float(tf.reduce_max(signed))) == (-1.0, 1.0)
    np.testing.assert_array_equal(pixels.unit_to_bytes(unit), every)
    back = pixels.unit_to_bytes(pixels.signed_to_unit(signed))
    np.testing.assert_array_equal(back, every)


def test_values_outside_the_range_are_clipped():
    wild = tf.constant([-3.0, 3.0])
    np.testing.assert_array_equal(pixels.unit_to_bytes(wild), [0, 255])
    np.testing.assert_array_equal(pixels.signed_to_unit(wild), [0.0, 1.0])
