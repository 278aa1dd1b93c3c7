"""Comparison of the pyramid's runs: attributes, Fig. 4, and the losses as printed."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation import attributes, tables
from evaluation.claims import Evidence
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments.core.folder import FinishedRun
from experiments.core.system import JointFindings
from experiments.pyramid_cgan import published

_ERROR = "hole/l1_percent"


def joint_findings(evidence: Evidence, runs: Sequence[FinishedRun]) -> JointFindings:
    """Fig. 4's claims, and one table of attributes."""
    default = [run for run in runs if not run.config["classifier_on_fake"]]
    # Runs whose classifier learned from restored images are compared separately.
    histories = {run.label: run.history for run in default or runs}
    judged = {
        run.label: Table(**table)
        for run in runs
        for table in run.report["tables"]
        if table["key"] == attributes.KEY
    }
    named = {run.label: run for run in runs}
    both = [named.get(label) for label in (published.LITERAL, published.LABELS["d"])]
    return JointFindings(
        statements=[_printed_losses(evidence.evaluation, *both)] if all(both) else (),
        tables=[attributes.table(judged)] if judged else (),
        claims=published.check_histories(evidence, histories, on_fake=not default),
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
