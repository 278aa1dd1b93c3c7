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
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf
from absl import logging as absl_logging

from data_pipeline import pixels
from serving import encoded
from serving.fillable import Fillable, HoleCheck

ANY_HOLE = Fillable()


def build_restorer(
    network: tf.keras.Model,
    *,
    fill: float | Sequence[float],
    fillable: Fillable = ANY_HOLE,
) -> tf.keras.Model:
    """Wraps a network in [-1, 1] into what users call.

    Args:
      network: {"image": [B, S, S, 3] in [-1, 1] with the hole filled, "mask":
        [B, S, S, 1]} -> image in [-1, 1], in float32.
      fill: What stands in the hole, in [-1, 1]: one number, or one a channel.
      fillable: Which holes the network fills; the others are refused, wherever the
        model is called from.

    Returns:
      {"image": [B, S, S, 3] in [0, 1], "mask": [B, S, S, 1], 1 = missing} ->
      restored [B, S, S, 3] in [0, 1]. What the image holds under the mask has no
      influence; known pixels are the image's own.
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
    palette; see `encoded.decode`.

    Args:
      restorer: From `build_restorer`.

    Returns:
      Name -> tf.function.
    """
    size = restorer.output_shape[1]
    fillable = restorer.get_layer("hole").fillable

    def restore(image: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
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
            lambda pair: encoded.shrink(*encoded.decode_pair(*pair), size),
            pairs,
            fn_output_signature=(
                tf.TensorSpec([size, size, 3], tf.float32),
                tf.TensorSpec([size, size, 1], tf.float32),
            ),
        )
        restored = restore(image, fillable.settle(mask))
        # Originals differ in size and cannot be kept in one tensor: decoding them
        # again is cheap beside the network.
        pictures = tf.map_fn(
            lambda item: encoded.paste(item[2], *encoded.decode_pair(item[0], item[1])),
            (*pairs, restored),
            fn_output_signature=tf.TensorSpec([], tf.string),
        )
        return {"restored_bytes": pictures}

    return {
        "serving_default": serving_default,
        "serving_single": serving_single,
        "serving_bytes": serving_bytes,
    }


def save(
    restorer: tf.keras.Model,
    folder: str | os.PathLike,
    *,
    extras: Mapping[str, str | bytes] | None = None,
) -> pathlib.Path:
    """Writes a SavedModel folder, whole or not at all; one that is there is replaced.

    Args:
      restorer: From `build_restorer`.
      folder: Such as `<run>/export/1`; TF Serving takes its parent.
      extras: File name -> text or bytes, put into `assets.extra/`.

    Returns:
      The folder.
    """
    return write(restorer, folder, signatures(restorer), extras=extras)


def write(
    model: tf.keras.Model,
    folder: str | os.PathLike,
    signatures: Mapping[str, Callable] | None = None,
    *,
    extras: Mapping[str, str | bytes] | None = None,
) -> pathlib.Path:
    """Writes any model as `save` does; without signatures Keras makes the default."""
    folder = pathlib.Path(folder)
    recover(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = _aside(folder) / "new", _aside(folder) / "old"
    try:
        with _errors_only():
            model.save(
                fresh,
                save_format="tf",
                include_optimizer=False,
                signatures=signatures,
            )
        for name, extra in (extras or {}).items():
            path = fresh / "assets.extra" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(extra.encode() if isinstance(extra, str) else extra)
        if folder.exists():
            os.replace(folder, old)
        os.replace(fresh, folder)
    finally:
        recover(folder)
    return folder


def recover(folder: str | os.PathLike) -> None:
    """Undoes what a `save` that was killed has left undone.

    Replacing a folder takes two renames. An export that was moved aside by the first
    and is not replaced by the second is moved back; what else was left is deleted.

    Args:
      folder: As `save` takes it.
    """
    folder = pathlib.Path(folder)
    old = _aside(folder) / "old"
    if old.exists() and not folder.exists():
        os.replace(old, folder)
        print(
            f"{folder} is back: it had been moved aside to be replaced, and was not.",
            file=sys.stderr,
        )
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _aside(folder: pathlib.Path) -> pathlib.Path:
    """Where `save` works. Not in the parent, where TF Serving looks for versions."""
    return folder.parent.parent / f".{folder.parent.name}-{folder.name}"


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
