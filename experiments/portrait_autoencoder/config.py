"""Tan's hyper-parameters and presets, and those of the codecs."""

from __future__ import annotations

import dataclasses

from data_pipeline.choices import check_choice
from evaluation import tables
from experiments.core.command_line import check_at_least, hp, hp_like
from experiments.core.config import ReconstructionConfig
from models import portrait_autoencoder
from serving.codec import image_codec
from training import losses

CODEC = {
    "entropy": "factorized",
    "channels": 128,
    "activation": "gdn",
    "batch_size": 16,
    "epochs": 40,
    "learning_rate": 5e-4,
    "learning_rate_decay": "cosine",
    # One step in thousands has a gradient so large that Adam needs an epoch to recover.
    "clip_norm": 1.0,
    "train_side": 96,
}
LAMBDAS = (0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
# Beyond the paper: Ballé et al. (2018) and Minnen, Ballé & Toderici (2018).
HYPERPRIOR = {
    **CODEC,
    "entropy": "hyperprior",
    # Two hyper-latents a side; as many pixels a step as the codecs above.
    "train_side": 128,
    "batch_size": 9,
}
RATES = (0.0005, 0.001, 0.003, 0.01, 0.03, 0.1)
# Of the loss with MS-SSIM, whose errors are other numbers.
SIMILARITY_LAMBDAS = (2, 4, 8, 16, 32, 64)
PRESETS = {
    "paper": {},
    **{f"n{channels}": {"channels": channels} for channels in (64, 128, 192, 256)},
    "filters_5_5_3": {"kernels": (5, 5, 3)},
    "filters_9_5_5": {"kernels": (9, 5, 5)},
    "learning_rate_1e-2": {"learning_rate": 1e-2},
    "learning_rate_1e-3": {"learning_rate": 1e-3},
    "learning_rate_1e-5": {"learning_rate": 1e-5},
    "gdn": {"activation": "gdn"},
    "depth1": {"depth": 1},
    # Section 5.1's comparison, with a network to report it beside; the images that
    # validation takes come on top of the thousand.
    "learning_rates": {"limit": 1500, "epochs": 1, "first_epoch_seeds": 5},
    **{f"lambda_{lmbda:g}": {**CODEC, "lmbda": lmbda} for lmbda in LAMBDAS},
    **{
        f"hyperprior_{name}{lmbda:g}": {**HYPERPRIOR, **options, "lmbda": lmbda}
        for name, options in {"": {}, "n192_": {"channels": 192}}.items()
        for lmbda in LAMBDAS
    },
    **{
        f"hyperprior_ms_ssim_{lmbda:g}": {
            **HYPERPRIOR,
            "distortion": "ms_ssim",
            "lmbda": lmbda,
        }
        for lmbda in SIMILARITY_LAMBDAS
    },
    "rates": {**HYPERPRIOR, "lmbdas": RATES},
    "cpu": {
        **CODEC,
        "dataset": "faces",
        "image_size": 96,
        "channels": 64,
        "epochs": 8,
        "limit": 5000,
        "train_side": 64,
    },
    "smoke": {
        **CODEC,
        "dataset": "faces",
        "image_size": 32,
        "channels": 8,
        "batch_size": 8,
        "epochs": 2,
        "limit": 40,
        "validation_images": 8,
        "train_side": 16,
    },
}
# Of the paper's tables and figures, in their order.
REPRODUCED = (
    *("n192", "learning_rate_1e-2", "learning_rate_1e-3", "learning_rate_1e-5"),
    *("learning_rates", "filters_5_5_3", "filters_9_5_5", "gdn"),
    *(f"lambda_{lmbda:g}" for lmbda in LAMBDAS),
)


def label(config: Config) -> str:
    """The name in tables: N or λ, and what differs from their presets."""
    family = {"none": {}, "factorized": CODEC, "hyperprior": HYPERPRIOR}
    usual = type(config)(**family[config.entropy])
    named = [f"N = {config.channels}"]
    if config.entropy != "none":
        rate = f"λ = {config.lmbda:g}"
        if config.lmbdas:
            rate = f"{len(config.lmbdas)} rates"
            if tuple(config.lmbdas) != RATES:
                rate += f", λ = {config.lmbdas[0]:g} to {config.lmbdas[-1]:g}"
        named = [rate, *named]
        if config.channels == usual.channels:
            named.pop()
    if config.distortion == "ms_ssim":
        named.insert(0, "MS-SSIM")
    if config.entropy == "hyperprior":
        named.insert(0, "hyperprior")
    if config.activation != usual.activation:
        named.append({"gdn": "GDN", "relu": "ReLU"}[config.activation])
    if tuple(config.kernels) != tuple(usual.kernels):
        named.append("filters " + "/".join(map(str, config.kernels)))
    if config.depth:
        named.append(f"depth {config.depth}")
    if config.learning_rate != usual.learning_rate:
        named.append(f"learning rate {config.learning_rate:g}")
    if config.entropy == "none" and config.epochs != usual.epochs:
        named.append(tables.counted(config.epochs, "epoch"))
    return ", ".join(named)


ENTROPIES = ("none", "factorized", "hyperprior")
DISTORTIONS = ("mse", "ms_ssim")
DECAYS = ("none", "cosine")


@dataclasses.dataclass(frozen=True)
class Config(ReconstructionConfig):
    """Sections 3 to 5; what they leave open is in the departures."""

    dataset: str = hp_like(
        ReconstructionConfig, "dataset", "celeb_a", published="CelebA"
    )
    image_size: int = hp(192, "Side of the image, pixels.", published="192")
    crop: str = hp_like(
        ReconstructionConfig, "crop", "none", published="none; images are reshaped"
    )
    split_by: str = hp_like(
        ReconstructionConfig,
        "split_by",
        published="180,000, 10,000 and 10,000 images, not which",
    )
    channels: int = hp(
        portrait_autoencoder.CHANNELS,
        "N, of all layers and of the code.",
        published="not stated in the text",
    )
    kernels: tuple[int, ...] = hp(
        portrait_autoencoder.KERNELS,
        "Sides of the analysis's three kernels; the synthesis has them reversed.",
        published="5x5 and 3x3, not in which layers",
    )
    activation: str = hp(
        "relu",
        f"One of {', '.join(portrait_autoencoder.ACTIVATIONS)}.",
        published="ReLU",
    )
    depth: int = hp(
        0,
        "Residual pairs of convolutions a stage.",
        published="deeper networks are future work",
    )
    entropy: str = hp(
        "none",
        "none is the paper, whose code is real numbers; factorized makes a codec: "
        "rounded latents, and the bits they take in the loss; hyperprior, which is not "
        "the paper's, one whose files first say how the latents are distributed.",
        published="the mean squared error alone",
    )
    distortion: str = hp(
        "mse",
        "mse, or ms_ssim: 1 - MS-SSIM over three scales, which is not the paper's.",
        published="mean squared error",
    )
    lmbda: float = hp(
        0.01,
        "λ of a codec, whose loss is bits per pixel + λ · 255² · MSE, or λ · (1 - "
        "MS-SSIM). Larger makes larger files and better pictures.",
    )
    lmbdas: tuple[float, ...] = hp(
        (),
        "λ of several rates, rising, which one codec with a hyperprior learns "
        "together: its files then have a quality, from 0 (the first) to 100 (the "
        "last). Losses are weighted by the root of --lmbda / λ; --lmbda is the rate of "
        "validation.",
    )
    batch_size: int = hp(50, "Images a step, over all replicas.", published="50")
    epochs: int = hp(3, "Passes over the training images.", published="3", length=True)
    learning_rate: float = hp(
        1e-4,
        "Of Adam.",
        published="1e-4; after one epoch over 1,000 samples 1e-3 and 1e-5 are worse; "
        "1e-2 soon gives black images only",
    )
    learning_rate_decay: str = hp(
        "none",
        "none, or cosine: it falls to 0 at the end of --epochs.",
        published="not stated",
    )
    train_side: int = hp(
        0,
        "Side of random squares of the training images to learn from, pixels, instead "
        "of the whole; 0 takes the whole. Squares of half the side take a quarter of "
        "the time.",
        published="the whole image",
    )
    uint8_wrap: bool = hp(
        False,
        "The report also has the error as 8-bit arithmetic gives it that overflows, "
        "which is what the paper's table seems to be.",
        measures_only=True,
    )
    first_epoch_seeds: int = hp(
        0,
        "The report also compares learning rates as Section 5.1 does, by the cost "
        "after one epoch over 1,000 images: so many networks are trained for each "
        "rate. 0 leaves it out.",
        measures_only=True,
    )
    other_images: str = hp(
        "",
        "Folder of images without faces, for the report; empty draws some.",
        published="one photograph of a lamp",
        path=True,
    )

    def __post_init__(self):
        super().__post_init__()
        check_choice("entropy", self.entropy, ENTROPIES)
        check_choice("distortion", self.distortion, DISTORTIONS)
        check_choice("learning_rate_decay", self.learning_rate_decay, DECAYS)
        check_choice("activation", self.activation, portrait_autoencoder.ACTIVATIONS)
        check_at_least("channels", self.channels, 1)
        check_at_least("shift", self.shift, 0)
        check_at_least("first_epoch_seeds", self.first_epoch_seeds, 0)
        if self.first_epoch_seeds and self.entropy != "none":
            raise ValueError(
                f"--first_epoch_seeds={self.first_epoch_seeds} compares learning rates "
                f"of the paper's network; with --entropy={self.entropy} leave it out."
            )
        portrait_autoencoder.check(
            self.image_size, self.kernels, self.activation, self.depth
        )
        if self.entropy != "none" and self.checkpoint == "best":
            raise ValueError(
                "--checkpoint=best takes the lowest error, whatever the files then "
                "take; a codec is judged by both. Leave the flag out."
            )
        seen = portrait_autoencoder.reach(self.kernels, self.depth)
        if self.entropy != "none" and seen > image_codec.MARGIN_PIXELS:
            raise ValueError(
                f"--depth={self.depth} with these --kernels sees {seen} pixels around, "
                "and tiles of large pictures overlap by "
                f"{image_codec.MARGIN_PIXELS}: they would show seams. Take a smaller "
                "--depth."
            )
        if self.train_side:
            portrait_autoencoder.check_side("train_side", self.train_side)
            if self.train_side > self.image_size or self.shift:
                raise ValueError(
                    f"--train_side={self.train_side} must be at most --image_size="
                    f"{self.image_size}, and goes without --shift, which squares "
                    f"anywhere make needless; got --shift={self.shift}."
                )
        seen = self.train_side or self.image_size
        if self.distortion == "ms_ssim" and seen < losses.MS_SSIM_SIDE:
            raise ValueError(
                f"--distortion=ms_ssim needs images of {losses.MS_SSIM_SIDE} px, which "
                f"its window takes at the coarsest scale; got {seen}. Raise "
                "--train_side and --image_size, or leave the flag out."
            )
        if self.lmbda <= 0:
            raise ValueError(f"--lmbda must be above 0; got {self.lmbda}.")
        if self.lmbdas:
            self._check_rates()

    def _check_rates(self) -> None:
        """Raises a ValueError unless --lmbdas are rates of one codec."""
        rising = all(a < b for a, b in zip(self.lmbdas, self.lmbdas[1:]))
        if len(self.lmbdas) < 2 or self.lmbdas[0] <= 0 or not rising:
            raise ValueError(
                "--lmbdas must be two rates or more, above 0 and rising; got "
                f"{', '.join(f'{lmbda:g}' for lmbda in self.lmbdas)}."
            )
        if self.entropy != "hyperprior":
            raise ValueError(
                f"--lmbdas needs --entropy=hyperprior; got {self.entropy}: one table a "
                "channel does not fit several rates. Pass --lmbda instead."
            )
        if not self.lmbdas[0] <= self.lmbda <= self.lmbdas[-1]:
            raise ValueError(
                f"--lmbda={self.lmbda:g} must lie within --lmbdas, {self.lmbdas[0]:g} "
                f"to {self.lmbdas[-1]:g}."
            )
