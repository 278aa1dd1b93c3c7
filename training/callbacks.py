"""Callbacks of a run: validation, history, checkpoints, pictures and progress."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
import tqdm

from training import files, stopping
from training.checkpoints import Checkpoints
from training.history import History
from training.loop import Length


class DivergenceError(FloatingPointError):
    """A loss is no longer finite; the message names it, the step and the way back."""


class _Callback(tf.keras.callbacks.Callback):
    """A Keras callback whose subclasses are dataclasses."""

    def __post_init__(self):
        super().__init__()


@dataclasses.dataclass(eq=False)
class StopWhenNotFinite(_Callback):
    """Ends the run at the first step whose losses are NaN or infinite."""

    checkpoints: Checkpoints

    def on_train_batch_end(self, batch, logs=None):
        """Raises DivergenceError if a term is not finite."""
        bad = [name for name, value in logs.items() if not math.isfinite(value)]
        if bad:
            change = f"{', '.join(bad)} became {logs[bad[0]]}"
            raise _divergence(change, self.checkpoints)

    def on_epoch_end(self, epoch, logs=None):
        """Raises DivergenceError if a weight is not finite."""
        _check_weights(self.model, self.checkpoints)


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


@dataclasses.dataclass(eq=False)
class Validate(_Callback):
    """Adds `val_*` to the logs after every epoch, and a row before the first one."""

    measure: Callable[[], Mapping[str, float]]  # of the validation images: the means
    history: History
    length: Length

    def on_train_begin(self, logs=None):
        """Measures the untrained network."""
        # A resumed run whose history is lost has no untrained network any more.
        if not self.history.rows and not int(self.model.steps.numpy()):
            self.history.add({self.length.unit: 0, "step": 0, **self._prefixed()})

    def on_epoch_end(self, epoch, logs=None):
        """Measures the network; later callbacks see the numbers."""
        logs.update(self._prefixed())

    def _prefixed(self) -> dict[str, float]:
        return {f"val_{key}": value for key, value in self.measure().items()}


@dataclasses.dataclass(eq=False)
class WriteHistory(_Callback):
    """Writes a row of history.csv and a line on the screen every `row_steps`."""

    history: History
    checkpoints: Checkpoints
    length: Length
    batch_size: int  # over all replicas, for images per second
    headline: str  # the logged value at the end of the line

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
        speed = self._batches * self.batch_size / max(self._trained_seconds, 1e-9)
        step = self.checkpoints.steps
        done = self.length.at(step)
        row = {self.length.unit: done, "step": step}
        row["seconds"] = round(self._trained_seconds, 1)
        row["images_per_second"] = round(speed, 2)
        self.history.add({**row, **logs})
        if self.headline in logs:
            value = f"{logs[self.headline]:.4g}"
            text = f"{self.length.unit} {done}: {self.headline} {value}"
            tqdm.tqdm.write(text, file=sys.stderr)


@dataclasses.dataclass(eq=False)
class SaveCheckpoints(_Callback):
    """Saves checkpoints within and after every epoch, and the best one."""

    checkpoints: Checkpoints
    history: History  # knows the best value so far, also after a resume
    every_steps: int  # between checkpoints within an epoch; 0 saves after epochs only
    best: str  # column of the history whose lowest value is best
    agreed: Callable[[int], int] = int  # the largest of all workers' values

    def on_train_batch_end(self, batch, logs=None):
        """Saves within an epoch, not after its last step: the row comes first."""
        due = self.every_steps and self.checkpoints.steps % self.every_steps == 0
        if due and batch + 1 < self.params["steps"]:
            _check_weights(self.model, self.checkpoints)
            self.checkpoints.save()

    def on_epoch_end(self, epoch, logs=None):
        """Saves after an epoch, the best first, so that a resume can repeat it."""
        values = {
            row["step"]: row[self.best]
            for row in self.history.rows
            if row["step"] > 0 and self.best in row
        }
        # Their values may differ in the last digit, and saving takes all of them.
        if self.agreed(bool(values) and self._is_best(values)):
            self.checkpoints.save_best()
        self.checkpoints.save()

    def _is_best(self, values: Mapping[float, float]) -> bool:
        """Whether the newest of {step: value} is the lowest.

        It is compared with that of the best checkpoint: one that was damaged is not.
        """
        best, newest = self.checkpoints.best_step, list(values.values())[-1]
        if best is None:
            return True
        # A run that has gone back lacks that row.
        return newest <= values.get(best, min(values.values()))


@dataclasses.dataclass(eq=False)
class StopWhenAsked(_Callback):
    """Ends the run after the step in which a signal came, with a checkpoint."""

    request: stopping.Request
    checkpoints: Checkpoints
    agreed: Callable[[int], int] = int  # the largest of all workers' values

    def on_train_batch_end(self, batch, logs=None):
        """Saves and ends, but not after an epoch's last step: the row comes first."""
        if batch + 1 < self.params["steps"] and (number := self._asked()):
            _check_weights(self.model, self.checkpoints)
            self.checkpoints.save()
            self._end(number)

    def on_epoch_end(self, epoch, logs=None):
        """Ends; the checkpoint has been saved."""
        if number := self._asked():
            self._end(number)

    def _asked(self) -> int:
        """The signal that has come to this worker or another, or 0."""
        return self.agreed(self.request.signal)

    def _end(self, number: int) -> None:
        why = "" if self.request.signal else ", as another worker was asked to"
        step = self.checkpoints.steps
        raise stopping.Stopped(f"Stopped after step {step:,}{why}.", number)


