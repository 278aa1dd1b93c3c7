"""Face masks: every kind of finder, and the masks of a split."""

import dataclasses
import sys

import numpy as np
import pytest
import tiny

from data_pipeline import decoded, pixels, sources
from data_pipeline.drawn_faces.draw import draw
from data_pipeline.face_masks import ellipse, files
from data_pipeline.face_masks.finder import build, find

# Of an aligned CelebA image, 178x218, counted from 0.
ALIGNED = np.array([(68, 110), (107, 110), (88, 135), (72, 151), (104, 151)], float)


def overlap(one, other):
    """Intersection over union."""
    one, other = one > 0, other > 0
    return (one & other).sum() / (one | other).sum()


def write(path, image):
    """A picture, from bool (white = True) or uint8 [H, W] or [H, W, 3]."""
    image = image * np.uint8(255) if image.dtype == bool else image
    pixels.write_bytes(path, pixels.encode_png(image))


def block(top, bottom, left, right, shape=(16, 16)):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def image_folder(root, names, shape=(16, 16)):
    """A source of noise pictures with these names."""
    for seed, name in enumerate(names):
        image = tiny.noise(1, max(shape), seed)[0, : shape[0], : shape[1]]
        write(root / name, image)
    return sources.load("celeb_a_hq", "train", data_dir=str(root))


def face_of(source, folder, name):
    element = next(element for element in source if element["name"] == name)
    return build("files", source, folder=str(folder))(element)


def named(*numbers, style="{}.png"):
    return [style.format(number) for number in numbers]


# Ellipse


def test_the_ellipse_is_where_an_aligned_face_is():
    mask = ellipse.mask(ALIGNED, 218, 178)
    assert mask.shape == (218, 178, 1) and mask.dtype == np.uint8
    (rows,), (columns,) = mask.any((1, 2)).nonzero(), mask.any((0, 2)).nonzero()
    # Forehead to chin, cheek to cheek: mean and usual range of aligned images.
    assert 65 <= rows[0] <= 80 and 175 <= rows[-1] <= 190
    assert 40 <= columns[0] <= 50 and 126 <= columns[-1] <= 136
    x, y = ALIGNED.astype(int).T
    assert mask[y, x].all()


def test_the_ellipse_agrees_with_the_masks_of_drawn_faces():
    agreement = [
        overlap(ellipse.mask(face["landmarks"], 64, 64), face["face_mask"])
        for face in (draw(i, seed=1, size=64) for i in range(25))
    ]
    # Hair and hats hide parts of it.
    assert np.mean(agreement) > 0.78
    assert min(agreement) > 0.5


@pytest.mark.parametrize(
    "matrix", [[[0.36, 0], [0, 0.29]], [[0.8, -0.5], [0.5, 0.8]], [[-1, 0], [0, 1]]]
)
def test_the_ellipse_follows_its_landmarks_through_resize_rotation_and_mirror(matrix):
    matrix, shift = np.array(matrix), np.array([150.0, 60.0])
    turned = ALIGNED @ np.transpose(matrix) + shift
    before = ellipse.mask(ALIGNED, 400, 400)[..., 0]
    after = ellipse.mask(turned, 400, 400)[..., 0]
    rows, columns = np.nonzero(after)
    x, y = np.rint((np.stack([columns, rows], 1) - shift) @ np.linalg.inv(matrix).T).T
    assert len(rows) == pytest.approx(
        before.sum() * abs(np.linalg.det(matrix)), rel=0.02
    )
    assert before[y.astype(int), x.astype(int)].mean() > 0.98


def test_a_turned_head_reaches_farther_behind_the_nose():
    centers = []
    for nose_x in (95, 87.5, 80):
        landmarks = ALIGNED.copy()
        landmarks[2, 0] = nose_x
        centers.append(np.nonzero(ellipse.mask(landmarks, 218, 178))[1].mean())
    assert (np.diff(centers) > 5).all()


@pytest.mark.parametrize(
    ("row", "value"),
    [(1, ALIGNED[0]), (slice(3, 5), (87.5, 110)), (2, np.nan), (4, np.inf)],
)
def test_points_that_are_no_face_have_no_ellipse(row, value):
    landmarks = ALIGNED.copy()
    landmarks[row] = value
    assert ellipse.mask(landmarks, 218, 178) is None


# Files


@pytest.mark.parametrize("style", ["{}.png", "{:05d}.png", "{:04d}.png"])
@pytest.mark.parametrize("folder", ["0/", ""])
def test_parts_of_the_face_are_joined_and_others_left_out(tmp_path, style, folder):
    source = image_folder(tmp_path / "images", named(*range(7, 12), style=style))
    parts = {
        "hair": block(0, 4, 0, 16),
        "skin": block(4, 9, 3, 12),
        "l_lip": block(8, 10, 5, 9),
        **dict.fromkeys(files.DROPPED, block(10, 16, 0, 16)),
    }
    for name in source.names:
        for part, mask in parts.items():
            write(tmp_path / f"masks/{folder}{int(name[:-4]):05d}_{part}.png", mask)
    mask = face_of(source, tmp_path / "masks", source.names[0])
    assert mask.dtype == np.uint8
    expected = parts["hair"] | parts["skin"] | parts["l_lip"]
    np.testing.assert_array_equal(mask, expected[..., None])


