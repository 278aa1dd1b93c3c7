"""Charts as data, and those that every report has."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence

from evaluation import tables
from evaluation.metrics import registry


@dataclasses.dataclass(frozen=True)
class Dots:
    """One metric of several restorers, with intervals.

    Attributes:
      slug: File name without suffix.
      title: Of the chart.
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
      title: Of the chart.
      x_label: With its unit.
      y_label: With its unit.
      series: The lines.
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


def _number(value) -> float:
    return math.nan if value is None else float(value)


def _finite(value) -> bool:
    return value is not None and math.isfinite(value)
