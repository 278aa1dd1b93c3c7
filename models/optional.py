"""Packages that do not exist for every platform, imported where they are needed."""

from __future__ import annotations

import types
import warnings
from typing import Any

import tensorflow as tf


class MissingPackageError(ValueError):
    """A package is not installed, and nothing here stands in for it."""


def tensorflow_compression() -> types.ModuleType:
    """The package of range coders and entropy models.

    Raises:
      MissingPackageError: If it cannot be imported.
    """
    try:
        import tensorflow_compression as tfc
    except ImportError as error:
        raise MissingPackageError(
            "Codecs, their files and their training need tensorflow-compression "
            f"({error}). It exists for Linux on x86-64 and macOS on Intel; there: pip "
            "install 'tensorflow-compression>=2.14,<2.15'. Everything else works "
            "without it."
        ) from error
    return tfc


def instance_normalization(**options: Any) -> tf.keras.layers.Layer:
    """That of tensorflow-addons, or an equal layer of Keras where addons is missing.

    Both compute and initialize the same and have the same variables, so checkpoints of
    one open with the other.

    Args:
      **options: Of `tf.keras.layers.Layer`.
    """
    try:
        with warnings.catch_warnings():
            # tensorflow-addons announces its end of life on every import.
            warnings.simplefilter("ignore")
            from tensorflow_addons.layers import InstanceNormalization
    except ImportError:
        # A group for each channel; epsilon is 1e-3 in both.
        return tf.keras.layers.GroupNormalization(groups=-1, **options)
    return InstanceNormalization(**options)
