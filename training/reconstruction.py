"""The trainer of an autoencoder alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from training.trainer import Losses, Trainer, WeightAverage, total


class ReconstructionTrainer(Trainer):
    """Trains an autoencoder: plain, variational, or with a rate term on its latents.

    Args:
      autoencoder: inputs (a dict of tensors) -> outputs, a dict of float32 tensors with
        the reconstruction under "image".
      losses: (target, outputs) -> terms.
      terms: Their names.
      average: Of the autoencoder's weights, or None.
    """

    def __init__(
        self,
        autoencoder: tf.keras.Model,
        *,
        losses: Callable[..., Losses],
        terms: Sequence[str],
        average: WeightAverage | None = None,
    ):
        networks = {"autoencoder": autoencoder}
        super().__init__(networks, average=average, name="reconstruction_trainer")
        self.terms_of = losses
        self.term_names = tuple(terms)

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One update on (inputs, target)."""
        inputs, target = data
        with tf.GradientTape() as tape:
            terms = self.terms_of(target, self.autoencoder(inputs, training=True))
            loss = total(terms)
        self._update("autoencoder", tape, loss)
        self._count()
        return self._report(terms)
