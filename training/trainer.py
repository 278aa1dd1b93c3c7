"""The base of all trainers, and the average of a network's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

Losses = Mapping[str, tf.Tensor]  # term -> [B], already weighted


class Trainer(tf.keras.Model):
    """Networks with an optimizer each, a count of steps, and means of losses.

    Each network is an attribute (`generator`), and so is its optimizer
    (`generator_optimizer`). A subclass defines `train_step`, and `term_names` or a
    `compile`. Networks are exported, not trainers: SavedModels have no `train_step`.

    Args:
      networks: Attribute -> network, first the one that restores.
      average: An exponential moving average of its weights, or None.
    """

    def __init__(
        self,
        networks: Mapping[str, tf.keras.Model],
        *,
        average: WeightAverage | None = None,
        name: str,
    ):
        # The networks cast their inputs themselves: known pixels must stay float32.
        super().__init__(name=name, autocast=False)
        self._networks = tuple(networks)
        self.average = average
        self.steps = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="steps",
        )
        self._means: dict[str, tf.keras.metrics.Mean] = {}
        for attribute, network in networks.items():
            setattr(self, attribute, network)

    def compile(
        self,
        *optimizers: tf.keras.optimizers.Optimizer,
        terms: Sequence[str] = (),
        jit_compile: bool = False,
    ) -> None:
        """Sets the optimizers and creates all variables, so that they can be restored.

        Args:
          *optimizers: One for each network, in their order.
          terms: Names of the losses' terms; `term_names` if there are none.
          jit_compile: Compiles the step with XLA.
        """
        super().compile(jit_compile=jit_compile)
        for name, optimizer in zip(self._networks, optimizers):
            optimizer.build(getattr(self, name).trainable_variables)
            setattr(self, f"{name}_optimizer", optimizer)
        self._means = {
            name: tf.keras.metrics.Mean(name, dtype=tf.float32)
            for name in terms or self.term_names
        }

    def checkpoint_items(self) -> dict[str, object]:
        """Everything that a resumed run needs, by name.

        "means" are those of the present epoch.
        """
        items = {"steps": self.steps, "means": self._means}
        for name in self._networks:
            items[name] = getattr(self, name)
            items[f"{name}_optimizer"] = getattr(self, f"{name}_optimizer")
        if self.average is not None:
            items["average"] = self.average
        return items

    @property
    def restores(self) -> tf.keras.Model:
        """The network that restores; it is averaged, measured and exported."""
        return getattr(self, self._networks[0])

    @property
    def others(self) -> dict[str, tf.keras.Model]:
        """The networks that help to train it, by name, such as discriminators."""
        return {name: getattr(self, name) for name in self._networks[1:]}

    def call(self, inputs, training=False):
        """Restores a batch."""
        return self.restores(inputs, training=training)

    def _update(self, name: str, tape: tf.GradientTape, loss: tf.Tensor) -> list:
        """Applies a network's gradient, which Keras sums over replicas; returns it."""
        weights = getattr(self, name).trainable_variables
        gradients = tape.gradient(loss, weights)
        getattr(self, f"{name}_optimizer").apply_gradients(zip(gradients, weights))
        return gradients

    def _count(self) -> None:
        """Ends a step."""
        self.steps.assign_add(1)
        if self.average is not None:
            self.average.update(self.restores, self.steps)

    def _report(
        self, terms: Losses, counting: Losses | None = None
    ) -> dict[str, tf.Tensor]:
        """The mean of each of these terms since the epoch began.

        `counting` has a weight [B] of each example, 1 by default, for some terms.
        """
        for name, values in terms.items():
            self._means[name].update_state(values, (counting or {}).get(name))
        return {name: self._means[name].result() for name in terms}

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The means, which `fit` resets when an epoch begins."""
        return list(self._means.values())


def total(terms: Losses) -> tf.Tensor:
    """This replica's share of the sum of the terms' means over the global batch.

    `apply_gradients` sums over replicas, so each divides by the global batch size; two
    replicas then take the step that one would.
    """
    return tf.add_n([tf.nn.compute_average_loss(term) for term in terms.values()])


class WeightAverage(tf.Module):
    """An exponential moving average of every weight, moving statistics included.

    The decay, the share of the average that a step keeps, in [0, 1), warms up as
    min(decay, (1 + steps) / (10 + steps)): a short run is not averaged with its random
    start.
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
            # Weights are equal on all replicas; moving statistics are averaged.
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
        """Starts from a network's present weights."""
        for value, weight in zip(self.values, network.weights):
            value.assign(weight)

    def copy_to(self, network: tf.keras.Model) -> None:
        """Copies the average to a network of the same shape."""
        for value, weight in zip(self.values, network.weights):
            weight.assign(value)


def average_of(network: tf.keras.Model, decay: float) -> WeightAverage | None:
    """The average of a network's weights, or None where the decay is 0."""
    return WeightAverage(network, decay) if decay else None
