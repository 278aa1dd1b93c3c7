"""What all trainers share: networks with an optimizer each, a count, and means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from training.averaging import WeightAverage

Losses = Mapping[str, tf.Tensor]  # term -> [B], already weighted


class Trainer(tf.keras.Model):
    """The base of trainers that `fit()` drives.

    A subclass sets an attribute for each network and, when it is compiled, one for its
    optimizer (`generator`, `generator_optimizer`), and writes `train_step`.

    Export the networks, not the trainer: a SavedModel has no `train_step`.

    Args:
      networks: Names of the attributes, first that of the network that restores.
      average: An exponential moving average of its weights, or None.
      name: Of the trainer.
    """

    def __init__(
        self, networks: Sequence[str], *, average: WeightAverage | None, name: str
    ):
        # The networks cast for themselves: known pixels must not pass bfloat16.
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

    def prepare(
        self,
        optimizers: Mapping[str, tf.keras.optimizers.Optimizer],
        terms: Sequence[str],
        *,
        jit_compile: bool,
    ) -> None:
        """Sets the optimizers; creates all variables, so that they can be restored.

        Args:
          optimizers: Network -> its optimizer, which clips gradients if told to
            (`global_clipnorm`).
          terms: What the losses call their terms.
          jit_compile: Compiles the step with XLA.
        """
        super().compile(jit_compile=jit_compile)
        for name, optimizer in optimizers.items():
            optimizer.build(getattr(self, name).trainable_variables)
            setattr(self, f"{name}_optimizer", optimizer)
        self._means = {
            name: tf.keras.metrics.Mean(name, dtype=tf.float32) for name in terms
        }

    def checkpoint_items(self) -> dict[str, object]:
        """Everything a resumed run needs, by name.

        "means" are sums since the epoch began, for an epoch that is resumed.
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
        """The network that restores: what is averaged, measured and exported."""
        return getattr(self, self._networks[0])

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

    def _report(self, terms: Losses) -> dict[str, tf.Tensor]:
        """The mean of each of these terms since the epoch began."""
        for name, values in terms.items():
            self._means[name].update_state(values)
        return {name: self._means[name].result() for name in terms}

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """What `fit` resets when an epoch begins."""
        return list(self._means.values())


def total(terms: Losses) -> tf.Tensor:
    """Sum of the terms' means over the global batch, this replica's share of it.

    `apply_gradients` sums over replicas, so each divides by the global batch size, not
    by its own; two replicas then take the step that one would.
    """
    return tf.add_n([tf.nn.compute_average_loss(term) for term in terms.values()])
