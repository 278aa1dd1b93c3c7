"""SavedModel folders: written whole or not at all, opened, described."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping

import tensorflow as tf
from absl import logging as absl_logging


def config(folder: pathlib.Path) -> dict:
    """What an export says of itself; see `export.read_config`.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is damaged.
    """
    try:
        return read_config(folder)
    except ValueError as error:
        raise damaged(folder, error) from error


def model(folder: pathlib.Path, *signatures: str, kind: str, of: str):
    """Loads a SavedModel, without any code of its network's layers.

    Args:
      folder: Of an export.
      *signatures: Which it must have.
      kind: What one with these is called.
      of: The system whose exports have them.

    Raises:
      ValueError: If it has not, or is damaged.
    """
    try:
        loaded = tf.saved_model.load(str(folder))
    except (ValueError, OSError, tf.errors.OpError) as error:
        raise damaged(folder, error) from error
    if not set(signatures) <= set(loaded.signatures):
        raise ValueError(
            f"{folder} holds no {kind}: its signatures are "
            f"{', '.join(sorted(loaded.signatures))}, and not "
            f"{' and '.join(signatures)}. Pass an export of {of}; experiments.restore "
            "takes those that fill holes."
        )
    return loaded


def check_id(folder: pathlib.Path, said: str, found: str) -> None:
    """Raises a ValueError unless weights and tables are those that were exported.

    Args:
      folder: Of the export.
      said: The model's identifier in its config.json.
      found: That of what is there, in hexadecimal digits too.
    """
    if said != found:
        raise ValueError(
            f"{folder} is not as it was exported: its config.json says model {said}, "
            f"its weights and tables are those of {found}. Export it again."
        )


def damaged(folder: pathlib.Path, error: Exception) -> ValueError:
    """What to raise of a folder that cannot be opened."""
    why = str(error).partition("\n")[0]
    return ValueError(
        f"{folder} cannot be opened ({type(error).__name__}: {why}). Export it again."
    )


def write(
    model: tf.keras.Model,
    folder: str | os.PathLike,
    signatures: Mapping[str, Callable] | None = None,
    *,
    extras: Mapping[str, str | bytes] | None = None,
) -> pathlib.Path:
    """Writes any model as `save` does; without signatures Keras makes the default."""
    folder = pathlib.Path(folder)
    recover(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = _aside(folder) / "new", _aside(folder) / "old"
    try:
        with _errors_only():
            model.save(
                fresh,
                save_format="tf",
                include_optimizer=False,
                signatures=signatures,
            )
        for name, extra in (extras or {}).items():
            path = fresh / "assets.extra" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(extra.encode() if isinstance(extra, str) else extra)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
    finally:
        recover(folder)
    return folder


def recover(folder: str | os.PathLike) -> None:
    """Undoes what a `save` that was killed has left undone.

    Replacing a folder takes two renames. An export that was moved aside by the first
    and is not replaced by the second is moved back; what else was left is deleted.

    Args:
      folder: As `save` takes it.
    """
    folder = pathlib.Path(folder)
    old = _aside(folder) / "old"
    if old.exists() and not folder.exists():
        os.replace(old, folder)
        print(
            f"{folder} is back: it had been moved aside to be replaced, and was not.",
            file=sys.stderr,
        )
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _aside(folder: pathlib.Path) -> pathlib.Path:
    """Where `save` works. Not in the parent, where TF Serving looks for versions."""
    return folder.parent.parent / f".{folder.parent.name}-{folder.name}"


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Silences what TensorFlow says about every SavedModel; errors still show."""
    # absl's verbosity and not its logger's level, which saving itself sets anew.
    verbosity = absl_logging.get_verbosity()
    level = tf.get_logger().level
    absl_logging.set_verbosity(absl_logging.ERROR)
    tf.get_logger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(verbosity)
        tf.get_logger().setLevel(level)


def read_config(folder: str | os.PathLike) -> dict:
    """The configuration an exported model was trained with.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
    """
    path = pathlib.Path(folder) / "assets.extra" / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is not an exported model: it has no assets.extra/config.json. "
            "Pass the folder a run exported to, such as runs/NAME/export/1."
        )
    return json.loads(path.read_text())