def test_masks_of_another_size_are_resized(tmp_path):
    source = image_folder(tmp_path / "images", named(*range(5)))
    name = source.names[0]
    # 512 pixels of mask for 1024 of image, and a part of yet another size.
    stem = tmp_path / f"masks/{int(name[:-4]):05d}"
    write(stem.with_name(f"{stem.name}_skin.png"), block(2, 4, 2, 6, (8, 8)))
    write(stem.with_name(f"{stem.name}_nose.png"), block(12, 16, 0, 16))
    mask = face_of(source, tmp_path / "masks", name)
    assert mask.shape == (16, 16, 1)
    assert overlap(mask[..., 0], block(4, 8, 4, 12) | block(12, 16, 0, 16)) > 0.9
    assert set(np.unique(mask)) == {0, 1}


def test_whole_masks_have_the_name_of_their_image(tmp_path):
    source = image_folder(tmp_path / "images", named(*"abcde"))
    for row, name in enumerate(source.names[:-1]):
        write(tmp_path / f"masks/{name}", block(row, row + 5, 0, 7))
    finder = build("files", source, folder=str(tmp_path / "masks"))
    masks = [finder(element) for element in source]
    assert masks[-1] is None
    for row, mask in enumerate(masks[:-1]):
        np.testing.assert_array_equal(mask[..., 0], block(row, row + 5, 0, 7))
    assert "CelebAMask-HQ" not in finder.description


def test_numbers_of_six_digits_are_not_those_of_celeba_hq(tmp_path):
    source = image_folder(tmp_path / "images", named(*range(5), style="{:06d}.png"))
    for number in range(5):
        write(tmp_path / f"masks/{number:05d}_skin.png", block(0, 9, 0, 9))
    with pytest.raises(FileNotFoundError, match="has no mask for any of the 4 images"):
        build("files", source, folder=str(tmp_path / "masks"))


def test_masks_in_folders_called_as_the_images_folders_are_told_apart(tmp_path):
    names = [f"{part}/{number}.png" for part in "ab" for number in range(4)]
    source = image_folder(tmp_path / "images", names)
    for name in names:
        rows = 4 if name.startswith("a") else 9
        write(tmp_path / "masks" / name, block(0, rows, 0, 16))
    for name in source.names:
        rows = face_of(source, tmp_path / "masks", name).any((1, 2)).sum()
        assert rows == (4 if name.startswith("a") else 9)
    (tmp_path / "masks/a").rename(tmp_path / "masks/c")
    with pytest.raises(ValueError, match="several masks for a/") as error:
        build("files", source, folder=str(tmp_path / "masks"))
    assert "c/" in str(error.value) and "b/" in str(error.value)


def test_files_that_are_no_masks_of_the_image_are_refused(tmp_path):
    source = image_folder(tmp_path / "images", named(*range(5)))
    masks = tmp_path / "masks"
    for name in source.names:
        write(masks / name, block(0, 5, 0, 5, (16, 22)))
    with pytest.raises(pixels.UnreadableImageError, match="22x16 is not the shape"):
        face_of(source, masks, source.names[0])
    (masks / source.names[1]).write_bytes(b"not a picture")
    with pytest.raises(pixels.UnreadableImageError, match="not a readable image"):
        face_of(source, masks, source.names[1])


# Which finder


def drawn(limit=6, size=32):
    return sources.load("faces", "test", size=size, limit=limit)


@pytest.fixture
def no_mediapipe(monkeypatch):
    for module in ("mediapipe", "mediapipe.python.solutions"):
        monkeypatch.setitem(sys.modules, module, None)


def with_fields(source, *fields):
    """The source, with fewer fields said to be there."""
    return dataclasses.replace(source, fields=fields)


def test_auto_takes_the_best_that_there_is(tmp_path, no_mediapipe):
    source = image_folder(tmp_path / "images", named(*range(5)))
    write(tmp_path / "masks" / source.names[0], block(0, 9, 0, 9))
    found = build("auto", source, folder=str(tmp_path / "masks"))
    assert found.description == "mask files in masks"
    assert build("auto", drawn()).description == "the data set's own face masks"
    landmarks = build("auto", with_fields(drawn(), "landmarks"))
    assert "approximate" in landmarks.description
    with pytest.raises(ImportError, match="needs MediaPipe.*pip install .mediapipe=="):
        build("auto", source)


