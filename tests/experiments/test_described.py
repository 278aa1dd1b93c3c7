"""What a report says of the length of a run."""

import types

import numpy as np
import pytest
import tiny

from experiments.core import evaluate
from experiments.core import system as papers
from training.history import History


def described(tmp_path, name, preset, history, **options):
    system = papers.load(name)
    config = system.config_class(**{**system.presets[preset], **options})
    split = tiny.split_of(np.zeros([100, 8, 8, 3], np.uint8))
    path = tmp_path / "history.csv"
    for values in history:
        History(path).add(values)
    run = types.SimpleNamespace(
        system=system,
        config=config,
        data=types.SimpleNamespace(train=split, test=split),
        folder=types.SimpleNamespace(history=path),
    )
    text = evaluate.describe(run)
    return text.split(" px, ")[1].rsplit(" over 100 images", 1)[0]


def row(epoch, step):
    return {"epoch": float(epoch), "step": float(step)}


@pytest.mark.parametrize(
    ("name", "preset", "last", "said"),
    [
        ("skip_inpainting", "paper", row(8, 5040), "8 of 40 epochs (5,040 updates)"),
        ("skip_inpainting", "paper", row(40, 1), "40 of 40 epochs (1 update)"),
        ("cvae_dcgan", "dcgan", row(10, 20), "10 of 30 epochs (20 updates)"),
        ("cvae_dcgan", "cvae", row(10, 20), "10 of 10 epochs (20 updates)"),
        (
            "cvae_dcgan",
            "cvae",
            row(12, 24),
            "12 epochs (24 updates; published: 10)",
        ),
        ("portrait_autoencoder", "n64", row(1, 9), "1 of 3 epochs (9 updates)"),
        ("portrait_autoencoder", "lambda_0.01", row(8, 48), "8 epochs (48 updates)"),
        # It counts updates anyway.
        ("pyramid_cgan", "d", row(0, 500), "500 of 5,000 steps"),
        ("pyramid_cgan", "d", row(0, 6000), "6,000 steps (published: 5,000)"),
    ],
)
def test_it_is_said_beside_what_is_published(tmp_path, name, preset, last, said):
    assert described(tmp_path, name, preset, [row(0, 0), last]) == said


def test_what_it_began_as_is_said(tmp_path):
    last, options = row(16, 96), {"initial": "runs/lambda_0.03"}
    said = described(tmp_path, "portrait_autoencoder", "lambda_0.01", [last], **options)
    assert said == "16 epochs (96 updates), begun as lambda_0.03,"


def test_a_network_that_has_not_been_trained_here_has_no_length(tmp_path):
    said = "0 of 40 epochs (0 updates)"
    assert described(tmp_path, "skip_inpainting", "paper", []) == said
