"""Large pictures go strip by strip through what small ones go through as a whole."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_codec import picture

from data_pipeline import pixels
from serving.export import encoded_images
from serving.photo import strips

SIZE = 16


def hole(height, width):
    mask = np.zeros((height, width, 1), np.uint8)
    mask[height // 3 : height // 2 + 1, width // 5 : width // 2] = 1
    return mask


def draw(image, mask):
    """What a network may do: something else in every hole, and the image outside."""
    return tf.where(mask > 0.5, 1.0 - image[::-1], image)


def whole(image, mask):
    small, small_mask = encoded_images.shrink(tf.constant(image), mask > 0, SIZE)
    data = encoded_images.paste(draw(small, small_mask), tf.constant(image), mask > 0)
    return pixels.decode(data.numpy(), "restored")


@pytest.mark.parametrize("size", [(300, 411), (97, 1000), (1000, 23), (9, 700)])
def test_strips_give_what_the_whole_gives(size, monkeypatch):
    monkeypatch.setattr(strips, "_PASTED", 1000)
    image, mask = picture(*size), hole(*size)
    small, small_mask = encoded_images.shrink(tf.constant(image), mask > 0, SIZE)
    ours, our_mask = strips.shrink(image, mask, SIZE)
    np.testing.assert_array_equal(our_mask, small_mask)
    np.testing.assert_allclose(ours, small, atol=1e-5)
    restored, expected = strips.restore(image, mask, draw, SIZE), whole(image, mask)
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])
    # Resizes of another part of a picture may round differently.
    difference = np.abs(restored.astype(int) - expected)
    assert difference.max() <= 1 and np.mean(difference > 0) < 1e-3
    assert (restored[~known] != image[~known]).any()
