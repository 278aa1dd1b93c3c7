"""What goes wrong between a client and TF Serving, told so that it can be mended."""

from __future__ import annotations

import re


class UnavailableError(ConnectionError):
    """Nobody answers at the address, or a server that is too busy."""


class DeadlineError(TimeoutError):
    """No answer in time."""


class NotServedError(ValueError):
    """The server has no such model, or has it not ready, or not such a signature."""


class RefusedError(ValueError):
    """The model does not take what it was given; the message says what it takes."""


class ServerError(OSError):
    """An answer that is none, or a failure of the server's own."""


# The code of what is answered, and is not what TF Serving answers.
STRANGE = "STRANGE"

# What every further request would meet as well.
LASTING = (UnavailableError, DeadlineError, NotServedError, ServerError)


class Failure(Exception):
    """What a transport could not do.

    Args:
      code: gRPC's name for it, such as "NOT_FOUND", or `STRANGE`.
      message: Of the server, or of the connection.
    """

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


# What the codes say of a request whose model and signature are there.
_REFUSALS = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")


def explain(failure: Failure, *, server: str, model: str, timeout: float) -> Exception:
    """Makes of a failed prediction what is told to users.

    Args:
      failure: Any but NOT_FOUND, of which only `Client` knows more.
      server: Its address.
      model: Its name.
      timeout: In seconds.

    Returns:
      One of the errors above.
    """
    message = readable(failure.message)
    if failure.code == "UNAVAILABLE":
        return UnavailableError(
            f"{server} does not serve: {message}. Is the address right, and TF Serving "
            "running there? python -m experiments.serve starts one."
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
            "restore, and codecs compress and decompress."
        )
    if failure.code in _REFUSALS:
        return RefusedError(f"{model!r} at {server} refuses this: {message}.")
    if failure.code == STRANGE:
        return ServerError(
            f"{server} gave no answer of {model!r}, but {message}. Is it TF Serving's "
            "address, with http:// for the port of REST and without for that of gRPC, "
            "and the model an export of facemend?"
        )
    return ServerError(
        f"{server} failed: {failure.code}, {message}. Its log may say more."
    )


def readable(message: str) -> str:
    """Of TensorFlow's errors, what an assertion of ours says, or the first line."""
    ours = re.search(r"assertion failed: \[([^\]]+)\]", message)
    if ours:
        return ours.group(1).rstrip(".")
    # What follows the first line is where in the graph it happened.
    return message.strip().partition("\n")[0].rstrip(".")
