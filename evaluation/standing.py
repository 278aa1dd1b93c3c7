"""The large numbers at the top of a report, and how ours stand against the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from evaluation import naming, wording
from evaluation.bootstrap import ENOUGH

if TYPE_CHECKING:
    from evaluation.report import Report


def card(report: Report, key: str, labels: Mapping) -> dict | None:
    """A large number: the best of ours, and of the others; None without ours."""
    metric = naming.metric_of(key)
    mean = {
        restorer: values[key]["mean"]
        for restorer, values in report.summary.items()
        if wording.number(values.get(key, {}).get("mean"), 1) != wording.DASH
    }
    ours = [restorer for restorer in report.ours or list(mean)[:1] if restorer in mean]
    if not ours:
        return None
    better = max if metric.higher_is_better else min
    first = ours[0] if metric.higher_is_better is None else better(ours, key=mean.get)
    entry = report.summary[first][key]
    others = [restorer for restorer in mean if not is_ours(restorer, report.ours)]
    rival = ""
    if others and report.ours and metric.higher_is_better is not None:
        best = better(others, key=mean.get)
        standing = _standing(entry, report.summary[best][key], metric.higher_is_better)
        shown = wording.number(mean[best], metric.digits)
        rival = f"{standing} {labels[best]}, {shown}"
    return {
        "label": naming.title(key),
        "arrow": naming.arrow(key),
        "who": labels[first] if len(ours) > 1 else "",
        "value": wording.number(entry["mean"], metric.digits),
        "interval": wording.interval(entry, metric.digits),
        "count": wording.fewer([entry], wording.image_count(report.summary)),
        "rival": rival,
    }


def is_ours(label: str, our_labels: Collection[str]) -> bool:
    """Whether a label is one of ours or begins with it: "CVAE", "CVAE, 8 bits"."""
    return any(f"{label}, ".startswith(f"{ours}, ") for ours in our_labels)


def _standing(ours: Mapping, rival: Mapping, higher_is_better: bool) -> str:
    """Says "better" only of intervals over enough images that do not overlap."""
    low, high = ours.get("low"), ours.get("high")
    rival_low, rival_high = rival.get("low"), rival.get("high")
    if not (wording.interval(ours, 1) and wording.interval(rival, 1)):
        return "beside"
    if min(ours.get("count", 0), rival.get("count", 0)) < ENOUGH:
        return "beside"
    if low > rival_high or high < rival_low:
        return "better than" if (low > rival_high) == higher_is_better else "behind"
    return "about like"
