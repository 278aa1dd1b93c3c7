"""Decoding, resizing and encoding of pictures within an exported model's graph."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from data_pipeline import mask_pictures, pixels

# Offsets in a bitmap with a Windows header (40 bytes or more); numbers are
# little-endian.
_HEADER_SIZE, _BITS, _COMPRESSION, _TABLE, _PIXELS = 14, 28, 30, 54, 1078
_BLUE_FIRST = [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0]  # masks of red, green, blue
_FULL = 65535.0  # the brightest level of 16 bits, as which masks are decoded
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


@tf.function  # which is in a model once, however often it calls it
def decode_pair(image_bytes: tf.Tensor, mask_bytes: tf.Tensor) -> tuple:
    """-> image uint8 [H, W, 3], missing bool [H, W, 1] in the image's size.

    The mask is read as by `data_pipeline.mask_pictures.read_mask`, in operations of
    the graph.
    """
    image = decode(image_bytes)
    missing = _fitted(_marked(mask_bytes), tf.shape(image)[:2])
    some = tf.debugging.Assert(
        tf.reduce_any(missing) & ~tf.reduce_all(missing),
        ["A mask must mark some of its picture as missing, not nothing or everything."],
    )
    with tf.control_dependencies([some]):
        return image, missing[..., None]


def _marked(data: tf.Tensor) -> tf.Tensor:
    """Bytes of a mask -> bool [H, W]."""
    layer = tf.cond(
        tf.strings.substr(data, 1, 3) == b"PNG",
        lambda: tf.cast(tf.io.decode_png(data, 4, tf.uint16), tf.float32),
        lambda: tf.pad(
            257.0 * tf.cast(decode(data), tf.float32),
            [[0, 0], [0, 0], [0, 1]],
            constant_values=_FULL,
        ),
    )
    gray, alpha = tf.reduce_sum(layer[..., :3], axis=-1), layer[..., 3]
    low, high = tf.reduce_min(gray), tf.reduce_max(gray)
    spread = tf.reduce_max(alpha) - tf.reduce_min(alpha)
    has_strokes = spread >= mask_pictures.CONTRAST * _FULL
    has_contrast = high - low >= mask_pictures.CONTRAST * 3.0 * _FULL
    two = tf.reduce_all((gray == low) | (gray == high))
    message = (
        "A mask must be white where the picture is missing and black elsewhere, or "
        "have strokes on a transparent layer."
    )
    clear = tf.debugging.Assert(has_strokes | has_contrast | two, [message])
    with tf.control_dependencies([clear]):
        levels = tf.where(has_strokes, alpha, gray)
    low, high = tf.reduce_min(levels), tf.reduce_max(levels)
    # A mask of one level marks everything or nothing, both of which are refused.
    return levels > (low + high) / 2.0


def _fitted(marked: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """A mask of which the size is a multiple, or the other way round."""
    found = tf.shape(marked)
    down, up = found // size, size // found
    fits = tf.reduce_all(found == size * down) | tf.reduce_all(size == found * up)
    square = (found[0] * size[1]) == (found[1] * size[0])
    message = tf.strings.format(
        "A mask must have its picture's size or a multiple, but it has {}x{} pixels "
        "and its picture {}x{}.",
        (found[1], found[0], size[1], size[0]),
    )
    known = tf.debugging.Assert(fits & square, [message])
    with tf.control_dependencies([known]):
        down, up = (tf.maximum(factor[0], 1) for factor in (down, up))
    parts = tf.reshape(tf.cast(marked, tf.float32), [size[0] // up, down, -1, down])
    missing = tf.reduce_mean(parts, axis=[1, 3]) >= 0.5
    return tf.repeat(tf.repeat(missing, up, axis=0), up, axis=1)


def shrink(image: tf.Tensor, missing: tf.Tensor, size: int) -> tuple:
    """-> image [S, S, 3] in [0, 1] and mask [S, S, 1], as the network takes them."""
    known = 1.0 - tf.cast(missing, tf.float32)
    image = pixels.bytes_to_unit(image) * known
    return averaged(_resize(image, size, size), _resize(known, size, size))


def averaged(image: tf.Tensor, weight: tf.Tensor) -> tuple:
    """What `shrink` returns, of the resized image without its hole and what is known.

    A small pixel is the mean of the known ones below it, so that nothing of the missing
    ones is mixed into the hole's rim.
    """
    mean = image / tf.maximum(weight, 0.5)
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
