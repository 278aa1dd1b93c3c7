"""Verdicts on claims: what the evidence carries, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation import bootstrap
from evaluation.claims import (
    CANNOT_TELL,
    FAILS,
    HOLDS,
    UNKNOWN,
    Evidence,
    Trained,
)
from evaluation.record import Evaluation

L1, PSNR = "hole/l1_percent", "hole/psnr_db"
VALUES = np.random.default_rng(4).uniform(4, 6, 50)
STEADY = {"step": (1, 2, 3)} | {f"val_{key}": (5.0, 5.0, 5.0) for key in (L1, PSNR)}
FULL = Trained("40 epochs", history=STEADY)
SHORT = Trained("8 of 40 epochs", short=True, history=STEADY)


def evidence(values: dict, *, key=L1, trained=None, floors=()) -> Evidence:
    """Of {restorer: values of one metric}."""
    columns = {r: {key: np.asarray(v, np.float64)} for r, v in values.items()}
    count = len(next(iter(values.values())))
    names = tuple(f"{i}.jpg" for i in range(count))
    evaluation = Evaluation(names, columns, np.full(count, 0.25), "0123456789abcdef")
    return Evidence(evaluation, trained or {}, floors)


def trained_like(a: Trained, b: Trained = FULL) -> Evidence:
    """`a` is better than `b` by 1."""
    return evidence({"a": VALUES, "b": VALUES + 1}, trained={"a": a, "b": b})


def test_better_depends_on_the_metric():
    pair = {"low": VALUES, "high": VALUES + 1}
    assert evidence(pair).beats("low", "high", L1)["verdict"] == HOLDS
    assert evidence(pair).beats("high", "low", L1)["verdict"] == FAILS
    found = evidence(pair, key=PSNR).beats("high", "low", PSNR)
    assert found["verdict"] == HOLDS
    assert "50 images" in found["evidence"] and "+1.00" in found["evidence"]


def test_an_interval_that_includes_0_tells_nothing():
    noise = np.random.default_rng(5).normal(0, 1, 50)
    pair = {"a": VALUES, "b": VALUES + noise - noise.mean() + 0.01}
    found = evidence(pair).beats("a", "b", L1)
    assert found["verdict"] == CANNOT_TELL and "includes 0" in found["evidence"]


@pytest.mark.parametrize(
    "shift, noise, alike, as_good",
    [
        (0.0, 0.5, HOLDS, HOLDS),
        (2.0, 0.5, FAILS, FAILS),
        (-2.0, 0.5, FAILS, HOLDS),  # one-sided: it may be better
        (1.0, 0.5, CANNOT_TELL, CANNOT_TELL),  # the interval includes the limit
    ],
)
def test_alike_is_two_sided_and_as_good_one_sided(shift, noise, alike, as_good):
    noise *= np.random.default_rng(6).normal(0, 1, 50)
    pair = evidence({"a": VALUES + noise - noise.mean() + shift, "b": VALUES})
    assert pair.alike("a", "b", L1, within=1)["verdict"] == alike
    assert pair.as_good_as("a", "b", L1, within=1)["verdict"] == as_good


@pytest.mark.parametrize("count", [1, 2, bootstrap.ENOUGH - 1, bootstrap.ENOUGH])
def test_a_few_images_prove_nothing(count):
    few = np.full(50, np.nan)
    few[:count] = VALUES[:count]
    pair = evidence({"a": few, "b": VALUES + 1})
    found = [
        pair.beats("a", "b", L1),
        pair.beats("b", "a", L1),
        pair.alike("a", "b", L1, within=9),
    ]
    verdicts = [HOLDS, FAILS, HOLDS]
    if count < bootstrap.ENOUGH:
        verdicts = [CANNOT_TELL] * 3
        assert all("too few images" in claim["evidence"] for claim in found)
    assert [claim["verdict"] for claim in found] == verdicts
    noun = "image" if count == 1 else "images"
    assert all(f"over {count} {noun}" in claim["evidence"] for claim in found)


def test_what_is_missing_was_not_measured():
    one = evidence({"a": [1.0, 2.0], "b": [np.nan, np.nan]})
    for other in "bc":
        assert one.beats("a", other, L1)["verdict"] == UNKNOWN


def test_short_runs_tell_nothing_but_what_is_visible_at_once():
    for pair in (trained_like(SHORT), trained_like(FULL, SHORT)):
        found = pair.beats("a", "b", L1)
        assert found["verdict"] == CANNOT_TELL
        assert "Cannot tell: trained for 8 of 40 epochs" in found["evidence"]
        assert pair.beats("a", "b", L1, early=True)["verdict"] == HOLDS
        # An early claim may hold early; that it fails needs the whole training.
        assert pair.beats("b", "a", L1, early=True)["verdict"] == CANNOT_TELL
    assert trained_like(FULL).beats("b", "a", L1)["verdict"] == FAILS


@pytest.mark.parametrize("early", [False, True])
def test_claims_checked_elsewhere_obey_the_same_rule(early):
    found = [
        trained_like(SHORT).weigh("A claim", verdict, "It is 1.", ["a"], early=early)
        for verdict in (HOLDS, FAILS)
    ]
    assert [claim["verdict"] for claim in found] == [
        HOLDS if early else CANNOT_TELL,
        CANNOT_TELL,
    ]
    full = trained_like(FULL).weigh("A claim", FAILS, "It is 1", ["a"], early=early)
    assert full == {"claim": "A claim", "verdict": FAILS, "evidence": "It is 1."}


@pytest.mark.parametrize("early", [False, True])
def test_claims_checked_elsewhere_heed_floors_in_the_metric_that_they_name(early):
    rows = {"a": VALUES, "b": VALUES + 1, "mean face": VALUES + 0.5}
    above = evidence(rows, trained={"a": FULL, "b": FULL}, floors=["mean face"])
    for verdict in (HOLDS, FAILS):
        found = above.weigh("C", verdict, "It is", ["a", "b"], key=L1, early=early)
        stands = early and verdict == HOLDS
        assert found["verdict"] == (HOLDS if stands else CANNOT_TELL)
        assert ("b is worse than mean face here" in found["evidence"]) != stands
        for other in ({"networks": ["a"], "key": L1}, {"networks": ["a", "b"]}):
            found = above.weigh("C", verdict, "It is", **other, early=early)
            assert found["verdict"] == verdict
    # No floor has a loss, nor has the evaluation.
    assert above.weigh("C", FAILS, "It is", ["b"], key="d_")["verdict"] == FAILS


@pytest.mark.parametrize("early", [False, True])
def test_claims_checked_elsewhere_heed_the_spread_between_validations(early):
    moving = {"step": (0, 1, 2), f"val_{L1}": (99.0, 5.0, 7.0)}
    losses = {"step": (0, 1, 2), "d_real": (np.nan, 1.0, 2.0), "d_fake": (9, 3.0, 4.0)}
    made = {"a": Trained("40 epochs", history={**losses, **moving})}
    one = Evidence(evidence({"a": VALUES}).evaluation, made)

    def told(margin, key=L1):
        found = one.weigh(
            "C", HOLDS, "It is", ["a"], key=key, margin=lambda _: margin, early=early
        )
        return found["verdict"], found["evidence"]

    assert told(2.1) == (HOLDS, "It is.")
    for small in (1.9, -1.9):
        verdict, said = told(small)
        assert verdict == CANNOT_TELL and "1 seed" in said and "validations, 2." in said
    # Both terms of a loss rise by 1.
    assert told(2.1, "d_")[0] == HOLDS and told(1.9, "d_")[0] == CANNOT_TELL
    verdict, said = told(9.0, "g_")
    assert verdict == CANNOT_TELL and "no two validations" in said
    # A number of parameters has neither margin nor spread.
    assert one.weigh("C", HOLDS, "It is", ["a"])["verdict"] == HOLDS


@pytest.mark.parametrize(
    "margins, verdict",
    [
        ((1.0, 1.1, 0.9), HOLDS),
        ((1.0, -0.8, 0.3), CANNOT_TELL),  # the first seed alone would hold
        ((1.0, 1.1, None), HOLDS),  # of two seeds the first counts, as of one
    ],
)
def test_claims_checked_elsewhere_are_asked_of_every_seed(margins, verdict):
    seeds = [f"a, seed {number}" for number in range(len(margins))]
    trained = dict.fromkeys(seeds, Trained("40 epochs", seeds=seeds, history=STEADY))
    asked = evidence(dict.fromkeys(seeds, VALUES), trained=trained)
    found = asked.weigh(
        *("C", HOLDS, "It is", seeds[:1]),
        key=L1,
        margin=dict(zip(seeds, margins)).get,
    )
    assert found["verdict"] == verdict
    assert ("over 3 seeds" in found["evidence"]) == (None not in margins)


def test_what_was_not_measured_says_what_would_measure_it():
    rows = evidence({"a": VALUES, "Telea": VALUES})
    rows = Evidence(rows.evaluation, commands={"b": "--preset=b", "a": "--preset=a"})
    for key, pair, said in (
        (L1, ("Telea", "b"), "There is no run b: --preset=b trains it."),
        (L1, ("mean face", "b"), "There is no run b: --preset=b trains it."),
        (L1, ("a", "mean face"), "no row mean face: --stages=evaluate of these"),
        (PSNR, ("a", "Telea"), "a was evaluated without hole PSNR (dB): --stages=eval"),
        ("raw/lpips", ("a", "Telea"), "--stages=evaluate --lpips_weights=FILE meas"),
    ):
        found = rows.beats(*pair, key)
        assert found["verdict"] == UNKNOWN and said in found["evidence"]


def test_a_network_below_a_floor_tells_nothing():
    values = {"a": VALUES, "b": VALUES + 1, "mean face": VALUES + 0.5}
    for key, sign in ((L1, 1), (PSNR, -1)):
        flipped = {name: sign * value for name, value in values.items()}
        pair = evidence(
            flipped,
            key=key,
            trained={"a": FULL, "b": FULL},
            floors=["mean face", "Telea"],
        )
        found = pair.beats("a", "b", key)
        assert found["verdict"] == CANNOT_TELL
        assert "b is worse than mean face here" in found["evidence"]
        # A baseline is no network: being beaten by a floor says nothing of it.
        only = Evidence(pair.evaluation, {"a": FULL}, pair.floors)
        assert only.beats("a", "b", key)["verdict"] == HOLDS


def test_one_seed_does_not_settle_less_than_validations_differ_by():
    def validated(*values):
        columns = {"step": range(len(values)), f"val_{L1}": values}
        return Trained("40 epochs", history=columns)

    unsteady = validated(99.0, 9.0, np.nan, 5.0, 6.5, 5.0)  # the first is untrained
    assert unsteady.spread(L1) == pytest.approx((4 + 1.5 + 1.5) / 3)
    assert unsteady.spread(PSNR) is validated(9.0, 5.0).spread(L1) is None
    # The same metric of another region, where this one was not validated.
    assert unsteady.spread("composite/l1_percent") == unsteady.spread(L1)
    found = trained_like(unsteady).beats("a", "b", L1)
    assert found["verdict"] == CANNOT_TELL
    assert "1 seed" in found["evidence"] and "validations, 2.3" in found["evidence"]
    steady = validated(9.0, 5.0, 5.1, 5.0)
    assert trained_like(steady).beats("a", "b", L1)["verdict"] == HOLDS
    unknown = trained_like(Trained("40 epochs")).beats("a", "b", L1)
    assert unknown["verdict"] == CANNOT_TELL
    assert "no two validations show how far" in unknown["evidence"]


@pytest.mark.parametrize(
    "gains, verdict",
    [
        ((1.0, 1.1, 0.9), HOLDS),
        ((1.0, -0.8, 0.3), CANNOT_TELL),  # the first seed alone would hold
        ((1.0, 0.1), HOLDS),  # two seeds give no interval
    ],
)
def test_three_seeds_give_an_interval_over_seeds(gains, verdict):
    rows, trained = {}, {}
    for name, offsets in (("a", np.zeros(len(gains))), ("b", gains)):
        seeds = [name, *(f"{name}, seed {i}" for i in range(1, len(gains)))]
        rows |= {seed: VALUES + offset for seed, offset in zip(seeds, offsets)}
        made = Trained("40 epochs", seeds=seeds, history=STEADY)
        trained |= dict.fromkeys(seeds, made)
    found = evidence(rows, trained=trained).beats("a", "b", L1)
    assert found["verdict"] == verdict
    assert ("over 3 seeds" in found["evidence"]) == (len(gains) == 3)
