"""Splits decoded once: every image cropped, resized and kept as uint8.

Training reads them from memory or from one file on disk: no epoch decodes, and no
Python runs between a stored pixel and the network.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
import json
import math
import multiprocessing
import operator
import os
import pathlib
import re
import secrets
import signal
import socket
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm

from data_pipeline import disk, machine, pixels
from data_pipeline.datasets.elements import Source

OPTIONAL_FIELDS = ("attributes", "landmarks", "face_mask", "identity")
NAMED = 10  # images with a problem that are named on the screen
_AHEAD = 64  # images being decoded at once
_IMAGES, _FIELDS = "images.u8", "fields.npz"  # of a disk cache
_FEW = 200  # images that are drawn before processes have begun


@dataclasses.dataclass(frozen=True)
class DecodedSplit:
    """The readable images of one split."""

    source: Source
    names: tuple[str, ...]
    images: np.ndarray  # uint8 [N, S, S, 3], in memory or mapped from `path`
    # Attributes [N, A], landmarks [N, 5, 2], face_mask [N, S, S, 1], identity [N]; what
    # there is.
    fields: dict[str, np.ndarray]
    skipped: tuple[str, ...] = ()  # the error of each image that could not be read
    path: pathlib.Path | None = None  # of a disk cache
    first: int = 0  # the row of `path` that is images[0]

    def __len__(self) -> int:
        return len(self.names)

    def part(self, start: int, stop: int | None = None) -> DecodedSplit:
        """Consecutive images, from `start` up to `stop` or the end; copies nothing."""
        chosen = slice(start, stop)
        return dataclasses.replace(
            self,
            names=self.names[chosen],
            images=self.images[chosen],
            fields={key: value[chosen] for key, value in self.fields.items()},
            first=self.first + start,
        )

    def lookup(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Position -> uint8 [S, S, 3], in TensorFlow operations."""
        # On the CPU: a GPU's memory is for networks.
        with tf.device("CPU:0"):
            if self.path is None:
                images = tf.convert_to_tensor(self.images)
                return lambda position: tf.gather(images, position)
            shape, file = (self.first + len(self), *self.images.shape[1:]), self.path

        def gathered(position: tf.Tensor) -> tf.Tensor:
            # The mapped file as a tensor: gathering reads only the pages it needs. An
            # operation of the graph and no tensor: a tf.data service is sent its path.
            with tf.device("CPU:0"):
                images = tf.raw_ops.ImmutableConst(
                    dtype=tf.uint8, shape=shape, memory_region_name=str(file.resolve())
                )
                return tf.gather(images, position + self.first)

        return gathered

    def mean_image(self) -> np.ndarray:
        """The average image, float32 [S, S, 3] in [0, 1]."""
        total = np.zeros(self.images.shape[1:], np.float64)
        for start in range(0, len(self), 256):
            total += self.images[start : start + 256].sum(axis=0, dtype=np.float64)
        return (total / len(self) / 255.0).astype(np.float32)


def joined(first: DecodedSplit, second: DecodedSplit) -> DecodedSplit:
    """The images of both, in memory, without attributes and landmarks.

    The title names both sets; everything else is the first one's.

    Raises:
      ValueError: If memory cannot hold them.
    """
    _check_memory(len(first) + len(second), first.images.shape[1])
    info = first.source.info
    title = f"{info.title} and {second.source.info.title}"
    info = dataclasses.replace(info, title=title, attribute_names=())
    names = (*first.names, *second.names)
    return DecodedSplit(
        dataclasses.replace(first.source, info=info, names=names, fields=()),
        names,
        np.concatenate([first.images, second.images]),
        {},
        (*first.skipped, *second.skipped),
    )


