"""Numbers as text: formatting, Markdown tables, and the table of results.

The same functions make the tables of reports, README and model cards, so a number
reads the same everywhere. Values may be NaN, or None as JSON has it; both show as a
dash.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

from evaluation import metrics

DASH, MINUS = "–", "−"
# With its interval, a percent sign; not a version such as 2.14.1.
NUMBER = re.compile(r"[−+-]?[\d,]*\.?\d+(e[−+-]?\d+)?( ?%)?( \[.*\])?")
REGION_LABELS = {"hole": "Hole", "composite": "Composite", "raw": "Raw"}
REGION_NOTES = {
    "hole": "Only the missing pixels; SSIM-like metrics on the hole's bounding box",
    "composite": "The restored pixels pasted into the known ones",
    "raw": "The network's own whole image",
}


class Markdown(str):
    """Text that already is Markdown; everything else is escaped."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table as handed to a report.

    Attributes:
      caption: What it shows.
      columns: Their titles.
      rows: Cells: text, numbers, None.
      note: Shown below, such as where the numbers come from.
      kinds: For each row "ours", "published", "baseline" or ""; may be empty.
      digits: Decimals of every float; by default those of its column's most precise.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence]
    note: str = ""
    kinds: Sequence[str] = ()
    digits: int | None = None

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"Table {self.caption!r} has {len(self.columns)} columns but a row "
                    f"of {len(row)}: {list(row)}."
                )
        if self.kinds and len(self.kinds) != len(self.rows):
            raise ValueError(
                f"Table {self.caption!r} has {len(self.rows)} rows but "
                f"{len(self.kinds)} kinds."
            )


@dataclasses.dataclass(frozen=True)
class Cell:
    """One value of a table of results: "8.31", "[8.10, 8.52]", whether it is best."""

    mean: str
    interval: str = ""
    best: bool = False


def metric_of(key: str) -> metrics.Metric:
    """The metric of "region/metric"; an unknown one is shown under its own name."""
    name = key.rpartition("/")[2]
    return metrics.METRICS.get(name) or metrics.Metric(name, name, None, 3)


def region_of(key: str) -> str:
    """The region of "region/metric"; "" if there is none."""
    return key.rpartition("/")[0]


def key_label(key: str) -> str:
    """Turns "hole/l1_percent" into "hole L1 (%)"."""
    region = REGION_LABELS.get(region_of(key), region_of(key)).lower()
    return f"{region} {metric_of(key).label}".strip()


def key_title(key: str) -> str:
    """Turns "hole/l1_percent" into "Hole L1 (%)", to begin a line with."""
    label = key_label(key)
    return label[:1].upper() + label[1:]


def arrow(key: str) -> str:
    """The better direction: " ↑", " ↓", or nothing where there is none."""
    return {True: " ↑", False: " ↓"}.get(metric_of(key).higher_is_better, "")


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


def text(value) -> str:
    """Any cell as plain text; floats keep four significant digits."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", MINUS) if math.isfinite(value) else DASH
    return str(value)


def aligned(rows: Sequence[Sequence], digits: int | None = None) -> list[list]:
    """Gives the floats of a column equally many decimals: 1.1 over 1.06 reads 1.10."""
    columns = [_aligned_column(column, digits) for column in zip(*rows)]
    return [list(row) for row in zip(*columns)]


def _aligned_column(cells: Sequence, digits: int | None) -> list:
    if digits is None:
        texts = [text(cell) for cell in cells if isinstance(cell, float)]
        if any("e" in shown for shown in texts):  # 1e-05 has no decimals to share
            return list(cells)
        digits = max((len(shown.partition(".")[2]) for shown in texts), default=0)
    return [number(c, digits) if isinstance(c, float) else c for c in cells]


def escape(value) -> str:
    """Text -> Markdown that shows exactly this text, on one line."""
    if isinstance(value, Markdown):
        return " ".join(value.splitlines())
    escaped = " ".join(text(value).replace("&", "&amp;").split())
    escaped = escaped.replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\|`*[]":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped


def markdown_table(
    columns: Sequence, rows: Sequence[Sequence], *, digits: int | None = None
) -> Markdown:
    """A GitHub-flavored table; the first column is left-aligned, numbers right.

    Args:
      columns: Titles; text is escaped unless it is `Markdown`.
      rows: Cells, as many as columns.
      digits: See `Table`.
    """
    Table("", columns, rows)  # checks the widths
    numeric = numeric_columns(columns, rows)
    rows = aligned(rows, digits)
    lines = [columns, ["---:" if right else ":---" for right in numeric], *rows]
    return Markdown(
        "\n".join(
            "| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines
        )
    )


def numeric_columns(columns: Sequence, rows: Sequence[Sequence]) -> list[bool]:
    """Which columns hold only numbers and dashes; never the first, which names rows."""
    return [
        position > 0 and not any(_is_prose(row[position]) for row in rows)
        for position in range(len(columns))
    ]


def _is_prose(cell) -> bool:
    plain = text(cell).replace("*", "")
    return plain not in ("", DASH) and not NUMBER.fullmatch(plain)


def result_cells(
    summary: Mapping, restorers: Sequence[str], keys: Sequence[str]
) -> list[list[Cell]]:
    """Rows of cells for restorers by keys; the best mean of a column is marked.

    Means that read the same share the mark; a column with one value has none.
    """
    rows = [[Cell(DASH)] * len(keys) for _ in restorers]
    for column, key in enumerate(keys):
        metric = metric_of(key)
        entries = [summary.get(restorer, {}).get(key) or {} for restorer in restorers]
        shown = [number(entry.get("mean"), metric.digits) for entry in entries]
        means = [e["mean"] for e, s in zip(entries, shown) if s != DASH]
        best = None
        if metric.higher_is_better is not None and len(means) > 1:
            chosen = max(means) if metric.higher_is_better else min(means)
            best = number(chosen, metric.digits)
        for row, entry, mean in zip(rows, entries, shown):
            row[column] = Cell(mean, interval(entry, metric.digits), mean == best)
    return rows


def results_table(
    summary: Mapping,
    restorers: Sequence[str],
    keys: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    intervals: bool = True,
) -> Markdown:
    """The Markdown table of results: mean [low, high], best in bold, direction arrows.

    Args:
      summary: What `evaluate.summarize` returns, or the "summary" of results.json.
      restorers: Rows; one that was not measured shows dashes.
      keys: Columns, such as "hole/l1_percent".
      labels: Display names of restorers.
      intervals: Whether to show them.
    """
    labels = labels or {}
    rows = []
    cells = result_cells(summary, restorers, keys)
    for restorer, row in zip(restorers, cells):
        shown = []
        for cell in row:
            mean = f"**{cell.mean}**" if cell.best else cell.mean
            tail = f" {cell.interval}" if intervals and cell.interval else ""
            # No escape: the brackets cannot make a link without a "(" after them.
            shown.append(Markdown(mean + tail))
        rows.append([labels.get(restorer, restorer), *shown])
    regions = {region_of(key) for key in keys}
    titles = [
        (metric_of(key).label if len(regions) == 1 else key_title(key)) + arrow(key)
        for key in keys
    ]
    return markdown_table(["", *titles], rows)
