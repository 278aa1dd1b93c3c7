"""A trained codec as a SavedModel: what TF Serving, Keras and `Codec` read of it.

The network's halves are in the SavedModel, of stock TensorFlow operations alone; the
tables that make bytes of latents lie beside it and are the client's:

  latents = signatures["analysis"](image=image)["latents"]    [1, H, W, 3] in [0, 1]
  tables = EntropyTables.load(folder / "assets.extra" / "entropy_tables.npz")
  payload = tables.encode(latents[0].numpy())                 see `container.pack`
  image = signatures["synthesis"](latents=latents)["image"]

`load` makes a `Codec` of all that, also for pictures of other sizes.
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Mapping

import tensorflow as tf

from data_pipeline import pixels
from serving import codec_signatures, export, opening
from serving.codec import Codec, identify
from serving.entropy import EntropyTables

TABLES = "entropy_tables.npz"  # in assets.extra/


def save(
    analysis: tf.keras.Model,
    synthesis: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    tables: EntropyTables | None,
    facts: Mapping,
    card: str,
) -> pathlib.Path:
    """Writes a SavedModel folder, as `export.write` does; see `codec_signatures`.

    As a Keras model it is image -> restored, and the halves are its layers:

      model = tf.keras.models.load_model(folder)
      restored = model(image)                       [B, H, W, 3] in [0, 1]
      latents = model.get_layer("analysis")(image)  float32, not rounded
      image = model.get_layer("synthesis")(latents) float32, not clipped

    In assets.extra/ are config.json, model_card.md and, with tables,
    entropy_tables.npz.

    Args:
      analysis: The Keras model "analysis" in float32, image [B, H, W, 3] in [0, 1] ->
        latents [B, H / 16, W / 16, N], for any H and W that are multiples of 16.
      synthesis: The Keras model "synthesis", latents -> image, not clipped.
      folder: Such as `<run>/export/1`; TF Serving takes its parent.
      tables: Of the N channels, or None for a network that was not trained to be
        rounded: its code is real numbers, of which no file is made.
      facts: What config.json says; with tables the model's identifier is added.
      card: The model card.

    Returns:
      The folder.

    Raises:
      ValueError: If the halves are for one size, or halves and tables do not fit.
    """
    _check_halves(analysis, synthesis, tables)
    extras: dict[str, str | bytes] = {"model_card.md": card}
    facts = dict(facts)
    if tables is not None:
        weights = analysis.get_weights() + synthesis.get_weights()
        facts["model_id"] = identify(weights, tables).hex()
        with tempfile.TemporaryDirectory() as place:
            tables.save(pathlib.Path(place, TABLES))
            extras[TABLES] = pathlib.Path(place, TABLES).read_bytes()
    extras["config.json"] = json.dumps(facts, indent=2) + "\n"
    rounded = tables is not None
    network = codec_signatures.build_network(analysis, synthesis, rounded=rounded)
    named = codec_signatures.signatures(network, rounded=rounded)
    return export.write(network, folder, named, extras=extras)


def load(folder: str | os.PathLike, *, max_pixels: int = pixels.MAX_PIXELS) -> Codec:
    """Opens what `save` wrote with tables; needs no code of the network's layers.

    The numbers are those of TF Serving, because they come from the same signatures.

    Args:
      folder: As `save` returned it.
      max_pixels: As `Codec` takes it.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is an export without signatures or tables of a codec, or is
        damaged.
    """
    folder = pathlib.Path(folder)
    said = opening.config(folder).get("model_id")
    model = opening.model(
        folder,
        "analysis",
        "synthesis",
        kind="codec",
        of="portrait_autoencoder or cvae_dcgan",
    )
    if not said:
        raise ValueError(
            f"{folder} has no entropy tables, which make files of latents, because it "
            "was trained with --entropy=none. Train one with --entropy=factorized, "
            "such as a lambda_* preset."
        )
    try:
        tables = EntropyTables.load(folder / "assets.extra" / TABLES)
    except (ValueError, OSError) as error:
        raise opening.damaged(folder, error) from error
    # In the order of the layers, as get_weights() has them.
    model_id = identify([weight.numpy() for weight in model.variables], tables)
    opening.check_id(folder, said, model_id.hex())

    def analyze(image: tf.Tensor) -> tf.Tensor:
        latents = codec_signatures.call(model.signatures["analysis"], image=image)
        return tf.cast(latents, tf.float32)

    def synthesize(latents: tf.Tensor) -> tf.Tensor:
        latents = tf.cast(latents, tf.int32)
        return codec_signatures.call(model.signatures["synthesis"], latents=latents)

    return Codec(analyze, synthesize, tables, model_id, max_pixels=max_pixels)


def _check_halves(analysis, synthesis, tables) -> None:
    """Raises a ValueError unless they take any size and the tables are theirs."""
    channels = analysis.output_shape[-1]
    if analysis.input_shape[1:3] != (None, None):
        raise ValueError(
            "The halves must take any height and width; got an analysis of "
            f"{analysis.input_shape[1:3]}. Build both with image_size=None."
        )
    if tables is not None and tables.channels != channels:
        raise ValueError(
            f"The tables have {tables.channels} channels and the latents {channels}. "
            "Make them from the prior that the network was trained with."
        )
