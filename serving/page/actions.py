"""Restores, compares, compresses and interpolates pictures for the web page.

Nothing here needs Gradio. The restorers, metrics and image format that it works with
are described by the classes at the top.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from data_pipeline import pixels
from serving.codec.base import Codec
from serving.codec.latent_codec import LatentCodec
from serving.export.fillable import UnfillableHoleError
from serving.page import uploads
from serving.photo import masks
from serving.photo.faces import BeyondFacesError
from serving.photo.framing import NoFaceError

# The longer side, pixels, of pictures in a comparison: the models see fewer, and OpenCV
# takes minutes for a large hole in a photograph.
COMPARED = 512

# image uint8 [H, W, 3], mask uint8 [H, W, 1] (1 = missing) -> restored image
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Restorer:
    """A model, or a method without one, that fills holes.

    Attributes:
      fill: Fills a hole in a picture, seen as a whole.
      fill_faces: The same with a third argument, the landmarks of faces, each of which
        is aligned first. None if it is not known how the model's faces are aligned.
      hole: Its center hole; see `photo.masks.center`.
      limits: What it sees and fills, sentences.
      fills: The holes that it fills, such as "one hole of up to half of each side";
        empty if its errors say that.
      parts: Those of `photo.masks.REGIONS` that it fills.
    """

    fill: Fill
    fill_faces: Callable[..., np.ndarray] | None = None
    hole: tuple[float, float] = (0.25, 0.75)
    limits: str = ""
    fills: str = ""
    parts: Collection[str] = masks.REGIONS


class Metric(Protocol):
    """How a table shows a number; `evaluation.metrics.registry.Metric` is one."""

    name: str
    label: str
    higher_is_better: bool | None
    digits: int


class Format(Protocol):
    """An image format; `evaluation.codecs.image_formats.ImageFormat` is one."""

    name: str

    def decode(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3]."""

    def nearest(self, image: np.ndarray, size: int) -> tuple[int, bytes]:
        """The quality whose file is nearest to so many bytes, and that file."""


@dataclasses.dataclass(frozen=True)
class Tools:
    """Baselines and measures, handed in because this room does not import `evaluation`.

    Attributes:
      plain: Restorers without a network, by name.
      rival: The format that codecs are compared with.
      metrics: Those that `measure_hole` and `measure_file` give, in the order of
        tables.
      measure_hole: (original, restored, mask) in bytes -> {metric's name: value}.
      measure_file: (original, decoded) in bytes -> {metric's name: value}.
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
      label: What the line is about.
      values: {metric's name: value}.
      image: uint8 [H, W, 3]; None if there is none.
      note: Why there is none.
      size: Of the file, bytes; 0 if there is none.
    """

    label: str
    values: Mapping[str, float]
    image: np.ndarray | None
    note: str = ""
    size: int = 0


def restore(
    restorer: Restorer,
    image: np.ndarray,
    mask: np.ndarray,
    faces: Sequence[np.ndarray],
    *,
    advice: str = "",
) -> tuple[np.ndarray, bool]:
    """Fills the painted pixels; all others stay the picture's own.

    Args:
      restorer: A model, or a method without one.
      image: uint8 [H, W, 3].
      mask: uint8 [H, W, 1], 1 = missing.
      faces: Landmarks of the faces to align. Without any, or if the hole reaches beyond
        them, the picture is restored as a whole.
      advice: What to do if the model does not fill the hole, a sentence.

    Returns:
      The restored picture, and whether faces were aligned.

    Raises:
      ValueError: If nothing is painted, or everything.
      UnfillableHoleError: If the model does not fill the hole; the message is for
        the page's users.
    """
    _check_hole(mask)
    why = ""
    if faces and restorer.fill_faces is not None:
        try:
            return np.where(mask, restorer.fill_faces(image, mask, faces), image), True
        except NoFaceError:
            pass
        except BeyondFacesError:
            why = "It reaches beyond the face, so the face was not aligned."
        except UnfillableHoleError:
            why = "It does not fit with the face aligned either."
    try:
        return np.where(mask, restorer.fill(image, mask), image), False
    except UnfillableHoleError as error:
        text = str(error)
        if restorer.fills:
            (width, height), (tall, wide, _) = masks.span(mask), mask.shape
            text = (
                f"This model fills {restorer.fills}. Your hole spans "
                f"{width:,}×{height:,} of the picture's {wide:,}×{tall:,} pixels."
            )
        text = " ".join(filter(None, (text, why, advice)))
        raise UnfillableHoleError(text) from error


def compare(
    restorers: Mapping[str, Restorer],
    image: np.ndarray,
    mask: np.ndarray,
    faces: Sequence[np.ndarray],
    measure: Callable[..., Mapping[str, float]],
) -> Iterator[Row]:
    """Fills the same hole with every restorer and measures it against the original.

    The picture and its mask are those of `fit_to_compare`, the faces as in `restore`.

    Yields:
      A row for each; without a picture and with a note if it does not fill the hole.

    Raises:
      ValueError: If nothing is painted, or everything.
    """
    _check_hole(mask)
    for label, restorer in restorers.items():
        try:
            restored, _ = restore(restorer, image, mask, faces)
        except UnfillableHoleError as error:
            yield Row(label, {}, None, str(error))
        else:
            yield Row(label, measure(image, restored, mask), restored)


def fit_to_compare(
    image: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shrinks a picture and its mask to sides of at most `COMPARED` pixels."""
    image = uploads.shrink(image, COMPARED)
    mask = pixels.resize(mask[..., 0] * np.uint8(255), *image.shape[:2]) >= 128
    return image, mask.astype(np.uint8)[..., None]


def _check_hole(mask: np.ndarray) -> None:
    if not mask.any():
        raise ValueError("Nothing is missing yet: paint over a part, or choose one.")
    if mask.all():
        raise ValueError(
            "Everything is painted over. Leave some of the picture: a model infers "
            "what is missing from what is there."
        )


def compress(
    codec: Codec, label: str, image: np.ndarray, tools: Tools
) -> tuple[bytes, Row, Row]:
    """Compresses uint8 [H, W, 3], and once more with the rival to as many bytes.

    Returns:
      The file, and the rows of the codec and of the rival. The rival's file is the
      nearest in size that it can make, which may be larger.

    Raises:
      ValueError: If the codec does not take the picture.
    """

    def row(label: str, file: bytes, decoded: np.ndarray) -> Row:
        return Row(label, tools.measure_file(image, decoded), decoded, size=len(file))

    data = codec.compress(image)
    quality, file = tools.rival.nearest(image, len(data))
    rival = f"{tools.rival.name}, quality {quality}"
    return (
        data,
        row(label, data, codec.decompress(data)),
        row(rival, file, tools.rival.decode(file)),
    )


def interpolate(
    codec: LatentCodec,
    first: np.ndarray,
    second: np.ndarray,
    shares: Sequence[float],
) -> list[np.ndarray]:
    """Faces between two, linear in their latents, one for each share of the second.

    The two are uint8 [H, W, 3] of any size, the results uint8 [S, S, 3].
    """
    start, end = codec.encode(first), codec.encode(second)
    return [codec.decode(start + np.float32(s) * (end - start)) for s in shares]
