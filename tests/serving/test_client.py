"""The client's numbers are those of the model itself, and its errors say what to do."""

import base64
import contextlib
import http.server
import io
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_codec
import tiny_serving
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from tiny_codec import picture
from tiny_serving import HOLE, SIZE

from serving.client import Client, errors
from serving.client import client as client_module
from serving.client.codec import build_codec
from serving.export import codec as codec_export
from serving.export.codec import load_image_codec
from serving.photo.restorer import PhotoRestorer
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("exports")
    return {
        "restorer": tiny_serving.export_restorer(place / "restorer"),
        "a codec": tiny_serving.export_codec(place / "codec"),
        "echo": tiny_serving.export_echo(place / "echo"),
    }


@pytest.fixture(scope="module")
def loaded(folders):
    return tiny_serving.load(**folders)


@pytest.fixture(scope="module")
def addresses(loaded):
    """Transport -> address; without its package there is no gRPC."""
    with contextlib.ExitStack() as stack:
        found = {"rest": stack.enter_context(tiny_serving.rest(loaded))}
        with contextlib.suppress(ImportError):
            found["grpc"] = stack.enter_context(tiny_serving.grpc(loaded))
        yield found


@pytest.fixture
def state(loaded, monkeypatch):
    """The server's state, which is reset afterwards; no pauses between tries."""
    monkeypatch.setattr(client_module, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(loaded, "requests", 0)
    monkeypatch.setattr(loaded, "troubles", [])
    monkeypatch.setattr(loaded, "states", dict(loaded.states))
    yield loaded
    loaded.gate.set()


@pytest.fixture(params=["rest", "grpc"])
def address(request, addresses, state):
    if request.param not in addresses:
        pytest.skip("tensorflow-serving-api is not installed.")
    return addresses[request.param]


@pytest.fixture
def client(address, folders):
    def client(model, **options):
        if model == "a codec":
            options = {"tables": folders[model], **options}
        return Client(address, model=model, **options)

    return client


def hole(height, width):
    """The center's, uint8 [H, W], 1 = missing."""
    mask = np.zeros((height, width), np.uint8)
    top, left = (side * (SIZE - HOLE) // (2 * SIZE) for side in (height, width))
    mask[top : height - top, left : width - left] = 1
    return mask


IMAGE, MASK = picture(SIZE, SIZE), hole(SIZE, SIZE)


class TestNumbers:
    @pytest.mark.parametrize("size", [(SIZE, SIZE), (50, 90)])
    def test_restored_as_by_the_command_line(self, client, folders, size):
        image, mask = picture(*size), hole(*size)
        restored = client("restorer").restore(image, mask)
        model = PhotoRestorer(folders["restorer"])
        (expected,) = model([image], [mask[..., None]])
        assert restored.dtype == np.uint8
        np.testing.assert_array_equal(restored, expected)
        for other in (mask[..., None], mask > 0, mask.astype(np.float32)):
            again = client("restorer").restore(image, other)
            np.testing.assert_array_equal(again, expected)
        np.testing.assert_array_equal(restored[mask == 0], image[mask == 0])
        assert not np.array_equal(restored, image)

    @pytest.mark.parametrize(
        "image",
        [
            *(picture(48, 64), picture(45, 61), picture(1, 1)),
            picture(70, 40)[..., :1].repeat(3, axis=-1),  # gray, in several tiles
        ],
        ids=lambda image: str(image.shape),
    )
    def test_compressed_as_by_the_command_line(
        self, client, folders, monkeypatch, image
    ):
        monkeypatch.setattr("serving.codec.image_codec._TILE", 2)
        monkeypatch.setattr("serving.codec.image_codec._MARGIN", 1)
        codec, remote = load_image_codec(folders["a codec"]), client("a codec")
        data = remote.compress(image)
        assert data == codec.compress(image)
        np.testing.assert_array_equal(remote.decompress(data), codec.decompress(data))

    def test_the_limit_of_pixels_is_the_callers(self, client, folders):
        data = load_image_codec(folders["a codec"]).compress(picture(48, 64))
        for most, told in ((48 * 64, None), (48 * 64 - 1, "--max_megapixels")):
            remote = client("a codec", max_pixels=most)
            for ask in (
                lambda c: c.compress(picture(48, 64)),
                lambda c: c.decompress(data),
            ):
                raises = pytest.raises(ValueError, match=told)
                with raises if told else contextlib.nullcontext():
                    ask(remote)

    def test_a_codec_that_comes_along_is_opened_once(
        self, client, folders, monkeypatch
    ):
        shipped, opened = tiny_codec.build(seed=7), []
        monkeypatch.setattr(zoo, "writer", lambda model_id: "shipped")
        monkeypatch.setattr(zoo, "resolve", lambda name, *kinds: name)
        monkeypatch.setattr(
            codec_export, "load", lambda *a, **o: opened.append((a, o)) or shipped
        )
        remote = client("a codec", max_pixels=5000)
        data = shipped.compress(picture(20, 30))
        for _ in range(2):
            remote.decompress(data)
        assert opened == [(("shipped",), {"max_pixels": 5000})]

    def test_a_float32_survives(self, client):
        bits = np.random.default_rng(0).integers(0, 2**32, 4000, np.uint32)
        values = bits.view(np.float32)
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        ends = np.array([0, -0.0, 1e-45, 1.1754944e-38, 3.4028235e38], np.float32)
        x = np.concatenate([values[np.isfinite(values)], levels, ends])
        transport = client("echo")._transport
        again = transport.predict("floats", {"x": x}).astype(np.float32)
        # Bit for bit, so that -0 is not 0.
        np.testing.assert_array_equal(again.view(np.uint32), x.view(np.uint32))
        x = np.array([np.nan, np.inf, -np.inf], np.float32)
        np.testing.assert_array_equal(transport.predict("floats", {"x": x}), x)

    def test_whole_numbers_and_bytes_survive(self, client):
        transport = client("echo")._transport
        x = np.array([[0, -1, 2**24, 2**31 - 1, -(2**31)]], np.int32)
        again = transport.predict("integers", {"x": x})
        assert again.dtype.kind == "i"
        np.testing.assert_array_equal(again, x)
        data = [bytes(range(256)), b"", "'\"\\é".encode()]
        assert transport.predict("bytes", {"x_bytes": data}) == data

    @pytest.mark.parametrize("address", ["grpc"], indirect=True)
    def test_more_than_grpcs_usual_limit(self, client):
        x = np.ones([5 * 2**18], np.float32)  # 5 MiB
        transport = client("echo")._transport
        np.testing.assert_array_equal(transport.predict("floats", {"x": x}), x)


class TestTables:
    @pytest.fixture
    def copy(self, folders, tmp_path):
        """A folder with a copy of the two files."""
        for name in ("entropy_tables.npz", "config.json"):
            shutil.copy(folders["a codec"] / "assets.extra" / name, tmp_path)
        return tmp_path

    def test_a_copy_of_two_files_is_enough(self, client, copy):
        image = picture(20, 30)
        data = client("a codec", tables=copy).compress(image)
        assert data == client("a codec").compress(image)

    def test_without_them_it_says_where_they_are(self, client):
        text = r"pass Client\(tables=FOLDER\), its export"
        with pytest.raises(ValueError, match=text):
            client("a codec", tables=None).compress(IMAGE)

    @pytest.mark.parametrize("name", ["entropy_tables.npz", "config.json"])
    def test_a_missing_file_is_named(self, client, copy, name):
        (copy / name).unlink()
        with pytest.raises(FileNotFoundError, match=f"has no {name}. Pass an export"):
            client("a codec", tables=copy)

    def test_a_config_without_an_identifier(self, client, copy):
        (copy / "config.json").write_text("{}")
        with pytest.raises(ValueError, match="config.json has no model_id.*again"):
            client("a codec", tables=copy)

    @pytest.mark.parametrize(
        "answer", [[b"x"], [1.0], [[1, 2]], np.zeros((1, 1, 1, 8))]
    )
    def test_answers_that_are_not_latents(self, copy, answer):
        """The tables are of 8 channels; a picture of 20x30 has 2x2 cells."""
        codec = build_codec(lambda signature, inputs: answer, copy)
        text = r"expected numbers of \[1, 2, 2, 8\]. Pass Client\(tables=FOLDER\) of th"
        with pytest.raises(errors.ServerError, match=text):
            codec.compress(picture(20, 30))


class TestMistakes:
    @pytest.mark.parametrize(
        "image, mask, text",
        [
            (IMAGE[..., 0], MASK, "must be uint8 .H, W, 3.*to RGB.$"),
            (IMAGE / 255, MASK, r"got float64 .*\]. \(image \* 255\)"),
            (IMAGE[None] / 255, MASK, "one picture at a time. .image . 2"),
            (IMAGE.tolist(), MASK, r"got int64 .*\]. image.astype\(np.u"),
            (IMAGE[:0], MASK[:0], "Pass one that has pixels"),
            (None, MASK, "got object"),
            (IMAGE, MASK[1:], r"its image's size, \[32, 32\]; got \[31, 32\]"),
            (IMAGE, MASK * 255, "up to 255. Pass mask > 127"),
            (IMAGE, MASK * 0, "a part of its image; nothing is missing"),
            (IMAGE, MASK * 0 + 1, "a part of its image; everything is missing"),
        ],
    )
    def test_pictures_and_masks(self, client, state, image, mask, text):
        with pytest.raises(ValueError, match=text):
            client("restorer").restore(image, mask)
        assert not state.requests

    @pytest.mark.parametrize(
        "address",
        [
            *("localhost", "localhost:rest", "ftp://localhost:8501", "http://", ""),
            *(":8500", "http://localhost:rest", "http://localhost:99999", "http://[::"),
            *("localhost:99999", "localhost:0"),
        ],
    )
    def test_addresses(self, address):
        with pytest.raises(ValueError, match="Pass http://HOST:8501 for REST, or HOST"):
            Client(address, model="restorer")

    @pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), None])
    @pytest.mark.parametrize("address", ["http://localhost:8501", "localhost:8500"])
    def test_timeouts(self, address, timeout):
        with pytest.raises(ValueError, match="timeout must be seconds above 0, at"):
            Client(address, model="m", timeout=timeout)

    def test_a_hole_that_the_model_does_not_fill(self, client):
        text = "'restorer' at .* refuses this: This model fills the hole of 16x16 .*"
        with pytest.raises(errors.RefusedError, match=text) as error:
            client("restorer").restore(IMAGE, 1 - MASK)
        assert "\n" not in str(error.value) and "node" not in str(error.value)

    def test_another_kind_of_model(self, client):
        text = "'a codec' at .* is another kind of model: .*serving_bytes.* not found"
        with pytest.raises(errors.NotServedError, match=text):
            client("a codec").restore(IMAGE, MASK)

    def test_no_such_model(self, client, address):
        text = f"{address} serves no model called 'ä/b'. Pass a name from its models.c"
        for ask in (lambda c: c.restore(IMAGE, MASK), lambda c: c.versions()):
            with pytest.raises(errors.NotServedError, match=text):
                ask(client("ä/b"))

    def test_a_model_that_is_loading(self, client, state):
        state.states["restorer"] = {1: "END", 2: "LOADING"}
        text = "has 'restorer' not ready; its versions: 1 END, 2 LOADING. Wait for one"
        with pytest.raises(errors.NotServedError, match=text):
            client("restorer").restore(IMAGE, MASK)
        assert client("restorer").versions() == {1: "END", 2: "LOADING"}

    def test_a_version_is_asked_for_by_its_number(self, client):
        newest = client("restorer").restore(IMAGE, MASK)
        first = client("restorer", version=1).restore(IMAGE, MASK)
        np.testing.assert_array_equal(first, newest)
        text = "has version 7 of 'restorer' not ready; its versions: 1 AVAILABLE."
        with pytest.raises(errors.NotServedError, match=text):
            client("restorer", version=7).restore(IMAGE, MASK)


