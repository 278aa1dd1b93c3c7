"""What a run leaves: the auto-encoder as a codec of faces, and each half by itself."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from experiments import latent_quantizers
from experiments.data import RunData
from serving import latent_export


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
    latent_export.save_halves(*halves, run, facts=facts, card=card)
    fitted = len(latent_quantizers.fitted_images(data.train))
    return latent_export.save(
        *halves,
        folder,
        quantizers=latent_quantizers.fit(halves[0], data.train),
        facts={**facts, "quantizers_fitted_to_images": fitted},
        card=card,
    )
