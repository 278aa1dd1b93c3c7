"""What the web page does with pictures, without the page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from data_pipeline import pixels
from serving import app_pictures, container
from serving.codec import Codec
from serving.latent_codec import LatentCodec
from serving.photo import UnfillableHoleError

# image uint8 [H, W, 3], mask uint8 [H, W, 1] (1 = missing) -> restored image
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]

# The longer side, pixels, of what restorers are compared on: models look at fewer, and
# OpenCV takes minutes for a large hole in a photograph.
COMPARED = 512


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
class Tools:
    """What the page borrows from `evaluation`, which this room does not import.

    Attributes:
      fills: Restorers without a network, by name.
      rival: The format that codecs are compared with.
      metrics: Those that `measure_hole` and `measure_file` give, in the order of
        tables.
      measure_hole: (original, restored, mask), in bytes -> {metric's name: value}.
      measure_file: (original, decoded) -> the same.
    """

    fills: Mapping[str, Fill]
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


def restore(fill: Fill, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fills what is painted; the other pixels are the picture's own.

    Args:
      fill: Of a model.
      image: uint8 [H, W, 3].
      mask: uint8 [H, W, 1], 1 = missing.

    Raises:
      ValueError: If nothing is painted, or everything.
      UnfillableHoleError: If the model does not fill such holes.
    """
    _check_hole(mask)
    return np.where(mask, fill(image, mask), image)


def compare(
    fills: Mapping[str, Fill],
    image: np.ndarray,
    mask: np.ndarray,
    measure: Callable[..., Mapping[str, float]],
) -> Iterator[Row]:
    """The same hole by every restorer, measured against what it hides.

    Args:
      fills: By name.
      image: uint8 [H, W, 3], from `fit_to_compare`.
      mask: uint8 [H, W, 1], 1 = missing, from there too.
      measure: See `Tools.measure_hole`.

    Yields:
      A row for each; without a picture and with a note where one does not fill it.

    Raises:
      ValueError: If nothing is painted, or everything.
    """
    _check_hole(mask)
    for label, fill in fills.items():
        try:
            restored = restore(fill, image, mask)
        except UnfillableHoleError as error:
            yield Row(label, {}, None, str(error))
        else:
            yield Row(label, measure(image, restored, mask), restored)


def fit_to_compare(
    image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask with sides of at most `COMPARED` pixels."""
    image = app_pictures.shrink(image, COMPARED)
    mask = pixels.resize(mask[..., 0] * np.uint8(255), *image.shape[:2]) >= 128
    return image, mask.astype(np.uint8)[..., None]


def _check_hole(mask: np.ndarray) -> None:
    if not mask.any():
        raise ValueError("Nothing is missing yet: paint over a part, or choose one.")
    if mask.all():
        raise ValueError(
            "Everything is painted over. Leave some of the picture: a model makes what "
            "is missing of what is there."
        )


def compress(
    codec: Codec, label: str, image: np.ndarray, tools: Tools
) -> tuple[bytes, Row, Row]:
    """A picture's file by a codec, beside the rival's of as many bytes.

    Args:
      codec: Which makes the file.
      label: Of the codec.
      image: uint8 [H, W, 3].
      tools: With the rival and the measures.

    Returns:
      The file, and the rows of the codec and of the rival. The rival's file is the
      nearest in size that it can make, which may be larger.

    Raises:
      ValueError: If the codec does not take the picture.
    """
    data = codec.compress(image)
    decoded = codec.decompress(data)
    ours = Row(label, tools.measure_file(image, decoded), decoded, size=len(data))
    quality, file = tools.rival.nearest(image, len(data))
    theirs = tools.rival.decode(file)
    rival = Row(
        f"{tools.rival.name}, quality {quality}",
        tools.measure_file(image, theirs),
        theirs,
        size=len(file),
    )
    return data, ours, rival


def decompress(codecs: Mapping[str, Codec], data: bytes) -> np.ndarray:
    """A file's picture, uint8 [H, W, 3], by the codec that wrote it.

    Raises:
      CorruptFileError: If the file is damaged.
      ForeignFileError: If none of the codecs wrote it.
    """
    writer = container.claimed_id(data)
    any_codec, *_ = codecs.values()  # which says what is wrong
    found = (codec for codec in codecs.values() if codec.model_id == writer)
    return next(found, any_codec).decompress(data)


def walk(
    codec: LatentCodec,
    first: np.ndarray,
    second: np.ndarray,
    shares: Sequence[float],
) -> list[np.ndarray]:
    """Faces between two, linear in their latents.

    Args:
      codec: Of the faces.
      first: uint8 [H, W, 3].
      second: Another, of any size.
      shares: Of the second, 0 to 1, one for each face.

    Returns:
      Each uint8 [S, S, 3].
    """
    start, end = codec.encode(first), codec.encode(second)
    return [codec.decode(start + np.float32(s) * (end - start)) for s in shares]


def best(rows: Sequence[Row], metric: Metric) -> float:
    """The best value of a metric in a table; NaN where there is none to be best."""
    values = [row.values.get(metric.name, math.nan) for row in rows]
    values = [value for value in values if math.isfinite(value)]
    if metric.higher_is_better is None or len(values) < 2:
        return math.nan
    return (max if metric.higher_is_better else min)(values)
