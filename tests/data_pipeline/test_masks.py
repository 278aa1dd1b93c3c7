"""What is missing: every kind of mask, and masks from files."""

import re

import mask_table
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import tensorflow as tf

from data_pipeline import masks, pixels

RANDOM_KINDS = ("random_square", "random_rectangle", "free_form", "mixed")


def drawn(kind, count, *, size=32, hole=16, **options):
    """Masks of `count` keys as bool [count, size, size]."""
    mask_fn = masks.build(kind, image_size=size, hole_size=hole, **options)

    @tf.function
    def one(number):
        return mask_fn(tf.stack([7, number]), tf.constant(0, tf.int64))

    return np.stack([one(tf.constant(i)).numpy()[..., 0] > 0.5 for i in range(count)])


def sides(holes):
    """(top, left, height, width) of each hole, int [N, 4]; all must be rectangles."""
    found = []
    for hole in holes:
        (rows,), (columns,) = hole.any(1).nonzero(), hole.any(0).nonzero()
        height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
        assert hole.sum() == height * width
        found.append((rows[0], columns[0], height, width))
    return np.array(found)


@pytest.mark.parametrize("kind", masks.KINDS)
@pytest.mark.parametrize("size", [32, 128])
def test_every_kind_marks_some_pixels_with_one_and_leaves_zero(kind, size):
    mask_fn = masks.build(kind, image_size=size, hole_size=size // 2)
    mask = mask_fn(tf.constant([1, 2]), tf.constant(5, tf.int64))
    assert mask.dtype == tf.float32
    assert mask.shape == (size, size, 1)
    assert set(np.unique(mask)) == {0.0, 1.0}


@pytest.mark.parametrize("kind", masks.KINDS)
def test_a_mask_depends_on_its_key_alone(kind):
    first = drawn(kind, 20)
    np.testing.assert_array_equal(first, drawn(kind, 20))
    eager = masks.build(kind, image_size=32, hole_size=16)
    index = tf.constant(99, tf.int64)
    np.testing.assert_array_equal(first[3], eager([7, 3], index)[..., 0] > 0.5)
    different = len({mask.tobytes() for mask in first})
    assert different > 15 if kind in RANDOM_KINDS else different == 1


@pytest.mark.parametrize(("size", "hole"), [(32, 16), (128, 64), (32, 32), (33, 8)])
def test_center_is_centered_and_border_is_the_rest(size, hole):
    center = drawn("center", 1, size=size, hole=hole)
    top, left, height, width = sides(center)[0]
    assert (height, width) == (hole, hole)
    # An odd margin cannot be halved: one pixel more below and to the right.
    assert top == left == (size - hole) // 2
    np.testing.assert_array_equal(drawn("border", 1, size=size, hole=hole), ~center)


def test_random_square_is_uniform_over_all_offsets():
    size, hole, count = 10, 5, 3600
    found = sides(drawn("random_square", count, size=size, hole=hole))
    assert (found[:, 2:] == hole).all()
    places = size - hole + 1  # 0..size - hole, both included
    cells = np.bincount(found[:, 0] * places + found[:, 1], minlength=places**2)
    assert len(cells) == places**2
    assert scipy.stats.chisquare(cells).pvalue > 1e-3


@pytest.mark.parametrize(("hole", "shortest"), [(16, 12), (9, 6), (1, 1), (32, 24)])
def test_random_rectangle_has_sides_between_three_quarters_and_all(hole, shortest):
    found = sides(drawn("random_rectangle", 400, hole=hole))
    for side in (2, 3):
        assert set(found[:, side]) == set(range(shortest, hole + 1))
    for corner, side in ((0, 2), (1, 3)):
        end = found[:, corner] + found[:, side]
        # It reaches both edges, and no further.
        assert found[:, corner].min() == 0
        assert end.max() == 32
    if shortest < hole:
        assert (found[:, 2] != found[:, 3]).any()


@pytest.mark.parametrize(("size", "count"), [(32, 300), (128, 100)])
@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.25, 0.6])
def test_free_form_meets_its_ratio(size, count, ratio):
    holes = drawn("free_form", count, size=size, hole_ratio=(ratio, ratio))
    missing = holes.sum(axis=(1, 2))
    assert np.abs(missing - ratio * size**2).max() <= 1


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.4), (0.02, 0.05), (0.5, 0.9)])
def test_free_form_spreads_over_its_range_and_stays_inside(low, high):
    share = drawn("free_form", 200, hole_ratio=(low, high)).mean(axis=(1, 2))
    assert share.min() >= low - 1 / 32**2
    assert share.max() <= high + 1 / 32**2
    assert scipy.stats.kstest(share, "uniform", (low, high - low)).pvalue > 1e-3


