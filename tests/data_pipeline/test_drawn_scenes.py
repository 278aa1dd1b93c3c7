"""Drawn scenes: the same every time, at any size, varied, and without a face."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from data_pipeline.drawn_faces.draw import draw as draw_face
from data_pipeline.drawn_scenes.draw import KINDS, draw, noise, paint


def apart(images):
    """Root mean squared difference of every two images; infinite on the diagonal."""
    flat = np.array([image.ravel() for image in images], np.float64)
    difference = np.sqrt(((flat[:, None] - flat[None]) ** 2).mean(-1))
    np.fill_diagonal(difference, np.inf)
    return difference


def test_a_scene_depends_on_nothing_but_seed_and_index():
    forward = [draw(index, seed=3, size=48) for index in range(16)]
    with ThreadPoolExecutor(4) as pool:
        backward = pool.map(lambda i: draw(i, seed=3, size=48), reversed(range(16)))
    for one, other in zip(forward, reversed(list(backward))):
        np.testing.assert_array_equal(one, other)
    assert {(image.shape, image.dtype.name) for image in forward} == {
        ((48, 48, 3), "uint8")
    }


def test_the_scenes_are_the_same_on_every_machine():
    means = [draw(index, seed=5, size=96).mean(axis=(0, 1)) for index in range(4)]
    # Rewrite these only when the scenes are meant to change.
    expected = [(130.4, 123.9, 128.5), (182.8, 185.9, 157.3)]
    expected += [(100.4, 124.3, 106.1), (148.0, 130.3, 127.7)]
    np.testing.assert_allclose(means, expected, atol=0.5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_fills_the_frame_and_varies_at_every_size(kind):
    def painted(side):
        return [paint(kind, np.random.default_rng(i), side).image for i in range(6)]

    images = painted(192)
    assert apart(images).min() > 15
    for image in images:
        # Nothing is left of the black that the canvas begins with.
        assert (image.max(axis=2) == 0).mean() < 0.02
        assert image.std() > 8
    for image, large in zip(images, painted(384)):
        small, shrunk = (
            cv2.resize(x, (96, 96), interpolation=cv2.INTER_AREA).astype(int)
            for x in (image, large)
        )
        # Levels of 255. The smoothed edge of a shape is a pixel wide at any size.
        assert np.abs(shrunk - small).mean() < 7


def test_no_face_is_found_in_scenes_by_what_finds_drawn_faces():
    path = cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml"
    detector = cv2.CascadeClassifier(path)

    def found(image):
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        return len(detector.detectMultiScale(gray, 1.1, 3, minSize=(48, 48))) > 0

    faces = [found(draw_face(i, size=128)["image"]) for i in range(30)]
    scenes = [found(draw(i, size=128)) for i in range(120)]
    assert np.mean(faces) > 0.8
    # It takes a window or a pattern for a face now and then, as in photographs.
    assert np.mean(scenes) < 0.03


def test_noise_is_uniform_independent_and_repeatable():
    image = noise(3, seed=1, size=64)
    assert (image.shape, image.dtype) == ((64, 64, 3), np.uint8)
    np.testing.assert_array_equal(image, noise(3, seed=1, size=64))
    others = (noise(4, seed=1, size=64), noise(3, seed=2, size=64))
    values = image / 255.0 - 0.5
    assert abs(values.mean()) < 0.01
    assert values.std() == pytest.approx(np.sqrt(1 / 12), rel=0.02)
    for other in (*others, np.roll(image, 1, axis=0), np.roll(image, 1, axis=2)):
        assert abs((values * (other / 255.0 - 0.5)).mean()) < 0.005


@pytest.mark.parametrize("make", [draw, draw_face])
@pytest.mark.parametrize(("size", "nearest"), [(31, 32), (513, 512)])
def test_a_size_out_of_range_is_refused(make, size, nearest):
    message = f"size must be from 32 to 512 pixels.*got {size}. Try {nearest}"
    with pytest.raises(ValueError, match=message):
        make(0, size=size)


@pytest.mark.parametrize("make", [draw, draw_face, noise])
@pytest.mark.parametrize("keyword", ["index", "seed"])
def test_negative_numbers_are_refused(make, keyword):
    with pytest.raises(ValueError, match=f"{keyword} must not be negative; got -1"):
        make(**{"index": 0, keyword: -1})
