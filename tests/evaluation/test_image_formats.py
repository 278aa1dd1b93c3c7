"""JPEG, WebP and AVIF as codecs of 8-bit pictures."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin, features

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from evaluation.codecs import image_formats

FORMATS = image_formats.available()
# Of a file: so much smaller may it be than that of a lower quality.
SLACK = {"JPEG XL": 0.1}


@pytest.fixture(scope="module")
def face():
    return draw.draw(0, seed=0, size=96)["image"]


def error(image, decoded):
    return np.mean((image.astype(float) - decoded) ** 2)


def test_every_quality_of_a_format_is_a_codec(face):
    assert {"JPEG", "WebP"} <= set(FORMATS)
    swept = image_formats.sweep()
    assert list(swept) == list(FORMATS)
    assert list(image_formats.sweep("WebP", "GIF")) == ["WebP"]
    for name, form in FORMATS.items():
        labels = [f"{name}, quality {quality}" for quality in form.qualities]
        assert list(swept[name]) == labels
        codec = swept[name][f"{name}, quality 50"]
        data = codec.compress(face)
        assert data == form.encode(face, 50)  # the same again
        np.testing.assert_array_equal(codec.decompress(data), form.decode(data))


@pytest.mark.parametrize("name", FORMATS)
class TestEveryFormat:
    @pytest.mark.parametrize("shape", [(96, 96), (37, 50), (1, 1)])
    def test_a_picture_comes_back_in_its_size(self, name, shape, face):
        image = face[: shape[0], : shape[1]]
        form = FORMATS[name]
        decoded = form.decode(form.encode(image, 90))
        assert decoded.dtype == np.uint8 and decoded.shape == image.shape
        assert error(image, decoded) < 100

    def test_a_higher_quality_costs_more_and_is_better(self, name, face):
        form = FORMATS[name]
        files = [form.encode(face, quality) for quality in form.qualities]
        errors = [error(face, form.decode(file)) for file in files]
        sizes = np.array([len(file) for file in files])
        assert np.all(np.diff(sizes) > -SLACK.get(name, 0) * sizes[:-1])
        assert np.all(np.diff(errors) < 0)
        # The first is the lowest that there is, and the others are dense enough.
        assert len(files[0]) <= min(len(form.encode(face, q)) for q in (2, 3))
        assert len(files) >= 8 and max(np.diff(form.qualities)) <= 10

    def test_the_nearest_size_is_found(self, name, face):
        form, face = FORMATS[name], face[24:72, 24:72]
        sizes = {q: len(form.encode(face, q)) for q in range(form.qualities[0], 101)}
        for wanted in (sizes[20] + 1, sizes[60] - 1, sizes[80] + 30):
            quality, data = form.nearest(face, wanted)
            assert data == form.encode(face, quality)
            best = min(abs(size - wanted) for size in sizes.values())
            # Sizes do not quite increase with the quality.
            slack = 0.02 + SLACK.get(name, 0)
            assert abs(len(data) - wanted) <= best + slack * wanted
        assert form.nearest(face, 0)[0] == form.qualities[0]
        assert form.nearest(face, 10**9)[0] == image_formats.HIGHEST

    def test_what_is_no_picture_is_refused(self, name):
        with pytest.raises(pixels.UnreadableImageError, match=f"a {name} file"):
            FORMATS[name].decode(b"nothing")
        assert image_formats.versions()[name].split()[1][0].isdigit()


def test_jpeg_halves_chroma_and_fits_its_tables(face):
    data = FORMATS["JPEG"].encode(face, 50)
    with Image.open(io.BytesIO(data)) as opened:
        assert JpegImagePlugin.get_sampling(opened) == 2  # 4:2:0
    plain = io.BytesIO()
    Image.fromarray(face).save(plain, "JPEG", quality=50)
    assert len(data) < len(plain.getvalue())
    with Image.open(plain) as opened:
        np.testing.assert_array_equal(FORMATS["JPEG"].decode(data), np.asarray(opened))


def test_a_format_that_pillow_does_not_know_is_left_out(monkeypatch):
    def check(feature):
        if feature == "avif":
            warnings.warn(f"Unknown feature '{feature}'.", stacklevel=2)
            return None
        return True

    monkeypatch.setattr(features, "check", check)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for found in (image_formats.available(), image_formats.described()):
            assert [*found] == [name for name in FORMATS if name != "AVIF"]


def test_slow_formats_are_measured_on_request(face):
    slow = image_formats.available(slow=True).keys() - FORMATS.keys()
    assert slow == ({"AVIF, slowest"} if "AVIF" in FORMATS else set())
    for name in slow:
        form = image_formats.available(slow=True)[name]
        data = form.encode(face, 50)
        assert data != FORMATS["AVIF"].encode(face, 50)
        assert error(face, form.decode(data)) < 100
        assert "speed=0" in image_formats.described(slow=True)[name]
