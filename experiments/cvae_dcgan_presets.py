"""Presets of Killingbeck et al.'s systems, and what tables call what differs."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from evaluation.wording import counted
from experiments.cvae_dcgan_training import RECONSTRUCTIONS

if typing.TYPE_CHECKING:
    from experiments.cvae_dcgan import Config

CVAE = {
    "generator": "cvae",
    "epochs": 10,
    "beta_1": 0.9,
    "reconstruction_weight": 1.0,
    "adversarial_weight": 0.0,
}
SMALL = {
    "dataset": "faces",
    "batch_size": 20,
    "validation_images": 8,
    "limit": 40,
    "epochs": 2,
}
PRESETS = {
    "paper": {},
    "cvae": CVAE,
    "dcgan": {},
    "dcgan_doubled": {"generator": "doubled"},
    "cvae_kl": {**CVAE, "kl_weight": 2.5e-4},
    **{f"cvae_{n}": {**CVAE, "latents": n} for n in (256, 128, 64)},
    **{
        f"cvae_{name.replace('+', '_')}": {**CVAE, "reconstruction": name}
        for name in RECONSTRUCTIONS
        if name != "l1"
    },
    "cvae_128px": {**CVAE, "image_size": 128},
    "cpu": {**CVAE, "dataset": "faces", "batch_size": 32, "limit": 5000},
    "smoke": {**SMALL, "image_size": 32, "latents": 16},
}

# Field -> what tables say of a value that the system's own preset does not have.
_WORDS: dict[str, Callable[[Any], str]] = {
    "generator": str,
    "latents": "{} latents".format,
    "image_size": "{} px".format,
    "reconstruction": str,
    "kl_weight": "KL {:g}".format,
    "mask_loss": lambda _: "masked loss",
    "reconstruction_weight": "reconstruction weight {:g}".format,
    "adversarial_weight": "adversarial weight {:g}".format,
    "learning_rate": "learning rate {:g}".format,
    "discriminator_learning_rate": "discriminator learning rate {:g}".format,
    "beta_1": "beta_1 {:g}".format,
    "label_smoothing": "label smoothing {:g}".format,
    "autoencoder_updates": lambda n: counted(n, "auto-encoder update"),
    "discriminator_updates": lambda n: counted(n, "discriminator update"),
    "epochs": lambda n: counted(n, "epoch"),
    "seed": "seed {}".format,
}
# Without a discriminator nothing depends on these.
_ADVERSARIAL = {
    "discriminator_learning_rate", "label_smoothing", "autoencoder_updates",
    "discriminator_updates",
}  # fmt: skip


def label(config: Config) -> str:
    """What tables call the network: CVAE or DCGAN, and what is not as in its preset.

    Only what shapes the network, its losses and its updates is named, so that runs
    on other machines keep their names: not batch size, precision or averaging.
    """
    adversarial = bool(config.adversarial_weight)
    usual = type(config)(**({} if adversarial else CVAE))
    unused = set() if adversarial else _ADVERSARIAL
    return ", ".join(
        [
            "DCGAN" if adversarial else "CVAE",
            *(
                words(getattr(config, field))
                for field, words in _WORDS.items()
                if field not in unused
                and getattr(config, field) != getattr(usual, field)
            ),
        ]
    )
