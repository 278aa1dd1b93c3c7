"""Faces aligned as a model was trained: framings, maps, crops and parts of faces."""

import cv2
import numpy as np
import pytest

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from data_pipeline.face_masks import ellipse
from serving.photo import framing, masks
from serving.photo.alignment import Alignment, align, squeeze
from serving.photo.framing import Framing, NoFaceError

SIZE = 64
# The mean of drawn faces in a square of 64 pixels.
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
    """The framing of a model that was trained on nothing but this face."""
    height, width = face["image"].shape[:2]
    return Framing(framing.anchors(face["landmarks"]) + 0.5, width, height)


class TestFraming:
    def test_drawn_faces_are_where_their_framing_says(self):
        found = framing.of(facts("faces", "none", image_size=64))
        assert (found.width, found.height) == (64, 64)
        mean = np.mean([draw.draw(i, size=64)["landmarks"] for i in range(60)], axis=0)
        np.testing.assert_allclose(found.anchors - 0.5, framing.anchors(mean), atol=0.7)
        typical = framing.typical(found)
        np.testing.assert_allclose(framing.anchors(typical), found.anchors, atol=1e-9)
        np.testing.assert_allclose(typical - 0.5, mean, atol=0.9)

    def test_aligned_celeba_is_the_published_alignment(self):
        whole = framing.of(facts("celeb_a", "none"))
        assert (whole.width, whole.height) == (178, 218)
        # The first row of its list of landmarks, in which pixels begin at 1.
        first = [(69, 109), (106, 113), (77, 142), (73, 152), (108, 154)]
        anchors = framing.anchors(np.array(first) - 1.0)
        np.testing.assert_allclose(anchors, whole.anchors - 0.5, atol=3.5)

    @pytest.mark.parametrize(
        "dataset, crop, sides, shift",
        [("celeb_a", "center", (178, 178), (0, 20)), ("lfw", "128", (128, 128), 61)],
    )
    def test_a_crop_moves_the_face_with_the_picture(self, dataset, crop, sides, shift):
        whole, part = (framing.of(facts(dataset, each)) for each in ("none", crop))
        assert (part.width, part.height) == sides
        np.testing.assert_allclose(
            whole.anchors - part.anchors, [shift * np.ones(2)] * 3
        )

    def test_celeba_hq_is_celeba_through_its_published_crop(self):
        left, right, mouth = framing.of(facts("celeb_a", "none")).anchors
        eyes = (left + right) / 2
        across, up = right - left, eyes - mouth
        side = max(4.0 * np.hypot(*across), 3.6 * np.hypot(*up))
        corner = eyes - 0.1 * up - side / 2
        expected = (np.array([left, right, mouth]) - corner) / side
        found = framing.of(facts("celeb_a_hq", "none"))
        np.testing.assert_allclose(found.anchors, expected, atol=2e-3)

    def test_an_export_may_have_landmarks(self):
        shares = (TYPICAL + 0.5) / SIZE
        found = framing.of({**facts("folder"), "landmarks": shares.tolist()})
        np.testing.assert_allclose(found.anchors, framing.anchors(shares))
        assert (found.width, found.height) == (1, 1)
        with pytest.raises(ValueError, match="must be five"):
            framing.of({"landmarks": shares[:3].tolist()})

    @pytest.mark.parametrize(
        "of, words",
        [
            (facts("folder"), "trained on --dataset=folder with --crop=center"),
            (facts("celeb_a_hq", "700"), "on --dataset=celeb_a_hq with --crop=700"),
            ({}, "does not say what it was trained on"),
        ],
    )
    def test_an_unknown_framing_says_how_to_add_it(self, of, words):
        text = f'{words}.*"landmarks" into its assets.extra'
        with pytest.raises(ValueError, match=text):
            framing.of(of)


