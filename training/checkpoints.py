"""Checkpoints of a run: the last ones, to resume from, and the best one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator

import tensorflow as tf

from training import files

_KEPT = 2  # of the last ones, so that a damaged one can be done without
_CHUNK = 1 << 20  # bytes


class DamagedCheckpointError(ValueError):
    """No checkpoint is whole; the message names each and says what is wrong with it."""


class Checkpoints:
    """Saves and restores a trainer in `folder/last` and `folder/best`.

    The items are those of `Trainer.checkpoint_items`; early versions had no "means".
    Every checkpoint has a checksum, and one that is damaged is never used: the newest
    whole one is, and a sentence says so.
    """

    def __init__(self, items: dict[str, object], folder: pathlib.Path):
        self._items = items
        checkpoint = tf.train.Checkpoint(**items)
        self._last = _Folder(folder / "last", checkpoint, keep=_KEPT)
        self._best = _Folder(folder / "best", checkpoint, keep=1)

    @property
    def steps(self) -> int:
        """Updates made so far."""
        return int(self._items["steps"].numpy())

    @property
    def size(self) -> int:
        """About the bytes of a checkpoint."""
        root = tf.train.Checkpoint(**self._items)  # of which a view holds a weak link
        return sum(
            item.dtype.size * item.shape.num_elements()
            for item in tf.train.TrackableView(root).descendants()
            if isinstance(item, tf.Variable)
        )

    @property
    def last(self) -> str | None:
        """Path of the newest checkpoint, which was not checked."""
        steps = self._last.steps()
        return self._last.prefix(steps[0]) if steps else None

    @property
    def best_step(self) -> int | None:
        """Step of the best checkpoint, or None if there is none or it is damaged."""
        whole = (step for step in self._best.steps() if not self._best.fault(step))
        return next(whole, None)

    def restore(self) -> bool:
        """Restores all of the newest whole checkpoint; returns whether there is one.

        Raises:
          DamagedCheckpointError: If there are checkpoints, and none is whole.
          ValueError: If it is of another network.
        """
        path = self._newest_whole(or_best=True)
        if path is None:
            return False
        items = dict(self._items)
        names = [name for name, _ in tf.train.list_variables(path)]
        if not any(name.startswith("means/") for name in names):
            # The means of a resumed epoch then lack the steps before the checkpoint.
            items.pop("means", None)
        with _explained(path):
            tf.train.Checkpoint(**items).restore(path).assert_consumed()
        if self._best.steps() and self.best_step is None:
            _say(
                f"{self._best.path}: {_told(self._best, self._best.steps())}; the next "
                "row's takes its place."
            )
        return True

    def restore_part(self, *, best: bool = False) -> bool:
        """Restores the items from the last or best checkpoint, which may hold more.

        Returns whether there is one. Errors are those of `restore`.
        """
        path = self._whole_best() if best else self._newest_whole(or_best=False)
        if path is None:
            return False
        with _explained(path):
            status = tf.train.Checkpoint(**self._items).restore(path)
            status.assert_existing_objects_matched()
            status.expect_partial()
        return True

    def save(self) -> None:
        """Saves to `last`, unless this step is there already."""
        if self.steps not in self._last.steps() or self._last.fault(self.steps):
            self._last.save(self.steps)

    def save_best(self) -> None:
        """Saves to `best`."""
        self._best.save(self.steps)

    def _newest_whole(self, *, or_best: bool) -> str | None:
        """The path that a run goes on from; says which ones are damaged.

        Where none of the last ones is whole, the best one is taken; where there are
        none, only if `or_best`.
        """
        lost = []
        for step in self._last.steps():
            if not self._last.fault(step):
                if lost:
                    said = _told(self._last, lost)
                    _say(f"{self._last.path}: {said}, went back to {step:,}.")
                return self._last.prefix(step)
            lost.append(step)
        best = self.best_step
        if best is not None and (lost or or_best):
            said = _told(self._last, lost) if lost else "no checkpoint is left"
            _say(f"{self._last.path}: {said}, went back to the best one, {best:,}.")
            return self._best.prefix(best)
        if not lost and not (or_best and self._best.steps()):
            return None
        damaged = (self._last, lost) if lost else (self._best, self._best.steps())
        if not any(map(damaged[0].was_saved, damaged[1])):
            # A process was killed, or the disk was full, in its first save.
            return None
        raise DamagedCheckpointError(
            f"{damaged[0].path}: {_told(*damaged)}, and no other checkpoint is there. "
            "Put a copy of them back, or train in another --workdir."
        )

    def _whole_best(self) -> str | None:
        lost = self._best.steps()
        if not lost:
            return None
        step = self.best_step
        if step is not None:
            return self._best.prefix(step)
        # The best one is often also one of the last.
        for step in lost:
            if step in self._last.steps() and not self._last.fault(step):
                _say(f"{self._best.path}: {_told(self._best, lost)}; last has it too.")
                return self._last.prefix(step)
        raise DamagedCheckpointError(
            f"{self._best.path}: {_told(self._best, lost)}. Put a copy of it back, or "
            "pass --checkpoint=last."
        )


class _Folder:
    """The newest checkpoints of a folder: the files ckpt-STEP.*.

    TensorFlow writes a checkpoint under temporary names and renames it. Last comes
    ckpt-STEP.json, the SHA-256 of each file. Checkpoints without it are of early
    versions, or their process was killed just before; they are checked by reading them,
    because TensorFlow keeps a sum of every tensor.
    """

    def __init__(self, path: pathlib.Path, checkpoint: tf.train.Checkpoint, keep: int):
        self.path = path
        self._checkpoint, self._keep = checkpoint, keep
        self._whole: set[int] = set()  # found so, or saved by this object

    def steps(self) -> list[int]:
        """Steps of which there is any file, newest first."""
        found = (
            re.fullmatch(r"ckpt-(\d+)\.(index|json|data-.+)", path.name)
            for path in self.path.glob("ckpt-*.*")
        )
        return sorted({int(match[1]) for match in found if match}, reverse=True)

    def prefix(self, step: int) -> str:
        """Path of a checkpoint, as TensorFlow takes it."""
        return str(self.path / f"ckpt-{step}")

    def fault(self, step: int) -> str:
        """What is wrong with a checkpoint; empty if it is whole."""
        if step in self._whole:
            return ""
        sums = self._sums(step)
        wrong = _unreadable(self.prefix(step)) if sums is None else self._changed(sums)
        if not wrong:
            self._whole.add(step)
        return wrong

    def was_saved(self, step: int) -> bool:
        """Whether any file says that a checkpoint has been saved to its end."""
        prefix = pathlib.Path(self.prefix(step))
        if prefix.with_suffix(".index").exists() or self._sum_file(step).exists():
            return True
        state = self.path / "checkpoint"
        named = state.read_bytes() if state.exists() else b""
        return f'"{prefix.name}"'.encode() in named

    def save(self, step: int) -> None:
        """Writes a checkpoint, and deletes all but the newest up to it."""
        # The counter is in every checkpoint of `tf.train.CheckpointManager`.
        self._checkpoint.save_counter.assign_add(1)
        self._whole.discard(step)
        sums, prefix = self._sum_file(step), self.prefix(step)
        sums.unlink(missing_ok=True)
        try:
            self._checkpoint.write(prefix)
        except BaseException:
            shutil.rmtree(f"{prefix}_temp", ignore_errors=True)
            raise
        for path in self._files(step):
            with path.open("r+b") as file:
                os.fsync(file.fileno())  # TensorFlow leaves it to the system's cache
        written = {path.name: _digest(path) for path in self._files(step)}
        files.write(sums, (json.dumps({"sha256": written}, indent=1) + "\n").encode())
        self._whole.add(step)
        # Later ones are damaged, because the run has gone back.
        kept = [other for other in self.steps() if other <= step][: self._keep]
        self._write_state(kept)
        for path in self.path.glob("ckpt-*"):
            match = re.match(r"ckpt-(\d+)", path.name)
            if match and int(match[1]) not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _write_state(self, kept: list[int]) -> None:
        """Writes the file by which `tf.train.latest_checkpoint` finds them."""
        lines = [f'model_checkpoint_path: "ckpt-{kept[0]}"']
        lines += [f'all_model_checkpoint_paths: "ckpt-{step}"' for step in kept[::-1]]
        files.write(self.path / "checkpoint", ("\n".join(lines) + "\n").encode())

    def _files(self, step: int) -> list[pathlib.Path]:
        """Its files, without the checksum's."""
        found = sorted(self.path.glob(f"ckpt-{step}.*"))
        return [path for path in found if path.suffix != ".json"]

    def _sum_file(self, step: int) -> pathlib.Path:
        return self.path / f"ckpt-{step}.json"

    def _sums(self, step: int) -> dict[str, str] | None:
        """File name -> SHA-256, or None without a readable checksum."""
        try:
            sums = dict(json.loads(self._sum_file(step).read_text())["sha256"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return sums or None

    def _changed(self, sums: dict[str, str]) -> str:
        for name, digest in sums.items():
            path = self.path / name
            if not path.exists():
                return f"{name} is gone"
            if _digest(path) != digest:
                return f"{name} is not as it was saved"
        return ""


def _digest(path: pathlib.Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _unreadable(prefix: str) -> str:
    """Why some tensor of a checkpoint cannot be read; empty if all can."""
    name = pathlib.Path(prefix).name
    if not pathlib.Path(f"{prefix}.index").exists():
        return f"{name}.index is gone"
    try:
        reader = tf.train.load_checkpoint(prefix)
        for tensor in reader.get_variable_to_shape_map():
            reader.get_tensor(tensor)
    # Its readers also raise IndexError, RuntimeError, ValueError and SystemError.
    except Exception as error:
        return f"{name} cannot be read: {type(error).__name__}"
    return ""


def _told(folder: _Folder, lost: list[int]) -> str:
    """Such as "step 4,000 is damaged (ckpt-4000.index is gone)"."""
    told = [f"step {step:,} is damaged ({folder.fault(step)})" for step in lost]
    return " and ".join(told)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)


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
