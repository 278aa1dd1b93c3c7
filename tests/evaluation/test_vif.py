"""VIF against another implementation, and by what it promises."""

import numpy as np
import pytest

from evaluation.metrics.vif import MINIMUM_SIZE, vif


def picture(height, width, channels=3):
    """Hills and fine waves, uint8 [H, W, C], by a formula: the same everywhere."""
    y, x, c = np.mgrid[:height, :width, :channels]
    hills = 70 * np.sin(x / (9 + 2 * c) + y / 17) + 30 * np.cos(x * y / (400 + 90 * c))
    waves = hills + 12 * np.sin(2.1 * x + 1.3 * y + c)
    return np.clip(128 + waves, 0, 255).astype("u1")


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
    """Name -> a pair, and what another package's `vifp` says of it: sewar 0.4.10."""
    small, wide, square = picture(41, 41), picture(42, 57), picture(64, 64)
    dark_red = square.copy()
    dark_red[..., 1] = faint(dark_red[..., 1], 0.05)
    return {
        "noise, the smallest image": (small, rough(small, 20), 0.361911060252),
        "blocks, odd sides": (wide, blocks(wide), 0.218425843174),
        "noise": (square, rough(square, 40), 0.213510173326),
        "little contrast": (square, faint(square, 0.3), 0.552703548018),
        "more contrast": (faint(square, 0.6), square, 1.214522244455),
        "a channel nearly flat": (dark_red, rough(dark_red, 9), 0.468315454164),
    }


def one(target, restored):
    """VIF of a pair of uint8 images."""
    pair = (image[None] / np.float32(255) for image in (target, restored))
    return vif(*pair).numpy()[0]


@pytest.mark.parametrize("name", cases())
def test_it_is_the_authors_measure(name):
    *pair, expected = cases()[name]
    assert one(*pair) == pytest.approx(expected, abs=1e-6)


def test_equal_images_have_one_and_a_batch_is_measured_image_by_image():
    target = picture(64, 48) / np.float32(255)
    others = np.stack([target, 1 - target, 0 * target + 0.3, target])
    values = vif(np.stack([target] * 4), others).numpy()
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [1, 0, 0, 1])


def test_a_constant_channel_of_the_target_is_left_out():
    image, restored = picture(64, 64), rough(picture(64, 64), 25)
    for level in (0, 77, 255):  # of all channels: nothing is left
        flat = np.full((50, 50, 3), level, np.uint8)
        assert np.isnan(one(flat, flat)) and np.isnan(one(flat, picture(50, 50)))
    image[..., 1] = 201
    # A channel as a gray picture.
    alone = [one(*(x[..., [c] * 3] for x in (image, restored))) for c in (0, 2)]
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
