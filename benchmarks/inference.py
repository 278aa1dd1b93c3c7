r"""Speed and quality of a restorer by engine, precision and batch, in one table.

  python -m benchmarks.inference --model=skip_inpainting_restorer \
      --output=benchmarks/inference.json

Milliseconds of a call with batches of 1 and 32, and how well each engine restores the
same test images: L1 in the hole and LPIPS (with its weights), both of the restored
image, and the largest distance from TensorFlow's in gray levels. All take turns, so
that a busy machine slows them alike; medians. Engines that are not installed are left
out. OpenVINO and ONNX Runtime: make extras EXTRAS=openvino,onnxruntime.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

from data_pipeline import decoded, masks, sources
from evaluation.metrics import lpips, measure
from experiments.core import environment
from serving import engines
from serving.photo.restorer import PhotoRestorer
from serving.zoo import zoo

BATCHES = (1, 32)
CHOICES = [(engine, engines.FLOAT32) for engine in engines.ENGINES]
CHOICES.insert(2, (engines.OPENVINO, engines.BFLOAT16))

_MODEL = flags.DEFINE_string("model", "skip_inpainting_restorer", "Folder, or a name.")
_DATASET = flags.DEFINE_string("dataset", "faces", "Whose test images are restored.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Its files.")
_IMAGES = flags.DEFINE_integer("images", 256, "Test images of the quality.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each; the median counts.")
_OUTPUT = flags.DEFINE_string("output", "", "Where to write the numbers, JSON.")


def opened() -> dict[tuple[str, str], PhotoRestorer]:
    """The model in each engine and precision that is installed."""
    folder, found = zoo.resolve(_MODEL.value), {}
    for engine, precision in CHOICES:
        try:
            found[engine, precision] = PhotoRestorer(folder, engine, precision)
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
    return found


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load, models = os.getloadavg()[0], opened()
    size = models[CHOICES[0]].size
    source = sources.load(
        _DATASET.value, "test", data_dir=_DATA_DIR.value, size=size, limit=_IMAGES.value
    )
    split = decoded.decode(source, size=size, crop="center")
    images = split.images / np.float32(255)
    mask = masks.center(size, size // 2).numpy()
    holes = np.broadcast_to(mask, (len(images), *mask.shape))
    weights = lpips.resolve("")
    rows: dict[tuple, dict[str, Any]] = {}
    first = None  # TensorFlow's
    for key, model in models.items():
        parts = range(0, len(images), BATCHES[-1])
        restored = np.concatenate(
            [model.restore_batch(images[i : i + BATCHES[-1]], mask) for i in parts]
        )
        rows[key] = quality(images, restored, holes, weights)
        first = restored if first is None else first
        rows[key]["largest_difference_levels"] = round(
            255 * float(np.abs(restored - first).max()), 2
        )
    seconds = {(key, batch): [] for key in models for batch in BATCHES}
    given = {batch: np.resize(images, (batch, *images[0].shape)) for batch in BATCHES}
    for _ in range(_ROUNDS.value + 1):
        for key, batch in seconds:
            start = time.perf_counter()
            models[key].restore_batch(given[batch], mask)
            seconds[key, batch].append(time.perf_counter() - start)
    for (key, batch), (_, *taken) in seconds.items():  # without the first
        milliseconds = 1000 * statistics.median(taken)
        rows[key][f"milliseconds_batch_{batch}"] = round(milliseconds, 2)
    results = {
        "model": _MODEL.value,
        "data": f"{len(images)} test images of {source.info.title}",
        "engines": {" ".join(key): row for key, row in rows.items()},
    }
    environment.write_benchmark(results, load, _OUTPUT.value)


def quality(images, restored, holes, weights) -> dict[str, float]:
    """L1 in the hole, percent, and LPIPS if there are weights."""
    values = measure.measure(images, restored, holes, regions=("hole",))
    row = {"hole_l1_percent": round(float(np.mean(values["hole/l1_percent"])), 3)}
    if weights:
        metric = lpips.load(weights)
        parts = range(0, len(images), 32)
        found = [metric(images[i : i + 32], restored[i : i + 32]) for i in parts]
        row["lpips"] = round(float(np.mean(np.concatenate(found))), 5)
    return row


if __name__ == "__main__":
    app.run(main)
