"""Chen et al.'s networks, losses and optimizers, as a configuration has them."""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipeline.choices import check_choice
from data_pipeline.decoded import DecodedSplit
from experiments.pyramid_cgan import config as table
from experiments.pyramid_cgan.config import Config
from models import discriminators, pyramid_cgan
from training import losses
from training.optimizers import Adam
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
    count = outputs(config, attribute_names)
    tf.keras.utils.set_random_seed(config.seed + 2)
    classifier = count and discriminators.build_attribute_classifier(
        count, config.image_size, width=config.width
    )
    trainer = PyramidTrainer(
        network,
        discriminator,
        classifier or None,
        label_loss=LABEL_LOSSES[kind(config)],
        generator_steps=config.generator_steps,
        discriminator_steps=config.discriminator_steps,
        reconstruction_weight=config.reconstruction_weight,
        adversarial_weight=config.adversarial_weight,
        classification_weight=config.classification_weight,
        classifier_on_fake=config.classifier_on_fake,
        average=average_of(network, config.ema_decay),
    )
    trainer.compile(
        lambda: Adam(
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
    return [phases, _classes(config, split)]


def _classes(config: Config, split: DecodedSplit) -> str:
    """The sentence on the classifier."""
    read, title = table.reading(config), split.source.info.title
    if read == table.NONE:
        return "There is no classifier: it is switched off."
    if read == table.IDENTITY:
        return (
            f"The classifier tells apart the {config.identities:,} people with the "
            "most training images; images of others count nothing to it."
        )
    names = chosen(config, split.source.info.attribute_names)
    if not names:
        return f"There is no classifier: {title} has no attributes."
    shown = ", ".join(name.replace("_", " ") for name in names[:6])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"The classifier learns {shown}{more}."


def kind(config: Config) -> str:
    """The key of `LABEL_LOSSES`: of people one is right."""
    identity = table.reading(config) == table.IDENTITY
    return "multi_class" if identity else config.classification


def chosen(config: Config, attribute_names: Sequence[str]) -> tuple[str, ...]:
    """The attributes that are learned; none where the data set has none.

    Raises:
      ValueError: If a class is named that the data set does not have.
    """
    if table.reading(config) != table.ATTRIBUTES:
        return ()
    if config.classes in ((table.AUTO,), (table.ATTRIBUTES,), (table.ALL,)):
        return tuple(attribute_names)
    for name in config.classes:
        if not attribute_names:
            raise ValueError(
                f"--classes names {name}, but the data set has no attributes. Pass "
                "--classes=none to switch the classifier off, or --classes=attributes "
                "for whatever a set has."
            )
        check_choice("classes", name, tuple(attribute_names))
    return tuple(config.classes)


def outputs(config: Config, attribute_names: Sequence[str]) -> int:
    """The classifier's number of logits; 0 where there is nothing to learn."""
    if table.reading(config) == table.IDENTITY:
        return config.identities
    count = len(chosen(config, attribute_names))
    # One more class: none of them.
    return count + 1 if count and config.classification == "multi_class" else count


def of_split(config: Config, split: DecodedSplit) -> np.ndarray | None:
    """The labels of a training split's images, or None if there is nothing to learn.

    Returns:
      float32 [N, K], 0 or 1, of "multi_label"; int32 [N] of "multi_class": the number
      of the first class that is there, counted from 1, or 0 for none of them; int32
      [N] of people: the rank by their number of images, counted from 0, or -1 for
      others.

    Raises:
      ValueError: If the set does not say who is in an image, or lacks an attribute.
    """
    info = split.source.info
    if table.reading(config) == table.IDENTITY:
        if "identity" not in split.fields:
            raise ValueError(
                f"--classes=identity needs to know who is in each image, which "
                f"{info.title} does not say. lfw does, and celeb_a does where "
                "identity_CelebA.txt lies beside its lists; pass --classes=attributes "
                "or --classes=none for others."
            )
        return ranked(split.fields["identity"], config.identities)
    names = chosen(config, info.attribute_names)
    if not names:
        return None
    columns = [info.attribute_names.index(name) for name in names]
    there = split.fields["attributes"][:, columns]
    if config.classification == "multi_label":
        return there.astype(np.float32)
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1, 0).astype(np.int32)


def ranked(people: Sequence[str], count: int) -> np.ndarray:
    """Each image's person: their rank by number of images, or -1 beyond `count`.

    Of people with equally many images the first by name is first. Returns int32 [N].
    """
    images = collections.Counter(map(str, people))
    order = sorted(images, key=lambda person: (-images[person], person))
    ranks = {person: rank for rank, person in enumerate(order[:count])}
    return np.array([ranks.get(str(person), -1) for person in people], np.int32)
