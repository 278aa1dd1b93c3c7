r"""Speed of the papers' networks in training and inference, measured in one run.

  python -m benchmarks.training --systems=pyramid_cgan \
      --output=benchmarks/pyramid_cgan.json
  python -m benchmarks.training --systems=multiscale_context_encoder \
      --output=benchmarks/multiscale_context_encoder.json
  python -m benchmarks.training --systems=skip_inpainting \
      --precisions=float32,mixed_bfloat16 --input --output=benchmarks/training_step.json
  python -m benchmarks.training --systems=skip_inpainting --against=../other_checkout

Images per second of a training step and of inference, for each network and precision.
All take turns, so that a busy machine slows them alike; medians. The ceiling is one 3x3
convolution of 128 channels, forward and backward. Operations are those of the paper's
layers; doubling and convolving in one step takes fewer, so the share of the ceiling
compares networks rather than the load of the processor.

With --against this benchmark runs on the code of another checkout as well, each in
processes of its own that take turns, and the ratios of their speeds count.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import app, flags

from data_pipeline import decoded, masks, pipeline, sources
from experiments.core import environment, networks
from experiments.core.system import load
from models import cost, pyramid_cgan
from training.pyramid_cgan import Phase

PRESETS = {
    "skip_inpainting": ("model0", "model1", "model2", "model3"),
    "multiscale_context_encoder": ("lfw_context_encoder", "lfw_add", "lfw_concat"),
    "pyramid_cgan": ("a", "b", "c", "d"),
}
CLASSES = [f"attribute {i}" for i in range(40)]  # as many as CelebA has

_SYSTEMS = flags.DEFINE_list("systems", list(PRESETS), "Papers whose networks run.")
_PRECISIONS = flags.DEFINE_list("precisions", ["float32"], "And mixed_bfloat16.")
_INPUT = flags.DEFINE_bool("input", False, "Also measures the input pipeline.")
_OUTPUT = flags.DEFINE_string(
    "output", "", "JSON file; with several systems a folder for <system>.json each."
)
_AGAINST = flags.DEFINE_string("against", "", "A checkout that takes turns with this.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each; the median counts.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Images per step.")
_WIDTH = flags.DEFINE_float("width", 0.25, "Of pyramid_cgan: times every channel.")

Calls = dict[tuple[str, ...], Callable[[], object]]


def ceiling(precision: str) -> tuple[Callable[[], object], float]:
    """One convolution forward and backward, and its operations in billions."""
    dtype = tf.as_dtype(tf.keras.mixed_precision.Policy(precision).compute_dtype)
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


def batch_of(config: Any) -> tuple[dict, dict]:
    """A fixed batch: inputs and target, with labels and a second hole."""
    count, size = _BATCH_SIZE.value, config.image_size
    image = tf.random.uniform([count, size, size, 3], -1.0, 1.0)
    mask = tf.repeat(masks.center(size, config.hole_size)[None], count, axis=0)
    labels = tf.cast(tf.random.uniform([count, len(CLASSES)]) < 0.5, tf.float32)
    target = {"image": image, "mask": mask, "labels": labels}
    return {"image": image * (1.0 - mask), "mask": mask}, target


def step_of(trainer: tf.keras.Model, data: tuple, phase: Phase = Phase.JOINT):
    """The compiled training step, as a call."""
    inputs, target = data
    if not hasattr(trainer, "phase"):
        target = target["image"]

    @tf.function
    def step():
        trainer.phase = phase  # when it is traced
        return trainer.train_step((inputs, target))

    return lambda: [value.numpy() for value in step().values()]


def inference_of(network: tf.keras.Model, inputs: dict) -> Callable[[], object]:
    """The restoration of a batch, as a call."""
    infer = tf.function(lambda: network(inputs, training=False))
    return lambda: infer().numpy()


def dilated_stack(network: tf.keras.Model) -> Callable[[], object]:
    """The pyramid's dilated convolutions alone, forward and backward, as a call."""
    (generator,) = (x for x in network.layers if isinstance(x, tf.keras.Model))
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


