"""Colors of an embedded profile become sRGB's; nothing else changes a number."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from data_pipeline import pixels

NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Red's primary under blue's name, and the other way round.
SWAPPED = SRGB.replace(b"rXYZ", b"....", 1).replace(b"bXYZ", b"rXYZ", 1)
SWAPPED = SWAPPED.replace(b"....", b"bXYZ", 1)


def profile(space, connection, tags):
    """The bytes of a profile, version 2.

    Args:
      space: Of the picture's numbers, four letters, as `connection`.
      connection: The space that its tags lead to.
      tags: Name -> what it holds.
    """
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        start = 128 + 4 + 12 * len(tags) + len(body)
        table += struct.pack(">4sII", name, start, len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i",
        128 + len(table + body),
        0x02100000,
        b"prtr" if space == b"CMYK" else b"mntr",
        space,
        connection,
        b"acsp",
        *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)),
    )
    return head.ljust(128, b"\0") + table + body


WHITE = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061)
# Gray in proportion to the light.
LINEAR_GRAY = profile(
    b"GRAY", b"XYZ ", {b"wtpt": WHITE, b"kTRC": struct.pack(">4s4xIH", b"curv", 1, 256)}
)


def inks():
    """A profile of inks: each of the four alone makes black; none, white."""
    ramp = bytes(range(256))
    grid = bytes([255, 128, 128] + [0, 128, 128] * 15)  # in Lab
    matrix = struct.pack(">9i", *(65536 * int(i % 4 == 0) for i in range(9)))
    lut = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + matrix
    lut += ramp * 4 + grid + ramp * 3
    return profile(b"CMYK", b"Lab ", {b"wtpt": WHITE, b"A2B0": lut})


def decoded(image, icc, **options):
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", "icc_profile": icc, **options})
    return pixels.decode(buffer.getvalue(), "x")


def test_colors_are_those_that_the_profile_means():
    image = decoded(Image.fromarray(NOISE), SWAPPED)
    assert np.abs(image.astype(int) - NOISE[..., ::-1]).max() <= 2
    webp = decoded(Image.fromarray(NOISE), SWAPPED, format="WEBP", lossless=True)
    np.testing.assert_array_equal(webp, image)


def test_srgb_changes_nothing():
    np.testing.assert_array_equal(decoded(Image.fromarray(NOISE), SRGB), NOISE)


def test_an_srgb_that_is_rounded_otherwise_changes_nothing():
    entry = SRGB.index(b"rXYZ")
    (place,) = struct.unpack(">I", SRGB[entry + 4 : entry + 8])
    other = bytearray(SRGB)
    other[place + 11] += 30  # X of red's primary, of 65536
    other = bytes(other)
    changed = ImageCms.profileToProfile(
        Image.fromarray(NOISE), io.BytesIO(other), io.BytesIO(SRGB)
    )
    assert (np.asarray(changed) != NOISE).any()
    np.testing.assert_array_equal(decoded(Image.fromarray(NOISE), other), NOISE)


@pytest.mark.parametrize(
    "icc",
    [
        *(b"no profile", SWAPPED[:60], SWAPPED[:200], SWAPPED[:-500], bytes(3000)),
        *(SWAPPED[:128] + b"\xff" * 400, LINEAR_GRAY, inks()),
    ],
)
def test_what_is_damaged_or_of_other_pictures_counts_for_nothing(icc):
    np.testing.assert_array_equal(decoded(Image.fromarray(NOISE), icc), NOISE)


def test_without_littlecms_nothing_changes(monkeypatch):
    def fail(*args):
        raise ImportError("The _imagingcms C module is not installed")

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", fail)
    pixels._transform.cache_clear()
    np.testing.assert_array_equal(decoded(Image.fromarray(NOISE), SWAPPED), NOISE)
    pixels._transform.cache_clear()


def test_the_picture_is_turned_as_well():
    exif = Image.Exif()
    exif[0x0112] = 3
    image = decoded(Image.fromarray(NOISE), SWAPPED, exif=exif)
    expected = decoded(Image.fromarray(NOISE), SWAPPED)[::-1, ::-1]
    np.testing.assert_array_equal(image, expected)


def test_transparent_pictures_and_palettes():
    red = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    red.putpixel((1, 0), (255, 0, 0, 0))
    image = decoded(red, SWAPPED)
    np.testing.assert_allclose(image, [[[0, 0, 255], [255, 255, 255]]], atol=2)
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 0, 0])
    image = decoded(palette, SWAPPED)
    np.testing.assert_allclose(image, [[[0, 0, 255]]], atol=2)


def test_gray_pictures():
    light = np.array([[0, 55, 255]], np.uint8)
    image = decoded(Image.fromarray(light), LINEAR_GRAY)
    expected = np.array([[0, 128, 255]], np.uint8)[..., None].repeat(3, axis=-1)
    np.testing.assert_allclose(image, expected, atol=2)
    image = decoded(Image.fromarray(NOISE[..., 0]), SWAPPED)  # a profile of colors
    np.testing.assert_array_equal(image, NOISE[..., :1].repeat(3, axis=-1))


def test_inks():
    sheet = Image.new("CMYK", (32, 16), (0, 0, 0, 0))
    sheet.paste((255, 0, 0, 0), (16, 0, 32, 16))
    image = decoded(sheet, inks(), format="JPEG", quality=95)
    assert image[:, :15].min() > 240 and image[:, 17:].max() < 15
