"""Programs that compute an exported network: TensorFlow, OpenVINO, ONNX Runtime.

The latter two do without TensorFlow, whose import alone takes seconds. A network is
converted once; what it was converted to lies in the folder of caches.
"""

from __future__ import annotations

import functools
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import machine
from data_pipeline.choices import check_choice
from serving.export import known, saved_model

TENSORFLOW, OPENVINO, ONNXRUNTIME = ENGINES = ("tensorflow", "openvino", "onnxruntime")
FLOAT32, BFLOAT16 = PRECISIONS = ("float32", "bfloat16")
SIGNATURE = "serving_default"

ENGINE_HELP = (
    f"The program that computes the network: {', '.join(ENGINES)}. The last two start "
    "in a second; each needs the optional packages of its name (make extras EXTRAS=)."
)
PRECISION_HELP = (
    f"The numbers that the network computes in: {' or '.join(PRECISIONS)}. bfloat16 "
    "needs --engine=openvino; it is faster on processors that have it, and results "
    "differ by some gray levels."
)

# image [B, S, S, 3] and mask [B, S, S, 1], float32 -> restored [B, S, S, 3]
Network = Callable[[np.ndarray, np.ndarray], np.ndarray]


def check(engine: str, precision: str) -> None:
    """Raises a ValueError unless there is such an engine and it has the precision."""
    check_choice("engine", engine, ENGINES)
    check_choice("precision", precision, PRECISIONS)
    if precision != FLOAT32 and engine != OPENVINO:
        raise ValueError(
            f"--precision={precision} needs --engine={OPENVINO}; --engine={engine} "
            f"computes an exported network in {FLOAT32}."
        )


def load(
    folder: pathlib.Path, engine: str, precision: str = FLOAT32
) -> tuple[Network, int]:
    """Opens an exported restorer.

    Args:
      folder: Of the SavedModel.
      engine: One of `ENGINES`.
      precision: One of `PRECISIONS`.

    Returns:
      The network, and the side S of its images.

    Raises:
      ValueError: If the engine is not installed or has no such precision.
    """
    check(engine, precision)
    opened = {
        TENSORFLOW: _tensorflow,
        OPENVINO: functools.partial(_openvino, precision=precision),
        ONNXRUNTIME: _onnxruntime,
    }
    try:
        return opened[engine](folder)
    except ImportError as error:
        raise ValueError(
            f"--engine={engine} is not installed ({error}): make extras "
            f"EXTRAS={engine}, or leave the flag out."
        ) from error


def _tensorflow(folder: pathlib.Path) -> tuple[Network, int]:
    with saved_model.opening(folder):
        model = tf.saved_model.load(str(folder))
    if SIGNATURE not in model.signatures:
        raise ValueError(
            f"--model={folder} has no signature {SIGNATURE}; it has "
            f"{', '.join(model.signatures) or 'none'}."
        )
    signature = model.signatures[SIGNATURE]

    def network(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        result = signature(image=tf.constant(image), mask=tf.constant(mask))
        return result["restored"].numpy()

    network.model = model  # a signature borrows its variables
    return network, signature.structured_input_signature[1]["image"].shape[1]


def _openvino(folder: pathlib.Path, precision: str) -> tuple[Network, int]:
    import openvino

    core = openvino.Core()

    def convert(place: pathlib.Path) -> None:
        openvino.save_model(core.read_model(folder), place, compress_to_fp16=False)

    version = openvino.__version__.partition("-")[0]
    path = _converted(folder, f"{version}.xml", convert)
    # Its own default is bfloat16 on processors that have it. Compiled models are
    # cached, too, beside the converted ones.
    options = {
        "INFERENCE_PRECISION_HINT": {FLOAT32: "f32", BFLOAT16: "bf16"}[precision],
        "CACHE_DIR": str(path.parent),
    }
    model = core.compile_model(path, "CPU", options)
    request, lock = model.create_infer_request(), threading.Lock()

    def network(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        with lock:
            found = request.infer({"image": image, "mask": mask})
            return found["restored"].copy()

    return network, model.input("image").get_partial_shape()[1].get_length()


def _onnxruntime(folder: pathlib.Path) -> tuple[Network, int]:
    import onnxruntime

    def convert(place: pathlib.Path) -> None:
        options = ["--signature_def", SIGNATURE, "--opset", "17"]
        options += ["--saved-model", str(folder), "--output", str(place)]
        command = [sys.executable, "-m", "tf2onnx.convert", *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise ValueError(f"{folder} cannot be converted to ONNX: {last}")

    path = _converted(folder, "onnx", convert)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def network(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return session.run(["restored"], {"image": image, "mask": mask})[0]

    shapes = {given.name: given.shape for given in session.get_inputs()}
    return network, shapes["image"][1]


def _converted(
    folder: pathlib.Path, suffix: str, convert: Callable[[pathlib.Path], None]
) -> pathlib.Path:
    """The file that a SavedModel was converted to, converting it if it was not yet."""
    part = pathlib.Path("converted", known.fingerprint(folder), f"restorer.{suffix}")
    for cache in machine.cache_folders():
        if (cache / part).exists():
            return cache / part
    path = machine.cache_folder() / part
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"{folder} is converted, once.", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=path.parent) as fresh:
        convert(pathlib.Path(fresh, path.name))
        # The file of the name comes last: where it is, all are.
        for file in sorted(
            pathlib.Path(fresh).iterdir(), key=lambda f: f.name == path.name
        ):
            os.replace(file, path.parent / file.name)
    return path
