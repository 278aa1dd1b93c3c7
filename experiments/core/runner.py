"""The stages of a run: trains, evaluates and exports in the run folder."""

from __future__ import annotations

from experiments.core.config import SystemConfig
from experiments.core.evaluate import evaluate
from experiments.core.export import export
from experiments.core.folder import RunFolder
from experiments.core.run import Run
from experiments.core.system import System
from experiments.core.train import train


def run(system: System, config: SystemConfig, preset: str) -> RunFolder:
    """Runs the stages of a configuration; returns its folder."""
    made = Run(system, config, preset)
    made.check()
    if "train" in config.stages:
        train(made)
    if "evaluate" in config.stages:
        print(f"report: {evaluate(made)}")
    if "export" in config.stages:
        print(f"export: {export(made)}")
    return made.folder
