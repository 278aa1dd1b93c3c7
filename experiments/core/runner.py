"""One run: train, evaluate, export, in the run folder."""

from __future__ import annotations

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from data_pipeline import pipeline
from evaluation import subsets
from evaluation.metrics import lpips as metrics_lpips
from evaluation.metrics.lpips import resolve
from experiments.core import command_line, export, train
from experiments.core import evaluate as core_evaluate
from experiments.core.data import RunData
from experiments.core.folder import RunFolder
from experiments.core.system import System, configuration
from serving.export import saved_model
from serving.zoo import zoo
from training import checkpoints, strategy
from training.trainer import average_of

# Nor are the flags of a paper this module's.
flags.disclaim_key_flags()


def main(system: System) -> None:
    """The command line of a paper: defines its flags and runs it."""
    # The paper's own words, not those of the file that starts it.
    sys.modules["__main__"].__doc__ = sys.modules[f"experiments.{system.name}"].__doc__
    command_line.define_flags(system.config_class, system.presets)

    def body() -> None:
        config = command_line.from_flags(system.config_class, system.presets)
        run(system, config, flags.FLAGS.preset)

    command_line.run(body)


def run(system: System, config: Any, preset: str) -> RunFolder:
    """Runs the stages of a configuration; returns its folder."""
    path = config.workdir or f"runs/{system.name}/{preset}-{config.dataset}"
    folder = RunFolder(path)
    data = RunData(config)
    devices = strategy.make(config.num_replicas)
    strategy.check_batch_size(config.batch_size, devices)
    strategy.check_jit_compile(config.jit_compile, devices)
    if config.groups and "evaluate" in config.stages:
        # Said before hours of training, not after them.
        subsets.read_groups(config.groups, data.test.names)
    if {"train", "evaluate"} <= set(config.stages):
        # So are a judge or an embedding that do not fit, and what a task knows.
        core_evaluate.load(config, data.validation)
        config.check_evaluation(data)
    lpips_path = resolve(config.lpips_weights)
    perceptual = metrics_lpips.load(lpips_path) if lpips_path else None
    if "train" in config.stages:
        with folder.training():
            record = folder.record(system.name, preset, config)
            _train(system, config, data, folder, devices, perceptual)
    else:
        if not folder.has_begun:
            raise folder.untrained()
        record = folder.record(system.name, preset, config)
    network = trained_network(system, config, folder)
    if "evaluate" in config.stages:
        page = core_evaluate.evaluate(
            system, config, network, data, folder, record, perceptual
        )
        print(f"report: {page}")
    if "export" in config.stages:
        exported = export.export(system, config, network, data, folder, record)
        print(f"export: {exported}")
    return folder


def _train(system: System, config: Any, data: RunData, folder, devices, lpips) -> None:
    """The training stage, with the networks on their devices."""
    initial = _initial_weights(system, config, folder)
    tf.keras.utils.set_random_seed(config.seed)
    with devices.scope(), precision(config.precision):
        trainer = system.build_trainer(
            config,
            pipeline.steps_per_epoch(data.train, config.batch_size),
            data.train.source.info.attribute_names,
        )
        if initial is not None:
            _begin_as(trainer.restores, initial, config.initial)
            if trainer.average is not None:
                trainer.average.begin_as(trainer.restores)
        averaged = trainer.average and system.build_network(config)

    def current() -> tf.keras.Model:
        """The network as it is now, averaged if the run averages."""
        if averaged is None:
            return trainer.restores
        trainer.average.copy_to(averaged)
        return averaged

    train.train(
        trainer,
        data.train,
        config.training_task(data.train),
        train.watch(current, data.validation, config, lpips, best=system.headline[0]),
        config,
        folder,
    )


def _initial_weights(
    system: System, config: Any, folder: RunFolder
) -> list[np.ndarray] | None:
    """Those of the network that --initial names, unless the run has begun already.

    Raises:
      ValueError: If that is neither a trained run of the same paper nor its export.
      FileNotFoundError: If there is no such folder and no model of that name.
    """
    if not config.initial or folder.has_begun:
        return None
    path = pathlib.Path(config.initial).expanduser()
    if (path / "config.json").exists():
        run = RunFolder(path)
        other = configuration(system, run.trained_with())
        weights = trained_network(system, other, run).get_weights()
    else:
        other, weights = _exported(system, config.initial)
    return config.begun_from(other, weights)


def _exported(system: System, name: str) -> tuple[Any, list[np.ndarray]]:
    """Configuration and weights of an export, or of a model that is shipped."""
    path = zoo.resolve(name)
    try:
        facts = saved_model.config(path)
    except FileNotFoundError as error:
        raise ValueError(
            f"--initial={name} is not a run folder, and not an export either. Pass the "
            "--workdir of a run that has been trained, its export/1, or the name of a "
            "shipped model."
        ) from error
    if facts["paper"] != system.name:
        raise ValueError(
            f"--initial={name} is a network of {facts['paper']}; pass one of "
            f"{system.name}."
        )
    other = configuration(system, facts["config"])
    loaded = tf.keras.models.load_model(path, compile=False)
    expected = system.build_network(other).weights
    if [weight.name for weight in loaded.weights] != [w.name for w in expected]:
        raise ValueError(
            f"--initial={name} holds more or less than the network. Pass the --workdir "
            "of its run."
        )
    return other, loaded.get_weights()


def _begin_as(
    network: tf.keras.Model, weights: Sequence[np.ndarray], path: str
) -> None:
    """Gives a network the weights of another, which must be like it."""
    if [w.shape for w in network.weights] != [w.shape for w in weights]:
        raise ValueError(
            f"--initial={path} holds another network: "
            f"{sum(w.size for w in weights):,} parameters; this one has "
            f"{network.count_params():,}. Pass flags that make the same network (its "
            "config.json has them), or train from scratch."
        )
    network.set_weights(weights)


def trained_network(system: System, config: Any, folder: RunFolder) -> tf.keras.Model:
    """The network of a run's checkpoint, averaged if the run averages.

    Trained in bfloat16 or not, what is measured and exported computes in float32.

    Raises:
      FileNotFoundError: If the run has no checkpoint.
      ValueError: If its checkpoint is of another network.
    """
    network = system.build_network(config)
    items = {system.restores: network, "steps": tf.Variable(0, dtype=tf.int64)}
    average = average_of(network, config.ema_decay)
    if average is not None:
        items["average"] = average
    saved = checkpoints.Checkpoints(items, folder.checkpoints)
    if not saved.restore_part(best=config.checkpoint == "best"):
        raise folder.untrained()
    if average is not None:
        average.copy_to(network)
    return network


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Builds networks under a precision policy."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
