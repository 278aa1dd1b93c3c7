r"""Fetches a published face descriptor, which tells whether two faces are one person's.

  facemend face_descriptor --download
  facemend face_descriptor --package=face-api-1.7.15.tgz

It is dlib's network of 128 numbers (D. King, 2017), from the npm package
@vladmandic/face-api 1.7.15 (MIT license); nobody trained it here. The first form
downloads the package (13 MB), the second reads a copy that you have. Both check it and
write a SavedModel into the cache, where every report finds it; --output takes another
place, for --embedding. Nothing else ever fetches it.

  facemend face_descriptor --calibrate=face_descriptor.json --data_dir=DIR

measures the one in the cache again on pairs of LFW's faces, which needs MediaPipe.
"""

from __future__ import annotations

import io
import json
import math
import pathlib
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from data_pipeline import decoded, fetch, landmarks, machine, pixels, sources
from data_pipeline.datasets import lfw
from evaluation.metrics import identity
from experiments.core import command_line, environment
from models import face_descriptor as network
from serving.export import saved_model

TITLE = "dlib's face descriptor, from @vladmandic/face-api 1.7.15"
PACKAGE = (
    "https://registry.npmjs.org/@vladmandic/face-api/-/face-api-1.7.15.tgz",
    "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
)
_MANIFEST = "package/model/face_recognition_model-weights_manifest.json"
_OTHERWISE = "Fetch it by other means, and pass it as --package=FILE."

# Where dlib's face chips, with their padding of a quarter, have the middle of each eye
# and the middle of the mouth's corners: means of its mean face shape's points.
ANCHORS = ((0.3170, 0.3107), (0.6698, 0.3107), (0.4934, 0.6868))

# What `calibrate` has measured, which is part of the repository.
CALIBRATION = pathlib.Path(__file__).with_suffix(".json")
FALSE_ACCEPT_PERCENT = 1.0
PAIRS = 400  # of one person, and of two people, in each half of the people
_SIZE = 250  # pixels, LFW's own


def main() -> None:
    """The command line."""
    flags.DEFINE_bool("download", False, f"Fetch the package from {PACKAGE[0]}.")
    flags.DEFINE_string("package", "", "Path of the package, a .tgz.")
    flags.DEFINE_string("output", "", "SavedModel to write; empty takes the cache.")
    flags.DEFINE_string("calibrate", "", "JSON file to write measurements into.")
    flags.DEFINE_string("data_dir", "", "Where LFW is, for --calibrate.")
    flags.DEFINE_string("cache_dir", "", "Keeps LFW's decoded images, 2.5 GB.")
    command_line.run(make)


def make() -> None:
    """Downloads, converts or measures, as the flags say."""
    given = flags.FLAGS
    if given.calibrate:
        found = calibrate(given.output, given.data_dir, given.cache_dir)
        text = json.dumps(found, indent=2) + "\n"
        pixels.write_bytes(given.calibrate, text.encode())
        print(text)
    elif given.download:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / PACKAGE[0].rsplit("/", 1)[1]
            fetch.fetch(*PACKAGE, path, otherwise=_OTHERWISE)
            _say(take(path, given.output))
    elif given.package:
        _say(take(pathlib.Path(given.package), given.output))
    else:
        raise ValueError("Give --download, or --package=FILE; see --help.")


def _say(folder: pathlib.Path) -> None:
    cached = folder == identity.resolve("")
    use = "Reports use it" if cached else "Pass it as --embedding"
    print(f"Wrote {folder}. {use}.")


