"""Image codecs as SavedModels; `load` opens these and latent codecs.

The network's halves are in the SavedModel, of stock TensorFlow operations alone. The
entropy tables, which turn latents into bytes, lie beside it for the client:

  latents = signatures["analysis"](image=image)["latents"]    [1, H, W, 3] in [0, 1]
  tables = EntropyTables.load(folder / "assets.extra" / "entropy_tables.npz")
  payload = tables.encode(latents[0].numpy())                 see `container.pack`
  image = signatures["synthesis"](latents=latents)["image"]

`load` makes a `Codec` of all that, also for pictures of other sizes. A hyperprior has a
third signature, "hyper_analysis", and the network that predicts the tables lies beside
them in whole numbers; see `serving.codec.hyperprior`. So do the factors of a codec of
several rates, by which the client multiplies what "analysis" returns and what
"synthesis" takes.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from models import compression
from serving.codec import container, hyperprior
from serving.codec.base import Codec, identify
from serving.codec.container import CELL
from serving.codec.entropy import LARGEST, EntropyTables, npz
from serving.codec.hyperprior import Hyperprior, Rates
from serving.codec.image_codec import ImageCodec
from serving.export import latents, saved_model
from serving.export.kinds import CODEC, LATENTS, kind_of

TABLES = "entropy_tables.npz"  # in assets.extra/
READS_ONLY = "reads_only"  # in config.json, of what `save_reader` wrote


def save(
    analysis: tf.keras.Model,
    synthesis: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    hyper: Sequence[tf.keras.Model] = (),
    tables: EntropyTables | Hyperprior | None,
    config: Mapping[str, Any],
    card: str,
) -> pathlib.Path:
    """Writes a SavedModel folder, as `saved_model.write` does; see `signatures`.

    As a Keras model it is image -> restored, [B, H, W, 3] in [0, 1]; its layers are the
    halves "analysis" (latents in float32, not rounded) and "synthesis" (an image, not
    clipped). A hyperprior's means are float there: some latents are rounded to the
    other side than in files. A codec of several rates has its usual one there. In
    assets.extra/ are config.json, model_card.md and, if given, entropy_tables.npz.

    Args:
      analysis: The Keras model "analysis" in float32, image [B, H, W, 3] in [0, 1] ->
        latents [B, H / 16, W / 16, N], for any H and W that are multiples of 16.
      synthesis: The Keras model "synthesis", latents -> image, not clipped.
      folder: Such as `<run>/export/1`, which is returned.
      hyper: The halves "hyper_analysis" and "hyper_synthesis" of a hyperprior.
      tables: Of the N channels or of the hyperprior, or None for a network that was not
        trained to be rounded: its latents are real numbers, and it makes no files.
      config: For config.json; the kind and the model's identifier are added.
      card: The model card.

    Raises:
      ValueError: If the halves are for one size, or halves and tables do not fit.
    """
    _check_halves(analysis, synthesis, tables)
    config, extras = {**config, "kind": CODEC}, {"model_card.md": card}
    rounded = tables is not None
    rates = tables.rates if isinstance(tables, Hyperprior) else None
    network = build_network(analysis, synthesis, *hyper, rounded=rounded, rates=rates)
    if rounded:
        config["model_id"] = identify(network.get_weights(), tables).hex()
        extras[TABLES] = npz(tables.arrays())
    functions = signatures(network, rounded=rounded and not hyper)
    return saved_model.write(network, folder, functions, config=config, extras=extras)


def save_reader(source: str | os.PathLike, folder: str | os.PathLike) -> pathlib.Path:
    """Writes the part of a codec's export that reads files: the synthesis alone.

    `load` makes a codec of it that decompresses the same files and writes none. Its
    identifier is the whole model's, which is not computed again: some weights are gone.

    Args:
      source: The export, with tables.
      folder: As `save` takes it.

    Raises:
      FileNotFoundError: If the source is not one of our exports.
      ValueError: If it is no codec, or damaged.
    """
    source = pathlib.Path(source)
    load_image_codec(source)  # checks it
    network = tf.keras.models.load_model(source, compile=False)
    extra = source / "assets.extra"
    extras = {path.name: path.read_bytes() for path in extra.iterdir()}
    config = {**saved_model.read_config(source), READS_ONLY: True}
    rounded = isinstance(hyperprior.load(extra / TABLES), EntropyTables)
    return saved_model.write(
        network.get_layer("synthesis"),
        folder,
        {"synthesis": signatures(network, rounded=rounded)["synthesis"]},
        config=config,
        extras=extras,
    )


def load(
    folder: str | os.PathLike, *, bits: int = 0, max_pixels: int = container.MAX_PIXELS
) -> Codec:
    """Opens a codec of either kind: what `save` or `latents.save` wrote.

    `bits` are those of a latent in files that are written, for codecs with quantizers;
    0 takes `latents.BITS`. Files of any number of bits are read.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it holds no codec, or one that has no such bits, or is damaged.
    """
    if kind_of(saved_model.read_config(folder)) == LATENTS:
        return latents.load(folder, bits=bits or latents.BITS, max_pixels=max_pixels)
    codec = load_image_codec(folder, max_pixels=max_pixels)
    if bits:
        raise ValueError(
            f"--bits is for codecs of faces with quantizers. {folder} has none: it was "
            "trained for one size of files. Leave the flag out."
        )
    return codec


def load_image_codec(
    folder: str | os.PathLike, *, max_pixels: int = container.MAX_PIXELS
) -> ImageCodec:
    """Opens what `save` wrote with tables, as `load` does.

    It needs no code of the network's layers: it calls the signatures that TF Serving
    serves, so the numbers are the same.
    """
    folder = pathlib.Path(folder)
    config = saved_model.read_config(folder)
    halves = ("synthesis",) if config.get(READS_ONLY) else ("analysis", "synthesis")
    model = saved_model.load(folder, *halves, kind=CODEC)
    if not config.get("model_id"):
        raise ValueError(
            f"{folder} has no entropy tables, which make files of latents, because it "
            "was trained with --entropy=none. Train one with --entropy=factorized or "
            "hyperprior, such as a lambda_* preset."
        )
    with saved_model.opening(folder):
        tables = hyperprior.load(folder / "assets.extra" / TABLES)
    if config.get(READS_ONLY):
        model_id = bytes.fromhex(config["model_id"])
    else:
        model_id = identify(saved_model.weights_of(model), tables)
        saved_model.check_id(folder, config["model_id"], model_id)

    # As closures, because a signature borrows the variables of the model.
    def analyze(image: tf.Tensor) -> tf.Tensor:
        latents = _call(model.signatures["analysis"], image=image)
        return tf.cast(latents, tf.float32)

    def synthesize(latents: tf.Tensor) -> tf.Tensor:
        if isinstance(tables, EntropyTables):
            latents = tf.cast(latents, tf.int32)
        return _call(model.signatures["synthesis"], latents=latents)

    def hyper_analyze(latents: tf.Tensor) -> tf.Tensor:
        return _call(model.signatures["hyper_analysis"], latents=latents)

    options = {"hyper_analysis": hyper_analyze, "max_pixels": max_pixels}
    analyze = None if config.get(READS_ONLY) else analyze
    return ImageCodec(analyze, synthesize, tables, model_id, **options)


def model_ids(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The identifiers that an export's files can name, by its config.json."""
    ids = (config.get("model_id"), *config.get(latents.QUANTIZERS, {}).values())
    return tuple(filter(None, ids))


