"""Histories of runs that differ by their seed: the band in which another one lies."""

from __future__ import annotations

import json
import math
import pathlib
import re
import statistics
from collections.abc import Mapping, Sequence

import scipy.special

from evaluation.charts import Curve, Series
from evaluation.claims import ENOUGH_SEEDS
from evaluation.metrics import registry
from experiments.core.folder import read_finished
from experiments.core.system import load

_SEED = re.compile(r", seed \d+$")
History = Mapping[str, Sequence[float]]
Band = list[tuple[float, float, float, float]]  # x, mean, low, high


def network(label: str) -> str:
    """The label of a run without its seed; see `folder.read_finished`."""
    return _SEED.sub("", label)


def band(histories: Sequence[History], column: str) -> Band:
    """Where 95% of further seeds lie, at every epoch (or step) that all runs have.

    It is Student's prediction interval, and so wide with three seeds; normal
    differences between seeds are assumed.

    Returns:
      [] of fewer than `ENOUGH_SEEDS` runs.
    """
    if len(histories) < ENOUGH_SEEDS:
        return []
    curves = [_points(history, column) for history in histories]
    quantile = scipy.special.stdtrit(len(curves) - 1, 0.975)  # Student's t
    found = []
    for x in sorted(set.intersection(*map(set, curves))):
        values = [curve[x] for curve in curves]
        mean = statistics.fmean(values)
        half = quantile * statistics.stdev(values) * math.sqrt(1 + 1 / len(values))
        found.append((x, mean, mean - half, mean + half))
    return found


def _points(history: History, column: str) -> dict[float, float]:
    """Epoch, or step, -> value."""
    x = next((name for name in ("epoch", "step") if name in history), "")
    return {
        at: value
        for at, value in zip(history.get(x, ()), history.get(column, ()))
        if value is not None and math.isfinite(value)
    }


def curves(runs: Sequence[Mapping], keys: Sequence[str]) -> list[Curve]:
    """A chart of each metric on validation images, a band for each network.

    Args:
      runs: As results/<paper>.json has them. Networks with fewer than `ENOUGH_SEEDS`
        seeds are left out.
      keys: Such as "hole/l1_percent".
    """
    drawn = []
    for key in keys:
        series = [
            Series(name, *map(list, zip(*found)))
            for name, histories in _by_network(runs).items()
            if (found := band(histories, f"val_{key}"))
        ]
        if series:
            drawn.append(
                Curve(
                    f"seeds-{key}",
                    f"{registry.title(key)}, validation images",
                    "epoch or step",
                    registry.metric_of(key).label,
                    series,
                    note="Mean over the seeds, and where 95% of further seeds lie.",
                )
            )
    return drawn


def _by_network(runs: Sequence[Mapping]) -> dict[str, list[History]]:
    found: dict[str, list[History]] = {}
    for run in runs:
        found.setdefault(network(run["label"]), []).append(run["history"])
    return found


def check(folder: pathlib.Path, results: pathlib.Path) -> str:
    """Says whether a run's validation metrics lie in the band of the published seeds.

    Args:
      folder: A run that was evaluated.
      results: Folder of <paper>.json.

    Raises:
      ValueError: If no three seeds of this network were measured on these images.
    """
    (run,) = read_finished([folder.expanduser()])
    record = json.loads((run.folder.path / "config.json").read_text())
    system = load(record["paper"])
    path = results / f"{system.name}.json"
    sets = json.loads(path.read_text())["sets"] if path.exists() else []
    others = [
        histories
        for runs in sets
        if runs["fingerprint"] == run.evaluation.fingerprint
        for name, histories in _by_network(runs["runs"]).items()
        if name == run.label
    ]
    if not others or len(others[0]) < ENOUGH_SEEDS:
        raise ValueError(
            f"{path} has {len(others[0]) if others else 0} seeds of {run.label} on the "
            f"test images of {folder}; a band needs {ENOUGH_SEEDS}. Train more with "
            "--seed, or facemend reproduce --seeds=3, and gather them."
        )
    lines = []
    for key in system.headline:
        found = band(others[0], f"val_{key}")
        own = _points(run.history, f"val_{key}")
        places = [(own[x], low, high) for x, _, low, high in found if x in own]
        if not places:
            continue
        inside = sum(low <= value <= high for value, low, high in places)
        value, low, high = places[-1]
        digits = registry.metric_of(key).digits
        lines.append(
            f"{registry.title(key)}: {inside} of {len(places)} validations in the "
            f"band; the last is {value:.{digits}f}, the band [{low:.{digits}f}, "
            f"{high:.{digits}f}]" + ("" if low <= value <= high else ": outside")
        )
    return "\n".join(lines) or "The run has no validation metric of these epochs."
