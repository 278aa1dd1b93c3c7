"""The hyper-parameters that all papers share.

A frozen dataclass is a table of hyper-parameters, and each field is an absl flag. A
preset is a dict of fields that differ from the defaults; a flag given on the command
line overrides both.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from data_pipeline import masks, sources
from data_pipeline.choices import check_choice
from evaluation.metrics import identity
from experiments.core.command_line import check_at_least, hp
from training import strategy

STAGES = ("train", "evaluate", "export")
CHECKPOINTS = ("last", "best")
LARGEST_SEED = 2**31 - 1
MASK_KINDS = ", ".join(masks.KINDS)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The flags of everything that is trained."""

    dataset: str = hp("faces", f"One of {', '.join(sources.DATASETS)}.")
    data_dir: str = hp(
        "", "Where the data set's files are; faces and scenes need none.", path=True
    )
    workdir: str = hp(
        "", "Run folder; empty takes runs/<paper>/<preset>-<dataset>.", path=True
    )
    stages: tuple[str, ...] = hp(
        STAGES, f"Which of {', '.join(STAGES)} to run.", measures_only=True
    )
    seed: int = hp(0, "Of weights, order, masks and the split.")
    limit: int = hp(0, "At most so many images of each split; 0 takes all.")
    crop: str = hp("center", "center, none, or the side of a centered square, pixels.")
    split_by: str = hp(
        "image",
        "image: official or 80/20 shuffled; person, for lfw: nobody is in both splits; "
        "order: the last tenth of the files is the test split; first, for celeb_a: "
        "180,000, 10,000 and 10,000 files in their order.",
    )
    cache_dir: str = hp(
        "",
        "Folder that keeps decoded images, for sets larger than memory. Delete it when "
        "the files it was made from change. Empty keeps them in memory.",
        path=True,
    )
    validation_images: int = hp(
        256,
        "Images measured for every row of history.csv: of the official validation "
        "split, or taken out of the training split where there is none.",
    )
    precision: str = hp("float32", f"One of {', '.join(strategy.PRECISIONS)}.")
    num_replicas: int = hp(
        0, "Devices: 0 takes every GPU or the CPU, N takes N GPUs or N logical CPUs."
    )
    strategy: str = hp(
        "mirrored",
        "mirrored: the devices of this machine; multi_worker: those of all machines "
        "that TF_CONFIG names, see docs/scaling.md.",
    )
    data_service: str = hp(
        "",
        "Address of a tf.data service, grpc://HOST:PORT, that makes the training "
        "batches; its workers read --cache_dir. Empty makes them in this process.",
        path=True,
    )
    jit_compile: bool = hp(False, "Compiles the training step with XLA.")
    checkpoint: str = hp(
        "last",
        f"Which is evaluated and exported: {' or '.join(CHECKPOINTS)}.",
        measures_only=True,
    )
    checkpoint_steps: int = hp(
        500,
        "Steps between checkpoints within an epoch; 0 saves after epochs only.",
        measures_only=True,
    )
    lpips_weights: str = hp(
        "",
        "LPIPS weights, .npz; `facemend lpips_weights --help` makes them.",
        path=True,
    )
    groups: str = hp(
        "",
        "CSV of name,group: the report gives the error of each group as well.",
        path=True,
    )

    def __post_init__(self):
        check_choice("dataset", self.dataset, sources.DATASETS)
        check_choice("precision", self.precision, strategy.PRECISIONS)
        check_choice("strategy", self.strategy, strategy.STRATEGIES)
        if self.data_service and not self.cache_dir:
            raise ValueError(
                f"--data_service={self.data_service} needs --cache_dir, a folder that "
                "its workers see under the same path: they read the images there."
            )
        check_choice("checkpoint", self.checkpoint, CHECKPOINTS)
        check_choice("split_by", self.split_by, sources.SPLIT_BY)
        for stage in self.stages:
            check_choice("stages", stage, STAGES)
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"--seed must be in 0..{LARGEST_SEED}; got {self.seed}.")
        for name in ("limit", "num_replicas", "checkpoint_steps"):
            check_at_least(name, getattr(self, name), 0)
        if not getattr(self, "learning_rate", 1.0) > 0:
            raise ValueError(
                f"--learning_rate must be above 0; got {self.learning_rate}."
            )
        for name in (
            "image_size", "batch_size", "epochs", "steps", "validation_images",
        ):  # fmt: skip
            if hasattr(self, name):
                check_at_least(name, getattr(self, name), 1)
        for name in ("ema_decay", "beta_1", "momentum"):
            value = getattr(self, name, 0.0)
            if not 0 <= value < 1:
                raise ValueError(f"--{name} must be in [0, 1); got {value}.")
        check_at_least("clip_norm", getattr(self, "clip_norm", 0.0), 0)


