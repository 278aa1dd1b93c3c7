"""Packages of shipped models: an export in one zip, its weights in float16.

A package holds the files of the exported folder, with these changes:

  variables_float16/       instead of variables/, the same checkpoint with float32
                           tensors as float16 where that loses little; see `rounded`
  assets.extra/config.json with the identifiers of the rounded model, if it is a codec
  fingerprint.pb           without the hash of the original weights

Rounding makes another model. A codec's entropy tables are whole numbers and stay, but
its latents and its pictures may change, so neither reads files of the other.

The checkpoint's folder has another name because TensorFlow's loader could not restore
float32 variables from it if the zip was unpacked by hand.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np
import tensorflow as tf

from serving.codec import hyperprior
from serving.codec.base import identify
from serving.codec.quantizer import Quantizer
from serving.export import codec, latents, saved_model

CARD = "assets.extra/model_card.md"

_SINGLE = pathlib.PurePath("variables", "variables")
_HALF = pathlib.PurePath("variables_float16", "variables")
# float16 rounds by half of this, except for the tiniest numbers.
_LOSS = 2.0**-10
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # date of a file in a zip


def pack(folder: str | os.PathLike, path: str | os.PathLike) -> list[str]:
    """Writes the package of an export; the same export gives the same bytes.

    Returns the names, in the checkpoint, of the tensors that stay float32.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is damaged, or has float16 variables already.
    """
    folder = pathlib.Path(folder)
    saved_model.read_config(folder)
    with saved_model.opening(folder):
        reader = tf.train.load_checkpoint(str(folder / _SINGLE))
    for name, dtype in reader.get_variable_to_dtype_map().items():
        if dtype == tf.float16:
            raise ValueError(
                f"{folder} has the float16 variable {name}, which would come back as "
                "float32. Export the network in float32."
            )
    exact: list[str] = []

    def to_half(name: str, values: np.ndarray) -> np.ndarray:
        half = rounded(values)
        if half.dtype == np.float32:
            exact.append(name)
        return half

    with tempfile.TemporaryDirectory() as place:
        half, model = pathlib.Path(place, "half"), pathlib.Path(place, "model")
        leave = shutil.ignore_patterns(_SINGLE.parent.name)
        shutil.copytree(folder, model, ignore=leave)
        with saved_model.opening(folder):
            _rewrite(folder / _SINGLE, half / _HALF, to_half)
            _rewrite(half / _HALF, model / _SINGLE, _to_single)
            _identify_anew(model)
            _forget_hash(model / "fingerprint.pb")
        shutil.rmtree(model / _SINGLE.parent)
        shutil.move(half / _HALF.parent, model / _HALF.parent)
        paths = (file for file in model.rglob("*") if file.is_file())
        files = {p.relative_to(model).as_posix(): p.read_bytes() for p in paths}
        pathlib.Path(path).write_bytes(_zipped(files))
    return exact


def unpack(package: BinaryIO | str | os.PathLike, folder: str | os.PathLike) -> None:
    """Unpacks what `pack` wrote to a SavedModel in float32, in a new or empty folder.

    Callers check the checksum.
    """
    folder = pathlib.Path(folder)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    _rewrite(folder / _HALF, folder / _SINGLE, _to_single)
    shutil.rmtree(folder / _HALF.parent)


def with_card(package: bytes, card: str) -> bytes:
    """The bytes of a package with another model card inside."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return _zipped({**files, CARD: card.encode()})


def rounded(values: np.ndarray) -> np.ndarray:
    """A float32 tensor as float16, unless that would lose too much; others as they are.

    Too much is more than 2 ** -10 of a value in vectors, such as variances of 1e-7, and
    of the largest value in kernels, whose values are added up.
    """
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        half = values.astype(np.float16)
        lost = np.abs(half.astype(np.float32) - values)
    size = np.abs(values) if values.ndim < 2 else np.abs(values).max(initial=0.0)
    return half if (lost <= _LOSS * size).all() else values


def _to_single(name: str, values: np.ndarray) -> np.ndarray:
    """Undoes the cast of `rounded`."""
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _rewrite(
    source: pathlib.Path,
    target: pathlib.Path,
    change: Callable[[str, np.ndarray], np.ndarray],
) -> None:
    """Writes a checkpoint with the tensors of another, changed; both are prefixes."""
    reader = tf.train.load_checkpoint(str(source))
    names = sorted(reader.get_variable_to_shape_map())
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = []
    for name in names:
        found = reader.get_tensor(name)  # strings, such as the graph, are bytes
        tensors.append(found if isinstance(found, bytes) else change(name, found))
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=str(target),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=tensors,
        )


def _identify_anew(folder: pathlib.Path) -> None:
    """Writes the identifiers of a codec's present weights into its config.json."""
    config, extra = saved_model.read_config(folder), folder / "assets.extra"
    if not codec.model_ids(config) or config.get(codec.READS_ONLY):
        return
    weights = saved_model.weights_of(tf.saved_model.load(str(folder)))
    if "model_id" in config:
        tables = hyperprior.load(extra / codec.TABLES)
        config["model_id"] = identify(weights, tables).hex()
    for bits in config.get(latents.QUANTIZERS, {}):
        quantizer = Quantizer.load(extra / latents.quantizer_file(bits))
        config[latents.QUANTIZERS][bits] = identify(weights, quantizer).hex()
    (extra / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def _forget_hash(path: pathlib.Path) -> None:
    """Removes the hash of the weights from a model's fingerprint, if it has one."""
    # The file stays: without it TensorFlow warns whenever it loads the model.
    if path.exists():
        # Here, because it loads TensorFlow.
        from tensorflow.core.protobuf import fingerprint_pb2

        found = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
        found.ClearField("checkpoint_hash")
        path.write_bytes(found.SerializeToString(deterministic=True))


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """Zips files, name -> content, without dates and owners."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, on every system
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, compresslevel=9)
    return zipped.getvalue()
