"""Blending: known pixels stay, and no seam shows around restored ones."""

import cv2
import numpy as np
import pytest

from data_pipeline import pixels
from data_pipeline.drawn_faces import draw
from serving.photo import blending

SIZE = 64  # of what the network sees, pixels
SIZES = [(64, 64), (40, 30), (150, 230), (256, 256)]


def face(height, width):
    return pixels.resize(draw.draw(5, size=256)["image"], height, width)


def hole_in(image, top=0.3, bottom=0.7, left=0.35, right=0.6):
    height, width = image.shape[:2]
    mask = np.zeros((height, width, 1), np.uint8)
    rows = slice(round(top * height), round(bottom * height))
    mask[rows, round(left * width) : round(right * width)] = 1
    return mask


def pasted(image, mask, change):
    """The result of a served model that draws the picture itself in other colors."""
    small = pixels.resize(image, SIZE, SIZE).astype(np.float32)
    hole = pixels.resize(mask[..., 0] * np.uint8(255), SIZE, SIZE) >= 128
    small[hole] = np.clip(small[hole] + change, 0, 255)
    large = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.where(mask, np.clip(np.rint(large), 0, 255).astype(np.uint8), image)


class TestBlend:
    @pytest.mark.parametrize("size", SIZES)
    def test_colors_are_fitted_and_known_pixels_stay(self, size):
        image = face(*size)
        mask = hole_in(image)
        given = pasted(image, mask, (-40, 15, 50))
        before = given.copy()
        found = blending.blend(given, mask, SIZE)
        np.testing.assert_array_equal(given, before)
        assert found.dtype == np.uint8
        known = mask[..., 0] == 0
        np.testing.assert_array_equal(found[known], image[known])

        def error(found):
            return np.abs(found.astype(float) - image)[~known].mean()

        def step(found):
            """The mean step across the border, from left to right."""
            across = np.diff(known.astype(int), axis=1) != 0
            return np.abs(np.diff(found.astype(float), axis=1))[across].mean()

        assert error(found) < 0.6 * error(given)
        assert step(found) < 1.2 * step(image) + 2.0 < step(given)

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("slope", [0, 80])
    def test_colors_that_fit_stay(self, size, slope):
        """Any step is taken for a seam, but the picture's own steps are small."""
        ramp = np.linspace(90, 90 + slope, size[1])[None, :, None]
        image = np.broadcast_to(ramp, (*size, 3)).astype(np.uint8)
        mask = hole_in(image)
        found = blending.blend(pasted(image, mask, (0, 0, 0)), mask, SIZE)
        if not slope:
            np.testing.assert_array_equal(found, image)
        assert np.abs(found.astype(float) - image)[mask[..., 0] > 0].mean() < 1.5

    def test_distant_pixels_have_no_influence(self):
        image = face(300, 300)
        mask = hole_in(image, 0.5, 0.6, 0.5, 0.6)
        given = pasted(image, mask, (30, 30, 30))
        other = given.copy()
        other[:50], other[:, -50:] = 0, 255
        hole = mask[..., 0] > 0
        found = [blending.blend(each, mask, SIZE)[hole] for each in (given, other)]
        np.testing.assert_array_equal(*found)


def square_in(size, start, stop):
    hole = np.zeros((size, size), bool)
    hole[start:stop, start:stop] = True
    return hole


class TestPoissonBlend:
    @pytest.mark.parametrize("shape", ["any", "rectangle", "at the edge"])
    def test_it_solves_its_equation(self, shape):
        rng = np.random.default_rng(0)
        hole = rng.random((20, 20)) < 0.5
        known = ~hole & (rng.random((20, 20)) < 0.8)
        if shape != "any":
            hole = np.zeros((20, 20), bool)
            hole[0 if shape == "at the edge" else 4 : 11, 7:17] = True
            known = ~hole
        image = rng.uniform(0, 255, (20, 20, 3))
        correction = blending.poisson_blend(image, hole, known) - image
        correction, padded = (
            np.pad(each, ((1,), (1,), (0,))) for each in (correction, image)
        )
        hole, known = np.pad(hole, 1), np.pad(known, 1)
        for y, x in np.argwhere(hole):
            left = correction[y, x] / (20 / 8) ** 2
            for other in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if hole[other]:
                    left = left + correction[y, x] - correction[other]
                elif known[other]:
                    left = left + correction[y, x] - (padded[other] - padded[y, x])
            np.testing.assert_allclose(left, 0.0, atol=1e-9)

    def test_a_part_is_blended_as_in_the_whole(self):
        rng = np.random.default_rng(0)
        image = rng.uniform(0, 255, (24, 24, 3))
        hole = square_in(24, 9, 15)
        part = slice(5, 20), slice(7, 17)
        whole = blending.poisson_blend(image, hole, ~hole)
        found = blending.poisson_blend(image[part], hole[part], ~hole[part], size=24)
        np.testing.assert_allclose(found, whole[part], atol=1e-9)

    def test_it_changes_nothing_without_a_step_or_a_border(self):
        plain = np.full((16, 16, 3), 33.0, np.float32)
        hole = square_in(16, 4, 12)
        image = np.where(hole[..., None], np.float32(99), plain)
        nothing, everything = np.zeros_like(hole), np.ones_like(hole)
        for given, missing, known in (
            (plain, hole, ~hole),
            (image, hole, nothing),
            (image, nothing, everything),
            (image, everything, nothing),
        ):
            found = blending.poisson_blend(given, missing, known)
            np.testing.assert_array_equal(found, given)
        assert blending.poisson_blend(image, hole, ~hole).dtype == np.float32


def test_detail_extends_into_the_hole():
    hole = square_in(60, 10, 50)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 60, 3), np.uint8)
    values = np.full((60, 60, 3), 128.0, np.float32)
    sharp = blending.extend_detail(values, image, ~hole, reach=3.0)
    np.testing.assert_allclose(sharp[~hole], image[~hole], atol=1e-4)
    np.testing.assert_allclose(sharp[10, 20:40], image[9, 20:40], atol=1e-4)
    np.testing.assert_allclose(sharp[30, 30], 128.0, atol=1.0)
    share = (sharp[13, 30] - 128.0) / (image[9, 30] - 128.0)
    np.testing.assert_allclose(share, np.exp(-1.0), atol=1e-4)
