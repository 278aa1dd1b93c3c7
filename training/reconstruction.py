"""The one-network trainer: a network that returns what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from training.trainer import Losses, Trainer, WeightAverage, total


class ReconstructionTrainer(Trainer):
    """Trains an auto-encoder, plain, variational or with a price on its code.

    Args:
      autoencoder: inputs (a dict of tensors) -> outputs, a dict of tensors in float32
        that holds the reconstruction under "image".
      losses: (target, outputs) -> terms.
      terms: What the losses call their terms.
      average: Of the auto-encoder's weights, or None.
    """

    def __init__(
        self,
        autoencoder: tf.keras.Model,
        *,
        losses: Callable[..., Losses],
        terms: Sequence[str],
        average: WeightAverage | None = None,
    ):
        super().__init__(
            ("autoencoder",), average=average, name="reconstruction_trainer"
        )
        self.autoencoder = autoencoder
        self.terms_of = losses
        self.term_names = tuple(terms)

    def compile(
        self,
        optimizer: tf.keras.optimizers.Optimizer,
        *,
        jit_compile: bool = False,
    ) -> None:
        """Sets the optimizer; see `Trainer.prepare`."""
        self.prepare(
            {"autoencoder": optimizer}, self.term_names, jit_compile=jit_compile
        )

    def train_step(self, data) -> dict[str, tf.Tensor]:
        """One update on (inputs, target)."""
        inputs, target = data
        with tf.GradientTape() as tape:
            terms = self.terms_of(target, self.autoencoder(inputs, training=True))
            loss = total(terms)
        self._update("autoencoder", tape, loss)
        self._count()
        return self._report(terms)
