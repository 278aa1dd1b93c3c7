"""What runs on the same images say together, besides their rows of one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

from evaluation.charts import Curve
from evaluation.tables import Table


@dataclasses.dataclass(frozen=True)
class Together:
    """What a paper's system finds in several runs.

    Attributes:
      statements: Sentences.
      tables: Of all runs. A run's own table of the same caption is in it and not shown
        again.
      claims: The paper's, of more than metrics, as `evaluation.claims` has them.
      curves: Charts of all runs.
      folded: Rows of metrics that the main table has not; they stand below it, closed.
      note: A sentence below the main table.
    """

    statements: Sequence[str] = ()
    tables: Sequence[Table] = ()
    claims: Sequence[Mapping[str, str]] = ()
    curves: Sequence[Curve] = ()
    folded: Sequence[str] = ()
    note: str = ""


def joined(tables: Iterable[Mapping]) -> list[Table]:
    """Tables of the same caption and columns as one, in the order they come in.

    Rows that are the same, such as a baseline's, stand there once, and those of ours
    come first.

    Args:
      tables: As results.json has them; what a row is of stands in its first cell.
    """
    rows: dict[tuple, dict[tuple, str]] = {}
    first: dict[tuple, Mapping] = {}
    for table in tables:
        key = table["caption"], tuple(table["columns"])
        first.setdefault(key, table)
        kinds = table["kinds"] or [""] * len(table["rows"])
        for row, kind in zip(table["rows"], kinds):
            rows.setdefault(key, {}).setdefault(tuple(row), kind)
    made = []
    for key, table in first.items():
        found = sorted(rows.get(key, {}).items(), key=lambda row: row[1] != "ours")
        changed = {
            "rows": [list(row) for row, _ in found],
            "kinds": [kind for _, kind in found] if table["kinds"] else [],
        }
        made.append(Table(**{**table, **changed}))
    return made
