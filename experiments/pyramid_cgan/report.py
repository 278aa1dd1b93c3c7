"""Report of a pyramid CGAN: seams, Fig. 4, and the losses as printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from evaluation import attributes, tables
from evaluation.claims import Evidence
from evaluation.evaluate import walk
from evaluation.metrics import measure
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments.core.folder import FinishedRun
from experiments.core.run import Run
from experiments.core.system import Findings, JointFindings
from experiments.pyramid_cgan import config as table
from experiments.pyramid_cgan import published, training

_ERROR = "hole/l1_percent"
_OUTSIDE = 3  # pixels from the rim to where steps are compared


def examine(
    run: Run, restorers: Mapping[str, Callable], result: Evaluation
) -> Findings:
    """Measures seams, and counts the images of the classifier's people."""
    system, config = run.system, run.config
    batches = system.fixed_batches(config, run.data.test)
    rims, outside = measure_rims(
        restorers, batches, result.names, to_unit=system.to_unit
    )
    values = {
        name: {published.SEAM: 100 * (rim - outside)}
        for name, rim in rims.items()
        if name != ORIGINAL
    }
    statements = [_seam(rims, outside, next(iter(restorers)))]
    if table.reading(config) == table.IDENTITY:
        labels = training.of_split(config, run.data.train)
        statements.append(
            f"The people whom the classifier learns have {(labels >= 0).sum():,} of "
            f"the {len(labels):,} training images."
        )
    return Findings(values=values, statements=tuple(filter(None, statements)))


ORIGINAL = "the original"  # a row of `measure_rims`


def measure_rims(
    restorers: Mapping[str, Callable],
    batches: Iterable,
    names: Sequence[str],
    *,
    to_unit: Callable = pixels.signed_to_unit,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The steps between neighboring pixels across the hole's rim, and outside it.

    The arguments are those of `evaluate`.

    Returns:
      {restorer: [N]}, and below `ORIGINAL` those of the images themselves: the mean
      absolute step across the rim, of images in [0, 1] whose known pixels were put
      back; and [N], the same across the rim of the hole that is grown by three pixels,
      where all pixels are known. NaN where there is no such rim.
    """
    rims = {name: np.full(len(names), np.nan) for name in (*restorers, ORIGINAL)}
    outside = np.full(len(names), np.nan)
    for here, inputs, target, mask in walk(batches, names, to_unit=to_unit):
        grown = tf.nn.max_pool2d(mask, 2 * _OUTSIDE + 1, 1, "SAME").numpy()
        outside[here] = steps_across(target, grown)
        rims[ORIGINAL][here] = steps_across(target, mask)
        for name, restore in restorers.items():
            restored = np.asarray(restore(inputs), np.float32)
            whole = measure.paste(target, restored, mask)
            rims[name][here] = steps_across(whole, mask)
    return rims, outside


def steps_across(images: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The mean absolute difference of neighbors of which one is in the region.

    Images are [B, H, W, C], the region is [B, H, W, 1], 1 = inside. Returns float64
    [B], NaN of an image without such neighbors.
    """
    inside = np.asarray(region) > 0.5
    total, count = np.zeros(len(images)), np.zeros(len(images))
    for axis in (1, 2):
        crossed = np.diff(inside, axis=axis)
        steps = np.abs(np.diff(np.asarray(images, np.float64), axis=axis))
        total += (steps.mean(axis=3, keepdims=True) * crossed).sum(axis=(1, 2, 3))
        count += crossed.sum(axis=(1, 2, 3))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _seam(rims: Mapping[str, np.ndarray], outside: np.ndarray, ours: str) -> str:
    """The means over images that have both rims, as a sentence; "" if none has."""
    measured = np.isfinite(rims[ours] + outside)
    if not measured.any():
        return ""
    shown = [
        f"{tables.number(100 * values[measured].mean(), 2)}%"
        for values in (rims[ours], rims[ORIGINAL], outside)
    ]
    return (
        "Across the hole's rim neighboring pixels differ by {} of the range on "
        "average, in the originals by {}; three pixels outside it is {}.".format(*shown)
    )


def joint_findings(evidence: Evidence, runs: Sequence[FinishedRun]) -> JointFindings:
    """Fig. 4's claims, and one table of attributes."""
    histories = {run.label: run.history for run in runs}
    on_fake = {run.label for run in runs if run.config["classifier_on_fake"]}
    judged = {
        run.label: Table(**found)
        for run in runs
        for found in run.report["tables"]
        if found["key"] == attributes.KEY
    }
    named = {run.label: run for run in runs}
    both = [named.get(label) for label in (published.LITERAL, published.LABELS["d"])]
    return JointFindings(
        statements=[_printed_losses(evidence.evaluation, *both)] if all(both) else (),
        tables=[attributes.table(judged)] if judged else (),
        claims=published.check_histories(evidence, histories, on_fake=on_fake),
    )


def _printed_losses(
    evaluation: Evaluation, literal: FinishedRun, default: FinishedRun
) -> str:
    """Effect of the losses as printed on the pictures."""
    begin, alone, end = _errors(literal)
    _, other_alone, other_end = _errors(default)
    shown = {
        key: [
            tables.number(evaluation.values[run.label][key].mean(), 3)
            for run in (literal, default)
        ]
        for key in ("hole/ssim", "hole/lpips")
    }
    return (
        "With the losses as printed the generator first learns from a discriminator "
        "that has not learned anything: the validation error (hole L1) goes from "
        f"{begin} of random weights to {alone} in that phase, with the default losses "
        f"to {other_alone}. It ends at {end} against {other_end}; test images have an "
        "SSIM of {} against {} and an LPIPS of {} against {} in the hole.".format(
            *shown["hole/ssim"], *shown["hole/lpips"]
        )
    )


def _errors(run: FinishedRun) -> list[str]:
    """Before the first step, after the generator's phase, and at the end."""
    columns = run.history
    errors = dict(zip(columns["step"], columns[f"val_{_ERROR}"]))
    alone = next(step for step in errors if step >= run.config["generator_steps"])
    return [f"{tables.number(errors[s], 1)}%" for s in (0, alone, max(errors))]
