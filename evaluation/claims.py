"""Checks a paper's claims image by image.

A claim holds, does not hold, was not measured, or was measured on too few images.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evaluation import tables
from evaluation.bootstrap import ENOUGH, compare
from evaluation.metrics import registry
from evaluation.record import Evaluation

HOLDS, FAILS, UNKNOWN = "holds", "does not hold", "not measured"
TOO_FEW = "too few images to say"


def not_measured(claim: str, why: str) -> dict[str, str]:
    """A claim that was not measured, and why."""
    return {"claim": claim, "verdict": UNKNOWN, "evidence": why}


def beats(
    evaluation: Evaluation, a: str, b: str, key: str, *, claim: str | None = None
) -> dict[str, str]:
    """Checks that `a` is better than `b`: the paired interval must exclude 0.

    Args:
      evaluation: Of both restorers.
      a: The restorer that is claimed to be better.
      b: The other.
      key: Such as "hole/l1_percent".
      claim: The sentence; by default "a beats b on ...".

    Returns:
      {"claim", "verdict", "evidence"}; the verdict is `TOO_FEW` below
      `bootstrap.ENOUGH` images.
    """
    metric = registry.metric_of(key)
    claim = claim or f"{a} beats {b} on {registry.label(key)}"
    found = _measured(claim, evaluation, a, b, key)
    if "verdict" in found:
        return found
    gain = found["low"] if metric.higher_is_better else -found["high"]
    evidence = _evidence(evaluation, a, b, key, found)
    if found["low"] <= 0 <= found["high"]:
        evidence += "; the interval includes 0"
    return {
        "claim": claim,
        "verdict": _verdict(gain > 0, found),
        "evidence": f"{evidence}.",
    }


def alike(
    evaluation: Evaluation,
    a: str,
    b: str,
    key: str,
    *,
    within: float,
    claim: str | None = None,
) -> dict[str, str]:
    """Checks that `a` and `b` differ by less than `within`, in the metric's unit.

    The whole interval must lie within; an interval that merely includes 0 would do so
    for any set that is small enough.
    """
    claim = claim or f"{a} is like {b} on {registry.label(key)}"
    found = _measured(claim, evaluation, a, b, key)
    if "verdict" in found:
        return found
    holds = -within < found["low"] and found["high"] < within
    evidence = _evidence(evaluation, a, b, key, found)
    return {
        "claim": claim,
        "verdict": _verdict(holds, found),
        "evidence": f"{evidence}; alike means within ±{within:g}.",
    }


def _measured(claim, evaluation, a, b, key) -> dict:
    """The paired difference, or a claim that was not measured."""
    for restorer in (a, b):
        if key not in evaluation.values.get(restorer, {}):
            why = f"There is no {registry.label(key)} of {restorer} in this run."
            return not_measured(claim, why)
    found = compare(evaluation, a, b, key)
    if not found["count"]:
        why = f"{registry.title(key)} is undefined on every image."
        return not_measured(claim, why)
    return found


def _verdict(holds: bool, found: Mapping) -> str:
    if found["count"] < ENOUGH:
        return TOO_FEW
    return HOLDS if holds else FAILS


def _evidence(evaluation, a, b, key, found) -> str:
    digits = registry.metric_of(key).digits
    used = np.isfinite(evaluation.values[a][key] + evaluation.values[b][key])
    means = [
        tables.number(evaluation.values[r][key][used].mean(), digits) for r in (a, b)
    ]
    difference = tables.with_interval(found, digits, signed=True)
    return (
        f"{registry.title(key)}: {a} {means[0]}, {b} {means[1]}, "
        f"difference {difference} over "
        f"{tables.counted(found['count'], 'image')}"
    )
