r"""How fast the pyramid's configurations train, phase by phase, as ratios of one run.

  python -m benchmarks.pyramid_cgan --output=benchmarks/pyramid_cgan.json

Images a second of the joint step and of inference for each configuration, the steps of
the three phases of (d), and how much of the joint step the four dilated convolutions
take. All take turns, so that a busy machine slows them alike.
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
from experiments.pyramid_cgan import config, system
from models import cost, pyramid_cgan
from training.pyramid_cgan import Phase

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_OUTPUT = flags.DEFINE_string("output", "", "Where to write the numbers, JSON.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each; the median counts.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Images a step.")
_WIDTH = flags.DEFINE_float("width", 0.25, "Multiplies every number of channels.")
_PRECISION = flags.DEFINE_string("precision", "float32", "Or mixed_bfloat16.")

CLASSES = 40  # CelebA's


def batch_of(cfg: config.Config) -> tuple:
    """A fixed batch."""
    count, size = _BATCH_SIZE.value, cfg.image_size
    image = tf.random.uniform([count, size, size, 3], -1.0, 1.0)
    mask = tf.repeat(masks.center(size, cfg.hole_size)[None], count, axis=0)
    labels = tf.cast(tf.random.uniform([count, CLASSES]) < 0.5, tf.float32)
    target = {"image": image, "mask": mask, "labels": labels}
    return {"image": image * (1.0 - mask), "mask": mask}, target


def step_of(trainer, phase: Phase, data: tuple) -> Callable[[], object]:
    """The compiled step of a phase, as a call."""

    @tf.function
    def step():
        trainer.phase = phase  # when it is traced
        return trainer.train_step(data)

    return lambda: [value.numpy() for value in step().values()]


def inference_of(network: tf.keras.Model, inputs: dict) -> Callable[[], object]:
    """The network's restoration of a batch, as a call."""
    infer = tf.function(lambda: network(inputs, training=False))
    return lambda: infer().numpy()


def stack_of(generator: tf.keras.Model) -> Callable[[], object]:
    """The dilated convolutions alone, forward and backward, as a call."""
    first = generator.get_layer("dilated1")
    last = generator.get_layer(f"dilated{len(pyramid_cgan.RATES)}_act")
    stack = tf.keras.Model(first.input, last.output)
    dtype = tf.as_dtype(tf.keras.mixed_precision.global_policy().compute_dtype)
    maps = tf.random.normal([_BATCH_SIZE.value, *first.input.shape[1:]], dtype=dtype)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(maps)
            result = stack(maps, training=True)
        return result, tape.gradient(result, [maps, *stack.trainable_variables])

    return lambda: run()[1][1].numpy()


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load = os.getloadavg()[0]
    names = [f"attribute {i}" for i in range(CLASSES)]
    calls, rows = {}, []
    with networks.precision(_PRECISION.value):
        for configuration in pyramid_cgan.CONFIGURATIONS:
            cfg = command_line.make(
                config.Config,
                config.PRESETS,
                configuration,
                width=_WIDTH.value,
                precision=_PRECISION.value,
            )
            trainer = system.SYSTEM.build_trainer(cfg, 1, names)
            data = batch_of(cfg)
            label, network = config.label(cfg), trainer.generator
            calls[label, "training"] = step_of(trainer, Phase.JOINT, data)
            calls[label, "inference"] = inference_of(network, data[0])
            rows.append(
                {
                    "label": label,
                    "parameters": network.count_params(),
                    "multiply_adds": cost.multiply_adds(network),
                }
            )
        for phase in Phase:
            calls["phase", phase.value] = step_of(trainer, phase, data)
        (generator,) = (
            layer for layer in network.layers if isinstance(layer, tf.keras.Model)
        )
        calls["phase", "dilated convolutions"] = stack_of(generator)
        for call in calls.values():
            call()  # traces
    taken = {name: [] for name in calls}
    for _ in range(_ROUNDS.value):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in taken.items()}
    for row in rows:
        for kind in ("training", "inference"):
            seconds = median[row["label"], kind]
            row[f"{kind}_images_per_second"] = round(_BATCH_SIZE.value / seconds, 2)
    joint = median["phase", Phase.JOINT.value]
    share = median["phase", "dilated convolutions"] / joint
    plain, full = (rows[i]["training_images_per_second"] for i in (0, 3))
    results = {
        "precision": _PRECISION.value,
        "batch_size": _BATCH_SIZE.value,
        "width": _WIDTH.value,
        "networks": rows,
        "phases_over_joint": {
            phase.value: round(median["phase", phase.value] / joint, 3)
            for phase in Phase
        },
        "dilated_share_of_joint_step": round(share, 3),
        "summary": f"At width {_WIDTH.value:g} the dilated convolutions take "
        f"{100 * share:.0f}% of the joint step of (d), which trains "
        f"{full / plain:.2f} times as fast as (a).",
    }
    record.write(results, load, _OUTPUT.value)


if __name__ == "__main__":
    app.run(main)
