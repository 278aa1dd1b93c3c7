"""What a report says of the length of a run, and claims of the baselines."""

import types

import numpy as np
import pytest
import tiny

from evaluation.record import Evaluation
from experiments.core import evaluate
from experiments.core import system as papers
from training.history import History

L1 = "raw/l1_percent"


@pytest.mark.parametrize(
    ("name", "preset", "last", "said"),
    [
        ("skip_inpainting", "paper", (8, 5040), "8 of 40 epochs (5,040 updates)"),
        ("skip_inpainting", "paper", (40, 1), "40 of 40 epochs (1 update)"),
        ("skip_inpainting", "paper", (0, 0), "0 of 40 epochs (0 updates)"),
        ("cvae_dcgan", "dcgan", (10, 20), "10 of 30 epochs (20 of 54,690 updates)"),
        ("cvae_dcgan", "cvae", (10, 20), "10 of 10 epochs (20 of 18,230 updates)"),
        (
            *("cvae_dcgan", "cvae", (12, 24)),
            "12 epochs (24 of 18,230 updates; published: 10)",
        ),
        ("portrait_autoencoder", "lambda_0.01", (8, 48), "8 epochs (48 updates)"),
        (
            *("portrait_autoencoder", "paper", (3, 3135)),
            "3 of 3 epochs (3,135 of 10,800 updates)",
        ),
        (
            *("portrait_autoencoder", "lambda_0.01", (16, 96)),
            "16 epochs (96 updates), initialized from other,",
        ),
        # It counts updates anyway.
        ("pyramid_cgan", "d", (0, 500), "500 of 5,000 steps"),
        ("pyramid_cgan", "d", (0, 6000), "6,000 steps (published: 5,000)"),
    ],
)
def test_the_length_is_said_beside_what_is_published(
    tmp_path, name, preset, last, said
):
    system = papers.load(name)
    options = {"initial": "runs/other"} if "initialized" in said else {}
    config = system.config_class(**{**system.presets[preset], **options})
    split = tiny.split_of(np.zeros([100, 8, 8, 3], np.uint8))
    data = types.SimpleNamespace(train=split, test=split)
    folder = types.SimpleNamespace(history=tmp_path / "history.csv")
    if any(last):  # it has been trained
        for values in ((0, 0), last):
            row = dict(zip(("epoch", "step"), map(float, values)))
            History(folder.history).add(row)
    run = types.SimpleNamespace(system=system, config=config, data=data, folder=folder)
    scale = system.published_scale(config)
    of = f" of {scale[0]:,}" if scale else ""
    assert f" px, {said} over 100{of} images" in evaluate.describe(run)


@pytest.mark.parametrize(
    ("compared", "claim"),
    [
        ("a", "ours beats a on raw L1 (%)"),
        ("ab", "ours beats a and b on raw L1 (%); the best of these is b"),
        ("abc", "ours beats a, b and c on raw L1 (%); the best of these is b"),
    ],
)
def test_the_claim_names_what_was_compared_and_no_other_row(compared, claim):
    means = {"ours": 3.0, "a": 6.0, "b": 5.0, "c": 7.0, "JPEG": 1.0}
    spread = np.linspace(-0.1, 0.1, 40)
    values = {name: {L1: mean + spread} for name, mean in means.items()}
    result = Evaluation([""] * 40, values, np.ones(40), "f")
    found = evaluate._beats_all(result, ["ours", *compared], L1)
    assert (found["claim"], found["verdict"]) == (claim, "holds")