class TestPatience:
    @pytest.mark.parametrize("times", [2, 3])
    def test_a_busy_server_is_asked_three_times(self, client, state, times):
        state.troubles = [("UNAVAILABLE", "The batch scheduling queue is full")] * times
        text = "does not serve: The batch scheduling queue is full. Is the address"
        told = pytest.raises(errors.UnavailableError, match=text)
        with told if times == 3 else contextlib.nullcontext():
            client("restorer").restore(IMAGE, MASK)
        assert state.requests == 3

    @pytest.mark.parametrize(
        "code, kind, text",
        [
            ("INVALID_ARGUMENT", errors.RefusedError, "refuses this: Don't"),
            ("FAILED_PRECONDITION", errors.RefusedError, "refuses this: Don't"),
            ("INTERNAL", errors.ServerError, "failed: .*, Don't. Its log may"),
            ("DEADLINE_EXCEEDED", errors.DeadlineError, r"\(Don't\).*longer"),
        ],
    )
    def test_other_failures_are_told_at_once(self, client, state, code, kind, text):
        # TF Serving escapes the quotes, which JSON does not allow.
        state.troubles = [(code, "Don't\n\t [[{{node x}}]]")]
        with pytest.raises(kind, match=text):
            client("restorer").restore(IMAGE, MASK)
        assert state.requests == 1

    def test_errors_with_any_character(self, client, state):
        state.troubles = [("INTERNAL", "\"kaputt\": C:\\ä 'x'")]
        with pytest.raises(errors.ServerError, match=r""""kaputt": C:\\ä 'x'"""):
            client("restorer").restore(IMAGE, MASK)

    def test_a_request_that_took_too_long_is_not_repeated(self, client, state):
        state.gate.clear()
        text = "gave no answer within 0.2 seconds .*longer timeout or a smaller"
        with pytest.raises(errors.DeadlineError, match=text):
            client("restorer", timeout=0.2).restore(IMAGE, MASK)
        assert state.requests <= 1

    def test_nobody_there(self, state, addresses):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            place = f"127.0.0.1:{unused.getsockname()[1]}"
            for address in (f"http://{place}", place)[: len(addresses)]:
                text = f"{address} does not serve: .*refused.*facemend serve` starts"
                with pytest.raises(errors.UnavailableError, match=text):
                    Client(address, model="restorer").versions()

    @pytest.mark.parametrize("address", ["grpc"], indirect=True)
    def test_a_server_that_was_away_is_found_again(self, address, state, monkeypatch):
        """A channel that has lost its server does not wait longer than the client."""
        with tiny_serving.grpc(state) as place:
            remote = Client(place, model="restorer")
            remote.versions()
        with pytest.raises(errors.UnavailableError):
            remote.versions()
        monkeypatch.setattr(client_module, "_PAUSES", (0.2, 1.0))
        with tiny_serving.grpc(state, place.rpartition(":")[2]):
            assert remote.versions() == {1: "AVAILABLE"}


