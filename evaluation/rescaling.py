"""What an auto-encoder is compared with: bicubic to fewer pixels and back.

A restorer of these takes inputs with "image", float32 [B, H, W, 3] in [0, 1], rounds
it to 8 bits, shrinks it with Pillow's antialiased bicubic filter, enlarges it with the
same, in 8 bits both ways, and returns float32 [B, H, W, 3] in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_pipeline import pixels
from evaluation.baselines import Restorer

FACTORS = (2, 4, 8)


def restorers() -> dict[str, Restorer]:
    """A restorer for each of `FACTORS`, under its display name."""
    return {f"bicubic {factor}×": bicubic(factor) for factor in FACTORS}


def bicubic(factor: int) -> Restorer:
    """A restorer that keeps one pixel of factor × factor.

    A side that `factor` does not divide is shrunk to the nearest whole number of
    pixels, halves up, and to 1 at least; 250 px become 63 by a factor of 4.
    """

    def rescaled(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[:2]
        shrunk = [max((side + factor // 2) // factor, 1) for side in (height, width)]
        return pixels.resize(pixels.resize(image, *shrunk), height, width)

    def restore(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        levels = pixels.unit_to_bytes(inputs["image"]).numpy()
        images = np.stack([rescaled(image) for image in levels])
        return pixels.bytes_to_unit(images).numpy()

    return restore
