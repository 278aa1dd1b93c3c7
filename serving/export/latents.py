"""Autoencoders with a vector of latents as SavedModels, and as codecs.

The network's halves are in the SavedModel, of stock TensorFlow operations alone. The
quantizers, which turn latents into bytes, lie beside it for the client:

  latents = signatures["encode"](image=image)["latents"]    [1, S, S, 3] in [0, 1]
  quantizer = Quantizer.load(folder / "assets.extra" / "quantizer_6.npz")
  levels = quantizer.quantize(latents[0].numpy())
  payload = quantizer.tables.encode(levels[None, None])     see `container.pack`
  latents = quantizer.dequantize(levels)
  image = signatures["decode"](latents=latents[None])["image"]

`load` makes a `LatentCodec` of all that, also for pictures of other sizes.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from serving.codec import container
from serving.codec.base import identify
from serving.codec.entropy import npz
from serving.codec.latent_codec import LatentCodec
from serving.codec.quantizer import Quantizer
from serving.export import saved_model
from serving.export.kinds import LATENTS

BITS = 6  # of a latent, by default
QUANTIZERS = "quantizers"  # in config.json: {bits: the model's identifier}


def save(
    encoder: tf.keras.Model,
    decoder: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    quantizers: Mapping[int, Quantizer],
    config: Mapping[str, Any],
    card: str,
) -> pathlib.Path:
    """Writes a SavedModel folder, as `saved_model.write` does; see `signatures`.

    As a Keras model it is image -> restored, [B, S, S, 3] in [0, 1]; its layers are the
    halves. In assets.extra/ are config.json, model_card.md and the quantizers. The
    network with each quantizer is another model: a file names the one that wrote it.

    Args:
      encoder: The Keras model "encoder" in float32, image [B, S, S, 3] in [0, 1] ->
        {"mean": [B, L], "log_variance": [B, L]}.
      decoder: The Keras model "decoder", latents [B, L] -> image in [0, 1].
      folder: Such as `<run>/export/1`, which is returned.
      quantizers: {bits: of the L latents}.
      config: For config.json; the kind and the models' identifiers are added.
      card: The model card.

    Raises:
      ValueError: If the halves or the quantizers do not fit together.
    """
    _check_fit(encoder, decoder, quantizers)
    network = _build_network(encoder, decoder)
    weights, ids, extras = network.get_weights(), {}, {"model_card.md": card}
    for bits, quantizer in quantizers.items():
        ids[str(bits)] = identify(weights, quantizer).hex()
        extras[quantizer_file(bits)] = npz(quantizer.arrays())
    config = {**config, "kind": LATENTS, QUANTIZERS: ids}
    functions = signatures(network)
    return saved_model.write(network, folder, functions, config=config, extras=extras)


def save_halves(
    encoder: tf.keras.Model,
    decoder: tf.keras.Model,
    run: str | os.PathLike,
    *,
    config: Mapping[str, Any],
    card: str,
) -> None:
    """Writes each half by itself: SavedModels `<run>/encoder/1` and `<run>/decoder/1`.

    Both have one signature, serving_default: the encoder's is "encode" of `signatures`,
    the decoder's "decode". Keras loads them as they are passed here. Halves have no
    kind.
    """
    functions = signatures(_build_network(encoder, decoder))
    for half, name in ((encoder, "encode"), (decoder, "decode")):
        saved_model.write(
            half,
            pathlib.Path(run, half.name, "1"),
            {"serving_default": functions[name]},
            config=config,
            extras={"model_card.md": card},
        )


def load(
    folder: str | os.PathLike,
    *,
    bits: int = BITS,
    max_pixels: int = container.MAX_PIXELS,
) -> LatentCodec:
    """Opens what `save` wrote; needs no code of the network's layers.

    It calls the signatures that TF Serving serves, so the numbers are the same. Files
    are written by the quantizer of `bits`; those of all others are read too. Errors are
    those of `codec.load`.
    """
    folder = pathlib.Path(folder)
    model = saved_model.load(folder, "encode", "decode", kind=LATENTS)
    ids = saved_model.read_config(folder).get(QUANTIZERS, {})
    if str(bits) not in ids:
        raise ValueError(
            f"{folder} has quantizers of {', '.join(ids) or 'no'} bits a latent, not "
            f"of {bits}. Choose one of these."
        )
    weights, found = saved_model.weights_of(model), {}
    for each, stated in ids.items():
        with saved_model.opening(folder):
            quantizer = Quantizer.load(folder / "assets.extra" / quantizer_file(each))
        model_id = identify(weights, quantizer)
        saved_model.check_id(folder, stated, model_id)
        found[each] = model_id, quantizer

    # As closures, because a signature borrows the variables of the model.
    def encode(image: tf.Tensor) -> tf.Tensor:
        return model.signatures["encode"](image=image)["latents"]

    def decode(latents: tf.Tensor) -> tf.Tensor:
        return model.signatures["decode"](latents=latents)["image"]

    image = model.signatures["encode"].structured_input_signature[1]["image"]
    model_id, quantizer = found.pop(str(bits))
    options = {"image_size": image.shape[1], "max_pixels": max_pixels}
    others = dict(found.values())
    return LatentCodec(encode, decode, quantizer, model_id, others=others, **options)


def quantizer_file(bits: int | str) -> str:
    """The name of a quantizer in assets.extra/."""
    return f"quantizer_{bits}.npz"


def signatures(network: tf.keras.Model) -> dict[str, Callable]:
    """The named, typed entry points, float32.

    serving_default  image [B, S, S, 3] in [0, 1] -> restored, the same
    encode           image -> latents [B, L], the means, and log_variance [B, L]
    decode           latents -> image
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
    """Joins the halves: image [B, S, S, 3] in [0, 1] -> restored."""
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
