"""Tables of reports, README and model cards, and how they show numbers."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from evaluation.metrics.registry import arrow, metric_of, region_of, title

OURS = "ours"  # the kind of a row, and the name of our codec beside image formats

# A number with its interval, count or percent sign; not a version such as 2.14.1.
NUMBER = re.compile(
    r"[−+-]?[\d,]*\.?\d+(e[−+-]?\d+)?( ?%)?( \[.*\])?( \([\d,]+ images?\))?"
)


class Markdown(str):
    """Text that is Markdown already; any other text is escaped."""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
      rows: Cells: text, numbers, None.
      note: Shown below the table.
      kinds: For each row `OURS`, "published", "baseline" or ""; may be empty.
      digits: Decimals of every float; by default as many as the most precise float of
        the column has.
      key: By which other programs find the table in results.json.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence]
    note: str = ""
    kinds: Sequence[str] = ()
    digits: int | None = None
    key: str = ""

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
      interval: Such as "[8.10, 8.52]", or empty.
      best: Whether it is the best of its column.
      count: Such as "12 images", where the metric is undefined on some.
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
    """A table of GitHub-flavored Markdown; columns of numbers are right-aligned.

    Text is escaped unless it is `Markdown`. For the arguments see `Table`.
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
    """Which columns hold only numbers and dashes; never the first."""
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
    """A row of cells for each restorer, a cell for each key.

    Means of a column that are shown with the same best digits are all marked as best; a
    column with one value has no mark.
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
    """The cell of one entry of a summary; `images` were measured in all."""
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
      summary: From `bootstrap.summarize`, or the "summary" of results.json.
      restorers: Rows; dashes where there is no value.
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


DASH, MINUS = "–", "−"


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """1.5 -> "1.50"; a real minus sign; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return text.replace("-", MINUS)


def interval(entry: Mapping, digits: int, *, signed: bool = False) -> str:
    """Writes "[8.10, 8.52]"; empty where there is no interval."""
    low, high = (number(entry.get(k), digits, signed=signed) for k in ("low", "high"))
    return "" if DASH in (low, high) else f"[{low}, {high}]"


def with_interval(entry: Mapping, digits: int, *, signed: bool = False) -> str:
    """Writes "8.31 [8.10, 8.52]"."""
    mean = number(entry.get("mean"), digits, signed=signed)
    return f"{mean} {interval(entry, digits, signed=signed)}".rstrip()


def counted(number: int, noun: str) -> str:
    """1000, "image" -> "1,000 images"; 1, "image" -> "1 image"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(number: int, total: int | None, noun: str) -> str:
    """8, 40, "epoch" -> "8 of 40 epochs"; without a total "8 epochs"."""
    if total is None:
        return counted(number, noun)
    return f"{number:,} of {counted(total, noun)}"


def image_count(summary: Mapping[str, Mapping[str, Mapping]]) -> int:
    """The number of images that were measured: the largest count of any metric."""
    entries = [entry for values in summary.values() for entry in values.values()]
    return max((entry.get("count") or 0 for entry in entries), default=0)


def fewer(entries: Iterable[Mapping], images: int) -> str:
    """Writes "12 of 1,000 images" or "12 to 40 of 1,000 images"; empty if it is all."""
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


def joined(tables: Iterable[Mapping]) -> list[Table]:
    """Joins the tables of several results.json that have the same key and columns.

    Equal rows, such as those of a baseline, are kept once; ours come first.
    """
    rows: dict[tuple, dict[tuple, str]] = {}
    first: dict[tuple, Mapping] = {}
    for table in tables:
        group = table["key"], tuple(table["columns"])
        first.setdefault(group, table)
        kinds = table["kinds"] or [""] * len(table["rows"])
        for row, kind in zip(table["rows"], kinds):
            rows.setdefault(group, {}).setdefault(tuple(row), kind)
    result = []
    for group, table in first.items():
        found = sorted(rows.get(group, {}).items(), key=lambda row: row[1] != OURS)
        changed = {
            "rows": [list(row) for row, _ in found],
            "kinds": [kind for _, kind in found] if table["kinds"] else [],
        }
        result.append(Table(**{**table, **changed}))
    return result
