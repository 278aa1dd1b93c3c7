"""Files of restored pictures: formats, what they keep, and what they say."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from data_pipeline import pixels
from serving import png
from serving.photo import output

RNG = np.random.default_rng(0)
COARSE = Image.fromarray(RNG.integers(0, 256, (3, 4, 3), np.uint8))
PHOTO = np.asarray(COARSE.resize((30, 20), Image.BICUBIC))
MASK = np.zeros((20, 30, 1), np.uint8)
MASK[4:10, 5:15] = 1
SUFFIXES = (".png", ".jpg", ".webp")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# Red's primary under blue's name, and the other way round.
SWAPPED = SRGB.replace(b"rXYZ", b"....", 1).replace(b"bXYZ", b"rXYZ", 1)
SWAPPED = SWAPPED.replace(b"....", b"bXYZ", 1)
MAKER, DESCRIPTION, ORIENTATION, EXIF, GPS = 0x010F, 0x010E, 0x0112, 0x8769, 0x8825


def picture(image=PHOTO, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return pixels.decode_picture(buffer.getvalue(), "x")


def restored(source, mask=MASK):
    """The picture with its hole painted red."""
    return np.where(mask, np.array((255, 0, 0), np.uint8), source.image)


def written(source, suffix, mask=MASK, **options):
    data = output.encode(restored(source, mask), source, mask, suffix, **options)
    file = Image.open(io.BytesIO(data))
    file.load()
    return file


def exif():
    data = Image.Exif()
    data[MAKER], data[DESCRIPTION], data[ORIENTATION] = "Camera", "at the sea", 6
    data.get_ifd(EXIF).update({0x829A: 0.5, 0xA002: 30, 0xA003: 20})
    data.get_ifd(GPS).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return data


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_data_are_kept_but_orientation_and_place(suffix):
    source = picture(form="JPEG", exif=exif())
    mask = np.zeros((30, 20, 1), np.uint8)
    mask[3:5] = 1
    for keep in (False, True):
        file = written(source, suffix, mask, keep_location=keep)
        assert file.size == (20, 30)
        found = file.getexif()
        assert found[MAKER] == "Camera" and ORIENTATION not in found
        assert found[DESCRIPTION] == f"{png.RESTORED}; at the sea"
        assert found.get_ifd(EXIF) == {0x829A: 0.5, 0xA002: 20, 0xA003: 30}
        assert bool(found.get_ifd(GPS)) == keep


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_says_that_it_is_restored(suffix):
    file = written(picture(), suffix)
    if suffix == ".png":
        assert file.text["Description"] == png.RESTORED
    else:
        assert file.getexif()[DESCRIPTION] == png.RESTORED
    error = np.asarray(file.convert("RGB")).astype(int) - restored(picture())
    assert np.abs(error).mean() < (0.01 if suffix == ".png" else 12)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_profile_becomes_srgb_and_is_written(suffix):
    assert "icc_profile" not in written(picture(), suffix).info
    source = picture(icc_profile=SWAPPED)
    file = written(source, suffix)
    image = pixels.decode(output.encode(source.image, source, MASK, suffix), "x")
    assert np.abs(image.astype(int) - PHOTO[..., ::-1]).mean() < 6
    name = ImageCms.getProfileName(io.BytesIO(file.info["icc_profile"]))
    assert "sRGB" in name


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_what_was_transparent_stays_so_where_nothing_was_restored(suffix):
    alpha = RNG.integers(0, 256, (20, 30, 1), np.uint8)
    source = picture(np.concatenate([PHOTO, alpha], axis=-1))
    found = np.asarray(written(source, suffix, quality=0).convert("RGBA"))
    known = MASK[..., 0] == 0
    np.testing.assert_array_equal(found[known][:, 3:], alpha[known])
    assert (found[~known][:, 3] == 255).all()
    if suffix == ".png":  # not laid over white either
        np.testing.assert_array_equal(found[known][:, :3], PHOTO[known])
    jpeg = written(source, ".jpg")
    error = np.asarray(jpeg).astype(int) - restored(source)
    assert jpeg.mode == "RGB" and np.abs(error).mean() < 8


def test_a_gray_picture_stays_gray():
    gray = np.repeat(PHOTO[..., :1], 3, axis=-1)
    source = picture(gray)
    for suffix in (".png", ".jpg"):
        data = output.encode(source.image, source, MASK, suffix)
        assert Image.open(io.BytesIO(data)).mode == "L"


def test_a_jpeg_is_compressed_as_it_was_or_as_told():
    large = np.asarray(Image.fromarray(PHOTO).resize((300, 200)))
    noise = RNG.integers(-20, 20, large.shape)
    large = np.clip(large + noise, 0, 255).astype(np.uint8)
    mask = np.zeros((200, 300, 1), np.uint8)
    sizes = {}
    for quality in (30, 90):
        source = picture(large, "JPEG", quality=quality)
        data = output.encode(source.image, source, mask, ".jpg")
        assert Image.open(io.BytesIO(data)).quantization == source.tables["qtables"]
        sizes[quality] = len(data)
        low = output.encode(source.image, source, mask, ".jpg", quality=10)
        assert len(low) < len(data)
    assert sizes[30] < sizes[90] / 2


@pytest.mark.parametrize(
    "name, form, expected",
    [
        ("a.jpg", "png", ".png"),
        ("a.png", "jpeg", ".jpg"),
        ("a.png", "webp", ".webp"),
        ("a.JPG", "same", ".JPG"),
        ("a.jfif", "same", ".jfif"),
        ("a.webp", "same", ".webp"),
        ("a.tif", "same", ".png"),
        ("a", "same", ".png"),
    ],
)
def test_suffixes(name, form, expected, tmp_path):
    assert output.suffix(tmp_path / name, form) == expected


def test_a_format_without_room_is_an_error():
    wide = picture(np.zeros((1, 16400, 3), np.uint8))
    with pytest.raises(output.UnwritableError, match="16400x1 .* WEBP .*format=png"):
        output.encode(wide.image, wide, np.zeros((1, 16400, 1), np.uint8), ".webp")
