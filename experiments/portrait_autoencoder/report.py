"""Report of an auto-encoder: other images, single images, and a codec's files.

Tan's network, trained on faces, did well on a lamp, and the paper leaves open why. So
restorers are measured on test images, on images without faces (drawn scenes, or the
folder that --other_images names) and on noise; and the network by spatial frequency,
because what it keeps of each frequency it may keep of any image.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.fft

from data_pipeline import decoded, pixels, sources
from data_pipeline.datasets import elements
from data_pipeline.datasets.folder import fetch_from, image_names, printable
from data_pipeline.drawn_scenes import draw
from evaluation.bootstrap import RESAMPLES, summarize
from evaluation.charts import Curve, Series
from evaluation.claims import Evidence
from evaluation.codecs import round_trips
from evaluation.evaluate import check_restored
from evaluation.metrics import registry, ssim
from evaluation.metrics.measure import mse, psnr_db
from evaluation.record import Evaluation
from evaluation.tables import MINUS, Table, counted, number, with_interval
from experiments.core.folder import FinishedRun
from experiments.core.run import Run
from experiments.core.system import Findings, JointFindings
from experiments.portrait_autoencoder import learning_rates, published, training
from models import portrait_autoencoder

_OTHERS = 200  # images of each kind
_RATE = "file/bits_per_pixel"


def examine(
    run: Run, restorers: Mapping[str, Callable], result: Evaluation
) -> Findings:
    """Measures images without faces, how single faces spread, and a codec's files."""
    config, data = run.config, run.data
    others = measure_other_images(
        restorers,
        size=config.image_size,
        seed=config.seed,
        folder=config.other_images,
        count=min(_OTHERS, len(data.test)),
        faces=run.system.fixed_batches(config, data.test),
    )
    crops = measure_crops(run, restorers)
    wrapped = [published.overflow(result)] if config.uint8_wrap else []
    found = Findings(
        tables=(*wrapped, *others.tables, *crops.tables, spread(result)),
        curves=others.curves,
        data={OTHERS: [*others.data[OTHERS], *crops.data.get(OTHERS, ())]},
    )
    if config.first_epoch_seeds:
        costs = learning_rates.measure(config, data.train)
        found = dataclasses.replace(
            found,
            tables=(*found.tables, learning_rates.table(costs)),
            data={**found.data, learning_rates.KEY: costs},
        )
    if config.entropy == "none":
        return found
    ours, codec = next(iter(restorers)), training.codec(run.network)
    images, names = data.test.images, data.test.names
    rates = {ours: codec}
    if codec.rates:
        count = len(config.lmbdas) - 1
        qualities = {round(codec.rates.BEST * i / count) for i in range(count + 1)}
        others = sorted(qualities - {codec.rates.usual})
        rates |= {f"{ours}, quality {q}": codec.at(q) for q in others}
    files = {
        name: round_trips.codec_round_trip(codec, images, names)
        for name, codec in rates.items()
    }
    values = round_trips.evaluate_codecs(files, images, names).values
    rate = values[ours][_RATE].mean()
    quality = f" of quality {codec.rates.usual}" if codec.rates else ""
    said = (
        f"A file{quality} takes {rate * config.image_size**2 / 8:,.0f} bytes on "
        f"average, {number(rate, registry.metric_of(_RATE).digits)} bits per pixel, "
        "its header included."
    )
    return dataclasses.replace(found, values=values, statements=(said,))


def joint_findings(evidence: Evidence, runs: Sequence[FinishedRun]) -> JointFindings:
    """Claims on images without faces, of the paper's network, and on learning rates.

    Those are of the first run that has compared them, whichever it is.
    """
    data = {run.label: run.report.get("data", {}) for run in runs}
    others = data.get(published.OURS, {}).get(OTHERS, ())
    rates = (found.get(learning_rates.KEY) for found in data.values())
    return JointFindings(
        claims=[
            *published.check_other_images(evidence, published.OURS, others),
            *learning_rates.check_claims(evidence, next(filter(None, rates), None)),
        ]
    )