def answering(body, *, pause=0.0, head=b"HTTP/1.1 200 OK\r\n", chatty=False, asked=()):
    """A server with one answer, which pauses after each byte of the body.

    Args:
      pause: In seconds.
      head: The first line.
      chatty: It pauses after each byte of the head instead.
      asked: A list of the paths and bodies of requests.
    """
    head += f"Content-Length: {len(body)}\r\n\r\n".encode()
    parts = [bytes([byte]) for byte in head] if chatty else [head]
    parts += [bytes([byte]) for byte in body] if pause else [body]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if isinstance(asked, list):
                asked.append((self.path, json.loads(content)))
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


def in_format(kind):
    buffer = io.BytesIO()
    Image.fromarray(IMAGE).save(buffer, kind)
    return buffer.getvalue()


OTHER_SIZE = client_module.encode(np.zeros((5, 5, 3), np.uint8))
WHOLE = client_module.encode(IMAGE)
OTHER_FORMATS = [in_format(kind) for kind in ("EPS", "BMP")]


def test_a_picture_of_another_size_is_not_decoded(monkeypatch):
    monkeypatch.setattr(PngImageFile, "load", None)
    with pytest.raises(ValueError, match=r"^\[5, 5, 3\] in place of \[32, 32, 3\]$"):
        client_module.decode(OTHER_SIZE, IMAGE.shape)


