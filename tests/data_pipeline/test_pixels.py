"""Decoding, color profiles, cropping, resizing and ranges."""

import io
import os
import stat
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngImageFile

from data_pipeline import limits, pixels
from serving.codec import container

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (20, 30, 3), np.uint8)
PICTURE = Image.fromarray(NOISE)


def encoded(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def decoded(image, **options):
    return pixels.decode(encoded(image, **options), "x")


def gray(values):
    """Three equal channels."""
    return np.asarray(values, np.uint8)[..., None].repeat(3, axis=-1)


# Decoding


BLUE = (20, 60, 200)
GRAY16 = np.linspace(0, 65535, 24).reshape(4, 6).astype(np.uint16)
FRAMES = {"save_all": True, "append_images": [Image.new("P", (6, 4))]}


def blue(mode="RGB"):
    image = Image.new("RGB", (6, 4), BLUE)
    return image.quantize(4) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize(
    ("image", "options", "expected", "tolerance"),
    [
        (PICTURE, {"format": "PNG"}, NOISE, 0),
        (PICTURE, {"format": "BMP"}, NOISE, 0),
        (PICTURE, {"format": "TIFF"}, NOISE, 0),
        (PICTURE, {"format": "WEBP", "lossless": True}, NOISE, 0),
        (blue(), {"format": "JPEG", "quality": 95}, BLUE, 3),
        (blue(), {"format": "AVIF", "quality": 95}, BLUE, 3),
        (blue("CMYK"), {"format": "JPEG", "quality": 95}, BLUE, 3),
        (blue("P"), {"format": "GIF", **FRAMES}, BLUE, 0),  # the first one
        (blue("P"), {"format": "PNG"}, BLUE, 0),
        (blue("RGBA"), {"format": "PNG"}, BLUE, 0),
        (Image.new("L", (6, 4), 77), {"format": "PNG"}, 77, 0),
        (Image.new("1", (6, 4), 1), {"format": "PNG"}, 255, 0),
        # 16 bits are scaled, not clipped.
        (Image.fromarray(GRAY16), {"format": "PNG"}, GRAY16[..., None] / 257, 0.51),
        (Image.fromarray(GRAY16), {"format": "TIFF"}, GRAY16[..., None] / 257, 0.51),
    ],
)
def test_every_format_becomes_rgb_bytes(image, options, expected, tolerance):
    found = decoded(image, **options)
    assert (found.shape, found.dtype) == ((*image.size[::-1], 3), np.uint8)
    expected = np.broadcast_to(expected, found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_transparency_is_laid_over_white():
    image = Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 255, 51)):
        image.putpixel((x, 0), (100, 0, 0, alpha))
    expected = [[[255, 255, 255], [100, 0, 0], [224, 204, 204]]]
    np.testing.assert_array_equal(decoded(image), expected)
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    expected = [[[255, 255, 255], [40, 50, 60]]]
    np.testing.assert_array_equal(decoded(palette, transparency=0), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.zeros((2, 3, 3), np.uint8)
    upright[0, 0] = 255  # a mark in the upper left corner
    stored = [
        *(upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1]),
        *(upright.swapaxes(0, 1), np.rot90(upright, 1)),
        *(np.rot90(upright, 2).swapaxes(0, 1), np.rot90(upright, -1)),
    ][orientation - 1]
    image = Image.fromarray(np.ascontiguousarray(stored))
    np.testing.assert_array_equal(decoded(image, exif=exif), upright)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_heic_is_read_upright(orientation):
    pytest.importorskip("pillow_heif", reason="needs the extra heic")
    pixels.installed_formats.cache_clear()
    pixels.installed_formats()
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.zeros((64, 96, 3), np.uint8)
    upright[:32, :32] = 255
    turns = {1: 0, 3: 2, 6: 1}[orientation]  # quarters against the clock, as stored
    stored, data = Image.fromarray(np.rot90(upright, turns).copy()), io.BytesIO()
    # Of bytes it makes a rotation of HEIF's own as well, which is the one that counts.
    stored.save(data, "HEIF", quality=95, exif=exif.tobytes())
    found = pixels.decode(data.getvalue(), "photograph.heic")
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).mean() < 3


