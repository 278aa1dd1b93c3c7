"""The kinds of exports, by which commands and the page decide how to open one.

An export says its kind in assets.extra/config.json; `restorer.save`, `codec.save` and
`latents.save` write it.
"""

from __future__ import annotations

from collections.abc import Mapping

INPAINTING = "inpainting"  # fills holes
CODEC = "codec"  # compresses pictures of any size
LATENTS = "latents"  # encodes a face as a vector, and compresses it

# The command that takes an export of each kind.
COMMANDS = {
    INPAINTING: "facemend restore",
    CODEC: "facemend compress",
    LATENTS: "facemend latents",
}
DOES = {
    INPAINTING: "fills holes",
    CODEC: "compresses pictures",
    LATENTS: "encodes faces as numbers",
}
KINDS = tuple(COMMANDS)

# Of exports and packages written before they had a kind.
_KIND_OF_PAPER = {
    "skip_inpainting": INPAINTING,
    "multiscale_context_encoder": INPAINTING,
    "pyramid_cgan": INPAINTING,
    "portrait_autoencoder": CODEC,
    "cvae_dcgan": LATENTS,
}


def kind_of(config: Mapping) -> str:
    """The kind of an export by its config.json, or of an entry of the zoo's index.

    Returns:
      One of `KINDS`; empty if neither a kind nor a known paper is named.
    """
    return str(config.get("kind") or _KIND_OF_PAPER.get(str(config.get("paper")), ""))