class TestMap:
    @pytest.mark.parametrize("degrees", [0, 30, -80, 180])
    @pytest.mark.parametrize("height", [SIZE, 80])
    def test_a_turned_and_enlarged_face_comes_back(self, degrees, height):
        """Also into pictures that were squeezed into the network's square."""
        face = moved(turned(degrees, 3.7, (400.0, 250.0)), TYPICAL)
        frame = Framing(framing.anchors(TYPICAL) + 0.5, SIZE, height)
        expected = (TYPICAL + 0.5) * (1, SIZE / height) - 0.5
        found = align(face, frame, SIZE)(face)
        np.testing.assert_allclose(found, expected, atol=1e-9)

    def test_no_other_similarity_fits_a_face_better(self):
        rng = np.random.default_rng(0)
        frame = Framing(framing.anchors(TYPICAL) + 0.5, SIZE, SIZE)
        face = 2.0 * TYPICAL + rng.normal(0, 4.0, TYPICAL.shape)
        places = moved(align(face, frame, SIZE).matrix, framing.anchors(face))

        def error(places):
            return ((places - framing.anchors(TYPICAL)) ** 2).sum()

        for _ in range(50):
            angle, scale = rng.normal(0, 1), 1 + rng.normal(0, 0.01)
            other = moved(turned(angle, scale, rng.normal(0, 0.5, 2)), places)
            assert error(other) > error(places)

    @pytest.mark.parametrize(
        "landmarks",
        [
            TYPICAL * (-1, 1),
            TYPICAL[[1, 0, 2, 4, 3]],
            TYPICAL * (1, 0),
            np.zeros((5, 2)),
            np.full((5, 2), np.nan),
        ],
        ids=["mirrored", "swapped", "a line", "a point", "not finite"],
    )
    def test_landmarks_that_do_not_form_a_face_are_refused(self, landmarks):
        frame = Framing(framing.anchors(TYPICAL) + 0.5, SIZE, SIZE)
        with pytest.raises(NoFaceError, match="do not form a face"):
            align(landmarks, frame, SIZE)


def nothing(image):
    return np.zeros(image.shape[:2], bool)


