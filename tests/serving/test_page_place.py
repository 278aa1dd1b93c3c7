"""What visitors leave behind is deleted, also when a process could not do it."""

import os
import signal
import tempfile
import time
import types

import pytest

import serving.page
from experiments import app
from serving.page import uploads


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left_behind(place, name="facemend-page-dead", seconds=120, marked=True):
    """A folder of a process that has ended, so long ago."""
    folder = place / name
    (folder / "files").mkdir(parents=True)
    if marked:
        (folder / ".uploads-of-a-facemend-page").touch()
    (folder / "files" / "face.png").write_bytes(b"face")
    os.utime(folder, (time.time() - seconds,) * 2)
    return folder


def test_it_is_there_while_it_is_used(temporary):
    with uploads.place() as place:
        (place / "face.png").write_bytes(b"face")
        assert place.parent == temporary
    assert not place.exists()


def test_those_of_dead_processes_are_deleted(temporary):
    folder = left_behind(temporary)
    with uploads.place() as place:
        assert [*temporary.iterdir()] == [place]
    assert not folder.exists()


def test_those_of_others_that_live_stay(temporary):
    with uploads.place() as place:
        os.utime(place, (0, 0))
        with uploads.place() as other:
            assert place.exists() and other != place


def test_so_does_what_is_not_ours_or_just_made(temporary, monkeypatch):
    folders = [
        left_behind(temporary, "something-else"),
        left_behind(temporary, seconds=5),
        left_behind(temporary, "facemend-page-of-mine", marked=False),
    ]
    (temporary / "facemend-page-link").symlink_to(folders[0])
    uploads.sweep()
    assert all((folder / "files" / "face.png").exists() for folder in folders)
    os.utime(folders[1], (0, 0))
    monkeypatch.setattr(os, "getuid", lambda: -1)
    uploads.sweep()
    assert folders[1].exists()


@pytest.fixture
def told_to_stop():
    """Handlers of the signal are put back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("told_to_stop")
def test_a_page_that_is_told_to_stop_deletes_everything(temporary, monkeypatch):
    closed = []

    def wait():
        assert [*temporary.iterdir()]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    page = types.SimpleNamespace(
        local_url="", block_thread=wait, close=lambda **_: closed.append(True)
    )
    stub = types.SimpleNamespace(start=lambda *_, **__: page)
    monkeypatch.setattr(serving.page, "page", stub, raising=False)
    monkeypatch.setattr(app, "load", lambda names: None)
    with pytest.raises(SystemExit) as ended:
        app.serve(app.Options())
    assert not ended.value.code and closed
    assert not [*temporary.iterdir()]
