"""The papers, by name."""

from __future__ import annotations

import importlib

from experiments.system import System

NAMES = (
    "skip_inpainting",
    "multiscale_context_encoder",
    "pyramid_cgan",
    "portrait_autoencoder",
    "cvae_dcgan",
)


def load(name: str) -> System:
    """The `SYSTEM` of a paper's module."""
    return importlib.import_module(f"experiments.{name}").SYSTEM
