"""The part of the image that the generated patch depends on, measured."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from experiments.core.run import Run
from experiments.core.system import Findings
from experiments.multiscale_context_encoder import training
from experiments.multiscale_context_encoder.config import Config

_BRIGHT = 1e3  # of a row that is watched; so that max pooling takes it
_AT_ONCE = 25  # rows


def examine(run: Run, *_) -> Findings:
    """The receptive field of the network that was trained, as a sentence."""
    return Findings(statements=(receptive_field(run.config),))


def receptive_field(config: Config) -> str:
    """Which pixels of the image the patch depends on, at its corner and its middle."""
    seen = rows_seen(config)
    sizes = [int(rows.sum()) for rows in seen]
    size = config.image_size
    if min(sizes) == size:
        return "Every pixel of the patch depends on the whole image."
    start = (size - config.hole_size) // 2
    known = np.ones([size, size], bool)
    known[start : start + config.hole_size, start : start + config.hole_size] = False
    parts = []
    for place, index in (("corner", 0), ("middle", len(seen) // 2)):
        rows = np.flatnonzero(seen[index])
        count = int(known[np.ix_(rows, rows)].sum())
        parts.append(
            f"that in its {place} on rows and columns {rows[0]} to {rows[-1]}, of "
            f"which {count:,} pixels are known"
        )
    largest = max(sizes)
    return (
        f"Each pixel of the patch depends on at most {largest}×{largest} of the "
        f"{size}×{size} pixels of the image: {'; '.join(parts)}."
    )


def rows_seen(config: Config) -> np.ndarray:
    """Rows of the image that each row of the patch depends on; columns are alike.

    A network of one channel a layer and positive weights is given images of which one
    row is bright. The rows of its patch that change depend on it. What holds for the
    rows holds for the columns, because every layer treats both alike.

    Returns:
      bool [P, S].
    """
    policy = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float32")
    try:
        generator = training.build_generator(
            dataclasses.replace(
                config,
                widths=(1,) * len(config.widths),
                decoder_widths=(1,) * len(config.decoder_widths),
            )
        )
    finally:
        tf.keras.mixed_precision.set_global_policy(policy)
    for weight in generator.trainable_weights:
        if "kernel" in weight.name:
            weight.assign(tf.ones_like(weight))
    before_tanh = generator.get_layer("patch_conv").output
    network = tf.keras.Model(generator.inputs, before_tanh)
    size = config.image_size

    seen = []
    for start in range(0, size, _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, size))
        images = np.zeros([len(rows) + 1, size, size, 3], np.float32)
        images[np.arange(len(rows)), rows] = _BRIGHT
        mask = np.zeros([len(images), size, size, 1], np.float32)
        *patches, dark = network({"image": images, "mask": mask}, training=False)
        seen += [np.any(patch != dark, axis=(1, 2)) for patch in patches]
    return np.stack(seen, axis=-1)
