"""Where the faces of the web page's pictures are."""

import numpy as np
import pytest

from data_pipeline import synthetic_faces
from serving import app_canvas, app_faces, face_regions
from serving.framing import NoFaceError

HOLE = (0.25, 0.75)


@pytest.fixture(scope="module")
def drawn():
    return synthetic_faces.draw(3, size=64)


def other(drawn):
    changed = drawn["image"].copy()
    changed[0, 0, 0] ^= 1
    return changed


def test_drawn_faces_are_known_and_others_looked_for(drawn):
    asked = []

    def find(image):
        asked.append(image)
        return [drawn["landmarks"] + 1]

    faces = app_faces.Faces([(drawn["image"], drawn["landmarks"])], find)
    (landmarks,) = faces(drawn["image"])
    np.testing.assert_array_equal(landmarks, drawn["landmarks"])
    assert not asked
    (landmarks,) = faces(other(drawn))
    np.testing.assert_array_equal(landmarks, drawn["landmarks"] + 1)
    assert len(asked) == 1
    # As many bytes in another shape are another picture.
    faces(drawn["image"].reshape(32, 128, 3))
    assert len(asked) == 2


@pytest.mark.parametrize("name", app_faces.REGIONS)
def test_regions_are_the_centers_or_the_largest_faces(drawn, name):
    image = other(drawn)
    found = [drawn["landmarks"], drawn["landmarks"] / 2]
    mask = app_faces.Faces(find=lambda _: found).region(name, image, HOLE)
    assert mask.dtype == np.uint8 and mask.shape == (64, 64, 1)
    if name == "Center":
        expected = app_canvas.center((64, 64), HOLE)
    else:
        part = name.lower().replace(" ", "_")
        expected = face_regions.mask(part, found[0], 64, 64)[..., None]
    assert 0 < expected.sum() < 64 * 64
    np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("find", "text"),
    [(None, r"needs MediaPipe \(pip install"), (lambda _: [], "^No face was found")],
)
def test_no_face_is_said_with_the_way_out(drawn, find, text):
    faces = app_faces.Faces(find=find)
    with pytest.raises(NoFaceError, match=f"{text}.*Paint over the part instead"):
        faces.region("Mouth", drawn["image"], HOLE)
    assert faces.region("Center", drawn["image"], HOLE).any()
