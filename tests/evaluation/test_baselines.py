import cv2
import numpy as np
import pytest
import tensorflow as tf

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
    image = levels / np.float32(127.5) - 1
    mask = np.zeros([3, SIZE, SIZE, 1], "f")
    mask[0, 8:16, 6:18] = 1
    mask[1, :10, :10] = 1
    mask[2, 4:20, 9] = mask[2, 12:14, 3:20] = 1
    return {"image": image, "mask": mask}


def filled(inputs, value):
    image = np.where(inputs["mask"] == 1, value, inputs["image"])
    return {"image": image.astype("f"), "mask": inputs["mask"]}


@pytest.mark.parametrize("name", NAMES)
def test_restores_the_hole_and_returns_known_pixels_as_given(name, inputs, mean_image):
    restored = baselines.inpainting(mean_image)[name](filled(inputs, 1.0))
    assert restored.dtype == np.float32 and restored.shape == (3, SIZE, SIZE, 3)
    known = np.broadcast_to(inputs["mask"] == 0, restored.shape)
    given = ((inputs["image"] + 1) * np.float32(0.5))[known]
    np.testing.assert_array_equal(restored[known], given)
    assert restored.min() >= 0 and restored.max() <= 1
    # Each hole differs from the filling: something was restored.
    assert (restored[~known] < 1).mean() > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_the_content_of_the_hole_moves_nothing(name, inputs, mean_image):
    restore = baselines.inpainting(mean_image)[name]
    expected = restore(inputs)  # the true content left inside
    noise = np.random.default_rng(1).uniform(-1, 1, inputs["image"].shape)
    for content in (1.0, -1.0, noise, np.nan):
        np.testing.assert_array_equal(restore(filled(inputs, content)), expected)


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_are_independent_and_tensors_are_welcome(
    name, inputs, mean_image
):
    restore = baselines.inpainting(mean_image)[name]
    together = restore({k: tf.constant(v) for k, v in inputs.items()})
    for i in range(3):
        alone = restore({k: v[i : i + 1] for k, v in inputs.items()})
        np.testing.assert_array_equal(together[i : i + 1], alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_of_everything_or_nothing_is_no_special_case(name, inputs, mean_image):
    restore = baselines.inpainting(mean_image)[name]
    nothing = restore({**inputs, "mask": np.zeros_like(inputs["mask"])})
    np.testing.assert_allclose(nothing, (inputs["image"] + 1) / 2, atol=1e-6)
    everything = restore({**inputs, "mask": np.ones_like(inputs["mask"])})
    assert np.isfinite(everything).all()


def test_mean_color_is_the_mean_of_the_known_pixels(inputs):
    restored = baselines.mean_color()(filled(inputs, 1.0))
    for image, mask, result in zip(inputs["image"], inputs["mask"], restored):
        expected = ((image + 1) / 2)[mask[..., 0] == 0].mean(axis=0)
        hole = result[mask[..., 0] == 1]
        np.testing.assert_allclose(hole, np.tile(expected, (len(hole), 1)), atol=1e-6)


def test_mean_face_takes_the_offset_at_the_edge_of_the_hole(mean_image):
    offset = np.float32([0.1, -0.1, 0.05])
    picture = mean_image + offset
    picture[0] = 0  # a background that is none of the face's business
    mask = np.zeros([1, SIZE, SIZE, 1], "f")
    mask[:, 8:16, 6:18] = 1
    inputs = {"image": picture[None] * 2 - 1, "mask": mask}
    restored = baselines.mean_face(mean_image)(inputs)
    np.testing.assert_allclose(restored[0], picture, atol=1e-6)


def test_mean_face_of_another_size_is_an_error(inputs, mean_image):
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


def test_restorers_are_the_four_named_ones(mean_image):
    assert tuple(baselines.inpainting(mean_image)) == NAMES
