"""Killingbeck et al.'s published tables and claims, and departures from the paper."""

from __future__ import annotations

import dataclasses

from evaluation import claims
from evaluation.claims import Evidence
from evaluation.tables import Table

CITATION = "C. Killingbeck, E. Kim, K. Nguyen, S. Vousden. Facial Image Reconstruction."

EPOCHS = {False: 10, True: 30}  # without a discriminator, and with one

_COLUMNS = ["", "1−SSIM", "1−MS-SSIM", "l_1", "l_2"]

# Row -> 1-SSIM, 1-MS-SSIM, l_1, l_2, as printed.
TABLE_1 = {
    "CVAE": (0.307, 0.067, 0.439, 0.475),
    "CVAE + mask": (0.215, 0.045, 0.323, 0.559),
    "DCGAN": (0.417, 0.150, 0.642, 0.943),
    "DCGAN + mask": (0.274, 0.090, 0.456, 1.050),
    "JPEG": (0.004, 0.000, 0.003, 0.000),
    "JPEG + mask": (0.004, 0.000, 0.323, 0.559),
}

# Toledo and Antonelo's hypotheses H1 to H10: metric -> values.
BENCHMARK = {
    "1−SSIM": (0.311, 0.338, 0.343, 0.373, 0.321, 0.314, 0.322, 0.377, 0.307, 0.359),
    "1−MS-SSIM": (0.082, 0.090, 0.095, 0.103, 0.093, 0.085, 0.082, 0.100, 0.077, 0.095),
    "LPIPS": (0.145, 0.162, 0.151, 0.173, 0.146, 0.157, 0.146, 0.172, 0.143, 0.168),
    "1−VIF": (0.529, 0.560, 0.541, 0.574, 0.537, 0.550, 0.527, 0.572, 0.523, 0.566),
    "l_1": (0.508, 0.546, 0.534, 0.587, 0.585, 0.601, 0.501, 0.577, 0.487, 0.562),
    "l_2": (0.732, 0.781, 0.774, 0.826, 0.836, 0.852, 0.694, 0.797, 0.682, 0.782),
}

PUBLISHED = (
    Table(
        caption="Table 1 (published, CelebA, 64 px)",
        columns=_COLUMNS,
        rows=[[name, *values] for name, values in TABLE_1.items()],
        note="The models' l_1 is 10 · MAE and their l_2 100 · MSE of images in [0, 1]; "
        "JPEG's are plain. l_1 and l_2 of JPEG + mask repeat CVAE + mask: a copying "
        "error. A mask cannot lower the mean absolute error and raise the mean squared "
        "one if both are means over the same pixels. The text names L1 and L2 the "
        "wrong way round.",
        kinds=["published"] * len(TABLE_1),
        digits=3,
    ),
    Table(
        caption="Toledo & Antonelo (2021), the paper's benchmark",
        columns=["", *BENCHMARK],
        rows=[
            [f"H{number}", *values]
            for number, values in enumerate(zip(*BENCHMARK.values()), start=1)
        ],
        note="As the paper quotes it; their images, masks and units are their own.",
        kinds=["published"] * 10,
        digits=3,
    ),
)

DEPARTURES = (
    "No layer is stated. The CVAE is the simple design whose parameters are exactly "
    "the published 443,491; that of the DCGAN's generator, 973,443, is one of many and "
    "a guess. generator=doubled, 982,723, is another reading of 'more than double'.",
    "How four convolutions reach 2×2 is not stated, nor how four transposed ones come "
    "back to 64×64: stride 2 each and a max-pool, and a bilinear doubling of the image "
    "in the end. Doubled features in the beginning, which would mirror the max-pool, "
    "give a picture of 4×4 visible cells and a higher error (validation L1 on LFW "
    "after 20 epochs, one run each, 10.8% at commit d282a68acde4 against 9.8% at "
    "de7e230f8f77).",
    "Optimizer and learning rate are not stated: Adam, 1e-3 for the auto-encoders, "
    "with beta_1 0.5 in the DCGAN and 2e-5 for its discriminator. The discriminator, "
    "'a simple CNN', is that of TensorFlow's DCGAN tutorial; with the tutorial's 2e-4 "
    "for both it wins within three epochs, and the decoder's sigmoid saturates.",
    "The KL divergence is never mentioned. Its weight is 0 by default: the latents are "
    "sampled in training, but nothing keeps them near N(0, 1). --kl_weight=2.5e-4 "
    "makes it the autoencoder that the name says.",
    "Dropout and the latents' noise come from a key, so that a run that resumes sees "
    "what it would have seen.",
    "Split 10:1 in one place and 90-10 in another: with --split_by=order the last "
    "tenth of the files is tested on, unshuffled, as published. A further part of the "
    "training images is measured as training goes.",
    "Images are resized with an antialiased bicubic filter instead of a plain bilinear "
    "one; their aspect is not kept, as published.",
    "Which images the paper multiplies by the mask is not stated: both, original and "
    "reconstruction. Means over all pixels and over the face's pixels are reported.",
)

# What masking is said to do; to means over all pixels, and to those over the face.
_MASKING = (
    ("masked/ssim", "lowers", "1−SSIM"),
    ("masked/ms_ssim_3", "lowers", "1−MS-SSIM"),
    ("masked/mae", "lowers", "MAE (mean over all pixels)"),
    ("masked/mse", "raises", "MSE (mean over all pixels)"),
    ("face/mae", "lowers", "MAE (mean over the face)"),
    ("face/mse", "raises", "MSE (mean over the face)"),
)

HEADLINE = ("raw/l1_percent", "raw/psnr_db", "raw/ssim", "raw/lpips")
TABLED = ("raw/ms_ssim_3", "raw/vif", "file/bytes")


def check_claims(evidence: Evidence) -> list[claims.Claim]:
    """The paper's claims, of "CVAE" and "DCGAN"."""
    beaten = [
        evidence.beats(
            "CVAE",
            "DCGAN",
            key,
            claim=f"The CVAE beats the DCGAN ({what})",
        )
        for key, what in (
            ("raw/ssim", "SSIM"),
            ("raw/ms_ssim_3", "MS-SSIM"),
            ("raw/mae", "l_1"),
            ("raw/mse", "l_2"),
        )
    ]
    return [*beaten, *_masking(evidence, "CVAE"), *_masking(evidence, "DCGAN")]


def _masking(evidence: Evidence, network: str) -> list[claims.Claim]:
    """Effect of masking on the metrics of a network, over the same images."""
    values, checked = evidence.evaluation.values.get(network, {}), []
    for key, verb, what in _MASKING:
        region, _, metric = key.partition("/")
        seen = {network: f"raw/{metric}", f"{network}, {region}": key}
        # Under one key, because that is what two restorers are compared on.
        values_of_both = dataclasses.replace(
            evidence.evaluation,
            values={
                name: {metric: values[column]}
                for name, column in seen.items()
                if column in values
            },
        )
        paired = dataclasses.replace(evidence, evaluation=values_of_both)
        worse, better = seen if verb == "lowers" else reversed(seen)
        claim = f"Masking {verb} the {network}'s {what}"
        checked.append(paired.beats(better, worse, metric, claim=claim))
    return checked