@dataclasses.dataclass(frozen=True)
class SystemConfig(RunConfig):
    """The flags of every published system."""

    initial: str = hp(
        "",
        "Run folder, export or shipped model whose network this one begins as, such as "
        "one that was trained on more faces; the networks must be alike. A run's "
        "discriminators come along. Empty begins with random weights.",
        path_or_word=True,
    )
    ema_decay: float = hp(
        0.0,
        "Decay of the moving average of the generator's weights that is evaluated and "
        "exported instead of the last weights; 0 switches it off.",
        published="not stated",
    )
    deterministic: bool = hp(
        False,
        "Takes only operations that give the same bits every time, which is slower: "
        "two runs on one machine end with equal weights.",
        measures_only=True,
    )
    learning_rate_batch_size: int = hp(
        0,
        "Batch size that learning rates are given for: each is multiplied by "
        "--batch_size and divided by it. 0 leaves them, whatever the batch.",
    )
    clip_norm: float = hp(
        0.0, "Largest norm of a gradient; 0 does not clip.", published="not stated"
    )
    judge: str = hp(
        "",
        "Folder of a classifier that `facemend attribute_classifier` has "
        "made: the report then says how many attributes it tells rightly on restored "
        "faces.",
        path=True,
    )
    embedding: str = hp(
        "",
        "SavedModel that makes a vector of a face: the report then has the similarity "
        "of restored faces and originals. Empty takes the one that `facemend "
        "face_descriptor --download` has put into the cache, if it did.",
        path=True,
    )
    embedding_range: str = hp(
        "unit",
        f"What its images are in, one of {', '.join(identity.INPUT_RANGES)}.",
        measures_only=True,
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("embedding_range", self.embedding_range, identity.INPUT_RANGES)
        check_at_least("learning_rate_batch_size", self.learning_rate_batch_size, 0)

    def with_scaled_rates(self) -> SystemConfig:
        """As it is, but its learning rates are those of --batch_size; says so."""
        if not self.learning_rate_batch_size:
            return self
        factor = self.batch_size / self.learning_rate_batch_size
        scaled = {
            field.name: factor * getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name.endswith("learning_rate")
        }
        told = ", ".join(f"{name} {value:g}" for name, value in scaled.items())
        print(f"Learning rates times {factor:g} for the batch: {told}.")
        return dataclasses.replace(self, learning_rate_batch_size=0, **scaled)


def check_shift(config: Any) -> None:
    """Raises a ValueError unless --shift leaves a part of the image."""
    if not 0 <= config.shift < config.image_size:
        raise ValueError(
            f"--shift must be in 0..{config.image_size - 1}, less than the image's "
            f"side; got {config.shift}."
        )


def check_hole_fill(fill: Sequence[float]) -> None:
    """Raises a ValueError unless --hole_fill is gray or a color."""
    if len(fill) not in (1, 3):
        raise ValueError(
            "--hole_fill takes one number or three (red, green, blue); got "
            f"{','.join(map(str, fill))}."
        )


@dataclasses.dataclass(frozen=True)
class InpaintingConfig(SystemConfig):
    """The flags of every system that fills holes."""

    image_size: int = hp(128, "Side of the image, pixels.")
    hole_size: int = hp(64, "Side of a square hole, pixels.")
    hole_fill: float = hp(1.0, "What stands in the hole, in [-1, 1].")
    train_mask: str = hp(
        "random_square",
        f"Hole in training: {MASK_KINDS}, or a file or folder.",
        path_or_word=True,
    )
    test_mask: str = hp(
        "center",
        f"Hole in validation and test: {MASK_KINDS}, or a file or folder.",
        path_or_word=True,
        measures_only=True,
    )
    hole_ratio: tuple[float, ...] = hp(
        (0.1, 0.4),
        "Smallest and largest share of the image a free-form hole takes.",
        measures_too=True,
    )
    missing_is_black: bool = hp(
        False,
        "In mask files black marks what is missing, instead of white.",
        measures_too=True,
    )
    batch_size: int = hp(64, "Images a step, over all replicas.")

    def __post_init__(self):
        super().__post_init__()
        # Checked here, before images are decoded.
        for flag in ("train_mask", "test_mask"):
            kind = getattr(self, flag)
            if not pathlib.Path(kind).exists():
                check_choice(flag, kind, (*masks.KINDS, "a file or folder"))
        check_at_least("hole_size", self.hole_size, 1)
        if self.hole_size > self.image_size:
            raise ValueError(
                f"--hole_size must be at most {self.image_size}, the side of the "
                f"image; got {self.hole_size}."
            )
        if len(self.hole_ratio) != 2:
            raise ValueError(
                "--hole_ratio takes two numbers, the smallest and the largest share, "
                f"such as 0.1,0.4; got {','.join(map(str, self.hole_ratio))!r}."
            )


@dataclasses.dataclass(frozen=True)
class ReconstructionConfig(SystemConfig):
    """The flags of every system that encodes and decodes a whole face."""

    image_size: int = hp(192, "Side of the image, pixels.")
    shift: int = hp(
        0,
        "Training images are flipped and moved by up to so many pixels; 0 leaves them.",
        published="not stated",
    )
