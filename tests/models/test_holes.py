"""Cutting the patch under or around a hole, and putting it back."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from models import holes

HEIGHT, WIDTH, SIDE = 9, 12, 4
PLACES = [
    (0, 0),
    (0, WIDTH - SIDE),
    (HEIGHT - SIDE, 0),
    (HEIGHT - SIDE, WIDTH - SIDE),
    (2, 5),
]


def hole(top, left, height=SIDE, width=SIDE):
    mask = np.zeros((1, HEIGHT, WIDTH, 1), np.float32)
    mask[:, top : top + height, left : left + width] = 1
    return mask


def random(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


IMAGE, PATCH = random(1, HEIGHT, WIDTH, 3), random(1, SIDE, SIDE, 3) + 1


@pytest.mark.parametrize("top, left", PLACES)
def test_what_is_pasted_is_what_is_cropped_and_known_pixels_stay(top, left):
    mask = hole(top, left)
    assert [int(x) for x in holes.hole_corner(mask, SIDE)] == [top, left]
    cropped = holes.crop_hole(IMAGE, mask, SIDE)
    expected = IMAGE[:, top : top + SIDE, left : left + SIDE]
    np.testing.assert_array_equal(cropped, expected)
    pasted = holes.paste_hole(PATCH, IMAGE, mask)
    np.testing.assert_array_equal(holes.crop_hole(pasted, mask, SIDE), PATCH)
    np.testing.assert_array_equal(np.where(mask, 0, pasted), IMAGE * (1 - mask))


def test_the_gradient_reaches_the_patch_and_the_known_pixels():
    mask, weight = hole(2, 5), random(1, HEIGHT, WIDTH, 3)
    patch, image = tf.constant(PATCH), tf.constant(IMAGE)
    with tf.GradientTape() as tape:
        tape.watch([patch, image])
        pasted = holes.paste_hole(patch, image, mask)
        total = tf.reduce_sum(weight * pasted)
    to_patch, to_image = tape.gradient(total, [patch, image])
    under = weight[:, 2 : 2 + SIDE, 5 : 5 + SIDE]
    np.testing.assert_allclose(tf.convert_to_tensor(to_patch), under)
    np.testing.assert_allclose(to_image, weight * (1 - mask))


def test_a_batch_may_have_its_holes_anywhere():
    mask = np.concatenate([hole(*place) for place in PLACES])
    images = random(len(PLACES), HEIGHT, WIDTH, 3)
    patches = random(len(PLACES), SIDE, SIDE, 3) + 1
    cropped = holes.crop_hole(images, mask, SIDE)
    pasted = holes.paste_hole(patches, images, mask)
    for i in range(len(PLACES)):
        one = slice(i, i + 1)
        alone = holes.crop_hole(images[one], mask[one], SIDE)
        np.testing.assert_array_equal(cropped[one], alone)
        alone = holes.paste_hole(patches[one], images[one], mask[one])
        np.testing.assert_array_equal(pasted[one], alone)


@pytest.mark.parametrize(
    "top, left, height, width, corner",
    [
        (HEIGHT - 1, WIDTH - 2, 1, 2, (HEIGHT - SIDE, WIDTH - SIDE)),
        (HEIGHT - 3, 1, 2, 2, (HEIGHT - SIDE, 1)),
        (0, 3, 1, 1, (0, 3)),
    ],
)
def test_the_window_of_a_small_hole_stays_inside(top, left, height, width, corner):
    mask = hole(top, left, height, width)
    assert tuple(int(x) for x in holes.hole_corner(mask, SIDE)) == corner
    window = holes.crop_hole(IMAGE, mask, SIDE)
    assert window.shape == (1, SIDE, SIDE, 3)
    # Cropping and pasting agree on where the window is.
    pasted = holes.paste_hole(window, IMAGE, mask)
    np.testing.assert_array_equal(pasted, IMAGE)


@pytest.mark.parametrize("patch", [PATCH, PATCH * np.nan], ids=["patch", "nan"])
def test_without_a_hole_the_image_comes_back(patch):
    mask = np.zeros((1, HEIGHT, WIDTH, 1), np.float32)
    np.testing.assert_array_equal(holes.paste_hole(patch, IMAGE, mask), IMAGE)


def test_beyond_the_patch_its_edge_is_repeated():
    mask = hole(1, 2, SIDE + 2, SIDE + 3)
    pasted = holes.paste_hole(PATCH, IMAGE, mask)[0].numpy()
    inside = np.pad(PATCH[0], ((0, 2), (0, 3), (0, 0)), mode="edge")
    np.testing.assert_array_equal(pasted[1 : SIDE + 3, 2 : SIDE + 5], inside)


def test_sizes_may_be_unknown_when_the_graph_is_built():
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, None])] * 2)
    def round_trip(image, mask):
        return holes.paste_hole(holes.crop_hole(image, mask, SIDE), image, mask)

    for image in (IMAGE, random(2, 5, 4, 1)):
        mask = np.zeros((*image.shape[:3], 1), np.float32)
        mask[:, 1:4, 0:3] = 1
        np.testing.assert_array_equal(round_trip(image, mask), image)


def window_around(mask, size):
    """Rows and columns of the window around a hole [H, W, 1], looked for one by one."""
    spans = []
    for missing in (mask.any(axis=(1, 2)), mask.any(axis=(0, 2))):
        found = np.nonzero(missing)[0]
        first, last = (found[0], found[-1]) if len(found) else (0, len(missing) - 1)
        # Of all windows that fit, that whose middle is nearest; the first of two.
        starts = range(len(missing) - size + 1)
        start = min(starts, key=lambda s: abs((s + s + size - 1) - (first + last)))
        spans.append(slice(start, start + size))
    return spans


class TestAroundTheHole:
    @pytest.mark.parametrize("size", [3, SIDE, 7, HEIGHT])
    @pytest.mark.parametrize("height, width", [(1, 1), (4, 4), (2, 7), (9, 3), (5, 12)])
    def test_it_is_the_nearest_window_that_fits(self, size, height, width):
        tops, lefts = range(HEIGHT - height + 1), range(WIDTH - width + 1)
        places = list(itertools.product(tops, lefts))
        mask = np.concatenate([hole(*place, height, width) for place in places])
        images = random(len(places), HEIGHT, WIDTH, 3)
        windows = holes.crop_around_hole(images, mask, size)
        for image, one, window in zip(images, mask, windows):
            rows, columns = window_around(one, size)
            np.testing.assert_array_equal(window, image[rows, columns])

    def test_the_middle_is_that_of_all_missing_pixels_or_of_the_image(self):
        mask = np.maximum(hole(1, 1, 1, 1), hole(6, 8, 2, 2))
        window = holes.crop_around_hole(IMAGE, mask, 3)
        np.testing.assert_array_equal(window, IMAGE[:, 3:6, 4:7])
        window = holes.crop_around_hole(IMAGE, 0 * mask, 5)
        np.testing.assert_array_equal(window, IMAGE[:, 2:7, 3:8])
