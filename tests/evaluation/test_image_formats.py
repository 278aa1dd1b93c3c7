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


@pytest.fixture(scope="module")
def face():
    return draw.draw(0, seed=0, size=96)["image"]


def error(image, decoded):
    return np.mean((image.astype(float) - decoded) ** 2)


def test_jpeg_and_webp_are_there():
    assert {"JPEG", "WebP"} <= set(FORMATS)
    assert list(FORMATS) == [form.name for form in FORMATS.values()]


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
        assert np.all(np.diff([len(file) for file in files]) > 0)
        assert np.all(np.diff(errors) < 0)

    def test_the_lowest_quality_is_the_formats_own(self, name, face):
        form = FORMATS[name]
        lowest = len(form.encode(face, form.qualities[0]))
        assert lowest == min(len(form.encode(face, q)) for q in (*form.qualities, 2, 3))

    def test_the_same_picture_is_the_same_file(self, name, face):
        form = FORMATS[name]
        assert form.encode(face, 50) == form.encode(face, 50)

    def test_a_sweep_is_dense_enough_to_interpolate(self, name):
        qualities = FORMATS[name].qualities
        assert len(qualities) >= 8 and max(np.diff(qualities)) <= 10

    def test_the_nearest_size_is_found(self, name, face):
        form, face = FORMATS[name], face[24:72, 24:72]
        sizes = {q: len(form.encode(face, q)) for q in range(form.qualities[0], 101)}
        for wanted in (sizes[20] + 1, sizes[60] - 1, sizes[80] + 30):
            quality, data = form.nearest(face, wanted)
            assert data == form.encode(face, quality)
            best = min(abs(size - wanted) for size in sizes.values())
            # Sizes do not quite increase with the quality.
            assert abs(len(data) - wanted) <= best + 0.02 * wanted

    def test_beyond_its_range_is_its_end(self, name, face):
        form = FORMATS[name]
        assert form.nearest(face, 0)[0] == form.qualities[0]
        assert form.nearest(face, 10**9)[0] == image_formats.HIGHEST

    def test_what_is_no_picture_is_refused(self, name):
        with pytest.raises(pixels.UnreadableImageError, match=f"a {name} file"):
            FORMATS[name].decode(b"nothing")

    def test_its_library_has_a_version(self, name):
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
        assert list(image_formats.available()) == ["JPEG", "WebP"]
        assert list(image_formats.versions()) == ["JPEG", "WebP"]
