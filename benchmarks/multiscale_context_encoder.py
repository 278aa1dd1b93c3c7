r"""What adding costs beside concatenating, and how near the step is to the machine.

  python -m benchmarks.multiscale_context_encoder \
      --output=benchmarks/multiscale_context_encoder.json

Training steps and inference of three networks at 250 px, in turns, so that what else
the machine does meets all of them; medians. The ceiling is one 3x3 convolution of 128
channels, forward and backward, measured in the same run. Operations are counted as the
paper's layers have them; doubling and convolving in one step takes fewer than that, so
the share of the ceiling says how fast the networks are, not how busy the processor is.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import tensorflow as tf
from absl import app, flags

from benchmarks import record
from data_pipeline import masks
from experiments.core import command_line, networks
from experiments.multiscale_context_encoder import config, system
from models import cost

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_OUTPUT = flags.DEFINE_string("output", "", "Where to write the numbers, JSON.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each; the median counts.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Images a step.")
_PRECISION = flags.DEFINE_string("precision", "float32", "Or mixed_bfloat16.")

NETWORKS = ("lfw_context_encoder", "lfw_add", "lfw_concat")


def ceiling() -> tuple[Callable[[], object], float]:
    """One convolution forward and backward; what it computes, in 1e9 operations."""
    policy = tf.keras.mixed_precision.Policy(_PRECISION.value)
    dtype = tf.as_dtype(policy.compute_dtype)
    image = tf.cast(tf.random.normal([16, 64, 64, 128]), dtype)
    kernel = tf.cast(tf.random.normal([3, 3, 128, 128]), dtype)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch([image, kernel])
            result = tf.nn.conv2d(image, kernel, 1, "SAME")
        # The result too: otherwise the forward pass is pruned away.
        return result, tape.gradient(result, [image, kernel])

    return lambda: run()[1][1].numpy(), 3 * 2 * 16 * 64 * 64 * 9 * 128 * 128 / 1e9


def work(preset: str) -> dict:
    """A network's step and inference as calls, and what they compute."""
    cfg = command_line.make(
        config.Config, config.PRESETS, preset, precision=_PRECISION.value
    )
    with networks.precision(cfg.precision):
        trainer = system.SYSTEM.build_trainer(cfg, 1000)
    batch = _BATCH_SIZE.value
    image = tf.random.uniform([batch, cfg.image_size, cfg.image_size, 3], -1.0, 1.0)
    mask = tf.repeat(masks.center(cfg.image_size, cfg.hole_size)[None], batch, axis=0)
    inputs = {"image": image, "mask": mask}
    step = tf.function(trainer.train_step)
    infer = tf.function(lambda: trainer.generator(inputs, training=False))
    generator = cost.multiply_adds(trainer.generator)
    # The discriminator goes forward over real and restored patches, and back for its
    # own weights over both and for the generator's image over one.
    discriminator = cost.multiply_adds(trainer.discriminator)
    step_macs = 3 * generator + (2 + 2 + 2) * discriminator
    return {
        "label": config.label(cfg),
        "parameters": trainer.generator.count_params(),
        "multiply_adds": generator,
        "step": lambda: step((inputs, image))["g_reconstruction"].numpy(),
        "step_operations": 2 * step_macs * batch / 1e9,
        "inference": lambda: infer().numpy(),
    }


def seconds(call: Callable[[], object]) -> float:
    """Of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load = os.getloadavg()[0]
    peak, peak_operations = ceiling()
    networks = [work(preset) for preset in NETWORKS]
    calls = {"ceiling": peak}
    for network in networks:
        for kind in ("step", "inference"):
            calls[f"{network['label']}/{kind}"] = network[kind]
    for call in calls.values():
        call()  # traces
    taken = {name: [] for name in calls}
    for _ in range(_ROUNDS.value):
        for name, call in calls.items():
            taken[name].append(seconds(call))
    median = {name: statistics.median(values) for name, values in taken.items()}
    top = peak_operations / median["ceiling"]
    batch = _BATCH_SIZE.value
    rows = []
    for network in networks:
        step = median[f"{network['label']}/step"]
        inference = median[f"{network['label']}/inference"]
        gflops = network["step_operations"] / step
        rows.append(
            {
                "label": network["label"],
                "parameters": network["parameters"],
                "multiply_adds": network["multiply_adds"],
                "training_images_per_second": round(batch / step, 2),
                "inference_images_per_second": round(batch / inference, 2),
                "training_gflops": round(gflops, 1),
                "training_share_of_ceiling": round(gflops / top, 3),
            }
        )
    add, concat = rows[1], rows[2]
    ratios = {
        kind: add[f"{kind}_images_per_second"] / concat[f"{kind}_images_per_second"]
        for kind in ("training", "inference")
    }
    results = {
        "precision": _PRECISION.value,
        "batch_size": batch,
        "ceiling_gflops": round(top, 1),
        "networks": rows,
        "summary": f"Adding is {ratios['training']:.2f} times as fast as concatenating "
        f"in training and {ratios['inference']:.2f} times in inference.",
    }
    record.write(results, load, _OUTPUT.value)


if __name__ == "__main__":
    app.run(main)
