"""LPIPS with AlexNet, version 0.1 (Zhang et al. 2018).

The weights are one `.npz`, which `facemend lpips_weights` makes of the two published
PyTorch files: AlexNet's convolutions by torchvision and the linear heads by the authors
of LPIPS. Measuring does not need PyTorch.
"""

from __future__ import annotations

import importlib
import io
import os
import pathlib
import tempfile
import types

import numpy as np
import tensorflow as tf

from data_pipeline import fetch, machine, pixels

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_LEAST_SQUARES = 1e-20


class LPIPS:
    """`(target, restored) -> [B]` float32 for RGB images [B, H, W, 3] in [0, 1].

    0 for equal images; larger is more different. Values outside [0, 1] are clipped.

    Attributes:
      minimum_size: Smallest side in pixels; AlexNet's strides leave nothing of a
        smaller image.
      sha256_prefix: First 16 hex digits of the weights file's checksum.
    """

    minimum_size = 31

    def __init__(self, weights: dict[str, np.ndarray], sha256_prefix: str):
        self.sha256_prefix = sha256_prefix
        self._weights = {k: tf.constant(v, tf.float32) for k, v in weights.items()}
        images = tf.TensorSpec([None, None, None, 3], tf.float32)
        self._compiled = tf.function(self._distance, input_signature=[images, images])

    def __call__(self, target, restored) -> tf.Tensor:
        """Measures; raises ValueError for unequal shapes and images below 31 px."""
        target = tf.convert_to_tensor(target, tf.float32)
        restored = tf.convert_to_tensor(restored, tf.float32)
        if target.shape.rank != 4 or target.shape != restored.shape:
            raise ValueError(
                "lpips compares two [B, H, W, 3] of one shape; got "
                f"{target.shape} and {restored.shape}."
            )
        if min(target.shape[1:3]) < self.minimum_size:
            raise ValueError(
                f"lpips needs images of at least {self.minimum_size} px on the short "
                "side, because AlexNet's strides leave nothing of smaller ones; got "
                f"{target.shape[1]}×{target.shape[2]}."
            )
        return self._compiled(target, restored)

    def loss(
        self, target: tf.Tensor, restored: tf.Tensor, dtype: tf.DType | str = "float32"
    ) -> tf.Tensor:
        """The metric as a term of a loss, with a gradient of `restored` alone.

        Both images are [B, H, W, 3] in [0, 1]; the convolutions compute in `dtype`.
        Returns float32 [B], in float32 the metric's own values.
        """
        targets = self._features(target, dtype)
        return self._sum(
            (tf.stop_gradient(x), y)
            for x, y in zip(targets, self._features(restored, dtype))
        )

    def _distance(self, target, restored):
        # One batch of both is faster than two batches.
        both = tf.clip_by_value(tf.concat([target, restored], axis=0), 0.0, 1.0)
        return self._sum(tf.split(x, 2) for x in self._features(both, tf.float32))

    def _sum(self, layers):
        """The distance of two images, of their features layer by layer."""
        total = 0.0
        for layer, (x, y) in enumerate(layers, start=1):
            weighted = tf.square(x - y) * self._weights[f"lin{layer}"]
            total += tf.reduce_mean(tf.reduce_sum(weighted, axis=-1), axis=[1, 2])
        return total

    def _features(self, images, dtype):
        """AlexNet's activations after each ReLU, of length 1, of RGB in [0, 1]."""
        x = (2 * images - 1 - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        for layer, (_, shape) in CONVOLUTIONS.items():
            x = tf.cast(x, dtype)
            if layer in (2, 3):
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
            # By hand, because "SAME" pads a strided convolution unevenly, and bfloat16
            # gradients of explicit paddings take seconds. torchvision pads conv1 by 2,
            # although its kernel of 11 would allow 5.
            pad = 2 if layer == 1 else shape[0] // 2
            x = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])
            kernel = tf.cast(self._weights[f"conv{layer}_w"], dtype)
            x = tf.nn.conv2d(x, kernel, 4 if layer == 1 else 1, "VALID")
            x = tf.nn.relu(tf.cast(x, tf.float32) + self._weights[f"conv{layer}_b"])
            squares = tf.reduce_sum(tf.square(x), -1, keepdims=True)
            # Where no feature is active the root's slope is infinite.
            norm = tf.sqrt(tf.maximum(squares, _LEAST_SQUARES))
            yield x / (norm + 1e-10)


CACHED = "lpips_alex.npz"  # in the folder for caches

