"""Writes a benchmark's numbers with the machine they were measured on."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping

from experiments.core import environment


def write(results: Mapping, load: float, output: str) -> None:
    """Prints the numbers with what they were measured on, and keeps them.

    Args:
      results: Of the benchmark.
      load: The load average before it began.
      output: Where to write them, JSON; empty only prints.
    """
    measured_on = {
        "load_average_before": round(load, 2),
        "environment": environment.environment(),
    }
    text = json.dumps({**results, **measured_on}, indent=1) + "\n"
    print(text)
    if output:
        pathlib.Path(output).write_text(text)
