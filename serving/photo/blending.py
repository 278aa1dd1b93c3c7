"""Blending: fits restored pixels to the known ones around them, so that no seam shows.

Colors first, at the network's own resolution (`poisson_blend`), then detail at the
photograph's (`extend_detail`). `blend` does both for a picture seen as a whole,
`serving.photo.faces` for one face at a time.

A network draws the right shapes, often in slightly wrong colors, so that the border of
the hole shows. As in Poisson image editing (Perez, Gangnet and Blake, 2003) a smooth
correction is added to the hole, which removes the step at its border. Theirs fills the
whole hole, because it is cut out of a finished picture; this one fades with the
distance from the border (a screened Poisson equation), because a step may also be an
edge of the picture, and the middle of a large hole needs no correction.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.sparse.linalg

from serving.photo.alignment import (
    SEAM,
    Alignment,
    Box,
    bounding_box,
    part_of,
    squeeze,
)

# How far a correction reaches, as a share of the side of the picture: 37% of it is left
# at this distance from a straight border.
_REACH = 1 / 8
_NEIGHBORS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_MARGIN = 6  # pixels of the network around a hole that are blended with it


def blend(restored: np.ndarray, mask: np.ndarray, size: int) -> np.ndarray:
    """Blends the filled hole of a picture that was restored as a whole.

    Args:
      restored: uint8 [H, W, 3], with the network's pixels in the hole.
      mask: uint8 [H, W, 1], 1 = restored.
      size: Side of the square in which the network saw the picture, pixels.

    Returns:
      uint8 [H, W, 3]; known pixels are unchanged.
    """
    hole = mask[..., 0] > 0
    if not hole.any() or hole.all():
        return restored
    alignment = squeeze(*hole.shape, size)
    # A large photograph is processed around its hole only.
    box = bounding_box(hole, int(np.ceil(_MARGIN * max(hole.shape) / size)))
    blended = restored.copy()
    part, hole = part_of(blended, box), part_of(hole, box)
    alignment = alignment.from_corner(*box[:2])
    small_hole = alignment.crop_mask(hole)
    # Of the network's picture, too, only what is around the hole is read.
    window = _window(hole, alignment, size)
    # Each side of the border is resampled without the other.
    inside, outside = (alignment.crop(part, side, window) for side in (~hole, hole))
    small_hole, alignment = (
        part_of(small_hole, window),
        alignment.to_corner(*window[:2]),
    )
    small = np.where(small_hole[..., None], inside, outside)
    small = poisson_blend(small.astype(np.float32), small_hole, ~small_hole, size=size)
    paste(part, small, hole, hole, alignment, (0, 0, *hole.shape[::-1]))
    return blended


def _window(hole: np.ndarray, alignment: Alignment, size: int) -> Box:
    """The part of an upright crop that decides what is pasted into a hole."""
    left, top, right, bottom = bounding_box(hole, margin=0)
    corners = np.array([(left, top), (right, bottom)]) - 0.5
    margin = SEAM + _MARGIN + math.ceil(2 * alignment.density)
    low, high = alignment(corners)
    low = np.clip(np.floor(low).astype(int) - margin, 0, size)
    high = np.clip(np.ceil(high).astype(int) + margin, 0, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def paste(
    image: np.ndarray,
    restored: np.ndarray,
    hole: np.ndarray,
    unknown: np.ndarray,
    alignment: Alignment,
    box: Box,
) -> None:
    """Pastes a restored crop into a hole of its photograph, in place.

    Args:
      image: uint8 [H, W, 3], the photograph.
      restored: float32 [S, S, 3], a crop of it.
      hole: bool [H, W], which pixels to replace.
      unknown: bool [H, W], which pixels of the photograph tell nothing about detail.
      alignment: Of the crop.
      box: Around the hole, with known pixels on all sides where there are any.
    """
    part, hole = part_of(image, box), part_of(hole, box)
    values = extend_detail(
        alignment.to_photo(restored, box),
        part,
        ~part_of(unknown, box),
        reach=1.0 / alignment.density,
    )
    part[hole] = np.clip(np.rint(values[hole]), 0, 255).astype(np.uint8)


def poisson_blend(
    image: np.ndarray, hole: np.ndarray, known: np.ndarray, *, size: int = 0
) -> np.ndarray:
    """Removes the step in color at the border of a hole.

    Args:
      image: Float [H, W, C], restored.
      hole: bool [H, W], the restored pixels, which may change.
      known: bool [H, W], reliable pixels; those outside the hole never change.
      size: Side of the picture that the image is a part of; 0 if it is the whole.

    Returns:
      Float [H, W, C]; not clipped.
    """
    if not hole.any() or not (known & ~hole).any():
        return image
    padded = np.pad(image, ((1,), (1,), (0,)))
    border = np.pad(known & ~hole, 1)
    height, width = hole.shape
    steps = np.zeros(image.shape)
    for down, right in _NEIGHBORS:
        moved = slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width)
        steps += border[moved][..., None] * (padded[moved].astype(np.float64) - image)
    screen = 1.0 / (_REACH * (size or len(hole))) ** 2
    blended = image.copy()
    left, top, right, bottom = box = bounding_box(hole, margin=0)
    around = np.pad(hole | known, 1)[top : bottom + 2, left : right + 2]
    if part_of(hole, box).all() and _on_all_sides(around):
        correction = _solve_rectangle(part_of(steps, box), screen)
        part_of(blended, box)[...] += correction.astype(image.dtype)
        return blended
    solve = _solver(hole.tobytes(), (known & ~hole).tobytes(), hole.shape, screen)
    blended[hole] += solve(steps[hole]).astype(image.dtype)
    return blended


def _on_all_sides(around: np.ndarray) -> bool:
    """Whether each pixel at the border of a rectangle [h, w] has a neighbor beyond it.

    `around` is bool [h + 2, w + 2]; its corners are nobody's neighbors.
    """
    sides = (around[0, 1:-1], around[-1, 1:-1], around[1:-1, 0], around[1:-1, -1])
    return all(side.all() for side in sides)


def _solve_rectangle(steps: np.ndarray, screen: float) -> np.ndarray:
    """Solves (screen - Laplacian) x = steps, [h, w, C], with x = 0 around it.

    Sines are the eigenvectors: exact, and 20 times as fast as a factorization.
    """
    rows, columns = (
        2.0 - 2.0 * np.cos(np.pi * np.arange(1, side + 1) / (side + 1))
        for side in steps.shape[:2]
    )
    values = (screen + rows[:, None] + columns)[..., None]
    sines = scipy.fft.dstn(steps, type=1, axes=(0, 1))
    return scipy.fft.idstn(sines / values, type=1, axes=(0, 1))


@functools.lru_cache(maxsize=4)  # a folder's pictures often have the same hole
def _solver(
    hole_bytes: bytes, border_bytes: bytes, shape: tuple[int, int], screen: float
) -> Callable[[np.ndarray], np.ndarray]:
    """The factorized equation of a hole of any shape: [N, C] -> [N, C].

    Args:
      hole_bytes: bool [H, W], N of them true.
      border_bytes: bool [H, W], the known pixels outside.
      shape: H, W.
      screen: As of `_solve_rectangle`.
    """
    hole, border = (
        np.pad(np.frombuffer(data, bool).reshape(shape), 1)
        for data in (hole_bytes, border_bytes)
    )
    rows, columns = np.nonzero(hole)
    count = len(rows)
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(count)
    diagonal, pairs = np.full(count, screen), []
    for down, right in _NEIGHBORS:
        row, column = rows + down, columns + right
        both = np.flatnonzero(hole[row, column])
        pairs.append((both, number[row[both], column[both]]))
        diagonal += hole[row, column] | border[row, column]
    first, second = (np.concatenate(side) for side in zip(*pairs))
    matrix = scipy.sparse.coo_matrix(
        (np.full(len(first), -1.0), (first, second)), (count, count)
    ) + scipy.sparse.diags(diagonal)
    return scipy.sparse.linalg.splu(matrix.tocsc()).solve


def extend_detail(
    values: np.ndarray, image: np.ndarray, known: np.ndarray, *, reach: float
) -> np.ndarray:
    """Extends the detail of the known pixels into the hole.

    A network's picture, enlarged, is smoother than the photograph around it, and even
    with the right colors a line shows where one ends and the other begins. What the
    known pixels at the border have beyond the enlarged picture is added to the pixels
    behind it, less with each pixel of distance.

    Args:
      values: Float [H, W, C], a restored picture at the photograph's size.
      image: uint8 [H, W, C], the photograph.
      known: bool [H, W].
      reach: The distance in pixels at which 37% of the detail is left.

    Returns:
      Float [H, W, C]; the photograph's own values where it is known.
    """
    if not known.any():
        return values
    distance, nearest = scipy.ndimage.distance_transform_edt(
        ~known, return_indices=True
    )
    detail = (image - values)[tuple(nearest)]
    # The first pixel of a hole is at distance 1.
    share = np.exp(-np.maximum(distance - 1.0, 0.0) / reach)
    return values + detail * share[..., None].astype(values.dtype)
