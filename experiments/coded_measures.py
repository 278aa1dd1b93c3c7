"""What came back of images, measured: as a whole, under a face mask, and on the face.

A measure takes originals and what came back, both float32 [B, S, S, 3] in [0, 1], and
which of the images they are, and returns {"region/metric": [B]}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tqdm

from data_pipeline import pixels
from data_pipeline.face_masks import FoundMasks
from evaluation import metrics
from evaluation.rate_distortion import BITS
from experiments.coded_images import Coded

BYTES = "file/bytes"

Measure = Callable[[np.ndarray, np.ndarray, slice], Mapping[str, np.ndarray]]


def measure(
    images: np.ndarray,
    coded: Coded,
    measures: Sequence[Measure] = (),
    *,
    progress: str | None = None,
) -> dict[str, np.ndarray]:
    """Measures what came back of images, and what it took.

    Args:
      images: The originals, uint8 [N, S, S, 3].
      coded: From `coded_images`, of the same images in the same order.
      measures: What to measure; see above.
      progress: What the progress bar is called; None shows none.

    Returns:
      {"file/bytes", "file/bits_per_pixel", of the S x S pixels, and what the measures
      give: float64 [N]}.

    Raises:
      ValueError: If other than N images came back.
    """
    columns: dict[str, list[np.ndarray]] = {}
    size, done = images.shape[1], 0
    bar = tqdm.tqdm(
        total=len(images), desc=progress, unit=" images", disable=progress is None
    )
    with bar:
        for restored, lengths in coded:
            here = slice(done, done + len(restored))
            done = here.stop
            if done > len(images):
                break
            target = pixels.bytes_to_unit(np.asarray(images[here])).numpy()
            values = {BYTES: lengths, BITS: 8 * lengths / size**2}
            for one in measures:
                values.update(one(target, restored, here))
            for key, value in values.items():
                columns.setdefault(key, []).append(np.asarray(value, np.float64))
            bar.update(len(restored))
    if done != len(images):
        raise ValueError(
            f"Of {len(images)} images {done} came back; each must, in their order."
        )
    return {key: np.concatenate(parts) for key, parts in columns.items()}


def whole(
    names: Sequence[str],
    *,
    extra: Mapping[str, Callable] | None = None,
    lpips: Callable | None = None,
) -> Measure:
    """Every metric of whole images, under "raw/".

    Args:
      names: Of the images.
      extra: More of them, {"raw/metric": (target, restored, names) -> [B]}.
      lpips: `(target, restored) -> [B]`, or None to leave LPIPS out.
    """

    def measured(target, restored, here: slice) -> dict[str, np.ndarray]:
        everything = np.ones([*target.shape[:3], 1], np.float32)
        values = metrics.measure(
            target, restored, everything, lpips=lpips, regions=("raw",)
        )
        for key, metric in (extra or {}).items():
            values[key] = np.asarray(metric(target, restored, names[here]))
        return values

    return measured


def masked(faces: FoundMasks, entire: Measure) -> Measure:
    """Every metric of images that are black but for the face, and errors on faces.

    Args:
      faces: Of the images.
      entire: From `whole`.

    Returns:
      A measure of the regions "masked", both images multiplied by the mask, and "face",
      means over the mask's pixels; NaN for images in which no face was found.
    """

    def measured(target, restored, here: slice) -> dict[str, np.ndarray]:
        mask = faces.masks[here].astype(np.float32)
        seen = np.clip(restored, 0, 1) * mask
        found = {
            f"masked/{key.rpartition('/')[2]}": values
            for key, values in entire(target * mask, seen, here).items()
        }
        found.update(on_faces(target, restored, mask))
        return {
            key: np.where(faces.found[here], values, np.nan)
            for key, values in found.items()
        }

    return measured


def on_faces(target, restored, mask) -> dict[str, np.ndarray]:
    """Errors as means over the pixels of a mask.

    Args:
      target: float32 [B, S, S, 3] in [0, 1].
      restored: The same; clipped.
      mask: [B, S, S, 1], 1 = face.

    Returns:
      {"face/l1_percent", "face/mae", "face/mse", "face/psnr_db": float64 [B]}; NaN
      where the mask is empty.
    """
    error = (np.clip(restored, 0, 1) - target) * np.asarray(mask, np.float64)
    count = target.shape[-1] * np.sum(mask, axis=(1, 2, 3), dtype=np.float64)
    count[count == 0] = np.nan
    absolute = np.abs(error).sum(axis=(1, 2, 3)) / count
    squared = np.square(error).sum(axis=(1, 2, 3)) / count
    floor = 10 ** (-metrics.PSNR_CAP_DB / 10)
    return {
        "face/l1_percent": 100 * absolute,
        "face/mae": absolute,
        "face/mse": squared,
        "face/psnr_db": -10 * np.log10(np.maximum(squared, floor)),
    }
