"""The adversarial trainer: a generator and a discriminator, driven by `fit()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from training.averaging import WeightAverage

Losses = Mapping[str, tf.Tensor]  # term -> [B], already weighted


def see_everything(image: tf.Tensor, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The view of a network that restores the whole image."""
    return image


class AdversarialTrainer(tf.keras.Model):
    """Alternates one update of the discriminator and one of the generator.

    One forward pass of the generator a step serves both. The two gradients are taken
    at the same point: the generator answers the discriminator as it was before the
    step's update, which saves a second pass through the discriminator.

    Export the networks, not the trainer: a SavedModel has no `train_step`.

    Args:
      generator: inputs (a dict of tensors) -> image, float32.
      discriminator: What `view` returns -> scores, float32. It sees real and restored
        images in separate passes, so its BatchNorm must not be used for inference.
      generator_losses: (real, fake, fake_score) -> terms.
      discriminator_losses: (real_score, fake_score) -> terms.
      view: (image, inputs) -> the part of an image that losses and discriminator see.
      average: An exponential moving average of the generator's weights, or None.
    """

    def __init__(
        self,
        generator: tf.keras.Model,
        discriminator: tf.keras.Model,
        *,
        generator_losses: Callable[..., Losses],
        discriminator_losses: Callable[..., Losses],
        view: Callable[..., tf.Tensor] = see_everything,
        average: WeightAverage | None = None,
    ):
        # The networks cast for themselves: known pixels must not pass bfloat16.
        super().__init__(name="adversarial_trainer", autocast=False)
        self.generator = generator
        self.discriminator = discriminator
        self.generator_losses = generator_losses
        self.discriminator_losses = discriminator_losses
        self.view = view
        self.average = average
        self.steps = tf.Variable(
            0,
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            name="steps",
        )
        self._means: dict[str, tf.keras.metrics.Mean] = {}

    def compile(
        self,
        generator_optimizer: tf.keras.optimizers.Optimizer,
        discriminator_optimizer: tf.keras.optimizers.Optimizer,
        *,
        jit_compile: bool = False,
    ) -> None:
        """Sets the optimizers; creates all variables, so that they can be restored.

        Args:
          generator_optimizer: Clips gradients if told to (`global_clipnorm`).
          discriminator_optimizer: Likewise.
          jit_compile: Compiles the step with XLA.
        """
        super().compile(jit_compile=jit_compile)
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        generator_optimizer.build(self.generator.trainable_variables)
        discriminator_optimizer.build(self.discriminator.trainable_variables)
        self._means = {
            name: tf.keras.metrics.Mean(name, dtype=tf.float32)
            for name in self._term_names()
        }

    def _term_names(self) -> list[str]:
        """What the losses call their terms, asked with a picture of nothing."""
        seen, score = (
            tf.zeros([1, *shape[1:]])
            for shape in (
                self.discriminator.input_shape,
                self.discriminator.output_shape,
            )
        )
        return [
            *self.generator_losses(seen, seen, score),
            *self.discriminator_losses(score, score),
        ]

    def checkpoint_items(self) -> dict[str, object]:
        """Everything a resumed run needs, by name.

        "means" are sums since the epoch began, for an epoch that is resumed.
        """
        items = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "steps": self.steps,
            "means": self._means,
        }
        if self.average is not None:
            items["average"] = self.average
        return items

    def call(self, inputs, training=False):
        """Restores a batch."""
        return self.generator(inputs, training=training)

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One update of both networks on (inputs, target)."""
        inputs, target = data
        real = self.view(target, inputs)
        with tf.GradientTape(persistent=True) as tape:
            # D sees the fake as a constant, because only gradients with respect to its
            # own weights are asked for; G sees D through it. One pass serves both.
            fake = self.view(self.generator(inputs, training=True), inputs)
            real_score = self.discriminator(real, training=True)
            fake_score = self.discriminator(fake, training=True)
            d_terms = self.discriminator_losses(real_score, fake_score)
            g_terms = self.generator_losses(real, fake, fake_score)
            d_loss, g_loss = _total(d_terms), _total(g_terms)
        self._update(self.discriminator, self.discriminator_optimizer, tape, d_loss)
        self._update(self.generator, self.generator_optimizer, tape, g_loss)
        del tape
        self.steps.assign_add(1)
        if self.average is not None:
            self.average.update(self.generator, self.steps)
        return self._report({**g_terms, **d_terms})

    def _update(self, network, optimizer, tape, loss) -> None:
        """Applies the gradient, which Keras sums over replicas."""
        weights = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))

    def _report(self, terms: Losses) -> dict[str, tf.Tensor]:
        """The mean of each term since the epoch began."""
        for name, values in terms.items():
            self._means[name].update_state(values)
        return {name: mean.result() for name, mean in self._means.items()}

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """What `fit` resets when an epoch begins."""
        return list(self._means.values())


def _total(terms: Losses) -> tf.Tensor:
    """Sum of the terms' means over the global batch, this replica's share of it.

    `apply_gradients` sums over replicas, so each divides by the global batch size, not
    by its own; two replicas then take the step that one would.
    """
    return tf.add_n([tf.nn.compute_average_loss(term) for term in terms.values()])
