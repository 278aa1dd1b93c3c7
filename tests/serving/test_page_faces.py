"""Where the faces of the web page's pictures are."""

import numpy as np
import pytest

from data_pipeline.drawn_faces import draw
from serving.page import canvas
from serving.photo import masks
from serving.photo.framing import NoFaceError

HOLE = (0.25, 0.75)


@pytest.fixture(scope="module")
def drawn():
    return draw.draw(3, size=64)


def other(drawn):
    changed = drawn["image"].copy()
    changed[0, 0, 0] ^= 1
    return changed


def test_drawn_faces_are_known_and_others_looked_for(drawn):
    asked = []

    def find(image):
        asked.append(image)
        return [drawn["landmarks"] + 1]

    faces = canvas.Faces([(drawn["image"], drawn["landmarks"])], find)
    (landmarks,) = faces(drawn["image"])
    np.testing.assert_array_equal(landmarks, drawn["landmarks"])
    assert not asked
    (landmarks,) = faces(other(drawn))
    np.testing.assert_array_equal(landmarks, drawn["landmarks"] + 1)
    assert len(asked) == 1
    # As many bytes in another shape are another picture.
    faces(drawn["image"].reshape(32, 128, 3))
    assert len(asked) == 2


@pytest.mark.parametrize("name", canvas.REGIONS)
def test_regions_are_the_centers_or_the_largest_faces(drawn, name):
    image = other(drawn)
    found = [drawn["landmarks"], drawn["landmarks"] / 2]
    mask = canvas.Faces(find=lambda _: found).region(name, image, HOLE)
    assert mask.dtype == np.uint8 and mask.shape == (64, 64, 1)
    if name == "Center":
        expected = canvas.center((64, 64), HOLE)
    else:
        part = name.lower().replace(" ", "_")
        expected = masks.mask(part, found[0], 64, 64)[..., None]
    assert 0 < expected.sum() < 64 * 64
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("find", "text"),
    [(None, r"needs MediaPipe \(pip install"), (lambda _: [], "^No face was found")],
)
def test_no_face_is_said_with_the_way_out(drawn, find, text):
    faces = canvas.Faces(find=find)
    with pytest.raises(NoFaceError, match=f"{text}.*Paint over the part instead"):
        faces.region("Mouth", drawn["image"], HOLE)
    assert faces.region("Center", drawn["image"], HOLE).any()
