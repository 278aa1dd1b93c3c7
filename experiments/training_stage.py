"""The training stage: any trainer, any task, one run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import decoded, pipeline
from evaluation import wording
from experiments.run_folder import RunFolder
from experiments.system_config import SystemConfig
from training import callbacks, checkpoints, loop, progress
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
        done = wording.counted(length.total, length.unit)
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
            progress.Progress(saved, length, batch_size=config.batch_size),
        ],
    )
