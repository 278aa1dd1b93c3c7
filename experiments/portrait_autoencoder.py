r"""A convolutional auto-encoder for portraits (Tan), and the codec that it asks for.

  python -m experiments.portrait_autoencoder --preset=n192 --dataset=celeb_a \
      --data_dir=DIR --workdir=runs/n192

Published: mean squared error 2.1e-4 after 3 epochs, of one training image.
Ours: results/portrait_autoencoder.json.

The presets lambda_* make a codec, whose export `experiments.compress` takes.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation.record import Evaluation
from evaluation.uint8_wrap import mse_uint8_wrap
from experiments import portrait_autoencoder_facts as facts
from experiments import portrait_autoencoder_findings, runner
from experiments import portrait_autoencoder_training as training
from experiments.config import check_at_least, check_choice, hp
from experiments.data import RunData
from experiments.portrait_autoencoder_presets import PRESETS, label
from experiments.reconstruction import ReconstructionConfig
from experiments.system import System
from experiments.system_config import Findings
from models import portrait_autoencoder
from serving import codec, codec_export

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
        if self.entropy == "factorized" and seen > codec.MARGIN_PIXELS:
            raise ValueError(
                f"--depth={self.depth} with these --kernels sees {seen} pixels around, "
                "and tiles of large pictures overlap by "
                f"{codec.MARGIN_PIXELS}: they would show seams. Take a smaller --depth."
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
        return portrait_autoencoder_findings.examine(
            self, network, restorers, data, result
        )

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
        return codec_export.save(
            *training.for_any_size(self, network),
            folder,
            tables=training.entropy_tables(network) if priced else None,
            facts=facts,
            card=card,
        )


SYSTEM = System(
    name="portrait_autoencoder",
    title="Convolutional auto-encoder for portraits",
    citation=facts.CITATION,
    config_class=Config,
    presets=PRESETS,
    published_length=lambda config: 3 if config.entropy == "none" else None,
    headline=facts.HEADLINE,
    build_network=training.build_network,
    build_trainer=training.build_trainer,
    label=label,
    published=facts.PUBLISHED,
    epochs=lambda config: None,
    check_claims=facts.check_claims,
    departures=facts.DEPARTURES,
    tabled=facts.TABLED,
    restores="autoencoder",
)

if __name__ == "__main__":
    runner.main(SYSTEM)
