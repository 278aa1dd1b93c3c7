"""Rate-distortion curves and BD-rates: bytes that codecs take at equal quality.

A curve goes through the settings of a codec. Between them the logarithm of the rate is
interpolated over the quality by monotone cubics (PCHIP), as in the common test
conditions of HEVC and VVC; there is no extrapolation. A curve over a set of images uses
the means of bits per pixel and of PSNR, or of MS-SSIM converted to decibels.

Source: Bjøntegaard, Calculation of average PSNR differences between RD-curves,
VCEG-M33, 2001.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evaluation import bootstrap, tables
from evaluation.charts import Curve, Series
from evaluation.codecs import image_formats, round_trips
from evaluation.codecs.round_trips import BITS
from evaluation.metrics import registry
from evaluation.record import Evaluation
from evaluation.tables import OURS

RATE = "rate-"  # begins the slug of a chart, before the name of its metric
_LEAST_DIFFERENCE = 1e-10  # caps an MS-SSIM of 1, as `PSNR_CAP_DB` does a PSNR


class RateCurve:
    """Rates, above 0, and qualities of a codec's settings, given in any order.

    Of two settings of equal quality the one with the lower rate counts. A setting that
    another one beats in both rate and quality stays on the curve. `qualities` are
    float64 and increasing, `rates` in the same order.
    """

    def __init__(self, rates, qualities):
        rates, qualities = (np.asarray(x, np.float64) for x in (rates, qualities))
        if rates.ndim != 1 or rates.shape != qualities.shape or not rates.size:
            raise ValueError(
                "A curve must have a rate and a quality for each of its settings; got "
                f"{list(rates.shape)} and {list(qualities.shape)}."
            )
        if not (np.isfinite(rates) & np.isfinite(qualities) & (rates > 0)).all():
            raise ValueError(
                "A curve's rates must be above 0, and they and its qualities finite; "
                f"got rates {rates.tolist()} and qualities {qualities.tolist()}."
            )
        order = np.lexsort((rates, qualities))  # by quality, then by rate
        self.qualities, first = np.unique(qualities[order], return_index=True)
        self.rates = rates[order][first]
        self._log_rate = None
        if len(self.rates) > 1:
            # Here, because it takes a quarter of a second, and --help has no curves.
            from scipy.interpolate import PchipInterpolator

            self._log_rate = PchipInterpolator(
                self.qualities, np.log(self.rates), extrapolate=False
            )

    def rate_at(self, qualities) -> np.ndarray:
        """The rates at some qualities; NaN outside the range of the curve.

        A curve of a single setting has its own quality only.
        """
        qualities = np.asarray(qualities, np.float64)
        if self._log_rate is None:
            return np.where(qualities == self.qualities[0], self.rates[0], np.nan)
        return np.exp(self._log_rate(qualities))

    def overlap(self, reference: RateCurve) -> tuple[float, float] | None:
        """The lowest and the highest common quality; None if there is no range."""
        low = max(self.qualities[0], reference.qualities[0])
        high = min(self.qualities[-1], reference.qualities[-1])
        return (float(low), float(high)) if low < high else None

    def bd_rate(self, reference: RateCurve) -> float:
        """The BD-rate in percent: -50 is half the rate at equal quality, 100 twice.

        The logarithm of the ratio of rates is averaged over the overlap, so exchanging
        the curves inverts the ratio. NaN where the curves do not overlap.
        """
        span = self.overlap(reference)
        if span is None:
            return float("nan")
        area = self._log_rate.integrate(*span) - reference._log_rate.integrate(*span)
        return float(100 * np.expm1(area / (span[1] - span[0])))


def scaled(key: str, mean) -> np.ndarray:
    """A mean quality in dB: PSNR as it is, others as -10 log10(difference).

    The difference is 1 - MS-SSIM, or LPIPS. At most 100.
    """
    mean = np.asarray(mean, np.float64)
    if key.endswith("_db"):
        return mean
    difference = mean if key == round_trips.LPIPS else 1 - mean
    return -10 * np.log10(np.maximum(difference, _LEAST_DIFFERENCE))


def bd_rates(
    evaluation: Evaluation,
    ours: Sequence[str],
    others: Mapping[str, Sequence[str]],
    key: str,
    *,
    confidence: float = bootstrap.CONFIDENCE,
    resamples: int = bootstrap.RESAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """BD-rates of our codec against others, with bootstrap intervals over images.

    `ours` and `others` are settings, which are restorers of the evaluation, `key` is
    the quality, the options are those of `bootstrap.summarize`. Curves are computed
    anew for each draw; draws in which two do not overlap are left out.

    Returns:
      {codec: {"mean", "low", "high": percent; "count": images; "from", "to": overlap in
      dB}}; NaN where undefined, low and high also with fewer than two images.
    """
    groups = {"": ours, **others}
    columns = [
        evaluation.values[setting][k]
        for settings in groups.values()
        for k in (BITS, key)
        for setting in settings
    ]
    table = np.stack(columns, axis=1)
    stops = np.cumsum([2 * len(settings) for settings in groups.values()])[:-1]

    def measured(means: np.ndarray) -> dict[str, tuple[RateCurve, RateCurve]]:
        """{codec: (our curve, its curve)}."""
        halves = (np.reshape(part, [2, -1]) for part in np.split(means, stops))
        mine, *theirs = (RateCurve(half[0], scaled(key, half[1])) for half in halves)
        return {codec: (mine, other) for codec, other in zip(others, theirs)}

    drawn = {codec: [] for codec in others}
    for weights in bootstrap.draw(len(table), resamples, seed):
        for means in weights @ table / len(table):
            for codec, (mine, other) in measured(means).items():
                drawn[codec].append(mine.bd_rate(other))
    result, tail = {}, (1 - confidence) / 2
    for codec, (mine, other) in measured(table.mean(axis=0)).items():
        mean, span = mine.bd_rate(other), mine.overlap(other)
        low = high = float("nan")
        found = np.array(drawn[codec])[np.isfinite(drawn[codec])]
        if len(table) >= 2 and span and found.size:
            low, high = np.quantile(found, [tail, 1 - tail]).tolist()
        result[codec] = {"mean": mean, "low": low, "high": high, "count": len(table)}
        result[codec].update(zip(("from", "to"), span or (float("nan"),) * 2))
    return result


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Our codec and image formats on the same images.

    Attributes:
      evaluation: From `round_trips.evaluate_codecs`.
      settings: {codec: its restorers}; one is `OURS`, the others are formats.
      size: Side of the images in pixels.
    """

    evaluation: Evaluation
    settings: Mapping[str, Sequence[str]]
    size: int

    @property
    def formats(self) -> list[str]:
        """The codecs that are not ours."""
        return [codec for codec in self.settings if codec != OURS]

    @property
    def keys(self) -> tuple[str, ...]:
        """The qualities: PSNR, MS-SSIM and, where it was measured, LPIPS."""
        keys = (round_trips.PSNR, round_trips.similarity_key(self.size))
        measured = next(iter(self.evaluation.values.values()))
        return (*keys, *(key for key in (round_trips.LPIPS,) if key in measured))

    @functools.cached_property
    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Means and intervals of every setting."""
        return bootstrap.summarize(self.evaluation)

    @functools.cached_property
    def bd_rates(self) -> dict[str, dict[str, dict[str, float]]]:
        """{key: {format: entry}}, see `bd_rates`."""
        others = {name: self.settings[name] for name in self.formats}
        return {
            key: bd_rates(self.evaluation, self.settings[OURS], others, key)
            for key in self.keys
        }

    def by_rate(self, codec: str) -> list[str]:
        """A codec's settings, from small files to large ones."""
        return sorted(
            self.settings[codec], key=lambda name: self.summary[name][BITS]["mean"]
        )

    def curve(self, codec: str, key: str) -> RateCurve:
        """Bits per pixel over a quality in dB, both means over the images."""
        rates, qualities = (
            [self.evaluation.values[name][k].mean() for name in self.settings[codec]]
            for k in (BITS, key)
        )
        return RateCurve(rates, scaled(key, qualities))

    def bytes_of(self, bits_per_pixel: float) -> float:
        """Bytes of a file with so many bits per pixel."""
        return bits_per_pixel * self.size**2 / 8

    def at_our_quality(self, key: str) -> list[dict[str, float | str]]:
        """Bytes of every format at the quality of each of our settings.

        Rows are {"setting", "quality" in dB, "ours" and each format: bytes, NaN where
        the format does not reach that quality}.
        """
        rows = []
        for setting in self.by_rate(OURS):
            entry = self.summary[setting]
            quality = float(scaled(key, entry[key]["mean"]))
            row = {"setting": setting, "quality": quality}
            row[OURS] = self.bytes_of(entry[BITS]["mean"])
            for name in self.formats:
                rate = float(self.curve(name, key).rate_at(quality))
                row[name] = self.bytes_of(rate)
            rows.append(row)
        return rows


