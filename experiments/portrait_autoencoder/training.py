"""Tan's auto-encoder, its loss and its optimizer, as a configuration has them."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from experiments.portrait_autoencoder.config import Config
from models import portrait_autoencoder
from models.compression import FactorizedPrior, Quantization
from serving.codec.base import identify
from serving.codec.entropy import EntropyTables
from serving.codec.image_codec import ImageCodec
from training import losses
from training.reconstruction import ReconstructionTrainer
from training.trainer import average_of

ANALYSIS, SYNTHESIS, PRIOR = "analysis", "synthesis", "prior"
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


def build_network(config: Config, *, any_size: bool = False) -> tf.keras.Model:
    """Inputs -> outputs, in the global precision policy.

      inputs    {"image": [B, S, S, 3] in [0, 1], "key": integer [B, 2]}
      outputs   {"image": [B, S, S, 3], not clipped, "bits": [B] where there is a prior}

    Its layers "analysis", "synthesis" and, with `entropy="factorized"`, "prior" are
    what a codec is made of. Without, the key has no use.
    """
    size = None if any_size else config.image_size
    image = tf.keras.Input((size, size, 3), name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    analysis, synthesis = build_halves(config, size)
    latents, outputs = analysis(image), {}
    if config.entropy == "factorized":
        latents = Quantization(name="quantization")([latents, key])
        outputs["bits"] = FactorizedPrior(name=PRIOR)(latents)
    outputs["image"] = synthesis(latents)
    inputs = {"image": image, "key": key}
    return tf.keras.Model(inputs, outputs, name="portrait_autoencoder")


def build_trainer(
    config: Config, steps_per_epoch: int = 1, attribute_names: Sequence[str] = ()
) -> ReconstructionTrainer:
    """The compiled trainer, in the current strategy and precision policy."""

    def terms(target, outputs):
        distortion = losses.l2(target, outputs["image"])
        if config.entropy == "none":
            return {"distortion": distortion}
        return {
            "bits_per_pixel": outputs["bits"] / _pixels(target),
            "distortion": config.lmbda * _LEVELS * distortion,
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
        tf.keras.optimizers.Adam(
            learning_rate, global_clipnorm=config.clip_norm or None
        ),
        jit_compile=config.jit_compile,
    )
    return trainer


def _pixels(images: tf.Tensor) -> tf.Tensor:
    """The number of pixels of an image, float32."""
    return tf.cast(tf.reduce_prod(tf.shape(images)[1:3]), tf.float32)


def entropy_tables(network: tf.keras.Model) -> EntropyTables:
    """Tables for the range coder of a trained codec; takes seconds."""
    return EntropyTables.from_model(network.get_layer(PRIOR).entropy_model())


def codec(network: tf.keras.Model) -> ImageCodec:
    """A trained codec, for images of its own size."""
    analysis, synthesis = (network.get_layer(name) for name in (ANALYSIS, SYNTHESIS))
    tables = entropy_tables(network)
    weights = analysis.get_weights() + synthesis.get_weights()
    return ImageCodec(analysis, synthesis, tables, identify(weights, tables))


def for_any_size(
    config: Config, network: tf.keras.Model
) -> tuple[tf.keras.Model, tf.keras.Model]:
    """A trained network's halves, for images of any height and width."""
    halves = build_halves(config, None)
    for half in halves:
        half.set_weights(network.get_layer(half.name).get_weights())
    return halves
