"""Jiang & Zhang's system: four networks that fill a hole in a face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import masks, pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation.baselines import Eigenfaces
from evaluation.claims import Evidence
from experiments.core.data import RunData
from experiments.core.folder import FinishedRun
from experiments.core.system import JointFindings
from experiments.core.tasks import InpaintingSystem
from experiments.skip_inpainting import config as table
from experiments.skip_inpainting import published, training
from experiments.skip_inpainting.config import Config
from models import skip_inpainting
from models.eigenface_fill import side_of
from serving.export.restorer import Fillable


class SkipInpainting(InpaintingSystem):
    """Models 0 and 1 fill a square, models 2 and 3 any hole."""

    name = "skip_inpainting"
    title = "End-to-end facial inpainting with skip connections"
    summary = "fills a 64×64 hole in a 128×128 face; four networks"
    citation = published.CITATION
    config_class = Config
    presets = table.PRESETS
    reproduced = table.REPRODUCED
    headline = ("hole/l1_percent", "hole/psnr_db", "hole/ssim", "hole/lpips")
    # The whole image as well: what a network does to the pixels it was given.
    tabled = ("raw/lpips",)
    published_tables = published.PUBLISHED
    comparison = published.COMPARISON
    departures = published.DEPARTURES
    contradictions = published.CONTRADICTIONS

    label = staticmethod(table.label)
    build_network = staticmethod(training.build_network)
    build_trainer = staticmethod(training.build_trainer)
    check_claims = staticmethod(published.check_claims)

    # "Relatively poor for front faces", which only a pose can tell.
    by_pose = True

    statements = staticmethod(published.statements)
    figures = staticmethod(published.figures)
    published_epochs = staticmethod(published.epochs)

    def published_length(self, config: Config) -> int | None:
        """40 epochs of the paper's networks."""
        return None if config.losses == "perceptual" else 40

    def joint_findings(
        self, evidence: Evidence, runs: Sequence[FinishedRun]
    ) -> JointFindings:
        """What the paper says of poses."""
        return JointFindings(claims=[published.check_pose(evidence, runs)])

    def data(self, config: Config) -> RunData:
        """Photographs of other folders may be trained on as well, or tested."""
        return RunData(config, extra_dir=config.extra_dir, test_dir=config.test_dir)

    def mask_fn(self, config: Config, kind: str, names: Sequence[str]) -> masks.MaskFn:
        """Draws holes of a kind in the named images."""
        return super().mask_fn(config, kind, names, mixture=config.mixture)

    def training_task(self, config: Config, split: DecodedSplit) -> pipeline.TaskFn:
        """The task of the training images, flipped and shifted if they are to be."""
        return self.task(config, config.train_mask, split.names, shift=config.shift)

    def begun_from(self, config: Config, other: Config, weights: list) -> list:
        """A network without a mask channel gets one that changes nothing at first."""
        if config.mask_channel and not other.mask_channel:
            fills = (np.broadcast_to(each.fill, 3) for each in (other, config))
            kernel, *others = weights
            weights = [skip_inpainting.with_mask_channel(kernel, *fills), *others]
        fills = [_fill_weights(each) for each in (other, config)]
        if fills[0] != fills[1]:
            weights = [*map(np.zeros, fills[1]), *weights[len(fills[0]) :]]
        return weights

    def fit(self, config: Config, network: tf.keras.Model, split: DecodedSplit) -> None:
        """Fits the eigenfaces that fill holes, unless they came with the weights."""
        if not config.eigenfaces:
            return
        layer = network.get_layer(skip_inpainting.FILL)
        if not layer.fitted:
            found = Eigenfaces.fit(split, config.eigenfaces, side=layer.side)
            layer.fit(found.mean, found.components, found.variances, found.rest)

    def fillable(self, config: Config) -> Fillable:
        """Models 0 and 1 fill a square of the hole's side; models 2 and 3 any hole."""
        return Fillable(config.hole_size if config.fills_patch else 0)


def _fill_weights(config: Config) -> list[tuple[int, ...]]:
    """Shapes of the weights that fill the hole, the first of the network."""
    if not config.eigenfaces:
        return []
    values = 3 * side_of(config.image_size) ** 2
    return [(values,), (config.eigenfaces, values), ()]


SYSTEM = SkipInpainting()