def add_networks(name: str, precision: str, calls: Calls) -> list[dict]:
    """Adds the calls of a system's networks; returns a row for each."""
    system, rows = load(name), []
    for preset in PRESETS[name]:
        options = {**system.presets[preset], "precision": precision}
        if name == "pyramid_cgan":
            options["width"] = _WIDTH.value
        config = system.config_class(**options)
        trainer = system.build_trainer(config, 1000, CLASSES)
        data, network = batch_of(config), trainer.restores
        key = (name, precision, preset)
        calls[(*key, "training")] = step_of(trainer, data)
        calls[(*key, "inference")] = inference_of(network, data[0])
        generator = cost.multiply_adds(network)
        # Forward, and backward for the image and for the weights. The discriminator
        # sees real and restored images, and the generator through it.
        step = 3 * generator + 6 * cost.multiply_adds(trainer.discriminator)
        rows.append(
            {
                "preset": preset,
                "label": system.label(config),
                "parameters": network.count_params(),
                "multiply_adds": generator,
                "step_multiply_adds": step,
            }
        )
    if name == "pyramid_cgan":
        for phase in Phase:
            calls[name, precision, phase.value] = step_of(trainer, data, phase)
        calls[name, precision, "dilated"] = dilated_stack(network)
    return rows


def measure(calls: Calls) -> dict[tuple[str, ...], float]:
    """Median seconds of each call; all take turns."""
    for call in calls.values():
        call()  # traces
    taken = {key: [] for key in calls}
    for _ in range(_ROUNDS.value):
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            taken[key].append(time.perf_counter() - start)
    return {key: statistics.median(seconds) for key, seconds in taken.items()}


def speeds(name: str, precision: str, rows: list[dict], seconds: dict, top: float):
    """The rows with images per second, operations and their share of the ceiling."""
    for row in rows:
        step = row.pop("step_multiply_adds")
        for kind in ("training", "inference"):
            taken = seconds[name, precision, row["preset"], kind]
            row[f"{kind}_images_per_second"] = round(_BATCH_SIZE.value / taken, 2)
        rate = 2 * row["training_images_per_second"] / 1e9
        row["generator_gflops"] = round(3 * rate * row["multiply_adds"], 1)
        if name != "pyramid_cgan":  # a classifier costs as well
            row["training_gflops"] = round(rate * step, 1)
            row["training_share_of_ceiling"] = round(rate * step / top, 3)
    return rows


def pyramid_parts(seconds: dict) -> dict:
    """Phases and dilated convolutions of (d), as shares of its joint step."""
    part = {key[2]: taken for key, taken in seconds.items() if len(key) == 3}
    joint = part[Phase.JOINT.value]
    return {
        "width": _WIDTH.value,
        "phases_over_joint": {
            phase.value: round(part[phase.value] / joint, 3) for phase in Phase
        },
        "dilated_share_of_joint_step": round(part["dilated"] / joint, 3),
    }


def summary(name: str, results: dict) -> str:
    """A sentence for the card."""
    first, *others, last = results["networks"]
    ratios = [
        others[-1][f"{kind}_images_per_second"] / last[f"{kind}_images_per_second"]
        for kind in ("training", "inference")
    ]
    if name == "multiscale_context_encoder":
        return (
            f"Adding is {ratios[0]:.2f} times as fast as concatenating in training and "
            f"{ratios[1]:.2f} times in inference."
        )
    against = last["training_images_per_second"] / first["training_images_per_second"]
    if name == "pyramid_cgan":
        share = results["dilated_share_of_joint_step"]
        return (
            f"At width {_WIDTH.value:g} the dilated convolutions take {share:.0%} of "
            f"the joint step of (d), which trains {against:.2f} times as fast as (a)."
        )
    return f"Model 3 trains {against:.2f} times as fast as model 0."


def input_speeds() -> dict:
    """Images per second of drawing faces and of the input for each kind of hole."""
    source = sources.load("faces", "test", limit=256, size=128)
    start = time.perf_counter()
    split = decoded.decode(source, size=128, crop="none")
    drawn = len(split) / (time.perf_counter() - start)
    inputs = {}
    for kind in masks.KINDS:
        task = pipeline.inpainting(masks.build(kind, image_size=128, hole_size=64))
        batches = iter(pipeline.training_batches(split, task, batch_size=64, seed=0))
        for _ in range(5):
            next(batches)
        start = time.perf_counter()
        for _ in range(30):
            next(batches)
        inputs[kind] = round(30 * 64 / (time.perf_counter() - start), 1)
    return {
        "input_images_per_second": inputs,
        "drawn_faces_per_second": round(drawn, 1),
    }


