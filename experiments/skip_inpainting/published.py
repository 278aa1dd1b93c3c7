"""Jiang & Zhang's published tables and claims, and departures from the paper."""

from __future__ import annotations

import functools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence

from data_pipeline.decoded import DecodedSplit
from evaluation import claims, subsets
from evaluation.bootstrap import ENOUGH
from evaluation.claims import Evidence
from evaluation.metrics import registry
from evaluation.report import pictures
from evaluation.report.pictures import Figure
from evaluation.tables import Table, with_interval
from experiments.core.folder import FinishedRun
from experiments.core.system import Comparison, EpochTable
from experiments.skip_inpainting.config import Config

CITATION = (
    "L. Jiang, Y. Zhang. An End-to-end Facial Image Inpainting with Skip Connection."
)

_NOTE = (
    "The paper calls these values LPIPS. They are ten times LPIPS: our untrained "
    "models 2 and 3 measure 0.92, the paper has 9.96 to 10.65 at epoch 0. "
)
_PATCH = "Models 0 and 1 are measured on the 64×64 patch."
_WHOLE = "Models 2 and 3 are measured on the whole image, as the network gives it."

# Model -> epoch -> 10 x LPIPS.
BY_EPOCH = {
    0: {0: 9.96, 12: 3.21, 24: 2.99, 36: 2.91},
    1: {0: 9.98, 12: 3.32, 24: 2.98, 36: 2.83},
    2: {0: 10.26, 12: 2.00, 24: 1.67, 38: 1.60},
    3: {0: 10.65, 12: 1.10, 24: 1.06, 38: 1.04},
}


def _epoch_table(model: int) -> EpochTable:
    patch = model in (0, 1)
    return EpochTable(
        key="hole/lpips" if patch else "raw/lpips",
        scale=10.0,
        label=f"10 × LPIPS, {'hole' if patch else 'whole image'}",
        published=BY_EPOCH[model],
        note=f"Published: Table {1 if patch else 2}, on CelebA; ours: this run's "
        "validation images.",
    )


EPOCHS = {model: _epoch_table(model) for model in BY_EPOCH}


def epochs(config: Config) -> EpochTable | None:
    """The paper's table by epoch of such a network; the restorer has none."""
    return None if config.losses == "perceptual" else EPOCHS[config.model]


def statements(config: Config, split: DecodedSplit) -> list[str]:
    """Sentences on a network that the paper does not have."""
    said = []
    if config.losses == "perceptual":
        said = [
            "This restorer is not the paper's: it has model 3's network, but another "
            "beginning, other losses, and holes of other kinds in training. The "
            "departures name all.",
            "LPIPS was part of the loss, so LPIPS here is not independent evidence. "
            "Read PSNR and SSIM beside it.",
        ]
    if config.test_dir:
        said.append(
            f"The training images are those of --dataset={config.dataset}"
            f"{' and of another folder' * bool(config.extra_dir)}."
        )
    elif config.extra_dir:
        said.append(
            f"The training images are those of {split.source.info.title} and the "
            f"folder {pathlib.PurePath(config.extra_dir).name}; the test images are "
            "of the former alone."
        )
    return said


def _table(caption: str, models: tuple[int, int], note: str) -> Table:
    epochs = list(BY_EPOCH[models[0]])
    return Table(
        caption=caption,
        columns=["10 × LPIPS", *(f"epoch {epoch}" for epoch in epochs)],
        rows=[[f"model {model}", *BY_EPOCH[model].values()] for model in models],
        note=note,
        kinds=["published", "published"],
        digits=2,
    )


PUBLISHED = (
    _table("Table 1 (published, CelebA)", (0, 1), _NOTE + _PATCH),
    _table(
        "Table 2 (published, CelebA)",
        (2, 3),
        _WHOLE + " So Tables 1 and 2 cannot be compared with each other.",
    ),
)

COMPARISON = Comparison("raw/lpips", "0.104 (model 3, CelebA, 38 epochs)")

# Where the paper contradicts itself or its data, or errs.
CONTRADICTIONS = (
    "The values that the paper calls LPIPS seem to be ten times LPIPS: untrained "
    "networks measure about 1 here, the paper has 10.",
    "The layer that is dropped to 'decrease the model size' has 4% of the parameters, "
    "with our channels.",
    "The paper's reconstruction loss is L2 and its adversarial loss L1; the public "
    "implementation that it starts from has them the other way round.",
)

