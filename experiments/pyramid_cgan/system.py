"""Chen et al.'s system: a pyramid generator, two discriminators, a classifier."""

from __future__ import annotations

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from experiments.core.tasks import InpaintingSystem
from experiments.pyramid_cgan import config as table
from experiments.pyramid_cgan import published, report, training
from experiments.pyramid_cgan.config import Config
from training.loop import Length


class PyramidCGAN(InpaintingSystem):
    """Fills rectangles anywhere; training is counted in steps."""

    name = "pyramid_cgan"
    title = "Conditional deep convolutional GANs for image restoration"
    summary = "fills rectangles anywhere in a 128×128 face; four configurations"
    citation = published.CITATION
    config_class = Config
    presets = table.PRESETS
    reproduced = table.REPRODUCED
    headline = published.HEADLINE
    tabled = published.TABLED
    metrics = (*InpaintingSystem.metrics, "seam_percent")
    comparison = published.COMPARISON
    departures = published.DEPARTURES
    contradictions = published.CONTRADICTIONS

    label = staticmethod(table.label)
    build_network = staticmethod(training.build_network)
    build_trainer = staticmethod(training.build_trainer)
    check_claims = staticmethod(published.check_claims)
    statements = staticmethod(training.statements)
    examine = staticmethod(report.examine)
    joint_findings = staticmethod(report.joint_findings)

    def published_length(self, config: Config) -> int:
        """5,000 steps."""
        return 5000

    def length(self, config: Config, split: DecodedSplit) -> Length:
        """In steps, as in the paper."""
        pipeline.steps_per_epoch(split, config.batch_size)  # enough for one
        return Length(config.steps, config.history_steps, "step")

    def training_task(self, config: Config, split: DecodedSplit) -> pipeline.TaskFn:
        """Fills holes; for a real image another one is drawn, and it has its labels."""
        return pipeline.judged(
            self.task(config, config.train_mask, split.names),
            self.mask_fn(config, config.train_mask, split.names),
            training.of_split(config, split),
        )


SYSTEM = PyramidCGAN()
