"""Restorers without a network: known pixels stay, the hole's content is not read."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from data_pipeline import decoded, sources
from evaluation import baselines

SIZE = 24
NAMES = ("mean color", "mean face", "Telea", "Navier–Stokes")


@pytest.fixture
def mean_image():
    ramp = np.linspace(0.2, 0.6, SIZE, dtype="f")
    return np.stack([np.add.outer(ramp, k * ramp) / (1 + k) for k in range(3)], axis=-1)


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    small = rng.uniform(10, 245, [3, 4, 4, 3])
    levels = tf.image.resize(small, [SIZE, SIZE]).numpy().round()
    mask = np.zeros([3, SIZE, SIZE, 1], "f")
    mask[0, 8:16, 6:18] = 1
    mask[1, :10, :10] = 1
    mask[2, 4:20, 9] = mask[2, 12:14, 3:20] = 1
    return {"image": levels / np.float32(127.5) - 1, "mask": mask}


def filled(inputs, value):
    image = np.where(inputs["mask"] == 1, value, inputs["image"])
    return {"image": image.astype("f"), "mask": inputs["mask"]}


def test_there_are_four_and_other_images_are_not_called_faces(mean_image):
    assert tuple(baselines.inpainting(mean_image)) == NAMES
    assert "mean image" in baselines.inpainting(mean_image, faces=False)


@pytest.fixture(params=NAMES)
def restore(request, mean_image):
    return baselines.inpainting(mean_image)[request.param]


class TestEveryBaseline:
    def test_known_pixels_are_returned_unchanged(self, restore, inputs):
        restored = restore(filled(inputs, 1.0))
        assert restored.dtype == np.float32 and restored.shape == (3, SIZE, SIZE, 3)
        known = np.broadcast_to(inputs["mask"] == 0, restored.shape)
        given = ((inputs["image"] + 1) * np.float32(0.5))[known]
        np.testing.assert_array_equal(restored[known], given)
        assert restored.min() >= 0 and restored.max() <= 1
        # Each hole differs from the filling: something was restored.
        assert (restored[~known] < 1).mean() > 0.99
        nothing = restore({**inputs, "mask": np.zeros_like(inputs["mask"])})
        np.testing.assert_allclose(nothing, (inputs["image"] + 1) / 2, atol=1e-6)
        everything = restore({**inputs, "mask": np.ones_like(inputs["mask"])})
        assert np.isfinite(everything).all()

    def test_the_content_of_the_hole_changes_nothing(self, restore, inputs):
        expected = restore(inputs)  # the true content left inside
        noise = np.random.default_rng(1).uniform(-1, 1, inputs["image"].shape)
        for content in (1.0, -1.0, noise, np.nan):
            np.testing.assert_array_equal(restore(filled(inputs, content)), expected)

    def test_images_of_a_batch_are_independent(self, restore, inputs):
        together = restore({k: tf.constant(v) for k, v in inputs.items()})
        for i in range(3):
            alone = restore({k: v[i : i + 1] for k, v in inputs.items()})
            np.testing.assert_array_equal(together[i : i + 1], alone)


def test_mean_color_is_the_mean_of_the_known_pixels(inputs):
    restored = baselines.mean_color()(filled(inputs, 1.0))
    for image, mask, result in zip(inputs["image"], inputs["mask"], restored):
        expected = ((image + 1) / 2)[mask[..., 0] == 0].mean(axis=0)
        hole = result[mask[..., 0] == 1]
        np.testing.assert_allclose(hole, np.tile(expected, (len(hole), 1)), atol=1e-6)


def test_mean_face_takes_the_offset_at_the_edge_of_the_hole(mean_image):
    picture = mean_image + np.float32([0.1, -0.1, 0.05])
    picture[0] = 0  # a background that must not count
    mask = np.zeros([1, SIZE, SIZE, 1], "f")
    mask[:, 8:16, 6:18] = 1
    inputs = {"image": picture[None] * 2 - 1, "mask": mask}
    restored = baselines.mean_face(mean_image)(inputs)
    np.testing.assert_allclose(restored[0], picture, atol=1e-6)
    with pytest.raises(ValueError, match="mean face is 12×24 and the image 24×24"):
        baselines.mean_face(mean_image[:12])(inputs)


@pytest.mark.parametrize(
    "build, method",
    [
        (baselines.telea, cv2.INPAINT_TELEA),
        (baselines.navier_stokes, cv2.INPAINT_NS),
    ],
)
def test_opencv_restorers_are_opencv_on_bytes(build, method, inputs):
    restored = build(radius=5)(inputs)
    levels = np.rint((inputs["image"] + 1) * 127.5).astype(np.uint8)
    for i in (0, 2):  # the hole of image 1 touches the border: see _restorer
        mask = inputs["mask"][i].astype("u1")
        expected, result = cv2.inpaint(levels[i], mask, 5, method), restored[i]
        hole = mask[..., 0] == 1
        np.testing.assert_allclose(result[hole] * 255, expected[hole], atol=1e-3)


class TestBicubic:
    def images(self, size):
        """Smooth random images on 8-bit levels."""
        coarse = np.random.default_rng(0).uniform(20, 235, [2, 5, 5, 3])
        resized = tf.image.resize(coarse, [size, size], "bicubic")
        return np.rint(resized).clip(0, 255) / 255

    def test_there_are_three_factors(self):
        names = ["bicubic 2×", "bicubic 4×", "bicubic 8×"]
        assert list(baselines.rescaling()) == names

    # A side that does not divide is rounded, halves up, to 1 at least.
    @pytest.mark.parametrize(
        ("factor", "size", "kept"),
        [(2, 32, 16), (4, 30, 8), (4, 29, 7), (4, 3, 1), (4, 1, 1)],
    )
    def test_it_is_pillows_antialiased_bicubic_on_bytes(self, factor, size, kept):
        target = self.images(size)
        restored = baselines.bicubic(factor)({"image": target})
        assert restored.dtype == np.float32
        for image, result in zip(target, restored):
            levels = Image.fromarray(np.rint(255 * image).astype(np.uint8))
            small = levels.resize((kept, kept), Image.Resampling.BICUBIC)
            back = small.resize((size, size), Image.Resampling.BICUBIC)
            np.testing.assert_array_equal(np.rint(255 * result), np.asarray(back))

        assert restored.min() >= 0 and restored.max() <= 1


def decaying(count, size=8, seed=0):
    """Images whose principal components count less and less, uint8."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal([count, size * size * 3])
    left, _, right = np.linalg.svd(noise, full_matrices=False)
    strengths = 60 * np.sqrt(count) * np.arange(1, left.shape[1] + 1) ** -0.8
    levels = left * strengths @ right + 127
    return (
        np.clip(np.rint(levels), 0, 255).astype(np.uint8).reshape(count, size, size, 3)
    )


