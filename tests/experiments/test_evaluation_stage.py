"""What a report claims of the baselines."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.record import Evaluation
from experiments.core import evaluate

L1 = "raw/l1_percent"


@pytest.mark.parametrize(
    ("compared", "claim"),
    [
        (["a"], "ours beats a on raw L1 (%)"),
        (["a", "b"], "ours beats a and b on raw L1 (%); the best of these is b"),
        (
            ["a", "b", "c"],
            "ours beats a, b and c on raw L1 (%); the best of these is b",
        ),
    ],
)
def test_the_claim_names_what_was_compared_and_no_other_row(compared, claim):
    means = {"ours": 3.0, "a": 6.0, "b": 5.0, "c": 7.0, "JPEG": 1.0}
    spread = np.linspace(-0.1, 0.1, 40)
    values = {name: {L1: mean + spread} for name, mean in means.items()}
    result = Evaluation([""] * 40, values, np.ones(40), "f")
    found = evaluate._beats_all(result, ["ours", *compared], L1)
    assert (found["claim"], found["verdict"]) == (claim, "holds")
