"""What passes between the parts of the web page."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from serving import face_regions

# image uint8 [H, W, 3], mask uint8 [H, W, 1] (1 = missing) -> restored image
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Metric(Protocol):
    """How a table shows a number; `evaluation.metrics.Metric` is one."""

    name: str
    label: str
    higher_is_better: bool | None
    digits: int


class Format(Protocol):
    """An image format; `evaluation.image_formats.ImageFormat` is one."""

    name: str

    def decode(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3]."""

    def nearest(self, image: np.ndarray, size: int) -> tuple[int, bytes]:
        """The quality whose file is nearest to so many bytes, and that file."""


@dataclasses.dataclass(frozen=True)
class Restorer:
    """What fills holes: a model, or a method without one.

    Attributes:
      fill: Fills a hole in a picture, seen as a whole.
      fill_faces: The same, given the landmarks of faces: it brings each where the model
        has met faces. None where it is not known where that is.
      hole: Its center hole; see `photo.PhotoRestorer`.
      limits: What it sees and fills, sentences.
      fills: Which holes it fills, such as "one hole of up to half of each side"; empty
        where its errors say it.
      parts: Of a face, those that it fills; see `face_regions`.
    """

    fill: Fill
    fill_faces: Callable[..., np.ndarray] | None = None
    hole: tuple[float, float] = (0.25, 0.75)
    limits: str = ""
    fills: str = ""
    parts: Collection[str] = face_regions.REGIONS


@dataclasses.dataclass(frozen=True)
class Tools:
    """What the page borrows from `evaluation`, which this room does not import.

    Attributes:
      plain: Restorers without a network, by name.
      rival: The format that codecs are compared with.
      metrics: Those that `measure_hole` and `measure_file` give, in the order of
        tables.
      measure_hole: (original, restored, mask), in bytes -> {metric's name: value}.
      measure_file: (original, decoded) -> the same.
    """

    plain: Mapping[str, Restorer]
    rival: Format
    metrics: Sequence[Metric]
    measure_hole: Callable[..., Mapping[str, float]]
    measure_file: Callable[..., Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table, and its picture.

    Attributes:
      label: What it is of.
      values: {metric's name: value}.
      image: uint8 [H, W, 3]; None where there is none.
      note: Why there is none, or what else is to be said.
      size: Of its file, bytes; 0 where there is none.
    """

    label: str
    values: Mapping[str, float]
    image: np.ndarray | None
    note: str = ""
    size: int = 0
