"""Restores pictures of any size with an exported model."""

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
from serving.export.kinds import COMMANDS, INPAINTING, kind_of


class UnfillableHoleError(ValueError):
    """The model cannot fill a hole; the message says which it can fill."""


class PhotoRestorer:
    """A SavedModel that restores whole pictures.

    Args:
      folder: Of the SavedModel, such as `<run>/export/1`.

    Attributes:
      facts: Its config.json (see `saved_model.read_config`); empty without one.
      hole: Where the center hole that the model was trained on begins and ends, as
        shares of the image's side; the middle half without a config.json.

    Raises:
      FileNotFoundError: If there is no SavedModel.
      ValueError: If the SavedModel does not restore pictures.
    """

    def __init__(self, folder: str | os.PathLike):
        folder = pathlib.Path(folder)
        if not (folder / "saved_model.pb").exists():
            raise FileNotFoundError(
                f"--model={folder} holds no saved_model.pb. Pass the folder a run "
                "exported to, such as runs/NAME/export/1."
            )
        self.facts: Mapping[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            self.facts = saved_model.read_config(folder)
        kind = kind_of(self.facts) or INPAINTING
        if kind != INPAINTING:
            raise ValueError(
                f"--model={folder} does not fill holes: it is of the kind {kind}, "
                f"which {COMMANDS[kind]} takes. --help lists the models that come "
                "along and fill holes."
            )
        with saved_model.opening(folder):
            self._model = tf.saved_model.load(str(folder))
        if "serving_bytes" not in self._model.signatures:
            raise ValueError(
                f"--model={folder} has no signature serving_bytes; it has "
                f"{', '.join(self._model.signatures) or 'none'}."
            )
        self._restore: Callable = self._model.signatures["serving_bytes"]
        self._restore_crop: Callable = self._model.signatures["serving_default"]
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
          The restored images; gray images stay gray, and known pixels unchanged.

        Raises:
          UnfillableHoleError: If the model cannot fill one of the holes.
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
        """Restores an image of the network's own size.

        Args:
          image: float32 [S, S, 3] in [0, 1] with S = `size`.
          hole: bool [S, S], the missing pixels.

        Returns:
          float32 [S, S, 3] in [0, 1], gray if the image is; known pixels are
          unchanged.

        Raises:
          UnfillableHoleError: If the model cannot fill the hole.
        """
        mask = hole[None, ..., None].astype(np.float32)
        with _naming_the_hole():
            restored = self._restore_crop(
                image=tf.constant(image[None]), mask=tf.constant(mask)
            )["restored"]
        return _colored_as(image, restored[0].numpy())


def _colored_as(image: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """The restored image, in gray if the original is gray."""
    if (image != image[..., :1]).any():
        return restored
    # Not the mean, which rounds: the median of three equal channels is exact.
    gray = np.median(restored, axis=-1, keepdims=True)
    return np.broadcast_to(gray.astype(restored.dtype), restored.shape)


@contextlib.contextmanager
def _naming_the_hole() -> Iterator[None]:
    """Turns the graph's assertion about a hole into an `UnfillableHoleError`."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        # The pictures are encoded here, so it can only be the hole.
        limit = re.search(r"This model fills [^\]]*", error.message)
        if limit is None:
            raise
        raise UnfillableHoleError(limit.group()) from error


def _hole(facts: Mapping[str, Any]) -> tuple[float, float]:
    if not {"image_size", "hole_size"} <= set(facts):
        return 0.25, 0.75
    size, side = facts["image_size"], facts["hole_size"]
    start = (size - side) // 2
    return start / size, (start + side) / size
