"""The export stage: the trained network as a SavedModel with its card."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2
import tensorflow as tf

from evaluation import tables
from experiments.core.config import SystemConfig
from experiments.core.data import RunData
from experiments.core.environment import without_places
from experiments.core.folder import RunFolder
from experiments.core.system import System, settings


def export(
    system: System,
    config: SystemConfig,
    network: tf.keras.Model,
    data: RunData,
    folder: RunFolder,
    record: Mapping[str, Any],
) -> pathlib.Path:
    """Writes `export/1` of a run folder; returns its path.

    Args:
      system: The paper's.
      config: Of the run.
      network: Trained, in float32.
      data: Of the run.
      folder: Of the run; the results of its report go into the card.
      record: From `RunFolder.record`.
    """
    facts = {
        "name": system.label(config),
        "image_size": config.image_size,
        **record,
        # Not what the evaluation beside it was told to measure with.
        "config": without_places(folder.trained_with()),
    }
    results = folder.report / "results.json"
    return config.export(
        network,
        folder.export,
        data=data,
        facts=facts,
        card=of_run(system, results, config.image_size),
    )


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
    papers = pathlib.Path(__file__).parent.parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(papers),
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
