"""A client's numbers are those of the model itself, and its errors say what to do."""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import tiny_codec
import tiny_serving
from tiny_codec import picture
from tiny_serving import HOLE, SIZE

from serving.client import Client, errors
from serving.client import client as clients
from serving.client.rest import Rest
from serving.codec import container
from serving.export import codec as codec_export
from serving.photo import restorer

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        "restorer": tiny_serving.export_restorer(tmp_path_factory.mktemp("restorer")),
        "a codec": tiny_serving.export_codec(tmp_path_factory.mktemp("codec")),
        "echo": tiny_serving.export_echo(tmp_path_factory.mktemp("echo")),
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
    """The server's state, as it is again afterwards; no pauses between tries."""
    monkeypatch.setattr(clients, "_PAUSES", (0.0, 0.0))
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
    top, left = (
        height * (SIZE - HOLE) // (2 * SIZE),
        width * (SIZE - HOLE) // (2 * SIZE),
    )
    mask[top : height - top, left : width - left] = 1
    return mask


class TestNumbers:
    @pytest.mark.parametrize("size", [(SIZE, SIZE), (50, 90)])
    def test_restored_as_by_the_command_line(self, client, folders, size):
        image, mask = picture(*size), hole(*size)
        restored = client("restorer").restore(image, mask)
        (expected,) = restorer.PhotoRestorer(folders["restorer"])(
            [image], [mask[..., None]]
        )
        assert restored.dtype == np.uint8
        np.testing.assert_array_equal(restored, expected)
        np.testing.assert_array_equal(restored[mask == 0], image[mask == 0])
        assert not np.array_equal(restored, image)

    def test_masks_with_and_without_channels_and_as_booleans(self, client):
        image, mask = picture(SIZE, SIZE), hole(SIZE, SIZE)
        restore = client("restorer").restore
        expected = restore(image, mask)
        for other in (mask[..., None], mask > 0, mask.astype(np.float32)):
            np.testing.assert_array_equal(restore(image, other), expected)

    @pytest.mark.parametrize("size", [(48, 64), (45, 61), (1, 1)])
    def test_compressed_as_by_the_command_line(self, client, folders, size):
        codec, remote = (
            codec_export.load_image_codec(folders["a codec"]),
            client("a codec"),
        )
        image = picture(*size)
        data = remote.compress(image)
        assert data == codec.compress(image)
        np.testing.assert_array_equal(remote.decompress(data), codec.decompress(data))

    def test_gray_pictures_and_the_seams_of_large_ones(
        self, client, folders, monkeypatch
    ):
        monkeypatch.setattr("serving.codec.image_codec._TILE", 2)
        monkeypatch.setattr("serving.codec.image_codec._MARGIN", 1)
        codec, remote = (
            codec_export.load_image_codec(folders["a codec"]),
            client("a codec"),
        )
        image = picture(70, 40)[..., :1].repeat(3, axis=-1)
        data = remote.compress(image)
        assert data == codec.compress(image)
        np.testing.assert_array_equal(remote.decompress(data), codec.decompress(data))

    def test_a_float32_survives(self, client):
        bits = np.random.default_rng(0).integers(0, 2**32, 4000, np.uint32)
        values = bits.view(np.float32)
        levels = np.arange(256, dtype=np.float32) / np.float32(255)
        ends = np.array([0, -0.0, 1e-45, 1.1754944e-38, 3.4028235e38], np.float32)
        x = np.concatenate([values[np.isfinite(values)], levels, ends])
        again = client("echo")._transport.predict("floats", {"x": x})
        # Bit for bit, so that -0 is not 0.
        again = again.astype(np.float32).view(np.uint32)
        np.testing.assert_array_equal(again, x.view(np.uint32))

    def test_what_is_no_number_survives(self, client):
        x = np.array([np.nan, np.inf, -np.inf], np.float32)
        again = client("echo")._transport.predict("floats", {"x": x})
        np.testing.assert_array_equal(again, x)

    def test_whole_numbers_and_bytes_survive(self, client):
        transport = client("echo")._transport
        x = np.array([[0, -1, 2**24, 2**31 - 1, -(2**31)]], np.int32)
        again = transport.predict("integers", {"x": x})
        assert again.dtype.kind == "i"
        np.testing.assert_array_equal(again, x)
        data = [bytes(range(256)), b"", "'\"\\é".encode()]
        assert transport.predict("bytes", {"x_bytes": data}) == data

    def test_more_than_grpcs_usual_limit(self, addresses, state):
        if "grpc" not in addresses:
            pytest.skip("tensorflow-serving-api is not installed.")
        x = np.ones([5 * 2**18], np.float32)  # 5 MiB
        transport = Client(addresses["grpc"], model="echo")._transport
        np.testing.assert_array_equal(transport.predict("floats", {"x": x}), x)


