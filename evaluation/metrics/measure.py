"""Image metrics on three regions of a restored image.

Every metric is `(target, restored) -> [B]` float32 for RGB images [B, H, W, 3] in
[0, 1]; values outside are clipped, nothing is rounded to uint8. `measure` reports
them on

  hole       only the missing pixels; metrics that need a neighborhood (SSIM, MS-SSIM,
             LPIPS) see the composite, cropped to the hole's bounding box
  composite  the restored pixels pasted into the known ones
  raw        the whole output of the restorer

Sources: SSIM is Wang et al. 2004 (11×11 Gaussian, sigma 1.5, K1 0.01, K2 0.03, per
channel, then averaged), MS-SSIM Wang et al. 2003 with their five weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from evaluation.metrics.ssim import (
    as_images,
    minimum_size,
    ms_ssim,
    ms_ssim_3,
    ms_ssim_5w,
    ssim,
)

REGIONS = ("hole", "composite", "raw")

# Identical images have an infinite PSNR, and one would make the mean over a test set
# infinite. The cap (a mean squared error of 1e-10) touches identical images only.
PSNR_CAP_DB = 100.0
_LEAST_MSE = 10 ** (-PSNR_CAP_DB / 10)

_CHUNK = 64  # images that `measure` holds at once, a bound on memory

LPIPS = Callable[[np.ndarray, np.ndarray], np.ndarray]


def l1_percent(target, restored) -> tf.Tensor:
    """100 * mean|x - y|, in percent of the full range."""
    return 100.0 * mae(target, restored)


def mae(target, restored) -> tf.Tensor:
    """Mean absolute error."""
    target, restored = as_images("mae", target, restored)
    return tf.reduce_mean(tf.abs(target - restored), axis=[1, 2, 3])


def mse(target, restored) -> tf.Tensor:
    """Mean squared error."""
    target, restored = as_images("mse", target, restored)
    return tf.reduce_mean(tf.square(target - restored), axis=[1, 2, 3])


def psnr_db(target, restored) -> tf.Tensor:
    """-10 log10(mse) of each image, at most `PSNR_CAP_DB`."""
    return -10 / np.log(10) * tf.math.log(tf.maximum(mse(target, restored), _LEAST_MSE))


def paste(target, restored, mask) -> np.ndarray:
    """The composite: restored pixels, clipped to [0, 1], where the mask is over 0.5."""
    return np.where(np.asarray(mask) > 0.5, np.clip(restored, 0, 1), target)


def measure(
    target: np.ndarray,
    restored: np.ndarray,
    mask: np.ndarray,
    *,
    lpips: LPIPS | None = None,
    regions: Sequence[str] = REGIONS,
) -> dict[str, np.ndarray]:
    """Measures restored images on every region.

    Whole images of 161 px and more get `ms_ssim`, smaller ones `ms_ssim_3` and
    `ms_ssim_5w`; the hole always gets the latter two. A metric that is undefined for
    an image (a bounding box below its minimum size, an empty mask) is NaN for that
    image: average with `np.nanmean`.

    Args:
      target: float32 [B, H, W, 3] in [0, 1], the true images.
      restored: The same of a restorer's output.
      mask: [B, H, W, 1], 1 = missing.
      lpips: `(target, restored) -> [B]`, or None to leave LPIPS out. It is not called
        on images below its attribute `minimum_size`, if it has one.
      regions: Which of `REGIONS` to report.

    Returns:
      "region/metric" -> float32 [B].

    Raises:
      ValueError: If shapes do not fit, a region is unknown, or an image holds NaN or
        infinity.
    """
    target, restored = np.asarray(target, "f"), np.asarray(restored, "f")
    mask = np.asarray(mask)
    _check(target, restored, mask, regions)
    chunks = []
    for start in range(0, len(target), _CHUNK):
        part = np.s_[start : start + _CHUNK]
        arrays = (target[part], restored[part], mask[part] > 0.5)
        chunks.append(_measure_chunk(*arrays, lpips, regions))
    return {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}


def _measure_chunk(target, restored, missing, lpips, regions) -> dict[str, np.ndarray]:
    target, restored = np.clip(target, 0, 1), np.clip(restored, 0, 1)
    composite = paste(target, restored, missing)
    values, images = {}, (composite, restored)
    for region in sorted(regions, key=REGIONS.index):
        if region == "hole":
            for name, value in pixel_errors(restored - target, missing).items():
                values[f"hole/{name}"] = value.astype(np.float32)
            values.update(_hole_patches(target, composite, missing, lpips))
            continue
        image = composite if region == "composite" else restored
        # The baselines return known pixels unchanged: both regions are the same image.
        if region == "raw" and "composite" in regions and np.array_equal(*images):
            same = [key for key in values if key.startswith("composite/")]
            values.update({f"raw/{key[10:]}": values[key] for key in same})
            continue
        whole = min(target.shape[1:3]) >= minimum_size("ms_ssim")
        scales = ("ms_ssim",) if whole else ("ms_ssim_3", "ms_ssim_5w")
        for name in (*_PIXELS, "ssim", *scales, *_if_given(lpips)):
            values[f"{region}/{name}"] = _value(name, target, image, lpips)
    return values


def pixel_errors(error: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Errors averaged over the pixels of a mask; NaN where it has none.

    `error` is restored - target, [B, H, W, C]; `mask` [B, H, W, 1] of 0 and 1. Returns
    {"l1_percent", "mae", "mse", "psnr_db": float64 [B]}.
    """
    error = np.where(mask, error, 0).astype(np.float64)
    count = error.shape[-1] * np.sum(mask, axis=(1, 2, 3), dtype=np.float64)
    count[count == 0] = np.nan
    absolute = np.abs(error).sum(axis=(1, 2, 3)) / count
    squared = np.square(error).sum(axis=(1, 2, 3)) / count
    decibels = -10 * np.log10(np.maximum(squared, _LEAST_MSE))
    return {
        "l1_percent": 100 * absolute,
        "mae": absolute,
        "mse": squared,
        "psnr_db": decibels,
    }


