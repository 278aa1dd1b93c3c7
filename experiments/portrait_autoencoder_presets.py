"""Presets of Tan's auto-encoder, and what tables call what they make."""

from __future__ import annotations

import typing

from evaluation import wording

if typing.TYPE_CHECKING:
    from experiments.portrait_autoencoder import Config

CODEC = {
    "entropy": "factorized",
    "channels": 128,
    "activation": "gdn",
    "batch_size": 16,
    "epochs": 40,
    "learning_rate": 5e-4,
    "learning_rate_decay": "cosine",
    # One step in thousands has a gradient that Adam would not forget for an epoch.
    "clip_norm": 1.0,
    "train_side": 96,
}
LAMBDAS = (0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
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
    **{f"lambda_{lmbda:g}": {**CODEC, "lmbda": lmbda} for lmbda in LAMBDAS},
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


def label(config: Config) -> str:
    """What tables call the network: N or λ, and what is not as in their presets."""
    usual = type(config)(**(CODEC if config.entropy == "factorized" else {}))
    named = [f"N = {config.channels}"]
    if config.entropy == "factorized":
        named = [f"λ = {config.lmbda:g}", *named]
        if config.channels == usual.channels:
            named.pop()
    if config.activation != usual.activation:
        named.append({"gdn": "GDN", "relu": "ReLU"}[config.activation])
    if tuple(config.kernels) != tuple(usual.kernels):
        named.append("filters " + "/".join(map(str, config.kernels)))
    if config.depth:
        named.append(f"depth {config.depth}")
    if config.learning_rate != usual.learning_rate:
        named.append(f"learning rate {config.learning_rate:g}")
    if config.entropy == "none" and config.epochs != usual.epochs:
        named.append(wording.counted(config.epochs, "epoch"))
    return ", ".join(named)