class TestTables:
    def test_a_copy_of_two_files_is_enough(self, client, folders, tmp_path):
        for name in ("entropy_tables.npz", "config.json"):
            shutil.copy(folders["a codec"] / "assets.extra" / name, tmp_path)
        image = picture(20, 30)
        data = client("a codec", tables=tmp_path).compress(image)
        assert data == client("a codec").compress(image)

    def test_without_them_it_says_where_they_are(self, client):
        text = r"pass Client\(tables=FOLDER\), its export"
        with pytest.raises(ValueError, match=text):
            client("a codec", tables=None).compress(picture(20, 30))

    @pytest.mark.parametrize("name", ["entropy_tables.npz", "config.json"])
    def test_a_missing_file_is_named(self, client, folders, tmp_path, name):
        extra = folders["a codec"] / "assets.extra"
        shutil.copytree(extra, tmp_path / "assets.extra")
        (tmp_path / "assets.extra" / name).unlink()
        with pytest.raises(FileNotFoundError, match=f"has no {name}. Pass an export"):
            client("a codec", tables=tmp_path)

    def test_facts_without_an_identifier(self, client, folders, tmp_path):
        extra = folders["a codec"] / "assets.extra"
        shutil.copytree(extra, tmp_path / "assets.extra")
        (tmp_path / "assets.extra" / "config.json").write_text("{}")
        with pytest.raises(ValueError, match="config.json says no model_id.*again"):
            client("a codec", tables=tmp_path)

    def test_files_of_other_models_never_reach_the_server(self, client, state):
        other = tiny_codec.build().compress(picture(20, 20))
        with pytest.raises(container.ForeignFileError, match="Pass the model that"):
            client("a codec").decompress(other)
        with pytest.raises(container.ForeignFileError, match="not a compressed pict"):
            client("a codec").decompress(b"GIF89a, and so on")
        assert not state.requests


class TestMistakes:
    @pytest.mark.parametrize(
        "image, mask, text",
        [
            (picture(8, 8)[..., 0], hole(8, 8), "must be uint8 .H, W, 3.*to RGB.$"),
            (picture(8, 8) / 255, hole(8, 8), r"got float64 .*\]. \(image \* 255\)"),
            (
                picture(8, 8)[None] / 255,
                hole(8, 8),
                "one picture at a time. .image . 2",
            ),
            (picture(8, 8).tolist(), hole(8, 8), r"got int64 .*\]. image.astype\(np.u"),
            (picture(8, 8)[:0], hole(8, 8)[:0], "Pass one that has pixels"),
            (None, hole(8, 8), "got object"),
            (picture(8, 8), hole(8, 9), r"its image's size, \[8, 8\]; got \[8, 9\]"),
            (picture(8, 8), hole(8, 8) * 255, "up to 255. Pass mask > 127"),
        ],
    )
    def test_no_picture_or_no_mask(self, client, state, image, mask, text):
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
    def test_no_address(self, address):
        with pytest.raises(ValueError, match="Pass http://HOST:8501 for REST, or HOST"):
            Client(address, model="restorer")

    def test_a_hole_that_the_model_does_not_fill(self, client):
        mask = np.ones((SIZE, SIZE), np.uint8)
        text = "'restorer' at .* refuses this: This model fills the hole of 16x16 .*"
        with pytest.raises(errors.RefusedError, match=text) as error:
            client("restorer").restore(picture(SIZE, SIZE), mask)
        assert "\n" not in str(error.value) and "node" not in str(error.value)

    def test_a_shape_that_the_model_does_not_take(self, client, state):
        remote = client("a codec")
        image = np.zeros([1, 17, 16, 3], np.float32)
        text = "Height and width must be multiples of 16"
        with pytest.raises(errors.RefusedError, match=text):
            remote._predict("analysis", {"image": image})
        assert state.requests == 1

    def test_another_kind_of_model(self, client):
        text = "'a codec' at .* is another kind of model: .*serving_bytes.* not found"
        with pytest.raises(errors.NotServedError, match=text):
            client("a codec").restore(picture(8, 8), hole(8, 8))

    def test_no_such_model(self, client, address):
        text = f"{address} serves no model called 'ä/b'. Pass a name that stands in its"
        for ask in (
            lambda remote: remote.restore(picture(8, 8), hole(8, 8)),
            lambda remote: remote.versions(),
        ):
            with pytest.raises(errors.NotServedError, match=text):
                ask(client("ä/b"))

    def test_a_model_that_is_loading(self, client, state):
        state.states["restorer"] = {1: "END", 2: "LOADING"}
        text = "has 'restorer' not ready; its versions: 1 END, 2 LOADING. Wait for one"
        with pytest.raises(errors.NotServedError, match=text):
            client("restorer").restore(picture(8, 8), hole(8, 8))
        assert client("restorer").versions() == {1: "END", 2: "LOADING"}

    def test_a_version_is_asked_for_by_its_number(self, client):
        image, mask = picture(SIZE, SIZE), hole(SIZE, SIZE)
        newest = client("restorer").restore(image, mask)
        first = client("restorer", version=1).restore(image, mask)
        np.testing.assert_array_equal(first, newest)
        text = "has version 7 of 'restorer' not ready; its versions: 1 AVAILABLE."
        with pytest.raises(errors.NotServedError, match=text):
            client("restorer", version=7).restore(image, mask)


