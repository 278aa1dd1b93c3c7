"""A frozen dataclass is a table of hyper-parameters; each field is an absl flag.

  @dataclasses.dataclass(frozen=True)
  class Config(RunConfig):
      image_size: int = hp(128, "Side of the image, pixels.", published="128")

A preset is a dict of fields that differ from the defaults; a flag given on the command
line overrides both. Flags are defined when a command starts, not when its module is
imported, so that one process may import several.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import flags

from data_pipeline import pipeline, sources
from data_pipeline.choices import check_choice
from data_pipeline.decoded import DecodedSplit
from data_pipeline.pipeline import TaskFn
from evaluation.metrics import identity
from evaluation.record import Evaluation
from evaluation.report.report import Report
from experiments.core.command_line import check_at_least, hp
from training import strategy
from training.loop import Length

if typing.TYPE_CHECKING:
    from experiments.core.data import RunData
    from experiments.core.system import Findings

# Flags defined here belong to the paper's module, whose --help lists them.
flags.disclaim_key_flags()

STAGES = ("train", "evaluate", "export")
CHECKPOINTS = ("last", "best")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The flags that mean the same for everything that is trained.

    Attributes:
      extra_dir: Folder of more training photographs; a flag where a paper has it.
    """

    extra_dir = ""

    dataset: str = hp("faces", f"One of {', '.join(sources.DATASETS)}.")
    data_dir: str = hp(
        "", "Where the data set's files are; faces and scenes need none."
    )
    workdir: str = hp("", "Run folder; empty takes runs/<paper>/<preset>-<dataset>.")
    stages: tuple[str, ...] = hp(STAGES, f"Which of {', '.join(STAGES)} to run.")
    seed: int = hp(0, "Of weights, order, masks and the split.")
    limit: int = hp(0, "At most so many images of each split; 0 takes all.")
    crop: str = hp("center", "center, none, or the side of a centered square, pixels.")
    split_by: str = hp(
        "image",
        "image: official or 80/20 shuffled; person, for lfw: nobody is in both splits; "
        "order: the last tenth of the files is the test split.",
    )
    cache_dir: str = hp(
        "",
        "Folder that keeps decoded images, for sets larger than memory. Delete it when "
        "the files it was made from change. Empty keeps them in memory.",
    )
    validation_images: int = hp(
        256,
        "Images measured for every row of history.csv: of the official validation "
        "split, or taken out of the training split where there is none.",
    )
    precision: str = hp("float32", f"One of {', '.join(strategy.PRECISIONS)}.")
    num_replicas: int = hp(
        0, "Devices: 0 takes every GPU or the CPU, N takes N GPUs or N logical CPUs."
    )
    jit_compile: bool = hp(False, "Compiles the training step with XLA.")
    checkpoint: str = hp(
        "last", f"Which is evaluated and exported: {' or '.join(CHECKPOINTS)}."
    )
    checkpoint_steps: int = hp(
        500, "Steps between checkpoints within an epoch; 0 saves after epochs only."
    )
    lpips_weights: str = hp(
        "",
        "LPIPS weights, .npz; `python -m experiments.lpips_weights --help` makes them.",
    )
    groups: str = hp(
        "", "CSV of name,group: the report gives the error of each group as well."
    )

    def __post_init__(self):
        check_choice("dataset", self.dataset, sources.DATASETS)
        check_choice("precision", self.precision, strategy.PRECISIONS)
        check_choice("checkpoint", self.checkpoint, CHECKPOINTS)
        check_choice("split_by", self.split_by, sources.SPLIT_BY)
        for stage in self.stages:
            check_choice("stages", stage, STAGES)
        for name in ("limit", "num_replicas", "checkpoint_steps"):
            check_at_least(name, getattr(self, name), 0)
        if not getattr(self, "learning_rate", 1.0) > 0:
            raise ValueError(
                f"--learning_rate must be above 0; got {self.learning_rate}."
            )
        for name in (
            "image_size", "batch_size", "epochs", "steps", "validation_images",
        ):  # fmt: skip
            if hasattr(self, name):
                check_at_least(name, getattr(self, name), 1)
        for name in ("ema_decay", "beta_1", "momentum"):
            value = getattr(self, name, 0.0)
            if not 0 <= value < 1:
                raise ValueError(f"--{name} must be in [0, 1); got {value}.")
        check_at_least("clip_norm", getattr(self, "clip_norm", 0.0), 0)

    def length(self, split: DecodedSplit) -> Length:
        """How long training on these images is."""
        steps = pipeline.steps_per_epoch(split, self.batch_size)
        return Length(steps * self.epochs, steps)

    def source_options(self) -> dict[str, Any]:
        """Arguments of `sources.load` that only some papers have."""
        return {}


@dataclasses.dataclass(frozen=True)
class SystemConfig(RunConfig):
    """The flags of every published system, and what the stages ask of its task.

    A task says what a network is given and what is measured of it: see
    `inpainting.InpaintingConfig` and `reconstruction.ReconstructionConfig`.

    Attributes:
      region: Which of `evaluation.metrics.measure.REGIONS` a user's networks look at.
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
        "Run folder, export or shipped model whose network this one begins as, such as "
        "one that was trained on more faces; the networks must be alike. Empty begins "
        "with random weights.",
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
        "Folder of a classifier that `python -m experiments.attribute_classifier` has "
        "made: the report then says how many attributes it tells rightly on restored "
        "faces.",
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

    def begun_from(self, other: SystemConfig, weights: list) -> list:
        """The weights of a network that --initial names, as this one begins with them.

        Args:
          other: Its configuration.
          weights: Its arrays; returned as they are by default.
        """
        return weights

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
        from experiments.core.system import Findings

        return Findings()
