"""SavedModels that `tf.keras.models.load_model` opens and TF Serving serves.

Every signature takes pictures in [0, 1] or as encoded bytes, fills what the mask marks
(1, or white, = missing) and returns every known pixel bit for bit.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping

import tensorflow as tf
from absl import logging as absl_logging

from data_pipeline import pixels
from models import holes


def build_restorer(network: tf.keras.Model, *, fill: float) -> tf.keras.Model:
    """Wraps a network in [-1, 1] into what users call.

    Args:
      network: {"image": [B, S, S, 3] in [-1, 1] with the hole filled, "mask":
        [B, S, S, 1]} -> image in [-1, 1], in float32.
      fill: What stands in the hole, in [-1, 1].

    Returns:
      {"image": [B, S, S, 3] in [0, 1], "mask": [B, S, S, 1], 1 = missing} ->
      restored [B, S, S, 3] in [0, 1]. What the image holds under the mask has no
      influence; known pixels are the image's own.
    """
    size = network.output_shape[1]
    image = tf.keras.Input((size, size, 3), name="image")
    mask = tf.keras.Input((size, size, 1), name="mask")
    missing = mask > 0.5
    filled = tf.where(missing, fill, pixels.unit_to_signed(image))
    raw = network({"image": filled, "mask": tf.cast(missing, tf.float32)})
    restored = tf.where(missing, pixels.signed_to_unit(raw), image)
    inputs = {"image": image, "mask": mask}
    return tf.keras.Model(inputs, restored, name="restorer")


def signatures(restorer: tf.keras.Model, *, patch_size: int = 0) -> dict:
    """The named, typed entry points of an exported restorer.

      serving_default  image, mask (float [0, 1])         -> restored
      serving_single   image_and_mask, 4 channels         -> restored
      serving_bytes    image_bytes, mask_bytes (encoded)  -> restored_bytes (PNG)

    Args:
      restorer: From `build_restorer`.
      patch_size: Largest hole the network can fill, a square in pixels; 0 = any.

    Returns:
      Name -> tf.function.
    """
    size = restorer.output_shape[1]

    def restore(image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        mask = tf.cast(mask > 0.5, tf.float32)
        with tf.control_dependencies(_assert_fits(mask, patch_size)):
            mask = tf.identity(mask)
        return restorer({"image": image, "mask": mask}, training=False)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, size, size, 3], tf.float32, name="image"),
            tf.TensorSpec([None, size, size, 1], tf.float32, name="mask"),
        ]
    )
    def serving_default(image, mask):
        return {"restored": restore(image, mask)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, size, size, 4], tf.float32, name="image_and_mask")
        ]
    )
    def serving_single(image_and_mask):
        return {"restored": restore(image_and_mask[..., :3], image_and_mask[..., 3:])}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="image_bytes"),
            tf.TensorSpec([None], tf.string, name="mask_bytes"),
        ]
    )
    def serving_bytes(image_bytes, mask_bytes):
        pairs = (image_bytes, mask_bytes)
        image, mask = tf.map_fn(
            lambda pair: _shrink(*_decode_pair(*pair), size),
            pairs,
            fn_output_signature=(
                tf.TensorSpec([size, size, 3], tf.float32),
                tf.TensorSpec([size, size, 1], tf.float32),
            ),
        )
        restored = restore(image, mask)
        # Originals differ in size and cannot be kept in one tensor: decoding them
        # again is cheap beside the network.
        encoded = tf.map_fn(
            lambda item: _paste(item[2], *_decode_pair(item[0], item[1])),
            (*pairs, restored),
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        return {"restored_bytes": encoded}

    return {
        "serving_default": serving_default,
        "serving_single": serving_single,
        "serving_bytes": serving_bytes,
    }


def _assert_fits(mask: tf.Tensor, patch_size: int) -> list:
    """Networks that restore a patch cannot fill a larger hole; mask of 0 and 1."""
    if not patch_size:
        return []
    inside = holes.crop_hole(mask, mask, patch_size)
    rest = tf.reduce_sum(mask) - tf.reduce_sum(inside)
    size = mask.shape[1]
    message = (
        f"This model fills one hole of up to {patch_size}x{patch_size} pixels in a "
        f"picture of {size}x{size}."
    )
    return [tf.debugging.assert_less(rest, 0.5, message)]


def _decode_pair(image_bytes: tf.Tensor, mask_bytes: tf.Tensor) -> tuple:
    """-> image uint8 [H, W, 3], missing bool [H, W, 1] in the image's size."""
    image = pixels.decode_in_graph(image_bytes)
    # As color, because TensorFlow reads no BMP as gray.
    mask = pixels.decode_in_graph(mask_bytes)
    mask = tf.image.resize(mask, tf.shape(image)[:2], "nearest")
    gray = tf.reduce_mean(tf.cast(mask, tf.float32), axis=-1, keepdims=True)
    return image, gray >= 128.0


