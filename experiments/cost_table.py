"""What the networks of several runs cost: parameters, multiply-adds, speed."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

from evaluation.tables import Table
from experiments.provenance import configuration
from experiments.system import System
from models import cost

BENCHMARKS = pathlib.Path(__file__).parent.parent / "benchmarks"


def make(system: System, runs: Sequence[Mapping]) -> Table:
    """One row a run, with its speed where benchmarks/<paper>.json has it.

    Args:
      system: The paper's.
      runs: As results/<paper>.json has them.
    """
    speed = _read(BENCHMARKS / f"{system.name}.json")
    columns = ["", "Parameters", "10⁹ multiply-adds"]
    columns += ["Training (images/s)", "Inference (images/s)"] if speed else []
    # Of the same network: a label does not say its width or the size of its images.
    measured = {
        (row["label"], row["parameters"], row["multiply_adds"]): row
        for row in speed.get("networks", ())
    }
    rows = []
    for run in runs:
        network = system.build_network(
            configuration(system, run["environment"]["config"])
        )
        found = (
            run["label"],
            network.count_params(),
            cost.multiply_adds(network),
        )
        row = [run["label"], f"{found[1]:,}", f"{found[2] / 1e9:.3f}"]
        if speed:
            row += [
                measured.get(found, {}).get(f"{kind}_images_per_second")
                for kind in ("training", "inference")
            ]
        rows.append(row)
    return Table("What the networks cost", columns, rows, note=_note(speed))


def _read(path: pathlib.Path) -> dict:
    """Speeds of networks; not every benchmark measures those."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return found if "networks" in found else {}


def _note(speed: Mapping) -> str:
    note = "Parameters and multiply-adds of the network that restores, for one image."
    if not speed:
        return note
    environment = speed["environment"]
    return (
        f"{note} Speed: {speed['precision']}, batch {speed['batch_size']}, all in one "
        f"run at commit {environment['commit']}, {environment['hardware']}. "
        f"{speed['summary']}"
    )
