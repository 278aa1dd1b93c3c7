"""What the runner needs to know of the paper."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from experiments.core.data import RunData
from experiments.core.system import System
from experiments.cvae_dcgan import published, training
from experiments.cvae_dcgan.config import PRESETS, Config, label
from experiments.cvae_dcgan.report import together
from serving.codec import quantizer
from serving.export import latents

SYSTEM = System(
    name="cvae_dcgan",
    title="A face in 512 numbers",
    citation=published.CITATION,
    config_class=Config,
    presets=PRESETS,
    published_length=lambda config: published.EPOCHS[bool(config.adversarial_weight)],
    headline=published.HEADLINE,
    build_network=training.build_network,
    build_trainer=training.build_trainer,
    label=label,
    published=published.PUBLISHED,
    epochs=lambda config: None,
    check_claims=published.check_claims,
    departures=published.DEPARTURES,
    tabled=published.TABLED,
    together=together,
    restores="autoencoder",
)


def export(
    network: tf.keras.Model,
    folder: pathlib.Path,
    *,
    data: RunData,
    facts: Mapping[str, Any],
    card: str,
) -> pathlib.Path:
    """Writes `export/1`, and beside it `encoder/1` and `decoder/1`.

    Each folder is replaced whole or not at all, the export last: where a run was
    stopped in between, the halves are newer than it, and the same command writes all
    three again.

    Args:
      network: From `models.cvae_dcgan.build_autoencoder`, in float32.
      folder: `<run>/export/1`.
      data: Of the run; quantizers are fitted to its training images.
      facts: What config.json says.
      card: The model card.

    Returns:
      The folder.
    """
    halves = [network.get_layer(name) for name in ("encoder", "decoder")]
    facts = {**facts, "latents": halves[1].input_shape[1]}
    run = folder.parent.parent
    latents.save_halves(*halves, run, config=facts, card=card)
    fitted = len(quantizer.fitted_images(data.train))
    return latents.save(
        *halves,
        folder,
        quantizers=quantizer.fit(halves[0], data.train),
        config={**facts, "quantizers_fitted_to_images": fitted},
        card=card,
    )
