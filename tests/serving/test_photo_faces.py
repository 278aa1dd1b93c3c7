"""Faces of whole photographs: what is restored, what stays, and that no seam shows."""

import contextlib
import importlib.util
import sys

import cv2
import numpy as np
import pytest
from test_alignment import SIZE, TYPICAL, moved, own_framing, scene, turned

from data_pipeline import sources
from data_pipeline.drawn_faces import draw
from serving.photo import blending, finder, framing
from serving.photo import masks as face_regions
from serving.photo.alignment import align
from serving.photo.faces import BeyondFacesError, FaceRestorer
from serving.photo.restorer import UnfillableHoleError

FRAMING = own_framing({"image": np.zeros((SIZE, SIZE, 3)), "landmarks": TYPICAL})
UNFILLABLE = "This model fills something else."


class Model:
    """Stands in for an exported model: paints its own picture into the hole."""

    def __init__(self, paint, *, landmarks=TYPICAL, size=SIZE, side=0, centered=False):
        shares = (np.asarray(landmarks) + 0.5) / size
        self.facts = {
            "landmarks": shares.tolist(),
            "fills": {"side": side, "centered": centered},
        }
        self.size, self.paint, self.seen = size, paint, []

    def restore_crop(self, image, hole):
        assert image.dtype == np.float32 and image.shape == (self.size, self.size, 3)
        assert image.min() >= 0 and image.max() <= 1
        self.seen.append((image, hole))
        if not hole.any():
            return image
        side, centered = self.facts["fills"]["side"], self.facts["fills"]["centered"]
        rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
        spans = [np.ptp(rows) + 1, np.ptp(columns) + 1]
        start = (self.size - side) // 2
        corner = (rows[0], columns[0], hole.sum())
        if side and max(spans) > side:
            raise UnfillableHoleError(UNFILLABLE)
        if centered and corner != (start, start, side * side):
            raise UnfillableHoleError(UNFILLABLE)
        return np.where(hole[..., None], np.float32(self.paint), image)


def rectangle(image, left, top, width, height):
    mask = np.zeros((*image.shape[:2], 1), np.uint8)
    mask[top : top + height, left : left + width] = 1
    return mask


def part(image, name, *faces):
    masks = [face_regions.mask(name, face, *image.shape[:2]) for face in faces]
    return np.any(masks, axis=0)[..., None].astype(np.uint8)


def on_plain(*landmarks, width=400, height=300, color=(90, 120, 160)):
    """A plain picture that is said to show faces, and what is said."""
    return np.full((height, width, 3), color, np.uint8), list(landmarks)


@pytest.fixture
def raw(monkeypatch):
    """What is restored is pasted as it is."""
    monkeypatch.setattr(blending, "blend", lambda image, hole, known: image)
    monkeypatch.setattr(blending, "sharpen", lambda values, *_, **__: values)


# What is changed


@pytest.mark.parametrize("degrees", [0, 25, -70])
@pytest.mark.parametrize("scale", [0.7, 1.0, 2.3])
def test_a_model_that_knows_the_face_gives_it_back(degrees, scale):
    matrix = turned(degrees, scale, (420, 350))
    image, landmarks, face = scene(matrix, 1100, 1000)
    size = 128
    small = cv2.resize(face["image"], (size, size), interpolation=cv2.INTER_AREA)
    model = Model(small / 255.0, size=size)
    model.facts["landmarks"] = ((face["landmarks"] + 0.5) / 256).tolist()
    mask = part(image, "mouth", landmarks)
    given = np.where(mask, np.uint8(255), image)
    restored = FaceRestorer(model)(given, mask, [landmarks])
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])
    error = np.abs(restored.astype(float) - image)[~known]
    damage = np.abs(given.astype(float) - image)[~known]
    assert error.mean() < 6.0 and error.mean() < 0.1 * damage.mean()


