"""Tan's auto-encoder, its loss and its optimizer, as a configuration has them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from experiments.portrait_autoencoder.config import Config
from models import portrait_autoencoder
from models.compression import (
    GAINS,
    INVERSE_GAINS,
    FactorizedPrior,
    Gains,
    NormalPrior,
    Quantization,
    RatePosition,
    cropped,
    interpolated,
)
from models.portrait_autoencoder import (
    REDUCTION,
    build_hyper_analysis,
    build_hyper_synthesis,
)
from serving.codec.base import identify
from serving.codec.entropy import MAX_PRECISION, EntropyTables
from serving.codec.hyperprior import (
    Hyperprior,
    IntegerNetwork,
    Rates,
    scale_tables,
)
from serving.codec.image_codec import ImageCodec
from training import losses
from training.optimizers import Adam
from training.reconstruction import ReconstructionTrainer
from training.trainer import average_of

ANALYSIS, SYNTHESIS, PRIOR = "analysis", "synthesis", "prior"
POSITION = "position"
HYPER_HALVES = ("hyper_analysis", "hyper_synthesis")
# The distortion of a codec counts levels of 8-bit images, so that lambda has the
# values that the literature gives it.
_LEVELS = 255.0**2


def build_halves(
    config: Config, image_size: int | None
) -> tuple[tf.keras.Model, tf.keras.Model]:
    """Analysis and synthesis, for images of one size, or None, of any."""
    options = {
        "channels": config.channels,
        "kernels": config.kernels,
        "activation": config.activation,
        "depth": config.depth,
    }
    return (
        portrait_autoencoder.build_analysis(image_size, **options),
        portrait_autoencoder.build_synthesis(image_size, **options),
    )


def build_hyper_halves(
    config: Config, image_size: int | None
) -> tuple[tf.keras.Model, ...]:
    """Those of a hyperprior, or none; as `build_halves`."""
    if config.entropy != "hyperprior":
        return ()
    sides = (config.channels, image_size and image_size // REDUCTION)
    return build_hyper_analysis(*sides), build_hyper_synthesis(*sides)


def build_network(config: Config, *, any_size: bool = False) -> tf.keras.Model:
    """Inputs -> outputs, in the global precision policy.

      inputs    {"image": [B, S, S, 3] in [0, 1], "key": integer [B, 2]}
      outputs   {"image": [B, S, S, 3], not clipped, "bits": [B] where there is a prior,
                 "lmbda": [B] of each image, with several rates}

    With several rates each training image gets one by the key, anywhere between the
    first and the last; otherwise all have that of `lmbda`.

    Its layers "analysis", "synthesis" and, with `entropy="factorized"`, "prior" are
    what a codec is made of, and "hyper_analysis" and "hyper_synthesis" with a
    hyperprior. Without, the key has no use.
    """
    size = None if any_size else config.image_size
    image = tf.keras.Input((size, size, 3), name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    analysis, synthesis = build_halves(config, size)
    latents, outputs = analysis(image), {}
    if config.lmbdas:
        logarithms = np.log(config.lmbdas)
        usual = np.interp(math.log(config.lmbda), logarithms, range(len(logarithms)))
        position = RatePosition(len(logarithms), usual, name=POSITION)([image, key])
        lmbda = interpolated(tf.constant(logarithms, tf.float32), position)
        outputs["lmbda"] = tf.exp(lmbda)
        # As errors of rounding are best: their square is as 1 / λ.
        begin = (logarithms - math.log(config.lmbda)) / 2
        latents = Gains(begin, name=GAINS)([latents, position])
    if config.entropy == "factorized":
        latents = Quantization(name="quantization")([latents, key])
        outputs["bits"] = FactorizedPrior(name=PRIOR)(latents)
    elif config.entropy == "hyperprior":
        hyper_analysis, hyper_synthesis = build_hyper_halves(config, size)
        hyper = hyper_analysis(latents)
        # Another salt: the noise of both would begin alike.
        hyper = Quantization(salt=1, name="hyper_quantization")([hyper, key])
        parameters = cropped(hyper_synthesis(hyper), latents)
        means = tf.split(parameters, 2, axis=-1)[0]
        latents = Quantization(name="quantization")([latents, key, means])
        bits = NormalPrior(name="normal_prior")([latents, parameters])
        outputs["bits"] = bits + FactorizedPrior(name=PRIOR)(hyper)
    if config.lmbdas:
        latents = Gains(-begin, name=INVERSE_GAINS)([latents, position])
    outputs["image"] = synthesis(latents)
    inputs = {"image": image, "key": key}
    return tf.keras.Model(inputs, outputs, name="portrait_autoencoder")


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> ReconstructionTrainer:
    """The compiled trainer, in the current strategy and precision policy."""

    def terms(target, outputs):
        if config.distortion == "ms_ssim":
            distortion = losses.ms_ssim(target, outputs["image"])
        else:
            distortion = losses.l2(target, outputs["image"])
        if config.entropy == "none":
            return {"distortion": distortion}
        levels = _LEVELS if config.distortion == "mse" else 1.0
        lmbda = outputs.get("lmbda", config.lmbda)
        # The losses of several rates become about as large as each other.
        weight = (config.lmbda / lmbda) ** 0.5
        return {
            "bits_per_pixel": weight * outputs["bits"] / _pixels(target),
            "distortion": weight * lmbda * levels * distortion,
        }

    # Whole images are measured as it learns from squares of them.
    network = build_network(config, any_size=bool(config.train_side))
    trainer = ReconstructionTrainer(
        network,
        losses=terms,
        terms=["distortion"] + ["bits_per_pixel"] * (config.entropy != "none"),
        average=average_of(network, config.ema_decay),
    )
    learning_rate = config.learning_rate
    if config.learning_rate_decay == "cosine":
        learning_rate = tf.keras.optimizers.schedules.CosineDecay(
            learning_rate, steps_per_epoch * config.epochs
        )
    trainer.compile(
        Adam(learning_rate, global_clipnorm=config.clip_norm or None),
        jit_compile=config.jit_compile,
    )
    return trainer


def _pixels(images: tf.Tensor) -> tf.Tensor:
    """The number of pixels of an image, float32."""
    return tf.cast(tf.reduce_prod(tf.shape(images)[1:3]), tf.float32)


def entropy_tables(network: tf.keras.Model) -> EntropyTables | Hyperprior:
    """What a trained codec's range coder needs; takes seconds."""
    prior = network.get_layer(PRIOR)
    if HYPER_HALVES[0] not in _parts(network):
        return EntropyTables.from_model(prior.entropy_model())
    # Most latents take a thousandth of a bit, which coarser tables round up.
    tables = EntropyTables.from_model(prior.entropy_model(MAX_PRECISION))
    weights = network.get_layer("hyper_synthesis").get_weights()
    return Hyperprior(
        tables.followed_by(scale_tables()),
        IntegerNetwork.from_weights(weights),
        _rates(network),
    )


