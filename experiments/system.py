"""What the runner needs to know of a published system."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments.config import Presets


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
    """A published system that fills holes.

    Attributes:
      name: Of the paper; module, results and card are called so.
      title: Of the report.
      citation: Of the paper.
      config_class: Its table of hyper-parameters.
      presets: Name -> fields that differ.
      published_epochs: How long the paper trains.
      build_network: config -> network, inputs -> image in [-1, 1].
      build_trainer: config -> compiled trainer around such a network.
      label: config -> what tables call the network.
      patch_size: config -> side of the largest hole it can fill, 0 = any.
      published: Tables to read beside ours.
      epochs: config -> the paper's table by epoch, if it has one.
      check_claims: evaluation of several runs -> the paper's claims, checked.
      departures: Sentences: where this differs from the paper, and why.
    """

    name: str
    title: str
    citation: str
    config_class: type
    presets: Presets
    published_epochs: int
    build_network: Callable[[Any], tf.keras.Model]
    build_trainer: Callable[[Any], tf.keras.Model]
    label: Callable[[Any], str]
    patch_size: Callable[[Any], int]
    published: Sequence[Table]
    epochs: Callable[[Any], EpochTable | None]
    check_claims: Callable[[Evaluation], list[dict[str, str]]]
    departures: Sequence[str]
