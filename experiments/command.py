"""What every command line does with its flags and with its user's mistakes."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable, Sequence

from absl import app, flags

# What a user can mend; anything else is ours and keeps its traceback.
_USER_ERRORS = (ValueError, OSError, FloatingPointError)
_INTERRUPTED = 130  # what shells say of a command that Ctrl-C ended


def run(body: Callable[..., None], *, actions: Sequence[str] = ()) -> None:
    """Parses flags, runs a command line, and says in a line what was wrong.

    Args:
      body: Reads its flags and does the work; takes the action if there are any.
      actions: Words of which a user must write one, anywhere among the flags.
    """

    def main(argv: list[str]) -> None:
        try:
            _check_words(argv[1:], actions)
            body(*argv[1:])
        except KeyboardInterrupt:
            print("\nStopped. The same command goes on from here.", file=sys.stderr)
            sys.exit(_INTERRUPTED)
        except _USER_ERRORS as error:
            if flags.FLAGS.verbosity > 0:
                raise
            sys.exit(f"error: {error}\n(--verbosity=1 shows where it came from.)")

    if actions:
        # Otherwise what follows the action would not be parsed.
        flags.FLAGS.set_gnu_getopt(True)
    app.run(main)


def _check_words(words: Sequence[str], actions: Sequence[str]) -> None:
    """Raises a ValueError unless what is no flag is the action, if there are any."""
    for word in words:
        if word not in actions:
            known = f"neither {' nor '.join(actions)} nor" if actions else "not"
            raise ValueError(
                f"{word!r} is {known} a flag; flags look like --name=value."
            )
    if actions and len(words) != 1:
        raise ValueError(
            f"Say once what to do, {' or '.join(actions)}; got "
            f"{' and '.join(words) or 'neither'}."
        )


def require(**values: str) -> None:
    """Raises a ValueError for the first flag (name=value) that was left empty."""
    for name, value in values.items():
        if not value:
            raise ValueError(f"--{name} is required; see --help.")


def check_folder(flag: str, path: str | os.PathLike) -> None:
    """Raises a ValueError if no folder can be made at `path`: a file is in the way."""
    path = pathlib.Path(path)
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(
                f"--{flag}={path} must be a folder, but {place} is a file. Pass "
                "another path, or move the file away."
            )
