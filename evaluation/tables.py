"""Markdown tables, and the table of results.

The same functions make the tables of reports, README and model cards.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

from evaluation.naming import arrow, metric_of, region_of, title
from evaluation.wording import DASH, counted, image_count, interval, number, text

# With its interval, its count, a percent sign; not a version such as 2.14.1.
NUMBER = re.compile(
    r"[−+-]?[\d,]*\.?\d+(e[−+-]?\d+)?( ?%)?( \[.*\])?( \([\d,]+ images?\))?"
)


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
    """One value of a table of results.

    Attributes:
      mean: Such as "8.31".
      interval: Such as "[8.10, 8.52]", or nothing.
      best: Whether its column has no better one.
      count: Such as "12 images", where these are fewer than were measured.
    """

    mean: str
    interval: str = ""
    best: bool = False
    count: str = ""


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
    images = image_count(summary)
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
            row[column] = cell(entry, metric.digits, images, best=mean == best)
    return rows


def cell(entry: Mapping, digits: int, images: int, *, best: bool = False) -> Cell:
    """The cell of an entry of a summary over so many images."""
    count = entry.get("count") or 0
    return Cell(
        number(entry.get("mean"), digits),
        interval(entry, digits),
        best,
        counted(count, "image") if 0 < count < images else "",
    )


def cell_markdown(cell: Cell) -> Markdown:
    """Writes "**8.31** [8.10, 8.52] (12 images)"."""
    # No escape: the brackets cannot make a link without a "(" right after them.
    parts = [f"**{cell.mean}**" if cell.best else cell.mean, cell.interval]
    parts.append(f"({cell.count})" if cell.count else "")
    return Markdown(" ".join(filter(None, parts)))


def results_table(
    summary: Mapping,
    restorers: Sequence[str],
    keys: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
) -> Markdown:
    """The Markdown table of results: mean [low, high], best in bold, direction arrows.

    Args:
      summary: What `evaluate.summarize` returns, or the "summary" of results.json.
      restorers: Rows; one that was not measured shows dashes.
      keys: Columns, such as "hole/l1_percent".
      labels: Display names of restorers.
    """
    labels, rows = labels or {}, []
    for restorer, row in zip(restorers, result_cells(summary, restorers, keys)):
        rows.append([labels.get(restorer, restorer), *map(cell_markdown, row)])
    regions = {region_of(key) for key in keys}
    titles = [
        (metric_of(key).label if len(regions) == 1 else title(key)) + arrow(key)
        for key in keys
    ]
    return markdown_table(["", *titles], rows)