def test_known_pixels_stay_and_missing_ones_are_the_models(raw):
    image, faces = on_plain(moved(turned(30, 2.0, (170, 100)), TYPICAL))
    rng = np.random.default_rng(0)
    image += rng.integers(0, 50, image.shape, np.uint8)
    mask = part(image, "eyes", *faces)
    restored = FaceRestorer(Model(1.0))(image, mask, faces)
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])
    # But for the border, where pixels of the model are mixed with known ones.
    inner = cv2.erode(mask[..., 0], np.ones((9, 9))) > 0
    assert inner.any() and (restored[inner] == 255).all()
    assert image.max() < 255  # the picture that was given is left alone


def test_what_is_under_the_mask_has_no_influence():
    image, landmarks, _ = scene(turned(12, 1.4, (200, 120)), 700, 600)
    mask = part(image, "nose", landmarks)
    results = []
    for content in (0, 255):
        model = Model(0.3)
        given = np.where(mask, np.uint8(content), image)
        results.append(FaceRestorer(model)(given, mask, [landmarks]))
    np.testing.assert_array_equal(*results)


def test_nothing_missing_changes_nothing():
    image, faces = on_plain(moved(turned(0, 2.0), TYPICAL))
    model = Model(1.0)
    mask = np.zeros((*image.shape[:2], 1), np.uint8)
    np.testing.assert_array_equal(FaceRestorer(model)(image, mask, faces), image)
    assert not model.seen


@pytest.mark.parametrize("corner", [(-30, -45), (300, 220)])
def test_a_face_at_the_border_is_restored(corner):
    """The crop leaves the picture on two sides."""
    landmarks = moved(turned(10, 2.0, corner), TYPICAL)
    image, faces = on_plain(landmarks)
    mask = part(image, "eyes", landmarks) | part(image, "mouth", landmarks)
    model = Model(0.0)
    restored = FaceRestorer(model)(image, mask, faces)
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])
    assert (restored[~known] != image[~known]).any(axis=-1).mean() > 0.8
    ((crop, hole),) = model.seen
    # Mirrored, the plain picture is plain, and it has no second hole.
    np.testing.assert_allclose(crop, (image[0, 0] / 255.0) + 0 * crop, atol=1e-3)
    matrix = align(landmarks, FRAMING, SIZE)
    assert hole.sum() <= 1.1 * matrix.density**2 * mask.sum() + 60


def test_a_hole_smaller_than_a_pixel_of_the_model_is_filled_too():
    landmarks = moved(turned(0, 12.0, (10, 10)), TYPICAL)
    image, faces = on_plain(landmarks, width=800, height=800)
    mask = rectangle(image, 300, 300, 2, 2)
    image[mask[..., 0] > 0] = 255
    restored = FaceRestorer(Model(1.0))(image, mask, faces)
    np.testing.assert_allclose(restored.astype(int), image[0, 0] + 0 * image, atol=1)


def test_a_photograph_of_24_megapixels():
    matrix = turned(-20, 2.0, (5000, 3300))
    landmarks = moved(matrix, draw.draw(3, size=256)["landmarks"])
    image = np.full((4000, 6000, 3), 77, np.uint8)
    mask = part(image, "mouth", landmarks)
    restored = FaceRestorer(Model(0.9))(image, mask, [landmarks])
    changed = (restored != image).any(axis=-1)
    assert changed.any() and not changed[mask[..., 0] == 0].any()


# Several faces


def two(distance):
    first = moved(turned(0, 2.5, (30, 60)), TYPICAL)
    second = moved(turned(20, 2.0, (30 + distance, 60)), TYPICAL)
    return first, second


@pytest.mark.parametrize("distance", [100, 400])
def test_each_face_is_restored_once_with_its_own_hole(distance):
    """Also where one face lies in the other's crop."""
    image, faces = on_plain(*two(distance), width=800)
    mask = part(image, "mouth", *faces)
    image[mask[..., 0] > 0] = 255
    model = Model(0.2)
    restored = FaceRestorer(model)(image, mask, faces)
    assert len(model.seen) == 2
    own = [part(image, "mouth", face)[..., 0] > 0 for face in faces]
    for (crop, hole), face, region in zip(model.seen, faces, own):
        expected = align(face, FRAMING, SIZE).cut_mask(region)
        assert (hole != expected).mean() < 0.01
        # Nothing of the white that stands in either hole.
        assert crop.max() < 0.7
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])


