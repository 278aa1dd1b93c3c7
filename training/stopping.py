"""Ends a run at its next step when SIGINT (Ctrl-C) or SIGTERM asks for it."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A process was asked to end; the message says what it leaves behind.

    Attributes:
      signal: Which asked for it.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.signal = number

    @property
    def exit_code(self) -> int:
        """What shells say of a command that the signal ended."""
        return 128 + self.signal


@dataclasses.dataclass
class Request:
    """Whether a signal has come, and which."""

    signal: int = 0


@contextlib.contextmanager
def listening() -> Iterator[Request]:
    """Notes the first signal instead of ending the process; the second one ends it.

    A signal that came is a `Stopped` at the end of the block, if not before. Outside of
    the main thread, where Python allows no handlers, nothing is noted.
    """
    request = Request()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, frame: object) -> None:
        request.signal = number
        for each in before:
            # At once, also within a long operation of TensorFlow's.
            signal.signal(each, signal.SIG_DFL)
        print(
            "\nStopping after this step, with a checkpoint; again stops at once.",
            file=sys.stderr,
            flush=True,
        )

    heeded = [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, note) for each in heeded}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if request.signal:
        # It came after the last step.
        raise Stopped("Stopped.", request.signal)


def raise_on_signals() -> None:
    """Makes SIGTERM end this process as Ctrl-C does, by an exception."""
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int, frame: object) -> None:
        raise Stopped("", number)

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        # As `experiments/__init__.py` leaves it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
