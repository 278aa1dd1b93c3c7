"""What the runner needs to know of the paper."""

from __future__ import annotations

from experiments.core.system import System
from experiments.portrait_autoencoder import published, training
from experiments.portrait_autoencoder.config import PRESETS, Config, label

SYSTEM = System(
    name="portrait_autoencoder",
    title="Convolutional auto-encoder for portraits",
    citation=published.CITATION,
    config_class=Config,
    presets=PRESETS,
    published_length=lambda config: 3 if config.entropy == "none" else None,
    headline=published.HEADLINE,
    build_network=training.build_network,
    build_trainer=training.build_trainer,
    label=label,
    published=published.PUBLISHED,
    epochs=lambda config: None,
    check_claims=published.check_claims,
    departures=published.DEPARTURES,
    tabled=published.TABLED,
    restores="autoencoder",
)
