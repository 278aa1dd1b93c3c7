"""Chen et al.'s published claims, and departures from the paper."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from evaluation import claims
from evaluation.claims import Evidence
from evaluation.metrics import registry
from experiments.pyramid_cgan.config import CONFIGURATIONS

CITATION = (
    "Z. Chen, Z. Ji, H. Zhang. Conditional deep convolutional GANs for image "
    "restoration."
)

LABELS = {key: f"({key}) {name}" for key, name in CONFIGURATIONS.items()}

HEADLINE = ("hole/l1_percent", "hole/psnr_db", "hole/ssim", "hole/lpips")
TABLED = ("hole/mse", "composite/attribute_accuracy")
# Losses of single runs that differ by less than this part of them.
SAME = 0.02
LITERAL = f"{LABELS['d']}, losses as printed"

DEPARTURES = (
    "Table 1 cannot be built as printed: it gives stride 2 to every convolution of "
    "every residual block, the 1×1 and blocks 4 to 6 included. Here the stride is the "
    "block's: its first 3×3 and its 1×1 have it. Blocks 4 to 6 are the way up of the "
    "pyramid, after nearest-neighbor doubling.",
    "Table 1 names no normalization; every convolution but the laterals and the last "
    "has BatchNorm, because the model is 'mostly based on DCGAN' (--norm=none leaves "
    "it out).",
    "The size of the images is not stated. At 128 pixels the dilated maps are 16×16, "
    "so that the convolution of rate 16 sees only padding beside its center; "
    "--image_size=256 is the option.",
    "The discriminators' and the classifier's widths are those of the authors' "
    "published code; the paper gives none.",
    "No reconstruction loss appears, yet Algorithm 1 begins by training the generator "
    "alone, against a discriminator that has not learned anything. By default it then "
    "learns from the L2 of the missing pixels, which also stays in the joint loss "
    "(weight 1; adversarial 0.0004, classification 0.001). --preset=paper_literal "
    "trains as printed.",
    "Equations 2 to 5 are log-likelihoods, which are maximized; their negatives are "
    "minimized here.",
    "By Algorithm 1 the classifier learns from restored images, too, which would teach "
    "it to excuse them. By default it learns from real images, and its loss on "
    "restored ones trains the generator; --classifier_on_fake is the printed reading.",
    "'A general multiclass classifier' does not fit CelebA's 40 binary attributes: by "
    "default each is there or not (--classification=multi_class is the other reading).",
    "In a joint step Algorithm 1 updates the discriminator twice, before and after the "
    "generator; here once, in paper_literal, too.",
    "T_g and T_d are not stated: by default 900 and 100 of 5,000 steps. As printed, "
    "the joint phase begins one step after T_g + T_d.",
    "By default holes are rectangles with sides of 48 to 64 of 128 pixels anywhere in "
    "the image; the local discriminator sees 64×64 pixels around the hole, moved to "
    "lie inside the image. Batch size 32 and Adam (0.0002, 0.5) are DCGAN's kind of "
    "numbers; the paper has none.",
    "All gradients are taken at the same point, from one pass of the generator; it "
    "answers discriminator and classifier as they were before the step.",
    "BatchNorm has momentum 0.9 and epsilon 1e-5, where the paper is silent; all "
    "normalization computes in float32 under every precision.",
)


def check_claims(evidence: Evidence) -> list[claims.Claim]:
    """The paper's claims, checked on whichever configurations were trained."""
    best = [
        evidence.beats(
            LABELS["d"],
            LABELS[other],
            key,
            claim=f"The full approach (d) is better than ({other}) (Fig. 3), by "
            f"{registry.label(key)}",
        )
        for key in (*HEADLINE, "composite/attribute_accuracy")
        for other in ("a", "b", "c")
    ]
    parts = [
        evidence.beats(
            LABELS["b"],
            LABELS["a"],
            "hole/l1_percent",
            claim="The pyramid helps: (b) is better than (a)",
        ),
        evidence.beats(
            LABELS["c"],
            LABELS["b"],
            "hole/l1_percent",
            claim="Dilation gives 'much higher quality': (c) is better than (b)",
        ),
    ]
    literal = [
        evidence.beats(
            LABELS["d"],
            LITERAL,
            key,
            claim="Not the paper's: the default losses are better for (d) than those "
            f"as printed, by {registry.label(key)}",
        )
        for key in HEADLINE
    ]
    return [*best, *parts, *literal]


def check_histories(
    evidence: Evidence,
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    on_fake: bool,
) -> list[claims.Claim]:
    """The paper's claim about Fig. 4, in the last tenth of each run's history.

    Args:
      evidence: Of these runs.
      histories: {label: columns of its history.csv}.
      on_fake: Whether classifiers have learned from restored images; if not, they
        cannot differ on real ones.
    """
    late = {
        label: {
            name: statistics.fmean(values[-max(1, len(values) // 10) :])
            for name in ("c_real", "c_fake")
            if (values := [v for v in columns.get(name, ()) if math.isfinite(v)])
        }
        for label, columns in histories.items()
    }
    return [
        _classified(evidence, late, name, better, worse, on_fake)
        for name in ("c_real", "c_fake")
        for better in ("c", "d")
        for worse in ("b",)
    ]


def _classified(
    evidence: Evidence,
    late: Mapping,
    name: str,
    better: str,
    worse: str,
    on_fake: bool,
) -> claims.Claim:
    images = {"c_real": "real", "c_fake": "restored"}[name]
    claim = (
        f"The classifier's loss on {images} images is lower with ({better}) than with "
        f"({worse}) (Fig. 4)"
    )
    values = [late.get(LABELS[key], {}).get(name) for key in (better, worse)]
    if None in values:
        return claims.not_measured(claim, "One of the runs has no such loss.")
    if name == "c_real" and not on_fake:
        why = (
            "The classifiers have learned from real images alone, so that no generator "
            "can make a difference."
        )
        return claims.not_measured(claim, why)
    said = (
        f"{values[0]:.4f} and {values[1]:.4f}, means over the last tenth of the steps "
        "of one run each"
    )
    verdict = claims.HOLDS if values[0] < values[1] else claims.FAILS
    if abs(values[0] - values[1]) < SAME * values[1]:
        verdict = claims.CANNOT_TELL
        said += f"; less than {SAME:.0%} apart is called the same"
    networks = [LABELS[key] for key in (better, worse)]
    return evidence.weigh(claim, verdict, said, networks)
