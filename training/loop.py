"""Runs a trainer's `fit()` from wherever its checkpoint left it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Length:
    """How long a run is, and how often its history gets a row.

    Attributes:
      total_steps: Updates of the whole run.
      row_steps: Updates a row: those of an epoch, or a round number where a paper
        counts updates.
      unit: What is counted, "epoch" or "step".
    """

    total_steps: int
    row_steps: int
    unit: str = "epoch"

    @property
    def total(self) -> int:
        """Of the run, in its unit; an epoch that is cut short counts."""
        return self.at(self.total_steps)

    def at(self, step: int) -> int:
        """How many units are done, or begun, after `step` updates."""
        return step if self.unit == "step" else -(-step // self.row_steps)


class _KeepMeans(tf.keras.callbacks.Callback):
    """Undoes that `fit` resets the means when it goes on with an epoch."""

    def __init__(self, trainer: tf.keras.Model):
        super().__init__()
        self._variables = [v for metric in trainer.metrics for v in metric.variables]
        self._values = [variable.numpy() for variable in self._variables]

    def on_epoch_begin(self, epoch, logs=None):
        """Gives the means what they were restored with."""
        for variable, value in zip(self._variables, self._values):
            variable.assign(value)


def fit(
    trainer: tf.keras.Model,
    batches_from: Callable[[int], tf.data.Dataset],
    *,
    length: Length,
    callbacks: Sequence[tf.keras.callbacks.Callback],
) -> None:
    """Trains to the end of the run, counting updates that were made before.

    Args:
      trainer: Compiled, restored; its `steps` counts updates.
      batches_from: step -> the batches from that step on.
      length: Of the run; an "epoch" of `fit()` is a row of its history.
      callbacks: Of `fit()`.
    """
    total_steps, steps_per_epoch = length.total_steps, length.row_steps
    step = int(trainer.steps.numpy())
    while step < total_steps:
        epoch, done = divmod(step, steps_per_epoch)
        # Whole epochs take one call; an epoch that a checkpoint or the end of the run
        # cuts takes a call of its own.
        whole = (total_steps - step) // steps_per_epoch if not done else 0
        if whole:
            count, until = steps_per_epoch, epoch + whole
        else:
            count, until = min(steps_per_epoch - done, total_steps - step), epoch + 1
        first = [_KeepMeans(trainer)] if done else []
        trainer.fit(
            batches_from(step),
            initial_epoch=epoch,
            epochs=until,
            steps_per_epoch=count,
            callbacks=[*first, *callbacks],
            verbose=0,
        )
        step = int(trainer.steps.numpy())
