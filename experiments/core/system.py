"""A published system: what the runner asks of it, with answers that most share.

`InpaintingSystem` and `ReconstructionSystem` answer for a task; each paper's `SYSTEM`
is a subclass of one of them, in experiments/<paper>/system.py.
"""

from __future__ import annotations

import abc
import dataclasses
import importlib
import itertools
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

import experiments
from data_pipeline import pipeline
from data_pipeline.decoded import DecodedSplit
from evaluation.charts import Curve
from evaluation.claims import Claim, Evidence, Trained
from evaluation.metrics import registry
from evaluation.record import Evaluation
from evaluation.report.pictures import Figure
from evaluation.report.report import Report
from evaluation.tables import Table, counted, share
from experiments.core.command_line import Presets, fields_that, formerly
from experiments.core.data import RunData
from experiments.core.environment import shareable
from experiments.core.folder import FinishedRun
from experiments.core.run import Run
from training.loop import Length

EVALUATED = 64  # images measured at once, in whole batches also by a shard


@dataclasses.dataclass(frozen=True)
class EpochTable:
    """A published table of a metric by epoch.

    Attributes:
      key: The metric, such as "raw/lpips".
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
class Comparison:
    """The one number of a paper to read ours beside.

    Attributes:
      key: The metric, such as "raw/lpips".
      published: The paper's value, and of what.
      networks: The beginning of the labels that are compared; all by default.
    """

    key: str
    published: str
    networks: str = ""


@dataclasses.dataclass(frozen=True)
class Findings:
    """Measurements of one run besides the metrics of every task, for its report.

    Attributes:
      values: {restorer: {"region/metric": float64 [N]}}, on each test image; of those
        that were evaluated, or of others.
      tables: As those of `Report`.
      curves: As those of `Report`.
      statements: Sentences for its top.
      pictures: More sections of pictures, as `pictures.gather` returns them.
      data: As that of `Report`.
    """

    values: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(
        default_factory=dict
    )
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    statements: tuple[str, ...] = ()
    pictures: Mapping[str, Sequence[Mapping]] = dataclasses.field(default_factory=dict)
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class JointFindings:
    """Comparison of several runs besides the metrics of every task.

    Attributes:
      statements: Sentences.
      tables: Of all runs. A run's own table of the same key is in it and not shown
        again.
      claims: The paper's, of more than metrics, as `evaluation.claims` has them.
      curves: Charts of all runs.
      folded: Rows of metrics that are folded away, below the main table.
      note: A sentence below the main table.
    """

    statements: Sequence[str] = ()
    tables: Sequence[Table] = ()
    claims: Sequence[Claim] = ()
    curves: Sequence[Curve] = ()
    folded: Sequence[str] = ()
    note: str = ""


class System(abc.ABC):
    """A published system; a subclass sets the attributes and overrides methods.

    Attributes:
      name: Of the paper, its module, results and card.
      title: Of the report.
      summary: What it does, to stand in a table.
      citation: Of the paper.
      config_class: Its table of hyper-parameters.
      presets: Name -> fields that differ.
      reproduced: The presets that the paper's tables and figures are made of.
      headline: The metrics that reports begin with, such as "hole/l1_percent". The
        best checkpoint is the one with the lowest value of the first.
      tabled: Metrics that tables of several runs have besides the headline.
      metrics: Columns of the report's main tables.
      region: The `evaluation.metrics.measure.REGIONS` that attribute classifiers and
        face embeddings look at.
      floors: Baselines that any trained network should beat; a claim about one that
        does not is undecided.
      by_pose: Whether reports look for landmarks, where the images come without, to
        have the error by yaw.
      pictures_note: Shown above the report's pictures.
      published_tables: To read beside ours.
      comparison: The published number that the table of all systems has; without one
        the table has the headline's first metric.
      departures: Sentences: where this differs from the paper, and why.
      contradictions: Sentences: where the paper contradicts itself or its data.
      restores: The checkpoints' name of the network that is measured and exported.
    """

    name: str
    title: str
    summary: str = ""
    citation: str
    config_class: type
    presets: Presets
    reproduced: Sequence[str] = ("paper",)
    headline: Sequence[str]
    tabled: Sequence[str] = ()
    metrics: Sequence[str] = Report.metrics
    region = "raw"
    floors: Sequence[str] = ()
    by_pose = False
    pictures_note = ""
    published_tables: Sequence[Table] = ()
    comparison: Comparison | None = None
    departures: Sequence[str] = ()
    contradictions: Sequence[str] = ()
    restores = "generator"

    def __init__(self):
        if not self.headline or registry.metric_of(self.headline[0]).higher_is_better:
            raise ValueError(
                f"The headline of {self.name} must begin with a metric of which less "
                "is better, because the best checkpoint has the lowest value of it; "
                f"got {', '.join(self.headline) or 'nothing'}. Put such as "
                "hole/l1_percent first."
            )

    # Networks, their training and their data.

    @abc.abstractmethod
    def build_network(self, config: Any) -> tf.keras.Model:
        """The network, from its task's inputs to what `restorer` takes for an image."""

    @abc.abstractmethod
    def build_trainer(
        self, config: Any, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
    ) -> tf.keras.Model:
        """The compiled trainer around such a network."""

    def length(self, config: Any, split: DecodedSplit) -> Length:
        """The length of a training on these images."""
        steps = pipeline.steps_per_epoch(split, config.batch_size)
        return Length(steps * config.epochs, steps)

    def data(self, config: Any) -> RunData:
        """The images of a configuration."""
        return RunData(config)

    @abc.abstractmethod
    def training_task(self, config: Any, split: DecodedSplit) -> pipeline.TaskFn:
        """The task of the training images."""

    @abc.abstractmethod
    def fixed_batches(self, config: Any, split: DecodedSplit) -> tf.data.Dataset:
        """Every image of a split once, always as the same input."""

    def begun_from(
        self, config: Any, other: Any, weights: list[np.ndarray]
    ) -> list[np.ndarray]:
        """The weights that a network begins with, made of those that --initial names.

        `other` is the configuration of the named one, `weights` its arrays, which are
        returned as they are by default.
        """
        return weights

    def fit(self, config: Any, network: tf.keras.Model, split: DecodedSplit) -> None:
        """Sets weights that are computed from the training images before training.

        By default there are none. It is called once, when a run begins.
        """
        return

    # Evaluation.

    @abc.abstractmethod
    def restorer(self, network: tf.keras.Model) -> Callable[[dict], tf.Tensor]:
        """A network as a restorer: inputs -> image in [0, 1]."""

    def to_unit(self, target: tf.Tensor) -> tf.Tensor:
        """Takes a target to [0, 1], where it is not there."""
        return target

    @abc.abstractmethod
    def baselines(self, data: RunData) -> dict[str, Callable]:
        """Alternatives without our networks, as restorers."""

    def compares_with_baselines(self, config: Any) -> bool:
        """Whether the report says if the network beats the baselines.

        They must know no less of the image than the network.
        """
        return True

    @abc.abstractmethod
    def lost(self, config: Any) -> str:
        """A sentence about what is taken from the image."""

    @abc.abstractmethod
    def drawn(self, restore: Callable, inputs: dict, target: tf.Tensor) -> list:
        """Rows of the pictures that are drawn as training goes, in [0, 1]."""

    def measures(self, config: Any) -> dict[str, Callable]:
        """More metrics for every restorer, as `evaluate.evaluate` takes them."""
        return {}

    def check_evaluation(self, config: Any, data: RunData) -> None:
        """Raises, before training, what `examine` would raise; nothing by default."""
        return

    def examine(
        self, run: Run, restorers: Mapping[str, Callable], result: Evaluation
    ) -> Findings:
        """Measures what only this system has; nothing by default.

        `restorers` are the network, as `restorer` has it, and the baselines.
        """
        return Findings()

    def figures(self, labels: Sequence[str]) -> Sequence[Figure]:
        """The paper's figures that these networks can show; none by default."""
        return ()

    # Reports, cards and exports.

    @abc.abstractmethod
    def label(self, config: Any) -> str:
        """The network's name in tables."""

    def published_length(self, config: Any) -> int | None:
        """Epochs, or steps, for which the paper trains such a network; None if not."""
        return None

    def published_scale(self, config: Any) -> tuple[int, int] | None:
        """The paper's numbers of training images and of updates, where they matter.

        Sets differ in size, and so do as many epochs of them. None leaves it at
        `published_length`.
        """
        return None

    def published_epochs(self, config: Any) -> EpochTable | None:
        """The paper's table by epoch, if it has one."""
        return None

    def evidence(self, evaluation: Evaluation, runs: Sequence[FinishedRun]) -> Evidence:
        """What verdicts on claims rest on: metrics and training of several runs."""
        trained = {}
        for run in runs:
            columns = run.history
            length, short = self._length(run, columns)
            seeds = [other.label for other in runs if other.repeats == run.repeats]
            trained[run.label] = Trained(length, short, seeds, columns)
        return Evidence(evaluation, trained, self.floors, self._commands(runs))

    def _commands(self, runs: Sequence[FinishedRun]) -> dict[str, str]:
        """{network: flags that train it on the data of these runs}."""
        found, sets = {}, {run.config.get("dataset") for run in runs} - {None}
        (dataset,) = sets if len(sets) == 1 else ("",)
        configs = {
            preset: self.config_class(**self.presets[preset])
            for preset in (*self.reproduced, *self.presets)
        }
        # Of the presets that the paper's tables are made of, one on this data first.
        named = sorted(self.reproduced, key=lambda p: configs[p].dataset != dataset)
        for preset in (*named, *configs):
            config, flags = configs[preset], f"--preset={preset}"
            if dataset and config.dataset != dataset:
                flags += f" --dataset={dataset}"
            found.setdefault(self.label(config), flags)
        return found

    def _length(self, run: FinishedRun, columns: Mapping) -> tuple[str, bool]:
        """Such as "8 of 40 epochs", and whether that is less than published."""
        (name,) = fields_that(self.config_class, length=True)
        unit = name.removesuffix("s")
        done = int(max(columns.get(unit, ()), default=0))
        config = self.configuration(run.config)
        published, table = self.published_length(config), self.published_epochs(config)
        if published and table:  # measured before the end
            published = min(published, max(table.published))
        if published is not None and done < published:
            return share(done, published, unit), True
        if scale := self.published_scale(config):
            updates = int(max(columns.get("step", ()), default=0))
            if updates < scale[1]:
                return share(updates, scale[1], "update"), True
        return counted(done, unit), False

    def check_claims(self, evidence: Evidence) -> list[Claim]:
        """The paper's claims, checked in an evaluation of several runs."""
        return []

    def statements(self, config: Any, split: DecodedSplit) -> Sequence[str]:
        """More sentences for the top of the report, of the run and its test images."""
        return ()

    def joint_findings(
        self, evidence: Evidence, runs: Sequence[FinishedRun]
    ) -> JointFindings:
        """Compares several runs; nothing by default."""
        return JointFindings()

    @abc.abstractmethod
    def export(
        self, run: Run, network: tf.keras.Model, *, facts: Mapping[str, Any], card: str
    ) -> pathlib.Path:
        """Writes what users load, with its config.json and its model card.

        Args:
          run: Trained.
          network: Its network, in float32.
          facts: For config.json.
          card: The model card.

        Returns:
          `<run>/export/1`. Other exports lie beside `export`.
        """

    # Configurations.

    def configuration(self, values: Mapping[str, Any]) -> Any:
        """The configuration of a run's JSON; fields that it lacks have defaults.

        Those that are newer than the run may have had another value before.
        """
        names = {field.name for field in dataclasses.fields(self.config_class)}
        return self.config_class(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in {**formerly(self.config_class), **values}.items()
                if name in names
            }
        )

    def typed(self, run: Mapping) -> str:
        """The flags in which a run differs from its preset, as one would type them."""
        preset = run["environment"]["preset"]
        published = dataclasses.asdict(self.config_class(**self.presets[preset]))
        published = json.loads(json.dumps(shareable(self.config_class, published)))
        recorded = run["environment"]["config"]
        recorded = {**recorded, **formerly(self.config_class), **recorded}
        made = shareable(self.config_class, recorded)
        changed = {
            name: value
            for name, value in made.items()
            if name in published and value != published[name] and name != "stages"
        }
        typed = " ".join(
            f"--{name}={','.join(map(str, v)) if isinstance(v, list) else v}"
            for name, v in changed.items()
        )
        return f"`--preset={preset} {typed}".rstrip() + "`"


def names() -> tuple[str, ...]:
    """The papers: every folder of the package `experiments` that has a published.py."""
    folders = map(pathlib.Path, experiments.__path__)
    found = itertools.chain(*(folder.glob("*/published.py") for folder in folders))
    return tuple(sorted({path.parent.name for path in found}))


def load(name: str) -> System:
    """The `SYSTEM` of a paper."""
    return importlib.import_module(f"experiments.{name}.system").SYSTEM
