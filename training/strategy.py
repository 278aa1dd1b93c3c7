"""Distribution over devices: GPUs, or logical CPUs in their place, and machines."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

from training import stopping

PRECISIONS = ("float32", "mixed_bfloat16")
STRATEGIES = ("mirrored", "multi_worker")
# What collective operations raise where a worker has ended.
_LOST = (
    *("AbortedError", "CancelledError", "FailedPreconditionError", "InternalError"),
    "UnavailableError",
)
_PAUSE = 1.0  # seconds, before a lost worker is waited for


def make(num_replicas: int = 0, kind: str = "mirrored") -> tf.distribute.Strategy:
    """The default strategy for one device, Mirrored- for several, or a cluster's.

    0 replicas are every GPU, or the CPU where there is none; N are N GPUs, or N logical
    CPUs. "multi_worker" takes every GPU of every worker that TF_CONFIG names, or their
    CPUs, and waits until all have started.

    Raises:
      ValueError: If there are fewer devices than replicas, or no cluster is named.
    """
    if kind == "multi_worker":
        return _multi_worker(num_replicas)
    # Physical devices: listing logical ones starts TensorFlow, and a started TensorFlow
    # cannot split the CPU.
    gpus = len(tf.config.list_physical_devices("GPU"))
    wanted = num_replicas or max(gpus, 1)
    if wanted == 1:
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") if gpus else _logical_cpus(wanted)
    if len(devices) < wanted:
        raise ValueError(
            f"--num_replicas={wanted} needs as many devices; this machine has "
            f"{len(devices)} {devices[0].device_type}(s)."
        )
    names = [device.name for device in devices[:wanted]]
    # TensorFlow logs every sum over replicas, in hundreds of lines.
    tf.get_logger().setLevel(logging.WARNING)
    if gpus:
        return tf.distribute.MirroredStrategy(names)
    # Collective operations outlive their strategy: those of a second one on the same
    # logical CPUs would meet those of the first. A plain sum has no state.
    return tf.distribute.MirroredStrategy(
        names, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def _multi_worker(num_replicas: int) -> tf.distribute.Strategy:
    if num_replicas:
        raise ValueError(
            f"--num_replicas={num_replicas} is of one machine; with "
            "--strategy=multi_worker each worker takes all its GPUs. Leave it out, and "
            "choose GPUs with CUDA_VISIBLE_DEVICES."
        )
    try:
        config = json.loads(os.environ["TF_CONFIG"])
        task = config["task"]
        _ = config["cluster"][task["type"]][task["index"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            "--strategy=multi_worker finds the workers in the environment variable "
            "TF_CONFIG, such as "
            '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
            '"task": {"type": "worker", "index": 0}}; '
            f"it is missing or incomplete ({type(error).__name__}: {error})."
        ) from error
    tf.get_logger().setLevel(logging.WARNING)
    with rejoining(), _ending_at_once():
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        largest(strategy, 0)  # until all are there
    return strategy


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes train together."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what all have trained."""
    return strategy.extended.should_checkpoint


def distributed(
    strategy: tf.distribute.Strategy,
    batches: Callable[[int, int], tf.data.Dataset],
    batch_size: int,
) -> tf.data.Dataset:
    """What `fit` takes of the batches of all workers, given (i, n) -> the i-th's part.

    Each makes its own part only; TensorFlow would make all batches everywhere.
    """
    if not is_multi_worker(strategy):
        return batches(0, 1)

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        part = batches(context.input_pipeline_id, context.num_input_pipelines)
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        if replicas == 1:
            return part
        return part.rebatch(context.get_per_replica_batch_size(batch_size), True)

    return strategy.distribute_datasets_from_function(of_worker)


def largest(strategy: tf.distribute.Strategy, value: int) -> int:
    """The largest value that any worker has; all of them must call it."""
    if not is_multi_worker(strategy):
        return value
    replicas = strategy.num_replicas_in_sync
    # A sum of vectors, in which each replica has its place: `gather` would trace a
    # function every time.
    here = strategy.experimental_distribute_values_from_function(
        lambda context: value
        * tf.one_hot(context.replica_id_in_sync_group, replicas, dtype=tf.int64)
    )
    return int(tf.reduce_max(strategy.reduce("SUM", here, axis=None)))


@contextlib.contextmanager
def rejoining() -> Iterator[None]:
    """Starts this process anew where another worker is lost in the block.

    TensorFlow cannot take a worker back into a cluster that runs: all must start again.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if type(error).__name__ not in _LOST:
            raise
        print(
            f"Another worker is lost ({type(error).__name__}). This one starts again "
            "and waits for it: start it with the same command, or end all of them.",
            file=sys.stderr,
        )
    else:
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    time.sleep(_PAUSE)
    os.execv(sys.executable, [sys.executable, *_arguments()])


def _arguments() -> list[str]:
    """What this process's interpreter was given."""
    if hasattr(sys, "orig_argv"):  # from Python 3.10 on
        return sys.orig_argv[1:]
    spec = sys.modules["__main__"].__spec__
    return ["-m", spec.name, *sys.argv[1:]] if spec else sys.argv


@contextlib.contextmanager
def _ending_at_once() -> Iterator[None]:
    """Lets signals end the process in the block, in which TensorFlow waits."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [e for e in stopping.SIGNALS if signal.getsignal(e) != signal.SIG_IGN]
    before = {each: signal.signal(each, signal.SIG_DFL) for each in heeded}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _logical_cpus(count: int) -> list:
    """Splits the CPU into logical devices, if TensorFlow has not started yet."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        configured = tf.config.get_logical_device_configuration(cpu)
        if not configured or len(configured) < count:
            tf.config.set_logical_device_configuration(
                cpu, [tf.config.LogicalDeviceConfiguration()] * count
            )
    except RuntimeError:
        pass  # TensorFlow has started: its devices are fixed.
    return tf.config.list_logical_devices("CPU")


def check_jit_compile(jit_compile: bool, strategy: tf.distribute.Strategy) -> None:
    """Raises a ValueError if XLA has to compile a sum over logical CPUs."""
    replicas = strategy.num_replicas_in_sync
    if jit_compile and replicas > 1 and not tf.config.list_physical_devices("GPU"):
        raise ValueError(
            "--jit_compile takes one device where there is no GPU; got "
            f"--num_replicas={replicas}. Leave either out."
        )


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Raises a ValueError unless the global batch splits evenly over replicas."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"--batch_size={batch_size} must be a multiple of the {replicas} replicas, "
            f"which each take an equal share. Try {batch_size // replicas * replicas}."
        )
