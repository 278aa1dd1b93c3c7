"""What the runner needs to know of a published system."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline.decoded import DecodedSplit
from evaluation import naming
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments.config import Presets
from experiments.together import Together

if typing.TYPE_CHECKING:
    from experiments.finished_runs import FinishedRun


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
        if not self.headline or naming.metric_of(self.headline[0]).higher_is_better:
            raise ValueError(
                f"The headline of {self.name} must begin with a metric of which less "
                "is better, because the best checkpoint has the lowest value of it; "
                f"got {', '.join(self.headline) or 'nothing'}. Put such as "
                "hole/l1_percent first."
            )
