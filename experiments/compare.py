r"""One report of several runs of a paper: numbers, curves and the same faces.

  facemend compare --paper=pyramid_cgan \
      --runs=runs/a,runs/b,runs/c,runs/d --output=runs/ablation

The runs must have been evaluated on the same images and holes (their fingerprint).
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from data_pipeline.choices import check_choice
from evaluation import bootstrap, record, tables
from evaluation.record import Evaluation
from evaluation.report import pictures
from evaluation.report.report import Report
from evaluation.report.write import write_report
from experiments.core import command_line, folder, networks, results
from experiments.core.config import SystemConfig
from experiments.core.system import System, load, names

_SHOWN = 6  # faces of each kind


def main() -> None:
    """The command line."""
    flags.DEFINE_string("paper", None, f"One of {', '.join(names())}.")
    flags.DEFINE_list("runs", [], "Run folders, evaluated on the same images.")
    flags.DEFINE_string("data_dir", "", "Where the data set is; by default as trained.")
    flags.DEFINE_string("output", "", "Folder of the report.")

    def body() -> None:
        given = flags.FLAGS
        check_choice("paper", given.paper, names())
        command_line.require(runs=",".join(given.runs), output=given.output)
        command_line.check_folder("output", given.output)
        folders = [pathlib.Path(path).expanduser() for path in given.runs]
        page = compare(
            load(given.paper), folders, given.output, data_dir=given.data_dir
        )
        print(f"report: {page}")

    command_line.run(body)


def compare(
    system: System, folders: Sequence[pathlib.Path], output: str, *, data_dir: str = ""
) -> pathlib.Path:
    """Writes the report into `output`/report; returns the path of report.html.

    Raises:
      FileNotFoundError: If a run has not been evaluated.
      ValueError: If runs were evaluated on different images or holes, or their data
        are not what they were.
    """
    runs = folder.read_finished(folders)
    merged = record.merge(*[run.evaluation for run in runs])
    labels = [run.label for run in runs]
    evidence = system.evidence(merged, runs)
    found = system.joint_findings(evidence, runs)
    left = {*labels, *found.folded}
    order = [*labels, *(name for name in merged.values if name not in left)]
    summary = bootstrap.summarize(merged)
    configs = [
        dataclasses.replace(
            system.configuration(run.folder.trained_with()),
            **({"data_dir": data_dir} if data_dir else {}),
        )
        for run in runs
    ]
    restorers = {
        run.label: system.restorer(networks.trained(system, config, run.folder))
        for run, config in zip(runs, configs)
    }
    described = [run.described(system.config_class) for run in runs]
    report = Report(
        title=f"{system.title}: {tables.counted(len(runs), 'run')} compared",
        subtitle=runs[0].report["subtitle"],
        citation=system.citation,
        summary={name: summary[name] for name in order},
        ours=labels,
        headline=[key for key in system.headline if key in summary[labels[0]]],
        metrics=system.metrics,
        statements=[
            *(f"{run['label']}: {run['subtitle']}." for run in described),
            *found.statements,
            *filter(None, [found.note]),
        ],
        claims=[*system.check_claims(evidence), *found.claims],
        published=system.published_tables,
        tables=[*found.tables, results.cost_table(system, described)],
        curves=found.curves,
        history={run.label: run.folder.history for run in runs},
        pictures=_pictures(merged, restorers, system, configs[0]),
        pictures_note=system.pictures_note,
        environment={
            "fingerprint of the test set": merged.fingerprint,
            **{run["label"]: _made(system, run) for run in described},
        },
        departures=system.departures,
    )
    return write_report(pathlib.Path(output).expanduser() / "report", report)


def _made(system: System, run: Mapping) -> dict[str, Any]:
    """Flags, commits, seed and hardware of a run."""
    environment = run["environment"]
    names = ("commit", "evaluation commit", "seed", "hardware")
    return {
        "flags": system.typed(run).strip("`"),
        **{name: environment[name] for name in names if name in environment},
    }


def _pictures(
    merged: Evaluation, restorers: Mapping, system: System, config: SystemConfig
) -> dict[str, list[dict]]:
    """The same faces by every network: typical ones, and where they differ most.

    The paper's figures come first, of the typical ones.
    """
    split, key = system.data(config).test, system.headline[0]
    if tuple(split.names) != tuple(merged.names):
        raise ValueError(
            f"The test images of {config.dataset} are not those that were evaluated. "
            "Pass the --data_dir that holds them, or evaluate the runs again."
        )
    values = np.stack([merged.values[label][key] for label in restorers])
    # One evaluation whose only restorer is the mean of all of them.
    mean = dataclasses.replace(merged, values={"mean": {key: values.mean(axis=0)}})
    spread = np.nan_to_num(values.std(axis=0), nan=-1.0)
    sections = {
        "Median": pictures.pick(mean, "mean", key, _SHOWN)["Median"],
        "Where they differ most": [int(i) for i in np.argsort(-spread)[:_SHOWN]],
    }
    figures = system.figures(list(restorers))
    shown = {source for figure in figures for source in figure.columns.values()}
    gathered = pictures.gather(
        merged,
        sections,
        restorers,
        system.fixed_batches(config, split),
        to_unit=system.to_unit,
        wholes=[name for name in restorers if pictures.whole(name) in shown],
    )
    columns = {name: name for name in ("Input", *restorers, "Original")}
    laid_out = {figure.title: figure.rows(gathered["Median"]) for figure in figures}
    for title, rows in gathered.items():
        known = [name for name, _ in rows[0]["images"]] if rows else ()
        kept = {name: name for name in columns if name in known}
        laid_out[title] = pictures.Figure(title, kept).rows(rows)
    return laid_out


if __name__ == "__main__":
    main()
