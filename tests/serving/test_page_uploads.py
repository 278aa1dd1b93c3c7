"""Uploads of the web page: their limits, and that all of them are deleted."""

import io
import os
import signal
import struct
import tempfile
import time
import types
import zlib

import numpy as np
import pytest
from PIL import Image
from tiny_codec import picture

from data_pipeline import pixels
from experiments import app
from serving.page import uploads


@pytest.fixture
def upload(tmp_path):
    def upload(data):
        (tmp_path / "upload.png").write_bytes(data)
        return tmp_path / "upload.png"

    return upload


def encoded(image, form, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, form, **options)
    return buffer.getvalue()


def bomb(width, height):
    """A PNG of a few bytes that claims to be that large."""
    data = bytearray(encoded(picture(1, 1), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return data


class TestRead:
    @pytest.mark.parametrize("form", pixels.installed_formats())
    def test_a_picture_is_upright(self, upload, form):
        sideways = Image.Exif()
        sideways[0x0112] = 6  # Orientation: to be turned by 90 degrees clockwise
        plain = form in ("BMP", "GIF", "JPEG2000")
        options = {} if plain else {"exif": sideways}
        data = encoded(picture(20, 30), form, **options)
        found = uploads.read(upload(data))
        np.testing.assert_array_equal(found, pixels.decode(data, "it"))
        assert found.shape == ((20, 30, 3) if plain else (30, 20, 3))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"no picture",
            b"\x89PNG\r\n\x1a\n",
            encoded(picture(20, 30), "PNG")[:60],
            encoded(picture(90, 90), "JPEG")[:900],
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            encoded(picture(20, 30), "PPM"),
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

    def test_a_large_file_is_refused(self, upload, monkeypatch):
        monkeypatch.setattr(uploads, "MAX_BYTES", 3 << 20)
        with pytest.raises(pixels.UnreadableImageError, match="larger than 3 MB"):
            uploads.read(upload(bytes((3 << 20) + 1)))


@pytest.mark.parametrize(
    "size, expected",
    [((40, 30), (40, 30)), ((200, 100), (50, 25)), ((1, 5000), (1, 50))],
)
def test_shrinking_bounds_the_longer_side(size, expected):
    image = picture(*size)
    found = uploads.shrink(image, 50)
    assert found.shape == (*expected, 3)
    assert size != expected or found is image


class TestFolder:
    @pytest.fixture(autouse=True)
    def temporary(self, tmp_path, monkeypatch):
        """Where folders are made."""
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return tmp_path

    def left_behind(self, place, name="facemend-page-dead", seconds=120, marked=True):
        """A folder of a process that died so many seconds ago."""
        folder = place / name
        (folder / "files").mkdir(parents=True)
        if marked:
            (folder / ".uploads-of-a-facemend-page").touch()
        (folder / "files" / "face.png").write_bytes(b"face")
        os.utime(folder, (time.time() - seconds,) * 2)
        return folder

    def test_it_is_deleted_with_those_of_dead_processes(self, temporary):
        self.left_behind(temporary)
        with uploads.folder() as folder:
            (folder / "face.png").write_bytes(b"face")
            assert [*temporary.iterdir()] == [folder]
        assert not [*temporary.iterdir()]

    def test_those_of_live_processes_stay(self, temporary):
        with uploads.folder() as folder:
            os.utime(folder, (0, 0))
            with uploads.folder() as other:
                assert folder.exists() and other != folder

    def test_new_and_foreign_folders_stay(self, temporary, monkeypatch):
        folders = [
            self.left_behind(temporary, "something-else"),
            self.left_behind(temporary, seconds=5),
            self.left_behind(temporary, "facemend-page-of-mine", marked=False),
        ]
        (temporary / "facemend-page-link").symlink_to(folders[0])
        uploads.sweep()
        assert all((folder / "files" / "face.png").exists() for folder in folders)
        os.utime(folders[1], (0, 0))
        monkeypatch.setattr(os, "getuid", lambda: -1)
        uploads.sweep()
        assert folders[1].exists()

    def test_a_page_that_is_terminated_deletes_everything(self, temporary, monkeypatch):
        page = pytest.importorskip("serving.page.page", reason="needs the extra app")
        closed = []

        def wait():
            assert [*temporary.iterdir()]
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

        served = types.SimpleNamespace(
            local_url="", block_thread=wait, close=lambda **_: closed.append(True)
        )
        monkeypatch.setattr(page, "start", lambda *_, **__: served)
        monkeypatch.setattr(app, "load", lambda *_: None)
        monkeypatch.setattr(app, "FaceFinder", lambda: None)
        before = signal.getsignal(signal.SIGTERM)
        try:
            with pytest.raises(SystemExit) as ended:
                app.serve(app.Options())
        finally:
            signal.signal(signal.SIGTERM, before)
        assert not ended.value.code and closed
        assert not [*temporary.iterdir()]
