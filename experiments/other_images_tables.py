"""The tables and the chart of `other_images`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from evaluation import wording
from evaluation.bootstrap import summarize
from evaluation.charts import Curve, Series
from evaluation.record import Evaluation
from evaluation.tables import Table

# Key, what tables call it, factor. Published errors are some 1e-4.
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
        return wording.counted(len(self.evaluation.names), self.noun)

    @property
    def lost(self) -> np.ndarray:
        """The share of each band's power that is lost, NaN of a band without any."""
        signal = np.where(self.signal > 0, self.signal, np.nan)
        return self.error / signal


def errors(
    sets: Sequence[Measured], key: str, label: str, scale: float, about: str
) -> Table:
    """One metric of every restorer on each set, with intervals.

    Args:
      sets: What was measured.
      key: Such as "raw/mse".
      label: What the table calls it.
      scale: Factor of the values shown.
      about: What the sets are, as a sentence.
    """
    summaries = [summarize(part.evaluation, keys=[key]) for part in sets]
    rows = []
    for restorer in sets[0].evaluation.values:
        entries = [summary[restorer][key] for summary in summaries]
        scaled = [
            {name: scale * entry[name] for name in ("mean", "low", "high")}
            for entry in entries
        ]
        rows.append([restorer, *(wording.with_interval(one, 2) for one in scaled)])
    kinds = [f"{part.noun}s" for part in sets]
    return Table(
        caption=f"{label} on {', '.join(kinds[:-1])} and {kinds[-1]}",
        columns=["", *(part.images for part in sets)],
        rows=rows,
        note=f"Mean with 95% bootstrap interval. {about}",
        kinds=_kinds(rows),
    )


def spread(evaluation: Evaluation) -> Table:
    """How the errors of single images spread, since published ones are of single ones.

    Args:
      evaluation: Of the test images, ours first; with "raw/mse".
    """
    key, label, scale = MSE
    rows = [
        [restorer, *(scale * np.nanpercentile(values[key], (5, 50, 95))).tolist()]
        for restorer, values in evaluation.values.items()
        if key in values
    ]
    images = wording.counted(len(evaluation.names), "test image")
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
            row += [_power(part.signal[band]), _power(part.error[band])]
            row.append(wording.number(100 * part.lost[band], 2))
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


def _power(value: float) -> str:
    return f"{value:.2e}".replace("-", wording.MINUS)


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
            Series(f"{part.noun}s", middle, part.lost[1:].tolist(), ours=not number)
            for number, part in enumerate(sets)
        ],
        markers=True,
        note=f"{ours}: power of the error / power of the images in each octave.",
        alt=(
            f"Share of the power that {ours} loses, over frequency, for "
            f"{', '.join(part.images for part in sets)}."
        ),
    )
