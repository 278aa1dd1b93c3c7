"""The holes that an exported network fills, checked in its graph and before it."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from models import holes


class UnfillableHoleError(ValueError):
    """The model cannot fill a hole; the message says which it can fill."""


@dataclasses.dataclass(frozen=True)
class Fillable:
    """The holes that a network fills."""

    side: int = 0  # of the largest one, a square, in the network's pixels; 0 = any hole
    centered: bool = False  # only the square of that side in the image's center

    def rule(self, size: int) -> str:
        """The holes that are filled in pictures of a size, a sentence."""
        square = f"{self.side}x{self.side} pixels"
        if self.centered:
            return (
                f"This model fills the hole of {square} in the center of a picture of "
                f"{size}x{size}, and none elsewhere or of another size."
            )
        hole = f"one hole of up to {square}"
        return f"This model fills {hole} in a picture of {size}x{size}."

    def prepared(self, mask: np.ndarray) -> np.ndarray:
        """`settle` and `assertions` without TensorFlow, of one mask [S, S, 1].

        Raises:
          UnfillableHoleError: If the hole is not filled.
        """
        if not self.side:
            return mask
        if self.centered:
            size = len(mask)
            inner, center, outer = (
                _square(size, self.side + 2 * d) for d in (-1, 0, 1)
            )
            if (mask >= inner).all() and (mask <= outer).all():
                return center
            wrong = True
        else:
            rows, columns = (np.flatnonzero(mask.any(axis=(a, 2))) for a in (1, 0))
            wrong = max(map(np.ptp, (rows, columns)), default=0) >= self.side
        if wrong:
            raise UnfillableHoleError(self.rule(len(mask)))
        return mask

    def settle(self, mask: tf.Tensor) -> tf.Tensor:
        """Replaces a mask that a resize moved by up to a pixel by the center's."""
        if not self.centered:
            return mask
        size = mask.shape[1]
        inner, center, outer = (_square(size, self.side + 2 * d) for d in (-1, 0, 1))
        near = tf.reduce_all(
            (mask >= inner) & (mask <= outer), axis=[1, 2, 3], keepdims=True
        )
        return tf.where(near, center, mask)

    def assertions(self, mask: tf.Tensor) -> list[tf.Operation]:
        """Operations that fail for a mask [B, S, S, 1] that is not filled."""
        if not self.side:
            return []
        size = mask.shape[1]
        if self.centered:
            wrong = tf.abs(mask - _square(size, self.side))
        else:
            inside = holes.crop_hole(mask, mask, self.side)
            wrong = tf.reduce_sum(mask) - tf.reduce_sum(inside)
        wrong = tf.reduce_sum(wrong)
        return [tf.debugging.assert_less(wrong, 0.5, self.rule(size))]


ANY_HOLE = Fillable()


def _square(size: int, side: int) -> np.ndarray:
    """The mask of the square of a side in the center, float32 [size, size, 1]."""
    square = np.zeros((size, size, 1), np.float32)
    start = (size - side) // 2
    inside = slice(max(start, 0), start + side)
    square[inside, inside] = 1.0
    return square
