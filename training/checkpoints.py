"""Checkpoints of a run: the last one, to resume from, and the best one."""

from __future__ import annotations

import pathlib

import tensorflow as tf


class Checkpoints:
    """Saves and restores a trainer in `folder/last` and `folder/best`.

    TensorFlow writes a checkpoint under temporary names and renames it, and the
    previous one is deleted only then, so a run killed while saving has the previous.

    Args:
      items: From the trainer's `checkpoint_items()`; must hold "steps", and may hold
        "means", which checkpoints of early versions do not have.
      folder: The run folder's `checkpoints`.
    """

    def __init__(self, items: dict[str, object], folder: pathlib.Path):
        self._items = items
        checkpoint = tf.train.Checkpoint(**items)
        self._last = tf.train.CheckpointManager(
            checkpoint, str(folder / "last"), max_to_keep=2
        )
        self._best = tf.train.CheckpointManager(
            checkpoint, str(folder / "best"), max_to_keep=1
        )

    @property
    def steps(self) -> int:
        """Updates made so far."""
        return int(self._items["steps"].numpy())

    @property
    def last(self) -> str | None:
        """Path of the checkpoint a run resumes from."""
        return self._last.latest_checkpoint

    def restore(self) -> bool:
        """Restores the last checkpoint, if there is one; returns whether."""
        return self._restore(self._last)

    def restore_best(self) -> bool:
        """Restores the best checkpoint, if there is one; returns whether."""
        return self._restore(self._best)

    def _restore(self, manager: tf.train.CheckpointManager) -> bool:
        path = manager.latest_checkpoint
        if path is None:
            return False
        items = dict(self._items)
        names = [name for name, _ in tf.train.list_variables(path)]
        if not any(name.startswith("means/") for name in names):
            # An epoch that is resumed then misses the losses before the checkpoint.
            items.pop("means", None)
        try:
            tf.train.Checkpoint(**items).restore(path).assert_consumed()
        except (AssertionError, ValueError) as error:
            raise ValueError(
                f"The checkpoint {path} is of another network or optimizer than the "
                "flags describe. Pass the flags it was trained with (config.json in "
                f"its run folder has them), or another --workdir. ({error})"
            ) from error
        return True

    def save(self) -> None:
        """Saves to `last`, unless this step is there already."""
        if self.last is None or not self.last.endswith(f"-{self.steps}"):
            self._last.save(self.steps)

    def save_best(self) -> None:
        """Saves to `best`."""
        self._best.save(self.steps)
