"""Verdicts on a paper's claims, checked image by image.

A claim holds, does not hold, or was not measured. "Cannot tell" is the verdict where
the evidence does not carry one of these: see `Evidence`, and docs/metrics.md for the
rule in words.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.special

from evaluation import tables
from evaluation.bootstrap import ENOUGH, compare
from evaluation.metrics import registry
from evaluation.record import Evaluation

HOLDS, FAILS, CANNOT_TELL = "holds", "does not hold", "cannot tell"
UNKNOWN = "not measured"
ENOUGH_SEEDS = 3  # fewer do not show how far seeds lie apart

# "claim", "verdict", "evidence"; and "seeds", of one that counts them by itself.
Claim = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Length, seeds and stability of a trained network.

    Attributes:
      length: Such as "8 of 40 epochs".
      short: Whether that is less than published.
      seeds: Rows of an evaluation: this network, and the same one from other seeds.
      history: Columns of its history.csv.
    """

    length: str = ""
    short: bool = False
    seeds: Sequence[str] = ()
    history: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)

    def spread(self, key: str, last: int = 5) -> float | None:
        """Mean absolute change of a metric, or a loss, between the last validations.

        Where the metric was validated in other regions alone, the largest of theirs;
        None if nowhere twice. The validation before training does not count. A loss
        is named by the first letters of its terms, such as "d_", and is their sum.
        """
        metric = key.rpartition("/")[2]
        columns = {
            name: values
            for name, values in self.history.items()
            if name.startswith("val_") and name.rpartition("/")[2] == metric
        }
        if not columns:
            terms = [v for name, v in self.history.items() if name.startswith(key)]
            columns = {key: [sum(values) for values in zip(*terms)]}
        own = columns.get(f"val_{key}")
        found = [
            statistics.fmean(changes)
            for values in ([own] if own else columns.values())
            if (changes := self._changes(values, last))
        ]
        return max(found, default=None)

    def _changes(self, values: Sequence[float], last: int) -> list[float]:
        steps = self.history.get("step") or self.history.get("epoch", ())
        values = [
            value
            for step, value in zip(steps, values)
            if step > 0 and math.isfinite(value)
        ][-last:]
        return [abs(after - before) for before, after in zip(values, values[1:])]


def not_measured(claim: str, why: str) -> Claim:
    """A claim that was not measured, and why."""
    return {"claim": claim, "verdict": UNKNOWN, "evidence": why}


