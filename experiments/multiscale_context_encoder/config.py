"""Do et al.'s hyper-parameters and presets."""

from __future__ import annotations

import dataclasses

from data_pipeline.choices import check_choice
from experiments.core.command_line import check_at_least, hp, hp_like
from experiments.core.config import InpaintingConfig, check_hole_fill, check_shift
from models import multiscale_context_encoder

OPTIMIZERS = ("adam", "sgd")
RECONSTRUCTIONS = ("l1", "l2")
# Of the training split at 250 px, measured; in [-1, 1].
LFW_MEAN_COLOR = (-0.16, -0.27, -0.35)
RIM_WEIGHT = 10.0  # of the patch's rim in the loss, as in Pathak et al.


@dataclasses.dataclass(frozen=True)
class Config(InpaintingConfig):
    """Section III; what it leaves open is from Pathak et al.'s context encoder."""

    dataset: str = hp_like(
        InpaintingConfig, "dataset", "celeb_a_hq", published="CelebA-HQ and LFW"
    )
    crop: str = hp_like(InpaintingConfig, "crop", "none", published="not stated")
    split_by: str = hp_like(
        InpaintingConfig, "split_by", published="80% and 20%, not which"
    )
    lfw_subset: int = hp(
        0,
        "Splits so many images of LFW, chosen by the seed, instead of all.",
        published="12,234 in Table III, 13,234 in the text; the set has 13,233",
    )
    scales: int = hp(
        3, "Sizes of the image that are encoded; 1 is the context encoder.",
        published="3, and 1 for comparison",
    )  # fmt: skip
    aggregation: str = hp(
        "add",
        "How features are joined, one of "
        f"{', '.join(multiscale_context_encoder.AGGREGATIONS)}.",
        published="both; Tables IV and V have add",
    )
    downsampling: str = hp(
        "pool",
        "pool: max pooling; stride: convolutions of stride 2.",
        published="pooling, by the text",
    )
    bottleneck: str = hp(
        "none",
        "Between encoders and decoder, one of "
        f"{', '.join(multiscale_context_encoder.BOTTLENECKS)}: fully connected over "
        "places, with a matrix for every channel, or one for all.",
        published="none in Tables I and II; the context encoder that it builds on has "
        "a channel-wise fully connected layer",
    )
    separable: bool = hp(
        False, "Depthwise separable convolutions.", published="as future work"
    )
    image_size: int = hp(250, "Side of the image, pixels.", published="250")
    hole_size: int = hp(
        64,
        "Side of the hole in the center, pixels: that of the generated patch, less "
        "twice --overlap.",
        published="64",
    )
    overlap: int = hp(
        0,
        "Width of the patch's rim outside of the hole, pixels; its loss weighs "
        f"{RIM_WEIGHT:g} times as much. 4 in Pathak et al.'s released training.",
        published="not stated",
    )
    hole_fill: tuple[float, ...] = hp(
        (0.0,),
        "What stands in the hole, in [-1, 1]: one number, or three for red, green and "
        "blue, such as the data set's mean color of Pathak et al.: "
        f"{','.join(map(str, LFW_MEAN_COLOR))} for LFW.",
        published="not stated",
    )
    train_mask: str = hp_like(
        InpaintingConfig,
        "train_mask",
        "center",
        meaning="The hole in training.",
        published="not stated",
    )
    test_mask: str = hp_like(
        InpaintingConfig,
        "test_mask",
        "center",
        meaning="The hole in tests.",
        published="not stated",
    )
    shift: int = hp(
        10,
        "Training images are flipped and moved by up to so many pixels; 0 leaves them "
        "as they are.",
        published="the standard augmentation of its reference 16",
    )
    widths: tuple[int, ...] = hp(
        multiscale_context_encoder.WIDTHS, "Channels of the largest encoder's levels.",
        published="32, 64, 128, 512",
    )  # fmt: skip
    decoder_widths: tuple[int, ...] = hp(
        multiscale_context_encoder.DECODER_WIDTHS, "Channels of the decoder's levels.",
        published="128, 64",
    )  # fmt: skip
    discriminator_widths: tuple[int, ...] = hp(
        (64, 128, 256, 512), "Channels of its levels.", published="not stated"
    )
    epochs: int = hp(
        300, "Passes over the training images.", published="300", length=True
    )
    batch_size: int = hp(32, "Images a step, over all replicas.", published="32")
    optimizer: str = hp(
        "adam",
        "adam: the momentum is beta_1; sgd: the literal reading.",
        published="a fixed momentum of 0.9",
    )
    momentum: float = hp(0.9, "Of the generator's optimizer.", published="0.9")
    learning_rate: float = hp(
        1e-3, "Of the generator in the first epochs.", published="0.001"
    )
    discriminator_rate: float = hp(
        0.1,
        "The discriminator's learning rate, as a part of the generator's.",
        published="not stated; a tenth in Pathak et al.'s released training",
        formerly=1.0,
    )
    discriminator_momentum: float = hp(
        0.5,
        "Of the discriminator's optimizer.",
        published="not stated; 0.5 in Pathak et al.'s released training",
        formerly=0.9,
    )
    learning_rate_factor: float = hp(
        0.9,
        "What the learning rate is multiplied by; 0.1 is the other reading.",
        published="it keeps reducing 10% after every 50 epochs",
    )
    learning_rate_epochs: int = hp(50, "Epochs between reductions.", published="50")
    reconstruction: str = hp(
        "l2", f"Its loss, one of {', '.join(RECONSTRUCTIONS)}.", published="not stated"
    )
    reconstruction_weight: float = hp(
        0.999, "Of the reconstruction loss.", published="not stated"
    )
    adversarial_weight: float = hp(
        0.001, "Of the adversarial loss.", published="not stated"
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("scales", self.scales, multiscale_context_encoder.SCALES)
        check_choice(
            "aggregation", self.aggregation, multiscale_context_encoder.AGGREGATIONS
        )
        check_choice(
            "downsampling", self.downsampling, multiscale_context_encoder.DOWNSAMPLING
        )
        check_choice(
            "bottleneck", self.bottleneck, multiscale_context_encoder.BOTTLENECKS
        )
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_at_least("overlap", self.overlap, 0)
        for flag in ("learning_rate", "discriminator_rate"):
            check_at_least(flag, getattr(self, flag), 0)
        check_choice("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        check_at_least("learning_rate_epochs", self.learning_rate_epochs, 1)
        for flag in ("train_mask", "test_mask"):
            if getattr(self, flag) != "center":
                raise ValueError(
                    f"--{flag} must be center: this network draws the center of the "
                    f"image and nothing else; got {getattr(self, flag)!r}. "
                    "experiments.skip_inpainting fills holes elsewhere."
                )
        side = self.patch_size - 2 * self.overlap
        if self.hole_size != side or side < 1:
            rim = f" and --overlap={self.overlap}" if self.overlap else ""
            raise ValueError(
                f"--hole_size must be {side} for --image_size={self.image_size}{rim}: "
                f"{len(self.widths)} levels halve the image and the decoder doubles "
                f"twice; got {self.hole_size}."
            )
        check_shift(self)
        check_hole_fill(self.hole_fill)
        if self.lfw_subset and self.dataset != "lfw":
            raise ValueError(
                f"--lfw_subset is for --dataset=lfw; got --dataset={self.dataset}."
            )

    @property
    def patch_size(self) -> int:
        """Side of the generated patch, pixels."""
        levels = len(self.widths)
        return multiscale_context_encoder.patch_size(self.image_size, levels)


LFW = {"dataset": "lfw"}
SMALL = {
    "dataset": "faces",
    "image_size": 128,
    "hole_size": 32,
    "widths": (16, 32, 64, 128),
    "decoder_widths": (64, 32),
    "discriminator_widths": (32, 64, 128),
}
PRESETS = {
    "paper": {},
    "celebahq_add": {},
    "celebahq_concat": {"aggregation": "concat"},
    "celebahq_context_encoder": {"scales": 1},
    "lfw_add": LFW,
    "lfw_concat": {**LFW, "aggregation": "concat"},
    "lfw_context_encoder": {**LFW, "scales": 1},
    "lfw_add_bottleneck": {**LFW, "bottleneck": "shared_fc"},
    "lfw_context_encoder_bottleneck": {**LFW, "scales": 1, "bottleneck": "shared_fc"},
    # Pathak et al.'s released training.
    "pathak": {
        **LFW,
        "scales": 1,
        "bottleneck": "channelwise_fc",
        "hole_fill": LFW_MEAN_COLOR,
        "overlap": 4,
        "hole_size": 56,
        "momentum": 0.5,
    },
    "scales1": {"scales": 1},
    "scales2": {"scales": 2},
    "stride": {"downsampling": "stride"},
    "separable": {"separable": True},
    "cpu": {**SMALL, "batch_size": 16, "epochs": 3, "limit": 5000, "ema_decay": 0.99},
    "smoke": {
        **SMALL,
        "image_size": 64,
        "hole_size": 16,
        "widths": (4, 8, 8, 16),
        "decoder_widths": (8, 8),
        "discriminator_widths": (8, 16),
        "batch_size": 8,
        "epochs": 2,
        "limit": 40,
        "validation_images": 8,
        "shift": 2,
    },
}
# Of the paper's tables and figures, in their order.
REPRODUCED = (
    *("celebahq_add", "celebahq_concat", "celebahq_context_encoder"),
    *("lfw_add", "lfw_concat", "lfw_context_encoder"),
)


def label(config: Config) -> str:
    """The network's name in tables."""
    if config.scales == 1:
        parts = ["context encoder"]
    else:
        parts = [f"multi-scale ({config.aggregation})"]
        parts += [f"{config.scales} scales"] if config.scales != 3 else []
    named = {"channelwise_fc": "channel-wise fc", "shared_fc": "shared fc"}
    parts += [named[config.bottleneck]] if config.bottleneck != "none" else []
    parts += [f"overlap {config.overlap}"] if config.overlap else []
    parts += ["strides"] if config.downsampling == "stride" else []
    parts += ["separable"] if config.separable else []
    return ", ".join(parts)
