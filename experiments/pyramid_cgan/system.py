"""What the runner needs to know of the paper."""

from __future__ import annotations

from experiments.core.system import System
from experiments.pyramid_cgan import published, training
from experiments.pyramid_cgan.config import PRESETS, Config, label
from experiments.pyramid_cgan.report import together

SYSTEM = System(
    name="pyramid_cgan",
    title="Conditional deep convolutional GANs for image restoration",
    citation=published.CITATION,
    config_class=Config,
    presets=PRESETS,
    published_length=lambda config: 5000,
    build_network=training.build_network,
    build_trainer=training.build_trainer,
    label=label,
    published=(),
    epochs=lambda config: None,
    headline=published.HEADLINE,
    check_claims=published.check_claims,
    departures=published.DEPARTURES,
    statements=training.statements,
    tabled=published.TABLED,
    together=together,
)
