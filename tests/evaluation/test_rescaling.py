"""Bicubic to fewer pixels and back."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from evaluation import baselines


def images(count=2, size=32, seed=0):
    """Smooth random images on 8-bit levels, float32 [count, size, size, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(20, 235, [count, 5, 5, 3])
    return np.rint(tf.image.resize(coarse, [size, size], "bicubic")).clip(0, 255) / 255


def mse(one, other):
    return np.square(one - other).mean(axis=(1, 2, 3))


def test_three_factors_each_worse_than_the_one_before():
    restorers = baselines.rescaling()
    assert list(restorers) == ["bicubic 2×", "bicubic 4×", "bicubic 8×"]
    target = images(size=64)
    errors = [mse(target, restore({"image": target})) for restore in restorers.values()]
    assert (errors[0] > 0).all()
    assert (np.diff(errors, axis=0) > 0).all()


@pytest.mark.parametrize(("factor", "size", "kept"), [(2, 32, 16), (4, 30, 8)])
def test_it_is_pillows_antialiased_bicubic_on_bytes(factor, size, kept):
    target = images(size=size)
    restored = baselines.bicubic(factor)({"image": target})
    assert restored.dtype == np.float32
    for image, result in zip(target, restored):
        levels = Image.fromarray(np.rint(255 * image).astype(np.uint8))
        small = levels.resize((kept, kept), Image.Resampling.BICUBIC)
        back = small.resize((size, size), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(np.rint(255 * result), np.asarray(back))


@pytest.mark.parametrize(("size", "kept"), [(29, 7), (30, 8), (3, 1), (1, 1)])
def test_a_side_that_does_not_divide_is_rounded(size, kept, monkeypatch):
    sizes = []
    resize = baselines.pixels.resize

    def watched(image, height, width):
        sizes.append((height, width))
        return resize(image, height, width)

    monkeypatch.setattr(baselines.pixels, "resize", watched)
    restored = baselines.bicubic(4)({"image": images(size=size)[:1, :, :10]})
    assert restored.shape == (1, size, min(size, 10), 3)
    assert sizes[0][0] == kept
    assert sizes[1] == (size, min(size, 10))


def test_a_flat_image_is_returned_and_nothing_leaves_the_range():
    flat = np.full([1, 20, 20, 3], 77 / 255, np.float32)
    np.testing.assert_array_equal(baselines.bicubic(4)({"image": flat}), flat)
    edge = np.zeros([1, 32, 32, 3], np.float32)
    edge[:, :, 13:] = 1
    restored = baselines.bicubic(2)({"image": tf.constant(edge)})
    assert restored.min() >= 0
    assert restored.max() <= 1
