"""A photograph of any size and format through an exported restorer."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from serving.export import saved_model


class UnfillableHoleError(ValueError):
    """A hole that the model cannot fill; the message says which it can."""


class PhotoRestorer:
    """An exported SavedModel that restores whole photographs.

    Args:
      folder: Of the SavedModel, such as `<run>/export/1`.

    Attributes:
      facts: What the export says of itself (see `export.read_config`); empty where it
        says nothing.
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
        self._restore_crop: Callable = self._model.signatures["serving_default"]
        self.facts: Mapping[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            self.facts = saved_model.read_config(folder)
        self.hole = _hole(self.facts)

    @property
    def size(self) -> int:
        """Side of the square that the network sees, pixels."""
        _, inputs = self._restore_crop.structured_input_signature
        return inputs["image"].shape[1]

    def __call__(
        self, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Restores a batch.

        Args:
          images: Each uint8 [H, W, 3], of any size.
          masks: Each uint8 [H, W, 1] of its image's size, 1 = missing.

        Returns:
          The images with their missing pixels restored, gray ones in gray; the others
          are unchanged.

        Raises:
          UnfillableHoleError: If one of the holes is not one that the model fills.
        """
        image_bytes = [pixels.encode_png(image) for image in images]
        mask_bytes = [pixels.encode_png(m[..., 0] * np.uint8(255)) for m in masks]
        with _naming_the_hole():
            encoded = self._restore(
                image_bytes=tf.constant(image_bytes), mask_bytes=tf.constant(mask_bytes)
            )["restored_bytes"]
        restored = [pixels.decode(data, "restored") for data in encoded.numpy()]
        return [_colored_as(*pair) for pair in zip(images, restored)]

    def restore_crop(self, image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """Restores a picture of the size that the network sees.

        Args:
          image: float32 [S, S, 3] in [0, 1] with S = `size`.
          hole: bool [S, S], what is missing.

        Returns:
          float32 [S, S, 3] in [0, 1], gray if the picture is; known pixels are
          unchanged.

        Raises:
          UnfillableHoleError: If the hole is not one that the model fills.
        """
        mask = hole[None, ..., None].astype(np.float32)
        with _naming_the_hole():
            restored = self._restore_crop(
                image=tf.constant(image[None]), mask=tf.constant(mask)
            )["restored"]
        return _colored_as(image, restored[0].numpy())


def _colored_as(image: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """What was restored of a gray picture, in gray; of another as it is."""
    if (image != image[..., :1]).any():
        return restored
    # Not the mean, which rounds: of three equal channels this is the same number.
    gray = np.median(restored, axis=-1, keepdims=True)
    return np.broadcast_to(gray.astype(restored.dtype), restored.shape)


@contextlib.contextmanager
def _naming_the_hole() -> Iterator[None]:
    """Raises an `UnfillableHoleError` for what the graph says of a hole."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        # The pictures are ours, so what the graph refuses is the hole.
        limit = re.search(r"This model fills [^\]]*", error.message)
        if limit is None:
            raise
        raise UnfillableHoleError(limit.group()) from error


def _hole(facts: Mapping[str, Any]) -> tuple[float, float]:
    """Of the model's own configuration; half the side where it has none."""
    try:
        size, side = facts["image_size"], facts["hole_size"]
    except KeyError:
        return 0.25, 0.75
    start = (size - side) // 2
    return start / size, (start + side) / size
