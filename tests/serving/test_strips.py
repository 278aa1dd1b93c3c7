"""Large pictures go strip by strip through what small ones go through as a whole."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_codec import picture

from data_pipeline import pixels
from serving.export import encoded_images
from serving.photo import restorer

SIZE = 16


@pytest.fixture(params=[(300, 411), (97, 1000), (1000, 23), (9, 700)])
def pair(request, monkeypatch):
    """A picture and its missing pixels, of more than one strip."""
    monkeypatch.setattr(pixels, "STRIP", 1000)
    height, width = request.param
    missing = np.zeros((height, width, 1), bool)
    missing[height // 3 : height // 2 + 1, width // 5 : width // 2] = True
    return picture(height, width), missing


def test_strips_are_shrunk_as_the_whole_is(pair):
    image, missing = pair
    small, mask = restorer.shrink(image, missing, SIZE)
    whole, whole_mask = encoded_images.shrink(tf.constant(image), missing, SIZE)
    np.testing.assert_array_equal(mask, whole_mask)
    np.testing.assert_allclose(small, whole, atol=1e-5)


def test_strips_are_pasted_as_the_whole_is(pair):
    image, missing = pair
    drawn = np.random.default_rng(0).random((SIZE, SIZE, 3), np.float32)
    pasted = restorer.paste(drawn, image, missing)
    whole = encoded_images.paste(tf.constant(drawn), tf.constant(image), missing)
    known = ~missing[..., 0]
    np.testing.assert_array_equal(pasted[known], image[known])
    # Resizes of another part of a picture may round differently.
    apart = np.abs(pasted.astype(int) - pixels.decode(whole.numpy(), "whole"))
    assert apart.max() <= 1 and np.mean(apart > 0) < 1e-3
    assert (pasted[~known] != image[~known]).any()