def gather(name: str, rows: dict[str, list], seconds: dict, tops: dict) -> dict:
    """All numbers of a system; `networks` are those of the first precision."""
    (first, *others), results = _PRECISIONS.value, {}
    for precision in (first, *others):
        found = speeds(name, precision, rows[precision], seconds, tops[precision])
        values = {"ceiling_gflops": round(tops[precision], 1), "networks": found}
        if name == "pyramid_cgan":
            own = {key: s for key, s in seconds.items() if key[:2] == (name, precision)}
            values.update(pyramid_parts(own))
        if precision == first:
            results = {"precision": first, "batch_size": _BATCH_SIZE.value, **values}
            continue
        ratios = [
            new["training_images_per_second"] / old["training_images_per_second"]
            for new, old in zip(found, results["networks"])
        ]
        results[precision] = values
        results[f"{precision}_over_{first}"] = round(statistics.mean(ratios), 2)
    results["summary"] = summary(name, results)
    return results


def times_as_fast(name: str, checkout: pathlib.Path) -> dict:
    """How many times as fast a system's networks are here as in another checkout.

    Raises:
      ValueError: If this benchmark does not run on that checkout's code.
    """
    here = pathlib.Path(__file__).resolve().parents[1]
    found: dict[pathlib.Path, list[dict]] = {here: [], checkout: []}
    options = (_PRECISIONS, _ROUNDS, _BATCH_SIZE, _WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "speeds.json"
        # In the folder of a checkout, so that its packages are imported.
        begin = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
        command = [sys.executable, "-c", begin, __file__]
        command += [f"--systems={name}", f"--output={output}"]
        command += [flag.serialize() for flag in options]
        for root in (here, checkout, checkout, here):
            turn = subprocess.run(
                command,
                cwd=root,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            if turn.returncode:
                raise ValueError(
                    f"the benchmark of {name} does not run on the code of {root}: "
                    f"{turn.stderr.strip().splitlines()[-1]}"
                )
            found[root].append(json.loads(output.read_text()))
    ratios = {}
    for precision in _PRECISIONS.value:
        ours, theirs = (
            [speeds_in(results, precision) for results in turns]
            for turns in found.values()
        )
        ratios[precision] = {
            network: {
                kind: round(
                    statistics.mean(turn[network][kind] for turn in ours)
                    / statistics.mean(turn[network][kind] for turn in theirs),
                    3,
                )
                for kind in ("training", "inference")
            }
            for network in ours[0]
        }
    return {
        "against": found[checkout][0]["environment"]["commit"],
        "times_as_fast": ratios,
    }


def speeds_in(results: dict, precision: str) -> dict[str, dict[str, float]]:
    """Images per second of each network in results that were written."""
    if precision != results["precision"]:
        results = results[precision]
    return {
        row["preset"]: {
            kind: row[f"{kind}_images_per_second"] for kind in ("training", "inference")
        }
        for row in results["networks"]
    }


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load = os.getloadavg()[0]
    if _AGAINST.value:
        checkout = pathlib.Path(_AGAINST.value).resolve()
        for name in _SYSTEMS.value:
            results = times_as_fast(name, checkout)
            environment.write_benchmark(results, load, output_of(name))
        return
    calls, rows, peaks = {}, {}, {}
    for precision in _PRECISIONS.value:
        with networks.precision(precision):
            call, peaks[precision] = ceiling(precision)
            calls["ceiling", precision] = call
            for name in _SYSTEMS.value:
                made = add_networks(name, precision, calls)
                rows.setdefault(name, {})[precision] = made
    seconds = measure(calls)
    tops = {p: peak / seconds["ceiling", p] for p, peak in peaks.items()}
    inputs = input_speeds() if _INPUT.value else {}
    for name in _SYSTEMS.value:
        results = {**gather(name, rows[name], seconds, tops), **inputs}
        if inputs:
            fastest = max(x["training_images_per_second"] for x in results["networks"])
            slowest = min(inputs["input_images_per_second"].values())
            results["slowest_input_over_fastest_step"] = round(slowest / fastest, 1)
        environment.write_benchmark(results, load, output_of(name))


def output_of(name: str) -> str:
    """Where the numbers of a system are written."""
    several = len(_SYSTEMS.value) > 1 and _OUTPUT.value
    return os.path.join(_OUTPUT.value, f"{name}.json") if several else _OUTPUT.value


if __name__ == "__main__":
    app.run(main)
