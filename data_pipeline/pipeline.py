"""Tasks, augmentation and batches: decoded split + task -> (inputs, target).

Randomness is stateless: an image's place in an epoch, its mask and its augmentation
depend on (seed, epoch, index) alone. A seed gives the same batches whatever the
parallelism, and a run that resumes at step s continues with the batches of step s.
"""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from data_pipeline.masks import MaskFn

# image uint8 [S, S, 3], key integer [2], index [] -> (inputs, target)
TaskFn = "Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple]"

_ANSWER_SECONDS = 30  # within which a tf.data service is to answer
_WORKER_SECONDS = 10  # after which it is said that one has no workers
# Purposes of a key; a new one takes a new number.
_ORDER, _TASK, _AUGMENT, _REAL_MASK = 1, 2, 3, 4


def inpainting(
    mask_fn: MaskFn, *, fill: Sequence[float] | float = 1.0, shift: int = 0
) -> TaskFn:
    """The task of filling a hole.

    Its inputs are {"image": [S, S, 3] in [-1, 1] with the hole filled, "mask":
    [S, S, 1], 1 = missing}, its target the image in [-1, 1].

    Args:
      mask_fn: From `masks.build`.
      fill: Value of the hole in [-1, 1]: one number, or one per channel.
      shift: Of `flip_and_shift`, pixels; 0 leaves images as they are.
    """

    def task(image: tf.Tensor, key: tf.Tensor, index: tf.Tensor) -> tuple:
        if shift:
            # Not the mask's own key: hole and shift must not depend on each other.
            augmentation_key = tf.random.experimental.stateless_fold_in(key, _AUGMENT)
            image = flip_and_shift(image, augmentation_key, shift)
        target = pixels.bytes_to_signed(image)
        mask = mask_fn(key, index)
        # An exact fill: 0 * pixel + fill would leave -0.0 or rounding behind.
        filled = tf.where(mask > 0.5, fill, target)
        return {"image": filled, "mask": mask}, target

    return task


def reconstruction(*, shift: int = 0, side: int = 0) -> TaskFn:
    """The task of returning the image that was given.

    Its inputs are {"image": [S, S, 3] in [0, 1], "key": integer [2], for networks that
    draw random numbers}, its target the image. `side` is that of `flip_and_cut`, or 0;
    without it `shift` is that of `flip_and_shift`, or 0.
    """

    def task(image: tf.Tensor, key: tf.Tensor, index: tf.Tensor) -> tuple:
        augmentation_key = tf.random.experimental.stateless_fold_in(key, _AUGMENT)
        if side:
            image = flip_and_cut(image, augmentation_key, side)
        elif shift:
            image = flip_and_shift(image, augmentation_key, shift)
        target = pixels.bytes_to_unit(image)
        return {"image": target, "key": key}, target

    return task


def judged(task: TaskFn, mask_fn: MaskFn, labels: np.ndarray | None = None) -> TaskFn:
    """A task whose target serves a local discriminator and a classifier as well.

    Its inputs are those of `task`; its target is {"image": the target of `task`,
    "mask": [S, S, 1], "labels": [...], if there are labels}.

    Args:
      task: Such as `inpainting(...)`.
      mask_fn: Of the hole around which a local discriminator sees real images, drawn
        independently of the task's own.
      labels: [N, ...], in the order of the split's images.
    """
    rows = None if labels is None else tf.constant(labels)

    def with_judges(image: tf.Tensor, key: tf.Tensor, index: tf.Tensor) -> tuple:
        inputs, target = task(image, key, index)
        mask_key = tf.random.experimental.stateless_fold_in(key, _REAL_MASK)
        target = {"image": target, "mask": mask_fn(mask_key, index)}
        if rows is not None:
            target["labels"] = tf.gather(rows, index)
        return inputs, target

    return with_judges


def with_faces(task: TaskFn, face_masks: np.ndarray) -> TaskFn:
    """A task whose target has face masks, for losses on faces alone.

    Its inputs are those of `task`, which must not shift or crop; its target is
    {"image": the target of `task`, "face_mask": float32 [S, S, 1]}. The masks, uint8
    [N, S, S, 1], 1 = face, are in the order of the split's images.
    """
    # On the CPU: a GPU's memory is for networks.
    with tf.device("CPU:0"):
        rows = tf.convert_to_tensor(face_masks)

    def with_mask(image: tf.Tensor, key: tf.Tensor, index: tf.Tensor) -> tuple:
        inputs, target = task(image, key, index)
        face_mask = tf.cast(tf.gather(rows, index), tf.float32)
        return inputs, {"image": target, "face_mask": face_mask}

    return with_mask


def flip_and_shift(image: tf.Tensor, key: tf.Tensor, shift: int) -> tf.Tensor:
    """A horizontal flip with probability 1/2, and a random shift: [S, S, C].

    Reflected pixels come in at the edges. `shift` is the largest in either direction,
    pixels, less than S; `key` is a stateless one, integer [2].
    """
    size = image.shape[0]
    keys = tf.random.experimental.stateless_split(key, 2)
    moves = tf.random.stateless_uniform([2], keys[0], -shift, shift + 1, dtype=tf.int32)
    rows = _reflected(tf.range(size) + moves[0], size)
    columns = _reflected(tf.range(size) + moves[1], size)
    flipped = tf.random.stateless_uniform([], keys[1]) < 0.5
    columns = tf.where(flipped, size - 1 - columns, columns)
    return tf.gather(tf.gather(image, rows, axis=0), columns, axis=1)


