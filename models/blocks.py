"""Blocks that networks are built from, and checks of their options.

Every block is a function of a Keras tensor, NHWC. Normalization computes in float32
whatever the precision policy: in bfloat16 the moving statistics of BatchNorm drift
away from those of the batches, and inference becomes worse than training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from models import convolutions, optional

LEAKY_SLOPE = 0.2


def check_option(name: str, value: Any, known: Sequence[Any]) -> None:
    """Raises a ValueError that lists the known values unless `value` is one."""
    if value not in known:
        raise ValueError(f"{name} must be one of {tuple(known)}; got {value!r}.")


def check_multiple(name: str, size: int, factor: int, because: str) -> None:
    """Raises a ValueError that suggests a size unless it is a multiple of a factor."""
    if size < factor or size % factor:
        raise ValueError(
            f"{name} must be a multiple of {factor}, because {because}; got {size}. "
            f"Try {max(size // factor, 1) * factor}."
        )


def masked_inputs(size: int) -> dict:
    """Keras inputs {"image": [B, S, S, 3], "mask": [B, S, S, 1]}, float32."""
    shapes = {"image": (size, size, 3), "mask": (size, size, 1)}
    return {name: tf.keras.Input(shape, name=name) for name, shape in shapes.items()}


def scaled(channels: int, width: float) -> int:
    """A number of channels times a factor, at least 1."""
    return max(1, round(width * channels))


def normal_init() -> tf.keras.initializers.Initializer:
    """N(0, 0.02), the initialization of DCGAN and its descendants."""
    return tf.keras.initializers.RandomNormal(stddev=0.02)


def batch_norm(x, *, name: str):
    """BatchNorm in float32, momentum 0.9, epsilon 1e-5. Shape unchanged."""
    return tf.keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, dtype="float32", name=name
    )(x)


def instance_norm(x, *, name: str):
    """InstanceNorm in float32 with scale and offset. Shape unchanged."""
    return optional.instance_normalization(dtype="float32", name=name)(x)


def relu(x, *, name: str):
    """ReLU. Shape unchanged."""
    return tf.keras.layers.ReLU(name=name)(x)


def leaky_relu(x, *, name: str):
    """LeakyReLU of slope 0.2 in float32. Shape unchanged.

    On CPUs TensorFlow's bfloat16 kernel is slower than the float32 one with its casts:
    under mixed_bfloat16 model 3 of `skip_inpainting` trains 1.3 times as fast.
    """
    return tf.keras.layers.LeakyReLU(LEAKY_SLOPE, dtype="float32", name=name)(x)


def conv(x, filters: int, kernel: int, *, strides: int = 1, name: str):
    """Convolution, SAME, with a bias. [B, H, W, C] -> [B, H/strides, W/strides, F]."""
    options = {"kernel_initializer": normal_init(), "padding": "same", "name": name}
    return convolutions.Conv2D(filters, kernel, strides=strides, **options)(x)


def separable_conv(x, filters: int, kernel: int, *, strides: int = 1, name: str):
    """Depthwise, then pointwise convolution; otherwise like `conv`."""
    return tf.keras.layers.SeparableConv2D(
        filters,
        kernel,
        strides=strides,
        padding="same",
        depthwise_initializer=normal_init(),
        pointwise_initializer=normal_init(),
        name=name,
    )(x)


def doubled_conv(x, filters: int, *, name: str):
    """`double`, then `conv` 3x3, in one step. [B, H, W, C] -> [B, 2H, 2W, F]."""
    return convolutions.DoublingConv2D(
        filters, kernel_initializer=normal_init(), name=name
    )(x)


def double(x, *, name: str):
    """Each pixel twice in both directions. [B, H, W, C] -> [B, 2H, 2W, C]."""
    return tf.keras.layers.UpSampling2D(2, interpolation="nearest", name=name)(x)


def spatial_fc(x, *, shared: bool = False, bias: bool = True, name: str):
    """Fully connected over places, not over channels (Pathak et al.). Shape unchanged.

    [B, n, n, C] -> [B, n, n, C]. Every channel has its own n^2 x n^2 matrix, or with
    `shared` one matrix serves all.
    """
    _, height, width, channels = x.shape
    places = height * width
    x = tf.keras.layers.Reshape((places, channels), name=f"{name}_flatten")(x)
    x = tf.keras.layers.EinsumDense(
        "bpc,pq->bqc" if shared else "bpc,pqc->bqc",
        output_shape=(places, channels),
        bias_axes="qc" if bias else None,
        kernel_initializer=normal_init(),
        name=name,
    )(x)
    return tf.keras.layers.Reshape((height, width, channels), name=f"{name}_shape")(x)


def conv_transpose(x, filters: int, kernel: int, *, strides: int, name: str):
    """Transposed convolution. [B, H, W, C] -> [B, H*strides, W*strides, F]."""
    options = {"kernel_initializer": normal_init(), "padding": "same", "name": name}
    layer = tf.keras.layers.Conv2DTranspose
    return layer(filters, kernel, strides=strides, **options)(x)


def dense(x, units: int, *, name: str, dtype: str | None = None):
    """Dense layer. [B, C] -> [B, units]."""
    options = {"kernel_initializer": normal_init(), "name": name, "dtype": dtype}
    return tf.keras.layers.Dense(units, **options)(x)


def tanh_image(x, *, name: str):
    """Convolution 3x3 to RGB, then tanh in float32. [B, H, W, C] -> [B, H, W, 3]."""
    x = conv(x, 3, 3, name=f"{name}_conv")
    return tf.keras.layers.Activation("tanh", dtype="float32", name=name)(x)
