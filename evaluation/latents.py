"""The number of latents of a variational autoencoder that carry information.

A latent that is the same for every image carries none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from evaluation import charts, tables

KEY = "latents"  # of the table

# A latent is active above this variance of its mean (Burda, Grosse & Salakhutdinov
# 2016, Sec. 5.2), and informative above this KL divergence in nats.
ACTIVE_VARIANCE = ACTIVE_KL = 0.01


@dataclasses.dataclass(frozen=True)
class Usage:
    """Information in each of L latents, over a number of images.

    Attributes:
      kl: float64 [L], KL divergence from N(0, 1) in nats, averaged over images.
      variance: float64 [L], of the mean, over images.
    """

    kl: np.ndarray
    variance: np.ndarray
    images: int

    @property
    def active(self) -> int:
        """How many latents' means vary by more than `ACTIVE_VARIANCE`."""
        return int((self.variance > ACTIVE_VARIANCE).sum())

    @property
    def informative(self) -> int:
        """How many latents' KL is more than `ACTIVE_KL`."""
        return int((self.kl > ACTIVE_KL).sum())


def measure(mean: np.ndarray, log_variance: np.ndarray) -> Usage:
    """Measures an encoder's output for N >= 2 images, two [N, L].

    The KL divergence of N(m, v) from N(0, 1) is (m² + v - 1 - ln v) / 2.

    Raises:
      ValueError: If the shapes differ, or a value is NaN or infinite.
    """
    mean, log_variance = (np.asarray(x, np.float64) for x in (mean, log_variance))
    if mean.ndim != 2 or mean.shape != log_variance.shape or len(mean) < 2:
        raise ValueError(
            "Means and log-variances must both be [N, L] of N >= 2 images; got "
            f"{list(mean.shape)} and {list(log_variance.shape)}."
        )
    for name, values in (("mean", mean), ("log-variance", log_variance)):
        broken = np.flatnonzero(~np.isfinite(values).all(axis=0))
        if broken.size:
            raise ValueError(
                f"The {name} of {broken.size} of {values.shape[1]} latents is NaN or "
                f"infinite (the first is number {broken[0]}). Look for the first NaN "
                "loss of the run that made it."
            )
    # exp(x) - 1 would lose the digits of a variance near 1.
    kl = (np.square(mean) + np.expm1(log_variance) - log_variance) / 2
    return Usage(kl.mean(axis=0), mean.var(axis=0), len(mean))


def table(usages: Mapping[str, Usage]) -> tables.Table:
    """A table with a row for each encoder; {label: usage} over the same images."""
    rows = [
        [
            label,
            len(usage.kl),
            usage.active,
            usage.informative,
            float(usage.kl.sum()),
            float(usage.kl.mean()),
            float(usage.kl.max()),
        ]
        for label, usage in usages.items()
    ]
    return tables.Table(
        caption=f"Use of the latents, over {_images(usages)}",
        columns=_COLUMNS,
        rows=rows,
        note=(
            f"Active: the mean's variance over images is above {ACTIVE_VARIANCE} "
            "(Burda et al. 2016). KL is the divergence from N(0, 1) in nats, averaged "
            "over images. Without a KL term in the loss the scale of the latents is "
            "free; the counts then tell what varies, not what the decoder uses."
        ),
        digits=3,
        key=KEY,
    )


def curve(usages: Mapping[str, Usage]) -> charts.Curve:
    """The KL of each latent, largest first, a line for each encoder as in `table`."""
    series = [
        charts.Series(
            label,
            list(range(1, len(usage.kl) + 1)),
            np.sort(usage.kl)[::-1].tolist(),
            ours=True,
        )
        for label, usage in usages.items()
    ]
    shown = [
        f"{label} {usage.informative} of {len(usage.kl)} above {ACTIVE_KL}"
        for label, usage in usages.items()
    ]
    return charts.Curve(
        slug="latents",
        title="KL divergence of each latent from N(0, 1)",
        x_label="latents, from the largest",
        y_label="KL (nats)",
        series=series,
        references={str(ACTIVE_KL): ACTIVE_KL},
        whole_x=True,
        note=f"Averaged over {_images(usages)}.",
        alt=f"KL divergence of sorted latents in nats: {'; '.join(shown)}.",
    )


_COLUMNS = (
    "Encoder",
    "Latents",
    "Active",
    f"KL above {ACTIVE_KL}",
    "KL, sum",
    "KL, mean",
    "KL, largest",
)


def _images(usages: Mapping[str, Usage]) -> str:
    """Such as "1,000 images"; a ValueError unless all have as many."""
    counts = {usage.images for usage in usages.values()}
    if len(counts) != 1:
        raise ValueError(
            f"Encoders are compared over the same images; got {sorted(counts)} images."
        )
    return tables.counted(counts.pop(), "image")
