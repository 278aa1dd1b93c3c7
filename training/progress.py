"""The bar that shows how far a run is."""

from __future__ import annotations

import sys

import tensorflow as tf
import tqdm

from training.checkpoints import Checkpoints
from training.loop import Length


class Progress(tf.keras.callbacks.Callback):
    """One bar for the whole run: images a second, time left, the first losses.

    Args:
      checkpoints: Knows the step.
      length: Of the run.
      batch_size: Over all replicas.
    """

    def __init__(self, checkpoints: Checkpoints, length: Length, *, batch_size: int):
        super().__init__()
        self._checkpoints = checkpoints
        self._length = length
        self._batch_size = batch_size
        # A log file wants a line a minute, a person a moving bar.
        interval = 0.5 if sys.stderr.isatty() else 60.0
        self._bar = tqdm.tqdm(
            total=length.total_steps * batch_size,
            initial=checkpoints.steps * batch_size,
            unit="img",
            unit_scale=True,
            mininterval=interval,
            maxinterval=max(interval, 10.0),
            smoothing=0.05,
            dynamic_ncols=True,
        )

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        done, total = self._length.at(self._checkpoints.steps), self._length.total
        self._bar.set_description(f"{self._length.unit} {done}/{total}", refresh=False)
        shown = {name: f"{value:.4f}" for name, value in list(logs.items())[:2]}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(self._batch_size)

    def on_train_end(self, logs=None):
        """Leaves the bar standing when the run is complete."""
        if self._bar.n >= self._bar.total:
            self._bar.close()
