"""Do et al.'s networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from experiments.multiscale_context_encoder.config import Config
from models import discriminators, multiscale_context_encoder
from training import losses
from training.adversarial import AdversarialTrainer
from training.trainer import average_of

RECONSTRUCTIONS = {"l1": losses.l1, "l2": losses.l2}


def build_network(config: Config) -> tf.keras.Model:
    """Inputs -> whole image, in the global precision policy."""
    generator = multiscale_context_encoder.build_generator(
        image_size=config.image_size,
        scales=config.scales,
        aggregation=config.aggregation,
        downsampling=config.downsampling,
        separable=config.separable,
        fill=config.hole_fill,
        widths=config.widths,
        decoder_widths=config.decoder_widths,
    )
    return multiscale_context_encoder.build_inpainter(generator)


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> AdversarialTrainer:
    """The compiled trainer, in the current strategy and precision policy."""
    side = config.hole_size
    start = (config.image_size - side) // 2
    reconstruction = RECONSTRUCTIONS[config.reconstruction]

    def center(image, inputs):
        return image[:, start : start + side, start : start + side]

    def generator_losses(real, fake, fake_score):
        adversarial = losses.cross_entropy_to(fake_score, 1.0)
        return {
            "g_reconstruction": config.reconstruction_weight
            * reconstruction(real, fake),
            "g_adversarial": config.adversarial_weight * adversarial,
        }

    def discriminator_losses(real_score, fake_score):
        return {
            "d_real": losses.cross_entropy_to(real_score, 1.0),
            "d_fake": losses.cross_entropy_to(fake_score, 0.0),
        }

    network = build_network(config)
    trainer = AdversarialTrainer(
        network,
        discriminators.build_context_discriminator(side, config.discriminator_widths),
        generator_losses=generator_losses,
        discriminator_losses=discriminator_losses,
        view=center,
        average=average_of(network, config.ema_decay),
    )
    trainer.compile(
        _optimizer(config, steps_per_epoch),
        _optimizer(config, steps_per_epoch),
        jit_compile=config.jit_compile,
    )
    return trainer


def learning_rate_schedule(config: Config, steps_per_epoch: int):
    """The learning rate, which falls by steps every `learning_rate_epochs` epochs."""
    return tf.keras.optimizers.schedules.ExponentialDecay(
        config.learning_rate,
        decay_steps=config.learning_rate_epochs * steps_per_epoch,
        decay_rate=config.learning_rate_factor,
        staircase=True,
    )


def _optimizer(config: Config, steps_per_epoch: int):
    learning_rate = learning_rate_schedule(config, steps_per_epoch)
    clip = config.clip_norm or None
    if config.optimizer == "sgd":
        return tf.keras.optimizers.SGD(
            learning_rate, config.momentum, global_clipnorm=clip
        )
    return tf.keras.optimizers.Adam(
        learning_rate, beta_1=config.momentum, global_clipnorm=clip
    )
