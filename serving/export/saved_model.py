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
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging as absl_logging
from google.protobuf.message import DecodeError

from data_pipeline import disk
from serving.export import known
from serving.export.kinds import COMMANDS, DOES, kind_of

_CONFIG = "config.json"


def read_config(folder: str | os.PathLike) -> dict[str, Any]:
    """Reads assets.extra/config.json: what a model is and how it was trained.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is damaged.
    """
    path = pathlib.Path(folder) / "assets.extra" / _CONFIG
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is not an exported model: it has no assets.extra/config.json. "
            "Pass the folder a run exported to, such as runs/NAME/export/1."
        )
    with opening(folder):
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"{_CONFIG} holds no object")
        return config


def load(folder: str | os.PathLike, *signatures: str, kind: str):
    """Loads an export that must have the signatures of its kind.

    It needs no code of the network's layers.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If a signature is missing, or the export is damaged.
    """
    found = kind_of(read_config(folder))
    with opening(folder):
        loaded = tf.saved_model.load(str(folder))
    if not set(signatures) <= set(loaded.signatures):
        if found and found != kind:
            raise ValueError(
                f"{folder} is no model that {DOES[kind]}: it {DOES[found]}, for which "
                f"there is {COMMANDS[found]}. Pass another export."
            )
        raise ValueError(
            f"{folder} is not of the kind {kind}: its signatures are "
            f"{', '.join(sorted(loaded.signatures))}, and not "
            f"{' and '.join(signatures)}. Pass another export."
        )
    return loaded


def weights_of(model) -> list[np.ndarray]:
    """The weights of a loaded SavedModel, in the order of Keras's get_weights()."""
    return [weight.numpy() for weight in model.variables]


@contextlib.contextmanager
def opening(folder: str | os.PathLike) -> Iterator[None]:
    """Turns errors of reading an export's files into a ValueError that names it."""
    try:
        yield
    # Readers of cut files raise IndexErrors, of JSON that is nested without end
    # RuntimeErrors, and of damaged graphs whatever the damage leads to.
    except (
        *(ValueError, OSError, LookupError, AttributeError, TypeError),
        *(RuntimeError, AssertionError, DecodeError, tf.errors.OpError),
    ) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(
            f"{folder} cannot be opened ({type(error).__name__}: {why}). Export it "
            "again."
        ) from error


def check_id(folder: pathlib.Path, stated: str, found: bytes) -> None:
    """Raises a ValueError unless a model's identifier is that of its config.json."""
    if stated != found.hex():
        raise ValueError(
            f"{folder} is not as it was exported: its config.json says model {stated}, "
            f"its weights and tables are those of {found.hex()}. Export it again."
        )


def write(
    model: tf.keras.Model,
    folder: str | os.PathLike,
    signatures: Mapping[str, Callable] | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    extras: Mapping[str, str | bytes] | None = None,
) -> pathlib.Path:
    """Writes a SavedModel folder, whole or not at all; an existing one is replaced.

    Args:
      model: Any Keras model.
      folder: Such as `<run>/export/1`; TF Serving takes its parent.
      signatures: Name -> tf.function; without any, Keras makes the default.
      config: Written to assets.extra/config.json.
      extras: File name -> text or bytes, for other files in assets.extra/.
    """
    folder = pathlib.Path(folder)
    extras = dict(extras or {})
    if config is not None:
        extras[_CONFIG] = json.dumps(config, indent=2) + "\n"
    with disk.naming(folder.parent, _size(model, extras)):
        _write(model, folder, signatures, extras)
    return folder


def _write(
    model: tf.keras.Model,
    folder: pathlib.Path,
    signatures: Mapping[str, Callable] | None,
    extras: Mapping[str, str | bytes],
) -> None:
    recover(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = _aside(folder) / "new", _aside(folder) / "old"
    try:
        with _errors_only():
            options = {"save_format": "tf", "include_optimizer": False}
            model.save(fresh, signatures=signatures, **options)
        for name, extra in extras.items():
            path = fresh / "assets.extra" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(extra.encode() if isinstance(extra, str) else extra)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
        known.remember(folder)
    finally:
        recover(folder)


def _size(model: tf.keras.Model, extras: Mapping[str, str | bytes]) -> int:
    """Bytes of an export, without its graph."""
    weights = sum(
        weight.dtype.size * weight.shape.num_elements() for weight in model.weights
    )
    return weights + sum(map(len, extras.values()))


def recover(folder: str | os.PathLike) -> None:
    """Undoes what a `write` that was killed has left undone.

    Replacing a folder takes two renames. An export that was moved aside by the first
    and not replaced by the second is moved back; everything else is deleted.
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
    """Where `write` works: not in the parent, where TF Serving looks for versions."""
    return folder.parent.parent / f".{folder.parent.name}-{folder.name}"


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Silences TensorFlow's warnings about every SavedModel; errors still show."""
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
