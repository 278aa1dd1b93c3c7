"""Metrics by name: label, unit, direction, digits."""

from __future__ import annotations

import dataclasses

REGION_LABELS = {
    "hole": "Hole",
    "composite": "Composite",
    "raw": "Raw",
    "file": "File",
    "masked": "Masked output",
    "masked_input": "Masked input",
    "masked_both": "Masked input and output",
    "face": "Face",
}
REGION_NOTES = {
    "hole": "Only the missing pixels; SSIM-like metrics on the hole's bounding box",
    "composite": "The restored pixels pasted into the known ones",
    "raw": "The network's own whole image",
    "file": "The image decoded from a file, and the bytes of the file with its header",
    "masked": "The restored image and its original, both black outside the face",
    "masked_input": "What becomes of an image that is black outside the face",
    "masked_both": "The same, made black outside the face again",
    "face": "Only the pixels of the face mask",
}


def metric_of(key: str) -> Metric:
    """The metric of "region/metric"; an unknown one is labeled with its name."""
    name = key.rpartition("/")[2]
    return METRICS.get(name) or Metric(name, name, None, 3)


def region_of(key: str) -> str:
    """The region of "region/metric"; "" if there is none."""
    return key.rpartition("/")[0]


def label(key: str) -> str:
    """Turns "hole/l1_percent" into "hole L1 (%)", to stand inside a sentence."""
    region = REGION_LABELS.get(region_of(key), region_of(key)).lower()
    metric = metric_of(key).label
    if metric[1:2].islower():  # a word, such as "Identity"; not "PSNR"
        metric = metric[:1].lower() + metric[1:]
    return f"{region} {metric}".strip()


def title(key: str) -> str:
    """Turns "hole/l1_percent" into "Hole L1 (%)", to begin a line with."""
    text = label(key)
    return text[:1].upper() + text[1:]


def arrow(key: str) -> str:
    """The better direction: " ↑", " ↓", or nothing where there is none."""
    return {True: " ↑", False: " ↓"}.get(metric_of(key).higher_is_better, "")


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric's display in reports.

    Attributes:
      name: Key in `METRICS`, and after the "/" of "region/metric".
      label: Display name with its unit.
      higher_is_better: Direction of improvement; None where there is none.
      digits: Decimals worth showing.
      flag: Without which it is not measured; "" if it always is.
    """

    name: str
    label: str
    higher_is_better: bool | None
    digits: int
    flag: str = ""

    @property
    def short(self) -> str:
        """The label without unit or variant: "PSNR", "MS-SSIM"."""
        return self.label.partition(" (")[0]


METRICS = {
    metric.name: metric
    for metric in (
        Metric("l1_percent", "L1 (%)", higher_is_better=False, digits=2),
        Metric("mae", "MAE", higher_is_better=False, digits=4),
        Metric("mse", "MSE", higher_is_better=False, digits=6),
        Metric("psnr_db", "PSNR (dB)", higher_is_better=True, digits=2),
        Metric("level_percent", "Mean level (%)", higher_is_better=None, digits=1),
        Metric("contrast_percent", "Contrast (%)", higher_is_better=None, digits=1),
        Metric("ssim", "SSIM", higher_is_better=True, digits=3),
        Metric("ms_ssim", "MS-SSIM", higher_is_better=True, digits=3),
        Metric("ms_ssim_3", "MS-SSIM (3 scales)", higher_is_better=True, digits=3),
        Metric("ms_ssim_5w", "MS-SSIM (5, shrunk)", higher_is_better=True, digits=3),
        Metric("lpips", "LPIPS", False, digits=3, flag="--lpips_weights=FILE"),
        # Of `evaluation.codecs.round_trips`.
        Metric("bytes", "Bytes", higher_is_better=False, digits=0),
        Metric("bits_per_pixel", "Bits per pixel", higher_is_better=False, digits=3),
        # Of `evaluation.metrics.vif`.
        Metric("vif", "VIF", higher_is_better=True, digits=3),
        # Of `experiments.portrait_autoencoder.report`; lower is not always better.
        Metric("mse_uint8_wrap", "MSE with 8-bit overflow", None, 5, "--uint8_wrap"),
        # Of `experiments.pyramid_cgan.report`.
        Metric("seam_percent", "Seam (%)", higher_is_better=False, digits=2),
        # Of `evaluation.attributes` and `evaluation.metrics.identity`.
        Metric("attribute_accuracy", "Attribute accuracy (%)", True, 1, "--judge=DIR"),
        Metric("identity", "Identity similarity", True, 3, "--embedding=DIR"),
        Metric("verified_percent", "Same person (%)", True, 1, "--embedding=DIR"),
    )
}
