"""The export stage: the trained network as a SavedModel with its card."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from experiments import cards
from experiments.inpainting import InpaintingConfig
from experiments.provenance import without_places
from experiments.run_folder import RunFolder
from experiments.system import System
from serving import export as saved_models


def export(
    system: System,
    config: InpaintingConfig,
    network: tf.keras.Model,
    folder: RunFolder,
    record: Mapping[str, Any],
) -> pathlib.Path:
    """Writes `export/1` of a run folder; returns its path.

    Args:
      system: The paper's.
      config: Of the run.
      network: Trained, in float32.
      folder: Of the run; the results of its report go into the card.
      record: From `RunFolder.record`.
    """
    restorer = saved_models.build_restorer(network, fill=config.hole_fill)
    fillable = system.fillable(config)
    facts = {
        "name": system.label(config),
        "image_size": config.image_size,
        "hole_size": config.hole_size,
        "fills": dataclasses.asdict(fillable),
        **record,
        # Not what the evaluation beside it was told to measure with.
        "config": without_places(folder.trained_with()),
    }
    return saved_models.save(
        restorer,
        folder.export,
        fillable=fillable,
        extras={
            "config.json": json.dumps(facts, indent=2) + "\n",
            "model_card.md": cards.of_run(
                system, folder.report / "results.json", config.image_size
            ),
        },
    )
