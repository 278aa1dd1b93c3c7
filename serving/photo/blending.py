"""Fitting what was restored to what is known around it, so that no seam shows.

Colors first, at the network's own resolution (`blend`), then detail (`sharpen`).

What a network paints is right in its drawing and often a little off in its color, so
that the border of the hole shows. As in Poisson image editing (Perez, Gangnet and
Blake, 2003) a smooth correction is added to the hole, which takes off at the border the
step that was there. Theirs fills the whole hole, theirs being cut out of a finished
picture; this one fades with the distance from the border (a screened Poisson
equation), because a step may also be an edge of the picture, and there is nothing to
be corrected in the middle of a large hole.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse.linalg

from serving.photo.alignment import around, part_of, squeeze

# How far a correction reaches, as a share of the side of the picture: at this distance
# from a straight border 37% of it are left.
_REACH = 1 / 8

_NEIGHBORS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def blend(image: np.ndarray, hole: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The image, with no step at the border of its hole.

    Args:
      image: Float [S, S, C], restored.
      hole: bool [S, S], what of it is restored and may change.
      known: bool [S, S], what of it may be relied on; nothing of this changes.

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


def sharpen(
    values: np.ndarray, image: np.ndarray, known: np.ndarray, *, reach: float
) -> np.ndarray:
    """Lets the detail of the known pixels run out into the hole.

    A network's picture, enlarged, is smoother than the photograph around it, and even
    the best colors leave a line where one ends and the other begins. What the known
    pixels at the border have beyond the enlarged picture is added to the pixels behind
    it, the less the farther they are.

    Args:
      values: Float [H, W, C], a restored picture as large as the photograph.
      image: uint8 [H, W, C], the photograph.
      known: bool [H, W], where it is known.
      reach: The distance in pixels at which 37% of the detail are left.

    Returns:
      Float [H, W, C]; where the photograph is known, it itself.
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


# Pixels of the network around the hole that its surroundings are seen in.
_MARGIN = 6


def seamless(restored: np.ndarray, mask: np.ndarray, size: int) -> np.ndarray:
    """Fits what was pasted into the hole to the pixels around it; see `blending`.

    Args:
      restored: uint8 [H, W, 3], with the network's pixels in the hole.
      mask: uint8 [H, W, 1], 1 = restored.
      size: Side of the square in which the network has seen the picture, pixels.

    Returns:
      uint8 [H, W, 3]; known pixels are unchanged.
    """
    hole = mask[..., 0] > 0
    if not hole.any() or hole.all():
        return restored
    way = squeeze(*hole.shape, size)
    # Where it counts, not in all of a large photograph.
    box = around(hole, int(np.ceil(_MARGIN * max(hole.shape) / size)))
    part, hole = part_of(restored, box), part_of(hole, box)
    way = way.of_part(*box[:2])
    small_hole = way.cut_mask(hole)
    # Each side of the border without anything of the other.
    small = np.where(
        small_hole[..., None], way.cut(part, ~hole), way.cut(part, hole)
    ).astype(np.float32)
    small = blend(small, small_hole, ~small_hole)
    values = way.enlarged(small, (0, 0, part.shape[1], part.shape[0]))
    values = sharpen(values, part, ~hole, reach=1.0 / way.density)
    fitted = restored.copy()
    part_of(fitted, box)[hole] = np.clip(np.rint(values[hole]), 0, 255)
    return fitted