def _rates(network: tf.keras.Model) -> Rates | None:
    """The factors of a network of several rates."""
    parts = _parts(network)
    if GAINS not in parts:
        return None
    logarithms, inverses = (
        parts[name].logarithms.numpy() for name in (GAINS, INVERSE_GAINS)
    )
    share = network.get_layer(POSITION).usual / (len(logarithms) - 1)
    return Rates(logarithms, inverses, round(Rates.BEST * share))


def codec(network: tf.keras.Model) -> ImageCodec:
    """A trained codec, for images of its own size."""
    tables, parts = entropy_tables(network), _parts(network)
    weights = (weight for part in parts.values() for weight in part.get_weights())
    return ImageCodec(
        parts[ANALYSIS],
        parts[SYNTHESIS],
        tables,
        identify(weights, tables),
        hyper_analysis=parts.get(HYPER_HALVES[0]),
    )


def _parts(network: tf.keras.Model) -> dict[str, tf.keras.layers.Layer]:
    """The layers of a trained codec that its export has as well, in its order."""
    names = (ANALYSIS, GAINS, *HYPER_HALVES, INVERSE_GAINS, SYNTHESIS)
    here = {layer.name for layer in network.layers}
    return {name: network.get_layer(name) for name in names if name in here}


def for_any_size(config: Config, network: tf.keras.Model) -> tuple[tf.keras.Model, ...]:
    """A trained network's halves, those of a hyperprior last, for any image."""
    halves = (*build_halves(config, None), *build_hyper_halves(config, None))
    for half in halves:
        half.set_weights(network.get_layer(half.name).get_weights())
    return halves
