"""Provenance of results: commit, hardware, versions, and flags without paths."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from data_pipeline import machine
from data_pipeline.decoded import DecodedSplit
from experiments.core.command_line import fields_that


def shareable(config_class: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a configuration without where their maker keeps files.

    Fields that are paths go; of a path or a word the last part stays.
    """
    paths = fields_that(config_class, path=True)
    last_part = fields_that(config_class, path_or_word=True)
    return {
        name: pathlib.PurePath(value).name if name in last_part else value
        for name, value in values.items()
        if name not in paths
    }


def without_folders(text: str) -> str:
    """A sentence whose absolute paths are cut to their last part."""
    return re.sub(r"(?<=\s)/\S*/", "", text)


_PACKAGES = (
    "tensorflow", "keras", "tensorflow-addons", "tensorflow-datasets", "numpy",
    "opencv-python-headless", "pillow",
)  # fmt: skip


def described_data(
    test: DecodedSplit, *, training_images: int | None = None
) -> dict[str, Any]:
    """The data set of a report, and how many of its images were used."""
    info = test.source.info
    trained = {} if training_images is None else {"training images": training_images}
    return {
        "set": info.title,
        "notes": without_folders(info.notes),
        "terms": info.license,
        "citation": info.citation,
        **trained,
        "test images": len(test),
        "skipped in test": len(test.skipped),
    }


def environment() -> dict[str, Any]:
    """Versions, commit and hardware, for results to name."""
    return {
        "commit": commit(),
        "hardware": hardware(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def write_benchmark(results: Mapping, load: float, output: str) -> None:
    """Prints a benchmark's numbers with the machine they were measured on.

    `load` is the load average before it began; `output` a JSON file to write, or empty.
    """
    measured_on = {
        "load_average_before": round(load, 2),
        "instructions": instructions(),
        "environment": environment(),
    }
    text = json.dumps({**results, **measured_on}, indent=1) + "\n"
    print(text)
    if output:
        pathlib.Path(output).write_text(text)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def commit() -> str:
    """The commit of the code, "+" appended where files differ from it."""
    here = pathlib.Path(__file__).parent

    def git(*words: str) -> str:
        result = subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True
        )
        return result.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown (not a git checkout)"


def hardware() -> str:
    """Processor, cores, memory and GPUs, in a line."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    gigabytes = machine.total_memory() / 2**30
    parts = [f"{os.cpu_count()} CPU cores ({_processor()})", f"{gigabytes:.0f} GiB"]
    return ", ".join(parts + (gpus or ["no GPU"]))


def instructions() -> list[str]:
    """The vector and matrix instructions of the processor that networks run on."""
    try:
        words = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return []
    known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
    return [word for word in known if word in words]


def _processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