def _hole_patches(target, composite, missing, lpips) -> dict[str, np.ndarray]:
    """Neighborhood metrics on bounding boxes; boxes of one size make one batch."""
    names = ("ssim", "ms_ssim_3", "ms_ssim_5w", *_if_given(lpips))
    values = {name: np.full(len(target), np.nan, np.float32) for name in names}
    groups: dict[tuple[int, int], list[tuple[int, tuple]]] = {}
    for i, image in enumerate(missing[..., 0]):
        if image.any():
            rows, columns = (np.flatnonzero(image.any(axis=a)) for a in (1, 0))
            box = np.s_[i, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            size = (rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0])
            groups.setdefault(size, []).append((i, box))
    for members in groups.values():
        indices = [i for i, _ in members]
        patches = [
            np.stack([im[box] for _, box in members]) for im in (target, composite)
        ]
        for name in names:
            values[name][indices] = _value(name, *patches, lpips)
    return {f"hole/{name}": v for name, v in values.items()}


def _value(name, target, restored, lpips) -> np.ndarray:
    """One metric of a batch; NaN where the images are too small for it."""
    if name == "lpips":
        function, smallest = lpips, getattr(lpips, "minimum_size", 1)
    else:
        function, smallest = _FUNCTIONS[name], minimum_size(name)
    if min(target.shape[1:3]) < smallest:
        return np.full(len(target), np.nan, np.float32)
    return np.asarray(function(target, restored), np.float32)


def _if_given(lpips) -> tuple[str, ...]:
    return () if lpips is None else ("lpips",)


def _check(target, restored, mask, regions) -> None:
    shape = target.shape
    if len(shape) != 4 or shape[3] != 3 or not len(target):
        raise ValueError(f"target must be [B, H, W, 3] with B >= 1; got {shape}.")
    if restored.shape != shape or mask.shape != (*shape[:3], 1):
        raise ValueError(
            f"restored must have target's shape {shape} and mask {(*shape[:3], 1)}; "
            f"got {restored.shape} and {mask.shape}."
        )
    if not set(regions) <= set(REGIONS):
        raise ValueError(f"regions must be among {REGIONS}; got {tuple(regions)}.")
    for name, images in (("target", target), ("restored", restored)):
        broken = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
        if len(broken):
            raise ValueError(
                f"{name} holds NaN or infinity in {len(broken)} of {len(images)} "
                f"images (the first is number {broken[0]}), so nothing can be "
                "measured. Look for the first NaN loss of the run that made it."
            )


_PIXELS = ("l1_percent", "mae", "mse", "psnr_db")
_FUNCTIONS = {
    f.__name__: f
    for f in (l1_percent, mae, mse, psnr_db, ssim, ms_ssim, ms_ssim_3, ms_ssim_5w)
}


def psnr_db_uint8(image: np.ndarray, other: np.ndarray) -> float:
    """PSNR of two uint8 [H, W, 3], at most `PSNR_CAP_DB`."""
    # Row by row, because the squares of large images take much memory.
    rows = (np.subtract(a, b, dtype=np.int32) for a, b in zip(image, other))
    mse = sum(int(np.square(row).sum()) for row in rows) / image.size / 255**2
    return float(-10 * np.log10(max(mse, _LEAST_MSE)))
