"""Section 5.1's comparison of learning rates: the cost after the first epoch.

The paper takes 1e-4, because it lowers "the cost after the first epoch over 1,000
samples" by 4e-4 more than 1e-3 and 1e-5 do. That is an epoch of 20 updates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation import claims
from evaluation.tables import Table, counted, number, with_interval
from experiments.portrait_autoencoder import training
from experiments.portrait_autoencoder.config import Config

KEY = "first_epoch"  # of a report's data
RATES = (1e-3, 1e-4, 1e-5)
BEST = 1e-4  # the paper's
IMAGES, BATCH = 1000, 50


def measure(
    config: Config,
    split: DecodedSplit,
    *,
    rates: Sequence[float] = RATES,
    images: int = IMAGES,
) -> dict[str, Any]:
    """Trains networks for one epoch over the first images of a training split.

    Weights and order of the images differ from seed to seed and are the same for all
    rates.

    Returns:
      {"images", "batch_size", "costs": {rate, such as "0.001": a cost for each of the
      configuration's `first_epoch_seeds`}}; the cost is the mean squared error over
      these images after the epoch.
    """
    part = split.part(0, images)
    batch_size = min(BATCH, len(part))  # whatever the run's own is
    costs = {
        f"{rate:g}": [
            _cost(_with(config, rate, seed, batch_size), part)
            for seed in range(config.first_epoch_seeds)
        ]
        for rate in rates
    }
    return {"images": len(part), "batch_size": batch_size, "costs": costs}


def _with(config: Config, rate: float, seed: int, batch_size: int) -> Config:
    """The paper's training, from this seed."""
    changed = {"learning_rate": rate, "seed": seed, "batch_size": batch_size}
    return dataclasses.replace(
        config, learning_rate_decay="none", train_side=0, **changed
    )


def _cost(config: Config, part: DecodedSplit) -> float:
    """The mean squared error after an epoch over these images."""
    tf.keras.utils.set_random_seed(config.seed)
    steps = pipeline.steps_per_epoch(part, config.batch_size)
    trainer = training.build_trainer(config, steps)
    task, options = pipeline.reconstruction(), {"batch_size": config.batch_size}
    batches = pipeline.training_batches(part, task, seed=config.seed, **options)
    trainer.fit(batches, steps_per_epoch=steps, verbose=0)
    errors = [
        trainer.terms_of(target, trainer.restores(inputs, training=False))["distortion"]
        for inputs, target in pipeline.evaluation_batches(part, task, seed=0, **options)
    ]
    return float(np.mean(np.concatenate(errors)))


def table(found: Mapping[str, Any]) -> Table:
    """The costs of each rate; `found` is from `measure`."""
    rows = [
        [rate, with_interval(_interval(costs), 2), ", ".join(_scaled(costs))]
        for rate, costs in found["costs"].items()
    ]
    return Table(
        caption=f"10⁴ × MSE after one epoch over {counted(found['images'], 'image')}",
        columns=["Learning rate", "Mean", "Each seed"],
        rows=rows,
        note=f"Over these training images, batch {found['batch_size']}. Mean with 95% "
        "interval over seeds (Student's t).",
    )


def _scaled(costs: Sequence[float]) -> list[str]:
    return [number(1e4 * cost, 2) for cost in costs]


def _interval(values: Sequence[float]) -> dict[str, float]:
    """10⁴ × their mean, with an interval where there are several."""
    if len(values) < 2:
        return {"mean": 1e4 * values[0]}
    center, half = claims.student(1e4 * np.asarray(values))
    return {"mean": center, "low": center - half, "high": center + half}


def check_claims(
    evidence: claims.Evidence, found: Mapping[str, Any] | None
) -> list[claims.Claim]:
    """The paper's claim, of each other rate; `found` is from `measure`, or None."""
    others = [rate for rate in RATES if rate != BEST]
    return [_check(evidence, found, f"{rate:g}") for rate in others]


def _check(
    evidence: claims.Evidence, found: Mapping[str, Any] | None, other: str
) -> claims.Claim:
    best = f"{BEST:g}"
    claim = (
        f"Learning rate {best} lowers the cost after one epoch over 1,000 images more "
        f"than {other} (published: by 4 · 10⁻⁴)"
    )
    costs = found["costs"] if found else {}
    if best not in costs or other not in costs:
        return claims.not_measured(
            claim, "No run has --first_epoch_seeds; --preset=learning_rates does."
        )
    gains = np.subtract(costs[other], costs[best])
    gain, seeds = _interval(gains), counted(len(gains), "seed")
    means = [number(1e4 * float(np.mean(costs[rate])), 2) for rate in (best, other)]
    said = (
        f"10⁴ × MSE: {best} {means[0]}, {other} {means[1]}, difference "
        f"{with_interval(gain, 2, signed=True)} over {seeds}"
    )
    verdict = claims.CANNOT_TELL
    if found["images"] < IMAGES or found["batch_size"] != BATCH:
        said += (
            f"; with {counted(found['images'], 'image')} in batches of "
            f"{found['batch_size']} this is not the paper's epoch, {IMAGES:,} in "
            f"batches of {BATCH}"
        )
    elif len(gains) < claims.ENOUGH_SEEDS:
        said += "; too few seeds"
    elif gain["low"] > 0:
        verdict = claims.HOLDS
    elif gain["high"] < 0:
        verdict = claims.FAILS
    else:
        said += "; the interval includes 0"
    return {**evidence.weigh(claim, verdict, said, []), "seeds": len(gains)}