def _check_halves(analysis, synthesis, tables) -> None:
    """Raises a ValueError unless they take any size and fit the tables."""
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
# Exports contain these texts, by which `_call` knows the errors: they cannot change.
_DIVERGED = "The weights have diverged: train again with a smaller --learning_rate."
_UNCODABLE = f"A latent is no number or beyond {LARGEST}. {_DIVERGED}"
_UNDRAWABLE = f"A drawn value is infinite or no number. {_DIVERGED}"


def build_network(
    analysis: tf.keras.Model,
    synthesis: tf.keras.Model,
    *hyper: tf.keras.Model,
    rounded: bool,
    rates: Rates | None = None,
) -> tf.keras.Model:
    """Joins the halves: image [B, H, W, 3] in [0, 1] -> restored, clipped to [0, 1].

    Args:
      analysis: The Keras model "analysis" in float32, image [B, H, W, 3] in [0, 1] ->
        latents [B, H / 16, W / 16, N].
      synthesis: The Keras model "synthesis", latents -> image, not clipped.
      *hyper: Those of a hyperprior, "hyper_analysis" and "hyper_synthesis", or none.
      rounded: Whether latents are rounded in between, as in files; with a hyperprior
        their distances from the means are.
      rates: Of a codec that has several: layers "gains" and "inverse_gains" multiply
        latents as at its usual quality.
    """
    image = tf.keras.Input((None, None, 3), name="image")
    latents, means = analysis(image), 0.0
    if rates:
        position = tf.fill(tf.shape(image)[:1], rates.position(rates.usual))
        latents = _gains(compression.GAINS, rates, latents, position)
    if hyper:
        hyper_analysis, hyper_synthesis = hyper
        parameters = hyper_synthesis(tf.round(hyper_analysis(latents)))
        means = tf.split(compression.cropped(parameters, latents), 2, axis=-1)[0]
    if rounded:
        latents = tf.round(latents - means) + means
    if rates:
        latents = _gains(compression.INVERSE_GAINS, rates, latents, position)
    restored = tf.clip_by_value(synthesis(latents), 0.0, 1.0)
    return tf.keras.Model(image, restored, name="portrait_codec")


