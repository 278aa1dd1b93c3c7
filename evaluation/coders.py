"""One pass over images: every coder makes a real file of each and reads it again."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tqdm

from data_pipeline import pixels
from evaluation import metrics, record
from evaluation.rate_distortion import BITS
from evaluation.record import Evaluation

PSNR = "file/psnr_db"
_AT_ONCE = 64  # images, a bound on memory


@dataclasses.dataclass(frozen=True)
class Coder:
    """A way to make a picture a file, at one setting.

    Attributes:
      encode: uint8 [H, W, 3] -> all bytes of the file.
      decode: These bytes -> uint8 [H, W, 3].
      parallel: Whether threads may use it at the same time, and gain by that.
    """

    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes], np.ndarray]
    parallel: bool = False


def similarity_key(size: int) -> str:
    """The MS-SSIM of images with sides of so many pixels.

    As published from 161 pixels on; below, with a window that shrinks.
    """
    whole = size >= metrics.minimum_size("ms_ssim")
    return "file/ms_ssim" if whole else "file/ms_ssim_5w"


def measure(
    coders: Mapping[str, Coder],
    images: np.ndarray,
    names: Sequence[str],
    *,
    progress: str | None = "compress",
) -> Evaluation:
    """Measures coders side by side on the same images.

    Args:
      coders: By name; they are the evaluation's restorers.
      images: uint8 [N, S, S, 3].
      names: Of the N images.
      progress: What the progress bar is called; None shows none.

    Returns:
      "file/bits_per_pixel", of whole files, "file/psnr_db" and `similarity_key`, of the
      decoded 8-bit pictures. The fingerprint is that of images all of which is missing.

    Raises:
      ValueError: If images and names differ in number, or a coder fails on an image or
        gives one of another shape.
    """
    if len(images) != len(names) or not len(images):
        raise ValueError(
            f"Each image must have a name; got {len(images)} and {len(names)}."
        )
    size = images.shape[1]
    alike = similarity_key(size)
    functions = {
        PSNR: metrics.psnr_db,
        alike: getattr(metrics, alike.rpartition("/")[2]),
    }
    values = {
        name: {key: np.empty(len(names)) for key in (BITS, *functions)}
        for name in coders
    }
    bar = tqdm.tqdm(
        total=len(coders) * len(names),
        desc=progress,
        unit=" files",
        disable=progress is None,
    )
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, bar:
        for start in range(0, len(names), _AT_ONCE):
            here = slice(start, start + _AT_ONCE)
            originals = np.asarray(images[here])
            target = pixels.bytes_to_unit(originals)
            for name, coder in coders.items():
                code = functools.partial(_there_and_back, name, coder)
                mapped = (pool.map if coder.parallel else map)(
                    code, originals, names[here]
                )
                lengths, decoded = zip(*mapped)
                restored = pixels.bytes_to_unit(np.stack(decoded))
                values[name][BITS][here] = 8 * np.array(lengths) / size**2
                for key, function in functions.items():
                    values[name][key][here] = function(target, restored)
                bar.update(len(originals))
    everything = np.ones([size, size])
    fingerprint = record.fingerprint(names, (everything for _ in names))
    return Evaluation(tuple(names), values, np.ones(len(names)), fingerprint)


def _there_and_back(
    name: str, coder: Coder, image: np.ndarray, image_name: str
) -> tuple[int, np.ndarray]:
    """Bytes of the file, and what is decoded from it."""
    try:
        data = coder.encode(image)
        decoded = coder.decode(data)
    except ValueError as error:
        raise ValueError(f"{name} fails on {image_name}: {error}") from error
    if decoded.dtype != np.uint8 or decoded.shape != image.shape:
        raise ValueError(
            f"{name} made {decoded.dtype} {list(decoded.shape)} of {image_name}, which "
            f"is {image.dtype} {list(image.shape)}."
        )
    return len(data), decoded
