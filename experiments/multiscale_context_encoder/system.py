"""What the runner needs to know of the paper."""

from __future__ import annotations

from experiments.core.system import System
from experiments.multiscale_context_encoder import published, training
from experiments.multiscale_context_encoder.config import PRESETS, Config, label

SYSTEM = System(
    name="multiscale_context_encoder",
    title="A multi-scale context encoder for facial images",
    citation=published.CITATION,
    config_class=Config,
    presets=PRESETS,
    published_length=lambda config: 300,
    build_network=training.build_network,
    build_trainer=training.build_trainer,
    label=label,
    published=published.PUBLISHED,
    epochs=lambda config: None,
    headline=published.HEADLINE,
    check_claims=published.check_claims,
    departures=published.DEPARTURES,
)