def test_what_is_missing_where_no_face_is_is_refused():
    image, faces = on_plain(*two(400), width=800)
    mask = rectangle(image, 700, 250, 30, 30)
    with pytest.raises(BeyondFacesError, match="900 of its 900 pixels are not near"):
        FaceRestorer(Model(0.0))(image, mask, faces)
    mask = part(image, "mouth", *faces)
    with pytest.raises(BeyondFacesError, match="are not near a face"):
        FaceRestorer(Model(0.0))(image, mask, faces[:1])


# Models that fill some holes only


# A tenth of 32 pixels.
@pytest.mark.parametrize(("off", "fits"), [(-9, 0), (0, 0), (1, 1), (3, 3), (4, None)])
def test_a_face_is_hardly_moved_to_bring_a_hole_into_the_center(raw, off, fits):
    landmarks = moved(turned(0, 1.0, (100, 50)), TYPICAL)
    image, faces = on_plain(landmarks)
    paint = np.arange(SIZE * SIZE * 3).reshape(SIZE, SIZE, 3) % 251 / 255.0
    model = Model(paint, side=32, centered=True)
    # The center ends at 148; this hole so far to the right of it.
    left = 136 + off
    mask = rectangle(image, left, 70, 12, 10)
    if fits is None:
        said = f"spans 12x10, 14 pixels off the center. {UNFILLABLE}"
        with pytest.raises(UnfillableHoleError, match=said):
            FaceRestorer(model)(image, mask, faces)
        return
    restored = FaceRestorer(model)(image, mask, faces)
    known = mask[..., 0] == 0
    np.testing.assert_array_equal(restored[known], image[known])
    column = left - 100 - fits
    expected = np.rint(paint[20:30, column : column + 12] * 255)
    np.testing.assert_array_equal(restored[70:80, left : left + 12], expected)
    assert model.seen[-1][1].sum() == 32 * 32


def test_the_parts_that_fit_are_those_that_are_restored():
    """On LFW the nose lies in the center; in place of the mouth a nose was drawn."""
    expected = {(64, True): ("nose",), (64, False): None, (0, False): None}
    for (side, centered), parts in expected.items():
        model = Model(0.5, size=250, side=side, centered=centered)
        model.facts = {**model.facts, "config": {"dataset": "lfw", "crop": "none"}}
        del model.facts["landmarks"]
        landmarks = framing.typical(framing.of(model.facts)) - 0.5
        restore = FaceRestorer(model)
        image, filled = np.full((250, 250, 3), 90, np.uint8), []
        for name in face_regions.REGIONS:
            with contextlib.suppress(UnfillableHoleError):
                restore(image, part(image, name, landmarks), [landmarks])
                filled.append(name)
        assert restore.regions() == tuple(filled)
        assert parts in (None, restore.regions())
        if not side:
            assert restore.regions() == face_regions.REGIONS


def test_its_own_center_is_where_it_has_met_it(raw):
    landmarks = moved(turned(0, 1.0, (100, 50)), TYPICAL)
    image, faces = on_plain(landmarks)
    paint = np.arange(SIZE * SIZE * 3).reshape(SIZE, SIZE, 3) % 251 / 255.0
    restorer = FaceRestorer(Model(paint, side=32, centered=True))
    square = np.zeros((SIZE, SIZE), bool)
    square[16:48, 16:48] = True
    mask = restorer.hole(landmarks, square, *image.shape[:2])
    assert mask.sum() == 32 * 32
    restored = restorer(image, mask[..., None].astype(np.uint8), faces)
    found = restored[50 + 16 : 50 + 48, 100 + 16 : 100 + 48]
    np.testing.assert_array_equal(found, np.rint(paint[16:48, 16:48] * 255))


