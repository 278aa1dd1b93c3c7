"""Charts as data, and those of every report: headline, hole size, learning curves."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence

from evaluation import tables
from evaluation.metrics import registry

_FIRST = (["epoch"], ["step"])  # column of a history
_WAY_OUT = (
    "Start the training again, which rebuilds it from logs/, or delete the file to do "
    "without learning curves."
)


@dataclasses.dataclass(frozen=True)
class Dots:
    """One metric of several restorers, with intervals.

    Attributes:
      slug: File name without suffix.
      rows: (label, entry with mean, low, high; whether it is ours), top to bottom.
      digits: Decimals of the values.
      alt: Text for screen readers.
    """

    slug: str
    title: str
    rows: Sequence[tuple[str, Mapping, bool]]
    digits: int = 2
    alt: str = ""


@dataclasses.dataclass(frozen=True)
class Series:
    """A line, with an interval where low and high are given."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    ours: bool = False


@dataclasses.dataclass(frozen=True)
class Curve:
    """Lines over one axis: learning curves, error against hole size, rate-distortion.

    Attributes:
      slug: File name without suffix.
      references: {label: y} of horizontal lines, such as ln 2.
      markers: Whether points are marked.
      whole_x: Whether x counts something, such as epochs: ticks are whole numbers.
      note: Shown below.
      alt: Text for screen readers.
    """

    slug: str
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    references: Mapping[str, float] = dataclasses.field(default_factory=dict)
    markers: bool = False
    whole_x: bool = False
    note: str = ""
    alt: str = ""


def headline(
    summary: Mapping, keys: Sequence[str], labels: Mapping, ours: Collection[str]
) -> list[Dots]:
    """A chart for each metric, the best restorer on top."""
    charts, images = [], tables.image_count(summary)
    for key in keys:
        metric = registry.metric_of(key)
        entries = [
            (restorer, values[key])
            for restorer, values in summary.items()
            if _finite(values.get(key, {}).get("mean"))
        ]
        if not entries:
            continue
        entries.sort(
            key=lambda entry: entry[1]["mean"], reverse=bool(metric.higher_is_better)
        )
        rows = [(labels.get(r, r), entry, r in ours) for r, entry in entries]
        shown = [
            f"{label} {tables.with_interval(entry, metric.digits)}"
            for label, entry, _ in rows
        ]
        title = registry.title(key) + registry.arrow(key)
        if fewer := tables.fewer((entry for _, entry in entries), images):
            title += f" ({fewer})"
        charts.append(
            Dots(
                slug=key,
                title=title,
                rows=rows,
                digits=metric.digits,
                alt=f"{title}: {'; '.join(shown)}.",
            )
        )
    return charts


def hole_size(
    bins: Sequence[Mapping], key: str, labels: Mapping, ours: Collection[str]
) -> Curve:
    """Error against hole size, from `subsets.by_hole_size`."""
    found = list(dict.fromkeys(r for row in bins for r in row["restorers"]))
    restorers = [r for r in ours if r in found] + [r for r in found if r not in ours]
    series = []
    for restorer in restorers:
        rows = [row for row in bins if restorer in row["restorers"]]
        entries = [row["restorers"][restorer] for row in rows]
        series.append(
            Series(
                labels.get(restorer, restorer),
                [100 * row["hole_ratio"] for row in rows],
                *(
                    [_number(e[part]) for e in entries]
                    for part in ("mean", "low", "high")
                ),
                ours=restorer in ours,
            )
        )
    title = registry.title(key)
    images = round(sum(row["count"] for row in bins) / len(bins))
    return Curve(
        slug="hole-size",
        title=f"{title} against hole size",
        x_label="missing part of the image (%)",
        y_label=registry.metric_of(key).label,
        series=series,
        markers=True,
        note=f"{len(bins)} bins of about {tables.counted(images, 'image')} each.",
        alt=f"{title} of {len(series)} restorers over {len(bins)} hole sizes.",
    )


# Columns of history.csv that are not drawn.
BOOKKEEPING = {"epoch", "step", "steps", "seconds", "images_per_second", "time"}
# Prefix of columns that papers draw themselves, which are no losses.
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


def read_history(path: str | os.PathLike | None) -> dict[str, list[float]]:
    """Reads the columns of a history.csv; {} if it does not exist. Blanks are NaN."""
    if path is None or not pathlib.Path(path).exists():
        return {}
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, row) for row in reader]
            names = reader.fieldnames or []
        wrong = "" if names[:1] in _FIRST else "it has no header"
    except (UnicodeDecodeError, csv.Error):  # the latter of a cell of many bytes
        wrong = "it is no text"
    if wrong:
        raise ValueError(f"{path} is damaged: {wrong}. {_WAY_OUT}")
    columns = {name: [] for name in names}
    for line, row in rows:
        if None in row or None in row.values():
            raise ValueError(
                f"{path}, line {line} is cut off or has too many columns. {_WAY_OUT}"
            )
        for name, values in columns.items():
            cell = (row.get(name) or "").strip()
            try:
                values.append(float(cell) if cell else math.nan)
            except ValueError:
                raise ValueError(
                    f"{path}, line {line}: {name} is {cell!r}, which is not a number. "
                    "Delete the line, or the file to do without learning curves."
                ) from None
    return columns


def learning(
    history: Mapping[str, Sequence[float]], headline: Sequence[str] = ()
) -> list[Curve]:
    """Charts of the headline's validation metrics, and of the losses of each network.

    Validation columns of `history` are named val_region/metric, losses by the prefix of
    their network and an underscore (g_l2, d_real). Any other column has its own chart,
    except those of `WATCHED`. `headline` holds keys such as "hole/l1_percent".
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
    histories: Mapping[str, Mapping[str, Sequence[float]]], headline: Sequence[str] = ()
) -> list[Curve]:
    """Charts of several runs, {run: columns}, one for each metric and loss.

    The terms of the generator's loss are summed, and those of the discriminator's;
    other losses have a chart each.
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
    alt = f"{title} by {x_label} of {', '.join(line.label for line in series)}."
    return _learning_curve(slug, title, x_label, y_label, series, alt)


def _curve(slug, title, y_label, names, history, x_name) -> Curve:
    last = [next(filter(math.isfinite, reversed(history[name]))) for name in names]
    shown = ", ".join(f"{name} {value:.4g}" for name, value in zip(names, last))
    series = [
        Series(name, history[x_name], history[name], ours=name == names[0])
        for name in names
    ]
    alt = f"{title} by {x_name}; last: {shown}."
    return _learning_curve(slug, title, x_name, y_label, series, alt)


def _learning_curve(slug, title, x_label, y_label, series, alt) -> Curve:
    slug = f"learning-{slug}"
    return Curve(slug, title, x_label, y_label, series, whole_x=True, alt=alt)


def _number(value) -> float:
    return math.nan if value is None else float(value)


def _finite(value) -> bool:
    return value is not None and math.isfinite(value)