def compare(
    ours: Mapping[str, round_trips.Codec],
    images: np.ndarray,
    names: Sequence[str],
    *,
    lpips: Callable | None = None,
    slow: bool = False,
) -> Comparison:
    """Measures our codec, {setting: codec}, and every image format on the same images.

    Args:
      ours: Our settings.
      images: uint8 [N, S, S, 3].
      names: Of the images.
      lpips: `(target, decoded) -> [B]`, or None to leave LPIPS out.
      slow: Whether formats take part that need seconds an image.
    """
    codecs = {OURS: ours, **image_formats.sweep(slow=slow)}
    evaluation = round_trips.evaluate_codecs(
        {
            setting: round_trips.codec_round_trip(
                codec, images, names, parallel=name != OURS
            )
            for name, settings in codecs.items()
            for setting, codec in settings.items()
        },
        images,
        names,
        lpips=lpips,
    )
    settings = {name: list(settings) for name, settings in codecs.items()}
    return Comparison(evaluation, settings, images.shape[1])


def chart(found: Comparison, key: str) -> Curve:
    """A quality over bits per pixel, a line for each codec."""
    series = []
    for codec in found.settings:
        entries = [found.summary[setting] for setting in found.by_rate(codec)]
        mean, *ends = (
            scaled(key, [entry[key][end] for entry in entries])
            for end in ("mean", "low", "high")
        )
        # The lower the LPIPS, the higher the quality.
        mean, low, high = (x.tolist() for x in (mean, *np.sort(ends, axis=0)))
        bits = [entry[BITS]["mean"] for entry in entries]
        series.append(Series(codec, bits, mean, low, high, ours=codec == OURS))
    images = tables.counted(len(found.evaluation.names), "image")
    empty = axes(key)
    return dataclasses.replace(
        empty,
        series=series,
        note=f"A point is the mean over {images} at one setting, headers included.",
        alt=f"{empty.title} of {', '.join(found.settings)}.",
    )


def axes(key: str) -> Curve:
    """A chart of a quality over bits per pixel, without lines."""
    metric = registry.metric_of(key)
    difference = "LPIPS" if key == round_trips.LPIPS else f"1 − {metric.short}"
    psnr = key == round_trips.PSNR
    return Curve(
        slug=RATE + metric.name,
        title=f"{metric.short} over bits per pixel",
        x_label="bits per pixel",
        y_label="PSNR (dB)" if psnr else f"−10 log10({difference}) (dB)",
        series=[],
        markers=True,
    )
