"""What the networks of several runs cost: parameters, multiply-adds, speed."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.tables import Table
from experiments.system import System
from models import cost


def make(system: System, runs: Sequence[Mapping], benchmarks: pathlib.Path) -> Table:
    """One row a run.

    Args:
      system: The paper's.
      runs: As results/<paper>.json has them.
      benchmarks: Folder with <paper>.json, if its speed has been measured.
    """
    speed = _read(benchmarks / f"{system.name}.json")
    columns = ["", "Parameters", "10⁹ multiply-adds"]
    columns += ["Training (images/s)", "Inference (images/s)"] if speed else []
    measured = {row["label"]: row for row in speed.get("networks", ())}
    rows = []
    for run in runs:
        network = system.build_network(_config(system, run["environment"]["config"]))
        row = [run["label"], f"{network.count_params():,}"]
        row += [f"{cost.multiply_adds(network) / 1e9:.3f}"]
        if speed:
            row += [
                measured.get(run["label"], {}).get(f"{kind}_images_per_second")
                for kind in ("training", "inference")
            ]
        rows.append(row)
    return Table("What the networks cost", columns, rows, note=_note(speed))


def _config(system: System, values: Mapping[str, Any]) -> Any:
    """The configuration of a run, from its JSON without places."""
    names = {field.name for field in dataclasses.fields(system.config_class)}
    return system.config_class(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in names
        }
    )


def _read(path: pathlib.Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}


def _note(speed: Mapping) -> str:
    note = "Parameters and multiply-adds of the generator, for one image."
    if not speed:
        return note
    environment = speed["environment"]
    return (
        f"{note} Speed: {speed['precision']}, batch {speed['batch_size']}, all in one "
        f"run at commit {environment['commit']}, {environment['hardware']}. "
        f"{speed['summary']}"
    )