@pytest.mark.parametrize("centered", [True, False])
def test_a_hole_a_little_too_large_makes_the_face_smaller(centered):
    way = turned(30, 3.0, (150, 20))
    image, faces = on_plain(moved(way, TYPICAL))
    x, y = moved(way, np.array([(31.5, 31.5)]))[0].astype(int)
    # 25 pixels of the model, and 34 where it stands on a corner.
    mask = rectangle(image, x - 37, y - 37, 75, 75)
    model = Model(0.0, side=32, centered=centered)
    restored = FaceRestorer(model)(image, mask, faces)
    assert (restored[mask[..., 0] > 0] != image[0, 0]).any()
    assert len(model.seen) == 1


@pytest.mark.parametrize(
    ("centered", "width"), [(True, 108), (True, 150), (False, 150)]
)
def test_a_hole_far_too_large_is_refused_in_the_models_words(centered, width):
    landmarks = moved(turned(0, 3.0, (100, 50)), TYPICAL)
    image, faces = on_plain(landmarks)
    x, y = landmarks[2].astype(int)
    mask = rectangle(image, x - width // 2, y - 75, width, 90)
    restore = FaceRestorer(Model(0.0, side=32, centered=centered))
    said = rf"spans {width // 3}x30(, \d+ pixels off the center)?\. {UNFILLABLE}"
    with pytest.raises(UnfillableHoleError, match=said):
        restore(image, mask, faces)


# No seam


def step_at(border, image):
    """The mean step between neighbors across the border of a mask, bool [H, W]."""
    across = border[:, 1:] != border[:, :-1]
    return np.abs(np.diff(image.astype(float), axis=1))[across].mean()


@pytest.mark.parametrize("options", [{}, {"side": 48, "centered": True}])
def test_no_seam_shows_in_a_photograph(monkeypatch, options):
    image, landmarks, _ = scene(turned(20, 2.0, (200, 100)), 800, 700)
    mask = part(image, "eyes", landmarks)
    hole = mask[..., 0] > 0
    model = Model(0.5, **options)
    blended = FaceRestorer(model)(image, mask, [landmarks])
    monkeypatch.setattr(blending, "blend", lambda image, hole, known: image)
    monkeypatch.setattr(blending, "sharpen", lambda values, *_, **__: values)
    pasted = FaceRestorer(model)(image, mask, [landmarks])
    assert step_at(hole, blended) < 1.5 * step_at(hole, image) + 1.0
    assert step_at(hole, blended) < 0.5 * step_at(hole, pasted)


def square_in(size, start, stop):
    hole = np.zeros((size, size), bool)
    hole[start:stop, start:stop] = True
    return hole


def test_blending_takes_the_step_and_leaves_the_middle():
    hole = square_in(64, 8, 56)
    image = np.where(hole[..., None], 150.0, [100.0, 120.0, 200.0])
    blended = blending.blend(image, hole, ~hole)
    np.testing.assert_array_equal(blended[~hole], image[~hole])
    np.testing.assert_allclose(blended[8, 32], image[0, 0], atol=8.0)
    np.testing.assert_allclose(blended[32, 32], 150.0, atol=8.0)
    # From the border to the middle it only falls.
    correction = np.abs(blended - image)[8:33, 32]
    assert (np.diff(correction, axis=0) <= 0).all()


def test_blending_solves_its_equation():
    rng = np.random.default_rng(0)
    hole = rng.random((20, 20)) < 0.5
    known = ~hole & (rng.random((20, 20)) < 0.8)
    image = rng.uniform(0, 255, (20, 20, 3))
    correction = np.pad(blending.blend(image, hole, known) - image, ((1,), (1,), (0,)))
    padded = np.pad(image, ((1,), (1,), (0,)))
    hole, known = np.pad(hole, 1), np.pad(known, 1)
    for y, x in np.argwhere(hole):
        left = correction[y, x] / (20 / 8) ** 2
        for other in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if hole[other]:
                left = left + correction[y, x] - correction[other]
            elif known[other]:
                left = left + correction[y, x] - (padded[other] - padded[y, x])
        np.testing.assert_allclose(left, 0.0, atol=1e-9)


def test_blending_changes_nothing_without_a_step_or_a_border():
    plain = np.full((16, 16, 3), 33.0, np.float32)
    hole = square_in(16, 4, 12)
    np.testing.assert_array_equal(blending.blend(plain, hole, ~hole), plain)
    image = np.where(hole[..., None], np.float32(99), plain)
    nothing, everything = np.zeros_like(hole), np.ones_like(hole)
    np.testing.assert_array_equal(blending.blend(image, hole, nothing), image)
    np.testing.assert_array_equal(blending.blend(image, nothing, everything), image)
    np.testing.assert_array_equal(blending.blend(image, everything, nothing), image)
    assert blending.blend(image, hole, ~hole).dtype == np.float32


def test_detail_runs_out_into_the_hole():
    hole = square_in(60, 10, 50)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 60, 3), np.uint8)
    values = np.full((60, 60, 3), 128.0, np.float32)
    sharp = blending.sharpen(values, image, ~hole, reach=3.0)
    np.testing.assert_allclose(sharp[~hole], image[~hole], atol=1e-4)
    np.testing.assert_allclose(sharp[10, 20:40], image[9, 20:40], atol=1e-4)
    np.testing.assert_allclose(sharp[30, 30], 128.0, atol=1.0)
    share = (sharp[13, 30] - 128.0) / (image[9, 30] - 128.0)
    np.testing.assert_allclose(share, np.exp(-1.0), atol=1e-4)


