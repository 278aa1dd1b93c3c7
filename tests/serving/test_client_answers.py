"""Whatever answers at an address, a client says what is wrong, and in time."""

import base64
import contextlib
import http.server
import json
import time

import numpy as np
import pytest
import tiny_codec
import tiny_serving

from serving.client import client as client_pictures
from serving.client import codec as client_codec
from serving.client.client import Client
from serving.client.errors import DeadlineError, ServerError

IMAGE = tiny_codec.picture(20, 30)
MASK = np.zeros((20, 30), np.uint8)
MASK[5:9, 5:9] = 1


def answering(body, *, pause=0.0, head=b"HTTP/1.1 200 OK\r\n", chatty=False):
    """A server that answers all alike, and after each byte of the body waits.

    Args:
      body: What it answers.
      pause: In seconds.
      head: The first line.
      chatty: It waits after each byte of the head instead.
    """
    head += f"Content-Length: {len(body)}\r\n\r\n".encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = [head] if not chatty else [bytes([byte]) for byte in head]
            parts += [bytes([byte]) for byte in body] if pause else [body]
            # A client that has given up does not listen.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for part in parts:
                    self.wfile.write(part)
                    time.sleep(pause)

        do_GET = do_POST

        def log_message(self, *args):
            pass

    return tiny_serving.listening(Handler)


def outputs(value):
    return json.dumps({"outputs": value}).encode()


def as_json(data):
    return {"b64": base64.b64encode(data).decode()}


OTHER_SIZE = client_pictures.encode(np.zeros((5, 5, 3), np.uint8))
WHOLE = client_pictures.encode(IMAGE)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>It works</html>", b"\xff\xfe", b"{}", b"[]", b"3", b"null"),
        *(b"[" * 100_000, outputs(None), outputs("text"), outputs({"a": [1]})),
        *(outputs([]), outputs([1.0]), outputs([[1], [1, 2]]), outputs([None])),
        *(outputs([{}]), outputs([{"b64": 3}]), outputs([{"b64": "%%%%"}])),
        *(outputs([as_json(b"")]), outputs([as_json(b"no picture")])),
        *(outputs([as_json(WHOLE[:200])]), outputs([as_json(OTHER_SIZE)])),
        outputs([as_json(WHOLE)] * 2),
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_what_is_no_restored_picture(body):
    with answering(body) as address:
        text = f"{address} gave no answer of 'm', but something .*address, with http://"
        with pytest.raises(ServerError, match=text) as error:
            Client(address, model="m").restore(IMAGE, MASK)
    assert "log" not in str(error.value) and "?." not in str(error.value)


def test_a_restored_picture():
    with answering(outputs([as_json(WHOLE)])) as address:
        restored = Client(address, model="m").restore(IMAGE, MASK)
    np.testing.assert_array_equal(restored, IMAGE)


@pytest.mark.parametrize(
    "states", [None, [1], [{}], [{"version": "1"}], [{"version": "x", "state": "END"}]]
)
def test_what_are_no_states(states):
    body = json.dumps({"model_version_status": states}).encode()
    text = "gave no answer of 'm', but something"
    with answering(body) as address, pytest.raises(ServerError, match=text):
        Client(address, model="m").versions()


def test_an_error_that_is_no_text():
    head = b"HTTP/1.1 500 No\r\n"
    body, text = b'{"error": {"code": 3}}', "failed: HTTP 500, {'code': 3}"
    with answering(body, head=head) as address, pytest.raises(ServerError, match=text):
        Client(address, model="m").versions()


def test_what_is_not_http():
    head, text = b"220 mail.example ESMTP\r\n", "something that is not HTTP .BadStatus"
    with answering(b"", head=head) as address, pytest.raises(ServerError, match=text):
        Client(address, model="m").versions()


@pytest.mark.parametrize("answer", [b"x", [1.0], [[1, 2]], np.zeros((1, 1, 1, 8))])
def test_what_are_no_latents(tmp_path, answer):
    """The tables are of 8 channels; a picture of 20x30 has 2x2 cells."""
    folder, *_ = tiny_codec.export(tmp_path)

    def predict(signature, inputs):
        return answer if isinstance(answer, np.ndarray) else [answer]

    codec = client_codec.build(predict, folder)
    text = r"numbers of \[1, 2, 2, 8\] are due. Pass Client\(tables=FOLDER\) of the mo"
    with pytest.raises(ServerError, match=text):
        codec.compress(IMAGE)


def test_answers_over_grpc():
    pytest.importorskip("tensorflow_serving")
    import tensorflow as tf
    from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

    client = Client("localhost:8500", model="m")
    tensor = tf.make_tensor_proto([WHOLE])
    odd = tf.make_tensor_proto([1.0])
    odd.tensor_shape.dim[0].size = 7
    odd.tensor_content = b"x"
    for found in ({}, {"a": tensor, "b": tensor}, {"a": odd}):
        response = predict_pb2.PredictResponse()
        for key, value in found.items():
            response.outputs[key].CopyFrom(value)
        client._transport._call = lambda *_, response=response: response
        with pytest.raises(ServerError, match="something else than one output"):
            client.restore(IMAGE, MASK)
    response = get_model_status_pb2.GetModelStatusResponse()
    response.model_version_status.add(version=1, state=7)
    client._transport._call = lambda *_: response
    with pytest.raises(ServerError, match="something else than states"):
        client.versions()


class TestTimeout:
    @pytest.mark.parametrize("chatty", [False, True])
    def test_it_is_of_the_whole_answer(self, chatty):
        """Each read is quick, and the answer would take 10 seconds."""
        with answering(b"{" * 100, pause=0.1, chatty=chatty) as address:
            begun = time.monotonic()
            with pytest.raises(DeadlineError, match="no answer within 0.5 seconds"):
                Client(address, model="m", timeout=0.5).restore(IMAGE, MASK)
            assert time.monotonic() - begun < 5

    @pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), None])
    def test_it_is_a_time(self, timeout):
        for address in ("http://localhost:8501", "localhost:8500"):
            with pytest.raises(ValueError, match="timeout must be seconds above 0, at"):
                Client(address, model="m", timeout=timeout)
