"""The stages of a run: trains, evaluates and exports in the run folder."""

from __future__ import annotations

from experiments.core import shards
from experiments.core.config import SystemConfig
from experiments.core.evaluate import evaluate
from experiments.core.export import export
from experiments.core.folder import RunFolder
from experiments.core.run import Run
from experiments.core.system import System
from experiments.core.train import train
from training import strategy


def run(
    system: System,
    config: SystemConfig,
    preset: str,
    shard: shards.Shard = shards.WHOLE,
) -> RunFolder:
    """Runs the stages of a configuration; returns its folder."""
    made = Run(system, config, preset, shard)
    made.check()
    if "train" in config.stages:
        train(made)
        if not strategy.is_chief(made.devices):
            print("Trained; the first worker evaluates and exports.")
            return made.folder
    if "evaluate" in config.stages:
        print(f"{'part' if shard.is_part else 'report'}: {evaluate(made)}")
    if "export" in config.stages:
        print(f"export: {export(made)}")
    return made.folder
