"""Networks of run folders: a checkpoint's, and the one that a run begins as."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from experiments.core.config import SystemConfig
from experiments.core.folder import RunFolder
from training import checkpoints
from training.trainer import average_of


def trained(system: Any, config: SystemConfig, folder: RunFolder) -> tf.keras.Model:
    """The network of a run's checkpoint, averaged if the run averages.

    Trained in bfloat16 or not, what is measured and exported computes in float32.

    Args:
      system: The paper's `experiments.core.system.System`.
      config: Of the run.
      folder: Of the run.

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


def initial(
    system: Any, config: SystemConfig, folder: RunFolder
) -> tf.keras.Model | None:
    """The network that --initial names, unless the run has begun already.

    Raises:
      ValueError: If that is not the folder of a trained run of the same paper.
    """
    if not config.initial or folder.has_begun:
        return None
    path = pathlib.Path(config.initial).expanduser()
    if not (path / "config.json").exists():
        raise ValueError(
            f"--initial={path} is not a run folder: it has no config.json. Pass the "
            "--workdir of a run that has been trained."
        )
    other = RunFolder(path)
    return trained(system, system.configuration(other.trained_with()), other)


def begin_as(network: tf.keras.Model, other: tf.keras.Model, path: str) -> None:
    """Gives a network the weights of another, which must be like it.

    Args:
      network: To be trained.
      other: From `initial`.
      path: Where it is from, for the error.
    """
    shapes, others = ([w.shape for w in n.weights] for n in (network, other))
    if shapes != others:
        raise ValueError(
            f"--initial={path} holds another network: {other.count_params():,} "
            f"parameters; this one has {network.count_params():,}. Pass flags that "
            "make the same network (its config.json has them), or train from scratch."
        )
    network.set_weights(other.get_weights())


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Builds networks under a precision policy."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
