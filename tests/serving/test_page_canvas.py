"""What is painted on the web page, and the mask that it means."""

import numpy as np
import pytest
from tiny_codec import picture

from serving.page import canvas as app_canvas
from serving.page.canvas import PAINT, SIDE

HOLE = (0.25, 0.75)
SIZES = [(64, 64), (250, 250), (60, 40), (218, 178), (7, 300), (3000, 2000), (3, 3)]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_painted_is_what_was_chosen(size):
    mask = app_canvas.center(size, HOLE)
    layer = app_canvas.paint(mask)
    assert layer.shape == (SIDE, SIDE, 4) and layer.dtype == np.uint8
    found = app_canvas.painted([layer], size)
    assert found.dtype == np.uint8 and found.shape == mask.shape
    # To a pixel of the picture or of the square, whichever is larger.
    reach = -(-max(size) // SIDE)
    inner, outer = (grown(mask, sign * reach) for sign in (-1, 1))
    assert (found >= inner).all() and (found <= outer).all()
    if SIDE % max(size) == 0:
        np.testing.assert_array_equal(found, mask)


def grown(mask, pixels):
    """A rectangle's mask with its sides moved outward."""
    rows, columns = np.nonzero(mask[..., 0])
    grown = np.zeros_like(mask)
    top, left = (max(side.min() - pixels, 0) for side in (rows, columns))
    grown[top : rows.max() + pixels + 1, left : columns.max() + pixels + 1] = 1
    return grown


@pytest.mark.parametrize("size", SIZES)
def test_picture_and_paint_lie_upon_each_other(size):
    canvas = app_canvas.fit(np.zeros((*size, 3), np.uint8))
    layer = app_canvas.paint(np.ones((*size, 1), np.uint8))
    np.testing.assert_array_equal(canvas[..., 0] == 0, layer[..., 3] > 0)


def test_a_picture_of_its_size_is_itself():
    image = picture(SIDE, SIDE)
    np.testing.assert_array_equal(app_canvas.fit(image), image)


def test_margins_mean_nothing():
    everything = np.full((SIDE, SIDE, 4), 255, np.uint8)
    assert app_canvas.painted([everything], (60, 40)).all()
    margins = everything.copy()
    margins[:, 110:530] = 0
    assert not app_canvas.painted([margins], (60, 40)).any()


@pytest.mark.parametrize("factor", [1, 2])
def test_fine_screens_have_larger_layers(factor):
    mask = app_canvas.center((64, 32), HOLE)
    layer = app_canvas.paint(mask).repeat(factor, axis=0).repeat(factor, axis=1)
    np.testing.assert_array_equal(app_canvas.painted([layer], (64, 32)), mask)


def test_layers_add_up_and_faint_strokes_do_not_count():
    size = (8, 8)
    first, second, third = np.zeros((3, SIDE, SIDE, 4), np.uint8)
    first[: SIDE // 8, :, 3] = PAINT[3]
    second[:, : SIDE // 8, 3] = 255
    third[..., 3] = PAINT[3] // 3
    expected = np.zeros((*size, 1))
    expected[0], expected[:, 0] = 1, 1
    found = app_canvas.painted([first, second, third], size)
    np.testing.assert_array_equal(found, expected)
    assert not app_canvas.painted([], size).any()


def test_the_center_is_the_models_hole():
    expected = np.zeros((100, 50, 1))
    expected[40:60, 20:30] = 1
    mask = app_canvas.center((100, 50), (0.4, 0.6))
    np.testing.assert_array_equal(mask, expected)
