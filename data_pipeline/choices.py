"""The error for a value that is none of a flag's choices, with a suggestion."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any


def check_choice(flag: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises an error with a suggestion unless `value` is one of `choices`.

    A choice with blanks describes files that may be passed instead. They are missing
    where `value` looks like the name of one.

    Raises:
      FileNotFoundError: If `value` is the path of a file that is not there.
      ValueError: If it is something else.
    """
    if value in choices:
        return
    files = [str(choice) for choice in choices if " " in str(choice)]
    if files and re.search(r"[\\/]|\.\w+$", str(value)):
        words = [str(choice) for choice in choices if " " not in str(choice)]
        raise FileNotFoundError(
            f"--{flag}={value}: there is no such file or folder. Pass "
            f"{' or '.join(files)} that exists, or one of {', '.join(words)}."
        )
    close = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    hint = f" Did you mean: {close[0]} ?" if close else ""
    raise ValueError(
        f"--{flag} must be one of {', '.join(map(str, choices))}; got {value!r}.{hint}"
    )
