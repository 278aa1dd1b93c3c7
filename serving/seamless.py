"""A picture that was restored as a whole, without the seam around its hole.

A served model pastes what its network has drawn, as it is: that is what its signatures
promise. Where people look at the picture, it is fitted to what is known around it.
"""

from __future__ import annotations

import numpy as np

from serving import blending
from serving.alignment import around, part_of, squeeze

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
    small = blending.blend(small, small_hole, ~small_hole)
    values = way.enlarged(small, (0, 0, part.shape[1], part.shape[0]))
    values = blending.sharpen(values, part, ~hole, reach=1.0 / way.density)
    fitted = restored.copy()
    part_of(fitted, box)[hole] = np.clip(np.rint(values[hole]), 0, 255)
    return fitted
