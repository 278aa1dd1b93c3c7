"""A photograph of any size and format through an exported restorer."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from serving import export


class UnfillableHoleError(ValueError):
    """A hole that the model cannot fill; the message says which it can."""


class PhotoRestorer:
    """An exported SavedModel that restores whole photographs.

    Args:
      folder: Of the SavedModel, such as `<run>/export/1`.

    Attributes:
      hole: Where the center hole that the model was trained on begins and ends, as
        shares of a picture's side.

    Raises:
      FileNotFoundError: If it holds no SavedModel.
      ValueError: If the SavedModel does not restore pictures.
    """

    def __init__(self, folder: str | os.PathLike):
        folder = pathlib.Path(folder)
        if not (folder / "saved_model.pb").exists():
            raise FileNotFoundError(
                f"--model={folder} holds no saved_model.pb. Pass the folder a run "
                "exported to, such as runs/NAME/export/1."
            )
        self._model = tf.saved_model.load(str(folder))
        if "serving_bytes" not in self._model.signatures:
            raise ValueError(
                f"--model={folder} has no signature serving_bytes; it has "
                f"{', '.join(self._model.signatures) or 'none'}."
            )
        self._restore: Callable = self._model.signatures["serving_bytes"]
        self.hole = _hole(folder)

    def __call__(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Restores a batch.

        Args:
          images: Each uint8 [H, W, 3], of any size.
          masks: Each uint8 [H, W, 1] of its image's size, 1 = missing.

        Returns:
          The images with their missing pixels restored; the others are unchanged.

        Raises:
          UnfillableHoleError: If one of the holes is not one that the model fills.
        """
        image_bytes = [pixels.encode_png(image) for image in images]
        mask_bytes = [pixels.encode_png(m[..., 0] * np.uint8(255)) for m in masks]
        try:
            encoded = self._restore(
                image_bytes=tf.constant(image_bytes), mask_bytes=tf.constant(mask_bytes)
            )["restored_bytes"]
        except tf.errors.InvalidArgumentError as error:
            # The bytes are ours, so what the graph refuses is the hole.
            limit = re.search(r"This model fills [^\]]*", error.message)
            if limit is None:
                raise
            raise UnfillableHoleError(limit.group()) from error
        return [pixels.decode(data, "restored") for data in encoded.numpy()]


def _hole(folder: pathlib.Path) -> tuple[float, float]:
    """Of the model's own configuration; half the side where it has none."""
    try:
        config = export.read_config(folder)
        size, side = config["image_size"], config["hole_size"]
    except (FileNotFoundError, KeyError):
        return 0.25, 0.75
    start = (size - side) // 2
    return start / size, (start + side) / size
