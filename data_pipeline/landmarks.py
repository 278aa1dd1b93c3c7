"""Landmarks of every image of a split: its own, or found by MediaPipe once and kept."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from data_pipeline import decoded, face_mesh, machine, pixels
from data_pipeline.decoded import DecodedSplit

_FOLDER = "landmarks"  # in the folder for caches
_AT_ONCE = 256  # images


@dataclasses.dataclass(frozen=True)
class Landmarks:
    """The landmarks of a split's images.

    Attributes:
      points: float32 [N, 5, 2], in pixels of the decoded images; see
        `datasets.elements`. NaN where no face was found.
      origin: Whose they are, for reports.
    """

    points: np.ndarray
    origin: str


def of(split: DecodedSplit, *, crop: str, cache_dir: str = "") -> Landmarks | None:
    """The landmarks of a split, or None if it has none and MediaPipe is missing.

    MediaPipe looks at the images as they are in their files, which are read again, and
    what it finds is kept in a file: half a minute for 2,600 images, then none.

    Args:
      split: The images.
      crop: Of the split; see `pixels.crop_box`.
      cache_dir: Where decoded images are kept; empty takes the folder for caches.
    """
    if "landmarks" in split.fields:
        return Landmarks(split.fields["landmarks"], "the data set")
    root = pathlib.Path(cache_dir).expanduser() if cache_dir else machine.cache_folder()
    size = split.images.shape[1]
    path = root / _FOLDER / f"{_key(split, size, crop)}.npz"
    try:
        with np.load(path) as stored:
            points = stored["points"]
    # It was never written, or is damaged: NumPy and zipfile raise many kinds.
    except Exception:
        try:
            mesh = face_mesh.FaceMesh()
        except ImportError:
            return None
        points = _found(split, mesh, size, crop)
        buffer = io.BytesIO()
        np.savez(buffer, points=points)
        pixels.write_bytes(path, buffer.getvalue())
    origin = "MediaPipe's face mesh"
    if missing := int(np.isnan(points[:, 0, 0]).sum()):
        origin += f"; {missing:,} of {len(split):,} images without a face"
    return Landmarks(points, origin)


def _key(split: DecodedSplit, size: int, crop: str) -> str:
    """A file name that changes with everything that the points depend on."""
    info = split.source.info
    parts = [info.name, info.title, info.notes, split.source.split, str(size), crop]
    digest = hashlib.sha256("\n".join([*parts, *split.names]).encode())
    for start in range(0, len(split), _AT_ONCE):  # files may change under their names
        digest.update(np.ascontiguousarray(split.images[start : start + _AT_ONCE]))
    return f"{info.name}-{split.source.split}-{size}-{digest.hexdigest()[:12]}"


def _found(
    split: DecodedSplit, mesh: face_mesh.FaceMesh, size: int, crop: str
) -> np.ndarray:
    position = {name: row for row, name in enumerate(split.source.names)}
    rows = [position[name] for name in split.names]
    faces = decoded.map_in_order(
        functools.partial(_landmarks_of, mesh=mesh, size=size, crop=crop),
        split.source.readers(rows),
        total=len(split),
        description=f"landmarks of {split.source.info.name} {split.source.split}",
    )
    return np.stack([*faces])


def _landmarks_of(
    read: Callable[[], dict], *, mesh: face_mesh.FaceMesh, size: int, crop: str
) -> np.ndarray:
    """Float32 [5, 2] in pixels of the decoded image; NaN without a face."""
    image = read()["image"]
    points = central(mesh(image), image.shape)
    if points is None:
        return np.full([5, 2], np.nan, np.float32)
    element = {"image": image, "landmarks": points}
    return pixels.fit(element, size=size, crop=crop)["landmarks"]


def central(faces: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray | None:
    """The five landmarks [5, 2] of the face nearest to an image's center, or None.

    The sets show somebody there; bystanders may be larger.
    """
    center = np.array([shape[1] - 1, shape[0] - 1]) / 2
    found = [face_mesh.five_of(points) for points in faces]
    return min(
        found, key=lambda five: np.hypot(*(five.mean(axis=0) - center)), default=None
    )


def similarity(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The shift, turn and scale that lays points [N, 2] on others best: [2, 3].

    In the sense of least squares.
    """
    # A similarity is a product and a sum of complex numbers.
    source, goal = (p[:, 0] + 1j * p[:, 1] for p in (points, target))
    centered = source - source.mean()
    factor = np.vdot(centered, goal - goal.mean()) / np.vdot(centered, centered)
    shift = goal.mean() - factor * source.mean()
    return np.array(
        [
            [factor.real, -factor.imag, shift.real],
            [factor.imag, factor.real, shift.imag],
        ]
    )
