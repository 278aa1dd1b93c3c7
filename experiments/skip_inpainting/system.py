"""Jiang & Zhang's system: four networks that fill a hole in a face."""

from __future__ import annotations

from experiments.core.inpainting import InpaintingSystem
from experiments.core.system import EpochTable
from experiments.skip_inpainting import config as table
from experiments.skip_inpainting import published, training
from experiments.skip_inpainting.config import Config
from serving.export.restorer import Fillable


class SkipInpainting(InpaintingSystem):
    """Models 0 and 1 fill a square, models 2 and 3 any hole."""

    name = "skip_inpainting"
    title = "End-to-end facial inpainting with skip connections"
    citation = published.CITATION
    config_class = Config
    presets = table.PRESETS
    headline = ("hole/l1_percent", "hole/psnr_db", "hole/ssim", "hole/lpips")
    # The whole image as well: what a network does to the pixels it was given.
    tabled = ("raw/lpips",)
    published_tables = published.PUBLISHED
    departures = published.DEPARTURES

    label = staticmethod(table.label)
    build_network = staticmethod(training.build_network)
    build_trainer = staticmethod(training.build_trainer)
    check_claims = staticmethod(published.check_claims)

    def published_length(self, config: Config) -> int:
        """40 epochs."""
        return 40

    def published_epochs(self, config: Config) -> EpochTable:
        """Tables 1 and 2."""
        return published.EPOCHS[config.model]

    def fillable(self, config: Config) -> Fillable:
        """Models 0 and 1 fill a square of the hole's side; models 2 and 3 any hole."""
        return Fillable(config.hole_size if config.fills_patch else 0)


SYSTEM = SkipInpainting()
