"""What mask pictures mark, in all the ways in which users paint them."""

import re

import mask_table
import numpy as np
import pytest
from PIL import Image

from data_pipeline import mask_pictures, pixels
from data_pipeline.face_masks.files import MaskFiles
from serving.page import canvas


@pytest.fixture
def read(tmp_path):
    """The mask of a file's bytes, bool [H, W], and what it was taken for."""

    def read(data, size=mask_table.SIZE, **options):
        path = tmp_path / "mask"
        path.write_bytes(data)
        mask, told = mask_pictures.read_mask(path, size, **options)
        assert mask.dtype == np.uint8 and mask.shape == (*size, 1)
        return mask[..., 0] > 0, told

    return read


@pytest.mark.parametrize("name", mask_table.MASKS)
def test_every_kind_marks_the_same_and_is_said(read, name):
    data, taken_for = mask_table.MASKS[name]
    mask, told = read(data)
    np.testing.assert_array_equal(mask, mask_table.MISSING)
    assert re.fullmatch(rf"{taken_for}: 16\.0% missing", told)


@pytest.mark.parametrize("name", mask_table.REFUSED)
def test_a_mask_of_no_use_is_an_error(read, name):
    data, why = mask_table.REFUSED[name]
    with pytest.raises(mask_pictures.MaskError, match=f"mask: .*{why}"):
        read(data)


@pytest.mark.parametrize(
    "image, inverted, taken_for",
    [
        (mask_table.levels(0, 255), True, "black on white"),
        (mask_table.levels(255, 0), False, "black on white"),
        (mask_table.levels(1, 0), False, "the darker of its two levels, 0 and 1"),
        (mask_table.layer((0, 0, 0)), False, "black strokes on a transparent layer"),
        # White with a part cut out of it.
        (mask_table.layer((255, 255, 255)), True, "the transparent part of a white"),
    ],
)
def test_black_may_be_missing(read, image, inverted, taken_for):
    mask, told = read(mask_table.encoded(image), missing_is_black=True)
    np.testing.assert_array_equal(mask ^ inverted, mask_table.MISSING)
    assert told.startswith(taken_for)
    assert "--missing_is_black" not in told


def test_a_mask_that_may_be_inverted_is_a_warning(read):
    mask, told = read(mask_table.encoded(mask_table.levels(255, 0)))
    assert mask.mean() == pytest.approx(0.84)
    assert "84.0% missing. That is more than half" in told
    assert told.endswith("if black marks what is missing, pass --missing_is_black")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_of_the_upright_and_of_the_stored_picture(tmp_path, read, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = mask_table.levels(0, 255)
    stored.save(tmp_path / "picture.png", exif=exif)
    picture = pixels.read_picture(tmp_path / "picture.png")
    size = picture.image.shape[:2]
    upright = picture.image[..., 0] > 0
    assert picture.orientation == orientation
    options = {"size": size, "orientation": orientation}
    # Painted on what viewers show; or with the picture's own EXIF data.
    shown = mask_table.encoded(Image.fromarray(picture.image))
    copied = (tmp_path / "picture.png").read_bytes()
    for data in (shown, copied):
        mask, told = read(data, **options)
        np.testing.assert_array_equal(mask, upright)
        assert "turned" not in told
    # Painted on the stored pixels: that shows if it lies on its side.
    if orientation >= 5:
        mask, told = read(mask_table.encoded(stored), **options)
        np.testing.assert_array_equal(mask, upright)
        assert told.startswith("white on black, turned with the picture: ")


def test_half_of_a_pixel_decides_where_a_mask_is_shrunk():
    fine = np.zeros((4, 6), bool)
    fine[0, :2] = fine[2, 4] = True
    expected = [[True, False, False], [False, False, False]]
    np.testing.assert_array_equal(mask_pictures.fit(fine, (2, 3)), expected)


def test_numbers_without_a_range_are_masks_too(read, tmp_path):
    for kind, high in ((np.float32, 1.0), (np.int32, 1), (np.int32, 255)):
        image = Image.fromarray(np.where(mask_table.MISSING, high, 0).astype(kind))
        mask, _ = read(mask_table.encoded(image, "TIFF"))
        np.testing.assert_array_equal(mask, mask_table.MISSING)
    (tmp_path / "zeros.tiff").write_bytes(
        mask_table.encoded(Image.fromarray(np.zeros([8, 8], np.float32)), "TIFF")
    )
    assert not mask_pictures.read_marked(tmp_path / "zeros.tiff").marked.any()
    image = Image.fromarray(np.where(mask_table.MISSING, 1, np.nan).astype(np.float32))
    with pytest.raises(mask_pictures.MaskError, match="numbers are infinite or none"):
        read(mask_table.encoded(image, "TIFF"))


@pytest.mark.parametrize("name", mask_table.MASKS)
def test_masks_of_faces_are_read_alike(tmp_path, name):
    (tmp_path / "a.png").write_bytes(mask_table.MASKS[name][0])
    element = {"image": np.zeros((*mask_table.SIZE, 3), np.uint8), "name": "a"}
    face = MaskFiles(tmp_path, {"a": ["a.png"]}, are_parts=False)(element)
    # Smaller masks are enlarged smoothly.
    assert (face[..., 0] != mask_table.MISSING).mean() < 0.02


def test_what_is_painted_on_the_page_is_read_alike(read):
    size = (canvas.SIDE, canvas.SIDE)
    layer = np.array(mask_table.layer((255, 255, 255)).resize(size))
    layer[..., 3] = np.where(layer[..., 3] > 127, canvas.PAINT[3], layer[..., 3] // 3)
    mask, _ = read(mask_table.encoded(Image.fromarray(layer)), size=size)
    np.testing.assert_array_equal(canvas.painted([layer], size)[..., 0] > 0, mask)