def decode(
    source: Source,
    *,
    size: int,
    crop: str,
    resize: str = "bicubic",
    cache_dir: str = "",
) -> DecodedSplit:
    """Decodes a split, or finds it decoded in the cache.

    Unreadable images are named, counted and left out.

    Args:
      source: From `sources.load`.
      size: Side of the decoded images, pixels.
      crop: See `pixels.crop_box`.
      resize: The filter, see `pixels.resize`.
      cache_dir: Keeps decoded images on disk, for sets larger than memory and for
        later runs. Empty keeps them in memory.

    Raises:
      ValueError: If no image can be read, or if memory cannot hold them.
    """
    if not len(source):
        raise ValueError(f"The {source.split} split of {source.info.name} is empty.")
    folder = None
    if cache_dir:
        folder = pathlib.Path(cache_dir).expanduser() / _key(source, size, crop, resize)
        if (folder / "meta.json").exists():
            split = _load(source, folder)
            # Earlier versions have kept fewer fields.
            if set(source.fields) <= set(split.fields):
                return split
    else:
        _check_memory(len(source), size)
    options = {"size": size, "crop": crop, "filter": resize}
    if folder is None:
        return _decode_all(source, options)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    # No other process writes these files, on this machine or another.
    own = f".{os.getpid()}.{secrets.token_hex(4)}@{socket.gethostname()}.partial"
    try:
        return _decode_all(source, options, folder, own)
    finally:
        for name in (_IMAGES, _FIELDS):
            (folder / f"{name}{own}").unlink(missing_ok=True)


def _key(source: Source, size: int, crop: str, resize: str) -> str:
    """A folder name that changes with everything the decoded pixels depend on."""
    info = source.info
    # The title tells folders apart whose images have the same names.
    parts = [info.name, info.title, info.notes, source.split, str(size), crop]
    # Caches of earlier versions, which had one filter, stay valid.
    parts += [] if resize == "bicubic" else [resize]
    digest = hashlib.sha256("\n".join([*parts, *source.names]).encode())
    return f"{info.name}-{source.split}-{size}-{digest.hexdigest()[:12]}"


def _check_memory(count: int, size: int) -> None:
    needed = count * size * size * 3
    available = machine.available_memory()
    if needed > available * 0.8:
        raise ValueError(
            f"{count} images of {size} px take {needed / 1e9:.1f} GB, and "
            f"{available / 1e9:.1f} GB of memory are available. Pass --cache_dir=DIR "
            "to keep them on disk, or --limit=N to use fewer."
        )


def _decode_all(
    source: Source,
    options: dict[str, Any],
    folder: pathlib.Path | None = None,
    suffix: str = "",
) -> DecodedSplit:
    """Decodes into memory, or into files that have the suffix until they are whole."""
    size = options["size"]
    shape = (len(source), size, size, 3)
    if folder is None:
        images = np.empty(shape, np.uint8)
    else:
        partial = folder / f"{_IMAGES}{suffix}"
        images = _reserved(partial, shape)

    names, skipped = [], []
    fields: dict[str, list[np.ndarray]] = {}
    readers = source.readers(range(len(source)))
    shown = {"total": len(source), "description": f"{source.info.name} {source.split}"}
    if source.drawn and len(source) >= _FEW:
        elements = _call_in_processes(readers, **shown)
        fitted = (pixels.fit(element, **options) for element in elements)
    else:
        fit = functools.partial(_fit, options=options)
        fitted = map_in_order(fit, readers, **shown)
    for element, name in zip(fitted, source.names):
        if isinstance(element, pixels.UnreadableImageError):
            skipped.append(str(element))
            if len(skipped) <= NAMED:
                print(f"skipped {element}", file=sys.stderr)
            continue
        images[len(names)] = element["image"]
        for key in OPTIONAL_FIELDS:
            if key in element:
                fields.setdefault(key, []).append(element[key])
        names.append(name)
    if skipped:
        print(
            f"{len(skipped)} of {len(source)} images of the {source.split} split could "
            "not be read and were skipped.",
            file=sys.stderr,
        )
    if not names:
        raise ValueError(
            f"None of the {len(source)} images of {source.info.name} could be read; "
            f"the first: {skipped[0]}"
        )
    arrays = {key: np.stack(values) for key, values in fields.items()}
    if folder is None:
        kept = images[: len(names)]
        return DecodedSplit(source, tuple(names), kept, arrays, tuple(skipped))

    images.flush()
    del images
    os.truncate(partial, len(names) * size * size * 3)
    os.replace(partial, folder / _IMAGES)
    needed = sum(array.nbytes for array in arrays.values())
    partial = folder / f"{_FIELDS}{suffix}"
    with disk.naming(folder, needed), partial.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(partial, folder / _FIELDS)
    # Written last: a cache that has it is complete.
    meta = {"size": size, "names": names, "skipped": skipped}
    pixels.write_bytes(folder / "meta.json", json.dumps(meta).encode())
    return _load(source, folder)


