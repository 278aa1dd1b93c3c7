"""Table of hyper-parameters and presets."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.choices import check_choice
from data_pipeline.decoded import DecodedSplit
from evaluation import tables
from evaluation.record import Evaluation
from experiments.core.command_line import check_at_least, hp
from experiments.core.data import RunData
from experiments.core.reconstruction import ReconstructionConfig
from experiments.core.system import Findings
from experiments.portrait_autoencoder import report, training
from experiments.portrait_autoencoder.report import mse_uint8_wrap
from models import portrait_autoencoder
from serving.codec import image_codec
from serving.export import codec

CODEC = {
    "entropy": "factorized",
    "channels": 128,
    "activation": "gdn",
    "batch_size": 16,
    "epochs": 40,
    "learning_rate": 5e-4,
    "learning_rate_decay": "cosine",
    # One step in thousands has a gradient that Adam would not forget for an epoch.
    "clip_norm": 1.0,
    "train_side": 96,
}
LAMBDAS = (0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
PRESETS = {
    "paper": {},
    **{f"n{channels}": {"channels": channels} for channels in (64, 128, 192, 256)},
    "filters_5_5_3": {"kernels": (5, 5, 3)},
    "filters_9_5_5": {"kernels": (9, 5, 5)},
    "learning_rate_1e-2": {"learning_rate": 1e-2},
    "learning_rate_1e-3": {"learning_rate": 1e-3},
    "learning_rate_1e-5": {"learning_rate": 1e-5},
    "gdn": {"activation": "gdn"},
    "depth1": {"depth": 1},
    **{f"lambda_{lmbda:g}": {**CODEC, "lmbda": lmbda} for lmbda in LAMBDAS},
    "cpu": {
        **CODEC,
        "dataset": "faces",
        "image_size": 96,
        "channels": 64,
        "epochs": 8,
        "limit": 5000,
        "train_side": 64,
    },
    "smoke": {
        **CODEC,
        "dataset": "faces",
        "image_size": 32,
        "channels": 8,
        "batch_size": 8,
        "epochs": 2,
        "limit": 40,
        "validation_images": 8,
        "train_side": 16,
    },
}


def label(config: Config) -> str:
    """What tables call the network: N or λ, and what is not as in their presets."""
    usual = type(config)(**(CODEC if config.entropy == "factorized" else {}))
    named = [f"N = {config.channels}"]
    if config.entropy == "factorized":
        named = [f"λ = {config.lmbda:g}", *named]
        if config.channels == usual.channels:
            named.pop()
    if config.activation != usual.activation:
        named.append({"gdn": "GDN", "relu": "ReLU"}[config.activation])
    if tuple(config.kernels) != tuple(usual.kernels):
        named.append("filters " + "/".join(map(str, config.kernels)))
    if config.depth:
        named.append(f"depth {config.depth}")
    if config.learning_rate != usual.learning_rate:
        named.append(f"learning rate {config.learning_rate:g}")
    if config.entropy == "none" and config.epochs != usual.epochs:
        named.append(tables.counted(config.epochs, "epoch"))
    return ", ".join(named)


ENTROPIES = ("none", "factorized")
DECAYS = ("none", "cosine")


@dataclasses.dataclass(frozen=True)
class Config(ReconstructionConfig):
    """Sections 3 to 5; what they leave open is in the departures."""

    dataset: str = hp(
        "celeb_a",
        ReconstructionConfig.__dataclass_fields__["dataset"].metadata["help"],
        published="CelebA",
    )
    image_size: int = hp(192, "Side of the image, pixels.", published="192")
    crop: str = hp(
        "none",
        "center, none, or the side of a centered square, pixels.",
        published="none: 178x218 becomes 192x192",
    )
    channels: int = hp(
        portrait_autoencoder.CHANNELS,
        "N, of all layers and of the code.",
        published="not stated",
    )
    kernels: tuple[int, ...] = hp(
        portrait_autoencoder.KERNELS,
        "Sides of the analysis's three kernels; the synthesis has them reversed.",
        published="5x5 and 3x3; Ballé et al. 9,5,5",
    )
    activation: str = hp(
        "relu",
        f"One of {', '.join(portrait_autoencoder.ACTIVATIONS)}.",
        published="ReLU; Ballé et al. GDN",
    )
    depth: int = hp(
        0, "Residual pairs of convolutions a stage.", published="0; more is future work"
    )
    entropy: str = hp(
        "none",
        "none is the paper, whose code is real numbers; factorized makes a codec: "
        "rounded latents, and the bits they take in the loss.",
        published="none",
    )
    lmbda: float = hp(
        0.01,
        "λ of a codec, whose loss is bits per pixel + λ · 255² · MSE. Larger makes "
        "larger files and better pictures.",
    )
    batch_size: int = hp(50, "Images a step, over all replicas.", published="50")
    epochs: int = hp(3, "Passes over the training images.", published="3")
    learning_rate: float = hp(
        1e-4,
        "Of Adam.",
        published="1e-4; 1e-3 and 1e-5 are worse, 1e-2 makes black images",
    )
    learning_rate_decay: str = hp(
        "none",
        "none, or cosine: it falls to 0 at the end of --epochs.",
        published="not stated",
    )
    train_side: int = hp(
        0,
        "Side of random squares of the training images to learn from, pixels, instead "
        "of the whole; 0 takes the whole. Squares of half the side take a quarter of "
        "the time.",
        published="the whole image",
    )
    uint8_wrap: bool = hp(
        False,
        "The report also has the error as 8-bit arithmetic gives it that overflows, "
        "which is what the paper's table seems to be.",
    )
    other_images: str = hp(
        "",
        "Folder of images without faces, for the report; empty draws some.",
        published="one photograph of a lamp",
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("entropy", self.entropy, ENTROPIES)
        check_choice("learning_rate_decay", self.learning_rate_decay, DECAYS)
        check_choice("activation", self.activation, portrait_autoencoder.ACTIVATIONS)
        check_at_least("channels", self.channels, 1)
        check_at_least("shift", self.shift, 0)
        portrait_autoencoder.check(
            self.image_size, self.kernels, self.activation, self.depth
        )
        if self.entropy == "factorized" and self.checkpoint == "best":
            raise ValueError(
                "--checkpoint=best takes the lowest error, whatever the files then "
                "take; a codec is judged by both. Leave the flag out."
            )
        seen = portrait_autoencoder.reach(self.kernels, self.depth)
        if self.entropy == "factorized" and seen > image_codec.MARGIN_PIXELS:
            raise ValueError(
                f"--depth={self.depth} with these --kernels sees {seen} pixels around, "
                "and tiles of large pictures overlap by "
                f"{image_codec.MARGIN_PIXELS}: they would show seams. Take a smaller "
                "--depth."
            )
        if self.train_side:
            portrait_autoencoder.check_side("train_side", self.train_side)
            if self.train_side > self.image_size or self.shift:
                raise ValueError(
                    f"--train_side={self.train_side} must be at most --image_size="
                    f"{self.image_size}, and goes without --shift, which squares "
                    f"anywhere make needless; got --shift={self.shift}."
                )
        if self.lmbda <= 0:
            raise ValueError(f"--lmbda must be above 0; got {self.lmbda}.")

    @property
    def beatable(self) -> bool:
        """The paper's network; files of a codec are judged beside files."""
        return self.entropy == "none"

    def lost(self) -> str:
        """What the code leaves of an image."""
        if self.entropy == "factorized":
            return (
                f"Trained to make bits per pixel + {self.lmbda:g} · 255² · MSE small; "
                "its files hold range-coded bytes."
            )
        side = self.image_size // portrait_autoencoder.REDUCTION
        values, numbers = 3 * self.image_size**2, side**2 * self.channels
        return (
            f"Of {values:,} values {numbers:,} numbers are left, a code "
            f"{values / numbers:.3g} times smaller if a number took no more than a "
            "value; they are real numbers, so this is no size in bytes."
        )

    def training_task(self, split: DecodedSplit) -> pipeline.TaskFn:
        """The task of the training images."""
        return pipeline.reconstruction(shift=self.shift, side=self.train_side)

    def measures(self) -> dict[str, Callable]:
        """Whether images are flat and, if asked for, the paper's probable overflow."""
        measures = {
            "raw/level_percent": lambda x, y, names: 100.0 * y.mean(axis=(1, 2, 3)),
            "raw/contrast_percent": lambda x, y, names: 100.0 * y.std(axis=(1, 2, 3)),
        }
        if self.uint8_wrap:
            measures["raw/mse_uint8_wrap"] = lambda x, y, names: mse_uint8_wrap(x, y)
        return measures

    def examine(
        self,
        network: tf.keras.Model,
        restorers: Mapping[str, Callable],
        data: RunData,
        result: Evaluation,
        history: Sequence[Mapping[str, float]],
    ) -> Findings:
        """Other images, single images, and files."""
        return report.examine(self, network, restorers, data, result)

    def export(
        self,
        network: tf.keras.Model,
        folder: pathlib.Path,
        *,
        data: RunData,
        facts: Mapping[str, Any],
        card: str,
    ) -> pathlib.Path:
        """Writes both halves, for images of any size, and a codec's tables."""
        priced = self.entropy == "factorized"
        return codec.save(
            *training.for_any_size(self, network),
            folder,
            tables=training.entropy_tables(network) if priced else None,
            config=facts,
            card=card,
        )
