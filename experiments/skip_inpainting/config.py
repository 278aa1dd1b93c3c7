"""Jiang & Zhang's hyper-parameters and presets."""

from __future__ import annotations

import dataclasses

from data_pipeline.choices import check_choice
from experiments.core.command_line import hp, hp_like
from experiments.core.config import InpaintingConfig
from models import skip_inpainting

LOSSES = ("paper", "swapped")
PATCH_MASKS = ("center", "random_square")


@dataclasses.dataclass(frozen=True)
class Config(InpaintingConfig):
    """Section 4.3; what it leaves open is from the implementation it starts from."""

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
    image_size: int = hp(128, "Side of the image, pixels.", published="128")
    hole_size: int = hp(64, "Side of the square hole, pixels.", published="64")
    hole_fill: float = hp(
        1.0, "What stands in the hole, in [-1, 1].", published="not stated"
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
    crop: str = hp_like(InpaintingConfig, "crop", "none", published="not stated")
    widths: tuple[int, ...] = hp(
        skip_inpainting.WIDTHS,
        "Channels of the encoder's levels.",
        published="not stated",
    )
    discriminator_widths: tuple[int, ...] = hp(
        (64, 128, 256, 512), "Channels of its levels.", published="not stated"
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
    reconstruction_weight: float = hp(
        0.999, "Of L_rec in the joint loss.", published="0.999"
    )
    adversarial_weight: float = hp(
        0.001, "Of L_adv in the joint loss.", published="0.001"
    )
    losses: str = hp(
        "paper",
        "paper: L2 reconstruction, L1 adversarial; swapped: the other way round, as in "
        "the implementation it starts from.",
        published="L2 and L1",
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("losses", self.losses, LOSSES)
        check_choice("model", self.model, skip_inpainting.MODELS)
        skip_inpainting.check_image_size(self.image_size, self.widths)
        if self.fills_patch:
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

    @property
    def fills_patch(self) -> bool:
        """Whether the model gives the patch under the hole, not the whole image."""
        return self.model in (0, 1)


PRESETS = {
    "paper": {"model": 3},
    "model0": {"model": 0},
    "model1": {"model": 1},
    "model2": {"model": 2},
    "model3": {"model": 3},
    "bottleneck4000": {"model": 0, "bottleneck": "conv4000"},
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


def label(config: Config) -> str:
    """What tables call the network."""
    name = f"model {config.model}"
    if config.model == 0 and config.bottleneck == "conv4000":
        name += " (4000 channels)"
    return name
