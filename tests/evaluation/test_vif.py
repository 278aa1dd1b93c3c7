"""VIF against another implementation, and by what it promises."""

import numpy as np
import pytest

from evaluation.metrics.vif import MINIMUM_SIZE, vif


def picture(height, width, channels=3):
    """Hills and fine waves, uint8 [H, W, C], by a formula: the same everywhere."""
    y, x, c = np.mgrid[:height, :width, :channels]
    hills = 70 * np.sin(x / (9 + 2 * c) + y / 17) + 30 * np.cos(x * y / (400 + 90 * c))
    return np.clip(128 + hills + 12 * np.sin(2.1 * x + 1.3 * y + c), 0, 255).astype(
        "u1"
    )


def rough(image, strength):
    """Adds noise, by a formula too."""
    y, x, c = np.indices(image.shape)
    noise = (x * 7919 + y * 104729 + c * 1299709 + x * x * y * 31) % 251 / 125 - 1
    return np.clip(image + strength * noise, 0, 255).astype("u1")


def blocks(image, side=4):
    """Each block's first pixel, repeated."""
    coarse = image[::side, ::side].repeat(side, 0).repeat(side, 1)
    return coarse[: image.shape[0], : image.shape[1]]


def faint(image, share):
    return (128 + share * (image.astype("d") - 128)).astype("u1")


def cases():
    small, wide, square = picture(41, 41), picture(42, 57), picture(64, 64)
    dark_red = square.copy()
    dark_red[..., 1] = faint(dark_red[..., 1], 0.05)
    return {
        "noise, the smallest image": (small, rough(small, 20)),
        "blocks, odd sides": (wide, blocks(wide)),
        "noise": (square, rough(square, 40)),
        "little contrast": (square, faint(square, 0.3)),
        "more contrast": (faint(square, 0.6), square),
        "a channel nearly flat": (dark_red, rough(dark_red, 9)),
    }


# What another package's `vifp` says of these: sewar 0.4.10.
SEWAR = {
    "noise, the smallest image": 0.361911060252,
    "blocks, odd sides": 0.218425843174,
    "noise": 0.213510173326,
    "little contrast": 0.552703548018,
    "more contrast": 1.214522244455,
    "a channel nearly flat": 0.468315454164,
}


def one(target, restored):
    """VIF of a pair of uint8 images."""
    pair = (image[None] / np.float32(255) for image in (target, restored))
    return vif(*pair).numpy()[0]


@pytest.mark.parametrize("name", cases())
def test_it_is_the_authors_measure(name):
    assert one(*cases()[name]) == pytest.approx(SEWAR[name], abs=1e-6)


def test_equal_images_have_one_and_a_batch_is_measured_image_by_image():
    target = picture(64, 48) / np.float32(255)
    others = np.stack([target, 1 - target, 0 * target + 0.3, target])
    values = vif(np.stack([target] * 4), others).numpy()
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [1, 0, 0, 1])


def test_it_falls_with_noise_and_with_blocks():
    image = picture(64, 64)
    noisy = [one(image, rough(image, strength)) for strength in (4, 8, 16, 32, 64)]
    coarse = [one(image, blocks(image, side)) for side in (1, 2, 4, 8, 16)]
    for values in (noisy, coarse):
        assert np.all(np.diff(values) < 0) and values[-1] > 0


def test_brightness_does_not_count_and_contrast_does():
    image = faint(picture(64, 64), 0.5)
    assert one(image, image + np.uint8(40)) == pytest.approx(1, abs=1e-6)
    assert one(image, picture(64, 64)) > 1.05
    assert one(picture(64, 64), image) < 0.95


def test_a_constant_channel_of_the_target_is_left_out():
    image, restored = picture(64, 64), rough(picture(64, 64), 25)
    for level in (0, 77, 255):  # of all channels: nothing is left
        flat = np.full((50, 50, 3), level, np.uint8)
        assert np.isnan(one(flat, flat)) and np.isnan(one(flat, picture(50, 50)))
    image[..., 1] = 201
    alone = [
        one(*(x[..., [c] * 3] for x in (image, restored))) for c in (0, 2)
    ]  # a channel as a gray picture
    assert one(image, restored) == pytest.approx(np.mean(alone), abs=1e-6)


def test_values_outside_are_clipped_and_smaller_images_refused():
    image = picture(50, 50)[None] / np.float32(255)
    over = np.where(image > 0.5, 1.7, -0.4).astype("f")
    np.testing.assert_array_equal(vif(image, over), vif(image, over.clip(0, 1)))
    assert MINIMUM_SIZE == 41
    with pytest.raises(ValueError, match="vif needs .* 41 px .* got 200×40. Smaller"):
        vif(np.zeros([1, 200, 40, 3]), np.zeros([1, 200, 40, 3]))
    with pytest.raises(ValueError, match="vif compares two"):
        vif(np.zeros([1, 50, 50, 3]), np.zeros([1, 50, 51, 3]))
