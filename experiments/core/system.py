"""What the runner needs to know of a published system."""

from __future__ import annotations

import dataclasses
import importlib
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline.decoded import DecodedSplit
from evaluation.charts import Curve
from evaluation.metrics import registry
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments.core.command_line import Presets
from experiments.core.environment import without_places

if typing.TYPE_CHECKING:
    from experiments.core.finished_runs import FinishedRun


@dataclasses.dataclass(frozen=True)
class EpochTable:
    """A published table of a metric by epoch.

    Attributes:
      key: What it measures, such as "raw/lpips".
      scale: Published value / ours.
      label: Of the scaled metric.
      published: Epoch -> value.
      note: Where it is from, and what it leaves open.
    """

    key: str
    scale: float
    label: str
    published: Mapping[int, float]
    note: str


@dataclasses.dataclass(frozen=True)
class System:
    """A published system.

    Attributes:
      name: Of the paper; module, results and card are called so.
      title: Of the report.
      citation: Of the paper.
      config_class: Its table of hyper-parameters.
      presets: Name -> fields that differ.
      published_length: config -> how long the paper trains such a network: epochs, or
        steps where the configuration counts these. None where it has no such network.
      headline: The metrics that reports begin with, such as "hole/l1_percent". The
        best checkpoint is the one with the lowest value of the first.
      build_network: config -> network, from its task's inputs to what the
        configuration's `restorer` takes for an image.
      build_trainer: config, steps per epoch, the training images' attribute names ->
        compiled trainer around such a network.
      label: config -> what tables call the network.
      published: Tables to read beside ours.
      epochs: config -> the paper's table by epoch, if it has one.
      check_claims: evaluation of several runs -> the paper's claims, checked.
      departures: Sentences: where this differs from the paper, and why.
      tabled: Metrics that tables of several runs have besides the headline.
      statements: config, test images -> what else a report says at its top.
      together: Evaluation of several runs, the runs -> what they say together.
      restores: What checkpoints call the network that is measured and exported.
    """

    name: str
    title: str
    citation: str
    config_class: type
    presets: Presets
    published_length: Callable[[Any], int | None]
    headline: Sequence[str]
    build_network: Callable[[Any], tf.keras.Model]
    build_trainer: Callable[[Any, int, Sequence[str]], tf.keras.Model]
    label: Callable[[Any], str]
    published: Sequence[Table]
    epochs: Callable[[Any], EpochTable | None]
    check_claims: Callable[[Evaluation], list[dict[str, str]]]
    departures: Sequence[str]
    tabled: Sequence[str] = ()
    statements: Callable[[Any, DecodedSplit], Sequence[str]] = lambda *_: ()
    together: Callable[[Evaluation, Sequence[FinishedRun]], Together] = (
        lambda *_: Together()
    )
    restores: str = "generator"

    def __post_init__(self):
        if not self.headline or registry.metric_of(self.headline[0]).higher_is_better:
            raise ValueError(
                f"The headline of {self.name} must begin with a metric of which less "
                "is better, because the best checkpoint has the lowest value of it; "
                f"got {', '.join(self.headline) or 'nothing'}. Put such as "
                "hole/l1_percent first."
            )


NAMES = (
    "skip_inpainting",
    "multiscale_context_encoder",
    "pyramid_cgan",
    "portrait_autoencoder",
    "cvae_dcgan",
)


def load(name: str) -> System:
    """The `SYSTEM` of a paper's module."""
    return importlib.import_module(f"experiments.{name}.system").SYSTEM


@dataclasses.dataclass(frozen=True)
class Together:
    """What a paper's system finds in several runs.

    Attributes:
      statements: Sentences.
      tables: Of all runs. A run's own table of the same key is in it and not shown
        again.
      claims: The paper's, of more than metrics, as `evaluation.claims` has them.
      curves: Charts of all runs.
      folded: Rows of metrics that the main table has not; they stand below it, closed.
      note: A sentence below the main table.
    """

    statements: Sequence[str] = ()
    tables: Sequence[Table] = ()
    claims: Sequence[Mapping[str, str]] = ()
    curves: Sequence[Curve] = ()
    folded: Sequence[str] = ()
    note: str = ""


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


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a task measures besides the metrics of every task.

    Attributes:
      values: {restorer: {"region/metric": float64 [N]}}, on each test image; of those
        that were evaluated, or of others.
      tables: For the report.
      curves: For the report.
      statements: Sentences for its top.
      pictures: More sections of pictures, as `pictures.gather` returns them.
      data: For the report, to be read by its keys; see `Report`.
    """

    values: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(
        default_factory=dict
    )
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    statements: tuple[str, ...] = ()
    pictures: Mapping[str, Sequence[Mapping]] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
