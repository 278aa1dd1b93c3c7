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
import json
import re
import socket
import urllib.parse
from collections.abc import Mapping, Sequence

import numpy as np

from serving.client_errors import Failure

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
      timeout: Seconds that the server may be silent.

    Raises:
      ValueError: If the address is none.
    """

    def __init__(self, address: str, model: str, version: int | None, timeout: float):
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"{address!r} is no address of TF Serving. Pass http://HOST:8501 for "
                "REST, or HOST:8500 for gRPC."
            )
        https = parts.scheme == "https"
        self._connect = (
            http.client.HTTPSConnection if https else http.client.HTTPConnection
        )
        self._host, self._port = parts.hostname, parts.port
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
        return _decode(self._ask("POST", self._predict, "outputs", json.dumps(request)))

    def states(self) -> dict[int, str]:
        """Version -> its state, such as "AVAILABLE", and what is wrong with it.

        Raises:
          Failure: If there is no answer; NOT_FOUND, if no such model.
        """
        states = {}
        for found in self._ask("GET", self._path, "model_version_status"):
            wrong = found.get("status", {}).get("error_message", "")
            states[int(found["version"])] = " ".join(
                filter(None, (found["state"], wrong))
            )
        return states

    def _ask(self, method: str, path: str, key: str, body: str | None = None) -> list:
        """What the answer has under a key."""
        connection = self._connect(self._host, self._port, timeout=self._timeout)
        headers = {"Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            status, answer = response.status, response.read()
        except (TimeoutError, socket.timeout) as error:  # one from Python 3.10 on
            raise Failure("DEADLINE_EXCEEDED", str(error)) from error
        except OSError as error:
            raise Failure("UNAVAILABLE", str(error)) from error
        except http.client.HTTPException as error:
            raise Failure(
                "UNKNOWN", f"{error!r}; is it TF Serving's port for REST?"
            ) from error
        finally:
            connection.close()
        if status != 200:
            code = _CODES.get(status, f"HTTP {status}")
            raise Failure(code, _message(answer))
        try:
            return json.loads(answer)[key]
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(
                "UNKNOWN",
                f"an answer without {key!r}; is it TF Serving's port for REST?",
            ) from error


def _encode(value: np.ndarray | Sequence[bytes]) -> list:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [{"b64": base64.b64encode(data).decode()} for data in value]


def _decode(output: list) -> np.ndarray | list[bytes]:
    if output and isinstance(output[0], dict):
        return [base64.b64decode(item["b64"]) for item in output]
    return np.array(output)


def _message(answer: bytes) -> str:
    """What an error says; TF Serving writes it as C does, which need not be JSON."""
    text = answer.decode(errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return json.loads(text)["error"]
    found = re.search(r'"error": *"(.*)"', text, re.DOTALL)
    with contextlib.suppress(ValueError, SyntaxError, TypeError):
        # C's escapes are those of Python's bytes.
        return ast.literal_eval(f'b"{found[1]}"').decode(errors="replace")
    return text.strip()[:1000]
