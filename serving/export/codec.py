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
from collections.abc import Callable, Mapping
from typing import Union

import tensorflow as tf

from data_pipeline import pixels
from serving.codec.container import CELL
from serving.codec.entropy import LARGEST, EntropyTables
from serving.codec.image_codec import Codec, identify
from serving.codec.latent_codec import LatentCodec
from serving.export import latents as export_latents
from serving.export import saved_model
from serving.export.latents import QUANTIZERS

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
    network = build_network(analysis, synthesis, rounded=rounded)
    named = signatures(network, rounded=rounded)
    return saved_model.write(network, folder, named, extras=extras)


def load_image_codec(
    folder: str | os.PathLike, *, max_pixels: int = pixels.MAX_PIXELS
) -> Codec:
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
    said = saved_model.config(folder).get("model_id")
    model = saved_model.model(
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
        raise saved_model.damaged(folder, error) from error
    # In the order of the layers, as get_weights() has them.
    model_id = identify([weight.numpy() for weight in model.variables], tables)
    saved_model.check_id(folder, said, model_id.hex())

    def analyze(image: tf.Tensor) -> tf.Tensor:
        latents = call(model.signatures["analysis"], image=image)
        return tf.cast(latents, tf.float32)

    def synthesize(latents: tf.Tensor) -> tf.Tensor:
        latents = tf.cast(latents, tf.int32)
        return call(model.signatures["synthesis"], latents=latents)

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


_SIZE = (
    f"Height and width must be multiples of {CELL}, the side of what a latent stands "
    "for. Repeat the last row and the last column, and crop what comes back."
)
_DIVERGED = "The weights have diverged: train again with a smaller --learning_rate."
_UNCODABLE = f"A latent is no number or beyond {LARGEST}. {_DIVERGED}"
_UNDRAWABLE = f"A drawn value is infinite or no number. {_DIVERGED}"


def build_network(
    analysis: tf.keras.Model, synthesis: tf.keras.Model, *, rounded: bool
) -> tf.keras.Model:
    """Both halves, with latents rounded in between as in files, if they are.

    Returns:
      image [B, H, W, 3] in [0, 1] -> restored, float32, clipped to [0, 1].
    """
    image = tf.keras.Input((None, None, 3), name="image")
    latents = analysis(image)
    if rounded:
        latents = tf.round(latents)
    restored = tf.clip_by_value(synthesis(latents), 0.0, 1.0)
    return tf.keras.Model(image, restored, name="portrait_codec")


def signatures(network: tf.keras.Model, *, rounded: bool) -> dict[str, Callable]:
    """The named, typed entry points, float32 where nothing else is said.

      serving_default  image [B, H, W, 3] in [0, 1] -> restored, the same
      analysis         image -> latents [B, H / 16, W / 16, N]
      synthesis        latents -> image in [0, 1]

    Rounded latents are int32. What no file could hold is never cast: as a size that
    is no multiple of 16, it is an InvalidArgumentError.

    Args:
      network: From `build_network`.
      rounded: As there.

    Returns:
      Name -> tf.function.
    """
    analysis, synthesis = (network.get_layer(n) for n in ("analysis", "synthesis"))
    images = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    codes = tf.TensorSpec(
        [None, None, None, analysis.output_shape[-1]],
        tf.int32 if rounded else tf.float32,
        name="latents",
    )

    @tf.function(input_signature=[images])
    def serving_default(image):
        return {"restored": network(_whole_cells(image), training=False)}

    @tf.function(input_signature=[images])
    def analyze(image):
        latents = analysis(_whole_cells(image), training=False)
        return {"latents": _codes(latents) if rounded else latents}

    @tf.function(input_signature=[codes])
    def synthesize(latents):
        image = synthesis(tf.cast(latents, tf.float32), training=False)
        # Clipping would hide infinity.
        image = tf.debugging.assert_all_finite(image, _UNDRAWABLE)
        return {"image": tf.clip_by_value(image, 0.0, 1.0)}

    return {
        "serving_default": serving_default,
        "analysis": analyze,
        "synthesis": synthesize,
    }


def call(signature: Callable, **inputs: tf.Tensor) -> tf.Tensor:
    """The one output of a signature; numbers that it refuses are a ValueError."""
    try:
        (output,) = signature(**inputs).values()
        return output
    except tf.errors.InvalidArgumentError as error:
        for rule in (_UNCODABLE, _UNDRAWABLE):
            if rule in error.message:
                raise ValueError(rule) from error
        raise


def _whole_cells(image: tf.Tensor) -> tf.Tensor:
    """The image, if the latents' cells cover it evenly."""
    even = tf.reduce_all(tf.shape(image)[1:3] % CELL == 0)
    with tf.control_dependencies([tf.debugging.Assert(even, [_SIZE])]):
        return tf.identity(image)


def _codes(latents: tf.Tensor) -> tf.Tensor:
    """float32 -> int32, rounded as files have them."""
    rounded = tf.round(latents)
    # Not true of what is no number either. A cast would make it some whole number.
    codable = tf.reduce_all(tf.abs(rounded) <= LARGEST)
    with tf.control_dependencies([tf.debugging.Assert(codable, [_UNCODABLE])]):
        return tf.cast(rounded, tf.int32)


AnyCodec = Union[Codec, LatentCodec]


def load(
    folder: str | os.PathLike, *, bits: int = 0, max_pixels: int = pixels.MAX_PIXELS
) -> AnyCodec:
    """Opens what `codec_export.save` or `latent_export.save` wrote.

    Args:
      folder: As they returned it.
      bits: Of a latent, in files that are written: of a codec with quantizers alone;
        0 takes `latent_export.BITS`. Files of any are read.
      max_pixels: As the codecs take it.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it holds no codec, or one that has no such bits, or is damaged.
    """
    folder = pathlib.Path(folder)
    if QUANTIZERS in saved_model.config(folder):
        bits = bits or export_latents.BITS
        return export_latents.load(folder, bits=bits, max_pixels=max_pixels)
    codec = load_image_codec(folder, max_pixels=max_pixels)
    if bits:
        raise ValueError(
            f"--bits is for models with quantizers, such as exports of cvae_dcgan; "
            f"{folder} learned how large its files are. Leave it out."
        )
    return codec
