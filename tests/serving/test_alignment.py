"""Faces laid where a model has met them: framings, maps, crops and parts of faces."""

import cv2
import numpy as np
import pytest

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from data_pipeline.face_masks import ellipse
from serving.photo import framing, masks
from serving.photo.alignment import Alignment, align
from serving.photo.framing import Framing, NoFaceError

SIZE = 64
# A face that lies as drawn faces do on average, in a square of 64 pixels.
TYPICAL = np.array(
    [(24.6, 26.1), (38.4, 26.1), (31.5, 36.0), (25.6, 41.4), (37.4, 41.4)]
)


def facts(dataset, crop="center", **others):
    return {"config": {"dataset": dataset, "crop": crop, "image_size": 128, **others}}


def turned(degrees, scale, shift=(0.0, 0.0)):
    """A similarity [2, 3] about the origin, followed by a shift."""
    angle = np.deg2rad(degrees)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


def moved(matrix, points):
    return points @ matrix[:, :2].T + matrix[:, 2]


def followed_by(first, second):
    full = [np.vstack([matrix, [0, 0, 1]]) for matrix in (first, second)]
    return (full[1] @ full[0])[:2]


def scene(matrix, width, height, size=256, index=3):
    """A drawn face in a larger picture, its landmarks there, and the face itself."""
    face = draw.draw(index, size=size)
    image = cv2.warpAffine(
        face["image"],
        matrix,
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return image, moved(matrix, face["landmarks"]), face


def own_framing(face):
    """The framing of a model that has met nothing but this face."""
    height, width = face["image"].shape[:2]
    return Framing(framing.anchors(face["landmarks"]) + 0.5, width, height)


# Framing


def test_drawn_faces_lie_where_their_framing_says():
    found = framing.of(facts("faces", "none", image_size=64))
    faces = [draw.draw(i, size=64)["landmarks"] for i in range(60)]
    mean = np.mean([framing.anchors(face) for face in faces], axis=0)
    np.testing.assert_allclose(found.anchors - 0.5, mean, atol=0.7)
    assert (found.width, found.height) == (64, 64)


def test_a_typical_face_has_the_framings_anchors_and_a_drawn_faces_features():
    found = framing.of(facts("faces", "none", image_size=64))
    typical = framing.typical(found)
    np.testing.assert_allclose(framing.anchors(typical), found.anchors, atol=1e-9)
    faces = [draw.draw(i, size=64)["landmarks"] for i in range(60)]
    np.testing.assert_allclose(typical - 0.5, np.mean(faces, axis=0), atol=0.9)


def test_aligned_celeba_is_the_published_alignment():
    whole = framing.of(facts("celeb_a", "none"))
    assert (whole.width, whole.height) == (178, 218)
    # The first row of its list of landmarks; a pixel's number there begins at 1.
    first = np.array([(69, 109), (106, 113), (77, 142), (73, 152), (108, 154)]) - 1.0
    np.testing.assert_allclose(framing.anchors(first), whole.anchors - 0.5, atol=3.5)
    center = framing.of(facts("celeb_a", "center"))
    assert (center.width, center.height) == (178, 178)
    np.testing.assert_allclose(whole.anchors - center.anchors, [(0, 20)] * 3)


def test_a_crop_moves_the_face_as_it_moves_the_picture():
    whole, part = (framing.of(facts("lfw", crop)) for crop in ("none", "128"))
    assert (whole.width, part.width) == (250, 128)
    np.testing.assert_allclose(whole.anchors - part.anchors, 61)


def test_celeba_hq_is_celeba_seen_through_its_published_crop():
    left, right, mouth = framing.of(facts("celeb_a", "none")).anchors
    eyes = (left + right) / 2
    across, up = right - left, eyes - mouth
    side = max(4.0 * np.hypot(*across), 3.6 * np.hypot(*up))
    corner = eyes - 0.1 * up - side / 2
    expected = (np.array([left, right, mouth]) - corner) / side
    found = framing.of(facts("celeb_a_hq", "none"))
    np.testing.assert_allclose(found.anchors, expected, atol=2e-3)


def test_an_export_may_say_itself_where_faces_are():
    shares = (TYPICAL + 0.5) / SIZE
    found = framing.of({**facts("folder"), "landmarks": shares.tolist()})
    np.testing.assert_allclose(found.anchors, framing.anchors(shares))
    assert (found.width, found.height) == (1, 1)
    with pytest.raises(ValueError, match="must be five"):
        framing.of({"landmarks": shares[:3].tolist()})


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (facts("folder"), "trained on --dataset=folder with --crop=center"),
        (facts("celeb_a_hq", "700"), "trained on --dataset=celeb_a_hq with --crop=700"),
        ({}, "does not say what it was trained on"),
    ],
)
def test_where_nobody_knows_the_error_says_how_to_say_it(of, words):
    with pytest.raises(ValueError, match=f'{words}.*"landmarks" into its assets.extra'):
        framing.of(of)


