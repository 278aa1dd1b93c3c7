r"""How fast a training step and its input are, as ratios measured in one run.

  python -m benchmarks.training --output=benchmarks/training_step.json

Images a second of the step of each of the four models, in float32 and bfloat16, and of
the input alone for each kind of hole, on drawn faces. The input must be many times
faster than the step, so that data never waits.
"""

from __future__ import annotations

import os
import statistics
import time

import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks import record
from data_pipeline import decoded, masks, pipeline, sources
from experiments.core import command_line, networks
from experiments.skip_inpainting import config, training
from models import cost

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_OUTPUT = flags.DEFINE_string("output", "", "Where to write the numbers, JSON.")
_STEPS = flags.DEFINE_integer("steps", 8, "Steps a measurement; the median counts.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Images a step.")


def step_speed(model: int, precision: str) -> dict[str, float]:
    """Images a second of one training step on a fixed batch."""
    cfg = command_line.make(
        config.Config,
        config.PRESETS,
        f"model{model}",
        precision=precision,
    )
    with networks.precision(precision):
        trainer = training.build_trainer(cfg)
    batch = _BATCH_SIZE.value
    image = tf.random.uniform([batch, 128, 128, 3], -1.0, 1.0)
    mask = tf.repeat(masks.center(128, 64)[None], batch, axis=0)
    data = ({"image": image, "mask": mask}, image)
    step = tf.function(trainer.train_step)
    step(data)
    seconds = []
    for _ in range(_STEPS.value):
        start = time.perf_counter()
        # Reading a loss waits for the step.
        step(data)["g_reconstruction"].numpy()
        seconds.append(time.perf_counter() - start)
    speed = batch / statistics.median(seconds)
    macs = cost.multiply_adds(trainer.generator)
    # Forward and backward of the generator alone: three passes of two operations.
    return {
        "images_per_second": round(speed, 2),
        "generator_gflops": round(speed * macs * 6 / 1e9, 1),
    }


def input_speed(split: decoded.DecodedSplit, kind: str) -> float:
    """Images a second of the input alone."""
    mask_fn = masks.build(kind, image_size=128, hole_size=64)
    batches = iter(
        pipeline.training_batches(
            split, pipeline.inpainting(mask_fn), batch_size=64, seed=0
        )
    )
    for _ in range(5):
        next(batches)
    start = time.perf_counter()
    for _ in range(30):
        next(batches)
    return round(30 * 64 / (time.perf_counter() - start), 1)


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load = os.getloadavg()[0]
    steps = {
        f"model{model}": {
            precision: step_speed(model, precision)
            for precision in ("float32", "mixed_bfloat16")
        }
        for model in (0, 1, 2, 3)
    }
    ratios = [
        speeds["mixed_bfloat16"]["images_per_second"]
        / speeds["float32"]["images_per_second"]
        for speeds in steps.values()
    ]
    source = sources.load("faces", "test", limit=256, size=128)
    start = time.perf_counter()
    split = decoded.decode(source, size=128, crop="none")
    drawn = len(split) / (time.perf_counter() - start)
    inputs = {kind: input_speed(split, kind) for kind in masks.KINDS}
    fastest = max(
        speed["images_per_second"]
        for model in steps.values()
        for speed in model.values()
    )
    results = {
        "steps": steps,
        "bfloat16_over_float32": round(float(np.mean(ratios)), 2),
        "input_images_per_second": inputs,
        "slowest_input_over_fastest_step": round(min(inputs.values()) / fastest, 1),
        "drawn_faces_per_second": round(drawn, 1),
    }
    record.write(results, load, _OUTPUT.value)


if __name__ == "__main__":
    app.run(main)
