"""The adversarial trainer: a generator and a discriminator, driven by `fit()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from training.trainer import Losses, Trainer, WeightAverage, total


def see_everything(image: tf.Tensor, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The view of a network that restores the whole image."""
    return image


def see_composite(image: tf.Tensor, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """The view of what users get: known pixels as they are, the hole restored."""
    return tf.where(inputs["mask"] > 0.5, image, inputs["image"])


class AdversarialTrainer(Trainer):
    """Alternates one update of the discriminator and one of the generator.

    One forward pass of the generator a step serves both. The two gradients are taken
    at the same point: the generator answers the discriminator as it was before the
    step's update, which saves a second pass through the discriminator.

    Args:
      generator: inputs (a dict of tensors) -> image, float32.
      discriminator: What `view` returns -> scores, float32. It sees real and restored
        images in separate passes, so its BatchNorm must not be used for inference.
      generator_losses: (real, fake, fake_score, inputs) -> terms.
      discriminator_losses: (real_score, fake_score) -> terms. None leaves the
        discriminator as it is and asks it nothing: `fake_score` is None.
      view: (image, inputs) -> the part of an image that losses and discriminator see.
      output_losses: (target, output, inputs) -> more terms of the generator, of its
        output as it is, without the view.
      average: Of the generator's weights, or None.
    """

    def __init__(
        self,
        generator: tf.keras.Model,
        discriminator: tf.keras.Model,
        *,
        generator_losses: Callable[..., Losses],
        discriminator_losses: Callable[..., Losses] | None,
        view: Callable[..., tf.Tensor] = see_everything,
        output_losses: Callable[..., Losses] = lambda *_: {},
        average: WeightAverage | None = None,
    ):
        networks = {"generator": generator, "discriminator": discriminator}
        super().__init__(networks, average=average, name="adversarial_trainer")
        self.generator_losses = generator_losses
        self.discriminator_losses = discriminator_losses
        self.view = view
        self.output_losses = output_losses

    @property
    def term_names(self) -> list[str]:
        """Names of the loss terms, from a call on an empty picture."""

        def empty(shape):
            return tf.zeros([1, *shape[1:]])

        seen = empty(self.discriminator.input_shape)
        adversarial = self.discriminator_losses is not None
        score = empty(self.discriminator.output_shape) if adversarial else None
        inputs = {k: empty(shape) for k, shape in self.generator.input_shape.items()}
        output = empty(self.generator.output_shape)
        return [
            *self.output_losses(output, output, inputs),
            *self.generator_losses(seen, seen, score, inputs),
            *(self.discriminator_losses(score, score) if adversarial else ()),
        ]

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One update of both networks on (inputs, target)."""
        inputs, target = data
        real = self.view(target, inputs)
        adversarial = self.discriminator_losses is not None
        fake_score, d_terms = None, {}
        with tf.GradientTape(persistent=adversarial) as tape:
            # D sees the fake as a constant, because only gradients with respect to its
            # own weights are asked for; G sees D through it. One pass serves both.
            output = self.generator(inputs, training=True)
            fake = self.view(output, inputs)
            if adversarial:
                real_score = self.discriminator(real, training=True)
                fake_score = self.discriminator(fake, training=True)
                d_terms = self.discriminator_losses(real_score, fake_score)
                d_loss = total(d_terms)
            g_terms = {
                **self.output_losses(target, output, inputs),
                **self.generator_losses(real, fake, fake_score, inputs),
            }
            g_loss = total(g_terms)
        if adversarial:
            self._update("discriminator", tape, d_loss)
        self._update("generator", tape, g_loss)
        del tape
        self._count()
        return self._report({**g_terms, **d_terms})
