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
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from data_pipeline import pipeline, sources
from data_pipeline.choices import check_choice
from data_pipeline.decoded import DecodedSplit
from training import strategy
from training.loop import Length

# Flags defined here belong to the paper's module, whose --help lists them.
flags.disclaim_key_flags()

STAGES = ("train", "evaluate", "export")
CHECKPOINTS = ("last", "best")


def hp(default: Any, meaning: str, *, published: str = "") -> Any:
    """A hyper-parameter: its default, what it means, and what the paper says."""
    text = f"{meaning} Published: {published}." if published else meaning
    return dataclasses.field(default=default, metadata={"help": text})


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """The flags that mean the same for everything that is trained."""

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
        "", "LPIPS weights, .npz; `python -m evaluation.lpips --help` makes them."
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


def check_at_least(flag: str, value: float, lowest: float) -> None:
    """Raises a ValueError unless `value` is at least `lowest`."""
    if not value >= lowest:  # nor is a NaN
        raise ValueError(f"--{flag} must be at least {lowest}; got {value}.")


ConfigT = TypeVar("ConfigT")
Presets = Mapping[str, Mapping[str, Any]]


def define_flags(
    config_class: type,
    presets: Presets | None = None,
    flag_values: flags.FlagValues = flags.FLAGS,
) -> None:
    """Defines a flag for each field, as key flags of the caller.

    Args:
      config_class: A dataclass whose fields are made by `hp`.
      presets: If there are any, --preset chooses one.
      flag_values: Where the flags go.
    """
    if presets:
        summary = ", ".join(presets)
        flags.DEFINE_string(
            "preset", "paper", f"One of {summary}.", flag_values=flag_values
        )
    types = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        define = _definer(types[field.name])
        default = field.default
        default = list(default) if isinstance(default, tuple) else default
        define(field.name, default, field.metadata["help"], flag_values=flag_values)


def _definer(kind: type):
    plain = {
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    return plain.get(kind, flags.DEFINE_list)


def from_flags(
    config_class: type[ConfigT],
    presets: Presets | None = None,
    flag_values: flags.FlagValues = flags.FLAGS,
) -> ConfigT:
    """The configuration: defaults, then the preset, then what was typed.

    Raises:
      ValueError: If the preset is unknown or a value breaks a rule.
    """
    typed = {
        field.name: flag_values[field.name].value
        for field in dataclasses.fields(config_class)
        if flag_values[field.name].present
    }
    types = typing.get_type_hints(config_class)
    for name, value in typed.items():
        if isinstance(value, list):
            typed[name] = _parse_tuple(name, value, types[name])
    if not presets:
        return config_class(**typed)
    return make(config_class, presets, flag_values["preset"].value, **typed)


def make(
    config_class: type[ConfigT], presets: Presets, preset: str, **typed: Any
) -> ConfigT:
    """The configuration of a preset with some fields set otherwise."""
    check_choice("preset", preset, list(presets))
    return config_class(**{**presets[preset], **typed})


def _parse_tuple(name: str, texts: Sequence[str], kind: Any) -> tuple:
    """["64", "128"] -> (64, 128), for a field of type tuple[int, ...]."""
    item = typing.get_args(kind)[0]
    try:
        return tuple(item(text) for text in texts)
    except ValueError as error:
        raise ValueError(
            f"--{name} takes {item.__name__}s separated by commas; got "
            f"{','.join(texts)!r}."
        ) from error
