"""Presets of Tan's auto-encoder: as published, its ablations, and the codecs."""

from __future__ import annotations

CODEC = {
    "entropy": "factorized",
    "channels": 128,
    "activation": "gdn",
    "batch_size": 16,
    "epochs": 10,
    "learning_rate": 5e-4,
    "learning_rate_decay": "cosine",
    # One step in thousands has a gradient that Adam would not forget for an epoch.
    "clip_norm": 1.0,
    "shift": 8,
}
LAMBDAS = (0.001, 0.003, 0.01, 0.03, 0.1)
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
        "epochs": 4,
        "limit": 5000,
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
        "shift": 2,
    },
}
