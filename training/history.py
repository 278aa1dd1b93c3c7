"""The history of a run: a row of numbers per epoch, in a CSV file."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Mapping


class History:
    """Rows of history.csv, a file that is read if it exists.

    A row, column -> number, holds only what was measured. Every change writes a new
    file and renames it.
    """

    def __init__(self, path: pathlib.Path):
        self._path = path
        self.rows: list[dict[str, float]] = []
        if path.exists():
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    self.rows.append({k: float(v) for k, v in row.items() if v})

    def forget_after(self, step: int) -> None:
        """Drops rows later than the checkpoint that a run resumes from."""
        kept = [row for row in self.rows if row["step"] <= step]
        if len(kept) < len(self.rows):
            self.rows = kept
            self._write()

    def add(self, row: Mapping[str, float]) -> None:
        """Appends a row."""
        self.rows.append({key: float(value) for key, value in row.items()})
        self._write()

    def _write(self) -> None:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        # Losses come before validation metrics, although the first row, of the
        # untrained network, has none.
        columns.sort(key=lambda name: name.startswith("val_"))
        temporary = self._path.with_suffix(".partial")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for row in self.rows:
                writer.writerow({key: f"{value:.8g}" for key, value in row.items()})
        os.replace(temporary, self._path)
