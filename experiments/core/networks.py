"""Networks of run folders: a checkpoint's, and the one that a run begins as."""

from __future__ import annotations

import contextlib
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import sources
from experiments.core.config import SystemConfig
from experiments.core.folder import RunFolder
from serving.export import codec, saved_model
from serving.zoo import zoo
from training import checkpoints, trainer


def trained(system: Any, config: SystemConfig, folder: RunFolder) -> tf.keras.Model:
    """The network of a run's checkpoint, in float32, averaged if the run averages.

    Raises:
      FileNotFoundError: If the run has no checkpoint.
      ValueError: If its checkpoint is of another network.
    """
    network = system.build_network(config)
    items = {system.restores: network, "steps": tf.Variable(0, dtype=tf.int64)}
    average = trainer.average_of(network, config.ema_decay)
    if average is not None:
        items["average"] = average
    saved = checkpoints.Checkpoints(items, folder.checkpoints)
    if not saved.restore_part(best=config.checkpoint == "best"):
        raise folder.untrained()
    if average is not None:
        average.copy_to(network)
    return network


def initial(
    system: Any, config: SystemConfig, folder: RunFolder
) -> list[np.ndarray] | None:
    """Weights of the network that --initial names, unless the run has begun already.

    Raises:
      ValueError: If that is neither a trained run of the same paper nor its export, or
        was trained on what would be test images.
      FileNotFoundError: If there is no such folder and no model of that name.
    """
    if not config.initial or folder.has_begun:
        return None
    path = pathlib.Path(config.initial).expanduser()
    if (path / "config.json").exists():
        run = RunFolder(path)
        other = system.configuration(run.trained_with())
        weights = trained(system, other, run).get_weights()
    else:
        other, weights, lacking = exported(system, config.initial)
        if lacking:
            print(
                f"--initial={config.initial} does not hold {', '.join(lacking)}, which "
                "begins with random weights.",
                file=sys.stderr,
            )
    _check_split(config, other)
    return system.begun_from(config, other, weights)


def _check_split(config: SystemConfig, other: SystemConfig) -> None:
    """Refuses a network that was trained on what would be test images."""
    if {other.dataset, config.dataset} == {"celeb_a", "celeb_a_hq"}:
        raise ValueError(
            f"--initial={config.initial} was trained on {other.dataset}. CelebA-HQ's "
            "photographs are some of CelebA's, and split otherwise: test images would "
            "be ones that it has seen. Begin with a network of the same --dataset."
        )
    if other.dataset == config.dataset and _split(other) != _split(config):
        raise ValueError(
            f"--initial={config.initial} was trained with {_split_flags(other)}. With "
            f"{_split_flags(config)}, {config.dataset} would be split otherwise, and "
            "the test images would be ones that it has seen. Pass the former."
        )


def _split(config: SystemConfig) -> tuple:
    subset = getattr(config, "lfw_subset", 0)
    return sources.partition(config.dataset, config.split_by, config.seed, subset)


def _split_flags(config: SystemConfig) -> str:
    flags = f"--seed={config.seed} --split_by={config.split_by}"
    subset = getattr(config, "lfw_subset", 0)
    return f"{flags} --lfw_subset={subset}" if subset else flags


def exported(
    system: Any, name: str
) -> tuple[SystemConfig, list[np.ndarray], list[str]]:
    """Configuration and weights of an export, or of a model that is shipped.

    Returns:
      The configuration, the weights of its network, and the names of layers that the
      export does not hold, whose weights are random: a codec has tables in place of
      its prior.
    """
    path = zoo.resolve(name)
    try:
        facts = saved_model.read_config(path)
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
    if facts.get(codec.READS_ONLY):
        raise ValueError(
            f"--initial={name} is a codec that is kept to read its files; its encoder "
            "is gone. Pass another one."
        )
    other = system.configuration(facts["config"])
    # Built first, because that registers the layers that the export has.
    expected = system.build_network(other).weights
    loaded = tf.keras.models.load_model(path, compile=False)
    names = [weight.name for weight in loaded.weights]
    if names == [weight.name for weight in expected]:
        return other, loaded.get_weights(), []
    lacking = [weight.name for weight in expected if weight.name not in names]
    if len(names) + len(lacking) != len(expected) or len(set(names)) != len(names):
        raise ValueError(
            f"--initial={name} holds more or less than the network. Pass the --workdir "
            "of its run."
        )
    held = dict(zip(names, loaded.get_weights()))
    weights = [held.get(weight.name, weight.numpy()) for weight in expected]
    return other, weights, sorted({name.partition("/")[0] for name in lacking})


def begin_as(network: tf.keras.Model, weights: Sequence[np.ndarray], path: str) -> None:
    """Gives a network the weights, from `initial`, of another, which must be like it.

    `path` is where they are from, for the error.
    """
    if [w.shape for w in network.weights] != [w.shape for w in weights]:
        raise ValueError(
            f"--initial={path} holds another network: "
            f"{sum(w.size for w in weights):,} parameters; this one has "
            f"{network.count_params():,}. Pass flags that make the same network (its "
            "config.json has them), or train from scratch."
        )
    network.set_weights(weights)


def begin_others_as(made: trainer.Trainer, system: Any, initial: str) -> None:
    """Gives a trainer's other networks, discriminators, the weights of a run's.

    Where a restorer has learned and its discriminator has not, that teaches it little
    for thousands of images. An export has no other networks.
    """
    path = pathlib.Path(initial).expanduser()
    if not (path / "config.json").exists():
        return
    folder = RunFolder(path)
    best = system.configuration(folder.trained_with()).checkpoint == "best"
    for name, network in made.others.items():
        items = {name: network, "steps": tf.Variable(0, dtype=tf.int64)}
        fresh = network.get_weights()
        try:
            checkpoints.Checkpoints(items, folder.checkpoints).restore_part(best=best)
        except ValueError:
            network.set_weights(fresh)
            print(
                f"--initial={initial} has no {name} like this one's, which begins with "
                "random weights.",
                file=sys.stderr,
            )


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Builds networks under a precision policy."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
