"""The command line of a paper."""

from __future__ import annotations

import sys
import types

from absl import flags

from experiments.core import command_line, shards

# Flags defined here belong to the paper's module, whose --help lists them.
flags.disclaim_key_flags()


def main(table: types.ModuleType) -> None:
    """Defines the flags of a paper and runs it.

    Args:
      table: The module experiments.<paper>.config, with `Config` and `PRESETS`.
    """
    package = table.__name__.rpartition(".")[0]
    # --help begins with the docstring of the paper's package.
    sys.modules["__main__"].__doc__ = sys.modules[package].__doc__
    command_line.define_flags(table.Config, table.PRESETS)
    flags.DEFINE_string("shard", "", f"With --stages=evaluate, {shards.HELP}")

    def body() -> None:
        config = command_line.from_flags(table.Config, table.PRESETS)
        shard = shards.Shard.parse(flags.FLAGS.shard)
        # Here, because they define classes of TensorFlow's, whose import takes seconds.
        from experiments.core import runner, system

        paper = system.load(package.rpartition(".")[2])
        runner.run(paper, config, flags.FLAGS.preset, shard)

    command_line.run(body)
