"""A mean squared error that overflows, to explain a published table with.

Tan prints 1.9e-4, 4.5e-4 and 9.3e-4 for bicubic by 2, 4 and 8. Of faces of that size
the true errors are larger and grow faster. An error of about that size and growth is
what comes out where 8-bit images are subtracted and squared in 8-bit arithmetic, as
`((a - b) ** 2).mean()` of two uint8 arrays does.
"""

from __future__ import annotations

import numpy as np

from data_pipeline import pixels
from evaluation import structure


def mse_uint8_wrap(target, restored) -> np.ndarray:
    """The mean of ((x - y)² modulo 256) / 255² over 8-bit values.

    It equals the mean squared error as long as no value differs by 16 levels or more;
    beyond, it says nothing: a difference of 16 counts as none.

    Args:
      target: [B, H, W, 3] in [0, 1], rounded to 8 bits here.
      restored: The same.

    Returns:
      float32 [B].
    """
    images = structure.as_images("mse_uint8_wrap", target, restored)
    target, restored = (pixels.unit_to_bytes(image).numpy() for image in images)
    # NumPy's uint8 arithmetic wraps, in the difference and in the square.
    squared = (target - restored) ** 2
    return squared.mean(axis=(1, 2, 3), dtype=np.float64).astype(np.float32) / 255**2
