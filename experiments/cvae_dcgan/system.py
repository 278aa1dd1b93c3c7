"""Killingbeck et al.'s system: a CVAE and a DCGAN that encode a face as 512 numbers."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation import baselines
from evaluation.baselines import eigenfaces_name
from evaluation.metrics.vif import MINIMUM_SIZE, vif
from experiments.core.data import RunData
from experiments.core.run import Run
from experiments.core.tasks import ReconstructionSystem
from experiments.cvae_dcgan import config as table
from experiments.cvae_dcgan import published, report, training
from experiments.cvae_dcgan.config import Config
from models import cvae_dcgan
from models.optional import tensorflow_compression
from serving.codec import quantizer
from serving.export import latents


class CVAEDCGAN(ReconstructionSystem):
    """A face as a few numbers, with and without a discriminator."""

    name = "cvae_dcgan"
    title = "A face in 512 numbers"
    summary = "encodes a 64×64 face as 512 numbers"
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
    floors = (report.MEAN, eigenfaces_name(cvae_dcgan.LATENTS))

    label = staticmethod(table.label)
    build_network = staticmethod(training.build_network)
    build_trainer = staticmethod(training.build_trainer)
    check_claims = staticmethod(published.check_claims)
    examine = staticmethod(report.examine)
    joint_findings = staticmethod(report.joint_findings)

    def published_length(self, config: Config) -> int | None:
        """10 epochs of the CVAE, 30 of the DCGAN; the wide network is not published."""
        if config.generator == table.OURS:
            return None
        return published.EPOCHS[bool(config.adversarial_weight)]

    def published_scale(self, config: Config) -> tuple[int, int] | None:
        """Nine tenths of CelebA's 202,599 images, in batches of 100."""
        epochs = self.published_length(config)
        return epochs and (182_339, 1_823 * epochs)

    def data(self, config: Config) -> RunData:
        """Images resized as --resize says."""
        return RunData(config, resize=config.resize)

    def baselines(self, data: RunData) -> dict[str, baselines.Restorer]:
        """Smaller images made large again, and eigenfaces of as many numbers."""
        numbers = data.config.latents
        fitted = baselines.Eigenfaces.fit(data.train, numbers)
        return {**super().baselines(data), eigenfaces_name(numbers): fitted}

    def statements(self, config: Config, split: DecodedSplit) -> Sequence[str]:
        """Whose network it is, where that is not the paper's."""
        if config.generator != table.OURS:
            return ()
        return (
            "This network is ours, not the paper's: normalization, and more channels.",
        )

    def training_task(self, config: Config, split: DecodedSplit) -> pipeline.TaskFn:
        """The training images, with face masks where the loss sees faces alone."""
        task = super().training_task(config, split)
        if not config.mask_loss:
            return task
        return pipeline.with_faces(task, training.find_faces(config, split).masks)

    def check_evaluation(self, config: Config, data: RunData) -> None:
        """Raises what keeps files from being made, or faces from being found."""
        tensorflow_compression()
        if config.face_masks != "none":
            training.build_face_finder(config, data.test)

    def measures(self, config: Config) -> dict[str, Callable]:
        """Visual information fidelity, of images that are large enough for it."""
        measures = {"raw/vif": lambda target, restored, names: vif(target, restored)}
        return measures if config.image_size >= MINIMUM_SIZE else {}

    def lost(self, config: Config) -> str:
        """Size of the code relative to the image, as a sentence."""
        values = 3 * config.image_size**2
        return (
            f"Of {values:,} values {config.latents} numbers are left, "
            f"{values / config.latents:.3g}:1 in numbers; as 32-bit floats they take "
            f"{4 * config.latents:,} bytes."
        )

    def export(
        self, run: Run, network: tf.keras.Model, *, facts: Mapping[str, Any], card: str
    ) -> pathlib.Path:
        """Writes `export/1`, and beside it `encoder/1` and `decoder/1`.

        Each folder is replaced whole or not at all, the export last: where a run was
        stopped in between, the halves are newer than it, and the same command writes
        all three again.
        """
        halves = [network.get_layer(name) for name in ("encoder", "decoder")]
        facts = {**facts, "latents": halves[1].input_shape[1]}
        latents.save_halves(*halves, run.folder.path, config=facts, card=card)
        train = run.data.train
        fitted = len(quantizer.fitted_images(train))
        return latents.save(
            *halves,
            run.folder.export,
            quantizers=quantizer.fit(halves[0], train),
            config={**facts, "quantizers_fitted_to_images": fitted},
            card=card,
        )


SYSTEM = CVAEDCGAN()
