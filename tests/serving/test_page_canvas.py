"""The web page's canvas: the mask that is painted on it, and the parts it can mark."""

import numpy as np
import pytest

from data_pipeline.drawn_faces import draw
from serving.page import canvas
from serving.page.canvas import PAINT, SIDE
from serving.photo import masks
from serving.photo.framing import NoFaceError

HOLE = (0.25, 0.75)
SIZES = [(64, 64), (250, 250), (60, 40), (218, 178), (7, 300), (3000, 2000), (3, 3)]


@pytest.mark.parametrize("size", SIZES)
def test_a_mask_comes_back_as_it_was_painted(size):
    mask = masks.center(size, HOLE)
    layer = canvas.paint(mask)
    assert layer.shape == (SIDE, SIDE, 4) and layer.dtype == np.uint8
    found = canvas.painted([layer], size)
    assert found.dtype == np.uint8 and found.shape == mask.shape
    # To a pixel of the picture or of the canvas, whichever is larger.
    reach = -(-max(size) // SIDE)
    inner, outer = (grown(mask, sign * reach) for sign in (-1, 1))
    assert (found >= inner).all() and (found <= outer).all()
    if SIDE % max(size) == 0:
        np.testing.assert_array_equal(found, mask)
        # High-resolution screens have larger layers.
        large = layer.repeat(2, axis=0).repeat(2, axis=1)
        np.testing.assert_array_equal(canvas.painted([large], size), mask)


def grown(mask, pixels):
    """A rectangle's mask with its sides moved outward."""
    rows, columns = np.nonzero(mask[..., 0])
    grown = np.zeros_like(mask)
    top, left = (max(side.min() - pixels, 0) for side in (rows, columns))
    grown[top : rows.max() + pixels + 1, left : columns.max() + pixels + 1] = 1
    return grown


@pytest.mark.parametrize("size", SIZES)
def test_picture_and_paint_are_in_the_same_place(size):
    fitted = canvas.fit(np.zeros((*size, 3), np.uint8))
    layer = canvas.paint(np.ones((*size, 1), np.uint8))
    np.testing.assert_array_equal(fitted[..., 0] == 0, layer[..., 3] > 0)


def test_margins_are_ignored():
    everything = np.full((SIDE, SIDE, 4), 255, np.uint8)
    assert canvas.painted([everything], (60, 40)).all()
    everything[:, 110:530] = 0
    assert not canvas.painted([everything], (60, 40)).any()


def test_layers_add_up_and_faint_strokes_do_not_count():
    first, second, third = np.zeros((3, SIDE, SIDE, 4), np.uint8)
    first[: SIDE // 8, :, 3] = PAINT[3]
    second[:, : SIDE // 8, 3] = 255
    third[..., 3] = PAINT[3] // 3
    expected = np.zeros((8, 8, 1))
    expected[0], expected[:, 0] = 1, 1
    found = canvas.painted([first, second, third], (8, 8))
    np.testing.assert_array_equal(found, expected)
    assert not canvas.painted([], (8, 8)).any()


class TestFaces:
    @pytest.fixture(scope="class")
    def drawn(self):
        return draw.draw(3, size=64)

    def test_drawn_ones_are_known_and_others_searched_for(self, drawn):
        asked = []

        def find(image):
            asked.append(image)
            return [drawn["landmarks"] + 1]

        faces = canvas.Faces([(drawn["image"], drawn["landmarks"])], find)
        (landmarks,) = faces(drawn["image"])
        np.testing.assert_array_equal(landmarks, drawn["landmarks"])
        assert not asked
        changed = drawn["image"].copy()
        changed[0, 0, 0] ^= 1
        # The same bytes in another shape are another picture.
        for other in (changed, drawn["image"].reshape(32, 128, 3)):
            (landmarks,) = faces(other)
            np.testing.assert_array_equal(landmarks, drawn["landmarks"] + 1)
        assert len(asked) == 2

    @pytest.mark.parametrize("name", canvas.REGIONS)
    def test_parts_are_the_pictures_center_or_the_largest_faces(self, drawn, name):
        found = [drawn["landmarks"], drawn["landmarks"] / 2]
        mask = canvas.Faces(find=lambda _: found).region(name, drawn["image"], HOLE)
        assert mask.dtype == np.uint8 and mask.shape == (64, 64, 1)
        if name == "Center":
            expected = masks.center((64, 64), HOLE)
        else:
            part = name.lower().replace(" ", "_")
            expected = masks.region(part, found[0], 64, 64)[..., None]
        assert 0 < expected.sum() < 64 * 64
        np.testing.assert_array_equal(mask, expected)

    @pytest.mark.parametrize(
        "find, text",
        [(None, r"needs MediaPipe \(make extras"), (lambda _: [], "^No face was fou")],
    )
    def test_no_face_is_an_error_with_a_way_out(self, drawn, find, text):
        faces = canvas.Faces(find=find)
        with pytest.raises(NoFaceError, match=f"{text}.*Paint over the part instead"):
            faces.region("Mouth", drawn["image"], HOLE)
        assert faces.region("Center", drawn["image"], HOLE).any()