@pytest.mark.parametrize(
    "data",
    [b"", b"not an image", encoded(PICTURE)[:200]],
    ids=lambda data: f"{len(data)} bytes",
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
    monkeypatch.setattr(limits, "_pixels", 599)
    with pytest.raises(
        pixels.UnreadableImageError,
        match="30x20 is over the limit.*--max_megapixels=1, which takes memory",
    ):
        decoded(PICTURE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
def test_what_may_have_no_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "device.png"):
        with pytest.raises(pixels.UnreadableImageError, match=f"{name}: a device or a"):
            pixels.read(tmp_path / name)


def test_a_file_longer_than_any_picture_is_not_read(tmp_path):
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(10**12)  # which takes no space
    with pytest.raises(pixels.UnreadableImageError, match="long.png: 1,000,000,000"):
        pixels.read(path)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    """A small file of 10,900 x 10,900 pixels; --max_megapixels lets it pass."""
    data = bytearray(encoded(PICTURE))
    data[16:24] = (10900).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")

    def load(image):
        raise RuntimeError("it was decoded")

    monkeypatch.setattr(PngImageFile, "load", load)
    text = "bomb: 10900x10900 is over the limit of 50 megapixels.*--max_megapixels=119"
    with pytest.raises(pixels.UnreadableImageError, match=text):
        pixels.decode(bytes(data), "bomb")
    for name, before in ((limits, "_pixels"), (Image, "MAX_IMAGE_PIXELS")):
        monkeypatch.setattr(name, before, getattr(name, before))
    # As commands begin: Pillow refuses twice as many before we see the size.
    limits.set_max_megapixels(50)
    text = "bomb: a picture of 118,810,000 pixels is over the limit of 50 .*pixels=119"
    with pytest.raises(pixels.UnreadableImageError, match=text):
        pixels.decode(bytes(data), "bomb")
    limits.set_max_megapixels(119)
    with pytest.raises(pixels.UnreadableImageError, match="it was decoded"):
        pixels.decode(bytes(data), "bomb")
    with pytest.raises(ValueError, match="--max_megapixels must be above 0; got 0"):
        limits.set_max_megapixels(0)


def test_codecs_have_the_same_limit_and_some_for_padding():
    assert limits.max_padded() == container.MAX_PIXELS


# Color profiles

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Red's primary under blue's name, and the other way round.
SWAPPED = SRGB.replace(b"rXYZ", b"....", 1).replace(b"bXYZ", b"rXYZ", 1)
SWAPPED = SWAPPED.replace(b"....", b"bXYZ", 1)


def profile(space, connection, tags):
    """The bytes of a profile, version 2.

    Args:
      space: Of the picture's numbers, four letters, as `connection`.
      connection: The space that its tags lead to.
      tags: Name -> contents.
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


def test_colors_are_those_that_the_profile_means():
    image = decoded(PICTURE, icc_profile=SWAPPED)
    assert np.abs(image.astype(int) - NOISE[..., ::-1]).max() <= 2
    webp = decoded(PICTURE, icc_profile=SWAPPED, format="WEBP", lossless=True)
    np.testing.assert_array_equal(webp, image)
    exif = Image.Exif()
    exif[0x0112] = 3  # it is turned as well
    turned = decoded(PICTURE, icc_profile=SWAPPED, exif=exif)
    np.testing.assert_array_equal(turned, image[::-1, ::-1])


def rounded_otherwise():
    """sRGB's profile with another X of red's primary."""
    entry = SRGB.index(b"rXYZ")
    (place,) = struct.unpack(">I", SRGB[entry + 4 : entry + 8])
    other = bytearray(SRGB)
    other[place + 11] += 30  # of 65536
    changed = ImageCms.profileToProfile(
        PICTURE, io.BytesIO(bytes(other)), io.BytesIO(SRGB)
    )
    assert (np.asarray(changed) != NOISE).any()
    return bytes(other)


@pytest.mark.parametrize(
    "icc",
    [
        *(SRGB, rounded_otherwise()),
        # Damaged, or of another kind of picture.
        *(b"no profile", SWAPPED[:60], SWAPPED[:200], SWAPPED[:-500], bytes(3000)),
        *(SWAPPED[:128] + b"\xff" * 400, LINEAR_GRAY, inks()),
    ],
    # Profiles hold the time at which they are made: as names they would not be stable.
    ids=lambda icc: f"{len(icc)} bytes",
)
def test_a_profile_that_changes_nothing(icc):
    np.testing.assert_array_equal(decoded(PICTURE, icc_profile=icc), NOISE)


def test_without_littlecms_nothing_changes(monkeypatch):
    def fail(*args):
        raise ImportError("The _imagingcms C module is not installed")

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", fail)
    pixels._transform.cache_clear()
    np.testing.assert_array_equal(decoded(PICTURE, icc_profile=SWAPPED), NOISE)
    pixels._transform.cache_clear()


def test_profiles_of_transparent_palette_gray_and_ink_pictures():
    red = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    red.putpixel((1, 0), (255, 0, 0, 0))
    image = decoded(red, icc_profile=SWAPPED)
    np.testing.assert_allclose(image, [[[0, 0, 255], [255, 255, 255]]], atol=2)
    palette = Image.new("P", (1, 1))
    palette.putpalette([255, 0, 0])
    image = decoded(palette, icc_profile=SWAPPED)
    np.testing.assert_allclose(image, [[[0, 0, 255]]], atol=2)
    light = Image.fromarray(np.array([[0, 55, 255]], np.uint8))
    image = decoded(light, icc_profile=LINEAR_GRAY)
    np.testing.assert_allclose(image, gray([[0, 128, 255]]), atol=2)
    image = decoded(Image.fromarray(NOISE[..., 0]), icc_profile=SWAPPED)  # of colors
    np.testing.assert_array_equal(image, gray(NOISE[..., 0]))
    sheet = Image.new("CMYK", (32, 16), (0, 0, 0, 0))
    sheet.paste((255, 0, 0, 0), (16, 0, 32, 16))
    image = decoded(sheet, icc_profile=inks(), format="JPEG", quality=95)
    assert image[:, :15].min() > 240 and image[:, 17:].max() < 15


# Files


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


def test_the_umask_counts_and_is_left_alone(tmp_path, monkeypatch):
    """Another thread's files, made while it is changed, would be anybody's to write."""
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", None)
            pixels.write_bytes(tmp_path / "a.png", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


# Crop and resize


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
    return gray((spot * 255).round())


@pytest.mark.parametrize("crop", ["center", "none", "90"])
@pytest.mark.parametrize("size", [37, 64, 200])
def test_fit_moves_landmarks_and_face_mask_with_the_picture(crop, size):
    x, y = 70.0, 58.0
    image = blob(150, 120, x, y)
    element = {
        "image": image,
        "landmarks": np.array([[x, y]] * 5, np.float32),
        "face_mask": (image[..., :1] > 127).astype(np.uint8),
    }
    fitted = pixels.fit(element, size=size, crop=crop)
    assert fitted["image"].shape == (size, size, 3)
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


@pytest.mark.parametrize("crop", ["center", "none", "20"])
def test_fit_changes_nothing_where_nothing_changes(crop):
    element = {
        "image": NOISE[:20, :20],
        "name": "n",
        "landmarks": RNG.uniform(0, 20, (5, 2)).astype(np.float32),
        "face_mask": (NOISE[:20, :20, :1] > 127).astype(np.uint8),
        "attributes": np.array([True, False]),
    }
    fitted = pixels.fit(element, size=20, crop=crop)
    marks = fitted.pop("landmarks"), element.pop("landmarks")
    np.testing.assert_allclose(*marks, atol=1e-5)
    tf.nest.map_structure(np.testing.assert_array_equal, fitted, element)


def test_resize_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(pixels.resize(stripes, 16, 16).astype(int)) < 40


# Ranges


@pytest.mark.parametrize("sizes", [((50, 31), (20, 20)), ((20, 20), (47, 90))])
def test_floats_are_resized_as_tensorflow_resizes_them(sizes):
    before, after = sizes
    image = np.random.default_rng(0).uniform(0, 1, (*before, 3)).astype(np.float32)
    found = pixels.resize_unit(image, *after)
    expected = tf.image.resize(image, after, "bicubic", antialias=True)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.clip(expected, 0, 1), atol=1e-5)
    part = pixels.resize_unit(image, *after, (3, 5, 17, 12))
    np.testing.assert_allclose(part, found[5:12, 3:17], atol=1e-6)


def test_ranges_are_inverses_for_every_byte_and_clip():
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    unit, signed = pixels.bytes_to_unit(every), pixels.bytes_to_signed(every)
    assert (unit.dtype, signed.dtype) == (tf.float32, tf.float32)
    for image, low in ((unit, 0.0), (signed, -1.0)):
        assert (image.numpy().min(), image.numpy().max()) == (low, 1.0)
    np.testing.assert_array_equal(pixels.unit_to_bytes(unit), every)
    back = pixels.unit_to_bytes(pixels.signed_to_unit(signed))
    np.testing.assert_array_equal(back, every)
    wild = tf.constant([-3.0, 3.0])
    np.testing.assert_array_equal(pixels.unit_to_bytes(wild), [0, 255])
    np.testing.assert_array_equal(pixels.signed_to_unit(wild), [0.0, 1.0])


@pytest.mark.parametrize("shape", [(64, 64), (218, 178), (30, 41)])
def test_bilinear_is_that_of_keras_and_not_antialiased(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    expected = tf.image.resize(image, [64, 64]).numpy()
    plain = pixels.resize(image, 64, 64, filter="bilinear")
    assert plain.dtype == np.uint8
    np.testing.assert_allclose(plain, expected, atol=0.51)
    element = {"image": image}
    fitted = pixels.fit(element, size=64, crop="none", filter="bilinear")
    np.testing.assert_array_equal(fitted["image"], plain)
    if shape[0] > 64:  # Of noise, antialiasing keeps much less.
        smooth = pixels.fit(element, size=64, crop="none")["image"]
        assert smooth.std() < 0.7 * plain.std()


def test_bilinear_takes_a_box_as_bicubic_does():
    image = np.random.default_rng(1).integers(0, 256, (50, 40, 3), np.uint8)
    box = (5, 10, 35, 40)
    part = pixels.resize(image, 16, 16, box=box, filter="bilinear")
    alone = pixels.resize(image[10:40, 5:35], 16, 16, filter="bilinear")
    np.testing.assert_array_equal(part, alone)


# Numbers without a range


def numbers(values, kind=np.float32):
    return encoded(Image.fromarray(np.array([values], kind)), format="TIFF")


@pytest.mark.parametrize(
    "values, kind, levels, expected",
    [
        ((0.0, 0.25, 1.0, 2.0), np.float32, (0, 1), (0, 64, 255, 255)),
        ((0, 100, 255), np.int32, (0, 255), (0, 100, 255)),
        ((0, 100, 255), np.int32, (255, 0), (255, 155, 0)),
        ((-1.0, 0.0, 1.0), np.float32, (-1, 1), (0, 128, 255)),
    ],
)
def test_numbers_are_read_with_a_range_alone(values, kind, levels, expected):
    data = numbers(values, kind)
    found = pixels.decode_picture(data, "x", levels).image
    np.testing.assert_array_equal(found[0, :, 0], expected)
    text = r"x: its numbers, \S+ to \S+, have no agreed range.*--levels=0,1"
    with pytest.raises(pixels.UnreadableImageError, match=text):
        pixels.decode(data, "x")


def test_what_is_no_number_is_refused():
    data = numbers((0.0, np.nan, 1.0))
    text = "x: 1 of its 3 numbers are infinite or none at all"
    for levels in ((), (0, 1)):
        with pytest.raises(pixels.UnreadableImageError, match=text):
            pixels.decode_picture(data, "x", levels)


def test_sixteen_bits_have_a_range_of_their_own():
    image = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    found = pixels.decode_picture(encoded(image), "x", (0, 1)).image
    np.testing.assert_array_equal(found[0, :, 0], (0, 1, 255))


def test_an_image_is_known_without_a_suffix(tmp_path):
    (tmp_path / "scan").write_bytes(encoded(PICTURE, format="JPEG"))
    (tmp_path / "other").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    assert pixels.is_image(tmp_path / "scan")
    assert not pixels.is_image(tmp_path / "other")
    assert not pixels.is_image(tmp_path / "absent")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has none")
def test_what_may_have_no_end_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "device"):
        assert not pixels.is_image(tmp_path / name)
