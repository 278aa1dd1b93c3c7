r"""LPIPS with AlexNet, version 0.1 (Zhang et al. 2018), from one weights file.

Nothing else in this package is called LPIPS. Its weights are published by torchvision
(AlexNet's convolutions) and by LPIPS's authors (five linear heads). One `.npz` is made
of both, with or without network, and never with PyTorch:

  python -m evaluation.lpips --download
  python -m evaluation.lpips --alexnet=alexnet-owt-7be5be79.pth --heads=alex.pth \
      --output=lpips_alex.npz

`--download` fetches the two files, checks them, and writes the cache file that
`resolve` finds; the second form converts files that came another way.
"""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf
from absl import app, flags

from evaluation.lpips_weights import CONVOLUTIONS, convert, download, read, resolve

__all__ = ["LPIPS", "convert", "download", "load", "resolve"]

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


class LPIPS:
    """`(target, restored) -> [B]` float32 for RGB images [B, H, W, 3] in [0, 1].

    0 for equal images; larger is more different. Values outside [0, 1] are clipped.

    Attributes:
      minimum_size: Smallest side in pixels; a stride of 4 and two poolings leave
        nothing of a smaller image.
      sha256_prefix: First 16 hex digits of the weights file's checksum, for reports.
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

    def _distance(self, target, restored):
        # One pass over both, because a batch twice as long is faster than two.
        both = tf.clip_by_value(tf.concat([target, restored], axis=0), 0.0, 1.0)
        total = 0.0
        for layer, features in enumerate(self._features(2 * both - 1), start=1):
            norm = tf.sqrt(tf.reduce_sum(tf.square(features), -1, keepdims=True))
            x, y = tf.split(features / (norm + 1e-10), 2)
            weighted = tf.square(x - y) * self._weights[f"lin{layer}"]
            total += tf.reduce_mean(tf.reduce_sum(weighted, axis=-1), axis=[1, 2])
        return total

    def _features(self, images):
        """AlexNet's activations after each ReLU, of RGB in [-1, 1]."""
        x = (images - tf.constant(_SHIFT)) / tf.constant(_SCALE)
        for layer, (_, shape) in CONVOLUTIONS.items():
            if layer in (2, 3):
                x = tf.nn.max_pool2d(x, 3, 2, "VALID")
            # Explicit, because "SAME" pads a strided convolution unevenly. torchvision
            # pads conv1 by 2, although its kernel of 11 would allow 5.
            pad = 2 if layer == 1 else shape[0] // 2
            padding = [[0, 0], [pad, pad], [pad, pad], [0, 0]]
            stride = 4 if layer == 1 else 1
            x = tf.nn.conv2d(x, self._weights[f"conv{layer}_w"], stride, padding)
            x = tf.nn.relu(x + self._weights[f"conv{layer}_b"])
            yield x


def load(path: str | os.PathLike) -> LPIPS:
    """Loads the `.npz` that `convert` writes.

    Args:
      path: A file with conv1_w..conv5_w (HWIO), conv1_b..conv5_b and lin1..lin5.

    Returns:
      The metric.

    Raises:
      ValueError: a key is missing or has another shape.
    """
    weights, sha256 = read(path)
    return LPIPS(weights, sha256[:16])


def main(argv: list[str]) -> None:
    """Downloads or converts, as the flags say."""
    del argv
    given = flags.FLAGS
    if given.download:
        print(f"Wrote {download()}; --lpips_weights may now be left out.")
    elif given.alexnet and given.heads:
        print(f"Wrote {convert(given.alexnet, given.heads, given.output)}.")
    else:
        raise app.UsageError("Give --download, or --alexnet and --heads.")


if __name__ == "__main__":
    # Here and not above, because every experiment imports this module, and its flags
    # are none of theirs.
    flags.DEFINE_bool("download", False, "Fetch both published files; fill the cache.")
    flags.DEFINE_string("alexnet", "", "Path of alexnet-owt-7be5be79.pth.")
    flags.DEFINE_string("heads", "", "Path of LPIPS v0.1's alex.pth.")
    flags.DEFINE_string("output", "lpips_alex.npz", "File to write.")
    app.run(main)
