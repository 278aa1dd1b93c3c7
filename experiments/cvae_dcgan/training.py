"""Killingbeck et al.'s networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from data_pipeline.decoded import DecodedSplit
from data_pipeline.face_masks import finder
from experiments.cvae_dcgan.config import Config
from models import cvae_dcgan
from training import losses
from training.cvae_dcgan import AdversarialAutoencoderTrainer
from training.optimizers import Adam
from training.reconstruction import ReconstructionTrainer
from training.trainer import Trainer, average_of

RECONSTRUCTIONS: dict[str, Callable[..., tf.Tensor]] = {
    "l1": losses.l1,
    "l2": losses.l2,
    "ssim": losses.ssim,
    "ms_ssim": losses.ms_ssim,
    "l1+ssim": lambda x, y: losses.l1(x, y) + losses.ssim(x, y),
}


def build_network(config: Config) -> tf.keras.Model:
    """{"image", "key"} -> {"image", "mean", "log_variance"}, in the global policy."""
    options = {"image_size": config.image_size, "latents": config.latents}
    return cvae_dcgan.build_autoencoder(
        cvae_dcgan.build_encoder(config.generator, **options),
        cvae_dcgan.build_decoder(config.generator, **options),
    )


def build_trainer(
    config: Config, steps_per_epoch: int = 0, attribute_names: Sequence[str] = ()
) -> Trainer:
    """The compiled trainer, in the current strategy and precision policy.

    The epoch's length matters to --kl_anneal_epochs alone: rates do not change.
    """
    network = build_network(config)
    risen = max(config.kl_anneal_epochs * max(steps_per_epoch, 1), 1)

    def share_of_kl() -> tf.Tensor | float:
        """How far the weight of the KL divergence has risen, in 0..1."""
        if not config.kl_anneal_epochs:
            return 1.0
        return tf.minimum(tf.cast(trainer.steps, tf.float32) / risen, 1.0)

    average = average_of(network, config.ema_decay)
    if not config.adversarial_weight:
        trainer = ReconstructionTrainer(
            network,
            losses=lambda *given: _terms(config, *given, share_of_kl()),
            terms=_names(config),
            average=average,
        )
        optimizer = _optimizer(config, config.learning_rate)
        trainer.compile(optimizer, jit_compile=config.jit_compile)
        return trainer

    def autoencoder_losses(target, outputs, fake_score):
        answer = losses.cross_entropy_to(fake_score, 1.0)
        terms = _terms(config, target, outputs, share_of_kl())
        terms = {f"g_{name}": term for name, term in terms.items()}
        return {**terms, "g_adversarial": config.adversarial_weight * answer}

    def discriminator_losses(real_score, fake_score):
        real = 1.0 - config.label_smoothing
        return {
            "d_real": losses.cross_entropy_to(real_score, real),
            "d_fake": losses.cross_entropy_to(fake_score, 0.0),
        }

    trainer = AdversarialAutoencoderTrainer(
        network,
        cvae_dcgan.build_discriminator(config.image_size),
        autoencoder_losses=autoencoder_losses,
        discriminator_losses=discriminator_losses,
        autoencoder_updates=config.autoencoder_updates,
        discriminator_updates=config.discriminator_updates,
        average=average,
    )
    names = [f"g_{name}" for name in _names(config)]
    trainer.compile(
        _optimizer(config, config.learning_rate),
        _optimizer(config, config.discriminator_learning_rate),
        terms=(*names, "g_adversarial", "d_real", "d_fake"),
        jit_compile=config.jit_compile,
    )
    return trainer


def _terms(
    config: Config, target, outputs, share_of_kl: tf.Tensor | float = 1.0
) -> dict[str, tf.Tensor]:
    """Loss terms of an auto-encoder; the target has a mask if only faces count."""
    loss = RECONSTRUCTIONS[config.reconstruction]
    if config.mask_loss:
        loss = losses.on_faces(loss)
        found = loss(target["image"], outputs["image"], target["face_mask"])
    else:
        found = loss(target, outputs["image"])
    terms = {"reconstruction": config.reconstruction_weight * found}
    if config.kl_weight:
        divergence = losses.kl(outputs["mean"], outputs["log_variance"])
        terms["kl"] = share_of_kl * config.kl_weight * divergence
    return terms


def _names(config: Config) -> list[str]:
    return ["reconstruction"] + ["kl"] * bool(config.kl_weight)


def _optimizer(config: Config, rate: float) -> tf.keras.optimizers.Optimizer:
    clip = config.clip_norm or None
    return Adam(rate, config.beta_1, global_clipnorm=clip)


def find_faces(config: Config, split: DecodedSplit) -> finder.FoundMasks:
    """Masks of the faces of a split, for masked rows and the masked loss."""
    return finder.find(split, build_face_finder(config, split), crop=config.crop)


def build_face_finder(config: Config, split: DecodedSplit) -> finder.Finder:
    """The finder that --face_masks names.

    Raises:
      ValueError: If the split has nothing to find faces by, or a package is missing.
    """
    try:
        return finder.build(
            config.face_masks, split.source, folder=config.face_mask_dir
        )
    except ImportError as error:  # A user can mend that.
        raise ValueError(error) from error