class TestCrop:
    @pytest.mark.parametrize("degrees, scale", [(0, 1.0), (25, 1.6), (-60, 0.7)])
    def test_a_face_anywhere_is_cropped_as_it_was_drawn(self, degrees, scale):
        matrix = turned(degrees, scale, (330, 260))
        image, landmarks, face = scene(matrix, 900, 700)
        found = align(landmarks, own_framing(face), 128).crop(image, nothing(image))
        expected = pixels.resize(face["image"], 128, 128).astype(float)
        assert np.abs(found - expected)[8:-8, 8:-8].mean() < 3.0

    def test_a_picture_is_mirrored_at_its_border_and_a_hole_is_not(self):
        image = draw.draw(1, size=SIZE)["image"]
        corner = Alignment(turned(0, 1.0, (20, 9)), SIZE)
        padded = np.pad(image, ((9, 0), (20, 0), (0, 0)), "symmetric")[:SIZE, :SIZE]
        np.testing.assert_array_equal(corner.crop(image, nothing(image)), padded)
        hole = nothing(image)
        hole[:5] = True
        rows = np.flatnonzero(corner.crop_mask(hole).any(axis=1))
        np.testing.assert_array_equal(rows, np.arange(9, 14))

    @pytest.mark.parametrize("turn", [False, True])
    def test_a_picture_may_be_longer_than_opencv_warps(self, turn):
        ramp = np.linspace(0, 250, 70_001)[None, :, None]
        image = np.broadcast_to(ramp, (4, 70_001, 3)).astype(np.uint8)
        image = np.ascontiguousarray(image.swapaxes(0, 1)) if turn else image
        hole = image[..., 0] >= 125
        whole = squeeze(*hole.shape, SIZE)
        crop, missing = whole.crop(image, nothing(image)), whole.crop_mask(hole)
        crop, missing = (crop.swapaxes(0, 1), missing.T) if turn else (crop, missing)
        expected = (np.arange(SIZE) + 0.5) / SIZE * 250 - 0.5  # whole levels are less
        np.testing.assert_allclose(crop[SIZE // 2, :, 0], expected, atol=0.3)
        left, right = np.split(missing[8:-8, 1:-1], 2, axis=1)
        assert right.all() and not left.any()

    def test_unknown_pixels_have_no_influence(self):
        image = draw.draw(2, size=200)["image"]
        hidden = nothing(image)
        hidden[50:130, 60:150] = True
        found = Alignment(turned(10, 0.31), SIZE)
        other = np.where(hidden[..., None], np.uint8(255) - image, image)
        np.testing.assert_array_equal(
            found.crop(image, hidden), found.crop(other, hidden)
        )
        # No ringing: a plain picture is plain up to its hole, and in it.
        color = (200, 30, 90)
        plain = np.where(hidden[..., None], 0, np.full_like(image, color))
        crop = found.crop(plain.astype(np.uint8), hidden)
        np.testing.assert_allclose(crop, np.full_like(crop, color), atol=0.01)

    @pytest.mark.parametrize("scale", [0.13, 0.5, 1.0, 2.5])
    def test_a_hole_comes_back_from_the_photograph(self, scale):
        found = Alignment(turned(17, scale, (20, -8)), SIZE)
        hole = np.zeros((SIZE, SIZE), np.uint8)
        hole[20:45, 16:48] = 1
        back = found.crop_mask(found.mask_to_photo(hole > 0, 500, 600))
        kernel = np.ones((3, 3))
        border = cv2.dilate(hole, kernel) > cv2.erode(hole, kernel)
        assert (back == hole)[~border].all()
        assert (back != hole).sum() < 0.05 * hole.sum() * max(scale, 1.0)

    def test_a_crop_finer_than_the_photograph_is_smoothed_on_its_way_back(self):
        stripes = np.zeros((SIZE, SIZE, 3), np.float32)
        stripes[:, ::2] = 200.0
        values = Alignment(turned(0, 4.0), SIZE).to_photo(stripes, (2, 2, 13, 13))
        np.testing.assert_allclose(values, 100.0, atol=5.0)


class TestRegions:
    @pytest.mark.parametrize("degrees", [0, 40, 180])
    @pytest.mark.parametrize(
        "name, inside, outside",
        [
            ("eyes", (0, 1), (2, 3, 4)),
            ("nose", (2,), (0, 1, 3, 4)),
            ("mouth", (3, 4), (0, 1, 2)),
            ("left_half", (0, 3), (1, 4)),
            ("right_half", (1, 4), (0, 3)),
        ],
    )
    def test_they_hold_their_landmarks_and_no_others(
        self, name, inside, outside, degrees
    ):
        landmarks = moved(turned(degrees, 4.0, (300, 300)), TYPICAL)
        mask = masks.region(name, landmarks, 600, 700)
        x, y = np.rint(landmarks).astype(int).T
        assert mask.shape == (600, 700) and mask.dtype == bool
        assert mask[y, x][list(inside)].all() and not mask[y, x][list(outside)].any()
        assert not masks.region(name, landmarks + 900, 600, 700).any()

    def test_the_halves_are_a_face(self):
        landmarks = moved(turned(15, 4.0, (60, 30)), TYPICAL)
        halves = ("left_half", "right_half")
        left, right = (masks.region(name, landmarks, 260, 280) for name in halves)
        assert not (left & right).any()
        face = ellipse.mask(landmarks, 260, 280)[..., 0] > 0
        np.testing.assert_array_equal(left | right, face)
        assert left.sum() == pytest.approx(right.sum(), rel=0.1)

    def test_an_unknown_one_is_an_error_with_a_suggestion(self):
        with pytest.raises(ValueError, match="Did you mean: mouth"):
            masks.region("mout", TYPICAL, 64, 64)