@pytest.mark.parametrize(
    ("kind", "options", "error", "words"),
    [
        ("landmark", {}, ValueError, "Did you mean: landmarks"),
        ("own", {}, ValueError, "needs face masks that come with the images"),
        ("landmarks", {}, ValueError, "needs landmarks that come with the images"),
        ("files", {}, ValueError, "needs --face_mask_dir=DIR"),
        ("files", {"folder": "nowhere"}, FileNotFoundError, "is not a folder"),
        ("landmarks", {"folder": "x"}, ValueError, "is not read with"),
    ],
)
def test_what_cannot_be_found_is_said_at_once(kind, options, error, words):
    with pytest.raises(error, match=words):
        build(kind, with_fields(drawn()), **options)


# A split


def decode(source, crop="none", size=32):
    return decoded.decode(source, size=size, crop=crop)


def test_a_splits_own_masks_are_its_fields():
    split = decode(drawn())
    finder = build("own", split.source)
    found = find(split, finder, crop="none")
    assert found.masks.shape == (6, 32, 32, 1) and found.masks.dtype == np.uint8
    np.testing.assert_array_equal(found.masks, split.fields["face_mask"])
    assert found.found.dtype == bool and found.found.all() and found.without == ()
    assert found.description == finder.description


def test_landmarks_are_those_after_crop_and_resize():
    split = decode(drawn(size=64), crop="48")
    finder = build("landmarks", split.source)
    found = find(split, finder, crop="48")
    agreement = [overlap(*pair) for pair in zip(found.masks, split.fields["face_mask"])]
    assert np.mean(agreement) > 0.75


@pytest.mark.parametrize("crop", ["none", "center", "12"])
@pytest.mark.parametrize("mask_scale", [1, 2])
def test_files_are_cropped_and_resized_as_their_images(tmp_path, crop, mask_scale):
    """An image that is white where its mask is: the two must stay together."""
    face = block(5, 14, 2, 13, (20, 14))
    for number in range(5):
        write(tmp_path / f"images/{number}.png", np.stack([face] * 3, 2))
        mask = np.kron(face, np.ones([mask_scale] * 2, bool))
        write(tmp_path / f"masks/{number:05d}_skin.png", mask)
    source = sources.load("celeb_a_hq", "train", data_dir=str(tmp_path / "images"))
    split = decode(source, crop)
    finder = build("files", source, folder=str(tmp_path / "masks"))
    found = find(split, finder, crop=crop)
    white = split.images[..., :1] >= 128
    assert min(overlap(*pair) for pair in zip(found.masks, white)) > 0.95


def test_images_without_a_face_are_named_and_counted_and_the_rest_stay(
    tmp_path, capsys
):
    source = image_folder(tmp_path / "images", named(*range(50)))  # 40 of them
    masks = tmp_path / "masks"
    with_face = source.names[1::3]
    for name in with_face:
        write(masks / name, block(0, 8, 0, 16))
    write(masks / source.names[0], block(0, 0, 0, 0))  # an empty mask
    (masks / source.names[2]).write_bytes(b"")
    # Part of a split, one of whose images could not be read.
    (tmp_path / "images" / source.names[4]).write_bytes(b"")
    split = decode(source).part(0, 30)
    capsys.readouterr()
    finder = build("files", source, folder=str(masks))
    found = find(split, finder, crop="none")
    expected = np.array([name in with_face for name in split.names])
    assert source.names[4] not in split.names
    np.testing.assert_array_equal(found.found, expected)
    assert not found.masks[~expected].any()
    assert (found.masks[expected].mean((1, 2, 3)) == 0.5).all()
    without = tuple(name for name in split.names if name not in with_face)
    assert found.without == without
    said = capsys.readouterr().err
    assert f"no face in {source.names[0]}\n" in said
    assert f"{source.names[2]}: not a readable image" in said
    assert said.count("no face in ") == 10
    assert f"{len(without)} of 30 images of the train split have no face mask" in said


# MediaPipe


def test_mediapipe_finds_drawn_faces_and_agrees_with_their_masks():
    pytest.importorskip("mediapipe", reason="pip install .[face]")
    split = decode(drawn(size=256), size=64)
    finder = build("mediapipe", split.source)
    assert finder.description == "MediaPipe face mesh, face oval"
    found = find(split, finder, crop="none")
    pairs = zip(found.masks[found.found], split.fields["face_mask"][found.found])
    agreement = [overlap(*pair) for pair in pairs]
    assert len(agreement) >= 5
    assert np.mean(agreement) > 0.75


def test_mediapipe_marks_the_larger_of_two_faces_and_none_in_noise():
    pytest.importorskip("mediapipe", reason="pip install .[face]")
    finder = build("mediapipe", drawn())
    assert finder({"image": tiny.noise(1, 128)[0], "name": "noise"}) is None
    large = draw(2, size=256)
    image = np.zeros([256, 400, 3], np.uint8)
    image[:, 144:] = large["image"]
    image[64:192, 8:136] = draw(5, size=128)["image"]
    mask = finder({"image": image, "name": "two"})
    assert overlap(mask[:, 144:], large["face_mask"]) > 0.75
    assert not mask[:, :144].any()