def _shrink(image: tf.Tensor, missing: tf.Tensor, size: int) -> tuple:
    """-> image [S, S, 3] in [0, 1] and mask [S, S, 1], what the network takes."""
    image = pixels.bytes_to_unit(image)
    mask = tf.cast(missing, tf.float32)
    # The mean of the known pixels stands in for the missing ones, so that the resize
    # mixes nothing of them into their neighbors.
    known = tf.reduce_sum(image * (1.0 - mask), axis=[0, 1])
    mean = known / tf.maximum(tf.reduce_sum(1.0 - mask), 1.0)
    image = _resize(tf.where(missing, mean, image), size, size)
    mask = _resize(mask, size, size)
    return image, tf.cast(mask > 0.5, tf.float32)


def _paste(restored: tf.Tensor, image: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    """Restored [S, S, 3] into the original's missing pixels -> PNG."""
    shape = tf.shape(image)
    enlarged = pixels.unit_to_bytes(_resize(restored, shape[0], shape[1]))
    return tf.io.encode_png(tf.where(missing, enlarged, image))


def _resize(image: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Antialiased bicubic, clipped; the very same image where the size is the same."""
    resized = tf.cond(
        tf.reduce_all(tf.shape(image)[:2] == tf.stack([height, width])),
        lambda: image,
        lambda: tf.clip_by_value(
            tf.image.resize(image, [height, width], "bicubic", antialias=True), 0.0, 1.0
        ),
    )
    resized.set_shape([None, None, image.shape[-1]])
    return tf.reshape(resized, [height, width, image.shape[-1]])


def save(
    restorer: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    patch_size: int = 0,
    extras: Mapping[str, str] | None = None,
) -> pathlib.Path:
    """Writes a SavedModel folder, whole or not at all; one that is there is replaced.

    Args:
      restorer: From `build_restorer`.
      folder: Such as `<run>/export/1`; TF Serving takes its parent.
      patch_size: See `signatures`.
      extras: File name -> text, put into `assets.extra/`.

    Returns:
      The folder.
    """
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Not inside the parent, where TF Serving looks for versions.
    with tempfile.TemporaryDirectory(
        prefix=".export-", dir=folder.parent.parent
    ) as temporary:
        fresh = pathlib.Path(temporary) / "new"
        with _errors_only():
            restorer.save(
                fresh,
                save_format="tf",
                include_optimizer=False,
                signatures=signatures(restorer, patch_size=patch_size),
            )
        for name, text in (extras or {}).items():
            path = fresh / "assets.extra" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        if folder.exists():
            shutil.move(folder, pathlib.Path(temporary) / "old")
        os.replace(fresh, folder)
    return folder


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Silences what TensorFlow says about every SavedModel; errors still show."""
    # absl's verbosity and not its logger's level, which saving itself sets anew.
    verbosity = absl_logging.get_verbosity()
    level = tf.get_logger().level
    absl_logging.set_verbosity(absl_logging.ERROR)
    tf.get_logger().setLevel(logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(verbosity)
        tf.get_logger().setLevel(level)


def read_config(folder: str | os.PathLike) -> dict:
    """The configuration an exported model was trained with.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
    """
    path = pathlib.Path(folder) / "assets.extra" / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is not an exported model: it has no assets.extra/config.json. "
            "Pass the folder a run exported to, such as runs/NAME/export/1."
        )
    return json.loads(path.read_text())
