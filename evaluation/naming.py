"""What a key such as "hole/l1_percent" is called: its region, its metric, its title."""

from __future__ import annotations

from evaluation import metrics

REGION_LABELS = {
    "hole": "Hole",
    "composite": "Composite",
    "raw": "Raw",
    "file": "File",
    "masked": "Masked",
    "face": "Face",
}
REGION_NOTES = {
    "hole": "Only the missing pixels; SSIM-like metrics on the hole's bounding box",
    "composite": "The restored pixels pasted into the known ones",
    "raw": "The network's own whole image",
    "file": "What a compressed file decodes to, and its bytes, header included",
    "masked": "The whole image and its original, both black but for the face",
    "face": "Only the pixels of the face mask",
}


def metric_of(key: str) -> metrics.Metric:
    """The metric of "region/metric"; an unknown one is shown under its own name."""
    name = key.rpartition("/")[2]
    return metrics.METRICS.get(name) or metrics.Metric(name, name, None, 3)


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
