"""TF Serving's REST interface, with the standard library and NumPy alone.

Numbers travel as JSON. A float32 survives that exactly in both directions: Python
writes the digits of a double, which holds it, and TF Serving as many as tell it from
all others. Bytes travel as {"b64": "..."}.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import http.client
import io
import json
import re
import socket
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from serving.client.errors import STRANGE, Failure

_Read = TypeVar("_Read")

# What TF Serving makes of its codes; others are told as they are.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Rest:
    """One model of a server.

    Args:
      address: Such as "http://localhost:8501", with a path where a proxy wants one.
      model: Its name.
      version: Its number, or None for what the server has newest.
      timeout: Seconds until an answer must be there, to its last byte.

    Raises:
      ValueError: If the address is none.
    """

    def __init__(self, address: str, model: str, version: int | None, timeout: float):
        try:
            parts = urllib.parse.urlsplit(address)
            self._host, self._port = parts.hostname, parts.port
        except ValueError as error:
            raise _no_address(address) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _no_address(address)
        https = parts.scheme == "https"
        self._connect = (
            http.client.HTTPSConnection if https else http.client.HTTPConnection
        )
        self._timeout = timeout
        model = urllib.parse.quote(model, safe="")
        chosen = "" if version is None else f"/versions/{version}"
        self._path = f"{parts.path.rstrip('/')}/v1/models/{model}"
        self._predict = f"{self._path}{chosen}:predict"

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]]
    ) -> np.ndarray | list[bytes]:
        """Runs a signature with one output.

        Args:
          signature: Its name.
          inputs: Name -> numbers, or encoded pictures.

        Returns:
          Its output: numbers as float64 or int64, which hold every float32 and int32,
          or bytes.

        Raises:
          Failure: If there is no such answer.
        """
        request = {
            "signature_name": signature,
            "inputs": {name: _encode(value) for name, value in inputs.items()},
        }
        return self._ask("POST", self._predict, _output, json.dumps(request))

    def states(self) -> dict[int, str]:
        """Version -> its state, such as "AVAILABLE", and what is wrong with it.

        Raises:
          Failure: If there is no answer; NOT_FOUND, if no such model.
        """
        return self._ask("GET", self._path, _states)

    def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[Any], _Read],
        body: str | None = None,
    ) -> _Read:
        """What is read of an answer's JSON."""
        try:
            status, answer = self._exchange(method, path, body)
        except (TimeoutError, socket.timeout) as error:  # one from Python 3.10 on
            raise Failure("DEADLINE_EXCEEDED", str(error)) from error
        except OSError as error:
            raise Failure("UNAVAILABLE", str(error)) from error
        except http.client.HTTPException as error:
            raise Failure(STRANGE, f"something that is not HTTP ({error!r})") from error
        if status != 200:
            code = _CODES.get(status, f"HTTP {status}")
            raise Failure(code, _message(answer))
        try:
            return read(json.loads(answer))
        # Whoever answers may answer anything, and each thing is another error.
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise Failure(STRANGE, f"something else ({why})") from error

    def _exchange(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        """-> the status and the answer, which is there in time or an error."""
        deadline = time.monotonic() + self._timeout
        connection = self._connect(self._host, self._port, timeout=self._timeout)
        with contextlib.closing(connection):
            connection.connect()
            connection.sock.settimeout(_left(deadline))
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = http.client.HTTPResponse(connection.sock, method=method)
            with contextlib.closing(response):
                received = _Received(connection.sock, response.fp.detach(), deadline)
                response.fp = io.BufferedReader(received)
                response.begin()
                return response.status, response.read()


class _Received(io.RawIOBase):
    """What a socket receives until a deadline; its own timeout is of one read each.

    Args:
      connected: The socket.
      file: What reads from it.
      deadline: Of `time.monotonic`.
    """

    def __init__(self, connected: socket.socket, file: io.RawIOBase, deadline: float):
        self._socket, self._file, self._deadline = connected, file, deadline

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer) -> int | None:
        """Reads what is there, or waits for it until the deadline."""
        self._socket.settimeout(_left(self._deadline))
        return self._file.readinto(buffer)

    def close(self) -> None:
        """Lets the socket go."""
        self._file.close()
        super().close()


def _left(deadline: float) -> float:
    """Seconds until a deadline; TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _states(answer: Any) -> dict[int, str]:
    """Version -> its state, of an answer."""
    states = {}
    for found in answer["model_version_status"]:
        wrong = found.get("status", {}).get("error_message", "")
        states[int(found["version"])] = f"{found['state']} {wrong}".rstrip()
    return states


def _no_address(address: str) -> ValueError:
    return ValueError(
        f"{address!r} is no address of TF Serving. Pass http://HOST:8501 for REST, or "
        "HOST:8500 for gRPC."
    )


def _encode(value: np.ndarray | Sequence[bytes]) -> list:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [{"b64": base64.b64encode(data).decode()} for data in value]


def _output(answer: Any) -> np.ndarray | list[bytes]:
    """The one output of an answer; several would have names."""
    output = answer["outputs"]
    if not isinstance(output, list):
        raise TypeError(f"outputs is no list but {type(output).__name__}")
    if output and isinstance(output[0], dict):
        return [base64.b64decode(item["b64"], validate=True) for item in output]
    numbers = np.array(output)
    if numbers.dtype.kind not in "iuf":
        raise TypeError("outputs holds neither numbers nor bytes")
    return numbers


def _message(answer: bytes) -> str:
    """What an error says; TF Serving writes it as C does, which need not be JSON."""
    text = answer.decode(errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["error"])
    found = re.search(r'"error": *"(.*)"', text, re.DOTALL)
    with contextlib.suppress(ValueError, SyntaxError, TypeError):
        # C's escapes are those of Python's bytes.
        return ast.literal_eval(f'b"{found[1]}"').decode(errors="replace")
    return text.strip()[:1000]
