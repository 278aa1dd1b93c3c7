"""Numbers as text, the same in reports, README and model cards.

Values may be NaN, or None as JSON has it; both show as a dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

DASH, MINUS = "–", "−"


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """1.5 -> "1.50"; a real minus sign; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return text.replace("-", MINUS)


def interval(entry: Mapping, digits: int, *, signed: bool = False) -> str:
    """Writes "[8.10, 8.52]", or nothing where there is no interval."""
    low, high = (number(entry.get(k), digits, signed=signed) for k in ("low", "high"))
    return "" if DASH in (low, high) else f"[{low}, {high}]"


def with_interval(entry: Mapping, digits: int, *, signed: bool = False) -> str:
    """Writes "8.31 [8.10, 8.52]"."""
    mean = number(entry.get("mean"), digits, signed=signed)
    return f"{mean} {interval(entry, digits, signed=signed)}".rstrip()


def counted(number: int, noun: str) -> str:
    """1000, "image" -> "1,000 images"; 1, "image" -> "1 image"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def image_count(summary: Mapping[str, Mapping[str, Mapping]]) -> int:
    """How many images were measured: as many as the metric that is defined on most."""
    entries = [entry for values in summary.values() for entry in values.values()]
    return max((entry.get("count") or 0 for entry in entries), default=0)


def fewer(entries: Iterable[Mapping], images: int) -> str:
    """Which part of the images the entries are means over; nothing where it is all.

    Returns:
      "12 of 1,000 images", or "12 to 40 of 1,000 images" where the entries differ.
    """
    counts = sorted(entry["count"] for entry in entries if entry.get("count"))
    if not counts or counts[0] >= images:
        return ""
    some = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if counts[-1] > counts[0] else "")
    return f"{some} of {counted(images, 'image')}"


def text(value) -> str:
    """Any cell as plain text; floats keep four significant digits."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", MINUS) if math.isfinite(value) else DASH
    return str(value)
