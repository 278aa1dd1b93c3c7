"""Do et al.'s networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from experiments.multiscale_context_encoder.config import RIM_WEIGHT, Config
from models import discriminators, multiscale_context_encoder
from training import losses
from training.adversarial import AdversarialTrainer
from training.optimizers import Adam
from training.trainer import average_of

# Differences of images, pixel by pixel.
RECONSTRUCTIONS = {
    "l1": lambda real, fake: tf.abs(real - fake),
    "l2": tf.math.squared_difference,
}


def build_generator(config: Config) -> tf.keras.Model:
    """Inputs -> patch, in the global precision policy."""
    return multiscale_context_encoder.build_generator(
        image_size=config.image_size,
        scales=config.scales,
        aggregation=config.aggregation,
        downsampling=config.downsampling,
        bottleneck=config.bottleneck,
        separable=config.separable,
        fill=config.hole_fill,
        widths=config.widths,
        decoder_widths=config.decoder_widths,
    )


def build_network(config: Config) -> tf.keras.Model:
    """Inputs -> whole image, in the global precision policy."""
    return multiscale_context_encoder.build_inpainter(build_generator(config))


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> AdversarialTrainer:
    """The compiled trainer, in the current strategy and precision policy."""
    side = config.patch_size
    start = (config.image_size - side) // 2
    weights = rim_weights(side, config.overlap)
    error = RECONSTRUCTIONS[config.reconstruction]

    def center(image, inputs):
        return image[:, start : start + side, start : start + side]

    def generator_losses(real, fake, fake_score, inputs):
        adversarial = losses.cross_entropy_to(fake_score, 1.0)
        return {
            "g_reconstruction": config.reconstruction_weight
            * tf.reduce_mean(weights * error(real, fake), axis=[1, 2, 3]),
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
        _optimizer(config, steps_per_epoch, 1.0, config.momentum),
        _optimizer(
            config,
            steps_per_epoch,
            config.discriminator_rate,
            config.discriminator_momentum,
        ),
        jit_compile=config.jit_compile,
    )
    return trainer


def rim_weights(side: int, overlap: int) -> tf.Tensor:
    """[side, side, 1]: `RIM_WEIGHT` in a rim of the patch, 1 inside."""
    inside = tf.zeros([side - 2 * overlap, side - 2 * overlap])
    rim = tf.pad(inside, [[overlap, overlap]] * 2, constant_values=1.0)
    return (1.0 + (RIM_WEIGHT - 1.0) * rim)[..., None]


def learning_rate_schedule(config: Config, steps_per_epoch: int, part: float = 1.0):
    """Part of the learning rate, which falls every `learning_rate_epochs` epochs."""
    return tf.keras.optimizers.schedules.ExponentialDecay(
        part * config.learning_rate,
        decay_steps=config.learning_rate_epochs * steps_per_epoch,
        decay_rate=config.learning_rate_factor,
        staircase=True,
    )


def _optimizer(config: Config, steps_per_epoch: int, part: float, momentum: float):
    """The optimizer of a network whose rate is a part of the configuration's."""
    learning_rate = learning_rate_schedule(config, steps_per_epoch, part)
    clip = config.clip_norm or None
    if config.optimizer == "sgd":
        return tf.keras.optimizers.SGD(learning_rate, momentum, global_clipnorm=clip)
    return Adam(learning_rate, beta_1=momentum, global_clipnorm=clip)
