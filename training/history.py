"""The history of a run: a row of numbers per epoch, in a CSV file."""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence

import tensorflow as tf

from training import files
from training.loop import Length

Row = dict[str, float]  # column -> number
_TAG = "epoch_"  # of what Keras logs after every epoch
_FIRST = (["epoch"], ["step"])  # column, the unit of the run
_NAMED = 8  # steps, in a message


class History:
    """Rows of history.csv, a file that is read if it exists.

    A row, column -> number, holds only what was measured. Every change writes a new
    file and renames it.

    Raises:
      ValueError: If the file is damaged; `mend` repairs it.
    """

    def __init__(self, path: pathlib.Path):
        self._path = path
        self.rows, faults = _read(path) if path.exists() else ([], [])
        if faults:
            raise ValueError(
                f"{path} is damaged: {faults[0]}. Put a copy of it back, or start the "
                "training again, which rebuilds it from logs/; without the file there "
                "are no learning curves."
            )

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
        _write(self._path, self.rows)


def mend(path: pathlib.Path, *, logs: pathlib.Path, length: Length, step: int) -> None:
    """Rebuilds the rows that a history lacks, from the logs, and says what is lost.

    Args:
      path: Of history.csv. One that is damaged is kept beside it.
      logs: TensorBoard's folder, which has the losses and metrics of every epoch.
      length: Of the run, to know which rows there should be.
      step: Of the checkpoint that the run resumes from.
    """
    rows, faults = _read(path) if path.exists() else ([], ["it is missing"])
    known = {row["step"]: row for row in rows}
    expected = [0, *range(length.row_steps, step + 1, length.row_steps)]
    if step == length.total_steps:
        expected.append(step)
    missing = sorted(set(expected) - known.keys())
    if not missing and not faults:
        return
    columns = {column for row in rows for column in row}
    rebuilt = []
    for at, row in _logged(logs, length).items():
        if at in missing:
            known[at] = {k: v for k, v in row.items() if not columns or k in columns}
            rebuilt.append(at)
    said = [f"{path}: {'; '.join(faults[:3]) or 'rows are missing'}"]
    if rebuilt:
        said.append(f"rebuilt from {logs.name}/, without times: {_steps(rebuilt)}")
    lost = sorted(set(missing) - set(rebuilt))
    if lost:
        said.append(f"lost, so that curves lack them: {_steps(lost)}")
    if faults and path.exists():
        kept = path.with_suffix(".damaged.csv")
        os.replace(path, kept)
        said.append(f"the damaged file is {kept.name}")
    _write(path, [known[at] for at in sorted(known)])
    print(". ".join(said) + ".", file=sys.stderr)


def check_new(path: pathlib.Path) -> None:
    """Raises a ValueError where a run without checkpoint has a history.

    A first row alone is of a process that was killed before its first checkpoint: it is
    said that training begins again.
    """
    rows, faults = _read(path) if path.exists() else ([], [])
    trained = [int(row["step"]) for row in rows if row["step"] > 0]
    if faults or len(trained) > 1:
        found = faults[0] if faults else f"{len(rows)} rows, up to step {trained[-1]:,}"
        raise ValueError(
            f"{path} is of a run ({found}), but its checkpoints are gone. Put them "
            "back into checkpoints/, or pass another --workdir to begin anew."
        )
    if trained:
        print(
            f"{path}: no checkpoint was saved after step {trained[0]:,}; training "
            "begins again.",
            file=sys.stderr,
        )


def _steps(steps: Sequence[float]) -> str:
    """Such as "the rows of steps 3, 6"; at most some of them."""
    named = ", ".join(f"{int(step):,}" for step in steps[:_NAMED])
    more = f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else ""
    return f"the rows of steps {named}{more}"


def _read(path: pathlib.Path) -> tuple[list[Row], list[str]]:
    """The rows that are whole, and what is wrong with the others."""
    try:
        # A spreadsheet that saves it may put a mark of UTF-8 before it.
        text = path.read_bytes().decode("utf-8-sig")
        lines = list(csv.reader(io.StringIO(text, newline="")))
    except (UnicodeDecodeError, csv.Error):  # the latter of a cell of many bytes
        return [], ["it is no text"]
    if not lines or lines[0][:1] not in _FIRST or "step" not in lines[0]:
        return [], ["it has no header" if lines else "it is empty"]
    rows, faults = [], []
    if not text.endswith("\n"):
        # Its last number may lack digits.
        faults.append(f"line {len(lines)} is cut off")
        lines.pop()
    columns = lines[0] if lines else []
    for number, cells in enumerate(lines[1:], start=2):
        row = _row(columns, cells)
        if row is None or (rows and row["step"] <= rows[-1]["step"]):
            faults.append(f"line {number} is no row of {len(columns)} numbers")
        else:
            rows.append(row)
    return rows, faults


def _row(columns: Sequence[str], cells: Sequence[str]) -> Row | None:
    """A line as a row, or None if it is none."""
    if len(cells) != len(columns):
        return None
    try:
        row = {key: float(cell) for key, cell in zip(columns, cells) if cell}
    except ValueError:
        return None
    # A step that is NaN or infinite is no whole number either.
    step = row.get("step", math.nan)
    return row if step >= 0 and step.is_integer() else None


def _write(path: pathlib.Path, rows: Sequence[Row]) -> None:
    if not rows:  # it would have no header, and be taken for a damaged one
        path.unlink(missing_ok=True)
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    # Losses come before validation metrics, although the first row, of the untrained
    # network, has none.
    columns.sort(key=lambda name: name.startswith("val_"))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"{value:.8g}" for key, value in row.items()})
    files.write(path, text.getvalue().encode())


def _logged(logs: pathlib.Path, length: Length) -> dict[int, Row]:
    """Step -> the row that TensorBoard's files have of it."""
    rows: dict[int, Row] = {}
    for kind, prefix in (("train", ""), ("validation", "val_")):
        # A resumed run writes another file, whose name is later.
        for path in sorted((logs / kind).glob("events.*")):
            for event in _events(path):
                step = min((event.step + 1) * length.row_steps, length.total_steps)
                for value in event.summary.value:
                    if value.tag.startswith(_TAG):
                        row = rows.setdefault(
                            step, {length.unit: length.at(step), "step": step}
                        )
                        name = prefix + value.tag[len(_TAG) :]
                        row[name] = float(tf.make_ndarray(value.tensor))
    return rows


def _events(path: pathlib.Path) -> list:
    """The events of a file, up to where it is cut off."""
    from tensorflow.core.util import event_pb2  # loads TensorFlow

    found = []
    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            found.append(event_pb2.Event.FromString(record))
    except tf.errors.DataLossError:
        pass
    return found
