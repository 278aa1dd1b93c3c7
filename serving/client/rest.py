"""TF Serving's REST interface, without TensorFlow.

Numbers travel as JSON. A float32 survives that exactly: Python writes the digits of a
double, which holds it, and TF Serving as many digits as tell it from all others. Bytes
travel as {"b64": "..."}.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import json
import queue
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import requests

from serving.client.errors import STRANGE, Failure

_Read = TypeVar("_Read")

# TF Serving's HTTP status -> gRPC's code; other statuses are reported as they are.
_CODES = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}


class Rest:
    """One model of a server.

    Args:
      address: Such as "http://localhost:8501", with a path if a proxy needs one.
      model: Its name.
      version: Its number, or None for the newest that is served.
      timeout: Seconds until an answer must be there, to its last byte.

    Raises:
      ValueError: If the address is not one.
    """

    def __init__(self, address: str, model: str, version: int | None, timeout: float):
        try:
            parts = urllib.parse.urlsplit(address)
            known = parts.scheme in ("http", "https") and parts.hostname
            known = known and parts.port != 0  # raises an error if it is not a number
        except ValueError:
            known = False
        if not known:
            raise ValueError(
                f"{address!r} is not an address of TF Serving. Pass http://HOST:8501 "
                "for REST, or HOST:8500 for gRPC."
            )
        self._timeout = timeout
        self._session = requests.Session()
        # Straight to the server: no proxies and passwords of the environment.
        self._session.trust_env = False
        # The certificates that this computer trusts; without any, those of requests.
        trusted = ssl.get_default_verify_paths()
        self._session.verify = trusted.cafile or trusted.capath or True
        model = urllib.parse.quote(model, safe="")
        chosen = "" if version is None else f"/versions/{version}"
        place = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._url = f"{place}/v1/models/{model}"
        self._predict_url = f"{self._url}{chosen}:predict"

    def predict(
        self, signature: str, inputs: Mapping[str, np.ndarray | Sequence[bytes]]
    ) -> np.ndarray | list[bytes]:
        """Runs a signature with one output.

        Args:
          signature: Its name.
          inputs: Name -> numbers, or encoded pictures.

        Returns:
          Numbers as float64 or int64, which hold every float32 and int32, or bytes.

        Raises:
          Failure: If there is no such answer.
        """
        request = {
            "signature_name": signature,
            "inputs": {name: _encode(value) for name, value in inputs.items()},
        }
        return self._ask("POST", self._predict_url, _output, json.dumps(request))

    def states(self) -> dict[int, str]:
        """Version -> its state, such as "AVAILABLE", and what is wrong with it.

        Raises:
          Failure: If there is no answer; NOT_FOUND if there is no such model.
        """
        return self._ask("GET", self._url, _states)

    def _ask(
        self,
        method: str,
        url: str,
        read: Callable[[Any], _Read],
        body: str | None = None,
    ) -> _Read:
        """Sends a request, and reads the JSON of its answer."""
        try:
            status, answer = self._exchange(method, url, body)
        except OSError as error:
            raise _failure(error) from error
        if status != 200:
            raise Failure(_CODES.get(status, f"HTTP {status}"), _message(answer))
        try:
            return read(json.loads(answer))
        # A stranger at the address may answer anything, with as many kinds of errors.
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise Failure(STRANGE, f"something else ({why})") from error

    def _exchange(self, method: str, url: str, body: str | None) -> tuple[int, bytes]:
        """Status and content of an answer; a TimeoutError if it is not there in time.

        The timeout of requests is one of each read, so a slow server could answer for
        ever. A thread waits for it, and ends when the server falls silent or is done.
        """
        outcome: queue.SimpleQueue = queue.SimpleQueue()

        def exchange():
            try:
                answer = self._session.request(
                    method,
                    url,
                    data=body,
                    headers=_HEADERS,
                    timeout=self._timeout,
                    allow_redirects=False,
                )
                outcome.put((answer.status_code, answer.content))
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=exchange, daemon=True).start()
        try:
            found = outcome.get(timeout=self._timeout)
        except queue.Empty:
            found = TimeoutError("timed out")
        if isinstance(found, Exception):
            raise found
        return found


def _failure(error: Exception) -> Failure:
    """The failure of a request, in the words of the error that began it."""
    while error.__context__ is not None:  # requests wraps urllib3's, that the system's
        error = error.__context__
    if isinstance(error, (TimeoutError, socket.timeout)):  # one from Python 3.10 on
        return Failure("DEADLINE_EXCEEDED", str(error))
    if isinstance(error, OSError):
        return Failure("UNAVAILABLE", str(error))
    return Failure(STRANGE, f"something that is not HTTP ({error!r})")


def _states(answer: Any) -> dict[int, str]:
    """Version -> its state, of an answer."""
    states = {}
    for found in answer["model_version_status"]:
        wrong = found.get("status", {}).get("error_message", "")
        states[int(found["version"])] = f"{found['state']} {wrong}".rstrip()
    return states


def _encode(value: np.ndarray | Sequence[bytes]) -> list:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [{"b64": base64.b64encode(data).decode()} for data in value]


def _output(answer: Any) -> np.ndarray | list[bytes]:
    """The one output of an answer; several would have names."""
    output = answer["outputs"]
    if not isinstance(output, list):
        raise TypeError(f"outputs is not a list but {type(output).__name__}")
    if output and isinstance(output[0], dict):
        return [base64.b64decode(item["b64"], validate=True) for item in output]
    numbers = np.array(output)
    if numbers.dtype.kind not in "iuf":
        raise TypeError("outputs holds neither numbers nor bytes")
    return numbers


def _message(answer: bytes) -> str:
    """The message of an error, which TF Serving escapes as C does, not as JSON."""
    text = answer.decode(errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["error"])
    found = re.search(r'"error": *"(.*)"', text, re.DOTALL)
    with contextlib.suppress(ValueError, SyntaxError, TypeError):
        # C's escapes are those of Python's bytes.
        return ast.literal_eval(f'b"{found[1]}"').decode(errors="replace")
    return text.strip()[:1000]
