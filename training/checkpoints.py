"""Checkpoints of a run: the last one, to resume from, and the best one."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow as tf


class Checkpoints:
    """Saves and restores a trainer in `folder/last` and `folder/best`.

    The items are those of `Trainer.checkpoint_items`; early versions had no "means".
    TensorFlow writes a checkpoint under temporary names, renames it, and then deletes
    the previous one, so that a run killed while saving keeps the previous one.
    """

    def __init__(self, items: dict[str, object], folder: pathlib.Path):
        self._items = items
        checkpoint, manager = tf.train.Checkpoint(**items), tf.train.CheckpointManager
        self._last = manager(checkpoint, str(folder / "last"), max_to_keep=2)
        self._best = manager(checkpoint, str(folder / "best"), max_to_keep=1)

    @property
    def steps(self) -> int:
        """Updates made so far."""
        return int(self._items["steps"].numpy())

    @property
    def last(self) -> str | None:
        """Path of the checkpoint that a run resumes from."""
        return self._last.latest_checkpoint

    def restore(self) -> bool:
        """Restores all of the last checkpoint, if there is one; returns whether."""
        path = self.last
        if path is None:
            return False
        items = dict(self._items)
        names = [name for name, _ in tf.train.list_variables(path)]
        if not any(name.startswith("means/") for name in names):
            # The means of a resumed epoch then lack the steps before the checkpoint.
            items.pop("means", None)
        with _explained(path):
            tf.train.Checkpoint(**items).restore(path).assert_consumed()
        return True

    def restore_part(self, *, best: bool = False) -> bool:
        """Restores the items from the last or best checkpoint, which may hold more.

        Returns whether there is one.
        """
        path = (self._best if best else self._last).latest_checkpoint
        if path is None:
            return False
        with _explained(path):
            status = tf.train.Checkpoint(**self._items).restore(path)
            status.assert_existing_objects_matched()
            status.expect_partial()
        return True

    def save(self) -> None:
        """Saves to `last`, unless this step is there already."""
        if self.last is None or not self.last.endswith(f"-{self.steps}"):
            self._last.save(self.steps)

    def save_best(self) -> None:
        """Saves to `best`."""
        self._best.save(self.steps)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Explains the error of a checkpoint that does not fit."""
    try:
        yield
    except (AssertionError, ValueError) as error:
        raise ValueError(
            f"The checkpoint {path} is of another network or optimizer than the flags "
            "describe. Pass the flags it was trained with (config.json in its run "
            f"folder has them), or another --workdir. ({error})"
        ) from error