def _gains(name: str, rates: Rates, latents, position):
    """A layer with the factors of that name."""
    logarithms = rates.arrays()[name]
    layer = compression.Gains([0.0] * len(logarithms), name=name)
    scaled = layer([latents, position])
    layer.set_weights([logarithms])
    return scaled


def signatures(network: tf.keras.Model, *, rounded: bool) -> dict[str, Callable]:
    """The named, typed entry points of `build_network`'s model; float32 by default.

      serving_default  image [B, H, W, 3] in [0, 1] -> restored, the same
      analysis         image -> latents [B, H / 16, W / 16, N]
      synthesis        latents -> image in [0, 1]
      hyper_analysis   latents -> hyper_latents [B, h / 4, w / 4, M], of a hyperprior

    If `rounded`, latents are rounded to int32; those of a hyperprior are not, because
    they are rounded around their means. A latent that no file can hold is an
    InvalidArgumentError and not a cast, as is a size that is no multiple of 16.
    """
    analysis, synthesis = (network.get_layer(n) for n in ("analysis", "synthesis"))
    images = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    shape = [None, None, None, analysis.output_shape[-1]]
    real = tf.TensorSpec(shape, tf.float32, name="latents")
    codes = tf.TensorSpec(shape, tf.int32, name="latents") if rounded else real

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

    halves = {"analysis": analyze, "synthesis": synthesize}
    names = {layer.name for layer in network.layers}
    if "hyper_analysis" in names:
        hyper_analysis = network.get_layer("hyper_analysis")

        @tf.function(input_signature=[real])
        def hyper_analyze(latents):
            return {"hyper_latents": hyper_analysis(latents, training=False)}

        halves["hyper_analysis"] = hyper_analyze
    return {"serving_default": serving_default, **halves}


def _call(signature: Callable, **inputs: tf.Tensor) -> tf.Tensor:
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
    """float32 -> int32, rounded as in files."""
    rounded = tf.round(latents)
    # False for NaN as well, which a cast would turn into some whole number.
    codable = tf.reduce_all(tf.abs(rounded) <= LARGEST)
    with tf.control_dependencies([tf.debugging.Assert(codable, [_UNCODABLE])]):
        return tf.cast(rounded, tf.int32)
