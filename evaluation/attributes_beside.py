"""Which attributes the faces of several restorers keep, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evaluation import attributes, tables

TELLS = 5  # points above the commoner answer


def is_by_attribute(caption: str) -> bool:
    """Whether a table of this caption is one of `attributes.by_attribute`."""
    return caption.startswith(attributes.TITLE)


def table(found: Mapping[str, tables.Table]) -> tables.Table:
    """The tables of several restorers of the same faces as one.

    Args:
      found: Restorer -> its table from `attributes.by_attribute`.

    Returns:
      A row an attribute and a column a restorer, in percent; above them the mean of
      all attributes, and of those that the judge can tell: on originals it is right
      for `TELLS` points more than the commoner answer.
    """
    first = next(iter(found.values()))
    completed = {
        label: {row[0]: row[3] for row in table.rows} for label, table in found.items()
    }
    known = {name: rest for name, *rest in first.rows}
    everything, *names = known
    told = [n for n in names if known[n][1] >= known[n][4] + TELLS]

    def row(title: str, share, of: Sequence[str]) -> list:
        means = [
            np.mean([values[name] for name in of])
            for values in (
                {name: cells[1] for name, cells in known.items()},
                *completed.values(),
                {name: cells[4] for name, cells in known.items()},
            )
        ]
        return [title, share, *map(float, means)]

    def lost(name: str) -> float:
        return np.mean([values[name] - known[name][1] for values in completed.values()])

    rows = [row(everything, None, names)]
    if told:
        rows.append(row(f"the {len(told)} that the judge can tell", None, told))
    rows += [row(name, known[name][0], [name]) for name in sorted(names, key=lost)]
    return tables.Table(
        caption=first.caption,
        columns=[
            *attributes.COLUMNS[:2],
            "Originals (%)",
            *found,
            attributes.COLUMNS[5],
        ],
        rows=rows,
        note=f"{first.note} It can tell those attributes of which it is right on "
        f"originals for at least {TELLS} points more than the commoner answer.",
        digits=1,
    )