# (address, sha256)
ALEXNET = (
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
HEADS = (
    "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/"
    "lpips/weights/v0.1/alex.pth",
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
)

_OTHERWISE = (
    "Fetch it by other means, and convert it with `facemend lpips_weights "
    "--alexnet=FILE --heads=FILE --output=lpips_alex.npz`."
)

# Convolution -> (its place in torchvision's `features`, HWIO shape).
CONVOLUTIONS = {
    1: (0, (11, 11, 3, 64)),
    2: (3, (5, 5, 64, 192)),
    3: (6, (3, 3, 192, 384)),
    4: (8, (3, 3, 384, 256)),
    5: (10, (3, 3, 256, 256)),
}


def load(path: str | os.PathLike) -> LPIPS:
    """Loads the `.npz` that `convert` writes; a ValueError if it is another one."""
    with np.load(path) as file:
        weights = {key: file[key] for key in file.files}
    _check(weights, path)
    return LPIPS(weights, fetch.checksum(path)[:16])


def resolve(path: str) -> pathlib.Path | None:
    """Finds the weights file: that of --lpips_weights, else the cached one, else None.

    Raises:
      FileNotFoundError: If a path is given and does not exist.
    """
    if path:
        given = pathlib.Path(path).expanduser()
        if not given.is_file():
            raise FileNotFoundError(
                f"--lpips_weights={path}: there is no such file. Make it with "
                "`facemend lpips_weights --download`, or leave the flag out to do "
                "without LPIPS."
            )
        return given
    places = (folder / CACHED for folder in machine.cache_folders())
    return next((path for path in places if path.is_file()), None)


def convert(
    torchvision_path: str | os.PathLike,
    heads_path: str | os.PathLike,
    out_path: str | os.PathLike,
) -> pathlib.Path:
    """Makes one `.npz` of torchvision's AlexNet and the LPIPS heads; needs PyTorch.

    Args:
      torchvision_path: `alexnet-owt-7be5be79.pth`; its classifier is not kept.
      heads_path: `alex.pth`, version 0.1.
      out_path: Written whole or not at all.

    Raises:
      ImportError: If PyTorch is not installed.
      ValueError: If a file is not the published one.
    """
    alexnet, heads = _read_checkpoint(torchvision_path), _read_checkpoint(heads_path)
    weights = {}
    for layer, (place, _) in CONVOLUTIONS.items():
        kernel = _take(alexnet, f"features.{place}.weight", torchvision_path)
        weights[f"conv{layer}_w"] = kernel.transpose(2, 3, 1, 0)  # OIHW -> HWIO
        bias = _take(alexnet, f"features.{place}.bias", torchvision_path)
        weights[f"conv{layer}_b"] = bias
        head = _take(heads, f"lin{layer - 1}.model.1.weight", heads_path)
        weights[f"lin{layer}"] = head.reshape(-1)
    _check(weights, f"{torchvision_path} with {heads_path}")
    out_path = pathlib.Path(out_path).expanduser()
    buffer = io.BytesIO()
    np.savez(buffer, **weights)
    pixels.write_bytes(out_path, buffer.getvalue())
    return out_path


def download() -> pathlib.Path:
    """Fetches both published files (245 MB), checks them and writes the cache file.

    Raises:
      ImportError: If PyTorch is not installed.
      OSError: If a file cannot be fetched.
      ValueError: If a file is not the published one.
    """
    _torch()  # before anything is fetched
    cache = machine.cache_folder() / CACHED
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
        paths = []
        for address, sha256 in (HEADS, ALEXNET):
            paths.append(pathlib.Path(folder) / address.rsplit("/", 1)[1])
            fetch.fetch(address, sha256, paths[-1], otherwise=_OTHERWISE)
        heads, alexnet = paths
        return convert(alexnet, heads, cache)


def _torch() -> types.ModuleType:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "Reading the published LPIPS weights needs PyTorch. Install the extra "
            "'torch': pip install -e '.[torch]' -c constraints.txt"
        ) from error


def _read_checkpoint(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a `.pth` file. A file that asks for other objects is refused."""
    try:
        content = _torch().load(path, map_location="cpu", weights_only=True)
        return {name: tensor.detach().numpy() for name, tensor in content.items()}
    except (ImportError, FileNotFoundError):
        raise
    # PyTorch raises many kinds of errors on damaged files.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as a PyTorch file of tensors "
            f"({type(error).__name__}). Fetch it again from where it is published; it "
            "is not opened in any other way, because a .pth file can run code."
        ) from error


def _take(tensors: dict[str, np.ndarray], key: str, path) -> np.ndarray:
    if key not in tensors:
        raise ValueError(f"{path} has no {key}; it has {', '.join(list(tensors)[:8])}.")
    return tensors[key].astype(np.float32)


def _check(weights: dict[str, np.ndarray], path) -> None:
    expected = {}
    for layer, (_, shape) in CONVOLUTIONS.items():
        expected[f"conv{layer}_w"] = shape
        expected[f"conv{layer}_b"] = expected[f"lin{layer}"] = shape[-1:]
    for key, shape in expected.items():
        got = weights[key].shape if key in weights else "nothing"
        if got != shape:
            raise ValueError(
                f"{path}: {key} must be of shape {shape}; got {got}. These are not the "
                "weights of AlexNet v0.1; `facemend lpips_weights` makes "
                "the file."
            )
