"""What a network for faces does with other images: the report's part on them.

Tan's network, trained on faces, did well on a lamp, and the paper leaves open why. So
restorers are measured on test images, on images without faces (drawn scenes, or the
folder that --other_images names) and on noise; and the network by spatial frequency,
because what it keeps of each frequency it may keep of any image.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from data_pipeline import decoded, drawn_scenes, elements, pixels, sources
from data_pipeline import folder as image_folder
from evaluation import frequency, metrics
from evaluation.charts import Curve
from evaluation.evaluate import check_restored
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments import other_images_tables as layout
from experiments.other_images_tables import spread

__all__ = ["OtherImages", "measure", "spread"]

_AT_ONCE = 64  # images restored and measured


@dataclasses.dataclass(frozen=True)
class OtherImages:
    """What a report shows: tables, and charts."""

    tables: Sequence[Table]
    curves: Sequence[Curve]


def measure(
    restorers: Mapping[str, Callable],
    *,
    size: int,
    seed: int,
    faces: Iterable,
    folder: str = "",
    count: int = 200,
) -> OtherImages:
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
        restorer breaks its promise.
    """
    # First what may be wrong with a flag.
    others = _without_faces(folder, size=size, seed=seed, count=count)
    noise = (drawn_scenes.noise(i, seed=seed, size=size) for i in range(count))
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
    errors = [layout.errors(sets, *metric, about) for metric in layout.METRICS]
    ours, edges = next(iter(restorers)), frequency.bands(size)
    return OtherImages(
        tables=[*errors, layout.by_frequency(sets, edges, ours)],
        curves=[layout.curve(sets, edges, ours)],
    )


def _without_faces(folder: str, *, size: int, seed: int, count: int) -> np.ndarray:
    """Drawn scenes or the images of a folder, uint8 [N, S, S, 3]."""
    if folder:
        source = _folder(pathlib.Path(folder).expanduser(), seed, count)
    else:
        source = sources.load("scenes", "test", seed=seed, size=size, limit=count)
    return decoded.decode(source, size=size, crop="center").images


def _folder(root: pathlib.Path, seed: int, count: int) -> elements.Source:
    """Images of a folder: all, or so many of them chosen by the seed."""
    names = image_folder.image_names(root) if root.is_dir() else []
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
        licence="whatever the images' own terms are",
        citation="",
        homepage="",
    )
    fetch = image_folder.fetch_from(root, names)
    return elements.from_files(info, "test", image_folder.printable(names), fetch)


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
) -> layout.Measured:
    """Restores every image once by each restorer."""
    ours, names, powers = next(iter(restorers)), [], []
    functions = {layout.MSE[0]: metrics.mse, layout.PSNR[0]: metrics.psnr_db}
    values = {name: {key: [] for key in functions} for name in restorers}
    for images in batches:
        here = [f"{noun} {len(names) + number}" for number in range(len(images))]
        inputs = {"image": images, "key": np.zeros([len(images), 2], np.int32)}
        for name, restore in restorers.items():
            restored = np.asarray(restore(inputs), np.float32)
            check_restored(name, restored, images, here)
            for key, function in functions.items():
                values[name][key].append(function(images, restored))
            if name == ours:
                # Clipped as the metrics do, so that the bands sum to the MSE.
                powers.append(frequency.by_band(images, restored.clip(0, 1)))
        names += here
    if not names:
        raise ValueError(f"There is no {noun} to measure.")
    columns = {
        name: {key: np.concatenate(parts) for key, parts in keys.items()}
        for name, keys in values.items()
    }
    signal, error = (np.concatenate(part).mean(axis=0) for part in zip(*powers))
    evaluation = Evaluation(names, columns, np.ones(len(names)), fingerprint="")
    return layout.Measured(noun, evaluation, signal, error)
