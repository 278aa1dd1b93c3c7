"""Runs that have left a codec, to put beside each other on one test set."""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_pipeline.decoded import DecodedSplit
from experiments import papers
from experiments.config import RunConfig
from experiments.data import RunData
from experiments.provenance import configuration
from experiments.run_folder import RunFolder
from serving import codec_export
from serving.codec import Codec

PAPER = "portrait_autoencoder"


@dataclasses.dataclass(frozen=True)
class CodecRun:
    """A run and its exported codec.

    Attributes:
      path: Of the run folder.
      label: What tables call it; no other run's.
      config: As it was trained, but for what `read` was told.
      made: Its config.json.
      codec: Its export.
    """

    path: pathlib.Path
    label: str
    config: RunConfig
    made: Mapping[str, Any]
    codec: Codec


def read(
    folders: Sequence[pathlib.Path], *, data_dir: str = "", limit: int = 0
) -> list[CodecRun]:
    """Opens runs, in the given order.

    Args:
      folders: Run folders.
      data_dir: Where the data set is; by default as trained.
      limit: At most so many test images; 0 takes as many as the run was told to.

    Raises:
      FileNotFoundError: If a folder holds no run, or the run has no export.
      ValueError: If it is a run of another paper or without entropy coding, its files
        are damaged, or a folder is named twice.
    """
    system, runs = papers.load(PAPER), []
    for path in folders:
        made = _config_json(path)
        config = configuration(system, made["config"])
        limits = [n for n in (config.limit, limit) if n]
        config = dataclasses.replace(
            config,
            limit=min(limits, default=0),
            data_dir=data_dir or config.data_dir,
        )
        codec = codec_export.load(_export(path))
        runs.append(CodecRun(path, system.label(config), config, made, codec))
    counts = collections.Counter(run.label for run in runs)
    named = [
        dataclasses.replace(run, label=f"{run.label} ({run.path.name})")
        if counts[run.label] > 1
        else run
        for run in runs
    ]
    for label, count in collections.Counter(run.label for run in named).items():
        if count > 1:
            raise ValueError(
                f"--runs names {count} folders that are both {label}. Name each run "
                "once, and give folders of equal settings different names."
            )
    return named


def test_split(runs: Sequence[CodecRun]) -> DecodedSplit:
    """The test images, which must be the same for all runs.

    Raises:
      ValueError: If they are not.
    """
    first, others = runs[0], []
    splits = {_deciding(first.config): RunData(first.config).test}
    for run in runs[1:]:
        if _deciding(run.config) not in splits:
            splits[_deciding(run.config)] = RunData(run.config).test
            others.append(run)
    expected = splits[_deciding(first.config)]
    for run in others:
        found = splits[_deciding(run.config)]
        if found.names != expected.names or not np.array_equal(
            found.images, expected.images
        ):
            raise ValueError(
                f"{run.path} and {first.path} have other test images: "
                f"{_differences(run.config, first.config)}. Compare runs that were "
                "trained with the same data set, crop, size and seed."
            )
    return expected


def _deciding(config: RunConfig) -> tuple:
    """What the test images depend on."""
    return (
        ("dataset", config.dataset),
        ("data_dir", config.data_dir),
        ("seed", config.seed),
        ("split_by", config.split_by),
        ("limit", config.limit),
        ("image_size", config.image_size),
        ("crop", config.crop),
        *config.source_options().items(),
    )


def _differences(config: RunConfig, other: RunConfig) -> str:
    pairs = zip(_deciding(config), _deciding(other))
    return ", ".join(
        f"--{name} is {mine} and {theirs}"
        for (name, mine), (_, theirs) in pairs
        if mine != theirs
    )


def _config_json(path: pathlib.Path) -> dict[str, Any]:
    """What a run folder says of its run."""
    file = path / "config.json"
    if not file.exists():
        raise FileNotFoundError(
            f"{path} is not a run folder: it has no config.json. Pass the --workdir of "
            f"a run of {PAPER}."
        )
    try:
        made = json.loads(file.read_text())
        paper, *_ = (made[k] for k in ("paper", "preset", "config", "environment"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}). Start the run "
            "again, which writes it anew."
        ) from error
    if paper != PAPER:
        raise ValueError(f"{path} is a run of {paper}; only {PAPER} makes codecs.")
    return made


def _export(path: pathlib.Path) -> pathlib.Path:
    folder = RunFolder(path).export
    if not folder.exists():
        raise FileNotFoundError(
            f"{path} has no export; run it with --stages=export first."
        )
    return folder
