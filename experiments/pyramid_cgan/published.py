"""Chen et al.'s published claims, and departures from the paper."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence

from evaluation import claims
from evaluation.claims import Evidence
from evaluation.metrics import registry
from experiments.core.system import Comparison
from experiments.pyramid_cgan.config import CONFIGURATIONS

CITATION = (
    "Z. Chen, Z. Ji, H. Zhang. Conditional deep convolutional GANs for image "
    "restoration."
)

LABELS = {key: f"({key}) {name}" for key, name in CONFIGURATIONS.items()}

HEADLINE = ("hole/l1_percent", "hole/psnr_db", "hole/ssim", "hole/lpips")
SEAM = "composite/seam_percent"
TABLED = ("hole/mse", SEAM, "composite/attribute_accuracy")
_ERROR = "val_hole/l1_percent"
# Losses of single runs that differ by less than this part of them are the same; by
# less than the other, similar.
SAME, SIMILAR = 0.02, 0.2
# Fast: so many steps take nine tenths of the error that a run takes away.
FAST = 1000
LITERAL = f"{LABELS['d']}, losses as printed"

COMPARISON = Comparison("hole/lpips", "none: pictures and loss curves")

# Where the paper contradicts itself or its data, or errs.
CONTRADICTIONS = (
    "Table 1 gives stride 2 to every convolution of every residual block. Blocks 4 to "
    "6 could not enlarge then, nor a shortcut fit its block.",
    "Section 3.1 feeds a condition y into generator and discriminator; Section 3.2 "
    "has none, and Algorithm 1 has labels y as an input that only the classifier uses.",
    "Section 4.3.2 says that the three models have similar losses of the classifier, "
    "and then that two of them have lower ones.",
    "Equations 2 to 5 are log-likelihoods, to be maximized, and are called losses.",
    "Algorithm 1 begins by training the generator alone; the only loss it names for "
    "the generator asks a discriminator that has not learned anything.",
    "The classifier is one softmax over classes; the data is said to be CelebA, with "
    "40 attributes that are true together. The authors' published code has 300 "
    "outputs.",
    "The authors' published code contradicts Table 1 in the way up, the order in a "
    "block, the weights it begins with and the last activation, and has no pyramid.",
)

DEPARTURES = (
    "Table 1 cannot be built as printed: it gives stride 2 to every convolution of "
    "every residual block, the 1×1 and blocks 4 to 6 included. Here the stride is the "
    "block's: its first 3×3 and its 1×1 have it. Blocks 4 to 6 are the way up of the "
    "pyramid, after nearest-neighbor doubling.",
    "By Table 1 each convolution is followed by LeakyReLU. Here a block's second 3×3 "
    "and its 1×1, which is read as the shortcut, are added first; laterals have none, "
    "and the last layer, which draws the picture, has a tanh.",
    "The paper says that there is a feature pyramid, not how its ways are joined: here "
    "a 1×1 convolution of each map of the way down is added on the way up, without "
    "BatchNorm.",
    "Table 1 names no normalization; every convolution but the laterals and the last "
    "has BatchNorm, because the model is 'mostly based on DCGAN' (--norm=none leaves "
    "it out).",
    "The authors' published code, which does not run as it was uploaded, contradicts "
    "this reading: all three blocks of its way up double, by transposed convolutions, "
    "and its last deconvolution has stride 1; a 1×1 convolution from 256 to 1024 "
    "channels stands before the dilated ones; its blocks are BatchNorm, activation, "
    "convolution, in this order, with ReLU on the way up; it begins with Xavier's "
    "weights and ends in a sigmoid; it has no laterals at all; its discriminator ends "
    "in two logits; its classifier has BatchNorm in the dense layers as well.",
    "Section 3.1 feeds a condition y, 'class labels or other data', into generator and "
    "discriminator; Section 3.2 and Algorithm 1 do not have it, and it is not built: "
    "the generator is given the image and the mask. Nor is the mask an input of the "
    "discriminator, which Equations 2 and 3 write as D(x, M): it places the window "
    "that the local discriminator sees.",
    "The size of the images is not stated (--image_size). At 128 pixels the dilated "
    "maps are 16×16, so that the convolution of rate 16 sees only padding beside its "
    "center; --image_size=256 is the option. The paper's 5 hours for 5,000 iterations "
    "on a Tesla P100 are 3.6 seconds a step, about six times the work of 128 pixels "
    "and 32 images: a hint at 256 pixels.",
    "The discriminators' and the classifier's widths are those of the authors' "
    "published code; the paper gives none. The fusion of the two discriminators is a "
    "dense layer on both their features, with one logit.",
    "No reconstruction loss appears, yet Algorithm 1 begins by training the generator "
    "alone, against a discriminator that has not learned anything. By default it then "
    "learns from the L2 of the missing pixels, which also stays in the joint loss "
    "(--reconstruction_weight=1 beside --adversarial_weight=0.0004 and "
    "--classification_weight=0.001; weights are not stated). --preset=paper_literal "
    "trains as printed.",
    "Equations 2 to 5 are log-likelihoods, which are maximized; their negatives are "
    "minimized here.",
    "'A general multiclass classifier' and Equations 4 and 5, one softmax over "
    "classes, do not say what the classes are; CelebA has 10,177 people and 40 binary "
    "attributes, and the authors' code has 300 outputs, which fit people. "
    "--classes=identity is that: a softmax over the people with the most training "
    "images (--identities, by default 300); images of other people are ignored. It is "
    "the default on Labeled Faces in the Wild. Elsewhere the default is "
    "--classes=attributes, where each is there or not; with "
    "--classification=multi_class one of them is right. --classes=none leaves the "
    "classifier out, as data without labels does.",
    "By line 10 of Algorithm 1 the classifier learns from restored images as well, "
    "which is the default; --noclassifier_on_fake lets it learn from real ones alone, "
    "because learning from both may teach it to excuse restored ones.",
    "In a joint step Algorithm 1 updates the discriminator twice, before and after the "
    "generator; here once, in paper_literal, too.",
    "T_g and T_d are not stated: by default 900 and 100 of 5,000 steps "
    "(--generator_steps, --discriminator_steps). As printed, the joint phase begins "
    "one step after T_g + T_d.",
    "The paper does not describe its masks. By default holes are rectangles with sides "
    "of 48 to 64 of 128 pixels (--hole_size) anywhere in the image, in tests, too "
    "(--test_mask), and are filled with gray (--hole_fill=0). The local discriminator "
    "sees 64×64 pixels around the hole, moved to lie inside the image.",
    "Known pixels are put back before the image is judged; the paper does not say "
    "whether they are.",
    "Optimizer and batch are not stated: Adam with DCGAN's --learning_rate of 0.0002 "
    "and --beta_1 of 0.5, and a --batch_size of 32; no moving average of weights "
    "(--ema_decay) and no bound on gradients (--clip_norm).",
    "What is done to CelebA's images (--crop) and how they are split (--split_by) is "
    "not stated: the center's 178×178 pixels are resized, and the split is the "
    "official one.",
    "All gradients are taken at the same point, from one pass of the generator; it "
    "answers discriminator and classifier as they were before the step.",
    "Where the paper is silent LeakyReLU has slope 0.2, weights begin as N(0, 0.02), "
    "and BatchNorm has momentum 0.9 and epsilon 1e-5; training images are shuffled by "
    "the seed; everything computes in float32 by default, and normalization always.",
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
    consistent = [
        evidence.beats(
            LABELS["d"],
            LABELS[other],
            SEAM,
            claim=f"The full approach (d) is more consistent with what surrounds the "
            f"hole than ({other}) (Fig. 3), by {registry.label(SEAM)}",
        )
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
    return [*best, *consistent, *parts, *literal]


# Columns of a history by name.
History = Mapping[str, Sequence[float]]


def check_histories(
    evidence: Evidence,
    histories: Mapping[str, History],
    *,
    on_fake: Collection[str],
) -> list[claims.Claim]:
    """The paper's claims about Fig. 4: losses in the last tenth, and convergence.

    Args:
      evidence: Of these runs.
      histories: {label: columns of its history.csv}.
      on_fake: Labels of the runs whose classifiers have learned from restored images;
        others cannot differ on real ones.
    """
    late = {
        label: {
            name: statistics.fmean(finite[-max(1, len(finite) // 10) :])
            for name, values in columns.items()
            if name[:2] in _NETWORKS
            and (finite := [v for v in values if math.isfinite(v)])
        }
        for label, columns in histories.items()
    }
    return [
        *(
            _classified(evidence, late, name, better, "b", on_fake)
            for name in ("c_real", "c_fake")
            for better in ("c", "d")
        ),
        *(_similar(evidence, late, prefix, on_fake) for prefix in _NETWORKS),
        _converged(evidence, histories),
    ]


# The terms of a network's loss begin with its letter.
_NETWORKS = {"g_": "generator", "d_": "discriminator", "c_": "classifier"}
# The curves of Fig. 4: its text names (c) and (d) of three; the third is assumed.
_DRAWN = [LABELS[key] for key in ("b", "c", "d")]
_ONE_EACH = "means over the last tenth of the steps of one run each"


def _loss(late: Mapping[str, float], prefix: str) -> float | None:
    """The sum of a network's terms in the last tenth; None if there is none."""
    terms = [value for name, value in late.items() if name.startswith(prefix)]
    return sum(terms) if terms else None


