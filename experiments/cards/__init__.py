"""Model cards: a template for each paper, filled with results.

The template is Markdown beside this file; `{{ results }}` and `{{ departures }}` are
replaced by generated text, so that a card never says what no run has shown.
"""

from __future__ import annotations

import json
import pathlib

import jinja2

from evaluation import tables
from experiments.provenance import settings, without_places
from experiments.system import System


def of_run(system: System, results: pathlib.Path, image_size: int = 128) -> str:
    """The card of one run.

    Args:
      system: The paper's.
      results: Of the run's report; the card says so where it was not evaluated.
      image_size: Of the network, pixels.
    """
    if not results.exists():
        return render(system, "This model was not evaluated.", image_size)
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
        f"{settings(system, {'environment': without_places(environment)})}"
    )
    return render(
        system,
        f"{report['subtitle']}. Mean with 95% interval:\n\n{table}\n\n{made}",
        image_size,
    )


def render(system: System, results: str, image_size: int = 128) -> str:
    """A paper's card with the given results, of a network for such images."""
    folder = pathlib.Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    return environment.get_template(f"{system.name}.md").render(
        title=system.title,
        citation=system.citation,
        results=results,
        size=image_size,
        departures="\n".join(f"- {departure}" for departure in system.departures),
    )
