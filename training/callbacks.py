"""Callbacks of a run: validation, history, checkpoints, pictures and progress."""

from __future__ import annotations

import math
import pathlib
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
import tqdm

from training.checkpoints import Checkpoints
from training.history import History
from training.loop import Length


class DivergenceError(FloatingPointError):
    """A loss is no longer finite; the message names it, the step and the way back."""


class StopWhenNotFinite(tf.keras.callbacks.Callback):
    """Ends the run at the first step whose losses are NaN or infinite."""

    def __init__(self, checkpoints: Checkpoints):
        super().__init__()
        self._checkpoints = checkpoints

    def on_train_batch_end(self, batch, logs=None):
        """Raises DivergenceError if a term is not finite."""
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            change = f"{', '.join(bad)} became {logs[bad[0]]}"
            raise _divergence(change, self._checkpoints)

    def on_epoch_end(self, epoch, logs=None):
        """Raises DivergenceError if a weight is not finite."""
        _check_weights(self.model, self._checkpoints)


def _check_weights(model: tf.keras.Model, checkpoints: Checkpoints) -> None:
    """Checks weights: a finite loss can have a gradient that is not finite."""
    for weight in model.weights:
        if not np.isfinite(weight.numpy()).all():
            raise _divergence(f"{weight.name} became NaN or infinite", checkpoints)


def _divergence(change: str, checkpoints: Checkpoints) -> DivergenceError:
    return DivergenceError(
        f"{change} at step {checkpoints.steps}; the last good checkpoint is "
        f"{checkpoints.last or 'none yet'}. The same settings would lead there again: "
        "lower --learning_rate, or pass --clip_norm=1, and start in another --workdir."
    )


class Validate(tf.keras.callbacks.Callback):
    """Adds `val_*` to the logs after every epoch, and a row before the first one.

    Args:
      measure: Restores the validation images and returns metric -> mean.
      history: Gets the row of the untrained network.
      length: Of the run.
    """

    def __init__(
        self,
        measure: Callable[[], Mapping[str, float]],
        history: History,
        length: Length,
    ):
        super().__init__()
        self._measure = measure
        self._history = history
        self._length = length

    def on_train_begin(self, logs=None):
        """Measures the untrained network."""
        if not self._history.rows:
            self._history.add({self._length.unit: 0, "step": 0, **self._prefixed()})

    def on_epoch_end(self, epoch, logs=None):
        """Measures the network; later callbacks see the numbers."""
        logs.update(self._prefixed())

    def _prefixed(self) -> dict[str, float]:
        return {f"val_{key}": value for key, value in self._measure().items()}


class WriteHistory(tf.keras.callbacks.Callback):
    """Writes a row of history.csv and a line on the screen every `row_steps`.

    Args:
      history: Gets the rows.
      checkpoints: Knows the step.
      length: Of the run.
      batch_size: Over all replicas, for images per second.
      headline: The logged value at the end of the line.
    """

    def __init__(
        self,
        history: History,
        checkpoints: Checkpoints,
        length: Length,
        *,
        batch_size: int,
        headline: str,
    ):
        super().__init__()
        self._history = history
        self._checkpoints = checkpoints
        self._length = length
        self._batch_size = batch_size
        self._headline = headline

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock."""
        self._started = time.monotonic()
        self._trained_seconds = 0.0
        self._batches = 0

    def on_train_batch_end(self, batch, logs=None):
        """Stops the clock; validation is not training."""
        self._batches += 1
        self._trained_seconds = time.monotonic() - self._started

    def on_epoch_end(self, epoch, logs=None):
        """Adds the row."""
        speed = self._batches * self._batch_size / max(self._trained_seconds, 1e-9)
        step = self._checkpoints.steps
        done = self._length.at(step)
        row = {
            self._length.unit: done,
            "step": step,
            "seconds": round(self._trained_seconds, 1),
            "images_per_second": round(speed, 2),
            **logs,
        }
        self._history.add(row)
        if self._headline in logs:
            value = f"{logs[self._headline]:.4g}"
            text = f"{self._length.unit} {done}: {self._headline} {value}"
            tqdm.tqdm.write(text, file=sys.stderr)


class SaveCheckpoints(tf.keras.callbacks.Callback):
    """Saves checkpoints within and after every epoch, and the best one.

    Args:
      checkpoints: Saves them.
      history: Knows the best value so far, also after a resume.
      every_steps: Steps between checkpoints within an epoch; 0 saves after epochs only.
      best: Column of the history whose lowest value is best.
    """

    def __init__(
        self, checkpoints: Checkpoints, history: History, *, every_steps: int, best: str
    ):
        super().__init__()
        self._checkpoints = checkpoints
        self._history = history
        self._every_steps = every_steps
        self._best = best

    def on_train_batch_end(self, batch, logs=None):
        """Saves within an epoch, not after its last step: the row comes first."""
        due = self._every_steps and self._checkpoints.steps % self._every_steps == 0
        if due and batch + 1 < self.params["steps"]:
            _check_weights(self.model, self._checkpoints)
            self._checkpoints.save()

    def on_epoch_end(self, epoch, logs=None):
        """Saves after an epoch, the best first, so that a resume can repeat it."""
        trained = [row for row in self._history.rows if row["step"] > 0]
        values = [row[self._best] for row in trained if self._best in row]
        if values and values[-1] == min(values):
            self._checkpoints.save_best()
        self._checkpoints.save()


class SamplePictures(tf.keras.callbacks.Callback):
    """Writes the same images after every row, to samples/*.png and TensorBoard.

    Args:
      draw: Returns a grid, uint8 [H, W, 3].
      checkpoints: Knows the step.
      length: Of the run.
      folder: For the PNGs.
      log_dir: For TensorBoard.
    """

    def __init__(
        self,
        draw: Callable[[], np.ndarray],
        checkpoints: Checkpoints,
        length: Length,
        *,
        folder: pathlib.Path,
        log_dir: pathlib.Path,
    ):
        super().__init__()
        self._draw = draw
        self._checkpoints = checkpoints
        self._length = length
        self._folder = folder
        self._writer = tf.summary.create_file_writer(str(log_dir / "samples"))

    def on_epoch_end(self, epoch, logs=None):
        """Writes the grid."""
        grid = self._draw()
        self._folder.mkdir(parents=True, exist_ok=True)
        done, unit = self._length.at(self._checkpoints.steps), self._length.unit
        digits = max(len(str(self._length.total)), 4)
        path = self._folder / f"{unit}_{done:0{digits}d}.png"
        tf.io.write_file(str(path), tf.io.encode_png(grid))
        with self._writer.as_default():
            tf.summary.image("restored", grid[None], step=epoch)
        self._writer.flush()


class Progress(tf.keras.callbacks.Callback):
    """Shows one bar for the whole run: images per second, time left, first losses."""

    def __init__(self, checkpoints: Checkpoints, length: Length, *, batch_size: int):
        super().__init__()
        self._checkpoints = checkpoints
        self._length = length
        self._batch_size = batch_size
        # One line per minute in a log file, a moving bar on a screen.
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
        """Closes the bar when the run is complete."""
        if self._bar.n >= self._bar.total:
            self._bar.close()
