"""What an exported codec is to TF Serving: its halves, of stock operations alone."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from serving.container import CELL
from serving.entropy import LARGEST

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
