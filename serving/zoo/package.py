"""The file of a shipped model: an export in one zip, its weights in float16.

It holds the exported folder's files as they are, but for these:

  variables_float16/       instead of variables/, the same checkpoint with float32
                           tensors as float16, if they stand that; see `rounded`
  assets.extra/config.json with the identifiers of the rounded model, if it is a codec
  fingerprint.pb           without the hash of the weights, which are others

Rounding makes another model. A codec's entropy tables are whole numbers and stay, but
its latents and its pictures may not, so files of one are refused by the other.

The folder has a name of its own because TensorFlow's loader, to which a float16 tensor
is none of the float32 variables, would not open a zip that was unpacked by hand.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import fingerprint_pb2

from serving.codec.entropy import EntropyTables
from serving.codec.image_codec import identify
from serving.codec.quantizer import Quantizer
from serving.export import codec, latents, saved_model

_SINGLE = pathlib.PurePath("variables", "variables")
_HALF = pathlib.PurePath("variables_float16", "variables")
# float16 rounds by half of this, but for the tiniest numbers.
_LOSS = 2.0**-10
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of what a zip can say


def pack(folder: str | os.PathLike, path: str | os.PathLike) -> list[str]:
    """Writes the package of an export; the same export gives the same bytes.

    Args:
      folder: Such as `<run>/export/1`.
      path: Of the package.

    Returns:
      The names of the tensors that stay float32, as the checkpoint has them.

    Raises:
      FileNotFoundError: If the folder is not one of our exports.
      ValueError: If it is damaged, or has float16 variables already.
    """
    folder = pathlib.Path(folder)
    saved_model.config(folder)
    exact: list[str] = []

    def to_half(name: str, values: np.ndarray) -> np.ndarray:
        if values.dtype == np.float16:
            raise ValueError(
                f"{folder} has the float16 variable {name}, which would come back as "
                "float32. Export the network in float32."
            )
        half = rounded(values)
        if half.dtype == np.float32:
            exact.append(name)
        return half

    with tempfile.TemporaryDirectory() as place:
        half, model = pathlib.Path(place, "half"), pathlib.Path(place, "model")
        leave = shutil.ignore_patterns(_SINGLE.parent.name)
        shutil.copytree(folder, model, ignore=leave)
        try:
            _rewrite(folder / _SINGLE, half / _HALF, to_half)
            _rewrite(half / _HALF, model / _SINGLE, _to_single)
            _identify_anew(model)
            _forget_hash(model / "fingerprint.pb")
        except (tf.errors.OpError, OSError) as error:
            raise saved_model.damaged(folder, error) from error
        shutil.rmtree(model / _SINGLE.parent)
        shutil.move(half / _HALF.parent, model / _HALF.parent)
        _zip(model, pathlib.Path(path))
    return exact


def unpack(package: BinaryIO | str | os.PathLike, folder: str | os.PathLike) -> None:
    """Writes a SavedModel of what `pack` wrote, in float32.

    Args:
      package: A path or an open file; its checksum is the caller's care.
      folder: Which is made; not there, or empty.
    """
    folder = pathlib.Path(folder)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    _rewrite(folder / _HALF, folder / _SINGLE, _to_single)
    shutil.rmtree(folder / _HALF.parent)


def rounded(values: np.ndarray) -> np.ndarray:
    """A tensor as float16, or as it is if that would lose too much or it is no float32.

    That is more than 2 ** -10 of a value, in vectors: a variance of 1e-7 stands for
    itself. In kernels, where many values make a sum, it is of the largest one.
    """
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        half = values.astype(np.float16)
        lost = np.abs(half.astype(np.float32) - values)
    size = np.abs(values) if values.ndim < 2 else np.abs(values).max(initial=0.0)
    return half if (lost <= _LOSS * size).all() else values


def _to_single(name: str, values: np.ndarray) -> np.ndarray:
    """What `rounded` made float16, as float32."""
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _rewrite(
    source: pathlib.Path,
    target: pathlib.Path,
    change: Callable[[str, np.ndarray], np.ndarray],
) -> None:
    """Writes a checkpoint with the tensors of another, changed.

    Args:
      source: Its prefix.
      target: The prefix of what is written.
      change: Name, tensor -> tensor. A string, such as the graph of objects, is bytes.
    """
    reader = tf.train.load_checkpoint(str(source))
    names = sorted(reader.get_variable_to_shape_map())
    target.parent.mkdir(parents=True, exist_ok=True)
    tensors = []
    for name in names:
        found = reader.get_tensor(name)
        tensors.append(found if isinstance(found, bytes) else change(name, found))
    with tf.device("CPU"):
        tf.raw_ops.SaveV2(
            prefix=str(target),
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=tensors,
        )


def _identify_anew(folder: pathlib.Path) -> None:
    """Gives a codec the identifiers of the weights that it has now."""
    facts = saved_model.read_config(folder)
    extra = folder / "assets.extra"
    of_quantizers = facts.get(latents.QUANTIZERS, {})
    if not (facts.get("model_id") or of_quantizers):
        return
    # In the order in which the exporters identify them.
    weights = [weight.numpy() for weight in tf.saved_model.load(str(folder)).variables]
    if facts.get("model_id"):
        tables = EntropyTables.load(extra / codec.TABLES)
        facts["model_id"] = identify(weights, tables).hex()
    for bits in of_quantizers:
        quantizer = Quantizer.load(extra / latents.quantizer_file(bits))
        of_quantizers[bits] = identify(weights, quantizer).hex()
    (extra / "config.json").write_text(json.dumps(facts, indent=2) + "\n")


def _forget_hash(path: pathlib.Path) -> None:
    """Takes the hash of the weights from a model's fingerprint, if it has one."""
    # Not the file: without one TensorFlow remarks on it at every loading.
    if path.exists():
        found = fingerprint_pb2.FingerprintDef.FromString(path.read_bytes())
        found.ClearField("checkpoint_hash")
        path.write_bytes(found.SerializeToString(deterministic=True))


def _zip(folder: pathlib.Path, path: pathlib.Path) -> None:
    """Zips a folder's files; when and by whom they were written does not matter."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, wherever it is made
            info.external_attr = 0o644 << 16
            archive.writestr(info, file.read_bytes(), compresslevel=9)