def test_free_form_is_a_few_strokes():
    holes = drawn("free_form", 50, size=64, hole_ratio=(0.1, 0.2))
    pieces = [scipy.ndimage.label(hole, np.ones([3, 3]))[1] for hole in holes]
    assert max(pieces) <= masks.STROKES
    # Not one blob either: it leaves known pixels within its bounding box.
    boxes = [hole[scipy.ndimage.find_objects(hole)[0]].mean() for hole in holes]
    assert np.mean(boxes) < 0.6


def test_the_smallest_free_form_hole_is_one_pixel():
    assert drawn("free_form", 3, hole_ratio=(1e-4, 2e-4)).sum() == 3


KINDS = ("square", "rectangle", "strokes", "center", "region")


def mixture(*kinds, **options):
    """Holes of these kinds alone."""
    shares = tuple(float(kind in kinds) for kind in KINDS)
    return masks.Mixture(shares=shares, **options)


class TestMixed:
    size = 128

    def drawn(self, count, mixture, **options):
        return drawn("mixed", count, size=self.size, hole=64, mixture=mixture)

    def test_squares_and_rectangles_have_the_sides_of_their_range(self):
        squares = sides(self.drawn(150, mixture("square")))
        rectangles = sides(self.drawn(150, mixture("rectangle")))
        low, high = round(0.3 * self.size), round(0.65 * self.size)
        for found in (squares, rectangles):
            assert low <= found[:, 2:].min() < low + 5
            assert high - 5 < found[:, 2:].max() <= high
            assert found[:, :2].min() < 5  # they reach both ends
            assert (found[:, :2] + found[:, 2:]).max() > self.size - 5
        assert (squares[:, 2] == squares[:, 3]).all()
        assert (rectangles[:, 2] != rectangles[:, 3]).mean() > 0.8

    def test_a_region_is_its_box_with_each_edge_moved_by_the_jitter(self):
        exact = set(map(tuple, sides(self.drawn(60, mixture("region", jitter=0.0)))))
        boxes = np.rint(np.array(list(masks.REGIONS.values())) * self.size).astype(int)
        assert exact == {(t, le, b - t, r - le) for le, t, r, b in boxes}
        moved = sides(self.drawn(200, mixture("region")))
        moved[:, 2:] += moved[:, :2]
        edges = boxes[:, [1, 0, 3, 2]]
        away = np.abs(moved[:, None] - edges[None]).max(axis=2)  # [N, region]
        assert away.min(axis=1).max() <= np.ceil(0.04 * self.size)
        assert len(set(away.argmin(axis=1))) == len(masks.REGIONS)
        assert len(set(map(tuple, moved))) > 150

    def test_regions_lie_where_a_face_has_them(self):
        # The points of the middle of LFW's crop of 190 and of CelebA's crops.
        eyes, nose, mouth = ((0.38, 0.43), (0.62, 0.43)), (0.5, 0.6), (0.5, 0.675)
        inside = {
            name: [
                left < x < right and top < y < bottom for x, y in (*eyes, nose, mouth)
            ]
            for name, (left, top, right, bottom) in masks.REGIONS.items()
        }
        assert inside["eyes"] == [True, True, False, False]
        assert inside["nose"] == [False, False, True, False]
        assert inside["mouth"] == [False, False, False, True]
        assert inside["left_half"][:2] == [True, False]
        assert inside["right_half"][:2] == [False, True]

    def test_the_center_and_strokes_are_those_of_their_kinds(self):
        center = self.drawn(3, mixture("center"))
        np.testing.assert_array_equal(center, drawn("center", 3, size=128, hole=64))
        share = self.drawn(60, mixture("strokes")).mean(axis=(1, 2))
        assert 0.09 < share.min() < share.max() < 0.41

    def test_kinds_come_as_often_as_their_shares_say(self):
        shares = (0.0, 0.0, 1.0, 2.0, 1.0)
        found = self.drawn(200, masks.Mixture(shares=shares))
        center = drawn("center", 1, size=128, hole=64)[0]
        often = (found == center).all(axis=(1, 2)).mean()
        assert 0.4 < often < 0.6

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"shares": (1.0, 1.0)}, "--mixed_shares takes five numbers .* got 1.0,1"),
            ({"shares": (0.0,) * 5}, "--mixed_shares takes five numbers"),
            ({"shares": (1.0, 1.0, 1.0, 1.0, -1.0)}, "of at least 0"),
            ({"sides": (0.6, 0.5)}, "--mixed_sides must be .*got 0.6,0.5"),
            ({"sides": (0.5, 1.5)}, "--mixed_sides must be"),
            ({"jitter": 0.2}, r"--region_jitter must be in 0\.\.0\.05; got 0.2"),
        ],
    )
    def test_errors_name_the_flag(self, options, text):
        with pytest.raises(ValueError, match=text):
            masks.Mixture(**options)


