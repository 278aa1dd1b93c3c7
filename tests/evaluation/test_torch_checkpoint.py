"""Files of both PyTorch layouts, written here without PyTorch."""

import collections
import io
import os
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest

from evaluation.metrics import torch_checkpoint

STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "i8": "LongStorage"}


class Pickler(pickle.Pickler):
    """Writes arrays as PyTorch writes tensors: a call, and a reference to a storage."""

    def __init__(self, file, modules, legacy):
        super().__init__(file, protocol=2)
        self.modules, self.legacy, self.storages = modules, legacy, {}

    def reducer_override(self, array):
        if not isinstance(array, np.ndarray):
            return NotImplemented
        base = array if array.base is None else array.base
        offset = array.ctypes.data - base.ctypes.data
        strides = [s // array.itemsize for s in array.strides]
        storage = types.SimpleNamespace(base=base)
        rebuild = self.modules["torch._utils"]._rebuild_tensor_v2
        state = (storage, offset // array.itemsize, array.shape, tuple(strides))
        return rebuild, (*state, False, collections.OrderedDict())

    def persistent_id(self, item):
        if not isinstance(item, types.SimpleNamespace):
            return None
        key = str(id(item.base))
        self.storages[key] = item.base
        kind = getattr(self.modules["torch"], STORAGES[item.base.dtype.str[1:]])
        view = (None,) if self.legacy else ()
        return ("storage", kind, key, "cpu", item.base.size, *view)


def write(path, content, *, legacy):
    """What `torch.save` does, as far as a dictionary of tensors goes."""
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    for name in STORAGES.values():
        kind = type(name, (), {"__module__": "torch"})
        setattr(modules["torch"], name, kind)

    def _rebuild_tensor_v2():
        """Only its name is written."""

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        buffer = io.BytesIO()
        pickler = Pickler(buffer, modules, legacy)
        pickler.dump(content)
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
    raw = {key: base.tobytes() for key, base in pickler.storages.items()}
    if not legacy:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", buffer.getvalue())
            archive.writestr("model/byteorder", "little")
            for key, data in raw.items():
                archive.writestr(f"model/data/{key}", data)
        return
    with open(path, "wb") as file:
        facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        for part in (0x1950A86A20F9469CFC6C, 1001, facts):
            pickle.dump(part, file, protocol=2)
        file.write(buffer.getvalue())
        pickle.dump(list(raw), file, protocol=2)
        for key, data in raw.items():
            file.write(pickler.storages[key].size.to_bytes(8, "little") + data)


@pytest.fixture(params=[False, True], ids=["zip", "legacy"])
def legacy(request):
    return request.param


def test_reads_what_was_written(tmp_path, legacy):
    base = np.arange(24, dtype="f4")
    content = collections.OrderedDict(
        weight=np.random.default_rng(0).standard_normal([2, 3, 4]).astype("f4"),
        transposed=base.reshape(4, 6).T,
        tail=base[5:20:3],
        double=np.float64([1, 2]),
        count=np.array(7),
        empty=np.zeros([0, 3], "f4"),
    )
    content._metadata = {"": {"version": 1}}  # as a state_dict has it
    write(tmp_path / "x.pth", content, legacy=legacy)
    tensors = torch_checkpoint.read(tmp_path / "x.pth")
    assert list(tensors) == list(content)
    for name, array in content.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)


class Harmful:
    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


def test_code_in_a_file_is_refused_and_not_run(tmp_path, legacy, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    write(tmp_path / "x.pth", {"a": Harmful()}, legacy=legacy)
    with pytest.raises(ValueError, match=r"x\.pth .* asks for \w+\.mkdir"):
        torch_checkpoint.read(tmp_path / "x.pth")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "content, message",
    [
        ([np.zeros(2, "f4")], "holds a list, not a dictionary"),
        ({"epoch": 3}, "'epoch' is of type int, not"),
        ({"state": {"a": np.zeros(2, "f4")}}, "'state' is of type dict, not"),
    ],
)
def test_anything_but_a_dictionary_of_tensors_is_refused(
    tmp_path, legacy, content, message
):
    write(tmp_path / "x.pth", content, legacy=legacy)
    with pytest.raises(ValueError, match=message):
        torch_checkpoint.read(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "shape, strides", [((9,), (1,)), ((2, 2), (7, 1)), ((2,), (-1,)), ((8, 8), (0, 0))]
)
def test_a_tensor_reaching_beyond_its_storage_is_refused(
    tmp_path, legacy, shape, strides, monkeypatch
):
    write(tmp_path / "x.pth", {"a": np.zeros(8, "f4")}, legacy=legacy)
    rebuild = torch_checkpoint._Unpickler._tensor
    monkeypatch.setattr(
        torch_checkpoint._Unpickler,
        "_tensor",
        lambda self, storage, *_: rebuild(self, storage, 0, shape, strides),
    )
    with pytest.raises(ValueError, match="a tensor reaches beyond its storage"):
        torch_checkpoint.read(tmp_path / "x.pth")


@pytest.mark.parametrize("kept", [0.999, 0.5, 0.02, 0])
def test_a_truncated_file_is_an_error(tmp_path, legacy, kept):
    path = tmp_path / "x.pth"
    write(path, {"a": np.zeros(1000, "f4")}, legacy=legacy)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ValueError, match="cannot be read as a PyTorch file") as error:
        torch_checkpoint.read(path)
    if legacy and kept >= 0.5:
        assert "x.pth" in str(error.value) and "ends before" in str(error.value)


def test_other_files_are_an_error(tmp_path):
    (tmp_path / "x.pth").write_text("<html>404</html>")
    with pytest.raises(ValueError, match="cannot be read as a PyTorch file"):
        torch_checkpoint.read(tmp_path / "x.pth")
    with pytest.raises(FileNotFoundError):
        torch_checkpoint.read(tmp_path / "absent.pth")
