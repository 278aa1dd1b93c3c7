"""What several runs of Killingbeck et al.'s systems say together.

One Table 1 of all networks, their files beside JPEG and WebP, and what the
discriminators did.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments import (
    coded_latents,
    coded_runs,
    cvae_dcgan_table,
    watched_discriminators,
)
from experiments.coded_measures import BYTES
from experiments.cvae_dcgan_facts import EPOCHS
from experiments.cvae_dcgan_findings import FULL, MASKS, MEAN, SMALL
from experiments.finished_runs import FinishedRun
from experiments.latent_quantizers import BITS
from experiments.together import Together, joined
from training.history import History

# What makes another codec; other runs are drawn as one line, that of the first.
_DRAWN_APART = ("generator", "latents", "reconstruction", "kl_weight", "epochs")
# First columns of the runs' own tables that say of which run a row is.
_NAMED_BY_RUN = ("Ours", "Setting", "Encoder")


def together(evaluation: Evaluation, runs: Sequence[FinishedRun]) -> Together:
    """As `System.together` takes it."""
    charts = coded_runs.read({run.label: run.report for run in runs})
    watched = watched_discriminators.read(
        {run.label: History(run.folder.history).rows for run in runs}
    )
    leading = [*(run.label for run in runs), SMALL, FULL]
    cut = _cut(runs)
    return Together(
        statements=[
            *_masks(runs),
            *coded_runs.statements(charts),
            *watched_discriminators.statements(watched),
        ],
        tables=[
            _table_1(evaluation, runs, leading),
            *([watched_discriminators.table(watched)] if watched else []),
            *joined(_named_by_run(runs)),
        ],
        claims=watched_discriminators.check_claims(watched),
        curves=[
            *coded_runs.curves(charts, _drawn(runs)),
            *watched_discriminators.curves(watched),
        ],
        folded=[n for n in evaluation.values if n in cut or n not in leading],
        note=_bytes(evaluation, runs[0].label),
    )


def _cut(runs: Sequence[FinishedRun]) -> set[str]:
    """Labels of runs that are shorter than published, if others are not."""
    cut = {
        run.label
        for run in runs
        if run.config["epochs"] < EPOCHS[bool(run.config["adversarial_weight"])]
    }
    return cut if len(cut) < len(runs) else set()


def _bytes(evaluation: Evaluation, label: str) -> str:
    """What the bytes of the main table are, and what files of a network take."""
    said = "Bytes: of networks the latents as 32-bit floats, of JPEG whole files."
    names = {coded_latents.setting(label, bits): bits for bits in BITS}
    files = [
        f"{round(evaluation.values[name][BYTES].mean()):,} at {bits}"
        for name, bits in names.items()
        if BYTES in evaluation.values.get(name, {})
    ]
    if not files:
        return said
    return f"{said} Files of {label}, in bytes at bits a latent: {', '.join(files)}."


def _table_1(
    evaluation: Evaluation, runs: Sequence[FinishedRun], leading: Sequence[str]
) -> Table:
    values = evaluation.values
    return cvae_dcgan_table.table_1(
        {name: values[name] for name in (*leading, MEAN) if name in values},
        ours=[run.label for run in runs],
        size=runs[0].config["image_size"],
    )


def _masks(runs: Sequence[FinishedRun]) -> list[str]:
    """Which masks the masked rows are of, as the runs say it."""
    said = [s for run in runs for s in run.report["statements"] if s.startswith(MASKS)]
    return list(dict.fromkeys(said))


def _named_by_run(runs: Sequence[FinishedRun]) -> Iterator[Mapping[str, Any]]:
    for run in runs:
        for table in run.report["tables"]:
            if table["columns"][0] in _NAMED_BY_RUN:
                yield table


def _drawn(runs: Sequence[FinishedRun]) -> list[str]:
    """Labels of runs of which each is another codec, the first of those that are not.

    Lines of all runs of a sweep would hide each other.
    """
    first: dict[tuple, str] = {}
    for run in runs:
        kind = (
            bool(run.config["adversarial_weight"]),
            *(run.config[name] for name in _DRAWN_APART),
        )
        first.setdefault(kind, run.label)
    return list(first.values())
