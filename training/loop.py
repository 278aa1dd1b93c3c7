"""The length of a run, and `fit()` from any step on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Length:
    """The length of a run and of the rows of its history, in updates."""

    total_steps: int
    row_steps: int  # those of an epoch, or a round number where a paper counts updates
    unit: str = "epoch"  # or "step"

    @property
    def total(self) -> int:
        """Length of the run in its unit; an epoch that is cut short counts."""
        return self.at(self.total_steps)

    def at(self, step: int) -> int:
        """Number of units done, or begun, after `step` updates."""
        return step if self.unit == "step" else -(-step // self.row_steps)


def _keep_means(trainer: tf.keras.Model) -> tf.keras.callbacks.Callback:
    """Keeps the means of an epoch that is resumed, which `fit` resets."""
    variables = [v for metric in trainer.metrics for v in metric.variables]
    values = [variable.numpy() for variable in variables]

    def restore(epoch: int, logs: dict | None = None) -> None:
        for variable, value in zip(variables, values):
            variable.assign(value)

    return tf.keras.callbacks.LambdaCallback(on_epoch_begin=restore)


def fit(
    trainer: tf.keras.Model,
    batches_from: Callable[[int], tf.data.Dataset],
    *,
    length: Length,
    callbacks: Sequence[tf.keras.callbacks.Callback],
) -> None:
    """Trains from the present step, `trainer.steps`, to the end of the run.

    `batches_from` is step -> the batches from that step on. An "epoch" of Keras's
    `fit()` is a row of the history.
    """
    total_steps, steps_per_epoch = length.total_steps, length.row_steps
    step = int(trainer.steps.numpy())
    while step < total_steps:
        epoch, done = divmod(step, steps_per_epoch)
        # One call for all whole epochs; one for an epoch that is cut by a checkpoint or
        # the end of the run.
        whole = (total_steps - step) // steps_per_epoch if not done else 0
        count = min(steps_per_epoch - done, total_steps - step)
        first = [_keep_means(trainer)] if done else []
        trainer.fit(
            batches_from(step),
            initial_epoch=epoch,
            epochs=epoch + max(whole, 1),
            steps_per_epoch=count,
            callbacks=[*first, *callbacks],
            verbose=0,
        )
        step = int(trainer.steps.numpy())
