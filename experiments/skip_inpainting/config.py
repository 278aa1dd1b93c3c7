"""Jiang & Zhang's hyper-parameters and presets, and those of our restorer."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from data_pipeline import masks
from data_pipeline.choices import check_choice
from experiments.core.command_line import check_at_least, hp, hp_like
from experiments.core.config import InpaintingConfig, check_hole_fill, check_shift
from models import skip_inpainting

LOSSES = ("paper", "swapped", "perceptual")
DECAYS = ("none", "linear")
PATCH_MASKS = ("center", "random_square")
_OURS = "not in the paper"
# The mean of both training sets of --preset=restorer, R, G and B in [-1, 1]. One color
# for all images, so that an export fills a hole as training did; the mean of an image's
# own known pixels would tell the network nothing that they do not.
MEAN_COLOR = (-0.02, -0.19, -0.29)


@dataclasses.dataclass(frozen=True)
class Config(InpaintingConfig):
    """Section 4.3; what it leaves open is from the implementation it starts from.

    What is published as "not in the paper" is of --preset=restorer, which is ours.
    """

    model: int = hp(
        3,
        "0 has a channel-wise fully connected layer, 1 has none, 2 restores the whole "
        "image, 3 has skip connections.",
        published="0, 1 (Table 1), 2, 3 (Table 2); 3 is the final design",
    )
    bottleneck: str = hp(
        "channelwise_fc",
        f"Of model 0, one of {', '.join(skip_inpainting.BOTTLENECKS)}.",
        published="a channel-wise fully connected layer",
    )
    mask_channel: bool = hp(
        False,
        "The mask is a fourth channel of the image that the network is given.",
        published=_OURS,
    )
    eigenfaces: int = hp(
        0,
        "So many principal components of the training images fill the hole before the "
        "network sees it; 0 leaves --hole_fill there. It needs --mask_channel.",
        published=_OURS,
    )
    image_size: int = hp(128, "Side of the image, pixels.", published="128")
    hole_size: int = hp(64, "Side of the square hole, pixels.", published="64")
    hole_fill: tuple[float, ...] = hp(
        (1.0,),
        "What stands in the hole, in [-1, 1]: one number, or three for red, green and "
        "blue.",
        published="not stated",
    )
    train_mask: str = hp_like(
        InpaintingConfig,
        "train_mask",
        "random_square",
        published="a square at a random place",
    )
    test_mask: str = hp_like(
        InpaintingConfig, "test_mask", "center", published="the center square"
    )
    mixed_shares: tuple[float, ...] = hp(
        masks.MIXTURE.shares,
        "How often a hole of the kind mixed is a square, a rectangle, strokes, the "
        "center square and a region of the face, in proportion.",
        published=_OURS,
    )
    mixed_sides: tuple[float, ...] = hp(
        masks.MIXTURE.sides,
        "Smallest and largest side of mixed squares and rectangles, over the image's.",
        published=_OURS,
    )
    region_jitter: float = hp(
        masks.MIXTURE.jitter,
        "How far the edges of a mixed region move, over the image's side. Regions are "
        "where faces have them as CelebA frames them, such as LFW with --crop=190.",
        published=_OURS,
    )
    shift: int = hp(
        0,
        "Training images are flipped and moved by up to so many pixels; 0 leaves them.",
        published=_OURS,
    )
    extra_dir: str = hp(
        "",
        "Folder of more training photographs, whole images that are fitted to the "
        "size; searched recursively, only its train/ if it has one. Validation and "
        "test images stay those of --dataset.",
        published=_OURS,
        path_or_word=True,
    )
    test_dir: str = hp(
        "",
        "Folder of photographs to be tested in place of the test images of --dataset, "
        "whole images that are fitted to the size; only its test/ if it has one.",
        published=_OURS,
        path_or_word=True,
        measures_only=True,
    )
    crop: str = hp_like(InpaintingConfig, "crop", "none", published="not stated")
    split_by: str = hp_like(InpaintingConfig, "split_by", published="not stated")
    widths: tuple[int, ...] = hp(
        skip_inpainting.WIDTHS,
        "Channels of the encoder's levels.",
        published="not stated",
    )
    discriminator_widths: tuple[int, ...] = hp(
        (64, 128, 256, 512), "Channels of its levels.", published="not stated"
    )
    batch_deviation: bool = hp(
        False,
        "The discriminator sees how much the images of a batch differ (Karras et al. "
        "2018), and so whether every face gets the same features.",
        published=_OURS,
    )
    epochs: int = hp(
        40, "Passes over the training images.", published="40", length=True
    )
    batch_size: int = hp(
        64,
        "Images a step, over all replicas.",
        published="not stated; 4 in the implementation it starts from",
    )
    learning_rate: float = hp(2e-4, "Of Adam, both networks.", published="0.0002")
    beta_1: float = hp(0.5, "Of Adam.", published="not stated")
    beta_2: float = hp(0.999, "Of Adam.", published="not stated")
    learning_rate_decay: str = hp(
        "none",
        "none, or linear: it falls to 0 at the end of --epochs.",
        published=_OURS,
    )
    decay_share: float = hp(
        0.25, "Part of the training in which a linear decay falls.", published=_OURS
    )
    reconstruction_weight: float = hp(
        0.999, "Of L_rec in the joint loss.", published="0.999"
    )
    known_weight: float = hp(
        0.1,
        "Of known pixels in L_rec, where missing ones weigh 1; of --losses=perceptual.",
        published=_OURS,
    )
    perceptual_weight: float = hp(
        4.0,
        "Of LPIPS in the joint loss, of --losses=perceptual; of a hole that takes a "
        "quarter of the image, and more of a smaller one.",
        published=_OURS,
    )
    adversarial_weight: float = hp(
        0.001,
        "Of L_adv in the joint loss. 0 trains without the discriminator, which a later "
        "run can take up with --initial; each image then takes about half the time.",
        published="0.001",
    )
    losses: str = hp(
        "paper",
        "paper: L2 reconstruction, L1 adversarial; swapped: the other way round, as in "
        "the implementation it starts from; perceptual: L1, LPIPS and a hinge loss, "
        "the last two of the composite. It needs --lpips_weights.",
        published="L2 and L1",
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("losses", self.losses, LOSSES)
        check_choice("model", self.model, skip_inpainting.MODELS)
        check_choice("learning_rate_decay", self.learning_rate_decay, DECAYS)
        _ = self.mixture  # which checks itself
        check_hole_fill(self.fill)
        if len(self.fill) == 1:  # runs of before have a number in their config.json
            object.__setattr__(self, "hole_fill", self.fill[0])
        for flag in ("known_weight", "perceptual_weight"):
            check_at_least(flag, getattr(self, flag), 0)
        check_shift(self)
        check_at_least("eigenfaces", self.eigenfaces, 0)
        if not 0 < self.decay_share <= 1:
            raise ValueError(
                f"--decay_share must be in (0, 1]; got {self.decay_share}."
            )
        skip_inpainting.check_image_size(self.image_size, self.widths)
        if self.fills_patch:
            if self.losses == "perceptual":
                raise ValueError(
                    "--losses=perceptual is for models 2 and 3, which give the whole "
                    f"image; got --model={self.model}."
                )
            for flag in ("train_mask", "test_mask"):
                if getattr(self, flag) not in PATCH_MASKS:
                    raise ValueError(
                        f"--{flag} must be one of {', '.join(PATCH_MASKS)} for models "
                        f"0 and 1, which fill one square; got {getattr(self, flag)!r}."
                    )
            if self.hole_size * 2 != self.image_size:
                raise ValueError(
                    "--hole_size must be half of --image_size for models 0 and 1, "
                    "whose decoders stop there; got "
                    f"{self.hole_size} and {self.image_size}."
                )
        if self.eigenfaces and (self.fills_patch or not self.mask_channel):
            raise ValueError(
                "--eigenfaces is for models 2 and 3 with --mask_channel, which tells "
                "the network what is a guess."
            )

    @property
    def fills_patch(self) -> bool:
        """Whether the model gives the patch under the hole, not the whole image."""
        return self.model in (0, 1)

    @property
    def fill(self) -> tuple[float, ...]:
        """Fill of the hole: one number, or three for RGB."""
        fill = self.hole_fill
        return tuple(fill) if isinstance(fill, Sequence) else (fill,)

    @property
    def mixture(self) -> masks.Mixture:
        """Holes of the kind mixed."""
        return masks.Mixture(
            tuple(self.mixed_shares), tuple(self.mixed_sides), self.region_jitter
        )


RESTORER = "restorer (not in the paper)"  # what tables call --losses=perceptual
PRESETS = {
    "paper": {"model": 3},
    "model0": {"model": 0},
    "model1": {"model": 1},
    "model2": {"model": 2},
    "model3": {"model": 3},
    "bottleneck4000": {"model": 0, "bottleneck": "conv4000"},
    # Ours: a restorer for use, not what the paper describes.
    "restorer": {
        "model": 3,
        "mask_channel": True,
        "eigenfaces": 256,
        "hole_fill": MEAN_COLOR,
        "train_mask": "mixed",
        "mixed_shares": (0.1, 0.15, 0.1, 0.3, 0.35),
        "shift": 1,  # eigenfaces are of faces that lie at one place
        "losses": "perceptual",
        # The gradient of LPIPS is the largest of the three by far. Alone with a small
        # L1 it paints one face into every hole.
        "reconstruction_weight": 4.0,
        "perceptual_weight": 1.0,
        "adversarial_weight": 0.05,
        "batch_deviation": True,
        "batch_size": 16,
        "epochs": 49,  # a million images of LFW and 10,500 more
        "learning_rate_decay": "linear",
        "ema_decay": 0.998,
        "precision": "mixed_bfloat16",
    },
    "cpu": {
        "image_size": 64,
        "hole_size": 32,
        "widths": (32, 32, 64, 128, 256),
        "discriminator_widths": (32, 64, 128),
        "batch_size": 16,
        "epochs": 6,
        "learning_rate": 1e-3,
        "ema_decay": 0.99,
        "limit": 5000,
    },
    "smoke": {
        "image_size": 32,
        "hole_size": 16,
        "widths": (8, 8, 16),
        "discriminator_widths": (8, 16),
        "batch_size": 8,
        "epochs": 2,
        "limit": 40,
        "validation_images": 8,
    },
}
# Of the paper's tables and figures, in their order.
REPRODUCED = ("model3", "model2", "model1", "model0")


def label(config: Config) -> str:
    """The network's name in tables."""
    if config.losses == "perceptual":
        return RESTORER
    name = f"model {config.model}"
    if config.model == 0 and config.bottleneck == "conv4000":
        name += " (4000 channels)"
    if config.mask_channel:
        name += " with a mask channel"
    if config.eigenfaces:
        name += f" and {config.eigenfaces} eigenfaces"
    return name
