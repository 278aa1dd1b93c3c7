"""A server with TF Serving's REST and gRPC interfaces, around real SavedModels.

It writes JSON, numbers and errors as TF Serving does.
"""

import base64
import contextlib
import dataclasses
import http.server
import json
import re
import threading
import urllib.parse
from concurrent import futures

import numpy as np
import tensorflow as tf
import tiny
import tiny_codec

from serving.export import codec
from serving.export import restorer as export
from serving.export.restorer import Fillable

SIZE, HOLE = 32, 16
_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class Refusal(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


@dataclasses.dataclass
class Server:
    """Models, and what may go wrong with them.

    Attributes:
      states: Name -> version -> state.
      requests: How many predictions were asked for.
      troubles: (code, message) of the next predictions; they are not computed.
      gate: Predictions wait until it is set.
    """

    models: dict
    states: dict
    requests: int = 0
    troubles: list = dataclasses.field(default_factory=list)
    gate: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __post_init__(self):
        self.gate.set()

    def versions(self, name):
        if name not in self.states:
            raise Refusal("NOT_FOUND", f"Could not find any versions of model {name}")
        return self.states[name]

    def predict(self, name, version, signature, read, unknown):
        """Runs a signature.

        Args:
          read: (name of an input, its type) -> its value.
          unknown: The code and the message if there is no such signature.
        """
        self.requests += 1
        self.gate.wait()
        if self.troubles:
            raise Refusal(*self.troubles.pop(0))
        ready = [v for v, s in self.states.get(name, {}).items() if s == "AVAILABLE"]
        if not ready or version not in (None, *ready):
            asked = f"Specific({name}, {version})" if version else f"Latest({name})"
            raise Refusal("NOT_FOUND", f"Servable not found for request: {asked}")
        if signature not in self.models[name].signatures:
            raise Refusal(*unknown)
        run = self.models[name].signatures[signature]
        specs = run.structured_input_signature[1]
        inputs = {
            key: tf.constant(read(key, spec.dtype)) for key, spec in specs.items()
        }
        try:
            outputs = run(**inputs)
        except tf.errors.InvalidArgumentError as error:
            raise Refusal("INVALID_ARGUMENT", error.message) from error
        return {key: value.numpy() for key, value in outputs.items()}


def load(**folders):
    """A server with version 1 of each model."""
    models = {name: tf.saved_model.load(str(path)) for name, path in folders.items()}
    return Server(models, {name: {1: "AVAILABLE"} for name in models})


def number(value):
    """A float32 with 6 digits if these suffice, otherwise 9."""
    if not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    text = f"{value:.6g}"
    if np.float32(text) != value:
        text = f"{value:.9g}"
    return text if "." in text or "e" in text else f"{text}.0"


def write_json(value):
    if isinstance(value, np.ndarray) and value.ndim:
        return f"[{','.join(write_json(item) for item in value)}]"
    if isinstance(value, bytes):
        return json.dumps({"b64": base64.b64encode(value).decode()})
    return number(value) if value.dtype.kind == "f" else str(value)


def read_json(value, dtype):
    if dtype == tf.string:
        return [base64.b64decode(item["b64"]) for item in value]
    found = np.array(value)
    if dtype.is_integer and found.dtype.kind == "f":
        raise Refusal("INVALID_ARGUMENT", "is not of expected type: int32")
    return found.astype(dtype.as_numpy_dtype)


def c_escape(text):
    r"""What JSON does not understand: \' and bytes as octal numbers."""
    escapes = {**{b: f"\\{chr(b)}" for b in b"\"'\\"}, 10: "\\n", 13: "\\r", 9: "\\t"}
    return "".join(
        escapes.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in text.encode()
    )


class Handler(http.server.BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.answer(self.status)

    def do_POST(self):
        self.answer(self.predict)

    def answer(self, make):
        try:
            code, text = 200, make()
        except Refusal as refusal:
            code = _STATUS[refusal.code]
            text = f'{{ "error": "{c_escape(refusal.message)}" }}'
        # A client that has given up does not listen.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

    def status(self):
        name = urllib.parse.unquote(re.fullmatch(r"/v1/models/([^/:]+)", self.path)[1])
        fine = {"error_code": "OK", "error_message": ""}
        found = [
            {"version": str(version), "state": state, "status": fine}
            for version, state in self.state.versions(name).items()
        ]
        return json.dumps({"model_version_status": found})

    def predict(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict"
        name, version = re.fullmatch(path, self.path).groups()
        signature = request["signature_name"]
        unknown = f'Serving signature name: "{signature}" not found in signature def'
        outputs = self.state.predict(
            urllib.parse.unquote(name),
            version and int(version),
            signature,
            lambda key, dtype: read_json(request["inputs"][key], dtype),
            ("INVALID_ARGUMENT", unknown),
        )
        (output,) = outputs.values()
        return f'{{"outputs": {write_json(output)}}}'


def rest(state):
    """Serves over REST; gives the address."""
    return listening(type("Bound", (Handler,), {"state": state}))


@contextlib.contextmanager
def listening(handler):
    """Serves HTTP with this class of handlers; gives the address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    options = {"poll_interval": 0.01}
    thread = threading.Thread(target=server.serve_forever, kwargs=options)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def grpc(state, port=0):
    """Serves over gRPC; gives the address."""
    import grpc as library
    from tensorflow_serving.apis import (
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    def service(base, **methods):
        def answered(method):
            def answer(self, request, context):
                try:
                    return method(request)
                except Refusal as refusal:
                    code = library.StatusCode[refusal.code]
                    context.abort(code, refusal.message)

            return answer

        methods = {name: answered(method) for name, method in methods.items()}
        return type("Service", (base,), methods)()

    def predict(request):
        spec = request.model_spec
        unknown = f'Serving signature key "{spec.signature_name}" not found.'
        outputs = state.predict(
            spec.name,
            spec.version.value if spec.HasField("version") else None,
            spec.signature_name,
            lambda key, dtype: tf.make_ndarray(request.inputs[key]),
            ("FAILED_PRECONDITION", unknown),
        )
        response = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def status(request):
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, name in state.versions(request.model_spec.name).items():
            response.model_version_status.add(version=version, state=name)
        return response

    server = library.server(
        futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)]
    )
    predictions = prediction_service_pb2_grpc.PredictionServiceServicer
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        service(predictions, Predict=predict), server
    )
    models = model_service_pb2_grpc.ModelServiceServicer
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        service(models, GetModelStatus=status), server
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def export_restorer(folder, seed=0):
    """A restorer of the hole in the center, as experiments export it."""
    tf.keras.utils.set_random_seed(seed)
    fillable = Fillable(HOLE, centered=True)
    network = tiny.plain_generator(SIZE)
    restorer = export.build_restorer(network, fill=1.0, fillable=fillable)
    said = json.dumps({"image_size": SIZE, "hole_size": HOLE})
    return export.save(restorer, folder / "export" / "1", extras={"config.json": said})


def export_codec(folder):
    """A codec as experiments export it; its pictures were of 40 pixels."""
    return codec.save(
        *tiny_codec.halves(),
        folder / "export" / "1",
        tables=tiny_codec.laplace_tables([4.0] * 8),
        config={"image_size": 40},
        card="",
    )


def export_echo(folder):
    """Returns its inputs: numbers, whole numbers and bytes."""

    def echo(dtype, name):
        spec = tf.TensorSpec(None if dtype != tf.string else [None], dtype, name=name)
        same = tf.function(lambda **given: {name: tf.identity(given[name])})
        return same.get_concrete_function(**{name: spec})

    signatures = {
        "floats": echo(tf.float32, "x"),
        "integers": echo(tf.int32, "x"),
        "bytes": echo(tf.string, "x_bytes"),
    }
    tf.saved_model.save(tf.Module(), str(folder), signatures=signatures)
    return folder
