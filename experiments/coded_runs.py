"""Files of several networks at a few bits a latent, beside JPEG and WebP.

Each run has measured its own files and those of the formats, on the same images; its
charts are put together here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from evaluation import wording
from evaluation.charts import Curve, Series
from evaluation.codec_comparison import OURS
from evaluation.rate_distortion import RateCurve

Charts = Mapping[str, Mapping[str, Curve]]


def read(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """The charts of quality over bytes.

    Args:
      reports: {label of a run: results.json of its report}.

    Returns:
      {label: {slug: chart}}, as `coded_latents.curves` has made them.
    """
    return {
        label: {
            chart["slug"]: Curve(
                **{**chart, "series": [Series(**line) for line in chart["series"]]}
            )
            for chart in report["curves"]
            if chart["slug"].startswith("rate-")
        }
        for label, report in reports.items()
    }


def curves(charts: Charts, drawn: Collection[str]) -> list[Curve]:
    """A chart a quality: a line a network, over all its bits a latent, and the formats.

    Args:
      charts: From `read`.
      drawn: Labels of the runs that have a line.
    """
    made = []
    for found in _by_quality(charts).values():
        ours, formats = [], {}
        for label, chart in found.items():
            for line in chart.series:
                if line.label != OURS:
                    formats.setdefault(line.label, line)
                elif label in drawn:
                    ours.append(dataclasses.replace(line, label=label, ours=not ours))
        if not ours:
            continue
        lines = [*ours, *formats.values()]
        first = next(iter(found.values()))
        alt = f"{first.title} of {', '.join(line.label for line in lines)}."
        note = first.note
        if len(ours) < len(found):
            note += " Of runs alike in network, latents, loss and length one is drawn."
        made.append(dataclasses.replace(first, series=lines, note=note, alt=alt))
    return made


def statements(charts: Charts) -> list[str]:
    """A sentence for each quality and format: at how many points ours is smaller."""
    said = []
    for found in _by_quality(charts).values():
        what = next(iter(found.values())).title.partition(" over ")[0]
        names = [line.label for chart in found.values() for line in chart.series]
        for name in dict.fromkeys(names):
            if name != OURS:
                said.append(_beside(what, name, list(_points(found.values(), name))))
    return said


def _by_quality(charts: Charts) -> dict[str, dict[str, Curve]]:
    """{slug: {label: chart}}."""
    turned: dict[str, dict[str, Curve]] = {}
    for label, found in charts.items():
        for slug, chart in found.items():
            turned.setdefault(slug, {})[label] = chart
    return turned


def _points(charts, name: str) -> Iterator[str]:
    """What each of our points is beside a format: "fewer", "more", "worse", "better".

    The last two of points whose quality no file of the format has.
    """
    for chart in charts:
        lines: dict[str, Series] = {line.label: line for line in chart.series}
        if OURS not in lines or name not in lines:
            continue
        other = RateCurve(lines[name].x, lines[name].y)
        for length, quality in zip(lines[OURS].x, lines[OURS].y):
            if quality < other.qualities[0]:
                yield "worse"
            elif quality > other.qualities[-1]:
                yield "better"
            else:
                yield "fewer" if length < other.rate_at(quality) else "more"


def _beside(what: str, name: str, points: Sequence[str]) -> str:
    said = {
        "fewer": f"take fewer bytes than {name} of equal {what}",
        "more": f"take as many or more bytes than {name} of equal {what}",
        "worse": f"are worse than every {name}",
        "better": f"are better than every {name}",
    }
    counts = {kind: points.count(kind) for kind in said}
    parts = [f"{count} {said[kind]}" for kind, count in counts.items() if count]
    return f"{what}: of our {wording.counted(len(points), 'point')} {', '.join(parts)}."
