"""Do et al.'s system: a context encoder of a face at three sizes."""

from __future__ import annotations

from collections.abc import Sequence

from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation.claims import Evidence
from experiments.core import results
from experiments.core.data import RunData
from experiments.core.folder import FinishedRun
from experiments.core.system import JointFindings
from experiments.core.tasks import InpaintingSystem
from experiments.multiscale_context_encoder import config as table
from experiments.multiscale_context_encoder import published, report, training
from experiments.multiscale_context_encoder.config import Config
from serving.export.restorer import Fillable


class MultiscaleContextEncoder(InpaintingSystem):
    """Fills the center of the image and nothing else."""

    name = "multiscale_context_encoder"
    title = "A multi-scale context encoder for facial images"
    summary = "fills the 64×64 center of a 250×250 face from three scales"
    citation = published.CITATION
    config_class = Config
    presets = table.PRESETS
    reproduced = table.REPRODUCED
    headline = published.HEADLINE
    published_tables = published.PUBLISHED
    comparison = published.COMPARISON
    departures = published.DEPARTURES
    contradictions = published.CONTRADICTIONS

    label = staticmethod(table.label)
    build_network = staticmethod(training.build_network)
    build_trainer = staticmethod(training.build_trainer)
    check_claims = staticmethod(published.check_claims)
    figures = staticmethod(published.figures)
    examine = staticmethod(report.examine)

    def published_length(self, config: Config) -> int:
        """300 epochs."""
        return 300

    def joint_findings(
        self, evidence: Evidence, runs: Sequence[FinishedRun]
    ) -> JointFindings:
        """What the paper says of the networks' size and speed."""
        cost = results.cost_table(self, [run.described(Config) for run in runs])
        return JointFindings(claims=published.check_cost(cost))

    def data(self, config: Config) -> RunData:
        """LFW may be cut to as many images as Table III has."""
        return RunData(config, {"subset": config.lfw_subset})

    def training_task(self, config: Config, split: DecodedSplit) -> pipeline.TaskFn:
        """Fills the hole of images that are flipped and shifted."""
        return self.task(config, config.train_mask, split.names, shift=config.shift)

    def fillable(self, config: Config) -> Fillable:
        """The center only."""
        return Fillable(config.hole_size, centered=True)


SYSTEM = MultiscaleContextEncoder()
