"""Errors of the client of TF Serving; their messages say what to do."""

from __future__ import annotations

import re


class UnavailableError(ConnectionError):
    """There is no server at the address, or it is too busy."""


class DeadlineError(TimeoutError):
    """No answer in time."""


class NotServedError(ValueError):
    """The server does not have the model, its signature, or not ready."""


class RefusedError(ValueError):
    """The model does not accept the inputs; the message says what it accepts."""


class ServerError(OSError):
    """The server failed, or its answer makes no sense."""


# The code of answers that TF Serving would not give.
STRANGE = "STRANGE"

# Errors that every further request would meet too.
LASTING = (UnavailableError, DeadlineError, NotServedError, ServerError)


class Failure(Exception):
    """A request failed.

    Args:
      code: One of gRPC's, such as "NOT_FOUND", or `STRANGE`.
      message: From the server, or about the connection.
    """

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


# The codes of inputs that a model does not accept.
_REFUSALS = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")


def explain(failure: Failure, *, server: str, model: str, timeout: float) -> Exception:
    """The error for users about a failed prediction.

    Args:
      failure: Any but NOT_FOUND, about which only `Client` knows more.
      server: Its address.
      model: Its name.
      timeout: In seconds.

    Returns:
      One of the errors above.
    """
    message = readable(failure.message)
    if failure.code == "UNAVAILABLE":
        return UnavailableError(
            f"{server} does not serve: {message}. Is the address right, and is TF "
            "Serving running there? `facemend serve` starts it."
        )
    if failure.code == "DEADLINE_EXCEEDED":
        return DeadlineError(
            f"{server} gave no answer within {timeout:g} seconds ({message}). Give the "
            "client a longer timeout or a smaller picture; over REST, the server's own "
            "--rest_api_timeout_in_ms counts as well."
        )
    if re.search(r"signature (name|key).*not found", message):
        return NotServedError(
            f"{model!r} at {server} is another kind of model: {message}. Restorers "
            "restore; codecs compress and decompress."
        )
    if failure.code in _REFUSALS:
        return RefusedError(f"{model!r} at {server} refuses this: {message}.")
    if failure.code == STRANGE:
        return ServerError(
            f"{server} gave no answer of {model!r}, but {message}. Is it TF Serving's "
            "address, with http:// for REST's port and without for gRPC's, and is the "
            "model an export of facemend?"
        )
    return ServerError(
        f"{server} failed: {failure.code}, {message}. Its log may say more."
    )


def readable(message: str) -> str:
    """The text of an assertion in a TensorFlow error, or the error's first line."""
    ours = re.search(r"assertion failed: \[([^\]]+)\]", message)
    if ours:
        return ours.group(1).rstrip(".")
    # The lines after it say where in the graph it happened.
    return message.strip().partition("\n")[0].rstrip(".")
