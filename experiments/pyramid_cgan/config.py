"""Chen et al.'s hyper-parameters and presets."""

from __future__ import annotations

import dataclasses

from data_pipeline.choices import check_choice
from experiments.core.command_line import check_at_least, hp, hp_like
from experiments.core.config import InpaintingConfig
from models import discriminators, pyramid_cgan

# Readings of --classes; anything else is the name of an attribute.
AUTO, IDENTITY, ATTRIBUTES, NONE = "auto", "identity", "attributes", "none"
ALL = "all"  # ATTRIBUTES, as earlier versions called it
KINDS = ("multi_label", "multi_class")
CONFIGURATIONS = {
    "a": "plain",
    "b": "pyramid",
    "c": "pyramid, dilation",
    "d": "pyramid, dilation, local discriminator",
}


@dataclasses.dataclass(frozen=True)
class Config(InpaintingConfig):
    """Sections 3 and 4; what they leave open is said with each flag."""

    configuration: str = hp(
        "d",
        "a: a plain generator; b: with the pyramid; c: and dilation; d: and the local "
        "discriminator.",
        published="all four, Fig. 3; d is the full approach",
    )
    width: float = hp(
        1.0,
        "Multiplies every number of channels, of all networks.",
        published="Table 1 has the generator's channels",
    )
    norm: str = hp(
        "batch",
        f"Of the generator, one of {', '.join(pyramid_cgan.NORMS)}.",
        published="not stated; the model is based on DCGAN",
    )
    dataset: str = hp_like(InpaintingConfig, "dataset", "celeb_a", published="CelebA")
    crop: str = hp_like(InpaintingConfig, "crop", published="not stated")
    split_by: str = hp_like(InpaintingConfig, "split_by", published="not stated")
    image_size: int = hp(128, "Side of the image, pixels.", published="not stated")
    hole_size: int = hp(
        64,
        "Longest side of the hole, pixels; the shortest is 3/4 of it.",
        published="not stated",
    )
    hole_fill: float = hp(
        0.0, "What stands in the hole, in [-1, 1].", published="not stated"
    )
    train_mask: str = hp_like(
        InpaintingConfig,
        "train_mask",
        "random_rectangle",
        meaning="The hole in training.",
        published="drawn for each image",
    )
    test_mask: str = hp_like(
        InpaintingConfig,
        "test_mask",
        "random_rectangle",
        meaning="The hole in tests.",
        published="not stated",
    )
    patch_size: int = hp(
        64,
        "Side of the crop around the hole that the local discriminator sees, pixels.",
        published="a small area around the completed region",
    )
    classes: tuple[str, ...] = hp(
        (AUTO,),
        "Classes of the classifier. identity: the people with the most training "
        "images, of whom one is right; attributes: those that the data set has, or "
        "some by their names; none: there is no classifier; auto: identity on lfw, "
        "else attributes, of sets that have any.",
        published="a general multiclass classifier; 300 outputs in the authors' code",
    )
    identities: int = hp(
        300,
        "N, people whom the classifier learns with --classes=identity; images of "
        "others count nothing to it.",
        published="not stated; 300 outputs in the authors' code",
    )
    classification: str = hp(
        "multi_label",
        "Of attributes. multi_label: each is there or not; multi_class: one class is "
        "right, the first attribute that is there, or none of them.",
        published="a general multiclass classifier, P(Y = y | x)",
    )
    classifier_on_fake: bool = hp(
        True,
        "The classifier learns from restored images as well as from real ones.",
        published="yes, by line 10 of Algorithm 1",
    )
    steps: int = hp(5000, "Training steps.", published="5000", length=True)
    generator_steps: int = hp(
        900, "T_g, steps that the generator has for itself.", published="not stated"
    )
    discriminator_steps: int = hp(
        100,
        "T_d, steps that discriminator and classifier have for themselves.",
        published="not stated",
    )
    history_steps: int = hp(
        100, "Steps between rows of history.csv, validation and pictures."
    )
    batch_size: int = hp(
        32, "Images a step, over all replicas.", published="not stated"
    )
    learning_rate: float = hp(
        2e-4, "Of Adam, all networks.", published="not stated; DCGAN's"
    )
    beta_1: float = hp(0.5, "Of Adam.", published="not stated; DCGAN's")
    reconstruction_weight: float = hp(
        1.0, "Of the L2 of missing pixels.", published="no reconstruction loss"
    )
    adversarial_weight: float = hp(
        4e-4, "Of the adversarial loss, Eq. 2.", published="not stated"
    )
    classification_weight: float = hp(
        1e-3, "Of the classifier's loss on restored images, Eq. 5.",
        published="not stated",
    )  # fmt: skip

    def __post_init__(self):
        super().__post_init__()
        check_choice("configuration", self.configuration, pyramid_cgan.CONFIGURATIONS)
        check_choice("norm", self.norm, pyramid_cgan.NORMS)
        check_choice("classification", self.classification, KINDS)
        check_at_least("history_steps", self.history_steps, 1)
        check_at_least("identities", self.identities, 2)
        reserved = {AUTO, IDENTITY, ATTRIBUTES, NONE, ALL} & set(self.classes)
        if reserved and len(self.classes) > 1:
            raise ValueError(
                f"--classes={','.join(self.classes)} mixes {min(reserved)} with other "
                "values; it stands alone. Name attributes, or pass one of identity, "
                "attributes, none and auto."
            )
        for flag in ("generator_steps", "discriminator_steps"):
            check_at_least(flag, getattr(self, flag), 0)
        for flag in ("reconstruction", "adversarial", "classification"):
            check_at_least(f"{flag}_weight", getattr(self, f"{flag}_weight"), 0)
        if not self.reconstruction_weight and not self.adversarial_weight:
            raise ValueError(
                "--reconstruction_weight and --adversarial_weight are both 0: then "
                "nothing tells the generator what to draw."
            )
        if not self.width > 0:
            raise ValueError(f"--width must be above 0; got {self.width}.")
        # Discriminators and classifier halve images more often than the generator.
        halvings = {"image_size": discriminators.GLOBAL_WIDTHS}
        if self.configuration == "d":
            halvings["patch_size"] = discriminators.LOCAL_WIDTHS
        for flag, widths in halvings.items():
            side = getattr(self, flag)
            discriminators.check_halvings(f"--{flag}", side, len(widths))
        if self.configuration == "d" and self.patch_size > self.image_size:
            raise ValueError(
                f"--patch_size must be at most {self.image_size}, the side of the "
                f"image; got {self.patch_size}."
            )


