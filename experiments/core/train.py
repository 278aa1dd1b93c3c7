"""The training stage: any trainer, any task, one run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import decoded, pipeline, pixels
from evaluation import tables
from evaluation.evaluate import walk
from evaluation.metrics import measure as metrics_measure
from evaluation.metrics.measure import REGIONS
from experiments.core.config import SystemConfig
from experiments.core.folder import RunFolder
from training import callbacks, checkpoints, loop
from training.history import History


@dataclasses.dataclass(frozen=True)
class Watch:
    """What is looked at while a network learns.

    Attributes:
      measure: Restores the validation images and returns metric -> mean.
      draw: Returns a picture of restored validation images, uint8 [H, W, 3].
      best: The metric whose lowest value makes the best checkpoint.
    """

    measure: Callable[[], dict[str, float]]
    draw: Callable[[], np.ndarray]
    best: str


def train(
    trainer: tf.keras.Model,
    split: decoded.DecodedSplit,
    task: pipeline.TaskFn,
    watch: Watch,
    config: SystemConfig,
    folder: RunFolder,
) -> None:
    """Trains to the end of the configuration, from the last checkpoint if any.

    Args:
      trainer: Compiled; see `training.adversarial`.
      split: Training images.
      task: See `pipeline.inpainting`.
      watch: See `Watch`.
      config: Says how long, how large a batch, and how often to save.
      folder: Of the run.
    """
    saved = checkpoints.Checkpoints(trainer.checkpoint_items(), folder.checkpoints)
    saved.restore()
    history = History(folder.history)
    history.forget_after(saved.steps)
    length = config.length(split)
    if saved.steps >= length.total_steps:
        done = tables.counted(length.total, length.unit)
        print(f"{folder.path} has been trained for {done} already.")
        return
    if saved.steps:
        print(f"Resuming from step {saved.steps} of {length.total_steps}.")

    def batches_from(step: int) -> tf.data.Dataset:
        return pipeline.training_batches(
            split,
            task,
            batch_size=config.batch_size,
            seed=config.seed,
            start_step=step,
        )

    headline = f"val_{watch.best}"
    # The order matters: a loss that is not finite stops the run before anything is
    # saved, and the history is written before the checkpoint that would skip it.
    loop.fit(
        trainer,
        batches_from,
        length=length,
        callbacks=[
            callbacks.StopWhenNotFinite(saved),
            callbacks.Validate(watch.measure, history, length),
            callbacks.WriteHistory(
                history, saved, length, batch_size=config.batch_size, headline=headline
            ),
            callbacks.SaveCheckpoints(
                saved, history, every_steps=config.checkpoint_steps, best=headline
            ),
            callbacks.SamplePictures(
                watch.draw, saved, length, folder=folder.samples, log_dir=folder.logs
            ),
            tf.keras.callbacks.TensorBoard(folder.logs, write_graph=False),
            callbacks.Progress(saved, length, batch_size=config.batch_size),
        ],
    )


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
      lpips: From `evaluation.metrics.lpips.load`, or None.
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
            regions = REGIONS if "mask" in inputs else ("raw",)
            restored = restore(inputs).numpy()
            parts.append(
                metrics_measure.measure(
                    target, restored, mask, lpips=lpips, regions=regions
                )
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