def _without(evidence: Evidence, late: Mapping, labels: Sequence[str], key: str) -> str:
    """What would measure this loss of these runs; "" if all have it."""
    for label in labels:
        if label not in late:
            return evidence.missing(label)
        if _loss(late[label], key) is None:
            way = "images with attributes, or --classes=identity, give"
            way = way if key.startswith("c_") else "--preset=d gives"
            return f"{label} was trained without this loss: {way} it."
    return ""


def _similar(
    evidence: Evidence, late: Mapping, prefix: str, on_fake: Collection[str]
) -> claims.Claim:
    """Whether the three models of Fig. 4 have similar losses of one network."""
    claim = f"(b), (c) and (d) have a similar loss of the {_NETWORKS[prefix]} (Fig. 4)"
    if why := _without(evidence, late, _DRAWN, prefix):
        return claims.not_measured(claim, why)
    if prefix == "c_" and 0 < len(on_fake & set(_DRAWN)) < len(_DRAWN):
        return claims.not_measured(claim, _MIXED)

    def margin(*labels: str) -> float | None:
        losses = [_loss(late.get(label, {}), prefix) for label in labels]
        if None in losses:
            return None
        return SIMILAR * max(losses) - (max(losses) - min(losses))

    shown = [f"{_loss(late[label], prefix):.4f}" for label in _DRAWN]
    said = (
        f"{shown[0]}, {shown[1]} and {shown[2]}, {_ONE_EACH}; similar means less than "
        f"{SIMILAR:.0%} of the largest apart"
    )
    verdict = claims.HOLDS if margin(*_DRAWN) > 0 else claims.FAILS
    return evidence.weigh(claim, verdict, said, _DRAWN, key=prefix, margin=margin)


