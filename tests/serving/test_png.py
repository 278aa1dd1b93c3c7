"""PNGs that say in a text chunk what they are."""

import io

import numpy as np
import pytest
from PIL import Image
from tiny_codec import picture

from serving import png


@pytest.mark.parametrize("text", [png.RESTORED, png.DECODED, png.DRAWN, png.STRIP])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_picture_says_what_it_is(text, mode):
    image = picture(20, 30)
    if mode == "L":
        image = np.repeat(image[..., :1], 3, axis=-1)
    with Image.open(io.BytesIO(png.encode_png(image, text))) as file:
        assert (file.format, file.mode) == ("PNG", mode)
        assert file.text["Description"] == text and "invented" in text
        np.testing.assert_array_equal(np.asarray(file.convert("RGB")), image)
