"""What the configurations of all published systems have in common."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline.decoded import DecodedSplit
from data_pipeline.pipeline import TaskFn
from evaluation import identity
from evaluation.charts import Curve
from evaluation.record import Evaluation
from evaluation.report import Report
from evaluation.tables import Table
from experiments.config import RunConfig, check_choice, hp
from experiments.data import RunData


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
    """

    values: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(
        default_factory=dict
    )
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()
    statements: tuple[str, ...] = ()
    pictures: Mapping[str, Sequence[Mapping]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class SystemConfig(RunConfig):
    """The flags of every published system, and what the stages ask of its task.

    A task says what a network is given and what is measured of it: see
    `inpainting.InpaintingConfig` and `reconstruction.ReconstructionConfig`.

    Attributes:
      region: Which of `evaluation.metrics.REGIONS` a user's own networks look at.
      pictures_note: Shown above the report's pictures.
      to_unit: Takes a target to [0, 1], where they are not there.
      metrics: Columns of the report's main tables.
      beatable: Whether the baselines have no more to go by than the network, so that
        the report says whether it beats them.
    """

    region = "raw"
    beatable = True
    metrics = Report.metrics
    pictures_note = ""
    to_unit = staticmethod(lambda target: target)

    initial: str = hp(
        "",
        "Run folder whose network this one begins as, such as one that was trained on "
        "more faces; the networks must be alike. Empty begins with random weights.",
    )
    ema_decay: float = hp(
        0.0,
        "Decay of the moving average of the generator's weights that is evaluated and "
        "exported instead of the last weights; 0 switches it off.",
        published="not stated",
    )
    clip_norm: float = hp(
        0.0, "Largest norm of a gradient; 0 does not clip.", published="not stated"
    )
    judge: str = hp(
        "",
        "Folder of a classifier that `python -m experiments.attribute_judge` has made: "
        "the report then says how many attributes it tells rightly on restored faces.",
    )
    embedding: str = hp(
        "",
        "SavedModel that makes a vector of a face: the report then has the similarity "
        "of restored faces and originals.",
    )
    embedding_range: str = hp(
        "unit",
        f"What its images are in, one of {', '.join(identity.INPUT_RANGES)}.",
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("embedding_range", self.embedding_range, identity.INPUT_RANGES)

    def training_task(self, split: DecodedSplit) -> TaskFn:
        """The task of the training images."""
        raise NotImplementedError

    def fixed_batches(self, split: DecodedSplit) -> tf.data.Dataset:
        """Every image of a split once, always as the same input."""
        raise NotImplementedError

    def restorer(self, network: tf.keras.Model) -> Callable[[dict], tf.Tensor]:
        """A network as a restorer: inputs -> image in [0, 1]."""
        raise NotImplementedError

    def baselines(self, data: RunData) -> dict[str, Callable]:
        """What a user would take instead, as restorers."""
        raise NotImplementedError

    def lost(self) -> str:
        """What the network is not given, as a sentence."""
        raise NotImplementedError

    def drawn(self, restore: Callable, inputs: dict, target: tf.Tensor) -> list:
        """Rows of the pictures that are drawn as training goes, in [0, 1]."""
        raise NotImplementedError

    def export(
        self,
        network: tf.keras.Model,
        folder: pathlib.Path,
        *,
        data: RunData,
        facts: Mapping[str, Any],
        card: str,
    ) -> pathlib.Path:
        """Writes what users load, with its config.json and its model card.

        Args:
          network: Trained, in float32.
          folder: `<run>/export/1`. What else is written lies beside `export`.
          data: Of the run.
          facts: What config.json says.
          card: The model card.

        Returns:
          The folder.
        """
        raise NotImplementedError

    def measures(self) -> dict[str, Callable]:
        """More metrics for every restorer, as `evaluate.evaluate` takes them."""
        return {}

    def check_evaluation(self, data: RunData) -> None:
        """Raises what `examine` would raise of these flags and images.

        Asked before training, so that hours of it are not lost; nothing by default.
        """

    def examine(
        self,
        network: tf.keras.Model,
        restorers: Mapping[str, Callable],
        data: RunData,
        result: Evaluation,
        history: Sequence[Mapping[str, float]],
    ) -> Findings:
        """Measures what only this task has; nothing by default.

        Args:
          network: Trained, in float32.
          restorers: It, as `restorer` has it, and the baselines.
          data: Of the run.
          result: What was measured of the restorers.
          history: Rows of history.csv.
        """
        return Findings()