# Map


@pytest.mark.parametrize("degrees", [0, 30, -80, 180])
@pytest.mark.parametrize("height", [SIZE, 80])
def test_a_turned_and_enlarged_face_comes_back(degrees, height):
    """Also into pictures that were squeezed into the network's square."""
    matrix = turned(degrees, 3.7, (400.0, 250.0))
    frame = Framing(framing.anchors(TYPICAL) + 0.5, SIZE, height)
    found = align(moved(matrix, TYPICAL), frame, SIZE)
    expected = TYPICAL + 0.5
    expected[:, 1] *= SIZE / height
    np.testing.assert_allclose(found(moved(matrix, TYPICAL)), expected - 0.5, atol=1e-9)


def test_no_other_similarity_fits_a_face_better():
    rng = np.random.default_rng(0)
    frame = Framing(framing.anchors(TYPICAL) + 0.5, SIZE, SIZE)
    face = 2.0 * TYPICAL + rng.normal(0, 4.0, TYPICAL.shape)
    best = align(face, frame, SIZE).matrix

    def error(matrix):
        misses = moved(matrix, framing.anchors(face)) - framing.anchors(TYPICAL)
        return (misses**2).sum()

    for _ in range(50):
        small = turned(rng.normal(0, 1), 1 + rng.normal(0, 0.01), rng.normal(0, 0.5, 2))
        assert error(followed_by(best, small)) > error(best)


@pytest.mark.parametrize(
    "landmarks",
    [
        TYPICAL * (-1, 1),
        TYPICAL[[1, 0, 2, 4, 3]],
        TYPICAL * (1, 0),
        np.zeros((5, 2)),
        np.full((5, 2), np.nan),
    ],
)
def test_landmarks_that_make_no_face_are_refused(landmarks):
    frame = Framing(framing.anchors(TYPICAL) + 0.5, SIZE, SIZE)
    with pytest.raises(NoFaceError, match="make no face"):
        align(landmarks, frame, SIZE)


# Crop


def nothing(image):
    return np.zeros(image.shape[:2], bool)


def test_a_picture_that_is_framed_already_stays_as_it_is():
    image = draw.draw(0, size=SIZE)["image"]
    same = Alignment(turned(0, 1.0), SIZE)
    np.testing.assert_array_equal(same.cut(image, nothing(image)), image)
    np.testing.assert_array_equal(
        same.enlarged(image.astype(np.float32), (0, 0, SIZE, SIZE)), image
    )


@pytest.mark.parametrize("times", [1.95, 4.0, 6.3])
def test_a_large_face_is_shrunk_as_training_images_are(times):
    side = round(SIZE * times)
    image = draw.draw(5, size=side)["image"]
    scale = SIZE / side
    shrink = Alignment(turned(0, scale, [(scale - 1) / 2] * 2), SIZE)
    expected = pixels.resize(image, SIZE, SIZE).astype(float)
    difference = np.abs(shrink.cut(image, nothing(image)) - expected)
    assert difference.mean() < 1.0


@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (25, 1.6), (-60, 0.7)])
def test_a_face_anywhere_in_a_picture_is_cut_as_it_was_drawn(degrees, scale):
    image, landmarks, face = scene(turned(degrees, scale, (330, 260)), 900, 700)
    found = align(landmarks, own_framing(face), 128)
    expected = pixels.resize(face["image"], 128, 128).astype(float)
    difference = np.abs(found.cut(image, nothing(image)) - expected)
    assert difference[8:-8, 8:-8].mean() < 3.0


def test_beyond_its_border_a_picture_is_mirrored():
    image = draw.draw(1, size=SIZE)["image"]
    corner = Alignment(turned(0, 1.0, (20, 9)), SIZE)
    padded = np.pad(image, ((9, 0), (20, 0), (0, 0)), "symmetric")[:SIZE, :SIZE]
    np.testing.assert_array_equal(corner.cut(image, nothing(image)), padded)