class TestPatience:
    def ask(self, client, **options):
        return client("restorer", **options).restore(
            picture(SIZE, SIZE), hole(SIZE, SIZE)
        )

    def test_a_busy_server_is_asked_again(self, client, state):
        state.troubles = [("UNAVAILABLE", "The batch scheduling queue is full")] * 2
        self.ask(client)
        assert state.requests == 3

    def test_and_then_told(self, client, state):
        state.troubles = [("UNAVAILABLE", "The batch scheduling queue is full")] * 3
        text = "does not serve: The batch scheduling queue is full. Is the address"
        with pytest.raises(errors.UnavailableError, match=text):
            self.ask(client)
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
        # The quotes are what TF Serving's errors have and JSON has not.
        state.troubles = [(code, "Don't\n\t [[{{node x}}]]")]
        with pytest.raises(kind, match=text):
            self.ask(client)
        assert state.requests == 1

    def test_errors_in_any_language_and_with_any_character(self, client, state):
        state.troubles = [("INTERNAL", "\"kaputt\": C:\\ä 'x'")]
        with pytest.raises(errors.ServerError, match=r""""kaputt": C:\\ä 'x'"""):
            self.ask(client)

    def test_what_takes_too_long_is_not_asked_again(self, client, state):
        state.gate.clear()
        text = "gave no answer within 0.2 seconds .*longer timeout or a smaller"
        with pytest.raises(errors.DeadlineError, match=text):
            self.ask(client, timeout=0.2)
        assert state.requests <= 1

    def test_nobody_there(self, state, addresses, monkeypatch):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            place = f"127.0.0.1:{unused.getsockname()[1]}"
            for address in (f"http://{place}", place)[: len(addresses)]:
                remote = Client(address, model="restorer")
                text = f"{address} does not serve: .*experiments.serve starts one"
                with pytest.raises(errors.UnavailableError, match=text):
                    remote.versions()

    def test_a_server_that_was_away_is_found_again(self, state, addresses, monkeypatch):
        """A channel that has lost its server does not wait longer than the client."""
        if "grpc" not in addresses:
            pytest.skip("tensorflow-serving-api is not installed.")
        with tiny_serving.grpc(state) as address:
            remote = Client(address, model="restorer")
            remote.versions()
        with pytest.raises(errors.UnavailableError):
            remote.versions()
        monkeypatch.setattr(clients, "_PAUSES", (0.2, 1.0))
        with tiny_serving.grpc(state, address.rpartition(":")[2]):
            assert remote.versions() == {1: "AVAILABLE"}

    def test_another_program_at_the_port(self, state, addresses):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<html>It works</html>")

            def log_message(self, *args):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Page)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        text = "JSONDecodeError.*Is it TF Serving's address, with http"
        with pytest.raises(errors.ServerError, match=text):
            Client(address, model="restorer").versions()
        thread.join()
        server.server_close()
        if "grpc" in addresses:
            remote = Client(f"http://{addresses['grpc']}", model="restorer")
            with pytest.raises((errors.ServerError, ConnectionError)):
                remote.versions()


def test_a_proxys_path_stays_before_the_models(monkeypatch):
    asked = []

    def ask(self, method, path, read, body=None):
        asked.append((method, path, json.loads(body) if body else None))

    monkeypatch.setattr(Rest, "_ask", ask)
    transport = Rest("https://host/faces/", "a b", 3, 1.0)
    transport.states()
    transport.predict("s", {"x": np.array([0.5], np.float32), "y_bytes": [b"\xff"]})
    body = {"signature_name": "s", "inputs": {"x": [0.5], "y_bytes": [{"b64": "/w=="}]}}
    assert asked == [
        ("GET", "/faces/v1/models/a%20b", None),
        ("POST", "/faces/v1/models/a%20b/versions/3:predict", body),
    ]


# A module that is None in sys.modules cannot be imported.
WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "tensorflow_serving"]))
import numpy as np
from serving.client import Client

address, tables, given, made = sys.argv[1:]
image, mask = np.load(given).values()
np.save(made, Client(address, model="restorer").restore(image, mask))
try:
    Client(address, model="a codec", tables=tables)
except ImportError as error:
    print(error)
try:
    Client("localhost:8500", model="restorer")
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
    assert "pip install .[serving]" in extra
