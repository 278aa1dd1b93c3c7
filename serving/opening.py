"""Opening an exported model for files, or saying why that cannot be done."""

from __future__ import annotations

import pathlib

import tensorflow as tf

from serving import export


def config(folder: pathlib.Path) -> dict:
    """What an export says of itself; see `export.read_config`.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is damaged.
    """
    try:
        return export.read_config(folder)
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
