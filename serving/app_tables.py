"""Numbers of the web page as small HTML tables."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Sequence

from serving.app_kinds import Metric, Row
from serving.app_logic import best

_DASH = "–"


def table(
    rows: Sequence[Row], metrics: Sequence[Metric], *, ours: Collection[str] = ()
) -> str:
    """A table with a line a row, the best of each metric marked.

    Args:
      rows: What it shows; sizes have columns of their own where there are any.
      metrics: Its columns; those that no row has are left out.
      ours: Labels of the rows that are models.

    Returns:
      HTML, in which every word of the rows is escaped.
    """
    columns = [m for m in metrics if any(m.name in row.values for row in rows)]
    sized = any(row.size for row in rows)
    heads = ["", *(["Bytes", "Bits/pixel"] if sized else [])]
    heads += [f"{m.label} {_arrow(m)}".strip() for m in columns]
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(_line(row, rows, columns, sized, row.label in ours) for row in rows)
    return (
        f'<div class="numbers"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _line(row: Row, rows, columns, sized: bool, ours: bool) -> str:
    cells = []
    if row.image is None:
        width = len(columns) + 2 * sized
        cells = [f'<td class="note" colspan="{width}">{html.escape(row.note)}</td>']
    else:
        if sized:
            pixels = row.image.shape[0] * row.image.shape[1]
            cells += [_cell(f"{row.size:,}"), _cell(f"{8 * row.size / pixels:.3f}")]
        cells += [_number(row.values.get(m.name), m, best(rows, m)) for m in columns]
    label = f'<th scope="row">{html.escape(row.label)}</th>'
    return f'<tr class="{"ours" if ours else ""}">{label}{"".join(cells)}</tr>'


def _number(value: float | None, metric: Metric, most: float) -> str:
    if value is None or not math.isfinite(value):
        return _cell(_DASH)
    text = f"{value:.{metric.digits}f}"
    return _cell(f"<b>{text}</b>" if text == f"{most:.{metric.digits}f}" else text)


def _cell(text: str) -> str:
    return f"<td>{text}</td>"


def _arrow(metric: Metric) -> str:
    return {True: "↑", False: "↓", None: ""}[metric.higher_is_better]
