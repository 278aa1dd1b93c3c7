"""Rate and quality of coded images: real files are written, read and measured.

A round trip yields the decoded images of a codec and the bytes of their files, batch by
batch. `measure_round_trip` turns one into values per image, `evaluate_codecs` several
into an `Evaluation`.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import tqdm

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from data_pipeline.face_masks.finder import FoundMasks
from evaluation import record
from evaluation.metrics import measure as metrics
from evaluation.record import Evaluation

BITS, BYTES, PSNR = "file/bits_per_pixel", "file/bytes", "file/psnr_db"
LPIPS = "file/lpips"
_BATCH = 64  # images, a bound on memory

# Batches of (decoded images float32 [B, S, S, 3] in [0, 1], bytes of their files [B]).
RoundTrip = Iterable[tuple[np.ndarray, np.ndarray]]
# (target, decoded, which of the images) -> {"region/metric": [B]}
Measure = Callable[[np.ndarray, np.ndarray, slice], Mapping[str, np.ndarray]]


class Codec(Protocol):
    """Writes images as files and reads them."""

    def compress(self, image: np.ndarray) -> bytes:
        """uint8 [H, W, 3] -> all bytes of a file."""

    def decompress(self, data: bytes) -> np.ndarray:
        """All bytes of a file -> uint8 [H, W, 3]."""


def codec_round_trip(
    codec: Codec, images: np.ndarray, names: Sequence[str], *, parallel: bool = False
) -> RoundTrip:
    """Compresses and decompresses images, uint8 [N, S, S, 3].

    With `parallel` threads share the codec, which makes Pillow's formats faster.

    Raises:
      ValueError: If the codec fails on an image or returns another shape.
    """

    def code(item: tuple[np.ndarray, str]) -> tuple[np.ndarray, int]:
        image, name = item
        try:
            data = codec.compress(np.asarray(image))
            decoded = codec.decompress(data)
        except ValueError as error:
            raise ValueError(f"{name} cannot be coded: {error}") from error
        if decoded.dtype != np.uint8 or decoded.shape != image.shape:
            raise ValueError(
                f"{name} came back as {decoded.dtype} {list(decoded.shape)}; it is "
                f"{image.dtype} {list(image.shape)}."
            )
        return decoded, len(data)

    return _batches(code, zip(images, names), parallel=parallel)


def full_size_round_trip(
    codec: Codec, split: DecodedSplit, *, crop: str, resize: str = "bicubic"
) -> RoundTrip:
    """Compresses and decompresses images at their original size, then shrinks them.

    Threads share the codec. `split` is of `decoded.decode`, which cropped by `crop`
    and resized by `resize`; files are written before cropping.

    Raises:
      UnreadableImageError: If an image no longer exists.
    """
    position = {name: i for i, name in enumerate(split.source.names)}

    def code(read: Callable[[], dict]) -> tuple[np.ndarray, int]:
        data = codec.compress(read()["image"])
        element = {"image": codec.decompress(data)}
        size = split.images.shape[1]
        fitted = pixels.fit(element, size=size, crop=crop, filter=resize)
        return fitted["image"], len(data)

    readers = split.source.readers([position[name] for name in split.names])
    return _batches(code, readers, parallel=True)


def network_round_trip(
    restore: Callable, batches: Iterable, *, length: int
) -> RoundTrip:
    """Restores images with a network, counting `length` bytes for each.

    `restore` is inputs -> float32 [B, S, S, 3] in [0, 1], and `batches` are of (inputs,
    target), in the order of the images.
    """
    for inputs, _ in batches:
        restored = np.asarray(restore(inputs), np.float32)
        yield restored, np.full(len(restored), float(length))


def constant_round_trip(image: np.ndarray, count: int) -> RoundTrip:
    """The same image, float32 [S, S, 3] in [0, 1], `count` times at 0 bytes."""
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        yield np.broadcast_to(image, [size, *image.shape]), np.zeros(size)


def _batches(
    code: Callable[[Any], tuple[np.ndarray, int]], items: Iterable, *, parallel: bool
) -> RoundTrip:
    """Applies `code`, item -> (uint8 [S, S, 3], bytes), batch by batch."""
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        while batch := list(itertools.islice(items, _BATCH)):
            images, lengths = zip(*(pool.map if parallel else map)(code, batch))
            yield (
                pixels.bytes_to_unit(np.stack(images)).numpy(),
                np.array(lengths, float),
            )


def measure_round_trip(
    images: np.ndarray,
    round_trip: RoundTrip,
    measures: Sequence[Measure] = (),
    *,
    progress: str | None = None,
) -> dict[str, np.ndarray]:
    """Measures one round trip of images, uint8 [N, S, S, 3], in their order.

    `measures` are such as `named_metrics`, `whole` and `masked` return; `progress` is
    the title of the progress bar, or None.

    Returns:
      {key: float64 [N]}: `BYTES`, `BITS` per pixel, and the keys of the measures.

    Raises:
      ValueError: If other than N images came back.
    """
    with _progress(len(images), progress) as bar:
        return _measure(images, round_trip, measures, bar)


def evaluate_codecs(
    round_trips: Mapping[str, RoundTrip],
    images: np.ndarray,
    names: Sequence[str],
    *,
    keys: Sequence[str] = (),
    lpips: Callable | None = None,
    progress: str | None = "compress",
) -> Evaluation:
    """Measures round trips of the same images, uint8 [N, S, S, 3], side by side.

    Args:
      round_trips: By codec and setting; the evaluation's restorers.
      images: The originals.
      names: Of the N images.
      keys: Metrics, see `named_metrics`; by default `PSNR` and `similarity_key`.
      lpips: `(target, decoded) -> [B]`, or None to leave LPIPS out.
      progress: Title of the progress bar; None shows none.

    Returns:
      `BITS` per pixel and `keys`. The fingerprint is that of images without a known
        pixel.

    Raises:
      ValueError: If images and names differ in number, or a codec fails.
    """
    if len(images) != len(names) or not len(images):
        raise ValueError(
            f"Each image must have a name; got {len(images)} and {len(names)}."
        )
    size, values = images.shape[1], {}
    measures = [named_metrics(keys or (PSNR, similarity_key(size)))]
    if lpips is not None:
        measures.append(lambda target, decoded, here: {LPIPS: lpips(target, decoded)})
    with _progress(len(round_trips) * len(images), progress) as bar:
        for name, round_trip in round_trips.items():
            try:
                values[name] = _measure(images, round_trip, measures, bar)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            del values[name][BYTES]  # `BITS` says the same.
    everything = np.ones([size, size])
    fingerprint = record.fingerprint(names, (everything for _ in names))
    return Evaluation(tuple(names), values, np.ones(len(names)), fingerprint)


def _progress(count: int, title: str | None) -> tqdm.tqdm:
    return tqdm.tqdm(total=count, desc=title, unit=" images", disable=title is None)


def _measure(images, round_trip, measures, bar) -> dict[str, np.ndarray]:
    columns: dict[str, list[np.ndarray]] = {}
    size, done = images.shape[1], 0
    for decoded, lengths in round_trip:
        here = slice(done, done + len(decoded))
        done = here.stop
        if done > len(images):
            break
        target = pixels.bytes_to_unit(np.asarray(images[here])).numpy()
        values = {BYTES: lengths, BITS: 8 * lengths / size**2}
        for measure in measures:
            values.update(measure(target, decoded, here))
        for key, value in values.items():
            columns.setdefault(key, []).append(np.asarray(value, np.float64))
        bar.update(len(decoded))
    if done != len(images):
        raise ValueError(
            f"Of {len(images)} images {done} came back; each must, in their order."
        )
    return {key: np.concatenate(parts) for key, parts in columns.items()}


def similarity_key(size: int) -> str:
    """The MS-SSIM of images of this side: as published from 161 px on, else shrunk."""
    published = size >= metrics.minimum_size("ms_ssim")
    return "file/ms_ssim" if published else "file/ms_ssim_5w"


def named_metrics(keys: Sequence[str]) -> Measure:
    """Metrics of `evaluation.metrics.measure`, such as "file/psnr_db"."""
    functions = {key: getattr(metrics, key.rpartition("/")[2]) for key in keys}
    return lambda target, decoded, here: {
        key: function(target, decoded) for key, function in functions.items()
    }


def whole(
    names: Sequence[str],
    *,
    extra: Mapping[str, Callable] | None = None,
    lpips: Callable | None = None,
) -> Measure:
    """Every metric of whole images, in the region "raw".

    `extra` holds more metrics, {"raw/metric": (target, decoded, names) -> [B]}; `lpips`
    is `(target, decoded) -> [B]`, or None to leave LPIPS out.
    """

    def measure(target, decoded, here: slice) -> dict[str, np.ndarray]:
        everything = np.ones([*target.shape[:3], 1], np.float32)
        values = metrics.measure(
            target, decoded, everything, lpips=lpips, regions=("raw",)
        )
        for key, metric in (extra or {}).items():
            values[key] = np.asarray(metric(target, decoded, names[here]))
        return values

    return measure


def masked(faces: FoundMasks, entire: Measure) -> Measure:
    """Metrics of images that are black outside the face, and errors inside it.

    Returns:
      A measure of two regions: "masked", where both images are multiplied by the mask
      before `entire`, of `whole`, measures them, and "face", errors averaged over its
      pixels. Images without a face are NaN.
    """

    def measure(target, decoded, here: slice) -> dict[str, np.ndarray]:
        mask = faces.masks[here].astype(np.float32)
        black = np.clip(decoded, 0, 1) * mask
        values = _in_region("masked", entire(target * mask, black, here))
        errors = metrics.pixel_errors(np.clip(decoded, 0, 1) - target, mask)
        values.update({f"face/{name}": value for name, value in errors.items()})
        return _where_found(faces, here, values)

    return measure


def masked_before(faces: FoundMasks, entire: Measure) -> Measure:
    """Metrics of round trips of images that are black outside the face already.

    Returns:
      A measure of two regions: "masked_input", what came back as it is, and
      "masked_both", made black outside the face again. Images without a face are NaN.
    """

    def measure(target, decoded, here: slice) -> dict[str, np.ndarray]:
        decoded = np.clip(decoded, 0, 1)
        black = decoded * faces.masks[here].astype(np.float32)
        values = {
            **_in_region("masked_input", entire(target, decoded, here)),
            **_in_region("masked_both", entire(target, black, here)),
        }
        return _where_found(faces, here, values)

    return measure


def _in_region(region: str, values: Mapping[str, np.ndarray]) -> dict:
    return {f"{region}/{key.rpartition('/')[2]}": v for key, v in values.items()}


def _where_found(faces: FoundMasks, here: slice, values: Mapping) -> dict:
    """NaN where no face was found."""
    return {key: np.where(faces.found[here], v, np.nan) for key, v in values.items()}
