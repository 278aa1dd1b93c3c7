"""What the web page does with pictures, without the page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from data_pipeline import pixels
from serving.codec import container
from serving.codec.base import Codec
from serving.codec.latent_codec import LatentCodec
from serving.page import uploads
from serving.photo import masks
from serving.photo.faces import BeyondFacesError
from serving.photo.framing import NoFaceError
from serving.photo.restorer import UnfillableHoleError
from serving.zoo.zoo import named

# The longer side, pixels, of what restorers are compared on: models look at fewer, and
# OpenCV takes minutes for a large hole in a photograph.
COMPARED = 512


def restore(
    restorer: Restorer,
    image: np.ndarray,
    mask: np.ndarray,
    faces: Sequence[np.ndarray],
    *,
    otherwise: str = "",
) -> tuple[np.ndarray, bool]:
    """Fills what is painted; the other pixels are the picture's own.

    Args:
      restorer: Which does it.
      image: uint8 [H, W, 3].
      mask: uint8 [H, W, 1], 1 = missing.
      faces: Landmarks of those that may be brought where the model has met faces;
        without one, or where the hole goes beyond them, the picture is restored as a
        whole.
      otherwise: What to do where the model does not fill the hole, a sentence.

    Returns:
      The restored picture, and whether faces were brought into place.

    Raises:
      ValueError: If nothing is painted, or everything.
      UnfillableHoleError: If the model does not fill such holes; the message is for
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
            why = "It goes beyond the face, which was not brought into place for that."
        except UnfillableHoleError:
            why = "It does not fit with the face brought into place either."
    try:
        return np.where(mask, restorer.fill(image, mask), image), False
    except UnfillableHoleError as error:
        said = str(error)
        if restorer.fills:
            said = f"This model fills {restorer.fills}. Yours spans {_span(mask)}."
        said = " ".join(filter(None, (said, why, otherwise)))
        raise UnfillableHoleError(said) from error


def compare(
    restorers: Mapping[str, Restorer],
    image: np.ndarray,
    mask: np.ndarray,
    faces: Sequence[np.ndarray],
    measure: Callable[..., Mapping[str, float]],
) -> Iterator[Row]:
    """The same hole by every restorer, measured against what it hides.

    Args:
      restorers: By name.
      image: uint8 [H, W, 3], from `fit_to_compare`.
      mask: uint8 [H, W, 1], 1 = missing, from there too.
      faces: As `restore` takes them.
      measure: See `Tools.measure_hole`.

    Yields:
      A row for each; without a picture and with a note where one does not fill it.

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
    """Picture and mask with sides of at most `COMPARED` pixels."""
    image = uploads.shrink(image, COMPARED)
    mask = pixels.resize(mask[..., 0] * np.uint8(255), *image.shape[:2]) >= 128
    return image, mask.astype(np.uint8)[..., None]


def _span(mask: np.ndarray) -> str:
    """How large a hole is, such as "60×50 of the picture's 90×90 pixels"."""
    sides = (np.flatnonzero(mask.any(axis=(axis, 2))) for axis in (0, 1))
    width, height = (np.ptp(side) + 1 for side in sides)
    whole = f"{mask.shape[1]:,}×{mask.shape[0]:,}"
    return f"{width:,}×{height:,} of the picture's {whole} pixels"


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
    for codec in codecs.values():
        if codec.model_id == writer:
            return codec.decompress(data)
    container.unpack(data, writer)  # which says what else is wrong with it
    raise container.ForeignFileError(
        f"The file was compressed by the model {named(writer.hex())}, which is not on "
        f"this page: it has {', '.join(codecs)}. Start it with that model, "
        "--models=NAME."
    )


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


# image uint8 [H, W, 3], mask uint8 [H, W, 1] (1 = missing) -> restored image
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
    parts: Collection[str] = masks.REGIONS


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
