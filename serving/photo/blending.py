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

import numpy as np
import scipy.ndimage
import scipy.sparse.linalg

from serving.photo.alignment import Alignment, Box, bounding_box, part_of, squeeze

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
    # Each side of the border is resampled without the other.
    inside, outside = alignment.crop(part, ~hole), alignment.crop(part, hole)
    small = np.where(small_hole[..., None], inside, outside)
    small = poisson_blend(small.astype(np.float32), small_hole, ~small_hole)
    paste(part, small, hole, hole, alignment, (0, 0, *hole.shape[::-1]))
    return blended


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


def poisson_blend(image: np.ndarray, hole: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Removes the step in color at the border of a hole.

    Args:
      image: Float [S, S, C], restored.
      hole: bool [S, S], the restored pixels, which may change.
      known: bool [S, S], reliable pixels; those outside the hole never change.

    Returns:
      Float [S, S, C]; not clipped.
    """
    count = int(hole.sum())
    if not count or not (known & ~hole).any():
        return image
    size = len(hole)
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(count)
    rows, columns = np.nonzero(hole)
    diagonal = np.full(count, 1.0 / (_REACH * size) ** 2)
    steps = np.zeros((count, image.shape[-1]))
    pairs = []
    for down, right in _NEIGHBORS:
        row, column = rows + down, columns + right
        inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
        here = np.flatnonzero(inside)
        row, column = row[inside], column[inside]
        both, border = hole[row, column], known[row, column] & ~hole[row, column]
        pairs.append((here[both], number[row[both], column[both]]))
        diagonal[here[both | border]] += 1.0
        here, row, column = here[border], row[border], column[border]
        steps[here] += image[row, column] - image[rows[here], columns[here]]
    first, second = (np.concatenate(side) for side in zip(*pairs))
    matrix = scipy.sparse.coo_matrix(
        (np.full(len(first), -1.0), (first, second)), (count, count)
    ) + scipy.sparse.diags(diagonal)
    correction = scipy.sparse.linalg.splu(matrix.tocsc()).solve(steps)
    blended = image.copy()
    blended[hole] += correction.astype(image.dtype)
    return blended


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
