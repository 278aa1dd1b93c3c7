"""The error for a value that is none of a flag's choices, with a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any


def check_choice(flag: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises a ValueError with a suggestion unless `value` is one of `choices`."""
    if value in choices:
        return
    close = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
    hint = f" Did you mean: {close[0]} ?" if close else ""
    raise ValueError(
        f"--{flag} must be one of {', '.join(map(str, choices))}; got {value!r}.{hint}"
    )
