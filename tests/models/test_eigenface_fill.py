"""The guess from eigenfaces: that of a Gaussian, of whatever hole."""

import numpy as np
import pytest
import tensorflow as tf

from models import eigenface_fill
from models.eigenface_fill import EigenfaceFill

SIZE, NUMBERS, REST = 16, 6, 1e-4
VALUES = 3 * SIZE**2


@pytest.fixture(scope="module")
def faces():
    """A mean, components and variances of faces in [0, 1]."""
    rng = np.random.default_rng(0)
    components = np.linalg.qr(rng.standard_normal([VALUES, NUMBERS]))[0].T
    mean = rng.uniform(0.4, 0.6, [SIZE, SIZE, 3])
    return mean, components, np.linspace(3.0, 0.5, NUMBERS)


@pytest.fixture(scope="module")
def fitted(faces):
    layer = filling(SIZE)
    layer.layers[-1].fit(*faces, REST)
    return layer


def filling(size, numbers=NUMBERS):
    shapes = {"image": (size, size, 3), "mask": (size, size, 1)}
    inputs = {name: tf.keras.Input(shape) for name, shape in shapes.items()}
    return tf.keras.Model(inputs, EigenfaceFill(numbers, name="fill")(inputs))


def drawn(faces, count):
    """Faces in [-1, 1], [count, SIZE, SIZE, 3]."""
    mean, components, variances = faces
    numbers = np.random.default_rng(1).standard_normal([count, NUMBERS])
    flat = (numbers * np.sqrt(variances)) @ components
    return np.float32(2 * (mean + flat.reshape(count, SIZE, SIZE, 3)) - 1)


def holes():
    """Three kinds of holes, [3, SIZE, SIZE, 1]."""
    masks = np.zeros([3, SIZE, SIZE, 1], np.float32)
    masks[0, 4:12, 4:12] = masks[1, :, :5] = masks[2, ::3, 2:] = 1.0
    return masks


def test_the_guess_is_the_conditional_mean_of_a_gaussian(faces, fitted):
    images, masks = drawn(faces, 3), holes()
    found = fitted({"image": images, "mask": masks}).numpy()
    mean, components, variances = faces
    scaled = 2 * np.sqrt(variances)[:, None] * components
    noise = eigenface_fill._NOISE * 4 * REST
    for image, mask, guess in zip(images, masks, found):
        known = np.repeat(mask < 0.5, 3, axis=-1).ravel()
        covariance = scaled.T @ scaled + noise * np.eye(VALUES)
        away = image.ravel() - (2 * mean.ravel() - 1)
        inside = np.linalg.solve(covariance[np.ix_(known, known)], away[known])
        expected = (2 * mean.ravel() - 1) + scaled.T @ scaled[:, known] @ inside
        expected = np.clip(expected.reshape(image.shape), -1, 1)
        np.testing.assert_allclose(
            guess, np.where(mask > 0.5, expected, image), atol=1e-4
        )


def test_known_pixels_stay_and_the_hole_has_no_influence(faces, fitted):
    images, masks = drawn(faces, 3), holes()
    found = fitted({"image": images, "mask": masks}).numpy()
    known = np.broadcast_to(masks < 0.5, images.shape)
    np.testing.assert_array_equal(found[known], images[known])
    other = np.where(known, images, 0.77)
    again = fitted({"image": other, "mask": masks}).numpy()
    np.testing.assert_array_equal(again, found)


def test_without_known_pixels_it_is_the_mean_and_unfitted_gray(faces, fitted):
    images, missing = drawn(faces, 2), np.ones([2, SIZE, SIZE, 1], np.float32)
    found = fitted({"image": images, "mask": missing}).numpy()
    np.testing.assert_allclose(found[0], 2 * faces[0] - 1, atol=1e-6)
    unfitted = filling(SIZE)
    assert not unfitted.layers[-1].fitted and fitted.layers[-1].fitted
    found = unfitted({"image": images, "mask": holes()[:2]}).numpy()
    assert not found[np.broadcast_to(holes()[:2] > 0.5, found.shape)].any()


@pytest.mark.parametrize(
    ("size", "side"), [(32, 32), (64, 64), (128, 64), (192, 64), (250, 50), (72, 36)]
)
def test_the_components_are_of_at_most_64_pixels_and_divide_the_image(size, side):
    assert eigenface_fill.side_of(size) == side


def test_a_larger_image_has_the_guess_of_the_smaller_one(faces):
    size = 2 * eigenface_fill.SIDE
    layer = filling(size, 1)
    values = 3 * eigenface_fill.SIDE**2
    component = np.full([1, values], values**-0.5)  # brightness
    layer.layers[-1].fit(np.full([64, 64, 3], 0.5), component, [400.0], 1e-5)
    images = np.full([2, size, size, 3], [[[[0.4]]], [[[-0.3]]]], np.float32)
    masks = np.zeros([2, size, size, 1], np.float32)
    masks[:, 31:90, 40:101] = 1  # not on the small pixels' edges
    found = layer({"image": np.where(masks, 0, images), "mask": masks}).numpy()
    np.testing.assert_allclose(found, images, atol=1e-3)