def _reserved(path: pathlib.Path, shape: tuple[int, ...]) -> np.memmap:
    """An array in a file whose space is taken at once.

    Without it, a disk that fills up later would end the process without any message.
    """
    size = math.prod(shape)
    with disk.naming(path.parent, size), path.open("wb") as file:
        if hasattr(os, "posix_fallocate") and size:  # Linux's
            os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(path, np.uint8, "r+" if size else "w+", shape=shape)


def _remove_abandoned(folder: pathlib.Path) -> None:
    """Deletes the partial files of this machine's processes that were killed."""
    host = socket.gethostname()
    for partial in folder.glob("*.partial"):
        # Earlier versions named the process alone.
        match = re.fullmatch(
            rf"(?:{_IMAGES}|{_FIELDS})\.(\d+)(?:\.\w+@(.+))?\.partial", partial.name
        )
        if match and match[2] in (None, host) and not machine.is_running(int(match[1])):
            partial.unlink(missing_ok=True)


def _fit(
    read: Callable[[], dict], *, options: dict[str, Any]
) -> dict | pixels.UnreadableImageError:
    """The element, or the reason why it cannot be read."""
    try:
        return pixels.fit(read(), **options)
    except pixels.UnreadableImageError as error:
        return error


def map_in_order(
    function: Callable[[Any], Any],
    values: Iterable[Any],
    *,
    total: int,
    description: str,
) -> Iterator[Any]:
    """Yields function(value) in order, computed by threads, with a progress bar."""
    progress = _progress(total, description)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool, progress:
        waiting, values = collections.deque(), iter(values)
        while True:
            for value in itertools.islice(values, _AHEAD - len(waiting)):
                waiting.append(pool.submit(function, value))
            if not waiting:
                return
            yield waiting.popleft().result()
            progress.update()


def _call_in_processes(
    functions: Iterable[Callable[[], Any]], *, total: int, description: str
) -> Iterator[Any]:
    """Yields function() in order, called by processes, with a progress bar."""
    # New processes and not copies of this one, in which TensorFlow's threads run. They
    # would run the user's script again, which they have no need of.
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        pool = multiprocessing.get_context("spawn").Pool(
            # Ctrl-C is this process's to answer.
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        )
    finally:
        sys.modules["__main__"] = main
    call = operator.methodcaller("__call__")
    with pool, _progress(total, description) as progress:
        for result in pool.imap(call, functions, chunksize=8):
            yield result
            progress.update()


def _progress(total: int, description: str) -> tqdm.tqdm:
    return tqdm.tqdm(
        total=total, desc=description, unit="img", mininterval=0.5, leave=False
    )


def _load(source: Source, folder: pathlib.Path) -> DecodedSplit:
    meta = json.loads((folder / "meta.json").read_text())
    names, size = tuple(meta["names"]), meta["size"]
    with np.load(folder / _FIELDS) as stored:
        fields = dict(stored)
    path = folder / _IMAGES
    images = np.memmap(path, np.uint8, "r", shape=(len(names), size, size, 3))
    return DecodedSplit(source, names, images, fields, tuple(meta["skipped"]), path)
