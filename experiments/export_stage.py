"""The export stage: the trained network as a SavedModel with its card."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from experiments import cards
from experiments.inpainting import InpaintingConfig
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
    patch_size = system.patch_size(config)
    facts = {
        "name": system.label(config),
        "image_size": config.image_size,
        "patch_size": patch_size,
    }
    return saved_models.save(
        restorer,
        folder.export,
        patch_size=patch_size,
        extras={
            "config.json": json.dumps({**facts, **record}, indent=2) + "\n",
            "model_card.md": cards.of_run(
                system, folder.report / "results.json", config.image_size
            ),
        },
    )
