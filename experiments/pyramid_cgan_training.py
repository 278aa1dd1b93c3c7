"""Chen et al.'s networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

import typing
from collections.abc import Sequence

import tensorflow as tf

from data_pipeline.decoded import DecodedSplit
from experiments import pyramid_cgan_labels as labels
from models import classifiers, discriminators
from models import pyramid_cgan as networks
from training import losses
from training.averaging import average_of
from training.pyramid_cgan import PyramidTrainer

if typing.TYPE_CHECKING:
    from experiments.pyramid_cgan import Config

LABEL_LOSSES = {"multi_label": losses.multi_label, "multi_class": losses.multi_class}


def build_network(config: Config) -> tf.keras.Model:
    """Inputs -> whole image, in the global precision policy."""
    generator = networks.build_generator(
        config.configuration,
        image_size=config.image_size,
        width=config.width,
        norm=config.norm,
    )
    return networks.build_inpainter(generator)


def build_trainer(
    config: Config, steps_per_epoch: int = 0, attribute_names: Sequence[str] = ()
) -> PyramidTrainer:
    """The compiled trainer, in the current strategy and precision policy.

    The phases are counted in steps, so the epoch's length does not matter.
    """
    network = build_network(config)
    # The judges begin alike, however many weights the generator has drawn.
    tf.keras.utils.set_random_seed(config.seed + 1)
    discriminator = discriminators.build_global_local_discriminator(
        config.image_size,
        config.patch_size,
        local=config.configuration == "d",
        width=config.width,
    )
    count = labels.outputs(config.classes, config.classification, attribute_names)
    tf.keras.utils.set_random_seed(config.seed + 2)
    classifier = count and classifiers.build_attribute_classifier(
        count, config.image_size, width=config.width
    )
    trainer = PyramidTrainer(
        network,
        discriminator,
        classifier or None,
        label_loss=LABEL_LOSSES[config.classification],
        generator_steps=config.generator_steps,
        discriminator_steps=config.discriminator_steps,
        reconstruction_weight=config.reconstruction_weight,
        adversarial_weight=config.adversarial_weight,
        classification_weight=config.classification_weight,
        classifier_on_fake=config.classifier_on_fake,
        average=average_of(network, config.ema_decay),
    )
    trainer.compile(
        lambda: tf.keras.optimizers.Adam(
            config.learning_rate,
            config.beta_1,
            global_clipnorm=config.clip_norm or None,
        ),
        jit_compile=config.jit_compile,
    )
    return trainer


def statements(config: Config, split: DecodedSplit) -> list[str]:
    """What a report says of the phases and of the classifier.

    Args:
      config: Of the run.
      split: Of any of its images.
    """
    alone, judges = config.generator_steps, config.discriminator_steps
    begin = f"The generator learns alone for {alone:,} steps"
    if not config.reconstruction_weight:
        begin += ", from a discriminator that has not learned anything"
    if config.steps <= alone:
        begin = begin.replace(f"{alone:,}", f"all {config.steps:,}")
        phases = f"{begin}; discriminator and classifier have learned nothing."
    elif config.steps <= alone + judges:
        judges = config.steps - alone
        phases = f"{begin}; discriminator and classifier for the next {judges:,}, the "
        phases += "last: there is no joint phase."
    else:
        phases = (
            f"{begin}; discriminator and classifier for the next {judges:,}; then all "
            "learn jointly."
        )
    names = labels.chosen(config.classes, split.source.info.attribute_names)
    if not names:
        why = "it is switched off"
        if config.classes:
            why = f"{split.source.info.title} has no attributes"
        return [phases, f"There is no classifier: {why}."]
    shown = ", ".join(name.replace("_", " ") for name in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return [phases, f"The classifier learns {shown}{more}."]
