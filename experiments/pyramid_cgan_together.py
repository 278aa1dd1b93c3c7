"""What runs of the pyramid say together: the classifiers, and each attribute."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation import attributes_beside
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments import finished_runs
from experiments import pyramid_cgan_facts as facts
from experiments.finished_runs import FinishedRun
from experiments.together import Together


def together(evaluation: Evaluation, runs: Sequence[FinishedRun]) -> Together:
    """Fig. 4's claims, and one table of attributes; as `System.together` takes it."""
    default = [run for run in runs if not run.config["classifier_on_fake"]]
    # Those that learned from restored images, too, are compared among themselves.
    histories = finished_runs.histories(default or runs)
    judged = {
        run.label: Table(**table)
        for run in runs
        for table in run.report["tables"]
        if attributes_beside.is_by_attribute(table["caption"])
    }
    return Together(
        tables=[attributes_beside.table(judged)] if judged else (),
        claims=facts.check_histories(histories, on_fake=not default),
    )
