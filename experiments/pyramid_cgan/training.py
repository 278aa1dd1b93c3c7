"""Chen et al.'s networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipeline.choices import check_choice
from data_pipeline.decoded import DecodedSplit
from experiments.pyramid_cgan.config import ALL, Config
from models import discriminators, pyramid_cgan
from training import losses
from training.pyramid_cgan import PyramidTrainer
from training.trainer import average_of

LABEL_LOSSES = {"multi_label": losses.multi_label, "multi_class": losses.multi_class}


def build_network(config: Config) -> tf.keras.Model:
    """Inputs -> whole image, in the global precision policy."""
    generator = pyramid_cgan.build_generator(
        config.configuration,
        image_size=config.image_size,
        width=config.width,
        norm=config.norm,
    )
    return pyramid_cgan.build_inpainter(generator)


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> PyramidTrainer:
    """The compiled trainer, in the current strategy and precision policy.

    The phases are counted in steps, so the epoch's length does not matter.
    """
    network = build_network(config)
    # The same initial weights for every size of the generator.
    tf.keras.utils.set_random_seed(config.seed + 1)
    discriminator = discriminators.build_global_local_discriminator(
        config.image_size,
        config.patch_size,
        local=config.configuration == "d",
        width=config.width,
    )
    count = outputs(config.classes, config.classification, attribute_names)
    tf.keras.utils.set_random_seed(config.seed + 2)
    classifier = count and discriminators.build_attribute_classifier(
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
    """Sentences on the phases and the classifier."""
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
    names = chosen(config.classes, split.source.info.attribute_names)
    if not names:
        why = "it is switched off"
        if config.classes:
            why = f"{split.source.info.title} has no attributes"
        return [phases, f"There is no classifier: {why}."]
    shown = ", ".join(name.replace("_", " ") for name in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return [phases, f"The classifier learns {shown}{more}."]


def chosen(classes: Sequence[str], attribute_names: Sequence[str]) -> tuple[str, ...]:
    """The attributes that are learned; none where the data set has none.

    Raises:
      ValueError: If a class is named that the data set does not have.
    """
    if tuple(classes) == (ALL,):
        return tuple(attribute_names)
    for name in classes:
        if not attribute_names:
            raise ValueError(
                f"--classes names {name}, but the data set has no attributes. Pass "
                f"--classes= to switch the classifier off, or --classes={ALL} for "
                "whatever a set has."
            )
        check_choice("classes", name, tuple(attribute_names))
    return tuple(classes)


def outputs(classes: Sequence[str], kind: str, attribute_names: Sequence[str]) -> int:
    """The classifier's number of logits; 0 where there is nothing to learn."""
    count = len(chosen(classes, attribute_names))
    # One more class: none of them.
    return count + 1 if count and kind == "multi_class" else count


def of_split(
    classes: Sequence[str], kind: str, split: DecodedSplit
) -> np.ndarray | None:
    """The labels of a split's images, or None where there is nothing to learn.

    Returns:
      float32 [N, K], 0 or 1, of "multi_label"; int32 [N] of "multi_class": the number
      of the first class that is there, counted from 1, or 0 for none of them.
    """
    known = split.source.info.attribute_names
    names = chosen(classes, known)
    if not names:
        return None
    there = split.fields["attributes"][:, [known.index(name) for name in names]]
    if kind == "multi_label":
        return there.astype(np.float32)
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1, 0).astype(np.int32)
