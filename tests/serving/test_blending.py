"""Whole pictures after their restoration: what stays, and that no seam shows."""

import cv2
import numpy as np
import pytest

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from serving.photo.blending import seamless

SIZE = 64  # of what the network sees, pixels


def face(height, width):
    return pixels.resize(draw.draw(5, size=256)["image"], height, width)


def hole_in(image, top=0.3, bottom=0.7, left=0.35, right=0.6):
    height, width = image.shape[:2]
    mask = np.zeros((height, width, 1), np.uint8)
    rows = slice(round(top * height), round(bottom * height))
    mask[rows, round(left * width) : round(right * width)] = 1
    return mask


def pasted(image, mask, change):
    """What a served model gives that draws the picture itself, but for its colors."""
    small = pixels.resize(image, SIZE, SIZE).astype(np.float32)
    hole = pixels.resize(mask[..., 0] * np.uint8(255), SIZE, SIZE) >= 128
    small[hole] = np.clip(small[hole] + change, 0, 255)
    large = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(mask, np.clip(np.rint(large), 0, 255).astype(np.uint8), image)


def error(found, image, mask):
    return np.abs(found.astype(float) - image)[mask[..., 0] > 0].mean()


def step(found, mask):
    """The mean step across the border, from left to right."""
    across = np.diff(mask[..., 0].astype(int), axis=1) != 0
    return np.abs(np.diff(found.astype(float), axis=1))[across].mean()


SIZES = [(64, 64), (40, 30), (150, 230), (256, 256)]


@pytest.mark.parametrize("size", SIZES)
def test_colors_are_fitted_and_known_pixels_stay(size):
    image = face(*size)
    mask = hole_in(image)
    given = pasted(image, mask, (-40, 15, 50))
    before = given.copy()
    found = seamless(given, mask, SIZE)
    np.testing.assert_array_equal(given, before)
    assert found.dtype == np.uint8
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(found[known], image[known])
    assert error(found, image, mask) < 0.6 * error(given, image, mask)
    assert step(found, mask) < 1.2 * step(image, mask) + 2.0 < step(given, mask)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("slope", [0, 80])
def test_what_fits_already_stays_as_good(size, slope):
    """All steps are taken for seams, but those of a picture of its own are small."""
    ramp = np.linspace(90, 90 + slope, size[1])[None, :, None]
    image = np.broadcast_to(ramp, (*size, 3)).astype(np.uint8)
    mask = hole_in(image)
    found = seamless(pasted(image, mask, (0, 0, 0)), mask, SIZE)
    if not slope:
        np.testing.assert_array_equal(found, image)
    assert error(found, image, mask) < 1.5


def test_what_is_known_far_away_has_no_influence():
    image = face(300, 300)
    mask = hole_in(image, 0.5, 0.6, 0.5, 0.6)
    given = pasted(image, mask, (30, 30, 30))
    other = given.copy()
    other[:50], other[:, -50:] = 0, 255
    hole = mask[..., 0] > 0
    found = [seamless(each, mask, SIZE)[hole] for each in (given, other)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("place", [(0, 0), (298, 299), (150, 1)])
def test_a_hole_smaller_than_a_pixel_of_the_network(place):
    image = np.full((300, 300, 3), 120, np.uint8)
    mask = np.zeros((300, 300, 1), np.uint8)
    mask[place[0] : place[0] + 2, place[1] : place[1] + 2] = 1
    given = np.where(mask, np.uint8(200), image)
    assert np.abs(seamless(given, mask, SIZE).astype(int) - 120).max() <= 25


@pytest.mark.parametrize("value", [0, 1])
def test_nothing_and_everything_have_no_border(value):
    image = face(40, 50)
    mask = np.full((40, 50, 1), value, np.uint8)
    np.testing.assert_array_equal(seamless(image, mask, SIZE), image)
