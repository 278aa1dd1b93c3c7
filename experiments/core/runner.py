"""The command line of a paper: trains, evaluates and exports in the run folder."""

from __future__ import annotations

import sys

from absl import flags

from experiments.core import command_line, shards
from experiments.core.config import SystemConfig
from experiments.core.evaluate import evaluate
from experiments.core.export import export
from experiments.core.folder import RunFolder
from experiments.core.run import Run
from experiments.core.system import System
from experiments.core.train import train
from training import strategy

# Flags defined here belong to the paper's module, whose --help lists them.
flags.disclaim_key_flags()


def main(system: System) -> None:
    """Defines the flags of a paper and runs it."""
    # --help begins with the docstring of the paper's package.
    sys.modules["__main__"].__doc__ = sys.modules[f"experiments.{system.name}"].__doc__
    command_line.define_flags(system.config_class, system.presets)
    flags.DEFINE_string("shard", "", f"With --stages=evaluate, {shards.HELP}")

    def body() -> None:
        config = command_line.from_flags(system.config_class, system.presets)
        shard = shards.Shard.parse(flags.FLAGS.shard)
        run(system, config, flags.FLAGS.preset, shard)

    command_line.run(body)


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