def mse_uint8_wrap(target, restored) -> np.ndarray:
    """The mean of ((x - y)² modulo 256) / 255² over 8-bit values.

    It equals the mean squared error as long as no value differs by 16 levels or more;
    beyond, it says nothing: a difference of 16 counts as none. Both images are
    [B, H, W, 3] in [0, 1], rounded to 8 bits here. Returns float32 [B].
    """
    images = ssim.as_images("mse_uint8_wrap", target, restored)
    target, restored = (pixels.unit_to_bytes(image).numpy() for image in images)
    # NumPy's uint8 arithmetic wraps, in the difference and in the square.
    squared = (target - restored) ** 2
    return squared.mean(axis=(1, 2, 3), dtype=np.float64).astype(np.float32) / 255**2


_AT_ONCE = 64  # images restored and measured


def measure_other_images(
    restorers: Mapping[str, Callable],
    *,
    size: int,
    seed: int,
    faces: Iterable,
    folder: str = "",
    count: int = 200,
) -> Findings:
    """Measures restorers on test images, on images without faces, and on noise.

    Args:
      restorers: {name: inputs -> float32 [B, S, S, 3] in [0, 1]}, ours first. Inputs
        are {"image": float32 [B, S, S, 3] in [0, 1], "key": int32 [B, 2], zeros}.
      size: S in pixels.
      seed: Of the drawn scenes and the noise, and of the choice from a folder.
      faces: Batches of (inputs, target), the network's test images; the target is
        float32 [B, S, S, 3] in [0, 1].
      folder: Of images without faces, searched recursively, instead of drawn scenes.
        Each is cropped to its center square; unreadable ones are named and left out.
      count: At most so many images of each set.

    Raises:
      FileNotFoundError: If the folder holds no images.
      ValueError: If none of them can be read, if there are no test images, or if a
        restorer returns anything but images in [0, 1].
    """
    # Before anything is measured, because the flag may be wrong.
    others = _without_faces(folder, size=size, seed=seed, count=count)
    noise = (draw.noise(i, seed=seed, size=size) for i in range(count))
    sets = [
        _measure(restorers, noun, batches)
        for noun, batches in (
            ("test image", _first(faces, count)),
            ("other image" if folder else "drawn scene", _batches(iter(others))),
            ("noise image", _batches(noise)),
        )
    ]
    about = (
        "Test images are of the kind that was trained on; noise is independent "
        "uniform pixels. "
    )
    about += (
        f"Other images are those of the folder {pathlib.Path(folder).name}."
        if folder
        else "Drawn scenes hold no faces."
    )
    errors = [error_table(sets, *metric, about) for metric in METRICS]
    ours, edges = next(iter(restorers)), bands(size)
    kind = "photographs" if folder else "drawn"
    return Findings(
        tables=(*errors, by_frequency(sets, edges, ours)),
        curves=(curve(sets, edges, ours),),
        data={OTHERS: [ratio(kind, sets[0], sets[1], ours)]},
    )


OTHERS = "without_faces"  # of a report's data
# Sets whose faces are in the middle, of photographs whose corners are not faces.
_PHOTOGRAPHS = ("lfw", "celeb_a", "celeb_a_hq")


def measure_crops(run: Run, restorers: Mapping[str, Callable]) -> Findings:
    """Measures restorers on photographs without faces: corners of the test images.

    The middle of each image is measured beside one of its corners, in turn, at the
    same scale and size, by the network for any size. Nothing is found where the test
    images are no photographs of faces.
    """
    config, split = run.config, run.data.test
    if split.source.info.name not in _PHOTOGRAPHS:
        return Findings()
    network = training.build_network(config, any_size=True)
    network.set_weights(run.network.get_weights())
    ours, *others = restorers
    anywhere = {ours: run.system.restorer(network)}
    anywhere |= {name: restorers[name] for name in others}
    middles, corners = crops(split.images[:_OTHERS])
    sets = [
        _measure(anywhere, noun, _batches(iter(images)))
        for noun, images in (("face crop", middles), ("corner crop", corners))
    ]
    about = (
        f"Crops of the test images, {middles.shape[1]} pixels wide: the middle, where "
        "the face is, and a corner, which now and then shows hair, clothes or somebody "
        "else. The network has learned from such corners as well."
    )
    return Findings(
        tables=(error_table(sets, *MSE, about),),
        data={OTHERS: [ratio("photographs", *sets, ours)]},
    )


