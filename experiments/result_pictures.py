"""Pictures that README and results pages show, made from reports."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np

from data_pipeline import pixels
from evaluation import pictures, plots
from evaluation.charts import Curve

_SHOWN = 128  # pixels


def draw_faces(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Writes one picture of a run's median restorations, a face a row.

    Raises:
      FileNotFoundError: If the run has no report.
    """
    results = folder / "report" / "results.json"
    if not results.exists():
        raise FileNotFoundError(
            f"--picture={folder} has no report; run it with --stages=evaluate first."
        )
    rows = json.loads(results.read_text())["pictures"]["Median"]
    images = [
        [
            _shown(pixels.read(folder / "report" / file))
            for file in row["files"].values()
        ]
        for row in rows
    ]
    pixels.write_bytes(target, pixels.encode_png(pixels.tile(images)))


def tile_charts(
    folder: pathlib.Path, names: Sequence[str], target: pathlib.Path
) -> None:
    """Writes some of a report's charts as one picture, two in a row, if all exist."""
    charts = [folder / "report" / "plots" / f"{name}.png" for name in names]
    drawn = [pixels.read(chart) for chart in charts if chart.exists()]
    # The report of a single run has its losses in one chart a network.
    if len(drawn) == len(names):
        rows = [drawn[start : start + 2] for start in range(0, len(drawn), 2)]
        pixels.write_bytes(target, pixels.encode_png(pixels.tile(rows)))


def draw_curves(
    curves: Sequence[Curve], folder: pathlib.Path, prefix: str
) -> list[dict[str, str]]:
    """Writes each chart as <folder>/<prefix>_<slug>.png.

    Returns:
      Of each chart {"file": its name, "alt", "note"}, to show it with.
    """
    drawn = []
    for curve in curves:
        name = f"{prefix}_{pictures.slug(curve.slug)}.png"
        pixels.write_bytes(folder / name, plots.png(curve))
        alt = curve.alt or curve.title
        drawn.append({"file": name, "alt": alt, "note": curve.note})
    return drawn


def _shown(image: np.ndarray) -> np.ndarray:
    """A small picture, enlarged to what a page shows well."""
    side = max(_SHOWN, image.shape[0])
    return pixels.resize(image, side, side)