DEPARTURES = (
    "On which region LPIPS is measured is not stated. By the size of the values it is "
    "the 64×64 patch of models 0 and 1 (Table 1) and the whole image of models 2 and 3 "
    "(Table 2), so that the two tables cannot be compared with each other.",
    "Figure 4 has the network; the copy that this was built from has the text alone. "
    "It leaves open Adam's betas (--beta_1, --beta_2), the initialization, what "
    "stands in the hole (--hole_fill), the resize (--crop), the range of the hole's "
    "place and the channels (--widths, --discriminator_widths). They follow the public "
    "implementation that it evidently starts from: (0.5, 0.999), N(0, 0.02), white, "
    "bicubic to 128×128 without a crop, anywhere inside the image, 64, 64, 128, 256 "
    "and 512 channels, and 64, 128, 256 and 512 in the discriminator.",
    "The batch size (--batch_size) is not stated; 64 by default, 4 in that "
    "implementation. Nor are a moving average of weights (--ema_decay) or a bound on "
    "gradients (--clip_norm): there are none by default.",
    "The paper says that the reconstruction loss is L2 and the adversarial loss L1; "
    "that implementation has them the other way round. --losses=paper is the "
    "default, --losses=swapped the option.",
    "Models 0 and 1 fill in 'the missing part': they give the patch under the hole, "
    "wherever it is.",
    "Dropping the channel-wise fully connected layer saves 4% of the parameters. "
    "'Decrease the model size' fits the 4,000-channel bottleneck of Pathak et al.'s "
    "released network better (76% less), which --preset=bottleneck4000 builds.",
    "Both networks' gradients are taken at the same point, from one pass of the "
    "generator and one of the discriminator over each picture; the generator answers "
    "the discriminator as it was before the step.",
    "Batch normalization 'in each layer' leaves out the layer that draws the picture "
    "and the 4,000-channel bottleneck; the discriminator's InstanceNorm its first and "
    "its last layer. Kernels are 4×4 in the encoder and on the way up, 3×3 elsewhere; "
    "the encoder has five levels, and no skip connection is at the image's own size.",
    "BatchNorm has momentum 0.9 and epsilon 1e-5, LeakyReLU slope 0.2, where the paper "
    "is silent; training images are shuffled by the seed; everything computes in "
    "float32 by default, and normalization always.",
    "The table by epoch is measured on validation images, so that the test images "
    "stay unseen until the end.",
    "How images are split is not stated (--split_by): CelebA as its partition has it, "
    "other sets 80/20, by the seed.",
    "--preset=restorer is not the paper's. It is model 3 with the mask as a fourth "
    "input channel and a guess from eigenfaces of the training set in the hole; it is "
    "trained on squares, rectangles, strokes, the center and regions of the face, with "
    "L1 (known pixels at a tenth), and LPIPS and a hinge loss on composites, all three "
    "divided by the hole's share, a discriminator that sees how much a batch differs, "
    "flips and shifts, a learning rate that falls at the end, and averaged weights.",
)


def check_claims(evidence: Evidence) -> list[claims.Claim]:
    """The paper's claims, checked on whichever of the four models were trained."""
    return [
        evidence.alike(
            "model 0",
            "model 1",
            "hole/lpips",
            within=0.011,  # the largest difference in the paper's Table 1, at epoch 12
            claim="The channel-wise fully connected layer makes no difference "
            "(model 1 like model 0)",
        ),
        evidence.beats(
            "model 1",
            "model 2",
            "raw/lpips",
            claim="Generating the whole image blurs known pixels (model 1 better than "
            "model 2 on the whole image)",
            early=True,
        ),
        evidence.beats(
            "model 3",
            "model 2",
            "raw/lpips",
            claim="Skip connections cure the blur (model 3 better than model 2 on the "
            "whole image)",
            early=True,
        ),
        evidence.beats(
            "model 3",
            "model 2",
            "hole/lpips",
            claim="Skip connections restore the hole better as well (model 3 better "
            "than model 2 in the hole)",
        ),
        *_convergence(evidence),
    ]