def crops(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle and a corner of each image, uint8 [N, S, S, 3] -> [N, s, s, 3] each.

    The side s is a third of S, in whole cells of the code. Image i gives corner i % 4:
    top left, top right, bottom left, bottom right.
    """
    size = images.shape[1]
    cell = portrait_autoencoder.REDUCTION
    side = max(size // 3 // cell * cell, cell)
    start, end = (size - side) // 2, size - side
    middles = images[:, start : start + side, start : start + side]
    places = [(0, 0), (0, end), (end, 0), (end, end)]
    corners = [
        image[top : top + side, left : left + side]
        for image, (top, left) in zip(images, itertools.cycle(places))
    ]
    return middles, np.stack(corners)


def ratio(kind: str, faces: Measured, others: Measured, ours: str) -> dict[str, Any]:
    """The error on other images over that on faces, of `published.check_other_images`.

    The interval is a bootstrap that draws from each set by itself.
    """
    errors = [part.evaluation.values[ours][MSE[0]] for part in (others, faces)]
    rng = np.random.default_rng(0)
    drawn = [
        values[rng.integers(0, len(values), [RESAMPLES, len(values)])].mean(axis=1)
        for values in errors
    ]
    low, high = np.percentile(drawn[0] / drawn[1], (2.5, 97.5)).tolist()
    return {
        "kind": kind,
        "images": others.images,
        "faces": faces.images,
        "count": min(map(len, errors)),
        "ratio": float(errors[0].mean() / errors[1].mean()),
        "low": low,
        "high": high,
    }


def _without_faces(folder: str, *, size: int, seed: int, count: int) -> np.ndarray:
    """Drawn scenes or the images of a folder, uint8 [N, S, S, 3]."""
    if folder:
        source = _folder(pathlib.Path(folder).expanduser(), seed, count)
    else:
        source = sources.load("scenes", "test", seed=seed, size=size, limit=count)
    return decoded.decode(source, size=size, crop="center").images


def _folder(root: pathlib.Path, seed: int, count: int) -> elements.Source:
    """Images of a folder: all, or so many of them chosen by the seed."""
    names = image_names(root) if root.is_dir() else []
    if not names:
        looked = (
            "there is none in it or below that ends in "
            f"{', '.join(pixels.IMAGE_SUFFIXES)}"
            if root.is_dir()
            else "it is not a folder"
        )
        raise FileNotFoundError(
            f"--other_images={root}: no images; {looked}. Set --other_images to a "
            "folder of images without faces, or leave it out for drawn scenes."
        )
    chosen = np.sort(np.random.default_rng(seed).permutation(len(names))[:count])
    names = [names[position] for position in chosen]
    info = elements.SourceInfo(
        name="--other_images",
        title=f"the folder {root.name}",
        split_counts={"test": len(names)},
        license="whatever the images' own terms are",
        citation="",
        homepage="",
    )
    fetch = fetch_from(root, names)
    return elements.from_files(info, "test", printable(names), fetch)


def _first(batches: Iterable, count: int) -> Iterator[np.ndarray]:
    """The first `count` targets of batches of (inputs, target)."""
    for _, target in batches:
        if count <= 0:
            return
        yield np.asarray(target, np.float32)[:count]
        count -= len(target)


def _batches(images: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Images uint8 [S, S, 3], some at once, as float32 [B, S, S, 3] in [0, 1]."""
    while some := list(itertools.islice(images, _AT_ONCE)):
        yield pixels.bytes_to_unit(np.stack(some)).numpy()


def _measure(
    restorers: Mapping[str, Callable], noun: str, batches: Iterable[np.ndarray]
) -> Measured:
    """Restores every image once by each restorer."""
    ours, names, powers = next(iter(restorers)), [], []
    functions = {MSE[0]: mse, PSNR[0]: psnr_db}
    values = {name: {key: [] for key in functions} for name in restorers}
    for images in batches:
        here = [f"{noun} {len(names) + i}" for i in range(len(images))]
        inputs = {"image": images, "key": np.zeros([len(images), 2], np.int32)}
        for name, restore in restorers.items():
            restored = np.asarray(restore(inputs), np.float32)
            check_restored(name, restored, images, here)
            for key, function in functions.items():
                values[name][key].append(function(images, restored))
            if name == ours:
                # Clipped as the metrics do, so that the bands sum to the MSE.
                powers.append(by_band(images, restored.clip(0, 1)))
        names += here
    if not names:
        raise ValueError(f"There is no {noun} to measure.")
    columns = {
        name: {key: np.concatenate(parts) for key, parts in keys.items()}
        for name, keys in values.items()
    }
    signal, error = (np.concatenate(part).mean(axis=0) for part in zip(*powers))
    evaluation = Evaluation(names, columns, np.ones(len(names)), fingerprint="")
    return Measured(noun, evaluation, signal, error)


# Key, label in tables, factor. Published errors are about 1e-4.
MSE = ("raw/mse", "10⁴ × MSE", 1e4)
PSNR = ("raw/psnr_db", "PSNR (dB)", 1.0)
METRICS = (MSE, PSNR)


@dataclasses.dataclass(frozen=True)
class Measured:
    """Every restorer's errors on a set of images, and the first one's by frequency.

    Attributes:
      noun: What one of the images is called.
      evaluation: Of all restorers.
      signal: float64 [K], the mean power in each of `frequency.bands`.
      error: float64 [K], the same of the first restorer's error.
    """

    noun: str
    evaluation: Evaluation
    signal: np.ndarray
    error: np.ndarray

    @property
    def images(self) -> str:
        """Such as "200 drawn scenes"."""
        return counted(len(self.evaluation.names), self.noun)

    @property
    def lost(self) -> np.ndarray:
        """The share of each band's power that is lost, NaN of a band without any."""
        signal = np.where(self.signal > 0, self.signal, np.nan)
        return self.error / signal


def error_table(
    sets: Sequence[Measured], key: str, label: str, scale: float, about: str
) -> Table:
    """One metric, such as "raw/mse", of every restorer on each set, with intervals.

    The table calls it `label` and multiplies it by `scale`; `about` is a sentence on
    the sets.
    """
    summaries = [summarize(part.evaluation, keys=[key]) for part in sets]
    rows = []
    for restorer in sets[0].evaluation.values:
        entries = [summary[restorer][key] for summary in summaries]
        scaled = [
            {name: scale * entry[name] for name in ("mean", "low", "high")}
            for entry in entries
        ]
        rows.append([restorer, *(with_interval(one, 2) for one in scaled)])
    kinds = [f"{part.noun}s" for part in sets]
    return Table(
        caption=f"{label} on {', '.join(kinds[:-1])} and {kinds[-1]}",
        columns=["", *(part.images for part in sets)],
        rows=rows,
        note=f"Mean with 95% bootstrap interval. {about}",
        kinds=_kinds(rows),
    )


def spread(evaluation: Evaluation) -> Table:
    """The spread of single images' errors, "raw/mse", ours first.

    Published errors are of single images.
    """
    key, label, scale = MSE
    rows = [
        [restorer, *(scale * np.nanpercentile(values[key], (5, 50, 95))).tolist()]
        for restorer, values in evaluation.values.items()
        if key in values
    ]
    images = counted(len(evaluation.names), "test image")
    return Table(
        caption=f"{label} of single images, over {images}",
        columns=["", "5%", "Median", "95%"],
        rows=rows,
        note=(
            "5% of the images have an error below the first number, and 5% one above "
            "the last. Published errors are of single images."
        ),
        kinds=_kinds(rows),
        digits=2,
    )


def _kinds(rows: Sequence) -> list[str]:
    return ["ours", *["baseline"] * (len(rows) - 1)]


def by_frequency(sets: Sequence[Measured], edges: np.ndarray, ours: str) -> Table:
    """Signal and error of the first restorer, called `ours`, in each band."""
    columns = ["Cycles per pixel"]
    for part in sets:
        columns += [f"{part.images}: signal", "error", "lost (%)"]
    rows = []
    for band, name in enumerate(_band_names(edges)):
        row = [name]
        for part in sets:
            row += [_power_text(part.signal[band]), _power_text(part.error[band])]
            row.append(number(100 * part.lost[band], 2))
        rows.append(row)
    return Table(
        caption=f"What {ours} loses, by spatial frequency",
        columns=columns,
        rows=rows,
        note=(
            "Mean power of a band, of the DCT of each channel of images in [0, 1]: "
            "the errors of all bands sum to the MSE. Lost is error / signal: at 100% "
            "the band might as well be left out."
        ),
    )


def _band_names(edges: np.ndarray) -> list[str]:
    """Such as "mean color", "up to 1/64", "1/64 to 1/32", "1/4 and more"."""
    octaves = [f"1/{round(1 / edge)}" for edge in edges[2:-1]]
    between = [f"{low} to {high}" for low, high in zip(octaves, octaves[1:])]
    return ["mean color", f"up to {octaves[0]}", *between, f"{octaves[-1]} and more"]


def _power_text(value: float) -> str:
    return f"{value:.2e}".replace("-", MINUS)


def curve(sets: Sequence[Measured], edges: np.ndarray, ours: str) -> Curve:
    """The share that is lost over frequency, in the middle of each octave."""
    low, high = edges[1:-1], np.minimum(edges[2:], 0.5)
    middle = np.sqrt(low * high).tolist()
    return Curve(
        slug="lost-by-frequency",
        title="What is lost, by spatial frequency",
        x_label="spatial frequency (cycles per pixel)",
        y_label="share of the signal's power",
        series=[
            Series(f"{part.noun}s", middle, part.lost[1:].tolist(), ours=not index)
            for index, part in enumerate(sets)
        ],
        markers=True,
        note=f"{ours}: power of the error / power of the images in each octave.",
        alt=(
            f"Share of the power that {ours} loses, over frequency, for "
            f"{', '.join(part.images for part in sets)}."
        ),
    )


HIGHEST = math.sqrt(0.5)  # cycles per pixel: the checkerboard, which is never reached
_COARSEST = 3  # cycles across the image that the coarsest octave reaches at least
_CHUNK = 16  # images transformed at once, a bound on memory


def bands(size: int) -> np.ndarray:
    """The edges of an image's bands in cycles per pixel; its side is 8 pixels at least.

    The first band is the mean color alone. Octaves follow; the coarsest takes
    everything below it too, and the finest the corners beyond 1/2.

    Returns:
      float64 [K + 1], ascending from 0 to `HIGHEST`. For 192: 0, 1/384, 1/64, 1/32,
      1/16, 1/8, 1/4, 0.71. Band k goes from edge k up to, without, edge k + 1.
    """
    if size < 8:
        raise ValueError(
            "size must be at least 8 pixels, because a smaller image has no two "
            f"octaves of frequencies; got {size}."
        )
    coarsest = max(math.floor(math.log2(size / _COARSEST)), 2)
    octaves = [2.0**-power for power in range(coarsest, 1, -1)]
    return np.array([0.0, 0.5 / size, *octaves, HIGHEST])


def by_band(target: np.ndarray, restored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The power of images and of their errors in each band of `bands`.

    Both images are [B, S, S, C]; nothing is clipped.

    Returns:
      (signal, error), each float64 [B, K]: the mean over pixels and channels of the
      square of what lies in the band. The signal's bands sum to the image's mean
      square, the error's to the mean squared error.

    Raises:
      ValueError: If the shapes are not [B, S, S, C], or differ.
    """
    target, restored = np.asarray(target), np.asarray(restored)
    shape = target.shape
    if len(shape) != 4 or shape[1] != shape[2] or restored.shape != shape:
        raise ValueError(
            "by_band compares square images, two [B, S, S, C] of one shape; got "
            f"{list(shape)} and {list(restored.shape)}."
        )
    members = _members(shape[1])
    parts = []
    for start in range(0, len(target), _CHUNK):
        images = target[start : start + _CHUNK].astype(np.float64)
        errors = restored[start : start + _CHUNK] - images
        parts.append([_power(values) @ members for values in (images, errors)])
    signal, error = (np.concatenate(part) for part in zip(*parts))
    return signal, error


def _members(size: int) -> np.ndarray:
    """The band of each frequency: float64 [S * S, K], one 1 a row."""
    # Coefficient k of a DCT-II makes k half cycles across the image.
    step = np.arange(size) / (2.0 * size)
    edges = bands(size)
    place = np.digitize(np.hypot(step[:, None], step), edges[1:-1]).ravel()
    return np.eye(len(edges) - 1)[place]


def _power(images: np.ndarray) -> np.ndarray:
    """[B, S, S, C] -> [B, S * S]: each frequency's part of the mean square."""
    count, size = images.shape[:2]
    coefficients = scipy.fft.dctn(images, axes=(1, 2), norm="ortho")
    return np.square(coefficients).mean(axis=3).reshape(count, -1) / size**2
