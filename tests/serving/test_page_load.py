"""The page under many visitors at once: a queue, limits, and memory that stays flat."""

import concurrent.futures
import ctypes
import gc
import io
import json
import sys
import threading
import types
import uuid

import numpy as np
import psutil
import pytest
import requests
from PIL import Image
from tiny_codec import picture

pytest.importorskip("gradio", reason="needs the extra app")

import gradio as gr
from gradio.components.image_editor import AcceptBlobs, EditorData
from tiny_page import Visitor

from experiments import app
from serving.page import editor, page
from serving.page.actions import Restorer
from serving.page.models import Models

VISITORS = 40
ROUNDS, ROUND = 4, 25
SIDE = 300  # pixels of the picture that each restores
MB = 2**20


class Slow:
    """A restorer that waits until it is let go, and counts who is in it."""

    def __init__(self):
        self.gate, self.inside, self.most = threading.Event(), 0, 0

    def __call__(self, image, mask):
        self.inside += 1
        self.most = max(self.most, self.inside)
        assert self.gate.wait(300)
        self.inside -= 1
        return np.where(mask, np.uint8(255), image)


@pytest.fixture(scope="module")
def slow():
    return Slow()


@pytest.fixture(scope="module")
def served(slow, tmp_path_factory):
    models = Models({"slow": Restorer(slow)}, {}, {})
    folder = tmp_path_factory.mktemp("folder")
    app.share_heaps()  # as the command does
    served = page.start(models, app.tools(), folder, host="127.0.0.1", port=0)
    yield served
    served.close(verbose=False)


@pytest.fixture(scope="module")
def url(served):
    return served.local_url


@pytest.fixture(scope="module")
def call(url, tmp_path_factory):
    """The request that a press of Restore leads to, without its session."""
    path = tmp_path_factory.mktemp("picture") / "face.png"
    Image.fromarray(picture(SIDE, SIDE)).save(path)
    tab = Visitor(url, "Restore")
    tab.upload(path)
    tab.press("Center")
    (event,) = (
        each
        for each in tab._events
        if each["trigger_after"] is not None and len(each["outputs"]) == 5
        if each["outputs"][0] in tab._inside
    )
    inputs = [tab._props[number].get("value") for number in event["inputs"]]
    return {"data": inputs, "fn_index": event["id"], "event_data": None}


def join(url, call):
    session = uuid.uuid4().hex
    body = {**call, "session_hash": session}
    answer = requests.post(f"{url}gradio_api/queue/join", json=body)
    return session, answer.status_code


def messages(url, session):
    address = f"{url}gradio_api/queue/data?session_hash={session}"
    with requests.get(address, stream=True) as answer:
        for line in answer.iter_lines():
            message = json.loads(line[5:]) if line.startswith(b"data:") else {}
            if message:
                yield message
            if message.get("msg") == "process_completed":
                return


def visit(url, call, pool, count):
    """As many visitors at once; the statuses and all messages of each."""
    joined = [pool.submit(join, url, call) for _ in range(count)]
    sessions, statuses = zip(*(each.result() for each in joined))
    told = [pool.submit(lambda s: [*messages(url, s)], s) for s in sessions]
    return statuses, told


def test_visitors_wait_in_a_queue_that_says_its_length(url, call, slow):
    slow.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(VISITORS) as pool:
        statuses, told = visit(url, call, pool, VISITORS)
        assert set(statuses) == {200}
        status = requests.get(f"{url}gradio_api/queue/status").json()
        assert status["queue_size"] >= VISITORS - 1
        slow.gate.set()
        told = [each.result() for each in told]
    assert all(each[-1]["success"] for each in told)
    places = [m for each in told for m in each if m["msg"] == "estimation"]
    assert max(m["rank"] for m in places) >= VISITORS - 2
    assert max(m["queue_size"] for m in places) >= VISITORS - 1
    assert slow.most == 1  # one model at a time


def own_megabytes():
    """Memory of this process that no file backs, after what is free was given back.

    The kernel reads and drops pages of libraries as it likes.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free, but kept for threads
    found = psutil.Process().memory_info()
    return (found.rss - found.shared) / MB


@pytest.mark.skipif(sys.platform != "linux", reason="asks for what Linux tells")
def test_memory_stays_flat(url, call, slow):
    slow.gate.set()
    used = []
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for _ in range(ROUNDS):
            statuses, told = visit(url, call, pool, ROUND)
            assert all(each.result()[-1]["success"] for each in told)
            assert set(statuses) == {200}
            used.append(own_megabytes())
    # The first rounds fill caches. Pictures that stayed of each visitor would show: the
    # original, its mask, and the restored one.
    kept = (ROUNDS - 2) * ROUND * 7 * SIDE**2 / MB
    assert used[-1] - used[1] < kept / 2, used


def test_a_full_queue_is_refused(served, url, call, slow, monkeypatch):
    slow.gate.clear()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses, told = visit(url, call, pool, 4)
        monkeypatch.setattr(served._queue, "max_size", 2)
        answer = requests.post(
            f"{url}gradio_api/queue/join", json={**call, "session_hash": "late"}
        )
        assert answer.status_code == 503 and "Queue is full" in answer.text
        slow.gate.set()
        assert all(each.result()[-1]["success"] for each in told)


class TestLimits:
    def test_a_call_is_short(self, url, call):
        body = {**call, "session_hash": "a", "event_data": "x" * page.MAX_CALL}
        answer = requests.post(f"{url}gradio_api/queue/join", json=body)
        assert answer.status_code == 413 and str(page.MAX_CALL) in answer.text

    def test_uploads_leave_some_of_the_disk(self, url, monkeypatch):
        usage = types.SimpleNamespace(free=2**29)
        monkeypatch.setattr(page.shutil, "disk_usage", lambda folder: usage)
        answer = requests.post(f"{url}gradio_api/upload", files={"files": b"x"})
        assert answer.status_code == 507 and "disk is full" in answer.text


class TestEditor:
    def send(self, made, data=b"x", kind="layer", index="0", name="a"):
        part = {"type": kind, "index": index, "id": name, "file": None}
        files = [("file", data)]
        made.accept_blobs(AcceptBlobs.model_construct(data=part, files=files))

    def test_layers_alone_are_kept_until_they_are_taken(self):
        made, layer = editor.limited(gr.ImageEditor(layers=False)), io.BytesIO()
        Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(layer, "PNG")
        for kind in ("layer", "background", "composite"):
            self.send(made, layer.getvalue(), kind)
        value = made.preprocess(EditorData(id="a", layers=[]))
        assert value["background"] is value["composite"] is None
        assert [each.shape for each in value["layers"]] == [(8, 8, 4)]
        assert not made.blob_storage

    @pytest.mark.parametrize("index", ["4", "-1", "99999999999"])
    def test_a_layer_far_up_takes_no_memory(self, index):
        made = editor.limited(gr.ImageEditor())
        self.send(made, index=index)
        assert not made.blob_storage

    def test_what_is_never_taken_has_an_end(self, monkeypatch):
        monkeypatch.setattr(editor, "_KEPT", 50)
        made = editor.limited(gr.ImageEditor())
        for number in range(100):
            self.send(made, bytes(10), name=str(number))
        assert [*made.blob_storage] == [str(number) for number in range(95, 100)]

    def test_a_layer_has_a_size(self):
        made = editor.limited(gr.ImageEditor())
        self.send(made, bytes(editor._LARGEST + 1))
        assert not made.blob_storage
