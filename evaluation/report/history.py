"""Learning curves from history.csv, which training writes."""

from __future__ import annotations

import csv
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

from evaluation.charts import Curve, Series
from evaluation.metrics import registry

# Columns of history.csv that are not drawn.
BOOKKEEPING = {"epoch", "step", "steps", "seconds", "images_per_second", "time"}
# Prefix of columns that are no losses; papers that record them draw them.
WATCHED = "watched_"
# Prefix of a loss -> title of its chart.
NETWORKS = {
    "g": "Generator losses",
    "d": "Discriminator losses",
    "c": "Classifier losses",
}
# Prefix -> title, of losses that are summed where runs are compared.
TOTALS = {
    "g": "Generator loss, all its terms",
    "d": "Discriminator loss, all its terms",
}
# Column -> title, of losses with a chart each where runs are compared.
SINGLE = {
    "c_real": "Classifier loss on real images",
    "c_fake": "Classifier loss on restored images",
}


def read(path: str | os.PathLike | None) -> dict[str, list[float]]:
    """Reads the columns of a history.csv; {} if it does not exist. Blanks are NaN."""
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


def learning(
    history: Mapping[str, Sequence[float]], headline: Sequence[str] = ()
) -> list[Curve]:
    """Charts of the headline's validation metrics, and of the losses of each network.

    Args:
      history: From `read`. Validation columns are named val_region/metric, losses by
        the prefix of their network and an underscore (g_l2, d_real). Any other column
        has its own chart, except those of `WATCHED`.
      headline: Keys of the metrics, such as "hole/l1_percent".
    """
    x_name = next((name for name in ("epoch", "step") if name in history), None)
    if x_name is None:
        return []
    drawn = {
        name
        for name, values in history.items()
        if _is_drawn(name) and any(map(math.isfinite, values))
    }
    curves = []
    for key in headline:
        if f"val_{key}" in drawn:
            title = f"Validation {registry.label(key)}{registry.arrow(key)}"
            label, names = registry.metric_of(key).label, [f"val_{key}"]
            curves.append(_curve(key, title, label, names, history, x_name))
    networks: dict[str, list[str]] = {}
    for name in history:
        if name in drawn and not name.startswith("val_"):
            prefix = name.split("_")[0]
            network = prefix if prefix in NETWORKS and prefix != name else name
            networks.setdefault(network, []).append(name)
    for network, names in networks.items():
        title = NETWORKS.get(network, network)
        curves.append(_curve(network, title, "loss", names, history, x_name))
    return curves


def overlaid(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    headline: Sequence[str] = (),
) -> list[Curve]:
    """Charts of several runs, one for each metric and loss.

    The terms of the generator's loss are summed, and those of the discriminator's;
    other losses have a chart each. `histories` is {run: columns}.
    """
    names = list(dict.fromkeys(name for h in histories.values() for name in h))
    charts: dict[str, tuple[str, str, list[str]]] = {}  # slug -> title, y, columns
    for key in headline:
        title = f"Validation {registry.label(key)}{registry.arrow(key)}"
        charts[key] = (title, registry.metric_of(key).label, [f"val_{key}"])
    for name in names:
        if name.startswith("val_") or not _is_drawn(name):
            continue
        prefix = name.split("_")[0]
        slug = prefix if prefix in TOTALS else name
        title = TOTALS.get(prefix) or SINGLE.get(name, name.replace("_", " "))
        charts.setdefault(slug, (title, "loss", []))[2].append(name)
    curves = [_overlay(slug, *chart, histories) for slug, chart in charts.items()]
    return [curve for curve in curves if curve.series]


def _is_drawn(name: str) -> bool:
    return name not in BOOKKEEPING and not name.startswith(WATCHED)


def _overlay(slug, title, y_label, names, histories) -> Curve:
    series, x_label = [], "step"
    for label, columns in histories.items():
        found = [columns[name] for name in names if name in columns]
        if not found:
            continue
        x_label = "epoch" if "epoch" in columns else "step"
        rows = [[value for value in row if math.isfinite(value)] for row in zip(*found)]
        y = [sum(row) if row else math.nan for row in rows]
        if any(map(math.isfinite, y)):
            series.append(Series(label, columns[x_label], y))
    return Curve(
        slug=f"learning-{slug}",
        title=title,
        x_label=x_label,
        y_label=y_label,
        series=series,
        whole_x=True,
        alt=f"{title} by {x_label} of {', '.join(line.label for line in series)}.",
    )


def _curve(slug, title, y_label, names, history, x_name) -> Curve:
    last = [next(filter(math.isfinite, reversed(history[name]))) for name in names]
    shown = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, last))
    return Curve(
        slug=f"learning-{slug}",
        title=title,
        x_label=x_name,
        y_label=y_label,
        series=[
            Series(name, history[x_name], history[name], ours=name == names[0])
            for name in names
        ],
        whole_x=True,
        alt=f"{title} by {x_name}; last: {shown}.",
    )