@dataclasses.dataclass(frozen=True)
class Evidence:
    """An evaluation, and how its networks were trained.

    A verdict becomes "cannot tell" if
      - fewer than `bootstrap.ENOUGH` images were measured,
      - a network was trained for less than the published length,
      - a network is worse than a floor in this metric,
      - there are fewer than `ENOUGH_SEEDS` seeds, and the difference is smaller than
        the spread between neighboring validations, or nobody knows that spread,
      - there are as many, and the interval over the seeds includes the limit.

    A claim that is visible at once, such as a collapse or a blur, may hold early: its
    verdict stands when it holds, whatever the length and the floors.

    Attributes:
      evaluation: Of several restorers.
      trained: {restorer: how it was trained}; rows without an entry are baselines.
      floors: Restorers that any trained network should beat.
      commands: {network: flags that train it, such as "--preset=model3"}.
    """

    evaluation: Evaluation
    trained: Mapping[str, Trained] = dataclasses.field(default_factory=dict)
    floors: Collection[str] = ()
    commands: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def beats(
        self, a: str, b: str, key: str, *, claim: str | None = None, early: bool = False
    ) -> Claim:
        """Checks that `a` is better than `b`: the paired interval must exclude 0.

        Args:
          a: The restorer that is claimed to be better.
          b: The other.
          key: Such as "hole/l1_percent".
          claim: The sentence; by default "a beats b on ...".
          early: Whether it may hold early.

        Returns:
          {"claim", "verdict", "evidence"}.
        """
        claim = claim or f"{a} beats {b} on {registry.label(key)}"
        found = self._difference(claim, a, b, key)
        if "verdict" in found:
            return found
        low, high = _gain(found, key)
        verdict = HOLDS if low > 0 else FAILS if high < 0 else CANNOT_TELL
        more = "" if verdict != CANNOT_TELL else "; the interval includes 0"
        return self._weighed(claim, verdict, found, (a, b), key, more, early=early)

    def as_good_as(
        self, a: str, b: str, key: str, *, within: float, claim: str | None = None
    ) -> Claim:
        """Checks that `a` is at most `within` worse than `b`; it may be better."""
        claim = claim or f"{a} is as good as {b} on {registry.label(key)}"
        found = self._difference(claim, a, b, key)
        if "verdict" in found:
            return found
        low, high = _gain(found, key)
        verdict = CANNOT_TELL
        if low > -within:
            verdict = HOLDS
        elif high < -within:
            verdict = FAILS
        more = f"; as good means at most {within:g} worse"
        return self._weighed(claim, verdict, found, (a, b), key, more, limit=-within)

    def alike(
        self, a: str, b: str, key: str, *, within: float, claim: str | None = None
    ) -> Claim:
        """Checks that `a` and `b` differ by less than `within`, in the metric's unit.

        The whole interval must lie within: one that merely includes 0 would do so for
        any set that is small enough.
        """
        claim = claim or f"{a} is like {b} on {registry.label(key)}"
        found = self._difference(claim, a, b, key)
        if "verdict" in found:
            return found
        verdict = CANNOT_TELL
        if -within < found["low"] and found["high"] < within:
            verdict = HOLDS
        elif found["low"] > within or found["high"] < -within:
            verdict = FAILS
        limit = math.copysign(within, found["mean"])
        more = f"; alike means within ±{within:g}"
        return self._weighed(claim, verdict, found, (a, b), key, more, limit=limit)

    def weigh(
        self,
        claim: str,
        verdict: str,
        evidence: str,
        networks: Sequence[str],
        *,
        key: str = "",
        margin: Callable[..., float | None] | None = None,
        early: bool = False,
    ) -> Claim:
        """A claim that was checked elsewhere, under the same rule.

        Args:
          claim: The sentence.
          verdict: As its own rule has it.
          evidence: A sentence with its numbers.
          networks: The trained ones that it is about.
          key: The metric that it is about, such as "raw/lpips", or a loss as
            `Trained.spread` has it. Floors have no losses.
          margin: How far the claim is met, in the unit of `key`, and below 0 how far it
            is missed. It is given the networks' names of one seed, and returns None
            where that seed does not say. Without one seeds do not count.
          early: Whether it may hold early.
        """
        said, reasons = evidence.rstrip("."), []
        if not (early and verdict == HOLDS):
            reasons += [*self._short(networks), *self._below_floors(networks, key)]
        rows = (self._by_seed(networks) or [networks]) if margin else []
        margins = [found for row in rows if (found := margin(*row)) is not None]
        if margins:
            more, unsettled = self._over_seeds(networks, key, margins, margins[0])
            said += more and f"; margin{more[1:]}"
            reasons += unsettled
        return _concluded(claim, verdict, said, reasons)

    def missing(self, restorer: str, key: str = "") -> str:
        """What would measure a restorer, or a metric of it that was not measured."""
        if key and restorer in self.evaluation.values:
            flag = registry.metric_of(key).flag
            again = f"--stages=evaluate{f' {flag}' if flag else ''}"
            return (
                f"{restorer} was evaluated without {registry.label(key)}: {again} "
                "measures it."
            )
        if restorer in self.commands:
            return f"There is no run {restorer}: {self.commands[restorer]} trains it."
        return f"There is no row {restorer}: --stages=evaluate of these runs makes it."

    def _difference(self, claim: str, a: str, b: str, key: str) -> dict:
        """The paired difference, or a claim that was not measured."""
        # A network that is missing says more than a baseline that came with it.
        for restorer in sorted((a, b), key=lambda name: name not in self.commands):
            if key not in self.evaluation.values.get(restorer, {}):
                return not_measured(claim, self.missing(restorer, key))
        found = compare(self.evaluation, a, b, key)
        if not found["count"]:
            why = f"{registry.title(key)} is undefined on every image."
            return not_measured(claim, why)
        return found

    def _weighed(
        self,
        claim: str,
        verdict: str,
        found: Mapping,
        pair: tuple[str, str],
        key: str,
        more: str,
        *,
        limit: float = 0.0,
        early: bool = False,
    ) -> Claim:
        evidence = self._numbers(found, pair, key) + more
        reasons = []
        if found["count"] < ENOUGH:
            reasons.append("too few images")
        if not (early and verdict == HOLDS):
            reasons += [*self._short(pair), *self._below_floors(pair, key)]
        more, unsettled = self._over_seeds(
            pair, key, self._seed_differences(pair, key), found["mean"], limit
        )
        return _concluded(claim, verdict, evidence + more, [*reasons, *unsettled])

    def _over_seeds(
        self,
        networks: Sequence[str],
        key: str,
        seeds: Sequence[float],
        first: float,
        limit: float = 0.0,
    ) -> tuple[str, list[str]]:
        """What the seeds add to the evidence, and why they tell nothing.

        `seeds` are differences in a metric, or a loss, and `first` that of one seed.
        """
        if len(seeds) >= ENOUGH_SEEDS:
            center, half = student(seeds)
            interval = {"mean": center, "low": center - half, "high": center + half}
            digits = registry.metric_of(key).digits
            said = tables.with_interval(interval, digits, signed=True)
            more = f"; over {len(seeds)} seeds {said}"
            if abs(center - limit) > half:
                return more, []
            limit_said = "0" if not limit else f"{limit:g}"
            return more, [f"the interval over seeds includes {limit_said}"]
        trained = [self.trained[name] for name in networks if name in self.trained]
        if not trained:
            return "", []
        spreads = [network.spread(key) for network in trained]
        counted = tables.counted(max(len(seeds), 1), "seed")
        if None in spreads:
            return "", [
                f"{counted}, and no two validations show how far this metric moves "
                "from one to the next"
            ]
        if abs(first - limit) >= max(spreads):
            return "", []
        return "", [
            f"{counted}, and the difference is smaller than the spread between "
            f"neighboring validations, {max(spreads):.2g}"
        ]

    def _numbers(self, found: Mapping, pair: tuple[str, str], key: str) -> str:
        """Both means and their difference, in words."""
        digits = registry.metric_of(key).digits
        values = [self.evaluation.values[restorer][key] for restorer in pair]
        used = np.isfinite(sum(values))
        means = [tables.number(value[used].mean(), digits) for value in values]
        difference = tables.with_interval(found, digits, signed=True)
        return (
            f"{registry.title(key)}: {pair[0]} {means[0]}, {pair[1]} {means[1]}, "
            f"difference {difference} over {tables.counted(found['count'], 'image')}"
        )

    def _short(self, networks: Sequence[str]) -> list[str]:
        """A reason if networks were trained for less than published."""
        short = {
            name: self.trained[name].length
            for name in networks
            if name in self.trained and self.trained[name].short
        }
        if not short:
            return []
        lengths = set(short.values())
        said = (
            lengths.pop()
            if len(lengths) == 1
            else ", ".join(f"{name} {length}" for name, length in short.items())
        )
        return [f"trained for {said}"]

    def _below_floors(self, networks: Sequence[str], key: str) -> list[str]:
        """A reason for each network that is worse than a floor."""
        sign = 1.0 if registry.metric_of(key).higher_is_better else -1.0
        means = {
            name: sign * float(np.nanmean(self.evaluation.values[name][key]))
            for name in {*networks, *self.floors}
            if np.isfinite(self.evaluation.values.get(name, {}).get(key, np.nan)).any()
        }
        reasons = []
        for name in networks:
            if name not in self.trained or name not in means:
                continue
            above = [f for f in self.floors if means.get(f, -math.inf) > means[name]]
            if above:
                best = max(above, key=means.__getitem__)
                reasons.append(f"{name} is worse than {best} here")
        return reasons

    def _by_seed(self, networks: Sequence[str]) -> list[tuple[str, ...]]:
        """The networks' rows, seed by seed."""
        rows = (
            self.trained[name].seeds if name in self.trained else ()
            for name in networks
        )
        return [*zip(*rows)]

    def _seed_differences(self, pair: tuple[str, str], key: str) -> list[float]:
        """Difference of the means, seed by seed."""
        return [
            float(np.nanmean(self.evaluation.values[a][key]))
            - float(np.nanmean(self.evaluation.values[b][key]))
            for a, b in self._by_seed(pair)
            if all(key in self.evaluation.values.get(row, {}) for row in (a, b))
        ]


def _gain(found: Mapping, key: str) -> tuple[float, float]:
    """The interval of how much better the first is."""
    if registry.metric_of(key).higher_is_better:
        return found["low"], found["high"]
    return -found["high"], -found["low"]


def student(values: Sequence[float]) -> tuple[float, float]:
    """Mean of several values, and half of its 95% interval by Student's t."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    # Student's t; scipy.stats takes half a second to import.
    factor = scipy.special.stdtrit(len(values) - 1, 0.975)
    return statistics.fmean(values), factor * error


def _concluded(
    claim: str, verdict: str, evidence: str, reasons: Sequence[str]
) -> Claim:
    if reasons:
        return {
            "claim": claim,
            "verdict": CANNOT_TELL,
            "evidence": f"{evidence}. Cannot tell: {'; '.join(reasons)}.",
        }
    return {"claim": claim, "verdict": verdict, "evidence": f"{evidence}."}
