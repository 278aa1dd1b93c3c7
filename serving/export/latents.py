"""A trained auto-encoder with a vector of latents as SavedModels, and as a codec.

The network's halves are in the SavedModel, of stock TensorFlow operations alone; the
quantizers that make bytes of latents lie beside it and are the client's:

  latents = signatures["encode"](image=image)["latents"]    [1, S, S, 3] in [0, 1]
  quantizer = Quantizer.load(folder / "assets.extra" / "quantizer_6.npz")
  levels = quantizer.quantize(latents[0].numpy())
  payload = quantizer.tables.encode(levels[None, None])     see `container.pack`
  latents = quantizer.dequantize(levels)
  image = signatures["decode"](latents=latents[None])["image"]

`load` makes a `LatentCodec` of all that, also for pictures of other sizes.
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import tensorflow as tf

from data_pipeline import pixels
from serving.codec.image_codec import identify
from serving.codec.latent_codec import LatentCodec
from serving.codec.quantizer import Quantizer
from serving.export import saved_model

BITS = 6  # of a latent, where nothing else is said
QUANTIZERS = "quantizers"  # in config.json: {bits: the model's identifier}


def save(
    encoder: tf.keras.Model,
    decoder: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    quantizers: Mapping[int, Quantizer],
    facts: Mapping,
    card: str,
) -> pathlib.Path:
    """Writes a SavedModel folder, as `export.write` does; see `signatures`.

    As a Keras model it is image -> restored, and the halves are its layers:

      model = tf.keras.models.load_model(folder)
      restored = model(image)                    [B, S, S, 3] in [0, 1]
      code = model.get_layer("encoder")(image)   {"mean", "log_variance"}: [B, L]
      image = model.get_layer("decoder")(code["mean"])

    In assets.extra/ are config.json, model_card.md and the quantizers, each of which
    makes another model of the network: a file names the one that wrote it.

    Args:
      encoder: The Keras model "encoder" in float32, image [B, S, S, 3] in [0, 1] ->
        {"mean": [B, L], "log_variance": [B, L]}.
      decoder: The Keras model "decoder", latents [B, L] -> image in [0, 1].
      folder: Such as `<run>/export/1`; TF Serving takes its parent.
      quantizers: {bits: of the L latents}.
      facts: What config.json says; the models' identifiers are added.
      card: The model card.

    Returns:
      The folder.

    Raises:
      ValueError: If the halves or the quantizers do not fit together.
    """
    _check_fit(encoder, decoder, quantizers)
    network = _build_network(encoder, decoder)
    weights = network.get_weights()
    extras: dict[str, str | bytes] = {"model_card.md": card}
    with tempfile.TemporaryDirectory() as place:
        for bits, quantizer in quantizers.items():
            path = pathlib.Path(place, quantizer_file(bits))
            quantizer.save(path)
            extras[path.name] = path.read_bytes()
    ids = {str(bits): identify(weights, q).hex() for bits, q in quantizers.items()}
    extras["config.json"] = _json({**facts, QUANTIZERS: ids})
    return saved_model.write(network, folder, signatures(network), extras=extras)


def save_halves(
    encoder: tf.keras.Model,
    decoder: tf.keras.Model,
    run: str | os.PathLike,
    *,
    facts: Mapping,
    card: str,
) -> None:
    """Writes each half by itself: SavedModels `<run>/encoder/1` and `<run>/decoder/1`.

    Both have one signature, serving_default: the encoder's is "encode" of `signatures`,
    the decoder's "decode". Keras loads them as what they are here.

    Args:
      encoder: As `save` takes it.
      decoder: As `save` takes it.
      run: A folder.
      facts: What config.json says.
      card: The model card.
    """
    named = signatures(_build_network(encoder, decoder))
    extras = {"config.json": _json(facts), "model_card.md": card}
    for half, name in ((encoder, "encode"), (decoder, "decode")):
        folder = pathlib.Path(run, half.name, "1")
        saved_model.write(half, folder, {"serving_default": named[name]}, extras=extras)


def load(
    folder: str | os.PathLike, *, bits: int = BITS, max_pixels: int = pixels.MAX_PIXELS
) -> LatentCodec:
    """Opens what `save` wrote; needs no code of the network's layers.

    The numbers are those of TF Serving, because they come from the same signatures.

    Args:
      folder: As `save` returned it.
      bits: Which quantizer writes files; those of all others are read too.
      max_pixels: As `LatentCodec` takes it.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is an export without signatures or quantizers of a codec, or
        has no quantizer of so many bits, or is damaged.
    """
    folder = pathlib.Path(folder)
    said = saved_model.config(folder).get(QUANTIZERS, {})
    model = saved_model.model(
        folder, "encode", "decode", kind="latents of faces", of="cvae_dcgan"
    )
    if str(bits) not in said:
        raise ValueError(
            f"{folder} has quantizers of {', '.join(said) or 'no'} bits a latent, not "
            f"of {bits}. Choose one of these."
        )
    # In the order of the layers, as get_weights() has them.
    weights = [weight.numpy() for weight in model.variables]
    found = {}
    for each, expected in said.items():
        try:
            quantizer = Quantizer.load(folder / "assets.extra" / quantizer_file(each))
        except (ValueError, OSError) as error:
            raise saved_model.damaged(folder, error) from error
        model_id = identify(weights, quantizer)
        saved_model.check_id(folder, expected, model_id.hex())
        found[each] = model_id, quantizer

    # As closures, because a signature borrows the variables of the model.
    def encode(image: tf.Tensor) -> tf.Tensor:
        return model.signatures["encode"](image=image)["latents"]

    def decode(latents: tf.Tensor) -> tf.Tensor:
        return model.signatures["decode"](latents=latents)["image"]

    given = model.signatures["encode"].structured_input_signature[1]["image"]
    model_id, quantizer = found[str(bits)]
    return LatentCodec(
        encode,
        decode,
        quantizer,
        model_id,
        image_size=given.shape[1],
        others=dict(found.values()),
        max_pixels=max_pixels,
    )


def quantizer_file(bits: int | str) -> str:
    """The name of a quantizer in assets.extra/."""
    return f"quantizer_{bits}.npz"


def signatures(network: tf.keras.Model) -> dict[str, Callable]:
    """The named, typed entry points, float32.

      serving_default  image [B, S, S, 3] in [0, 1] -> restored, the same
      encode           image -> latents [B, L], the means, and log_variance [B, L]
      decode           latents -> image

    Args:
      network: With the layers "encoder" and "decoder".

    Returns:
      Name -> tf.function.
    """
    encoder, decoder = (network.get_layer(name) for name in ("encoder", "decoder"))
    images = tf.TensorSpec([None, *encoder.input_shape[1:]], tf.float32, name="image")
    codes = tf.TensorSpec([None, *decoder.input_shape[1:]], tf.float32, name="latents")

    @tf.function(input_signature=[images])
    def serving_default(image):
        return {"restored": network(image, training=False)}

    @tf.function(input_signature=[images])
    def encode(image):
        code = encoder(image, training=False)
        return {"latents": code["mean"], "log_variance": code["log_variance"]}

    @tf.function(input_signature=[codes])
    def decode(latents):
        return {"image": decoder(latents, training=False)}

    return {"serving_default": serving_default, "encode": encode, "decode": decode}


def _build_network(encoder: tf.keras.Model, decoder: tf.keras.Model) -> tf.keras.Model:
    """Image [B, S, S, 3] in [0, 1] -> what the decoder makes of its means."""
    image = tf.keras.Input(encoder.input_shape[1:], name="image")
    restored = decoder(encoder(image)["mean"])
    return tf.keras.Model(image, restored, name="latent_codec")


def _check_fit(encoder, decoder, quantizers) -> None:
    """Raises a ValueError unless the parts are of one image size and one L."""
    size, latents = encoder.input_shape[1], encoder.output_shape["mean"][1]
    if decoder.input_shape[1] != latents or decoder.output_shape[1] != size:
        raise ValueError(
            f"The encoder makes {latents} latents of {size} px and the decoder "
            f"{decoder.output_shape[1]} px of {decoder.input_shape[1]} latents. Pass "
            "halves of one network."
        )
    for bits, quantizer in quantizers.items():
        if quantizer.tables.channels != latents:
            raise ValueError(
                f"The quantizer of {bits} bits is for {quantizer.tables.channels} "
                f"latents and the encoder makes {latents}. Fit it to this encoder's."
            )


def _json(facts: Mapping) -> str:
    return json.dumps(facts, indent=2) + "\n"