def _converged(evidence: Evidence, histories: Mapping[str, History]) -> claims.Claim:
    """Whether the three models of Fig. 4 converge within `FAST` steps."""
    claim = "(b), (c) and (d) all converge fast (Fig. 4)"
    by_step = {label: _errors(columns) for label, columns in histories.items()}
    for label in _DRAWN:
        if label not in by_step:
            return claims.not_measured(claim, evidence.missing(label))
        if not by_step[label]:
            why = f"{label} has no error before its first step: a new run measures it."
            return claims.not_measured(claim, why)

    def margin(*labels: str) -> float | None:
        found = [by_step.get(label) for label in labels]
        return min(map(_ahead, found)) if all(found) else None

    steps = [_reached(by_step[label]) for label in _DRAWN]
    shown = [f"{step:,.0f}" if math.isfinite(step) else "no" for step in steps]
    said = (
        "Nine tenths of what a run takes off the validation error (hole L1) are gone "
        f"after {shown[0]}, {shown[1]} and {shown[2]} steps; fast means at most "
        f"{FAST:,} of the paper's 5,000"
    )
    verdict = claims.HOLDS if max(steps) <= FAST else claims.FAILS
    key = _ERROR.removeprefix("val_")
    return evidence.weigh(claim, verdict, said, _DRAWN, key=key, margin=margin)


def _errors(columns: History) -> dict[float, float]:
    """Step -> validation error; {} unless before the first step and later as well."""
    pairs = zip(columns.get("step", ()), columns.get(_ERROR, ()))
    found = {step: error for step, error in pairs if math.isfinite(error)}
    return found if 0 in found and len(found) > 1 else {}


def _near(errors: Mapping[float, float]) -> float:
    """The error at which nine tenths of what a run takes off are gone."""
    end = errors[max(errors)]
    return end + 0.1 * (errors[0] - end)


def _reached(errors: Mapping[float, float]) -> float:
    """The step at which they are; infinite if the error did not fall."""
    if errors[max(errors)] >= errors[0]:
        return math.inf
    return min(step for step, error in errors.items() if error <= _near(errors))


def _ahead(errors: Mapping[float, float]) -> float:
    """How far below that error the run comes in time, or how far it rose in all."""
    if errors[max(errors)] >= errors[0]:
        return errors[0] - errors[max(errors)]
    in_time = min(error for step, error in errors.items() if step <= FAST)
    return _near(errors) - in_time


_MIXED = (
    "Some of the classifiers have learned from restored images and others have not: "
    "all runs need --classifier_on_fake."
)


def _classified(
    evidence: Evidence,
    late: Mapping,
    name: str,
    better: str,
    worse: str,
    on_fake: Collection[str],
) -> claims.Claim:
    images = {"c_real": "real", "c_fake": "restored"}[name]
    claim = (
        f"The classifier's loss on {images} images is lower with ({better}) than with "
        f"({worse}) (Fig. 4)"
    )
    networks = [LABELS[key] for key in (better, worse)]
    if why := _without(evidence, late, networks, name):
        return claims.not_measured(claim, why)
    values = [late[label][name] for label in networks]
    learned = [label in on_fake for label in networks]
    if any(learned) and not all(learned):
        return claims.not_measured(claim, _MIXED)
    if name == "c_real" and not any(learned):
        why = (
            "The classifiers have learned from real images alone, so that no generator "
            "can make a difference: runs with --classifier_on_fake measure it."
        )
        return claims.not_measured(claim, why)
    said = f"{values[0]:.4f} and {values[1]:.4f}, {_ONE_EACH}"
    verdict = claims.HOLDS if values[0] < values[1] else claims.FAILS
    if abs(values[0] - values[1]) < SAME * values[1]:
        verdict = claims.CANNOT_TELL
        said += f"; less than {SAME:.0%} apart is called the same"

    def margin(better: str, worse: str) -> float | None:
        losses = [late.get(label, {}).get(name) for label in (worse, better)]
        return None if None in losses else losses[0] - losses[1]

    return evidence.weigh(claim, verdict, said, networks, key=name, margin=margin)