def flip_and_cut(image: tf.Tensor, key: tf.Tensor, side: int) -> tf.Tensor:
    """A random square of an image, flipped with probability 1/2: [side, side, C]."""
    keys = tf.random.experimental.stateless_split(key, 2)
    square = tf.image.stateless_random_crop(
        image, [side, side, image.shape[-1]], tf.cast(keys[0], tf.int32)
    )
    flipped = tf.random.stateless_uniform([], keys[1]) < 0.5
    return tf.where(flipped, square[:, ::-1], square)


def _reflected(position: tf.Tensor, size: int) -> tf.Tensor:
    """Positions reflected at the edges, which are not repeated."""
    return size - 1 - tf.abs(size - 1 - tf.abs(position))


def steps_per_epoch(split: DecodedSplit, batch_size: int) -> int:
    """Full batches in an epoch; the remainder differs each epoch and is dropped.

    Raises:
      ValueError: If there are fewer images than one batch takes.
    """
    if len(split) < batch_size:
        raise ValueError(
            f"--batch_size={batch_size} is more than the {len(split)} readable "
            f"training images of {split.source.info.name}; lower it."
        )
    return len(split) // batch_size


def training_batches(
    split: DecodedSplit,
    task: TaskFn,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    part: tuple[int, int] = (0, 1),
    service: str = "",
) -> tf.data.Dataset:
    """Shuffled batches from a step on, without end.

    Every epoch is a new permutation of the images; an incomplete batch is dropped.

    Args:
      split: From `decoded.decode`.
      task: Makes (inputs, target), such as `inpainting(...)`.
      batch_size: Over all replicas.
      seed: Of the order and of the task's randomness.
      start_step: Number of the first batch, where a run resumes.
      part: (i, n), the i-th of n equal parts of every batch, for one of n workers.
      service: Address of a tf.data service, grpc://HOST:PORT, whose workers make the
        batches. They come about in order, not in order.
    """
    count = len(split)
    used = steps_per_epoch(split, batch_size) * batch_size
    lookup = split.lookup()
    which, parts = part
    share = batch_size // parts

    def make(place: tf.Tensor) -> tuple:
        # Of this part's examples, and then of all.
        position = place // share * batch_size + which * share + place % share
        epoch, offset = position // used, position % used
        order, last = _fold(seed, _ORDER, epoch), tf.cast(count - 1, tf.int64)
        index = tf.random.experimental.index_shuffle(offset, order, last)
        key = _fold(seed, _TASK, epoch, index)
        return task(lookup(index), key, index)

    # Not `count`: a dataset that knows its end would make Keras stop an epoch early.
    if service:
        return _served(start_step, make, share, service)
    places = tf.data.Dataset.range(start_step * share, tf.int64.max)
    return _batched(places, make, share, drop_remainder=True)


def _served(start_step: int, make: Callable, size: int, service: str):
    """Batches of `size` by the workers of a tf.data service, each step by one of them.

    What is shared out are the elements of the source: steps, not positions.
    """
    _check_answers(service)
    _tell_without_workers(service)

    def batch(step: tf.Tensor) -> tf.data.Dataset:
        places = tf.data.Dataset.range(step * size, (step + 1) * size)
        made = places.map(make, num_parallel_calls=tf.data.AUTOTUNE)
        return made.batch(size, drop_remainder=True)

    steps = tf.data.Dataset.range(start_step, tf.int64.max // size)
    shared = steps.flat_map(batch).apply(_distribute(service))
    return shared.prefetch(tf.data.AUTOTUNE)


def _distribute(service: str) -> Callable:
    distribution = tf.data.experimental.service
    return distribution.distribute(distribution.ShardingPolicy.DYNAMIC, service)


def _check_answers(service: str) -> None:
    """Raises a ValueError unless something listens there.

    TensorFlow would wait for it without end, and without a word.
    """
    try:
        place = urllib.parse.urlsplit(service)
        if place.scheme != "grpc" or not (place.hostname and place.port):
            raise ValueError("it is no such address")
        address = place.hostname, place.port
        socket.create_connection(address, timeout=_ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--data_service={service} must be grpc://HOST:PORT of a tf.data service's "
            f"dispatcher: {error}. Start it first, or leave the flag out."
        ) from error


def _tell_without_workers(service: str) -> None:
    """Says so if a dispatcher has no workers yet, for which TensorFlow waits."""
    probe = tf.data.Dataset.range(1).apply(_distribute(service))
    asked = threading.Thread(target=lambda: next(iter(probe)), daemon=True)
    asked.start()
    asked.join(_WORKER_SECONDS)
    if asked.is_alive():
        print(
            f"--data_service={service}: no worker has answered for {_WORKER_SECONDS} "
            "seconds. It goes on as soon as one is registered there.",
            file=sys.stderr,
        )


def evaluation_batches(
    split: DecodedSplit, task: TaskFn, *, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Every image once, in order; the last batch may be smaller.

    Masks depend on (seed, image name) alone, whatever else is in the set.
    """
    hashes = tf.constant([_hash(name) for name in split.names], tf.int32)
    lookup = split.lookup()

    def make(index: tf.Tensor) -> tuple:
        key = tf.stack([seed, hashes[index]])
        return task(lookup(index), key, index)

    return _batched(tf.data.Dataset.range(len(split)), make, batch_size)


def _batched(positions, make: Callable, batch_size: int, **options) -> tf.data.Dataset:
    dataset = positions.map(make, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size, **options).prefetch(tf.data.AUTOTUNE)


def _fold(seed: int, use: int, *numbers: tf.Tensor) -> tf.Tensor:
    """A key, integer [2], for each combination of its arguments."""
    key = tf.constant([seed, use], tf.int32)
    for number in numbers:
        key = tf.random.experimental.stateless_fold_in(key, number)
    return key


def _hash(name: str) -> int:
    """31 bits of a name, equal on every machine."""
    digest = hashlib.sha256(name.encode()).digest()
    return int(np.frombuffer(digest[:4], ">u4")[0] >> 1)