@dataclasses.dataclass(eq=False)
class SamplePictures(_Callback):
    """Writes the same images after every row, to samples/*.png and TensorBoard."""

    draw: Callable[[], np.ndarray]  # a grid, uint8 [H, W, 3]
    checkpoints: Checkpoints
    length: Length
    folder: pathlib.Path  # for the PNGs
    log_dir: pathlib.Path  # for TensorBoard

    def __post_init__(self):
        super().__post_init__()
        self._writer = tf.summary.create_file_writer(str(self.log_dir / "samples"))

    def on_epoch_end(self, epoch, logs=None):
        """Writes the grid."""
        grid = self.draw()
        done, unit = self.length.at(self.checkpoints.steps), self.length.unit
        digits = max(len(str(self.length.total)), 4)
        path = self.folder / f"{unit}_{done:0{digits}d}.png"
        files.write(path, tf.io.encode_png(grid).numpy())
        with self._writer.as_default():
            tf.summary.image("restored", grid[None], step=epoch)
        self._writer.flush()


@dataclasses.dataclass(eq=False)
class Progress(_Callback):
    """Shows one bar for the whole run: images per second, time left, first losses."""

    checkpoints: Checkpoints
    length: Length
    batch_size: int

    def __post_init__(self):
        super().__post_init__()
        # One line per minute in a log file, a moving bar on a screen.
        interval = 0.5 if sys.stderr.isatty() else 60.0
        self._bar = tqdm.tqdm(
            total=self.length.total_steps * self.batch_size,
            initial=self.checkpoints.steps * self.batch_size,
            unit="img",
            unit_scale=True,
            mininterval=interval,
            maxinterval=max(interval, 10.0),
            smoothing=0.05,
            dynamic_ncols=True,
        )

    def on_train_batch_end(self, batch, logs=None):
        """Moves the bar."""
        done, total = self.length.at(self.checkpoints.steps), self.length.total
        self._bar.set_description(f"{self.length.unit} {done}/{total}", refresh=False)
        shown = {name: f"{value:.4f}" for name, value in list(logs.items())[:2]}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(self.batch_size)

    def on_train_end(self, logs=None):
        """Closes the bar when the run is complete."""
        if self._bar.n >= self._bar.total:
            self._bar.close()