def test_what_is_unknown_has_no_influence():
    image = draw.draw(2, size=200)["image"]
    hidden = nothing(image)
    hidden[50:130, 60:150] = True
    found = Alignment(turned(10, 0.31), SIZE)
    other = np.where(hidden[..., None], np.uint8(255) - image, image)
    np.testing.assert_array_equal(found.cut(image, hidden), found.cut(other, hidden))


def test_known_pixels_beside_a_hole_keep_their_colors():
    """No ringing: a plain picture is plain up to its hole, and in it."""
    image = np.full((200, 200, 3), (200, 30, 90), np.uint8)
    hidden = nothing(image)
    hidden[50:130, 60:150] = True
    image[hidden] = 0
    cut = Alignment(turned(10, 0.31), SIZE).cut(image, hidden)
    np.testing.assert_allclose(
        cut, np.broadcast_to((200, 30, 90), cut.shape), atol=0.01
    )


@pytest.mark.parametrize("scale", [0.13, 0.5, 1.0, 2.5])
def test_a_hole_of_the_crop_comes_back_from_the_photograph(scale):
    found = Alignment(turned(17, scale, (20, -8)), SIZE)
    hole = np.zeros((SIZE, SIZE), bool)
    hole[20:45, 16:48] = True
    back = found.cut_mask(found.back(hole, 500, 600))
    border = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3))) > cv2.erode(
        hole.astype(np.uint8), np.ones((3, 3))
    )
    assert (back == hole)[~border].all()
    assert (back != hole).sum() < 0.05 * hole.sum() * max(scale, 1.0)


def test_a_hole_is_not_mirrored_with_the_picture():
    mask = np.zeros((SIZE, SIZE), bool)
    mask[:5] = True
    cut = Alignment(turned(0, 1.0, (0, 20)), SIZE).cut_mask(mask)
    np.testing.assert_array_equal(np.flatnonzero(cut.any(axis=1)), np.arange(20, 25))


def test_a_crop_finer_than_the_photograph_is_smoothed_on_its_way_back():
    stripes = np.zeros((SIZE, SIZE, 3), np.float32)
    stripes[:, ::2] = 200.0
    fine = Alignment(turned(0, 4.0), SIZE)
    values = fine.enlarged(stripes, (2, 2, 13, 13))
    np.testing.assert_allclose(values, 100.0, atol=5.0)


# Parts of a face


@pytest.mark.parametrize("degrees", [0, 40, 180])
@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("eyes", (0, 1), (2, 3, 4)),
        ("nose", (2,), (0, 1, 3, 4)),
        ("mouth", (3, 4), (0, 1, 2)),
        ("left_half", (0, 3), (1, 4)),
        ("right_half", (1, 4), (0, 3)),
    ],
)
def test_parts_hold_their_landmarks_and_no_others(name, inside, outside, degrees):
    landmarks = moved(turned(degrees, 4.0, (300, 300)), TYPICAL)
    mask = masks.mask(name, landmarks, 600, 700)
    x, y = np.rint(landmarks).astype(int).T
    assert mask.shape == (600, 700) and mask.dtype == bool
    assert mask[y, x][list(inside)].all() and not mask[y, x][list(outside)].any()


def test_the_halves_are_a_face():
    landmarks = moved(turned(15, 4.0, (60, 30)), TYPICAL)
    left, right = (
        masks.mask(name, landmarks, 260, 280) for name in ("left_half", "right_half")
    )
    assert not (left & right).any()
    face = ellipse.mask(landmarks, 260, 280)[..., 0] > 0
    np.testing.assert_array_equal(left | right, face)
    assert left.sum() == pytest.approx(right.sum(), rel=0.1)


def test_the_mouth_reaches_below_the_lips_of_an_open_smile():
    landmarks = TYPICAL * 4.0
    mouth = masks.mask("mouth", landmarks, 300, 300)
    eyes, lips = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    for share, missing in ((1.4, True), (1.6, False)):
        x, y = np.rint(eyes + share * (lips - eyes)).astype(int)
        assert mouth[y, x] == missing


def test_a_part_outside_the_picture_is_empty():
    for name in masks.REGIONS:
        assert not masks.mask(name, TYPICAL * 4.0 + 900, 300, 200).any()


def test_an_unknown_part_is_an_error_with_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean: mouth"):
        masks.mask("mout", TYPICAL, 64, 64)