class TestStrangers:
    """Whatever answers at an address, the client says what is wrong, and in time."""

    @pytest.mark.parametrize(
        "body",
        [
            *(b"", b"<html>It works</html>", b"\xff\xfe", b"{}", b"[]", b"3", b"null"),
            *(b"[" * 100_000, outputs(None), outputs("text"), outputs({"a": [1]})),
            *(outputs([]), outputs([1.0]), outputs([[1], [1, 2]]), outputs([None])),
            *(outputs([{}]), outputs([{"b64": 3}]), outputs([{"b64": "%%%%"}])),
            *(outputs([as_json(b"")]), outputs([as_json(b"no picture")])),
            *(outputs([as_json(WHOLE[:200])]), outputs([as_json(OTHER_SIZE)])),
            *(outputs([as_json(data)]) for data in OTHER_FORMATS),
            outputs([as_json(WHOLE)] * 2),
        ],
        ids=lambda body: body[:40].decode(errors="replace"),
    )
    def test_what_is_not_a_restored_picture(self, body):
        with answering(body) as address:
            text = f"{address} gave no answer of 'm', but something .*with http://"
            with pytest.raises(errors.ServerError, match=text) as error:
                Client(address, model="m").restore(IMAGE, MASK)
        assert "log" not in str(error.value) and "?." not in str(error.value)

    @pytest.mark.parametrize(
        "states", [None, [1], [{}], [{"version": "1"}], [{"version": "x", "state": ""}]]
    )
    def test_what_are_not_states(self, states):
        body = json.dumps({"model_version_status": states}).encode()
        text = "gave no answer of 'm', but something"
        with answering(body) as address, pytest.raises(errors.ServerError, match=text):
            Client(address, model="m").versions()

    @pytest.mark.parametrize(
        "head, body, text",
        [
            (b"HTTP/1.1 500 No\r\n", b'{"error": {"code": 3}}', "HTTP 500, {'code': 3"),
            (b"HTTP/1.1 302 Found\r\nLocation: /\r\n", b"", "failed: HTTP 302"),
            (b"220 mail.example ESMTP\r\n", b"", "something that is not HTTP .BadSta"),
        ],
    )
    def test_what_is_not_tf_serving(self, head, body, text):
        told = pytest.raises(errors.ServerError, match=text)
        with answering(body, head=head) as address, told:
            Client(address, model="m").versions()

    def test_answers_over_grpc(self):
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
            with pytest.raises(errors.ServerError, match="other than one output"):
                client.restore(IMAGE, MASK)
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(version=1, state=7)
        client._transport._call = lambda *_: response
        with pytest.raises(errors.ServerError, match="something other than states"):
            client.versions()

    @pytest.mark.parametrize("chatty", [False, True])
    def test_the_timeout_is_of_the_whole_answer(self, chatty):
        """Each read is quick, and the answer would take 10 seconds."""
        with answering(b"{" * 100, pause=0.1, chatty=chatty) as address:
            begun = time.monotonic()
            text = "no answer within 0.5 seconds"
            with pytest.raises(errors.DeadlineError, match=text):
                Client(address, model="m", timeout=0.5).restore(IMAGE, MASK)
            assert time.monotonic() - begun < 5


