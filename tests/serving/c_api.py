"""Runs signatures of SavedModels through TensorFlow's C library, without its Python.

  python c_api.py LIBRARIES [FOLDER GIVEN.npz MADE.npz INPUTS OUTPUTS]...

LIBRARIES is the folder of TensorFlow's shared libraries. Five arguments are a request:
FOLDER is that of the SavedModel, which is loaded once for all of its requests. INPUTS
and OUTPUTS are JSON, {name: tensor's name in the graph}; GIVEN has an array for each
input, and MADE gets one for each output. Encoded pictures are arrays of bytes.
"""

import ctypes
import functools
import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np

_TYPES = {1: np.float32, 3: np.int32}  # TensorFlow's number -> NumPy's type
_STRING, _STRING_BYTES = 7, 24  # a TF_TString
_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
LIBRARIES = pathlib.Path(importlib.util.find_spec("tensorflow").origin).parent
NOT_THERE = "This TensorFlow has no libtensorflow_cc.so.2 (only Linux has)."


def is_there():
    """Whether there is a library to load exports with."""
    return (LIBRARIES / "libtensorflow_cc.so.2").exists()


def tensors(folder, signature):
    """Inputs and outputs of a signature, each {name: tensor in the graph} as JSON."""
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    found = model.meta_graphs[0].signature_def[signature]
    return [
        json.dumps({name: info.name for name, info in infos.items()})
        for infos in (found.inputs, found.outputs)
    ]


def run_there(requests, place):
    """Folder, signature and inputs of each -> outputs of each; in one process."""
    command = [sys.executable, __file__, str(LIBRARIES)]
    for number, (folder, signature, inputs) in enumerate(requests):
        given, made = f"given{number}.npz", f"made{number}.npz"
        np.savez(place / given, **inputs)
        command += [str(folder), given, made, *tensors(folder, signature)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [dict(np.load(place / f"made{n}.npz")) for n in range(len(requests))]


class Output(ctypes.Structure):
    """A TF_Output."""

    _fields_ = (("operation", _pointer), ("index", ctypes.c_int))


class Library:
    """The functions of libtensorflow_cc that are needed."""

    def __init__(self, folder):
        # The first must be there for all, because the second looks for its symbols.
        ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
        self._library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"))
        self._status = self("TF_NewStatus", _pointer)

    def __call__(self, name, result, *arguments):
        function = getattr(self._library, name)
        function.restype = result
        return function(*arguments)

    def checked(self, name, result, *arguments):
        """As a call, with a status as the last argument; an error is an exception."""
        returned = self(name, result, *arguments, _pointer(self._status))
        if self("TF_GetCode", ctypes.c_int, _pointer(self._status)):
            message = self("TF_Message", ctypes.c_char_p, _pointer(self._status))
            raise RuntimeError(message.decode())
        return returned

    def tensor(self, array):
        """NumPy's array -> TF_Tensor."""
        encoded = array.dtype.kind in "SO"
        kinds = {np.dtype(kind): number for number, kind in _TYPES.items()}
        kind = _STRING if encoded else kinds[array.dtype]
        size = array.size * _STRING_BYTES if encoded else array.nbytes
        sides = (ctypes.c_int64 * array.ndim)(*array.shape)
        made = self("TF_AllocateTensor", _pointer, kind, sides, array.ndim, _size(size))
        place = self("TF_TensorData", _pointer, _pointer(made))
        if not encoded:
            ctypes.memmove(place, np.ascontiguousarray(array).ctypes.data, size)
            return made
        for number, data in enumerate(array.ravel()):
            string = _pointer(place + number * _STRING_BYTES)
            self("TF_StringInit", None, string)
            self("TF_StringCopy", None, string, bytes(data), _size(len(data)))
        return made

    def array(self, tensor):
        """TF_Tensor -> NumPy's array."""
        tensor = _pointer(tensor)
        sides = [
            self("TF_Dim", ctypes.c_int64, tensor, side)
            for side in range(self("TF_NumDims", ctypes.c_int, tensor))
        ]
        kind = self("TF_TensorType", ctypes.c_int, tensor)
        place = self("TF_TensorData", _pointer, tensor)
        if kind != _STRING:
            size = self("TF_TensorByteSize", _size, tensor)
            data = ctypes.string_at(place, size)
            return np.frombuffer(data, _TYPES[kind]).reshape(sides)
        assert sides == [1]  # encoded pictures have no common length
        start = self("TF_StringGetDataPointer", _pointer, _pointer(place))
        size = self("TF_StringGetSize", _size, _pointer(place))
        return np.frombuffer(ctypes.string_at(start, size), np.uint8)

    def outputs(self, graph, names):
        """Names such as "call:0" -> an array of TF_Output."""
        places = []
        for name in names:
            operation, _, index = name.partition(":")
            found = self("TF_GraphOperationByName", _pointer, graph, operation.encode())
            assert found, f"{operation} is not in the graph"
            places.append(Output(found, int(index)))
        return (Output * len(places))(*places)

    def load(self, folder):
        """Loads a SavedModel as TF Serving does: its graph, and a session."""
        graph = _pointer(self("TF_NewGraph", _pointer))
        session = self.checked(
            "TF_LoadSessionFromSavedModel",
            _pointer,
            _pointer(self("TF_NewSessionOptions", _pointer)),
            None,
            folder.encode(),
            (ctypes.c_char_p * 1)(b"serve"),
            1,
            graph,
            None,
        )
        return graph, _pointer(session)

    def run(self, graph, session, arrays, inputs, outputs):
        """Name -> array of what a graph makes of the arrays."""
        tensors = [self.tensor(arrays[name]) for name in inputs]
        results = (_pointer * len(outputs))()
        self.checked(
            "TF_SessionRun",
            None,
            session,
            None,
            self.outputs(graph, inputs.values()),
            (_pointer * len(tensors))(*tensors),
            len(tensors),
            self.outputs(graph, outputs.values()),
            results,
            len(outputs),
            None,
            0,
            None,
        )
        return {name: self.array(result) for name, result in zip(outputs, results)}


def main(libraries, *requests):
    """Answers them one after another."""
    tensorflow = Library(pathlib.Path(libraries))
    load = functools.cache(tensorflow.load)
    for start in range(0, len(requests), 5):
        folder, given, made, *names = requests[start : start + 5]
        found = tensorflow.run(*load(folder), np.load(given), *map(json.loads, names))
        np.savez(made, **found)
    assert "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
