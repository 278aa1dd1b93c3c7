"""One pass over images: every coder makes a real file of each and reads it again."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import tqdm

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from data_pipeline.face_masks.finder import FoundMasks
from evaluation import record
from evaluation.codecs.image_formats import ImageFormat
from evaluation.metrics import measure as metrics_measure
from evaluation.metrics.measure import PSNR_CAP_DB, minimum_size, psnr_db
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
    whole = size >= minimum_size("ms_ssim")
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
        PSNR: psnr_db,
        alike: getattr(metrics_measure, alike.rpartition("/")[2]),
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


Coded = Iterable[tuple[np.ndarray, np.ndarray]]


class Codec(Protocol):
    """What makes a file of a picture and a picture of a file."""

    def compress(self, image: np.ndarray) -> bytes:
        """uint8 [H, W, 3] -> a file's bytes."""

    def decompress(self, data: bytes) -> np.ndarray:
        """A file's bytes -> uint8 [H, W, 3]."""


def of_network(restore: Callable, batches: Iterable, *, length: int) -> Coded:
    """What a network makes of images, each of which took `length` bytes.

    Args:
      restore: inputs -> float32 [B, S, S, 3] in [0, 1].
      batches: Of (inputs, target), in the order of the images.
      length: Of what the network is given or keeps.
    """
    for inputs, _ in batches:
        restored = np.asarray(restore(inputs), np.float32)
        yield restored, np.full(len(restored), float(length))


def of_constant(image: np.ndarray, count: int) -> Coded:
    """The same image, float32 [S, S, 3] in [0, 1], for each of so many; 0 bytes."""
    for start in range(0, count, _AT_ONCE):
        here = min(_AT_ONCE, count - start)
        yield np.broadcast_to(image, [here, *image.shape]), np.zeros(here)


def of_codec(codec: Codec, images: np.ndarray) -> Coded:
    """Files of a codec, written and read: images uint8 [N, S, S, 3]."""
    for some in _parts(images):
        files = [codec.compress(image) for image in some]
        yield _stacked((codec.decompress(file), len(file)) for file in files)


def of_format(form: ImageFormat, quality: int, images: np.ndarray) -> Coded:
    """Files of an image format, written and read: images uint8 [N, S, S, 3]."""

    def there_and_back(image: np.ndarray) -> tuple[np.ndarray, int]:
        data = form.encode(image, quality)
        return form.decode(data), len(data)

    return _by_threads(there_and_back, _parts(images))


def of_format_at_full_size(
    form: ImageFormat, quality: int, split: DecodedSplit, *, crop: str
) -> Coded:
    """Files of the images as they are in their own, read again; then made S x S.

    Args:
      form: The format.
      quality: Its own.
      split: What `decoded.decode` made of its source.
      crop: How; a file is of the image before it was cropped.

    Raises:
      UnreadableImageError: If an image is no longer there.
    """
    size = split.images.shape[1]
    position = {name: i for i, name in enumerate(split.source.names)}
    readers = split.source.readers([position[name] for name in split.names])

    def there_and_back(read: Callable[[], dict]) -> tuple[np.ndarray, int]:
        data = form.encode(read()["image"], quality)
        fitted = pixels.fit({"image": form.decode(data)}, size=size, crop=crop)
        return fitted["image"], len(data)

    return _by_threads(there_and_back, _runs(readers))


def _by_threads(there_and_back: Callable, parts: Iterable[Sequence]) -> Coded:
    """Pillow lets other threads run while it works."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for some in parts:
            yield _stacked(pool.map(there_and_back, some))


def _parts(images: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(images), _AT_ONCE):
        yield np.asarray(images[start : start + _AT_ONCE])


def _runs(readers: Iterator[Callable]) -> Iterator[list[Callable]]:
    while some := list(itertools.islice(readers, _AT_ONCE)):
        yield some


def _stacked(pairs: Iterable[tuple[np.ndarray, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of an image uint8 [S, S, 3] and its bytes -> a part of `Coded`."""
    images, lengths = zip(*pairs)
    return pixels.bytes_to_unit(np.stack(images)).numpy(), np.array(lengths, float)


BYTES = "file/bytes"

Measure = Callable[[np.ndarray, np.ndarray, slice], Mapping[str, np.ndarray]]


def measure_faces(
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
        values = metrics_measure.measure(
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
    floor = 10 ** (-PSNR_CAP_DB / 10)
    return {
        "face/l1_percent": 100 * absolute,
        "face/mae": absolute,
        "face/mse": squared,
        "face/psnr_db": -10 * np.log10(np.maximum(squared, floor)),
    }


BITS = "file/bits_per_pixel"
