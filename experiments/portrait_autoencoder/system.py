"""Tan's system: a convolutional auto-encoder, and the codecs made of it."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from experiments.core.run import Run
from experiments.core.tasks import ReconstructionSystem
from experiments.portrait_autoencoder import config as table
from experiments.portrait_autoencoder import published, report, training
from experiments.portrait_autoencoder.config import Config
from models import portrait_autoencoder
from serving.export import codec


class PortraitAutoencoder(ReconstructionSystem):
    """A code of real numbers as in the paper, or with `--entropy` real files."""

    name = "portrait_autoencoder"
    title = "Convolutional auto-encoder for portraits"
    summary = (
        "encodes a 192×192 face as 12×12×192 numbers; "
        "as a codec, writes files of any picture"
    )
    citation = published.CITATION
    config_class = Config
    presets = table.PRESETS
    reproduced = table.REPRODUCED
    headline = published.HEADLINE
    tabled = published.TABLED
    published_tables = published.PUBLISHED
    comparison = published.COMPARISON
    departures = published.DEPARTURES
    contradictions = published.CONTRADICTIONS
    restores = "autoencoder"

    label = staticmethod(table.label)
    build_network = staticmethod(training.build_network)
    build_trainer = staticmethod(training.build_trainer)
    check_claims = staticmethod(published.check_claims)
    examine = staticmethod(report.examine)
    joint_findings = staticmethod(report.joint_findings)

    def published_length(self, config: Config) -> int | None:
        """3 epochs of the paper's network; it has no codec."""
        return 3 if config.entropy == "none" else None

    def published_scale(self, config: Config) -> tuple[int, int] | None:
        """180,000 images, and 3 epochs of them in batches of 50."""
        return (180_000, 10_800) if config.entropy == "none" else None

    def training_task(self, config: Config, split: DecodedSplit) -> pipeline.TaskFn:
        """Whole training images, or random squares of them."""
        return pipeline.reconstruction(shift=config.shift, side=config.train_side)

    def begun_from(self, config: Config, other: Config, weights: list) -> list:
        """A codec begins with the halves of one of another entropy model.

        One of several rates begins with all that a hyperprior of one rate has.
        """
        halves = ("channels", "kernels", "activation", "depth")
        same = config.entropy == other.entropy
        if (same and bool(config.lmbdas) == bool(other.lmbdas)) or any(
            getattr(config, field) != getattr(other, field) for field in halves
        ):
            return weights
        names = (weight.name for weight in self.build_network(other).weights)
        held = {
            name: value
            for name, value in zip(names, weights)
            if same or not name.startswith(training.PRIOR)
        }
        made = self.build_network(config).weights
        return [held.get(weight.name, weight.numpy()) for weight in made]

    def compares_with_baselines(self, config: Config) -> bool:
        """The paper's network; files of a codec are compared with files."""
        return config.entropy == "none"

    def lost(self, config: Config) -> str:
        """Size of the code relative to the image, as a sentence."""
        if config.entropy != "none":
            error = {"mse": "255² · MSE", "ms_ssim": "(1 − MS-SSIM)"}[config.distortion]
            paid, every = f"{config.lmbda:g} · {error}", ""
            if rates := config.lmbdas:
                paid = f"λ · {error}"
                every = f" for every λ from {rates[0]:g} to {rates[-1]:g}"
            return (
                f"Trained to make bits per pixel + {paid} small{every}; its files hold "
                "range-coded bytes."
            )
        side = config.image_size // portrait_autoencoder.REDUCTION
        values, numbers = 3 * config.image_size**2, side**2 * config.channels
        return (
            f"Of {values:,} values {numbers:,} numbers are left, a code "
            f"{values / numbers:.3g} times smaller if a number took no more than a "
            "value; they are real numbers, so this is no size in bytes."
        )

    def measures(self, config: Config) -> dict[str, Callable]:
        """Level and contrast of images and, on request, MSE with overflow."""
        measures = {
            "raw/level_percent": lambda x, y, names: 100.0 * y.mean(axis=(1, 2, 3)),
            "raw/contrast_percent": lambda x, y, names: 100.0 * y.std(axis=(1, 2, 3)),
        }
        if config.uint8_wrap:
            measures["raw/mse_uint8_wrap"] = lambda x, y, names: report.mse_uint8_wrap(
                x, y
            )
        return measures

    def export(
        self, run: Run, network: tf.keras.Model, *, facts: Mapping[str, Any], card: str
    ) -> pathlib.Path:
        """Writes the halves, for images of any size, and a codec's tables."""
        priced = run.config.entropy != "none"
        analysis, synthesis, *hyper = training.for_any_size(run.config, network)
        return codec.save(
            analysis,
            synthesis,
            run.folder.export,
            hyper=hyper,
            tables=training.entropy_tables(network) if priced else None,
            config=facts,
            card=card,
        )


SYSTEM = PortraitAutoencoder()
