"""The export stage: the trained network as a SavedModel with its card."""

from __future__ import annotations

import json
import pathlib

import jinja2

import experiments
from evaluation import tables
from experiments.core.environment import shareable
from experiments.core.run import Run
from experiments.core.system import System


def export(run: Run) -> pathlib.Path:
    """Writes `export/1` of the run folder, with a card; returns its path."""
    facts = {
        "name": run.label,
        "image_size": run.config.image_size,
        **run.record,
        # As trained; an evaluation may have used other flags.
        "config": shareable(type(run.config), run.folder.trained_with()),
    }
    results = run.folder.report / "results.json"
    card = card_of_run(run.system, results, run.config.image_size)
    return run.system.export(run, run.network, facts=facts, card=card)


def card_of_run(system: System, results: pathlib.Path, image_size: int = 128) -> str:
    """The card of a run, given the path of its results.json, which may not exist.

    `image_size` is that of the network, pixels.
    """
    if not results.exists():
        return render_card(system, "This model was not evaluated.", image_size)
    report = json.loads(results.read_text())
    summary = report["summary"]
    keys = [
        key
        for key in (*system.headline, *system.tabled)
        if any(key in values for values in summary.values())
    ]
    table = tables.results_table(summary, list(summary), keys)
    environment = report["environment"]
    made = (
        f"Seed {environment['seed']}, trained at commit {environment['commit']}, "
        f"evaluated at commit {environment['evaluation commit']}, "
        f"{environment['hardware']}. Test set {environment['data']['set']}, "
        f"fingerprint {environment['fingerprint of the test set']}. "
        f"{system.typed({'environment': environment})}"
    )
    return render_card(
        system,
        f"{report['subtitle']}. Mean with 95% interval:\n\n{table}\n\n{made}",
        image_size,
    )


def render_card(system: System, results: str, image_size: int = 128) -> str:
    """A paper's card with the given results, of a network for such images."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(list(experiments.__path__)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    return environment.get_template(f"{system.name}/card.md").render(
        title=system.title,
        citation=system.citation,
        results=results,
        size=image_size,
        departures="\n".join(f"- {departure}" for departure in system.departures),
    )
