"""Pictures that say what they are."""

import io

import numpy as np
import pytest
from PIL import Image
from tiny_codec import picture

from serving import png

TEXTS = {
    png.RESTORED: "restored by facemend; invented content",
    png.DECODED: "decompressed by facemend; details may be invented",
    png.DRAWN: "drawn by facemend; invented content, nobody's picture",
    png.STRIP: ("drawn by facemend between the pictures at its ends; invented content"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_picture_says_what_it_is(text):
    image = picture(20, 30)
    with Image.open(io.BytesIO(png.encode_png(image, text))) as file:
        assert file.format == "PNG"
        assert file.text["Description"] == TEXTS[text]
        assert file.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(file), image)
    gray = np.repeat(image[..., :1], 3, axis=-1)
    with Image.open(io.BytesIO(png.encode_png(gray, text))) as file:
        assert (file.mode, file.text["Description"]) == ("L", TEXTS[text])
        np.testing.assert_array_equal(np.asarray(file), gray[..., 0])