def test_a_proxys_path_stays_and_the_environments_proxy_is_not_used(monkeypatch):
    asked, inputs = [], {"x": np.array([0.5], np.float32), "y_bytes": [b"\xff"]}
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(outputs([0.5]), asked=asked) as address:
        transport = client_module.Rest(f"{address}/faces/", "a b", 3, 5.0)
        assert transport.predict("s", inputs) == [0.5]
    body = {"signature_name": "s", "inputs": {"x": [0.5], "y_bytes": [{"b64": "/w=="}]}}
    assert asked == [("/faces/v1/models/a%20b/versions/3:predict", body)]


# A module that is None in sys.modules cannot be imported.
WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "tensorflow_serving"]))
import numpy as np
from serving.client import Client

address, tables, given, made = sys.argv[1:]
image, mask = np.load(given).values()
np.save(made, Client(address, model="restorer").restore(image, mask))
for address, tables in ((address, tables), ("localhost:8500", None)):
    try:
        Client(address, model="a codec", tables=tables)
    except ImportError as error:
        print(error)
"""


def test_restoring_over_rest_needs_no_tensorflow(addresses, state, folders, tmp_path):
    image, mask = picture(50, 90), hole(50, 90)
    np.savez(tmp_path / "given.npz", image, mask)
    arguments = [addresses["rest"], str(folders["a codec"]), "given.npz", "made.npy"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *arguments],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    expected = Client(addresses["rest"], model="restorer").restore(image, mask)
    np.testing.assert_array_equal(np.load(tmp_path / "made.npy"), expected)
    needs, extra = done.stdout.splitlines()
    assert needs.startswith("Compressing needs tensorflow 2.14 and tensorflow-compr")
    assert "gRPC, which needs tensorflow-serving-api" in extra
    assert "make extras EXTRAS=serving, or pip install 'tensorflow-serv" in extra
