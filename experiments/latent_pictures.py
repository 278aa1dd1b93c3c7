"""Pictures of what an auto-encoder's latents mean: walks from one face to another.

A walk is a row of (label, image), uint8 [S, S, 3].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import wording
from evaluation.latents import Usage
from experiments import latent_quantizers

Walk = list[tuple[str, np.ndarray]]
Decode = Callable[[np.ndarray], np.ndarray]  # [N, L] -> uint8 [N, S, S, 3]

DEVIATIONS = (-3, -2, -1, 0, 1, 2, 3)
_STEPS, _PAIRS, _LATENTS = 7, 3, 8  # of a report


def interpolate(
    decode: Decode, first: np.ndarray, second: np.ndarray, steps: int
) -> Walk:
    """What lies between two faces, linear in their means.

    Args:
      decode: Of the network.
      first: Latents [L].
      second: Others.
      steps: Pictures, of which the first and the last are of the latents themselves.
    """
    shares = np.linspace(0, 1, steps, dtype=np.float32)
    latents = first + shares[:, None] * (second - first)
    labels = [f"{100 * share:.0f}%" for share in shares]
    return list(zip(labels, decode(latents)))


def traverse(decode: Decode, latents: np.ndarray, which: int, deviation: float) -> Walk:
    """A face with one latent moved by `DEVIATIONS`, the others as they are.

    Args:
      decode: Of the network.
      latents: Of the face, [L].
      which: The latent that is moved.
      deviation: Its standard deviation.
    """
    moved = np.tile(latents, [len(DEVIATIONS), 1])
    moved[:, which] += np.float32(deviation) * np.float32(DEVIATIONS)
    labels = [wording.number(d, 0, signed=bool(d)) + " σ" for d in DEVIATIONS]
    return list(zip(labels, decode(moved)))


def sections(
    network: tf.keras.Model, split: DecodedSplit, usage: Usage
) -> dict[str, list[dict]]:
    """Walks between the first faces of a split, and along the most used latents.

    Args:
      network: With the layers "encoder" and "decoder"; see `models.cvae_dcgan`.
      split: The test images; of one image there is nothing between.
      usage: Of the latents; those of the largest KL divergence are taken.

    Returns:
      {title: [{"name", "note", "images": walk}]}, as reports take them.
    """
    encoder, decoder = (network.get_layer(name) for name in ("encoder", "decoder"))
    images = np.asarray(split.images[: 2 * _PAIRS])
    means = latent_quantizers.encode(encoder, images)["mean"]

    def decode(latents: np.ndarray) -> np.ndarray:
        return pixels.unit_to_bytes(decoder(latents, training=False)).numpy()

    between = []
    for a, b in zip(range(0, len(images), 2), range(1, len(images), 2)):
        walk = interpolate(decode, means[a], means[b], _STEPS)
        shown = [("From", images[a]), *walk, ("To", images[b])]
        name = f"{split.names[a]}, {split.names[b]}"
        between.append({"name": name, "note": "", "images": shown})

    deviations = np.sqrt(usage.variance)
    along = [
        {
            "name": f"{split.names[0]}, latent {number}",
            "note": (
                f"KL {wording.number(usage.kl[number], 2)} nats, "
                f"σ {wording.text(float(deviations[number]))}"
            ),
            "images": traverse(decode, means[0], number, deviations[number]),
        }
        for number in most_used(usage.kl, _LATENTS)
    ]
    return {"Between two faces": between, "One latent moved": along}


def most_used(use: Sequence[float], count: int) -> list[int]:
    """The numbers of the latents with the largest values, largest first."""
    order = np.argsort(-np.asarray(use), kind="stable")
    return [int(number) for number in order[:count]]
