"""TF Serving's gRPC interface, with tensorflow-serving-api."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from serving.client.errors import STRANGE, Failure

_OPTIONS = [
    # A picture in float32 is soon larger than the 4 MiB that clients take by default.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # By default a channel reconnects after a second, and `Client` asks again sooner.
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Straight to the server, as over REST.
    ("grpc.enable_http_proxy", 0),
]


class Grpc:
    """One model of a server, as `Rest`, over a connection that is not encrypted.

    Raises:
      ImportError: If tensorflow-serving-api is not installed.
    """

    def __init__(self, address: str, model: str, version: int | None, timeout: float):
        try:
            import grpc
            from tensorflow_serving.apis import (
                get_model_status_pb2,
                model_pb2,
                model_service_pb2_grpc,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise ImportError(
                f"{address!r} is an address of gRPC, which needs "
                f"tensorflow-serving-api 2.14.1 ({error}): make extras "
                "EXTRAS=serving, or pip install 'tensorflow-serving-api==2.14.1'. "
                "REST does not: pass http://HOST:8501."
            ) from error
        self._error = grpc.RpcError
        self._timeout = timeout
        self._spec = model_pb2.ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version
        self._predict_request = predict_pb2.PredictRequest
        self._status_request = get_model_status_pb2.GetModelStatusRequest
        self._state_name = get_model_status_pb2.ModelVersionStatus.State.Name
        channel = grpc.insecure_channel(address, options=_OPTIONS)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(channel)

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]]
    ) -> np.ndarray | list[bytes]:
        """Runs a signature with one output, as `Rest.predict`.

        Numbers have the model's own type.
        """
        # Here, because restoring over REST needs no TensorFlow.
        import tensorflow as tf

        request = self._predict_request(model_spec=self._spec)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._call(self._predictions.Predict, request)
        try:
            (output,) = (tf.make_ndarray(value) for value in answer.outputs.values())
        except (ValueError, TypeError) as error:
            raise Failure(
                STRANGE, f"something other than one output ({error})"
            ) from error
        return list(output) if output.dtype == object else output

    def states(self) -> dict[int, str]:
        """Version -> its state, as `Rest.states`."""
        request = self._status_request()
        request.model_spec.name = self._spec.name
        answer = self._call(self._models.GetModelStatus, request)
        try:
            return {
                found.version: f"{self._state_name(found.state)} "
                f"{found.status.error_message}".rstrip()
                for found in answer.model_version_status
            }
        except ValueError as error:
            raise Failure(STRANGE, f"something other than states ({error})") from error

    def _call(self, method, request):
        try:
            return method(request, timeout=self._timeout)
        except self._error as error:
            raise Failure(error.code().name, error.details() or "") from error
