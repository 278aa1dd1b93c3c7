"""Tan's published tables and claims, and departures from the paper."""

from __future__ import annotations

import numpy as np

from evaluation import claims, tables
from evaluation.claims import Evidence
from evaluation.record import Evaluation
from evaluation.tables import Table

CITATION = (
    "S. Tan. Smooth compression and reconstruction of human portrait image using "
    "convolutional auto-encoder."
)

PUBLISHED = (
    Table(
        caption="Section 5.2 and 5.3 (published, CelebA)",
        columns=["Mean squared error, 10⁻⁴", "Image", "Value"],
        rows=[
            ["auto-encoder", "training image 30,000", 2.1],
            ["auto-encoder", "a selfie", 3.1],
            ["auto-encoder", "a lamp, not a face", 3.5],
            ["bicubic 2×", "not stated", 1.9],
            ["bicubic 4×", "not stated", 4.5],
            ["bicubic 8×", "not stated", 9.3],
        ],
        note="Values of single images, not means over a set. Those of bicubic are near "
        "what 8-bit arithmetic gives that overflows: on 80 photographs of Labeled "
        "Faces in the Wild at 192 px the true errors are 4.7, 22 and 67 · 10⁻⁴; with "
        "differences and squares that wrap modulo 256 they are 2.0, 5.2 and 8.8 · "
        "10⁻⁴. --uint8_wrap shows both.",
        kinds=["published"] * 6,
        digits=1,
    ),
)

DEPARTURES = (
    "The figure of the layers is missing. They follow Ballé et al. (2016), whose "
    "structure the paper adapts, with the kernels that its text names: 5×5/4, 3×3/2, "
    "3×3/2 and their mirror image, ReLU, none innermost.",
    "The number of channels is not stated. 192 makes the code as many values as the "
    "half-size image has with which the paper compares.",
    "Equation 2 divides the squared error by the squares of the image's sides; 2.1e-4 "
    "would then be an error of 23 in [0, 1]. It is read as the mean squared error.",
    "The optimizer is not stated: Adam. Batch 50, 3 epochs and 1e-4 are as published.",
    "CelebA's official partition is used instead of the first 180,000 images, the next "
    "10,000 and the next 10,000, because it keeps people apart.",
    "Images of 178×218 are made square by the resize, as published. --crop=center cuts "
    "them instead.",
    "The paper's error is of single images; here it is the mean over the test images, "
    "with the 5%, 50% and 95% of single ones.",
    "The paper writes no files. --entropy=factorized does, after the paper's equation "
    "1: noise instead of rounding in training, the factorized prior of Ballé et al. "
    "(2018), a range coder; the distortion is the squared error of 8-bit levels.",
    "GDN divides by a weighted sum of absolute values, the later form of Johnston et "
    "al. (2019), instead of by the root of a sum of squares.",
    "The presets lambda_* have 128 channels and GDN and learn from random squares of "
    "96 pixels, with clipped gradients and a learning rate that falls to 0; the paper "
    "says nothing of a codec.",
)

_BLACK = 1.0  # percent of white
TABLED = ("file/bits_per_pixel", "file/psnr_db", "file/ms_ssim")
HEADLINE = ("raw/mse", "raw/psnr_db", "raw/ms_ssim", "raw/lpips")


def check_claims(evidence: Evidence) -> list[claims.Claim]:
    """The paper's comparison with bicubic, for its own network, "N = 192"."""
    ours = "N = 192"
    pairs = {
        "Half the size and bicubic has a lower error than the auto-encoder": (
            "bicubic 2×",
            ours,
        ),
        "A quarter of the size and bicubic has a higher error": (ours, "bicubic 4×"),
        "An eighth of the size and bicubic has a higher error": (ours, "bicubic 8×"),
    }
    for rate in ("1e-3", "1e-5"):
        other = f"{ours}, learning rate {float(rate):g}"
        pairs[f"Learning rate 1e-4 is better than {rate}"] = (ours, other)
    return [
        *(
            evidence.beats(better, worse, "raw/mse", claim=claim)
            for claim, (better, worse) in pairs.items()
        ),
        *_collapse(evidence, f"{ours}, learning rate 0.01"),
    ]


def _collapse(evidence: Evidence, label: str) -> list[claims.Claim]:
    """Whether a run of any length collapses, and whether that is to black.

    Collapsed: further from the images than one flat color in each would be. That color
    leaves an image's variance, which is taken from images at half the size.
    """
    collapses = "A learning rate of 1e-2 collapses"
    black = "A learning rate of 1e-2 ends in black images"
    values, halved = evidence.evaluation.values, "bicubic 2×"
    run = next((name for name in values if name.startswith(label)), None)
    if run is None or halved not in values:
        why = f"There is no run {label}." if run is None else f"There is no {halved}."
        return [claims.not_measured(claim, why) for claim in (collapses, black)]
    level = float(np.mean(values[run]["raw/level_percent"]))
    error = float(np.mean(values[run]["raw/mse"]))
    flat = float(np.mean((values[halved]["raw/contrast_percent"] / 100) ** 2))
    images = tables.counted(len(evidence.evaluation.names), "image")
    found = {
        collapses: (
            error > flat,
            f"The mean squared error of {run} is {error:.3f}; one flat color in each "
            f"image would leave {flat:.3f}; over {images}, one run",
        ),
        black: (
            level < _BLACK,
            f"The images of {run} have a mean level of {level:.1f}% (0 is black, 100 "
            f"white) over {images}; one run",
        ),
    }
    return [
        evidence.weigh(
            claim, claims.HOLDS if holds else claims.FAILS, said, [run], early=True
        )
        for claim, (holds, said) in found.items()
    ]


def overflow(evaluation: Evaluation) -> Table:
    """The mean squared errors as they are and as the paper seems to have them.

    Args:
      evaluation: Of the test images, ours first; with "raw/mse_uint8_wrap".
    """
    keys = ("raw/mse", "raw/mse_uint8_wrap")
    rows = [
        [name, *(1e4 * float(np.mean(values[key])) for key in keys)]
        for name, values in evaluation.values.items()
        if keys[1] in values
    ]
    return Table(
        caption="Mean squared error, 10⁻⁴, true and with 8-bit overflow",
        columns=["", "True", "As printed"],
        rows=rows,
        note="Means over the test images. As printed: differences and squares of 8-bit "
        "levels that wrap modulo 256, which is what the paper's errors of bicubic seem "
        "to be.",
        kinds=["ours", *["baseline"] * (len(rows) - 1)],
        digits=1,
    )
