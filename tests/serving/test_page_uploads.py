"""What the web page takes from people and gives them: limits, masks, files."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from tiny_codec import picture

from data_pipeline import pixels
from serving.page import uploads


@pytest.fixture
def upload(tmp_path):
    def upload(data, name="upload.png"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return upload


def encoded(image, form, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def bomb(width, height):
    """A PNG of a few bytes that claims to be that large."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(9)))):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        data += struct.pack(">I", len(content)) + name + content + checksum
    return data


class TestUploads:
    @pytest.mark.parametrize("form", uploads.FORMATS)
    def test_a_picture_is_as_it_would_be_looked_at(self, upload, form):
        sideways = Image.Exif()
        sideways[0x0112] = 6  # Orientation: to be turned by 90 degrees clockwise
        options = {} if form == "BMP" else {"exif": sideways}
        data = encoded(picture(20, 30), form, **options)
        found = uploads.read(upload(data))
        np.testing.assert_array_equal(found, pixels.decode(data, "it"))
        assert found.shape == ((20, 30, 3) if form == "BMP" else (30, 20, 3))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"no picture",
            b"\x89PNG\r\n\x1a\n",
            encoded(picture(20, 30), "PNG")[:60],
            encoded(picture(90, 90), "JPEG")[:900],
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            encoded(picture(20, 30), "GIF"),
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"BM" + bytes(60),
            b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(40),
        ],
    )
    def test_anything_else_is_refused_in_a_sentence(self, upload, data):
        with pytest.raises(pixels.UnreadableImageError, match="^This (file|picture)"):
            uploads.read(upload(data))

    @pytest.mark.parametrize("size", [(5001, 5000), (20000, 20000), (1 << 30, 1 << 30)])
    def test_a_bomb_is_refused_by_its_header(self, upload, size):
        with pytest.raises(pixels.UnreadableImageError, match="more than 25 mega"):
            uploads.read(upload(bomb(*size)))

    def test_a_large_file_is_not_even_read(self, upload, monkeypatch):
        monkeypatch.setattr(uploads, "MAX_BYTES", 3 << 20)
        path = upload(bytes((3 << 20) + 1))
        with pytest.raises(pixels.UnreadableImageError, match="larger than 3 MB"):
            uploads.read(path)


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [((40, 30), (40, 30)), ((200, 100), (50, 25)), ((1, 5000), (1, 50))],
    )
    def test_the_longer_side_is_bounded(self, size, expected):
        assert uploads.shrink(picture(*size), 50).shape == (*expected, 3)

    def test_a_small_picture_is_itself(self):
        image = picture(40, 30)
        assert uploads.shrink(image, 40) is image
