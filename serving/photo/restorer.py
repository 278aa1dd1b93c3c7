"""Restores pictures of any size with an exported model."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline import pixels
from serving import engines
from serving.export import saved_model
from serving.export.fillable import Fillable, UnfillableHoleError
from serving.export.kinds import COMMANDS, DOES, INPAINTING, kind_of
from serving.photo.alignment import bounding_box, part_of


class PhotoRestorer:
    """A SavedModel that restores whole pictures.

    Args:
      folder: Of the SavedModel, such as `<run>/export/1`.
      engine: The program that computes it, one of `engines.ENGINES`.
      precision: Of the numbers that it computes in, one of `engines.PRECISIONS`.

    Attributes:
      size: Side of the square that the network sees, pixels.
      facts: Its config.json (see `saved_model.read_config`); empty without one.
      hole: Where the center hole that the model was trained on begins and ends, as
        shares of the image's side; the middle half without a config.json.

    Raises:
      FileNotFoundError: If there is no SavedModel.
      ValueError: If the SavedModel does not restore pictures.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        engine: str = engines.TENSORFLOW,
        precision: str = engines.FLOAT32,
    ):
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
                f"--model={folder} does not fill holes: it {DOES[kind]}, for which "
                f"there is {COMMANDS[kind]}. --help lists the models that come along "
                "and fill holes."
            )
        if engine != engines.TENSORFLOW and "fills" not in self.facts:
            raise ValueError(
                f"--engine={engine} checks no hole, and the config.json of "
                f"--model={folder} does not say which the model fills. Export it "
                f"again, or take --engine={engines.TENSORFLOW}."
            )
        self._network, self.size = engines.load(folder, engine, precision)
        self._fillable = Fillable(**self.facts.get("fills", {}))
        self.hole = _hole(self.facts)

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
        pairs = [
            shrink(image, mask > 0, self.size) for image, mask in zip(images, masks)
        ]
        small, holes = zip(*pairs)
        holes = [self._fillable.prepared(hole) for hole in holes]
        with _naming_the_hole():
            restored = self._network(np.stack(small), np.stack(holes))
        return [
            _colored_as(image, paste(drawn, image, mask > 0))
            for drawn, image, mask in zip(restored, images, masks)
        ]

    def restore_batch(self, images: np.ndarray, hole: np.ndarray) -> np.ndarray:
        """Restores float32 [B, S, S, 3] in [0, 1] with one hole, float32 [S, S, 1]."""
        mask = self._fillable.prepared(hole)
        with _naming_the_hole():
            return self._network(images, np.repeat(mask[None], len(images), axis=0))

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
        restored = self.restore_batch(image[None], hole[..., None].astype(np.float32))
        return _colored_as(image, restored[0])


def shrink(
    image: np.ndarray, missing: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """A picture as the network takes it.

    As `encoded_images.shrink`, which exports contain.

    Args:
      image: uint8 [H, W, 3].
      missing: bool [H, W, 1].
      size: S.

    Returns:
      float32 [S, S, 3] in [0, 1] and float32 [S, S, 1].
    """

    def known(rows: slice) -> np.ndarray:
        return (~missing[rows]).astype(np.float64)

    def seen(rows: slice) -> np.ndarray:
        return image[rows] / np.float32(255.0) * ~missing[rows]

    # A small pixel is the mean of the known ones below it, so that nothing of the
    # missing ones is mixed into the hole's rim.
    shape = image.shape[:2]
    weight = pixels.resize_strips(known, shape, size, size)
    weights = np.maximum(weight, 0.5).astype(np.float32)
    mean = pixels.resize_strips(seen, shape, size, size) / weights
    # Half a pixel is known, also where it is computed as a little less.
    mask = (weight < 0.5 - 1e-6).astype(np.float32)
    return np.clip(mean, 0.0, 1.0) * (1 - mask), mask


def paste(restored: np.ndarray, image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Pastes a network's picture into a larger one.

    As `encoded_images.paste`, which exports contain.

    Args:
      restored: float32 [S, S, 3] in [0, 1].
      image: uint8 [H, W, 3].
      missing: bool [H, W, 1], the pixels to replace.

    Returns:
      uint8 [H, W, 3].
    """
    pasted = image.copy()
    if not missing.any():
        return pasted
    left, top, right, bottom = bounding_box(missing[..., 0], margin=0)
    for rows in pixels.strips(top, bottom, right - left):
        box = (left, rows.start, right, rows.stop)
        enlarged = pixels.resize_unit(restored, *image.shape[:2], box)
        enlarged = np.rint(enlarged * np.float32(255.0)).astype(np.uint8)
        np.copyto(part_of(pasted, box), enlarged, where=part_of(missing, box))
    return pasted


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
    except Exception as error:
        if type(error).__name__ != "InvalidArgumentError":  # TensorFlow's
            raise
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