def _convergence(evidence: Evidence) -> list[claims.Claim]:
    """What the validation metrics by epoch say of models 2 and 3."""
    faster = "Model 3 converges faster than model 2 (whole image)"
    clear = "Model 3's known pixels are clear in early epochs (whole image)"
    pair, key = ("model 3", "model 2"), "raw/lpips"
    by_epoch = {name: _validation(evidence, name, key) for name in evidence.trained}
    for name in pair:
        if name not in by_epoch:
            why = evidence.missing(name)
        elif not any(by_epoch[name]):  # an epoch after the first
            flag = registry.metric_of(key).flag
            why = f"{name} has no LPIPS by epoch: a new run with {flag} records it."
        else:
            continue
        return [claims.not_measured(claim, why) for claim in (faster, clear)]
    three, two = (by_epoch[name] for name in pair)
    last, first = max(two), _first(three)
    reached = [epoch for epoch, value in three.items() if value <= two[last]]
    said = f"LPIPS of validation images: model 2 ends at {two[last]:.3f} (epoch {last}"
    if reached:
        said += f"), which model 3 reaches in epoch {min(reached)}"
    else:
        said += f"), which model 3 does not reach in {max(three)} epochs"
    sooner = bool(reached) and min(reached) < last

    def margin(ahead: Callable[..., float], three: str, two: str) -> float | None:
        found = [by_epoch.get(name, {}) for name in (three, two)]
        return ahead(*found) if all(map(any, found)) else None

    return [
        evidence.weigh(
            faster,
            _verdict(sooner),
            said,
            pair,
            key=key,
            margin=functools.partial(margin, _ahead_before),
        ),
        evidence.weigh(
            clear,
            _verdict(three[first] < two[last]),
            f"LPIPS of validation images: model 3 {three[first]:.3f} after epoch "
            f"{first}, model 2 {two[last]:.3f} after epoch {last}",
            pair,
            key=key,
            margin=functools.partial(margin, _ahead_at_first),
            early=True,
        ),
    ]


ByEpoch = Mapping[int, float]


def _first(by_epoch: ByEpoch) -> int:
    return min(epoch for epoch in by_epoch if epoch)


def _ahead_before(three: ByEpoch, two: ByEpoch) -> float:
    """How far model 3 comes below model 2's last value before that epoch."""
    last = max(two)
    before = [value for epoch, value in three.items() if epoch < last]
    return two[last] - min(before, default=math.inf)


def _ahead_at_first(three: ByEpoch, two: ByEpoch) -> float:
    """How far model 3 is below model 2's last value after its first epoch."""
    return two[max(two)] - three[_first(three)]


FIGURE = "As Figs. 7 and 8 of the paper"


def figures(labels: Sequence[str]) -> list[Figure]:
    """The published networks side by side, models 2 and 3 with all that they give.

    Models 0 and 1 give the patch under the hole, which is set into the image.
    """
    columns = {}
    for label in sorted({f"model {model}" for model in BY_EPOCH}.intersection(labels)):
        patch = label in ("model 0", "model 1")
        source = label if patch else pictures.whole(label)
        columns[label if patch else f"{label}, whole image"] = source
    if len(columns) < 2:
        return []
    shown = {"Input": "Input", **columns, "Original": "Original"}
    return [Figure(FIGURE, shown)]


def check_pose(evidence: Evidence, runs: Sequence[FinishedRun]) -> claims.Claim:
    """Whether the final design is worse on frontal faces than on turned ones."""
    claim = "The reconstruction is relatively poor for front faces (Sec. 6, model 3)"
    name, key = "model 3", "hole/l1_percent"
    found = {run.label: run.report.get("groups", {}) for run in runs}
    if name not in found:
        return claims.not_measured(claim, evidence.missing(name))
    if subsets.BY_YAW not in found[name]:
        why = (
            f"{name} was evaluated without landmarks, which say where a face looks: "
            "--stages=evaluate finds them once make extras EXTRAS=face has run."
        )
        return claims.not_measured(claim, why)

    def contrast(label: str) -> dict[str, float] | None:
        groups = found.get(label, {}).get(subsets.BY_YAW)
        # A run that repeats another has the rows of its own report.
        return groups and subsets.frontal_less_turned(groups, name, key)

    def margin(label: str) -> float | None:
        measured = contrast(label)
        return measured and measured["mean"]

    faces = contrast(name)
    if faces is None:
        why = (
            f"There are too few faces: it takes {ENOUGH} test images within "
            f"{subsets.FRONTAL}° and {ENOUGH} others."
        )
        return claims.not_measured(claim, why)
    verdict = claims.CANNOT_TELL
    if faces["low"] > 0 or faces["high"] < 0:
        verdict = _verdict(faces["low"] > 0)
    said = (
        f"Hole L1 (%) of frontal faces, within {subsets.FRONTAL}°, less that of all "
        f"others: {with_interval(faces, 2, signed=True)}; "
        f"{faces['frontal']:,} and {faces['turned']:,} faces"
    )
    return evidence.weigh(claim, verdict, said, [name], key=key, margin=margin)


def _validation(evidence: Evidence, name: str, key: str) -> dict[int, float]:
    """Epoch -> the metric on validation images; {} where it was not recorded."""
    columns = evidence.trained[name].history
    pairs = zip(columns.get("epoch", ()), columns.get(f"val_{key}", ()))
    return {int(epoch): value for epoch, value in pairs if math.isfinite(value)}


def _verdict(holds: bool) -> str:
    return claims.HOLDS if holds else claims.FAILS
