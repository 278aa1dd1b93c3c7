"""Jiang & Zhang's networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from data_pipeline import pixels
from evaluation.metrics import lpips
from experiments.skip_inpainting.config import Config
from models import discriminators, holes, skip_inpainting
from training import losses
from training.adversarial import AdversarialTrainer, see_composite, see_everything
from training.optimizers import Adam
from training.trainer import average_of

# Of the image, that the center square takes: its terms keep their weights.
_CENTER_SHARE = 0.25


def build_network(config: Config) -> tf.keras.Model:
    """Inputs -> whole image, in the global precision policy."""
    generator = skip_inpainting.build_generator(
        config.model,
        image_size=config.image_size,
        widths=config.widths,
        bottleneck=config.bottleneck,
        mask_channel=config.mask_channel,
    )
    return skip_inpainting.build_inpainter(generator, eigenfaces=config.eigenfaces)


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> AdversarialTrainer:
    """The compiled trainer, in the current strategy and precision policy.

    Raises:
      FileNotFoundError: If the loss needs LPIPS and there are no weights.
    """
    seen = config.hole_size if config.fills_patch else config.image_size
    discriminator = discriminators.build_patch_discriminator(
        seen,
        config.discriminator_widths,
        batch_deviation=config.batch_deviation,
    )
    network = build_network(config)
    options = (_perceptual if config.losses == "perceptual" else _published)(config)
    if not config.adversarial_weight:
        options["discriminator_losses"] = None
    trainer = AdversarialTrainer(
        network,
        discriminator,
        average=average_of(network, config.ema_decay),
        **options,
    )
    learning_rate = config.learning_rate
    if config.learning_rate_decay == "linear":
        learning_rate = LinearDecay(
            learning_rate, config.epochs * steps_per_epoch, config.decay_share
        )
    trainer.compile(
        *[
            Adam(
                learning_rate,
                config.beta_1,
                config.beta_2,
                global_clipnorm=config.clip_norm or None,
            )
            for _ in range(2)
        ],
        jit_compile=config.jit_compile,
    )
    return trainer


def _published(config: Config) -> dict[str, Callable]:
    """The paper's losses, or those of the implementation it starts from."""
    reconstruction, score_loss = losses.l2, losses.l1_to
    if config.losses == "swapped":
        reconstruction, score_loss = losses.l1, losses.l2_to

    def generator_losses(real, fake, fake_score, inputs):
        reconstructed = reconstruction(real, fake)
        terms = {"g_reconstruction": config.reconstruction_weight * reconstructed}
        if config.adversarial_weight:
            adversarial = score_loss(fake_score, 1.0)
            terms["g_adversarial"] = config.adversarial_weight * adversarial
        return terms

    def discriminator_losses(real_score, fake_score):
        return {
            "d_real": 0.5 * score_loss(real_score, 1.0),
            "d_fake": 0.5 * score_loss(fake_score, 0.0),
        }

    def patch(image, inputs):
        return holes.crop_hole(image, inputs["mask"], config.hole_size)

    return {
        "generator_losses": generator_losses,
        "discriminator_losses": discriminator_losses,
        "view": patch if config.fills_patch else see_everything,
    }


def _perceptual(config: Config) -> dict[str, Callable]:
    """The restorer's losses, which are not the paper's."""
    weights = lpips.resolve(config.lpips_weights)
    if weights is None:
        raise FileNotFoundError(
            "--losses=perceptual trains on LPIPS and needs its weights. Pass "
            "--lpips_weights=FILE; `facemend lpips_weights --help` says "
            "how to make it."
        )
    perceptual = lpips.load(weights)
    # In bfloat16 it takes a third of the time, and its gradient is as good.
    dtype = tf.as_dtype(tf.keras.mixed_precision.global_policy().compute_dtype)

    def output_losses(target, output, inputs):
        reconstructed = losses.weighted_l1(
            target, output, inputs["mask"], config.known_weight
        )
        return {"g_reconstruction": config.reconstruction_weight * reconstructed}

    def generator_losses(real, fake, fake_score, inputs):
        terms = {}
        if config.perceptual_weight:
            pair = (pixels.signed_to_unit(image) for image in (real, fake))
            terms["g_perceptual"] = config.perceptual_weight * perceptual.loss(
                *pair, dtype
            )
        if config.adversarial_weight:
            adversarial = losses.minus_score(fake_score)
            terms["g_adversarial"] = config.adversarial_weight * adversarial
        # As L1 does it. Otherwise the pixels of a small hole, such as the eyes, are
        # pulled by L1 alone, which blurs.
        return {
            name: _CENTER_SHARE * losses.over_share(term, inputs["mask"])
            for name, term in terms.items()
        }

    def discriminator_losses(real_score, fake_score):
        return {
            "d_real": 0.5 * losses.hinge(real_score, 1.0),
            "d_fake": 0.5 * losses.hinge(fake_score, -1.0),
        }

    return {
        "output_losses": output_losses,
        "generator_losses": generator_losses,
        "discriminator_losses": discriminator_losses,
        "view": see_composite,
    }


class LinearDecay(tf.keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate that falls linearly to 0 in the last steps.

    `share` is the part of the steps in which it falls, in (0, 1].
    """

    def __init__(self, learning_rate: float, steps: int, share: float):
        super().__init__()
        self.learning_rate, self.steps, self.share = learning_rate, steps, share

    def __call__(self, step):
        """The learning rate of a step."""
        left = 1.0 - tf.cast(step, tf.float32) / max(self.steps, 1)
        return self.learning_rate * tf.clip_by_value(left / self.share, 0.0, 1.0)

    def get_config(self):
        """Arguments of the constructor."""
        return {
            "learning_rate": self.learning_rate,
            "steps": self.steps,
            "share": self.share,
        }
