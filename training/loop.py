"""Runs a trainer's `fit()` from wherever its checkpoint left it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


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
    steps_per_epoch: int,
    total_steps: int,
    callbacks: Sequence[tf.keras.callbacks.Callback],
) -> None:
    """Trains until `total_steps` updates have been made, counting those before.

    Args:
      trainer: Compiled, restored; its `steps` counts updates.
      batches_from: step -> the batches from that step on.
      steps_per_epoch: Batches an epoch.
      total_steps: Of the whole run.
      callbacks: Of `fit()`.
    """
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
