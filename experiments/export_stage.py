"""The export stage: the trained network as a SavedModel with its card."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from experiments import cards
from experiments.data import RunData
from experiments.provenance import without_places
from experiments.run_folder import RunFolder
from experiments.system import System
from experiments.system_config import SystemConfig


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
        card=cards.of_run(system, results, config.image_size),
    )