# Finding faces


def test_without_mediapipe_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    with pytest.raises(ImportError, match=r"pip install \.\[face\].*--landmarks"):
        finder.FaceFinder()


needs_mediapipe = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None,
    reason="MediaPipe is not installed: pip install .[face]",
)


@pytest.fixture(scope="module")
def find():
    return finder.FaceFinder()


@needs_mediapipe
@pytest.mark.parametrize(("degrees", "scale"), [(0, 1.0), (25, 0.7), (-20, 2.5)])
def test_mediapipe_finds_the_landmarks_of_a_drawn_face(find, degrees, scale):
    matrix = turned(degrees, scale, (500, 400))
    face = draw.draw(2, size=256)
    image = np.full((1100, 1500, 3), 128, np.uint8)
    image = cv2.warpAffine(
        face["image"], matrix, (1500, 1100), image, borderMode=cv2.BORDER_TRANSPARENT
    )
    (found,) = find(image)
    truth = moved(matrix, face["landmarks"])
    eyes = np.hypot(*(truth[1] - truth[0]))
    assert np.hypot(*(found - truth).T).max() < 0.3 * eyes


@needs_mediapipe
def test_mediapipe_finds_every_face_once_the_largest_first(find):
    image = np.full((2000, 3000, 3), 128, np.uint8)
    places = {2: (300, 200, 512), 5: (1900, 900, 256), 9: (2500, 300, 200)}
    for index, (x, y, size) in places.items():
        face = draw.draw(index, size=size)["image"]
        image[y : y + size, x : x + size] = face
    found = find(image)
    middles = [face.mean(axis=0) for face in found]
    assert len(found) == 3
    for middle, (x, y, size) in zip(middles, places.values()):
        assert np.abs(middle - (x + size / 2, y + size / 2)).max() < 0.2 * size


@needs_mediapipe
def test_mediapipe_finds_no_face_where_none_is(find):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    assert find(noise) == []
    assert find(np.zeros((1, 1, 3), np.uint8)) == []


@needs_mediapipe
def test_photographs_of_lfw_lie_where_their_framing_says(find, outside_data):
    source = sources.load("lfw", "test", data_dir=str(outside_data / "lfw"), limit=20)
    faces = [find(element["image"]) for element in source]
    found = [framing.anchors(face[0]) + 0.5 for face in faces if face]
    assert len(found) >= 18
    expected = framing.of({"config": {"dataset": "lfw", "crop": "none"}}).anchors
    np.testing.assert_allclose(np.median(found, axis=0), expected, atol=4.0)
