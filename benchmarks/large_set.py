r"""Memory and waits of training on a set that is not kept in memory.

  python -m benchmarks.large_set --output=benchmarks/large_set.json

Made pictures (noise, so that no page compresses) are decoded once into --cache_dir's
kind of file. One pass over all of them, in shuffled order, says how the process's own
memory goes; file pages that the kernel has cached, and takes back when it needs them,
are counted apart. Then a network trains on them: the share of a step in which it waits
for data is that of the calls that fetch a batch.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import psutil
import tensorflow as tf
from absl import app, flags

from data_pipeline import decoded, masks, pipeline
from data_pipeline.datasets.elements import Source, SourceInfo
from experiments.core import command_line, environment
from experiments.core.system import load

_IMAGES = flags.DEFINE_integer("images", 60_000, "Pictures of the set.")
_SIZE = flags.DEFINE_integer("size", 64, "Their side, pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Of the training steps.")
_STEPS = flags.DEFINE_integer("steps", 60, "Training steps that are timed.")
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir", "", "Where the set is kept; or a new one."
)
_OUTPUT = flags.DEFINE_string("output", "", "JSON file.")

_PARTS = 10  # of the pass, after each of which memory is read
_WARM_UP = 5  # steps


def made_source(count: int, size: int) -> Source:
    """Pictures of noise, each made when it is read."""
    names = tuple(f"noise_{number:06d}" for number in range(count))

    def readers(positions):
        for position in positions:
            yield lambda position=position: {
                "image": np.random.default_rng(position).integers(
                    0, 256, [size, size, 3], np.uint8
                ),
                "name": names[position],
            }

    info = SourceInfo(
        name="noise",
        title="Made pictures",
        split_counts={"train": count},
        license="Apache-2.0, like the program that makes them",
    )
    return Source(info, "train", names, readers, ())


def own_megabytes() -> float:
    """Memory of this process that no file backs."""
    found = psutil.Process().memory_full_info()
    return (found.rss - found.shared) / 1e6


def mapped_megabytes() -> float:
    """Memory of this process that is the kernel's copy of files."""
    return psutil.Process().memory_full_info().shared / 1e6


def memory(split: decoded.DecodedSplit, task: pipeline.TaskFn) -> dict:
    """Megabytes after each tenth of one pass over the set."""
    size = 64
    steps = pipeline.steps_per_epoch(split, size)
    batches = iter(pipeline.training_batches(split, task, batch_size=size, seed=0))
    own, mapped, begun = [], [], time.perf_counter()
    for _ in range(_PARTS):
        for _ in range(steps // _PARTS):
            next(batches)
        own.append(round(own_megabytes(), 1))
        mapped.append(round(mapped_megabytes(), 1))
    seconds = time.perf_counter() - begun
    return {
        "own_megabytes": own,
        "mapped_megabytes": mapped,
        "input_images_per_second": round(steps * size / seconds, 1),
    }


def waits(split: decoded.DecodedSplit, task: pipeline.TaskFn) -> dict:
    """The share of training steps in which the network waits for data."""
    system = load("skip_inpainting")
    size = split.images.shape[1]
    config = command_line.make(
        system.config_class, system.presets, "cpu", image_size=size
    )
    trainer = system.build_trainer(config)
    step = tf.function(trainer.train_step)
    batches = iter(
        pipeline.training_batches(split, task, batch_size=_BATCH_SIZE.value, seed=0)
    )
    waited, worked = [], []
    for number in range(_WARM_UP + _STEPS.value):
        begun = time.perf_counter()
        batch = next(batches)
        fetched = time.perf_counter()
        _ = {key: float(value) for key, value in step(batch).items()}
        done = time.perf_counter()
        if number >= _WARM_UP:
            waited.append(fetched - begun)
            worked.append(done - fetched)
    share = sum(waited) / (sum(waited) + sum(worked))
    return {
        "network": f"{system.label(config)}, {size} px, batch {_BATCH_SIZE.value}",
        "step_milliseconds": round(1000 * statistics.median(worked), 1),
        "wait_milliseconds": round(1000 * statistics.median(waited), 2),
        "wait_percent_of_all_steps": round(100 * share, 2),
    }


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        source = made_source(_IMAGES.value, _SIZE.value)
        before = own_megabytes()
        begun = time.perf_counter()
        split = decoded.decode(
            source,
            size=_SIZE.value,
            crop="none",
            cache_dir=_CACHE_DIR.value or folder,
        )
        decoding = time.perf_counter() - begun
        hole = masks.build(
            "random_square", image_size=_SIZE.value, hole_size=_SIZE.value // 2
        )
        task = pipeline.inpainting(hole)
        results = {
            "images": len(split),
            "image_size": _SIZE.value,
            "set_megabytes": round(split.images.nbytes / 1e6, 1),
            "own_megabytes_before_decoding": round(before, 1),
            "own_megabytes_after_decoding": round(own_megabytes(), 1),
            "decoded_images_per_second": round(len(split) / decoding, 1),
            **memory(split, task),
            **waits(split, task),
        }
        environment.write_benchmark(results, busy, _OUTPUT.value)


if __name__ == "__main__":
    app.run(main)
