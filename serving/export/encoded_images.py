"""Decoding, resizing and encoding of pictures within an exported model's graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_pipeline import pixels

# Offsets in a bitmap with a Windows header (40 bytes or more); numbers are
# little-endian.
_HEADER_SIZE, _BITS, _COMPRESSION, _TABLE, _PIXELS = 14, 28, 30, 54, 1078
_BLUE_FIRST = [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0]  # masks of red, green, blue
_GRAY = np.repeat(np.arange(256), 4).reshape(256, 4) * [1, 1, 1, 0]  # a palette


def decode(data: tf.Tensor) -> tf.Tensor:
    """Bytes of a picture -> uint8 [H, W, 3].

    Takes JPEG, PNG, GIF (its first frame) and BMP (24 or 32 bits a pixel, or 8 with a
    gray palette, uncompressed); others are an error. TensorFlow ignores the EXIF
    orientation, drops transparency and reads no WebP. The accurate DCT equals Pillow's
    bit for bit; TensorFlow's default does not.
    """
    with tf.control_dependencies([_assert_bitmap_is_plain(data)]):
        data = tf.identity(data)
    image = tf.cond(
        tf.io.is_jpeg(data),
        lambda: tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(data, 3, expand_animations=False),
    )
    image.set_shape([None, None, 3])
    return image


def _assert_bitmap_is_plain(data: tf.Tensor) -> tf.Operation:
    """Refuses palettes, whose indices TensorFlow would take for gray levels."""
    head = tf.io.decode_raw(data, tf.uint8, fixed_length=_PIXELS)
    bits, compression = head[_BITS], head[_COMPRESSION]
    table = head[_TABLE:_PIXELS]
    plain = (compression == 0) & ((bits == 24) | (bits == 32))
    named = (compression == 3) & (bits == 32) & _equal(table[:12], _BLUE_FIRST)
    gray = (compression == 0) & (bits == 8) & _equal(table, _GRAY.ravel())
    allowed = (head[_HEADER_SIZE] >= 40) & (plain | named | gray)
    message = (
        "A BMP must have 24 or 32 bits a pixel, or 8 with a gray palette, and no "
        "compression; others would be misread. Save the picture as PNG."
    )
    is_bitmap = tf.strings.substr(data, 0, 2) == b"BM"
    return tf.debugging.Assert(~is_bitmap | allowed, [message])


def _equal(found: tf.Tensor, expected) -> tf.Tensor:
    return tf.reduce_all(found == tf.constant(expected, tf.uint8))


def decode_pair(image_bytes: tf.Tensor, mask_bytes: tf.Tensor) -> tuple:
    """-> image uint8 [H, W, 3], missing bool [H, W, 1] in the image's size."""
    image = decode(image_bytes)
    # As color, because TensorFlow reads no BMP as gray.
    mask = decode(mask_bytes)
    mask = tf.image.resize(mask, tf.shape(image)[:2], "nearest")
    gray = tf.reduce_mean(tf.cast(mask, tf.float32), axis=-1, keepdims=True)
    return image, gray >= 128.0


def shrink(image: tf.Tensor, missing: tf.Tensor, size: int) -> tuple:
    """-> image [S, S, 3] in [0, 1] and mask [S, S, 1], as the network takes them."""
    known = 1.0 - tf.cast(missing, tf.float32)
    image = pixels.bytes_to_unit(image) * known
    # A small pixel is the mean of the known ones below it, so that nothing of the
    # missing ones is mixed into the hole's rim.
    weight = _resize(known, size, size)
    mean = _resize(image, size, size) / tf.maximum(weight, 0.5)
    mask = tf.cast(weight < 0.5, tf.float32)
    return tf.clip_by_value(mean, 0.0, 1.0) * (1.0 - mask), mask


def paste(restored: tf.Tensor, image: tf.Tensor, missing: tf.Tensor) -> tf.Tensor:
    """Pastes restored [S, S, 3] into the original's missing pixels; returns a PNG."""
    shape = tf.shape(image)
    enlarged = pixels.unit_to_bytes(_resize(restored, shape[0], shape[1]))
    return tf.io.encode_png(tf.where(missing, enlarged, image))


def _resize(image: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Antialiased bicubic, clipped; images of the right size are not changed."""
    resized = tf.cond(
        tf.reduce_all(tf.shape(image)[:2] == tf.stack([height, width])),
        lambda: image,
        lambda: tf.clip_by_value(
            tf.image.resize(image, [height, width], "bicubic", antialias=True), 0.0, 1.0
        ),
    )
    resized.set_shape([None, None, image.shape[-1]])
    return tf.reshape(resized, [height, width, image.shape[-1]])
