"""Exponential moving average of a network's weights."""

from __future__ import annotations

import tensorflow as tf


class WeightAverage(tf.Module):
    """Holds a running average of every weight, moving statistics included.

    The decay warms up as min(decay, (1 + steps) / (10 + steps)), so that a short run
    is not averaged with its random beginning.

    Args:
      network: What is averaged.
      decay: Share of the average that a step keeps, in [0, 1).
    """

    def __init__(self, network: tf.keras.Model, decay: float):
        super().__init__(name="weight_average")
        if not 0 <= decay < 1:
            raise ValueError(f"--ema_decay must be in [0, 1); got {decay}.")
        self.decay = decay
        self.values = [
            tf.Variable(weight, trainable=False, name=f"average_{i}")
            for i, weight in enumerate(network.weights)
        ]

    def update(self, network: tf.keras.Model, steps: tf.Tensor) -> None:
        """Moves the average towards the weights; call it in a replica context."""
        steps = tf.cast(steps, tf.float32)
        decay = tf.minimum(self.decay, (1.0 + steps) / (10.0 + steps))

        def move(strategy, decay):
            # Replicas hold the same weights; their moving statistics are averaged.
            decay = strategy.experimental_local_results(decay)[0]
            for value, weight in zip(self.values, network.weights):
                strategy.extended.update(
                    value,
                    lambda value, weight: value.assign_sub(
                        (1.0 - decay) * (value - weight)
                    ),
                    args=(tf.convert_to_tensor(weight),),
                )

        tf.distribute.get_replica_context().merge_call(move, args=(decay,))

    def begin_as(self, network: tf.keras.Model) -> None:
        """Starts from the weights that a network has now."""
        for value, weight in zip(self.values, network.weights):
            value.assign(weight)

    def copy_to(self, network: tf.keras.Model) -> None:
        """Gives the average to a network of the same shape."""
        for value, weight in zip(self.values, network.weights):
            weight.assign(value)


def average_of(network: tf.keras.Model, decay: float) -> WeightAverage | None:
    """The average of a network's weights, or None where the decay is 0."""
    return WeightAverage(network, decay) if decay else None
