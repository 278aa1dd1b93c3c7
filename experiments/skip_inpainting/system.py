"""What the runner needs to know of the paper."""

from __future__ import annotations

from experiments.core.system import System
from experiments.skip_inpainting import published, training
from experiments.skip_inpainting.config import PRESETS, Config, label

SYSTEM = System(
    name="skip_inpainting",
    title="End-to-end facial inpainting with skip connections",
    citation=published.CITATION,
    config_class=Config,
    presets=PRESETS,
    published_length=lambda config: None if config.losses == "perceptual" else 40,
    headline=("hole/l1_percent", "hole/psnr_db", "hole/ssim", "hole/lpips"),
    build_network=training.build_network,
    build_trainer=training.build_trainer,
    label=label,
    published=published.PUBLISHED,
    epochs=published.epochs,
    check_claims=published.check_claims,
    departures=published.DEPARTURES,
    statements=published.statements,
    # The whole image as well: what a network does to the pixels it was given.
    tabled=("raw/lpips",),
)
