"""Jiang & Zhang's networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from experiments.skip_inpainting.config import Config
from models import discriminators, holes, skip_inpainting
from training import losses
from training.adversarial import AdversarialTrainer, see_everything
from training.trainer import average_of


def build_network(config: Config) -> tf.keras.Model:
    """Inputs -> whole image, in the global precision policy."""
    generator = skip_inpainting.build_generator(
        config.model,
        image_size=config.image_size,
        widths=config.widths,
        bottleneck=config.bottleneck,
    )
    return skip_inpainting.build_inpainter(generator)


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> AdversarialTrainer:
    """The compiled trainer, in the current strategy and precision policy.

    The learning rate does not change, so the epoch's length does not matter, and the
    paper knows no attributes.
    """
    seen = config.hole_size if config.fills_patch else config.image_size
    discriminator = discriminators.build_patch_discriminator(
        seen, config.discriminator_widths
    )
    reconstruction, score_loss = losses.l2, losses.l1_to
    if config.losses == "swapped":
        reconstruction, score_loss = losses.l1, losses.l2_to

    def generator_losses(real, fake, fake_score):
        reconstructed = reconstruction(real, fake)
        return {
            "g_reconstruction": config.reconstruction_weight * reconstructed,
            "g_adversarial": config.adversarial_weight * score_loss(fake_score, 1.0),
        }

    def discriminator_losses(real_score, fake_score):
        return {
            "d_real": 0.5 * score_loss(real_score, 1.0),
            "d_fake": 0.5 * score_loss(fake_score, 0.0),
        }

    def patch(image, inputs):
        return holes.crop_hole(image, inputs["mask"], config.hole_size)

    network = build_network(config)
    trainer = AdversarialTrainer(
        network,
        discriminator,
        generator_losses=generator_losses,
        discriminator_losses=discriminator_losses,
        view=patch if config.fills_patch else see_everything,
        average=average_of(network, config.ema_decay),
    )
    trainer.compile(
        *[
            tf.keras.optimizers.Adam(
                config.learning_rate,
                config.beta_1,
                config.beta_2,
                global_clipnorm=config.clip_norm or None,
            )
            for _ in range(2)
        ],
        jit_compile=config.jit_compile,
    )
    return trainer
