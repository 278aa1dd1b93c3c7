"""Warm-up requests, which TF Serving runs before a model answers its first client.

A server does not load a model that refuses one of them, so each is tried before it is
written.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tensorflow as tf

from data_pipeline import masks, pixels
from serving.client.errors import readable
from serving.codec.container import CELL, cells
from serving.export import saved_model

_FILE = "tf_serving_warmup_requests"  # a name that TF Serving fixes


class Model:
    """An export, such as `<run>/export/1`, and a request for each of its signatures.

    Attributes:
      folder: Of the export.
      requests: Signature -> input -> an example of one picture.
      one_size: All pictures have one size, or are encoded, so that any two requests to
        a signature can be merged into a batch.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is damaged, is a restorer without serving_bytes, or a signature
        refuses its example.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = pathlib.Path(folder)
        try:
            config = saved_model.read_config(folder)
            model = tf.saved_model.load(str(folder))
            self.requests = {
                name: {
                    key: _example(key, spec, config)
                    for key, spec in _specs(signature).items()
                }
                for name, signature in model.signatures.items()
            }
        except FileNotFoundError:
            raise
        except (KeyError, ValueError, OSError, tf.errors.OpError) as error:
            why = str(error).partition("\n")[0]
            raise ValueError(
                f"--model={folder} cannot be opened ({type(error).__name__}: {why}). "
                "Export it again."
            ) from error
        self.one_size = not any(
            None in spec.shape[1:].as_list()
            for signature in model.signatures.values()
            for spec in _specs(signature).values()
        )
        masked = any("mask" in key for given in self.requests.values() for key in given)
        if masked and "serving_bytes" not in self.requests:
            raise ValueError(
                f"--model={folder} has no signature serving_bytes, which clients call "
                "to restore: it was saved by Keras alone. Load it and save it with "
                "serving.export.restorer.save, as docs/keras.md shows."
            )
        for name, inputs in self.requests.items():
            given = {key: tf.constant(value) for key, value in inputs.items()}
            try:
                model.signatures[name](**given)
            except tf.errors.OpError as error:
                raise ValueError(
                    f"--model={folder}: its signature {name} refuses an example "
                    f"({readable(error.message)}). Export it again."
                ) from error


def write(model: Model, folder: pathlib.Path) -> None:
    """Writes the requests into a copy of the model."""
    # Here, because it is an optional extra; `server.write` says which.
    from tensorflow_serving.apis import prediction_log_pb2

    with tf.io.TFRecordWriter(str(folder / "assets.extra" / _FILE)) as file:
        for name, inputs in model.requests.items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = name
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            file.write(log.SerializeToString())


def _specs(signature) -> dict[str, tf.TensorSpec]:
    """Input -> its specification."""
    return signature.structured_input_signature[1]


def _example(name: str, spec: tf.TensorSpec, config: dict) -> np.ndarray:
    """An example of an input: a gray picture, a hole in its center, latents of 0."""
    size = config["image_size"]
    if "mask" in name:
        hole = masks.center(size, config["hole_size"]).numpy()[..., 0]
    if spec.dtype == tf.string:
        picture = hole * 255 if "mask" in name else np.full([size] * 2, 128)
        return np.array([pixels.encode_png(picture.astype(np.uint8))], object)
    # Networks for any size take whole cells.
    free = cells(size) if name == "latents" else cells(size) * CELL
    sides = [free if side is None else side for side in spec.shape[1:].as_list()]
    value = np.zeros([1, *sides], spec.dtype.as_numpy_dtype)
    if "image" in name:
        value[..., :3] = 0.5
    if "mask" in name:
        value[0, ..., -1] = hole
    return value
