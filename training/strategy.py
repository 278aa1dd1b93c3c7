"""Distribution over devices: GPUs, or logical CPUs in their place."""

from __future__ import annotations

import logging

import tensorflow as tf

PRECISIONS = ("float32", "mixed_bfloat16")


def make(num_replicas: int = 0) -> tf.distribute.Strategy:
    """The default strategy for one device, or MirroredStrategy for several.

    0 replicas are every GPU, or the CPU where there is none; N are N GPUs, or N logical
    CPUs.

    Raises:
      ValueError: If there are fewer devices than replicas.
    """
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
