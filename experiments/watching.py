"""Looking at a network while it learns: metrics and pictures of validation images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import decoded, pixels
from evaluation import metrics
from evaluation.evaluate import walk
from experiments.system_config import SystemConfig
from experiments.training_stage import Watch

_WATCHED = 8  # images of the pictures that are drawn


def watch(
    network: Callable[[], tf.keras.Model],
    split: decoded.DecodedSplit,
    config: SystemConfig,
    lpips: Callable | None,
    *,
    best: str,
) -> Watch:
    """Measures and draws a network on validation images.

    Args:
      network: Returns the network as it is now, averaged if the run averages.
      split: Validation images.
      config: Of the run.
      lpips: From `evaluation.lpips.load`, or None.
      best: The metric whose lowest value makes the best checkpoint.
    """
    batches = config.fixed_batches(split).cache()
    restore = config.restorer(network())

    def measure() -> dict[str, float]:
        network()
        parts = []
        for _, inputs, target, mask in walk(
            batches, split.names, to_unit=config.to_unit
        ):
            regions = metrics.REGIONS if "mask" in inputs else ("raw",)
            restored = restore(inputs).numpy()
            parts.append(
                metrics.measure(target, restored, mask, lpips=lpips, regions=regions)
            )
        values = {
            key: np.concatenate([part[key] for part in parts]) for key in parts[0]
        }
        # A hole may be too small for a metric; then there is no mean to take.
        return {
            key: float(np.nanmean(value))
            for key, value in values.items()
            if np.isfinite(value).any()
        }

    def draw() -> np.ndarray:
        network()
        inputs, target = next(iter(batches))
        inputs = {key: value[:_WATCHED] for key, value in inputs.items()}
        rows = config.drawn(restore, inputs, target[:_WATCHED])
        return pixels.tile([pixels.unit_to_bytes(row).numpy() for row in rows])

    return Watch(measure, draw, best=best)
