"""One run: train, evaluate, export, in the run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from absl import app, flags

from evaluation import lpips
from experiments import config as configs
from experiments import inpainting, run_folder, training_stage
from experiments.data import RunData
from training import checkpoints, strategy


@dataclasses.dataclass(frozen=True)
class System:
    """A published system that fills holes, as the runner needs it.

    Attributes:
      name: Of the paper; module, results and card are called so.
      config_class: Its table of hyper-parameters.
      presets: Name -> fields that differ.
      build_network: config -> network, inputs -> image in [-1, 1].
      build_trainer: config -> compiled trainer around such a network.
    """

    name: str
    config_class: type
    presets: configs.Presets
    build_network: Callable[[Any], tf.keras.Model]
    build_trainer: Callable[[Any], tf.keras.Model]


def main(system: System) -> None:
    """The command line of a paper: defines its flags and runs it."""
    configs.define_flags(system.config_class, system.presets)
    app.run(lambda argv: _main(system, argv))


def _main(system: System, argv: list[str]) -> None:
    try:
        if len(argv) > 1:
            raise ValueError(f"{argv[1]!r} is not a flag; flags look like --name=value.")
        config = configs.from_flags(system.config_class, system.presets)
        run(system, config, flags.FLAGS.preset)
    except (ValueError, FileNotFoundError, FloatingPointError) as error:
        if flags.FLAGS.verbosity > 0:
            raise
        sys.exit(f"error: {error}\n(--verbosity=1 shows where it came from.)")


def run(system: System, config: Any, preset: str) -> run_folder.RunFolder:
    """Runs the stages of a configuration; returns its folder."""
    path = config.workdir or f"runs/{system.name}/{preset}-{config.dataset}"
    folder = run_folder.RunFolder(path)
    data = RunData(config)
    devices = strategy.make(config.num_replicas)
    strategy.check_batch_size(config.batch_size, devices)
    record = folder.record(system.name, preset, config)
    lpips_path = lpips.resolve(config.lpips_weights)
    perceptual = lpips.load(lpips_path) if lpips_path else None

    tf.keras.utils.set_random_seed(config.seed)
    with devices.scope(), precision(config.precision):
        trainer = system.build_trainer(config)
        averaged = trainer.average and system.build_network(config)

    def current() -> tf.keras.Model:
        if averaged is None:
            return trainer.generator
        trainer.average.copy_to(averaged)
        return averaged

    if "train" in config.stages:
        training_stage.train(
            trainer,
            data.train,
            config.task(config.train_mask, data.train.names),
            inpainting.watch(current, data.validation, config, perceptual),
            config,
            folder,
        )
    return folder


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Builds networks under a precision policy."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
