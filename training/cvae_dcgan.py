"""The trainer of the DCGAN: an autoencoder and a discriminator of its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Union

import tensorflow as tf

from training.trainer import Losses, Trainer, WeightAverage, total

Target = Union[tf.Tensor, Mapping[str, tf.Tensor]]

# Reported of the discriminator besides the losses: log D(real), log(1 - D(fake)),
# log D(fake), its accuracy, and the norm of its gradient.
WATCHED = (
    "watched_log_real",
    "watched_log_fake",
    "watched_log_d_fake",
    "watched_accuracy",
    "watched_gradient_norm",
)


class AdversarialAutoencoderTrainer(Trainer):
    """Alternates updates of an autoencoder and of a discriminator of its images.

    The first updates of both share one pass of the autoencoder: the two gradients are
    taken at the same point. Further updates of either follow on the same images with
    another key, and so with other dropout and noise of the latents.

    A target is the image, or a dict with it under "image". If the dict has a
    "face_mask", float32 [B, S, S, 1], the discriminator sees both images multiplied by
    it; further tensors are for the autoencoder's losses alone.

    Args:
      autoencoder: inputs, a dict with "key" -> outputs, a dict of float32 tensors with
        the reconstruction under "image".
      discriminator: {"image", "key"} -> logits, float32 [B].
      autoencoder_losses: (target, outputs, fake_score) -> terms.
      discriminator_losses: (real_score, fake_score) -> terms.
      autoencoder_updates: Per step.
      discriminator_updates: Per step.
      average: Of the autoencoder's weights, or None.
    """

    def __init__(
        self,
        autoencoder: tf.keras.Model,
        discriminator: tf.keras.Model,
        *,
        autoencoder_losses: Callable[..., Losses],
        discriminator_losses: Callable[..., Losses],
        autoencoder_updates: int = 1,
        discriminator_updates: int = 1,
        average: WeightAverage | None = None,
    ):
        networks = {"autoencoder": autoencoder, "discriminator": discriminator}
        name = "adversarial_autoencoder_trainer"
        super().__init__(networks, average=average, name=name)
        self.autoencoder_losses = autoencoder_losses
        self.discriminator_losses = discriminator_losses
        self.autoencoder_updates = autoencoder_updates
        self.discriminator_updates = discriminator_updates

    def compile(
        self,
        autoencoder_optimizer: tf.keras.optimizers.Optimizer,
        discriminator_optimizer: tf.keras.optimizers.Optimizer,
        *,
        terms: tuple[str, ...],
        jit_compile: bool = False,
    ) -> None:
        """Sets the optimizers; `terms` are the names of both networks' losses."""
        optimizers = (autoencoder_optimizer, discriminator_optimizer)
        terms = (*terms, *WATCHED)
        super().compile(*optimizers, terms=terms, jit_compile=jit_compile)

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One step on (inputs, target); reports the first updates."""
        inputs, target = data
        with tf.GradientTape(persistent=True) as tape:
            # D sees the fake as a constant, because only gradients with respect to its
            # own weights are asked for; G sees D through it. One pass serves both.
            outputs = self.autoencoder(inputs, training=True)
            real_score = self._score(_image_of(target), inputs, target)
            fake_score = self._score(outputs["image"], inputs, target)
            d_terms = self.discriminator_losses(real_score, fake_score)
            g_terms = self.autoencoder_losses(target, outputs, fake_score)
            d_loss, g_loss = total(d_terms), total(g_terms)
        d_gradients = self._update("discriminator", tape, d_loss)
        self._update("autoencoder", tape, g_loss)
        del tape
        for number in range(1, self.discriminator_updates):
            self._update_discriminator(_other_noise(inputs, number), target)
        for number in range(1, self.autoencoder_updates):
            self._update_autoencoder(_other_noise(inputs, -number), target)
        self._count()
        watched = _watched(real_score, fake_score, d_gradients)
        return self._report({**g_terms, **d_terms, **watched})

    def _score(self, image: tf.Tensor, inputs: Mapping, target: Target) -> tf.Tensor:
        if isinstance(target, Mapping) and "face_mask" in target:
            image = image * target["face_mask"]
        return self.discriminator({"image": image, "key": inputs["key"]}, training=True)

    def _update_discriminator(self, inputs: Mapping, target: Target) -> None:
        image = self.autoencoder(inputs, training=True)["image"]
        with tf.GradientTape() as tape:
            real_score = self._score(_image_of(target), inputs, target)
            fake_score = self._score(image, inputs, target)
            loss = total(self.discriminator_losses(real_score, fake_score))
        self._update("discriminator", tape, loss)

    def _update_autoencoder(self, inputs: Mapping, target: Target) -> None:
        with tf.GradientTape() as tape:
            outputs = self.autoencoder(inputs, training=True)
            score = self._score(outputs["image"], inputs, target)
            loss = total(self.autoencoder_losses(target, outputs, score))
        self._update("autoencoder", tape, loss)


def _image_of(target: Target) -> tf.Tensor:
    """The real image of a target."""
    return target["image"] if isinstance(target, Mapping) else target


def _other_noise(inputs: Mapping[str, tf.Tensor], number: int) -> dict:
    """The same images with another key."""
    fold = tf.random.experimental.stateless_fold_in
    # Layers use the first row's key and fold it with small numbers.
    key = fold(inputs["key"][0], number * 1000)
    return {**inputs, "key": tf.broadcast_to(key, tf.shape(inputs["key"]))}


def _watched(real: tf.Tensor, fake: tf.Tensor, gradients: list) -> Losses:
    """The numbers of `WATCHED`, each [B].

    Log-likelihoods are in nats; the gradient is that of a replica's share of the batch,
    before clipping.
    """
    norm = tf.linalg.global_norm(gradients)
    right = tf.cast(real > 0, tf.float32) + tf.cast(fake < 0, tf.float32)
    logs = (-tf.nn.softplus(x) for x in (-real, fake, -fake))
    return dict(zip(WATCHED, (*logs, right / 2, norm * tf.ones_like(real))))
