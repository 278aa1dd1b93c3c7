"""What to call the codec that wrote a file."""

from __future__ import annotations

import contextlib

from serving import zoo


def named(digits: str) -> str:
    """A codec's identifier, behind the name of the shipped model that has it.

    Args:
      digits: The identifier, hexadecimal.

    Returns:
      Such as "portrait_lambda_0.01 (74545fb7f8c0df95)".
    """
    with contextlib.suppress(ValueError):  # a damaged index; the digits are enough
        for entry in zoo.read_index(zoo.PRETRAINED).values():
            if digits in entry.codec_ids:
                return f"{entry.name} ({digits})"
    return digits
