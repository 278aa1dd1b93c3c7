"""Which holes a network fills, and what it says of any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from models import holes


@dataclasses.dataclass(frozen=True)
class Fillable:
    """The holes that a network fills.

    Attributes:
      side: Of the largest one, a square, in the network's pixels; 0 = any hole at all.
      centered: Nothing but the square of that side in the image's center.
    """

    side: int = 0
    centered: bool = False

    def settle(self, mask: tf.Tensor) -> tf.Tensor:
        """Makes the center's mask of one that a resize has moved by up to a pixel.

        Args:
          mask: [B, S, S, 1] of 0 and 1.
        """
        if not self.centered:
            return mask
        size = mask.shape[1]
        inner, center, outer = (_center(size, self.side + 2 * d) for d in (-1, 0, 1))
        near = tf.reduce_all(
            (mask >= inner) & (mask <= outer), axis=[1, 2, 3], keepdims=True
        )
        return tf.where(near, center, mask)

    def assertions(self, mask: tf.Tensor) -> list[tf.Operation]:
        """Operations that fail where the network cannot fill a hole.

        Args:
          mask: [B, S, S, 1] of 0 and 1.
        """
        if not self.side:
            return []
        size = mask.shape[1]
        square = f"{self.side}x{self.side} pixels"
        if self.centered:
            wrong = tf.abs(mask - _center(size, self.side))
            rule = f"the hole of {square} in the center of a picture of {size}x{size}"
            rule += ", and none elsewhere or of another size."
        else:
            inside = holes.crop_hole(mask, mask, self.side)
            wrong = tf.reduce_sum(mask) - tf.reduce_sum(inside)
            rule = f"one hole of up to {square} in a picture of {size}x{size}."
        return [
            tf.debugging.assert_less(
                tf.reduce_sum(wrong), 0.5, f"This model fills {rule}"
            )
        ]


@tf.keras.utils.register_keras_serializable("facemend")
class HoleCheck(tf.keras.layers.Layer):
    """Passes on masks of holes that a network fills; others are errors.

    [B, S, S, 1] of 0 and 1 -> the same. It holds wherever the model is called from,
    and needs no code of this package to be loaded.

    Args:
      fillable: A `Fillable`, or its attributes by name.
      **options: Of `tf.keras.layers.Layer`; dtype is set.

    Raises:
      tf.errors.InvalidArgumentError: When called; it says what the network fills.
    """

    def __init__(self, fillable: Fillable | Mapping[str, Any], **options):
        super().__init__(**{**options, "dtype": "float32"})
        if not isinstance(fillable, Fillable):
            fillable = Fillable(**fillable)
        self.fillable = fillable

    def call(self, mask):
        """Fails, or returns the mask."""
        with tf.control_dependencies(self.fillable.assertions(mask)):
            return tf.identity(mask)

    def get_config(self):
        """What makes this layer again."""
        return {
            **super().get_config(),
            "fillable": dataclasses.asdict(self.fillable),
        }


def _center(size: int, side: int) -> tf.Tensor:
    """The mask of the square of a side in the center, float32 [size, size, 1]."""
    start = (size - side) // 2
    position = tf.range(size)
    inside = (position >= start) & (position < start + side)
    return tf.cast(inside[:, None] & inside[None, :], tf.float32)[..., None]
