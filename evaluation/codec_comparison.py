"""Codecs that were measured on the same images, setting by setting."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

from evaluation import bootstrap, coders, rate_distortion
from evaluation.rate_distortion import BITS, RateCurve
from evaluation.record import Evaluation

OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What was measured, and what follows from it.

    Attributes:
      evaluation: What `coders.measure` returns.
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
    def keys(self) -> tuple[str, str]:
        """The qualities: PSNR and MS-SSIM."""
        return coders.PSNR, coders.similarity_key(self.size)

    @functools.cached_property
    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Means and intervals of every setting."""
        return bootstrap.summarize(self.evaluation)

    @functools.cached_property
    def bd_rates(self) -> dict[str, dict[str, dict[str, float]]]:
        """{key: {format: what `rate_distortion.bd_rates` says of ours against it}}."""
        others = {name: self.settings[name] for name in self.formats}
        return {
            key: rate_distortion.bd_rates(
                self.evaluation, self.settings[OURS], others, key
            )
            for key in self.keys
        }

    def by_rate(self, codec: str) -> list[str]:
        """A codec's settings, from small files to large ones."""
        return sorted(
            self.settings[codec], key=lambda name: self.summary[name][BITS]["mean"]
        )

    def curve(self, codec: str, key: str) -> RateCurve:
        """Bits per pixel over a quality in dB."""
        return rate_distortion.curve(self.evaluation, self.settings[codec], key)

    def bytes_of(self, bits_per_pixel: float) -> float:
        """Of a file with so many bits per pixel."""
        return bits_per_pixel * self.size**2 / 8

    def at_our_quality(self, key: str) -> list[dict[str, float | str]]:
        """What every format takes for the quality of each of our points.

        Returns:
          From small files to large ones {"setting", "quality" in dB, "ours" and each
          format: bytes, NaN where the format does not give that quality}.
        """
        rows = []
        for setting in self.by_rate(OURS):
            entry = self.summary[setting]
            quality = float(rate_distortion.scaled(key, entry[key]["mean"]))
            row = {"setting": setting, "quality": quality}
            row[OURS] = self.bytes_of(entry[BITS]["mean"])
            for name in self.formats:
                rate = float(self.curve(name, key).rate_at(quality))
                row[name] = self.bytes_of(rate)
            rows.append(row)
        return rows
