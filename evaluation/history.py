"""history.csv, which training writes, and the learning curves in it."""

from __future__ import annotations

import csv
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

from evaluation import tables
from evaluation.charts import Curve, Series

# Columns of history.csv that are no curves of their own.
BOOKKEEPING = {"epoch", "step", "steps", "seconds", "images_per_second", "time"}
GROUP_TITLES = {"g": "Generator losses", "d": "Discriminator"}


def read(path: str | os.PathLike | None) -> dict[str, list[float]]:
    """Columns of a history.csv; {} where there is no file. Blank cells are NaN."""
    if path is None or not pathlib.Path(path).exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = {name: [] for name in reader.fieldnames or []}
        for row in reader:
            for name, values in columns.items():
                cell = (row.get(name) or "").strip()
                try:
                    values.append(float(cell) if cell else math.nan)
                except ValueError:
                    raise ValueError(
                        f"{path}, line {reader.line_num}: {name} is {cell!r}, which is "
                        "not a number. Delete the line, or the file to do without "
                        "learning curves."
                    ) from None
    return columns


def learning(history: Mapping[str, Sequence[float]]) -> list[Curve]:
    """One chart a group of terms: the validation metrics, generator, discriminator.

    Validation columns are named val_region/metric, losses by a prefix and an
    underscore (g_l2, d_real); anything else is a chart of its own.
    """
    x_name = next((name for name in ("epoch", "step") if name in history), None)
    if x_name is None:
        return []
    grouped: dict[str, list[str]] = {}
    for name, values in history.items():
        if name in BOOKKEEPING or not any(map(math.isfinite, values)):
            continue
        if name.startswith("val_"):
            group = "val_" + name[4:].rpartition("/")[2]
        else:
            prefix = name.split("_")[0]
            group = prefix if prefix in GROUP_TITLES and prefix != name else name
        grouped.setdefault(group, []).append(name)
    # Validation first: it is what a reader looks for.
    order = sorted(grouped, key=lambda group: not group.startswith("val_"))
    return [_learning_curve(g, grouped[g], history, x_name) for g in order]


def _learning_curve(group, names, history, x_name) -> Curve:
    title = y_label = GROUP_TITLES.get(group, group)
    if group.startswith("val_"):
        y_label = tables.metric_of(group[4:]).label
        title = f"Validation {y_label}"
    elif group in GROUP_TITLES:
        y_label = "loss"
    labels = {name: name for name in names}
    if group.startswith("val_"):
        regions = {n: n[4:].rpartition("/")[0] or "whole" for n in names}
        labels = {n: tables.REGION_LABELS.get(r, r).lower() for n, r in regions.items()}
        if len(names) == 1 and "/" in names[0]:
            title += f", {labels[names[0]]}"
    last = {labels[n]: next(filter(math.isfinite, reversed(history[n]))) for n in names}
    shown = ", ".join(f"{label} {value:.4g}" for label, value in last.items())
    return Curve(
        slug=f"learning-{group}",
        title=title,
        x_label=x_name,
        y_label=y_label,
        series=[
            Series(labels[n], history[x_name], history[n], ours=n == names[0])
            for n in names
        ],
        alt=f"{title} by {x_name}; last: {shown}.",
    )
