"""What a run ran on: commit, hardware, versions; its settings without places."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping
from typing import Any

_PLACES = (
    "cache_dir", "data_dir", "embedding", "face_mask_dir", "groups", "judge",
    "lpips_weights", "other_images", "workdir",
)  # fmt: skip
# Paths, or words that have no path: their last part says what was used.
_NAMED = ("extra_dir", "initial", "test_mask", "train_mask")


def without_places(value: Any) -> Any:
    """What made a result, without where its maker keeps files.

    Fields of the configuration that are paths go, but for those of which the last part
    stays, as it does of a path inside a sentence.
    """
    if isinstance(value, Mapping):
        return {
            key: pathlib.PurePath(item).name if key in _NAMED else without_places(item)
            for key, item in value.items()
            if key not in _PLACES
        }
    if isinstance(value, str):
        return re.sub(r"(?<=\s)/\S*/", "", value)
    return value


def _last_part(path: str) -> str:
    return pathlib.PurePath(path).name


_PACKAGES = (
    "tensorflow", "keras", "tensorflow-addons", "tensorflow-datasets", "numpy",
    "opencv-python-headless", "pillow",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """Versions, commit and hardware, for results to name."""
    return {
        "commit": commit(),
        "hardware": hardware(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


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
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [f"{os.cpu_count()} CPU cores ({_processor()})", f"{gigabytes:.0f} GiB"]
    return ", ".join(parts + (gpus or ["no GPU"]))


def _processor() -> str:
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
