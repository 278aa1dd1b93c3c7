"""Runs that have been evaluated, to put beside each other."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from evaluation.record import Evaluation
from evaluation.report import history, report
from experiments.core.environment import shareable
from experiments.core.folder import RunFolder


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run and what its evaluation has left.

    Attributes:
      folder: Of the run.
      evaluation: Every value of every image.
      report: results.json of its report, from `evaluation.report.report.read`.
      repeats: Label of the run that this one repeats with another seed, or its own.
    """

    folder: RunFolder
    evaluation: Evaluation
    report: Mapping[str, Any]
    repeats: str = ""

    @property
    def label(self) -> str:
        """Its network's name in tables."""
        return self.report["ours"][0]

    @property
    def config(self) -> Mapping[str, Any]:
        """The flags it was trained and measured with, without paths."""
        return self.report["environment"]["config"]

    def described(
        self, config_class: type, *, without: Collection[str] = ()
    ) -> dict[str, Any]:
        """The run as results/<paper>.json has it.

        Args:
          config_class: The paper's.
          without: Keys of tables that stand elsewhere.
        """
        return {
            "label": self.label,
            "subtitle": self.report["subtitle"],
            "environment": {
                **self.report["environment"],
                "config": shareable(config_class, self.config),
            },
            "epochs": self.report["epochs"],
            "history": self.report["history"],
            "tables": [
                table for table in self.report["tables"] if table["key"] not in without
            ],
        }


def histories(runs: Sequence[FinishedRun]) -> dict[str, dict[str, list[float]]]:
    """{label: columns of history.csv}, of each run."""
    return {run.label: history.read(run.folder.history) for run in runs}


def read(folders: Sequence[pathlib.Path]) -> list[FinishedRun]:
    """Reads the reports of runs.

    A run that differs from an earlier one by its seed alone is labeled with the seed.

    Raises:
      FileNotFoundError: If a run has not been evaluated.
    """
    runs = []
    for path in folders:
        values, results = path / "report/evaluation.npz", path / "report/results.json"
        if not (values.exists() and results.exists()):
            raise FileNotFoundError(
                f"{path} has no report; run it with --stages=evaluate first."
            )
        runs.append(
            FinishedRun(RunFolder(path), Evaluation.load(values), report.read(results))
        )
    return _seeds_apart(runs)


def _seeds_apart(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    """Labels runs of one configuration by their seeds, but for the first of each."""
    first, apart = {}, []
    for run in runs:
        label, seed = run.label, run.config["seed"]
        begun = first.setdefault((label, run.evaluation.fingerprint), run)
        renamed = label
        if run is not begun and seed != begun.config["seed"]:
            renamed = f"{label}, seed {seed}"
        values = {
            renamed if name == label else name: keys
            for name, keys in run.evaluation.values.items()
        }
        apart.append(
            FinishedRun(
                run.folder,
                dataclasses.replace(run.evaluation, values=values),
                {**run.report, "ours": [renamed, *run.report["ours"][1:]]},
                repeats=label,
            )
        )
    return apart
