"""Table 1 of Killingbeck et al.: measured, and the published numbers beside it."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence

import numpy as np

from evaluation import tables
from evaluation.codecs.round_trips import BITS
from evaluation.metrics import registry
from evaluation.tables import Table
from experiments.cvae_dcgan.published import BENCHMARK, TABLE_1

Values = Mapping[str, np.ndarray]

# Region -> what is said of a row of it. Which images the paper masks is not stated.
READINGS = {
    "masked_input": " + mask (input)",
    "masked_both": " + mask (input and output)",
    "masked": " + mask (output)",
}


class _Column(typing.NamedTuple):
    """offset + factor * the mean of a metric."""

    title: str
    metric: str
    offset: float
    factor: float
    digits: int


def _complement(name: str) -> _Column:
    metric = registry.METRICS[name]
    return _Column(f"1−{metric.label}", name, 1.0, -1.0, metric.digits)


def _times(title: str, name: str, factor: float = 1.0, digits: int = 0) -> _Column:
    return _Column(title, name, 0.0, factor, digits or registry.METRICS[name].digits)


# Which MS-SSIM the paper takes is not stated; three scales fit 64 px.
_COLUMNS = (
    *map(_complement, ("ssim", "ms_ssim", "ms_ssim_3", "ms_ssim_5w", "vif")),
    _times("LPIPS", "lpips"),
    _times("l_1", "mae", 10.0, 3),
    _times("l_2", "mse", 100.0, 3),
    _times("MAE", "mae"),
    _times("MSE", "mse"),
)
_ON_FACES = (_times("MAE of the face", "mae"), _times("MSE of the face", "mse"))
_BYTES = "Bytes"
_SSIM, _MS_SSIM = (_complement(name).title for name in ("ssim", "ms_ssim_3"))
_BENCHMARK_TITLES = {"1−MS-SSIM": _MS_SSIM}


def table_1(values: Mapping[str, Values], *, ours: Sequence[str], size: int) -> Table:
    """The paper's table, as measured and as published.

    Args:
      values: {row: {"region/metric": [N]}}: of networks, of JPEG in each of its
        readings, and of others, all with "file/bits_per_pixel". A row is followed
        by one for each of `READINGS` of which it has values.
      ours: The networks' rows.
      size: Side of the images in pixels.
    """
    jpegs = [name for name in values if _is_jpeg(name)]
    others = [name for name in values if name not in (*ours, *jpegs)]
    models = [name for name in TABLE_1 if not _is_jpeg(name)]
    their_jpegs = [name for name in TABLE_1 if _is_jpeg(name)]
    rows, kinds, shown = [], [], set()
    for measured, published in ((ours, models), (jpegs, their_jpegs), (others, [])):
        for name in measured:
            found = _measured(name, values[name], size)
            rows += found.items()
            kinds += ["ours" if name in ours else "baseline"] * len(found)
            shown.update(*found.values())
        rows += [(f"published: {name}", _published(name)) for name in published]
        kinds += ["published"] * len(published)
    rows += _benchmark().items()
    kinds += ["published"] * len(_benchmark())
    titles = [column.title for column in (*_COLUMNS, *_ON_FACES)] + [_BYTES]
    # Columns without a value of ours are in the published tables.
    titles = [title for title in titles if title in shown]
    return Table(
        caption="Table 1, measured and published",
        columns=["", *titles],
        rows=[
            [name, *(cells.get(title, tables.DASH) for title in titles)]
            for name, cells in rows
        ],
        note=_note([values[name] for name in ours], size),
        kinds=kinds,
        key="table_1",
    )


def _is_jpeg(name: str) -> bool:
    return name.startswith("JPEG")


def _measured(name: str, values: Values, size: int) -> dict[str, dict[str, str]]:
    """The row of whole images, and those of masked ones if there are such."""
    length = np.mean(values[BITS]) * size**2 / 8
    rows = {name: _cells("raw", _COLUMNS, values)}
    rows[name][_BYTES] = f"{round(length):,}"
    for region, said in READINGS.items():
        if f"{region}/mae" in values:
            rows[name + said] = _cells(region, _COLUMNS, values)
        if region == "masked" and f"{region}/mae" in values:
            rows[name + said] |= _cells("face", _ON_FACES, values)
    return rows


def _cells(region: str, columns: tuple[_Column, ...], values: Values) -> dict[str, str]:
    """Title -> number, of what is defined on any image."""
    cells = {}
    for column in columns:
        found = values.get(f"{region}/{column.metric}", np.empty(0))
        if np.isfinite(found).any():
            mean = column.offset + column.factor * np.nanmean(found)
            cells[column.title] = tables.number(mean, column.digits)
    return cells


def _published(name: str) -> dict[str, str]:
    """JPEG's own errors are plain; those of JPEG + mask repeat a model's."""
    errors = ("MAE", "MSE") if name == "JPEG" else ("l_1", "l_2")
    titles = (_SSIM, _MS_SSIM, *errors)
    return {
        title: tables.number(value, 3) for title, value in zip(titles, TABLE_1[name])
    }


def _benchmark() -> dict[str, dict[str, str]]:
    """Toledo and Antonelo's rows."""
    rows = zip(*BENCHMARK.values())
    return {
        f"Toledo & Antonelo H{number}": {
            _BENCHMARK_TITLES.get(name, name): tables.number(value, 3)
            for name, value in zip(BENCHMARK, row)
        }
        for number, row in enumerate(rows, start=1)
    }


def _note(networks: Sequence[Values], size: int) -> str:
    images = len(networks[0][BITS])
    masked = [found["masked/mae"] for found in networks if "masked/mae" in found]
    faces = int(np.isfinite(masked[0]).sum()) if masked else 0
    note = f"Means over {tables.counted(images, 'test image')}. "
    if faces:
        note += (
            "Masks: means over all pixels of the "
            f"{tables.counted(faces, 'image')} in which a face was found. Which images "
            "are masked is not stated: the input (and so the original it is compared "
            "with), input and output, or the output and the original alone; beside the "
            "last, means over the face's pixels. "
        )
    return note + (
        "l_1 is 10 · MAE and l_2 100 · MSE, as the paper's numbers of its models are "
        "read here; units are not stated. Its JPEG seems plain and stands under MAE "
        "and MSE; l_1 and l_2 of its JPEG + mask repeat CVAE + mask. Which MS-SSIM is "
        "published is not stated. Eigenfaces are principal components of the training "
        "images, a linear auto-encoder of as many numbers. "
        f"Bytes: the latents as 32-bit floats, and whole files; JPEG (quality 85) of "
        f"{size}×{size} pixels, or of the image at its own full size, then both made "
        f"{size}×{size}. JPEG's tables are optimized for each image and its chroma has "
        "half the resolution (4:2:0). H1 to H10 are published by Toledo & Antonelo "
        "(2021); their images and units are their own."
    )