def take(package: pathlib.Path, output: str = "") -> pathlib.Path:
    """Checks the published package and writes its descriptor as a SavedModel.

    Args:
      package: The .tgz.
      output: Folder to write; empty takes the one in the cache.

    Raises:
      ValueError: If it is another file.
    """
    fetch.check(package, PACKAGE[1], f"{package} is a file")
    folder = pathlib.Path(output or machine.cache_folder() / identity.CACHED)
    made = build(read_weights(package))
    calibration = json.loads(CALIBRATION.read_text())
    facts = {
        "title": TITLE,
        "anchors": ANCHORS,
        "threshold": calibration["threshold"],
        "false_accept_percent": calibration["false_accept_percent"],
        "measured_on": calibration["measured_on"],
    }
    extras = {
        "embedding.json": json.dumps(facts, indent=2) + "\n",
        "model_card.md": card(calibration),
    }
    return saved_model.write(made, folder.expanduser(), extras=extras)


def read_weights(package: pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a package's descriptor by their published names, float32."""
    try:
        with tarfile.open(package, "r:gz") as archive:
            manifest = json.load(_member(archive, _MANIFEST))
            weights = {}
            for group in manifest:
                data = b"".join(
                    _member(archive, f"package/model/{path}").read()
                    for path in group["paths"]
                )
                weights.update(_decoded(group["weights"], data))
            return weights
    except (tarfile.TarError, EOFError, OSError, KeyError, ValueError) as error:
        raise ValueError(
            f"{package} has no face descriptor that can be read ({error}). Pass "
            f"{PACKAGE[0].rsplit('/', 1)[1]} as it is published."
        ) from error


def _member(archive: tarfile.TarFile, name: str) -> io.BufferedReader:
    """A file of an archive; a KeyError without it."""
    return archive.extractfile(archive.getmember(name))


def _decoded(specs: Sequence[Mapping], data: bytes) -> dict[str, np.ndarray]:
    """The arrays that lie one after the other in a file of weights.

    One byte a number: value = byte * scale + min.
    """
    arrays, start = {}, 0
    for spec in specs:
        count, quantized = math.prod(spec["shape"]), spec.get("quantization")
        kind = np.dtype(quantized["dtype"] if quantized else spec["dtype"])
        values = np.frombuffer(data, kind.newbyteorder("<"), count, start)
        start += values.nbytes
        if quantized:
            values = values * np.float32(quantized["scale"]) + quantized["min"]
        arrays[spec["name"]] = values.reshape(spec["shape"]).astype(np.float32)
    if start != len(data):
        raise ValueError(f"{len(data) - start} bytes are left over")
    return arrays


def build(weights: Mapping[str, np.ndarray]) -> tf.keras.Model:
    """The network with these weights, as wide as they are.

    Raises:
      ValueError: If they are of another network.
    """
    try:
        width = weights[f"{network.FIRST}/conv/filters"].shape[-1]
        made = network.build_face_descriptor(
            width=width, numbers=weights[network.LAST].shape[-1]
        )
        for layer in made.layers:
            if layer.name == network.LAST:
                layer.set_weights([weights[network.LAST]])
            elif layer.weights:
                layer.set_weights(_folded(weights, layer.name))
    except KeyError as error:
        raise ValueError(f"The descriptor's weights lack {error}.") from error
    return made


def _folded(weights: Mapping[str, np.ndarray], layer: str) -> list[np.ndarray]:
    """Kernel and bias of a convolution with the scale layer that follows it."""
    name = layer.replace("_conv1", "/conv1").replace("_conv2", "/conv2")
    kernel, bias = (weights[f"{name}/conv/{part}"] for part in ("filters", "bias"))
    scale, shift = (weights[f"{name}/scale/{part}"] for part in ("weights", "biases"))
    return [kernel * scale, bias * scale + shift]


# Calibration.


def calibrate(folder: str, data_dir: str, cache_dir: str = "") -> dict[str, Any]:
    """Measures a descriptor on pairs of LFW's faces.

    Args:
      folder: Of the descriptor; empty takes the cached one.
      data_dir: Where LFW is.
      cache_dir: Of decoded images.
    """
    command_line.require(data_dir=data_dir)
    found = identity.resolve(folder)
    if found is None:
        raise ValueError("The cache has no face descriptor; make it first, see --help.")
    splits, located = [], {}
    for split in ("train", "test"):
        source = sources.load("lfw", split, data_dir=data_dir)
        images = decoded.decode(source, size=_SIZE, crop="none", cache_dir=cache_dir)
        points = landmarks.of(images, crop="none", cache_dir=cache_dir)
        if points is None:
            raise ValueError("--calibrate needs MediaPipe: pip install .[face]")
        splits.append(images)
        located.update(zip(images.names, points.points))
    shown = {name: lfw.person_in(name) for name in located}
    without = [name for name, five in located.items() if np.isnan(five).any()]
    pairs = pairs_of_halves(shown, without)
    embedding = identity.load(found).located(located)
    wanted = {name for half in pairs for part in half for pair in part for name in pair}
    directions = {}
    for split in splits:
        rows = [row for row, name in enumerate(split.names) if name in wanted]
        for start in range(0, len(rows), 64):
            here = rows[start : start + 64]
            names = [split.names[row] for row in here]
            unit = pixels.bytes_to_unit(split.images[here]).numpy()
            directions.update(zip(names, embedding.directions(unit, names)))
    return {
        "title": TITLE,
        "measured_on": source.info.title,
        "aligned_by": points.origin.partition(";")[0],
        "images_without_a_face": len(without),
        **measured(pairs, directions, shown),
        "environment": environment.environment(),
    }


def pairs_of_halves(people: Mapping[str, str], without: Sequence[str]) -> list[tuple]:
    """Pairs of images, of one person and of two, in each half of the people.

    As in LFW's own protocol a person is drawn among those with several images, or two
    people among all, and then their images; no pair comes twice. Seeds are fixed.

    Args:
      people: {image: who is shown}.
      without: Images that are left out.
    """
    images: dict[str, list[str]] = {}
    for name in sorted(people.keys() - set(without)):
        images.setdefault(people[name], []).append(name)
    names = np.random.default_rng(0).permutation(sorted(images))
    halves = (names[: len(names) // 2], names[len(names) // 2 :])
    return [
        draw_pairs({name: images[name] for name in half}, PAIRS, seed)
        for seed, half in enumerate(halves, start=1)
    ]


def measured(
    pairs: Sequence[tuple], directions: Mapping[str, np.ndarray], people: Mapping
) -> dict[str, Any]:
    """What the descriptor does: thresholds of one half of the people, on the other.

    The threshold of the false accepts is that of every two images of different people
    among those that were drawn, which are many more than the drawn pairs.

    Args:
      pairs: From `pairs_of_halves`.
      directions: {image: its embedding of length 1}.
      people: {image: who is shown}.
    """
    chosen, drawn = (
        [np.array([directions[a] @ directions[b] for a, b in part]) for part in half]
        for half in pairs
    )
    strangers, others = (_strangers(half, directions, people) for half in pairs)
    threshold = float(np.quantile(strangers, 1 - FALSE_ACCEPT_PERCENT / 100))
    best = max(np.sort(np.concatenate(chosen)), key=lambda at: _right(chosen, at))
    same, other = drawn
    return {
        "false_accept_percent": FALSE_ACCEPT_PERCENT,
        "threshold": round(threshold, 4),
        "at_threshold": {
            "verified": _share(same >= threshold),
            "falsely_accepted": _share(other >= threshold),
            "falsely_accepted_of_all_percent": round(
                100 * float((others >= threshold).mean()), 2
            ),
        },
        "best_threshold": round(float(best), 4),
        "accuracy": _share(np.concatenate([same >= best, other < best])),
        "pairs": {"of one person": len(same), "of two people": len(other)},
        "pairs_of_all": len(others),
    }


def _strangers(
    half: tuple, directions: Mapping[str, np.ndarray], people: Mapping[str, str]
) -> np.ndarray:
    """Cosines of every two drawn images of different people."""
    names = sorted({name for part in half for pair in part for name in pair})
    rows = np.stack([directions[name] for name in names])
    shown = np.array([people[name] for name in names])
    first, second = np.triu_indices(len(rows), 1)
    return (rows @ rows.T)[first, second][shown[first] != shown[second]]


def draw_pairs(
    people: Mapping[str, Sequence[str]], count: int, seed: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of images of one person, and of two: `count` of each, without repeats.

    There are fewer of one person if there are not so many.
    """
    rng, names = np.random.default_rng(seed), sorted(people)
    several = [name for name in names if len(people[name]) > 1]
    possible = sum(math.comb(len(people[name]), 2) for name in several)
    same, other = {}, {}  # ordered, unlike sets
    while len(same) < min(count, possible):
        images = people[several[rng.integers(len(several))]]
        first, second = rng.choice(len(images), 2, replace=False)
        same[tuple(sorted((images[first], images[second])))] = None
    while len(other) < count:
        pair = (people[names[row]] for row in rng.choice(len(names), 2, replace=False))
        other[tuple(sorted(each[rng.integers(len(each))] for each in pair))] = None
    return [*same], [*other]


def _right(cosines: Sequence[np.ndarray], threshold: float) -> float:
    same, other = cosines
    return float((same >= threshold).mean() + (other < threshold).mean())


def _share(hits: np.ndarray) -> dict[str, float]:
    """Percent, with its 95% interval by Wilson."""
    # Here, because it takes half a second, and --help tests nothing.
    import scipy.stats

    found = scipy.stats.binomtest(int(hits.sum()), len(hits))
    interval = found.proportion_ci(method="wilson")
    values = {"percent": found.statistic, "low": interval.low, "high": interval.high}
    return {name: round(100 * float(value), 2) for name, value in values.items()}


def card(calibration: Mapping[str, Any]) -> str:
    """The model card, from what was measured."""

    def shown(found: Mapping[str, float]) -> str:
        return f"{found['percent']:g}% [{found['low']:g}, {found['high']:g}]"

    pairs, at = calibration["pairs"], calibration["at_threshold"]
    best, threshold = calibration["best_threshold"], calibration["threshold"]
    return f"""# {TITLE}

**It was not trained here.** The network and its weights are Davis King's
`dlib_face_recognition_resnet_model_v1` (2017), which he gave to the public domain; they
were rounded to 8 bits for Vincent Mühler's face-api.js, and are published in Vladimir
Mandic's `@vladmandic/face-api` 1.7.15 under the MIT license. King names as its data
about 3 million faces of 7,485 people, of FaceScrub, VGG's set and the web, and says
that he avoided people of Labeled Faces in the Wild.

It turns a face, cut out by eyes and mouth to {network.IMAGE_SIZE}x{network.IMAGE_SIZE}
pixels, into {network.NUMBERS} numbers. Reports compare them by their cosine.

Measured on {calibration["measured_on"]}, whole photographs of {_SIZE} pixels:
{pairs["of one person"]:,} pairs of one person and {pairs["of two people"]:,} of two,
of people that chose no threshold; faces cut out by landmarks of
{calibration["aligned_by"]}. In brackets 95% intervals by Wilson.

| | one person from this cosine on | of the pairs |
|:---|---:|---:|
| Told rightly (accuracy) | {best:g} | {shown(calibration["accuracy"])} |
| Of one person, accepted (verified) | {threshold:g} | {shown(at["verified"])} |
| Of two people, accepted (falsely) | {threshold:g} | {shown(at["falsely_accepted"])} |

Two thresholds were chosen on other people: from {best:g} on most pairs are told
rightly, and from {threshold:g} on {FALSE_ACCEPT_PERCENT:g}% of all pairs of different
people are accepted. Reports take {threshold:g}, the latter. Of all
{calibration["pairs_of_all"]:,} such pairs among these faces it accepts
{at["falsely_accepted_of_all_percent"]:g}%. In small or blurred pictures that may be
more; a report says how many of its own originals it accepts.

Use it to judge restored faces, not to find out who somebody is. How well it tells
people apart of whom {calibration["measured_on"]} has few, such as children, was not
measured.
"""


if __name__ == "__main__":
    main()