class TestEigenfaces:
    @pytest.fixture(scope="class")
    def images(self):
        return decaying(300)

    @pytest.mark.parametrize("numbers", [1, 12, 100])
    def test_they_are_the_exact_decomposition(self, images, numbers):
        fitted = baselines.Eigenfaces.fit(tiny.split_of(images), numbers)
        assert fitted.components.shape == (numbers, 8 * 8 * 3)
        np.testing.assert_allclose(
            fitted.components @ fitted.components.T, np.eye(numbers), atol=1e-5
        )
        unit = images.reshape(300, -1) / 255.0
        centered = unit - unit.mean(axis=0)
        _, _, exact = np.linalg.svd(centered, full_matrices=False)
        exact = exact[:numbers]
        np.testing.assert_allclose(fitted.mean.ravel(), unit.mean(axis=0), atol=1e-6)
        # A direction may be turned around.
        overlap = np.abs(fitted.components @ exact.T)
        np.testing.assert_allclose(
            overlap[:12, :12], np.eye(min(numbers, 12)), atol=1e-3
        )
        restored = fitted({"image": unit.reshape(images.shape).astype("f")})
        best = np.clip(centered @ exact.T @ exact + unit.mean(axis=0), 0, 1)
        error, least = (
            np.square(x.reshape(300, -1) - unit).mean() for x in (restored, best)
        )
        assert least * 0.999 < error < least * 1.001
        assert restored.dtype == np.float32

    def test_variances_add_up_to_those_of_the_pixels(self, images):
        fitted = baselines.Eigenfaces.fit(tiny.split_of(images), 20)
        weights = fitted.encode(images / np.float32(255))
        np.testing.assert_allclose(fitted.variances, weights.var(axis=0), rtol=1e-3)
        total = (images / 255.0).reshape(300, -1).var(axis=0).sum()
        found = fitted.variances.sum() + (8 * 8 * 3 - 20) * fitted.rest
        assert found == pytest.approx(total, rel=1e-6)

    def test_they_can_be_of_smaller_images(self):
        images = decaying(60)
        large = images.repeat(2, axis=1).repeat(2, axis=2)
        found = baselines.Eigenfaces.fit(tiny.split_of(large), 5, side=8)
        expected = baselines.Eigenfaces.fit(tiny.split_of(images), 5)
        np.testing.assert_allclose(found.components, expected.components, atol=1e-6)
        assert found.mean.shape == (8, 8, 3)

    def test_numbers_and_images_are_each_others_way_back(self, images):
        fitted = baselines.Eigenfaces.fit(tiny.split_of(images), 20)
        weights = np.random.default_rng(1).normal(0, 0.1, [4, 20]).astype("f")
        faces = fitted.decode(weights)
        assert faces.shape == (4, 8, 8, 3)
        np.testing.assert_allclose(fitted.encode(faces), weights, atol=1e-5)

    def test_the_same_images_give_the_same_numbers(self, images):
        one, other = (
            baselines.Eigenfaces.fit(tiny.split_of(images), 30) for _ in range(2)
        )
        np.testing.assert_array_equal(one.components, other.components)

    def test_few_images_have_few_components_and_are_restored_whole(self):
        images = decaying(5)
        fitted = baselines.Eigenfaces.fit(tiny.split_of(images), 64)
        assert len(fitted.components) == 4
        unit = images / np.float32(255)
        np.testing.assert_allclose(fitted({"image": unit}), unit, atol=1e-4)

    def test_of_many_images_every_nth_is_taken(self, images, monkeypatch):
        monkeypatch.setattr(baselines, "_MOST_IMAGES", 100)
        fitted = baselines.Eigenfaces.fit(tiny.split_of(images), 5)
        third = baselines.Eigenfaces.fit(tiny.split_of(images[::3]), 5)
        np.testing.assert_array_equal(fitted.components, third.components)

    def test_errors_say_what_is_wrong(self, images):
        with pytest.raises(ValueError, match="at least two images .* got 1 and 8"):
            baselines.Eigenfaces.fit(tiny.split_of(images[:1]), 8)
        fitted = baselines.Eigenfaces.fit(tiny.split_of(images), 8)
        with pytest.raises(ValueError, match="of the evaluated size"):
            fitted({"image": np.zeros([1, 16, 16, 3], "f")})


@pytest.mark.slow
def test_eigenfaces_of_lfw_have_the_known_quality(outside_data):
    """6,000 faces, and others; measured apart from this program."""
    options = {"data_dir": str(outside_data / "lfw"), "limit": 7633}
    split = decoded.decode(
        sources.load("lfw", "train", **options), size=64, crop="none"
    )
    fitted = baselines.Eigenfaces.fit(split.part(0, 6000), 512)
    unit = split.part(6000).images / np.float32(255)
    weights = fitted.encode(unit)
    for numbers, psnr in ((64, 19.1), (128, 20.9), (256, 22.9), (512, 25.3)):
        kept = weights * (np.arange(512) < numbers)
        errors = np.square(fitted.decode(kept) - unit).mean(axis=(1, 2, 3))
        assert np.mean(-10 * np.log10(errors)) == pytest.approx(psnr, abs=0.3)