LITERAL = {
    "reconstruction_weight": 0.0,
    "adversarial_weight": 1.0,
    "classification_weight": 1.0,
    "classifier_on_fake": True,
}


def reading(config: Config) -> str:
    """What the classifier learns: `IDENTITY`, `ATTRIBUTES` or `NONE`."""
    if config.classes == (AUTO,):
        return IDENTITY if config.dataset == "lfw" else ATTRIBUTES
    if config.classes in ((), (NONE,)):
        return NONE
    return IDENTITY if config.classes == (IDENTITY,) else ATTRIBUTES


SMALL = {"dataset": "faces", "image_size": 64, "hole_size": 32, "patch_size": 32}
PRESETS = {
    "paper": {"configuration": "d"},
    "a": {"configuration": "a"},
    "b": {"configuration": "b"},
    "c": {"configuration": "c"},
    "d": {"configuration": "d"},
    "paper_literal": LITERAL,
    "cpu": {
        **SMALL,
        "width": 0.25,
        "batch_size": 16,
        "learning_rate": 5e-4,
        "steps": 1500,
        "generator_steps": 270,
        "discriminator_steps": 30,
        "history_steps": 150,
        "ema_decay": 0.99,
        "limit": 5000,
    },
    "smoke": {
        **SMALL,
        "image_size": 32,
        "hole_size": 16,
        "patch_size": 16,
        "width": 0.0625,
        "batch_size": 8,
        "steps": 7,
        "generator_steps": 2,
        "discriminator_steps": 1,
        "history_steps": 3,
        "limit": 40,
        "validation_images": 8,
    },
}
# Of the paper's tables and figures, in their order.
REPRODUCED = ("d", "c", "b", "a", "paper_literal")


def label(config: Config) -> str:
    """The network's name in tables."""
    parts = [f"({config.configuration}) {CONFIGURATIONS[config.configuration]}"]
    if all(getattr(config, key) == value for key, value in LITERAL.items()):
        parts.append("losses as printed")
    elif not config.reconstruction_weight:
        parts.append("no reconstruction loss")
    return ", ".join(parts)
