"""Reads the tensors of a PyTorch `.pth` file, without PyTorch and without running it.

A `.pth` holds a pickle, and a pickle can call anything. This reader knows the few
names that a dictionary of tensors needs, resolves them to functions of its own, and
refuses a file that asks for another one. Both layouts are read:

  since PyTorch 1.6   a zip: <stem>/data.pkl, and each storage in <stem>/data/<key>
  before              a magic number, the protocol's version, facts about the writer,
                      the dictionary, the storages' keys (five pickles in a row), then
                      each storage as its length (int64) and its raw values
"""

from __future__ import annotations

import collections
import os
import pickle
import zipfile
from typing import NamedTuple

import numpy as np

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "|b1",
}


class _Storage(NamedTuple):
    dtype: str
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors (a model's `state_dict`).

    Args:
      path: A `.pth` or `.pt` file of either layout.

    Returns:
      Name -> array of the stored dtype, the file's order kept.

    Raises:
      ValueError: the file is not such a dictionary, is damaged, or asks for code.
    """
    try:
        if zipfile.is_zipfile(path):
            content, storages = _read_zip(path)
        else:
            content, storages = _read_legacy(path)
        return {str(k): _array(v, storages) for k, v in content.items()}
    except FileNotFoundError:
        raise
    # Whatever a damaged or hostile pickle provokes in the reader means the same.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a PyTorch file of tensors: {error}. Fetch it "
            "again from where it is published; it is not opened in any other way, "
            "because a .pth file can run code."
        ) from error


class _Unpickler(pickle.Unpickler):
    """Resolves the names of a dictionary of tensors, and no others."""

    def find_class(self, module: str, name: str):
        known = {
            "collections.OrderedDict": collections.OrderedDict,
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_parameter": self._parameter,
        }
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        if f"{module}.{name}" not in known:
            raise ValueError(
                f"it asks for {module}.{name}, which this reader does not know"
            )
        return known[f"{module}.{name}"]

    def persistent_load(self, pid):
        kind, dtype, key, *rest = pid
        if kind != "storage" or dtype not in _STORAGES.values():
            raise ValueError(f"it refers to {kind!r}, not to a storage")
        # rest is (location, length) and, in the old layout, a view into a storage.
        if len(rest) > 2 and rest[2] is not None:
            raise ValueError("its tensors are views of views")
        return _Storage(dtype, str(key))

    def _tensor(self, storage, offset, shape, strides, *unused_autograd_state):
        return _Tensor(storage, offset, tuple(shape), tuple(strides))

    def _parameter(self, tensor, *unused_autograd_state):
        return tensor


def _load(file) -> dict[str, _Tensor]:
    content = _Unpickler(file, encoding="utf-8").load()
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, not a dictionary")
    for name, tensor in content.items():
        if not isinstance(tensor, _Tensor):
            kind = type(tensor).__name__
            raise ValueError(f"its {name!r} is of type {kind}, not a tensor")
    return content


def _read_zip(path) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickles = [n for n in names if n.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise ValueError("it is a zip without one data.pkl")
        root = pickles[0][: -len("data.pkl")]
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in names else b""
        if order == b"big":
            raise ValueError("it was written on a big-endian machine")
        with archive.open(pickles[0]) as file:
            content = _load(file)
        data = f"{root}data/"
        keys = [n[len(data) :] for n in names if n.startswith(data)]
        return content, {key: archive.read(data + key) for key in keys}


def _read_legacy(path) -> tuple[dict[str, _Tensor], dict[str, bytes]]:
    with open(path, "rb") as file:

        def header():
            return _Unpickler(file, encoding="utf-8").load()

        if header() != _LEGACY_MAGIC or header() != _LEGACY_PROTOCOL:
            raise ValueError("it is of neither of PyTorch's two layouts")
        if not header()["little_endian"]:
            raise ValueError("it was written on a big-endian machine")
        content = _load(file)
        dtypes = {t.storage.key: np.dtype(t.storage.dtype) for t in content.values()}
        storages = {}
        for key in header():
            length = int.from_bytes(file.read(8), "little", signed=True)
            size = length * dtypes[key].itemsize
            # The remaining bytes bound what is asked for, so that a damaged length is
            # an error and not an attempt at terabytes.
            if not 0 <= size <= os.path.getsize(path) - file.tell():
                raise ValueError("it ends before its last tensor")
            storages[key] = file.read(size)
        return content, storages


def _array(tensor: _Tensor, storages: dict[str, bytes]) -> np.ndarray:
    values = np.frombuffer(storages[tensor.storage.key], tensor.storage.dtype)
    # Shape and strides come from the file: they must stay inside the storage, or the
    # array would show foreign memory.
    _, offset, shape, strides = tensor
    numbers = (offset, *shape, *strides)
    inside = all(type(n) is int and n >= 0 for n in numbers)
    inside = inside and len(shape) == len(strides)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides))
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if not inside or count > len(values) or (count and last >= len(values)):
        raise ValueError("a tensor reaches beyond its storage")
    steps = [step * values.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(values[offset:], shape, steps).copy()