def write(path, gray):
    """Writes a gray picture, uint8 [H, W]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pixels.encode_png(np.asarray(gray, np.uint8)))
    return path


def halves(height, width, *, left, right):
    picture = np.full([height, width], right, np.uint8)
    picture[:, : width // 2] = left
    return picture


@pytest.mark.parametrize("shape", [(32, 32), (8, 8), (50, 90), (200, 64)])
@pytest.mark.parametrize("black", [False, True])
def test_a_mask_file_of_any_size_is_divided_in_the_middle(tmp_path, shape, black):
    path = write(tmp_path / "m.png", halves(*shape, left=128, right=127))
    mask = drawn(str(path), 1, missing_is_black=black)[0]
    expected = halves(32, 32, left=not black, right=black) > 0
    np.testing.assert_array_equal(mask, expected)


def test_every_kind_of_mask_picture_is_taken(tmp_path, capsys):
    shown = mask_table.MISSING.astype(np.uint8) * np.uint8(255)
    expected = pixels.resize(shown, 32, 32) >= 128
    for name, (data, taken_for) in mask_table.MASKS.items():
        (tmp_path / "m").write_bytes(data)
        mask_fn = masks.build(str(tmp_path / "m"), image_size=32, hole_size=16)
        found = mask_fn(tf.constant([1, 2]), 0)[..., 0].numpy() > 0
        assert (found != expected).mean() < 0.01, name
        assert re.search(f"m: 1 {taken_for.split(',')[0]}", capsys.readouterr().err)


@pytest.fixture
def four_masks(tmp_path):
    """a, b, c and d miss the first, second, third, fourth quarter of the rows."""
    quarters = np.repeat(np.arange(4), 8)[:, None] * np.ones([1, 32])
    for number, name in enumerate(["a.png", "sub/b.png", "c.PNG", "sub/deep/d.png"]):
        write(tmp_path / name, 255 * (quarters == number))
    (tmp_path / "readme.txt").write_text("not a mask")
    return tmp_path


def quarter(mask):
    (rows,) = np.nonzero(mask.numpy()[:, 0, 0])
    assert len(rows) == 8
    return "abcd"[rows[0] // 8]


def test_a_folder_gives_an_image_the_mask_of_its_name(four_masks):
    names = ["people/c.jpg", "a.jpg", "d", "b.tar.jpg", "x/b.png"]
    mask_fn = masks.build(str(four_masks), image_size=32, hole_size=16, names=names)
    for number in range(20):
        key = tf.constant([1, number])
        own = [quarter(mask_fn(key, index)) for index in (0, 1, 2, 4)]
        assert own == list("cadb")


def test_images_of_one_name_in_two_folders_have_masks_of_their_own(tmp_path):
    quarters = np.repeat(np.arange(4), 8)[:, None] * np.ones([1, 32])
    for number, name in enumerate(["train/1.png", "test/1.png"]):
        write(tmp_path / name, 255 * (quarters == number))
    options = {"image_size": 32, "hole_size": 16}
    names = ["test/1.jpg", "train/1.jpg"]
    mask_fn = masks.build(str(tmp_path), names=names, **options)
    own = [quarter(mask_fn(tf.constant([1, 2]), index)) for index in (0, 1)]
    assert own == list("ba")
    with pytest.raises(ValueError, match="several masks for 1.jpg: test/1.png, train/"):
        masks.build(str(tmp_path), names=["1.jpg"], **options)


def test_a_folder_gives_the_other_images_any_mask(four_masks):
    options = {"image_size": 32, "hole_size": 16}
    mask_fn = masks.build(str(four_masks), names=["x", "a"], **options)
    keys = [tf.constant([1, number]) for number in range(60)]
    chosen = [quarter(mask_fn(key, 0)) for key in keys]
    assert set(chosen) == set("abcd")
    assert chosen == [quarter(mask_fn(key, 0)) for key in keys]
    unnamed = masks.build(str(four_masks), **options)
    assert chosen == [quarter(unnamed(key, 5)) for key in keys]


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        ("centre", {}, "--mask must be one of center, random_square, .*got 'centre'"),
        ("center", {"hole_size": 0}, r"--hole_size must be in 1\.\.32, .*; got 0"),
        ("border", {"hole_size": 33}, r"--hole_size must be in 1\.\.32, .*; got 33"),
        ("free_form", {"hole_ratio": (0, 0.5)}, "--hole_ratio .* got 0, 0.5"),
        ("free_form", {"hole_ratio": (0.5, 0.4)}, "low <= high < 1.* got 0.5, 0.4"),
        ("free_form", {"hole_ratio": (0.5, 1.0)}, "share of the image"),
        ("mixed", {"hole_ratio": (0.5, 1.0)}, "share of the image"),
    ],
)
def test_an_error_names_the_flag_and_the_rule(kind, options, text):
    with pytest.raises(ValueError, match=text):
        masks.build(kind, **{"image_size": 32, "hole_size": 16, **options})


def test_errors_of_files_name_the_file(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no mask pictures .*png"):
        masks.build(str(tmp_path / "empty"), image_size=32, hole_size=16)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(pixels.UnreadableImageError, match=r"broken\.png: not a"):
        masks.build(str(broken), image_size=32, hole_size=16)
