"""What made a result: its settings, without where its maker keeps files."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from experiments.system import System

_PLACES = (
    "cache_dir", "data_dir", "embedding", "face_mask_dir", "groups", "judge",
    "lpips_weights", "other_images", "workdir",
)  # fmt: skip
# Paths, or words that have no path: their last part says what was used.
_NAMED = ("initial", "test_mask", "train_mask")


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


def settings(system: System, run: Mapping) -> str:
    """The flags of a run that its preset does not have, as they would be typed."""
    preset = run["environment"]["preset"]
    published = dataclasses.asdict(system.config_class(**system.presets[preset]))
    published = json.loads(json.dumps(without_places(published)))
    changed = {
        name: value
        for name, value in run["environment"]["config"].items()
        if name in published and value != published[name] and name != "stages"
    }
    typed = " ".join(
        f"--{name}={','.join(map(str, v)) if isinstance(v, list) else v}"
        for name, v in changed.items()
    )
    return f"`--preset={preset} {typed}".rstrip() + "`"


def configuration(system: System, values: Mapping[str, Any]) -> Any:
    """The configuration of a run, from its JSON; what that lacks is as by default."""
    names = {field.name for field in dataclasses.fields(system.config_class)}
    return system.config_class(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in names
        }
    )
