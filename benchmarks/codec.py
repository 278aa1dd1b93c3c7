r"""Speed of a codec beside JPEG, WebP and AVIF.

  python -m benchmarks.codec --model=runs/lambda_0.01/export/1 \
      --output=benchmarks/portrait_autoencoder.json

Milliseconds for a drawn face of 192 pixels and for a drawn group of 2000 x 1500, one
picture at a time, everything loaded before; of ours also the parts of the networks and
the entropy coder. Each format has the quality whose file is nearest to ours in bytes.
All take turns, so that a busy machine slows them alike; medians. AVIF runs in one
thread, the networks in all. The memory is what the large picture adds to the peak of
the process.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

from data_pipeline.drawn_faces import draw
from evaluation.codecs import image_formats
from experiments.core import environment
from serving.codec.base import Codec
from serving.export.codec import load_image_codec
from serving.zoo import zoo

_MODEL = flags.DEFINE_string(
    "model", "portrait_codec", "Folder of an export, or the name of a model."
)
_OUTPUT = flags.DEFINE_string("output", "", "Where to write the numbers, JSON.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each; the median counts.")

FACE, GROUP = 192, (500, 3, 4)  # pixels; pixels a face, rows, columns
FORMATS = image_formats.available()


def drawn() -> dict[str, np.ndarray]:
    """The two pictures, uint8 [H, W, 3], by their size."""
    side, rows, columns = GROUP
    faces = [
        draw.draw(index, seed=0, size=side)["image"] for index in range(rows * columns)
    ]
    lines = [
        np.concatenate(faces[start : start + columns], axis=1)
        for start in range(0, len(faces), columns)
    ]
    face = draw.draw(0, seed=0, size=FACE)["image"]
    pictures = (face, np.concatenate(lines))
    return {f"{image.shape[1]}x{image.shape[0]}": image for image in pictures}


def our_calls(codec: Codec, image: np.ndarray) -> dict[str, Callable[[], object]]:
    """Encoding and decoding a picture as calls, whole and in parts."""
    data, latents = codec.compress(image), codec.quantize(image)
    return {
        "encode": lambda: codec.compress(image),
        "decode": lambda: codec.decompress(data),
        "encode, network": lambda: codec.quantize(image),
        "encode, entropy coder": lambda: codec.tables.encode(latents),
        "decode, entropy coder": lambda: codec.read(data),
    }


def format_calls(
    form: image_formats.ImageFormat, image: np.ndarray, size: int
) -> tuple[dict[str, Callable[[], object]], dict[str, int]]:
    """The same of a format at about so many bytes; its quality and its bytes."""
    quality, data = form.nearest(image, size)
    calls = {
        "encode": lambda: form.encode(image, quality),
        "decode": lambda: form.decode(data),
    }
    return calls, {"quality": quality, "bytes": len(data)}


def measure(codec: Codec, image: np.ndarray, rounds: int) -> dict[str, dict]:
    """{"ours" and each format: {"bytes", ..., "milliseconds": {what: median}}}."""
    size = len(codec.compress(image))
    calls, rows = {"ours": our_calls(codec, image)}, {"ours": {"bytes": size}}
    for name, form in FORMATS.items():
        calls[name], rows[name] = format_calls(form, image, size)
    taken = {(name, what): [] for name in calls for what in calls[name]}
    for _ in range(rounds):
        for name, what in taken:
            start = time.perf_counter()
            calls[name][what]()
            taken[name, what].append(time.perf_counter() - start)
    for (name, what), seconds in taken.items():
        times = rows[name].setdefault("milliseconds", {})
        times[what] = round(1000 * statistics.median(seconds), 3)
    ours = rows["ours"]["milliseconds"]
    # A codec draws only inside `decompress`: what is left is the network's.
    ours["decode, network"] = round(ours["decode"] - ours["decode, entropy coder"], 3)
    return rows


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def added_megabytes(codec: Codec, small: np.ndarray, large: np.ndarray) -> float:
    """Megabytes that coding and decoding a large picture add to the peak."""
    codec.decompress(codec.compress(small))
    before = peak_megabytes()
    codec.decompress(codec.compress(large))
    return peak_megabytes() - before


def ratios(rows: Mapping[str, Mapping]) -> dict[str, dict[str, float]]:
    """Our time divided by that of each format."""
    ours = rows["ours"]["milliseconds"]
    return {
        name: {
            what: round(ours[what] / rows[name]["milliseconds"][what], 2)
            for what in ("encode", "decode")
        }
        for name in FORMATS
    }


def main(argv: list[str]) -> None:
    """Measures and prints."""
    del argv
    load = os.getloadavg()[0]
    codec, pictures = load_image_codec(zoo.resolve(_MODEL.value)), drawn()
    # First, before anything else has needed as much.
    added = added_megabytes(codec, *pictures.values())
    measured = {
        size: measure(codec, image, _ROUNDS.value) for size, image in pictures.items()
    }
    slower = {size: ratios(rows) for size, rows in measured.items()}
    said = [
        f"{size}: ours takes {slower[size]['JPEG']['encode']:g} times as long as JPEG "
        f"to encode and {slower[size]['JPEG']['decode']:g} times to decode"
        for size in measured
    ]
    results = {
        "model": codec.model_id.hex(),
        "latent_channels": codec.tables.channels,
        "pictures": measured,
        "ours_over": slower,
        "large_picture_adds_megabytes": round(added, 1),
        "written_by": image_formats.versions(),
        "summary": f"{'; '.join(said)}.",
    }
    environment.write_benchmark(results, load, _OUTPUT.value)


if __name__ == "__main__":
    app.run(main)
