"""Restorers as SavedModels that Keras opens and TF Serving serves.

Every signature takes pictures in [0, 1] or as encoded bytes, fills the pixels that the
mask marks (1, or white, = missing) and returns every known pixel bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from data_pipeline import pixels
from serving.export.encoded_images import decode_pair, paste, shrink
from serving.export.fillable import ANY_HOLE, Fillable
from serving.export.kinds import INPAINTING
from serving.export.saved_model import write


def build_restorer(
    network: tf.keras.Model,
    *,
    fill: float | Sequence[float],
    fillable: Fillable = ANY_HOLE,
) -> tf.keras.Model:
    """Wraps a network that works in [-1, 1] as a model in [0, 1].

    Args:
      network: {"image": [B, S, S, 3] in [-1, 1] with the hole filled, "mask":
        [B, S, S, 1]} -> image in [-1, 1], float32.
      fill: The value of the hole's pixels, in [-1, 1]: one number, or one a channel.
      fillable: The holes that the network fills; the model refuses the others.

    Returns:
      {"image": [B, S, S, 3] in [0, 1], "mask": [B, S, S, 1], 1 = missing} ->
      restored [B, S, S, 3] in [0, 1]. The image under the mask has no influence; known
      pixels are the image's own.
    """
    size = network.output_shape[1]
    image = tf.keras.Input((size, size, 3), name="image")
    mask = tf.keras.Input((size, size, 1), name="mask")
    missing = HoleCheck(fillable, name="hole")(tf.cast(mask > 0.5, tf.float32)) > 0.5
    filled = tf.where(missing, fill, pixels.unit_to_signed(image))
    raw = network({"image": filled, "mask": tf.cast(missing, tf.float32)})
    restored = tf.where(missing, pixels.signed_to_unit(raw), image)
    inputs = {"image": image, "mask": mask}
    return tf.keras.Model(inputs, restored, name="restorer")


def signatures(restorer: tf.keras.Model) -> dict:
    """The named, typed entry points of an exported restorer.

      serving_default  image, mask (float [0, 1])         -> restored
      serving_single   image_and_mask, 4 channels         -> restored
      serving_bytes    image_bytes, mask_bytes (encoded)  -> restored_bytes (PNG)

    Encoded pictures have any size and are JPEG, PNG, GIF or BMP without a colored
    palette; see `encoded_images.decode`. `restorer` is from `build_restorer`.
    """
    size = restorer.output_shape[1]
    fillable = restorer.get_layer("hole").fillable

    def restore(image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        return restorer({"image": image, "mask": mask}, training=False)

    def floats(channels: int, name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None, size, size, channels], tf.float32, name=name)

    def strings(name: str) -> tf.TensorSpec:
        return tf.TensorSpec([None], tf.string, name=name)

    @tf.function(input_signature=[floats(3, "image"), floats(1, "mask")])
    def serving_default(image, mask):
        return {"restored": restore(image, mask)}

    @tf.function(input_signature=[floats(4, "image_and_mask")])
    def serving_single(image_and_mask):
        return {"restored": restore(image_and_mask[..., :3], image_and_mask[..., 3:])}

    @tf.function(input_signature=[strings("image_bytes"), strings("mask_bytes")])
    def serving_bytes(image_bytes, mask_bytes):
        pairs = (image_bytes, mask_bytes)
        image, mask = tf.map_fn(
            lambda pair: shrink(*decode_pair(*pair), size),
            pairs,
            fn_output_signature=tuple(
                tf.TensorSpec([size, size, channels]) for channels in (3, 1)
            ),
        )
        restored = restore(image, fillable.settle(mask))
        # Originals differ in size and cannot be kept in one tensor: decoding them
        # again is cheap beside the network.
        pictures = tf.map_fn(
            lambda item: paste(item[2], *decode_pair(item[0], item[1])),
            (*pairs, restored),
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        return {"restored_bytes": pictures}

    more = {"serving_single": serving_single, "serving_bytes": serving_bytes}
    return {"serving_default": serving_default, **more}


def save(
    restorer: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    extras: Mapping[str, str | bytes] | None = None,
) -> pathlib.Path:
    """Writes a restorer's SavedModel; see `saved_model.write`.

    The kind is added to the config.json of `extras`.
    """
    extras = dict(extras or {})
    config = {**json.loads(extras.pop("config.json", "{}")), "kind": INPAINTING}
    return write(restorer, folder, signatures(restorer), config=config, extras=extras)


@tf.keras.utils.register_keras_serializable("facemend")
class HoleCheck(tf.keras.layers.Layer):
    """Passes on masks [B, S, S, 1] of holes that a network fills; others are errors.

    It is part of the exported graph, and loading it needs no code of this package.

    Raises:
      tf.errors.InvalidArgumentError: When called; it says which holes are filled.
    """

    def __init__(self, fillable: Fillable | Mapping[str, Any], **options):
        super().__init__(**{**options, "dtype": "float32"})
        if not isinstance(fillable, Fillable):
            fillable = Fillable(**fillable)
        self.fillable = fillable

    def call(self, mask):
        """Fails, or returns the mask."""
        with tf.control_dependencies(self.fillable.assertions(mask)):
            return tf.identity(mask)

    def get_config(self):
        """The arguments of this layer."""
        return {**super().get_config(), "fillable": dataclasses.asdict(self.fillable)}
