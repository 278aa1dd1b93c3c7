"""How much of what was invented is the same in every picture.

A network that paints the same eyes into every face can have a low LPIPS, and each
picture looks plausible on its own. Only together do they show it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import cv2
import numpy as np

from evaluation.evaluate import walk
from evaluation.metrics.measure import paste

LEAST = 32  # images; fewer say little
_MOST = 512
_SIGMA = 2.0  # pixels, of the blur that takes the detail away


@dataclasses.dataclass(frozen=True)
class Repetition:
    """Shares of the detail in the holes that all images have in common, at most 1."""

    images: int
    restored: float
    original: float

    def sentence(self) -> str:
        """The shares in words."""
        return (
            f"Of the fine detail in the holes of {self.images:,} restored images "
            f"{self.restored:.0%} is the same in all; of their originals' "
            f"{self.original:.0%}."
        )


def repeated_detail(
    restore: Callable, batches: Iterable, names: list, *, to_unit: Callable
) -> Repetition | None:
    """Measures the first 512 images, or returns None.

    An image's detail d is what a Gaussian blur of 2 pixels takes away from the gray
    composite, in the hole. The share is the mean of <d_i, d_j> over all pairs, divided
    by the mean of <d_i, d_i>: 1 where all images have the same detail, 0 on average
    where they are independent. It needs one hole for all, and 32 images.

    Args:
      restore: Inputs -> float32 [B, H, W, 3] in [0, 1].
      batches: Of (inputs, target), as `evaluate` takes them.
      names: Of all images.
      to_unit: Converts a target to [0, 1].
    """
    if len(names) < LEAST:
        return None
    restored, original, hole = _Details(), _Details(), None
    for _, inputs, target, mask in walk(batches, names, to_unit=to_unit):
        hole = mask[0] if hole is None else hole
        if "mask" not in inputs or (mask != hole).any():
            return None
        output = paste(target, np.asarray(restore(inputs), np.float32), mask)
        restored.add(output, mask)
        original.add(target, mask)
        if restored.images >= _MOST:
            break
    return Repetition(restored.images, restored.share(), original.share())


class _Details:
    """Sums over the details of images."""

    def __init__(self):
        self.images, self.energy, self.total = 0, 0.0, 0.0

    def add(self, images: np.ndarray, masks: np.ndarray) -> None:
        """Adds images [B, H, W, 3] in the holes of masks [B, H, W, 1]."""
        for image, mask in zip(images.mean(axis=-1).astype(np.float64), masks):
            detail = (image - cv2.GaussianBlur(image, (0, 0), _SIGMA)) * mask[..., 0]
            self.images += 1
            self.energy += np.square(detail).sum()
            self.total += detail

    def share(self) -> float:
        """Mean product of two different images over that of an image with itself."""
        pairs = np.square(self.total).sum() - self.energy
        return float(pairs / max((self.images - 1) * self.energy, 1e-12))
