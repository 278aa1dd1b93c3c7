"""The runs that tables and figures of a paper are made of, planned and started."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import experiments
from experiments.core import command_line
from experiments.core.system import System, names

SCALES = ("smoke", "cpu", "paper")
# What the scale decides, whatever the preset says: how much is trained, on what.
_AMOUNT = {
    "crop", "dataset", "epochs", "image_size", "limit", "split_by", "steps",
}  # fmt: skip
# What it decides of presets that set it.
_SIZES = {"batch_size", "train_side"}


@dataclasses.dataclass(frozen=True)
class Planned:
    """A run to start.

    Attributes:
      preset: Whose method it has.
      flags: Name -> value, besides the preset.
    """

    paper: str
    preset: str
    flags: Mapping[str, Any]
    folder: pathlib.Path

    @property
    def stands(self) -> bool:
        """Whether it has been trained, evaluated and exported."""
        parts = "report/results.json", "report/evaluation.npz", "export/1"
        return all((self.folder / part).exists() for part in parts)

    def command(self) -> list[str]:
        """The program and its arguments."""
        flags = {**self.flags, "workdir": self.folder}
        typed = [
            f"--{name}={','.join(map(str, v)) if isinstance(v, (list, tuple)) else v}"
            for name, v in flags.items()
        ]
        return [
            *(sys.executable, "-m", f"experiments.{self.paper}"),
            *(f"--preset={self.preset}", *typed),
        ]


def plan(
    system: System,
    scale: str,
    root: pathlib.Path,
    *,
    given: Mapping[str, Any] | None = None,
    seeds: int = 1,
) -> list[Planned]:
    """The runs of a paper, in the order of its tables.

    Presets that a scale makes rows of one name, such as those that differ by their data
    alone, are one run.

    Args:
      system: The paper.
      scale: One of `SCALES`; "paper" is as published.
      root: Holds <paper>/<preset> folders.
      given: Flags of all runs.
      seeds: Runs of each network, from seed 0.
    """
    runs, seen = [], []
    for preset in system.reproduced:
        flags = {**_scaled(system, scale, preset), **(given or {})}
        config = command_line.make(system.config_class, system.presets, preset, **flags)
        row = system.label(config), config.dataset
        if row in seen:
            continue
        seen.append(row)
        for seed in range(seeds):
            seeded = {**flags, "seed": seed} if seed else flags
            name = f"{preset}-seed{seed}" if seed else preset
            runs.append(Planned(system.name, preset, seeded, root / system.name / name))
    return runs


def _scaled(system: System, scale: str, preset: str) -> dict[str, Any]:
    """The fields that a scale changes of a preset: its size, not its method."""
    if scale == "paper":
        return {}
    method = {field for name in system.reproduced for field in system.presets[name]}
    own = system.presets[preset]
    return {
        field: value
        for field, value in system.presets[scale].items()
        if field not in method or field in _AMOUNT or (field in _SIZES and field in own)
    }


def typed(command: Sequence[str]) -> str:
    """A command of `python -m experiments.NAME` as `facemend` takes it."""
    _, _, module, *words = map(str, command)
    name = module.partition(".")[2]
    train = ["train"] if name in names() else []
    return shlex.join(["facemend", *train, name, *words])


def start(command: Sequence[str]) -> bool:
    """Runs a command in the folder of these packages; whether it succeeded.

    Raises:
      KeyboardInterrupt: If it was stopped.
    """
    root = pathlib.Path(experiments.__path__[0]).parent
    print(f"$ {typed(command)}", flush=True)
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        list(map(str, command)), cwd=root, env={**os.environ, "PYTHONPATH": path}
    )
    if done.returncode in (130, 143) or done.returncode < 0:
        raise KeyboardInterrupt
    return done.returncode == 0
