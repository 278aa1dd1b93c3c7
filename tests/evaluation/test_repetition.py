"""The share of detail that is the same in all images."""

import numpy as np
import pytest

from evaluation.repetition import repeated_detail

IMAGES, SIDE = 64, 48


def batches_of(target, masks):
    for start in range(0, len(target), 16):
        part = slice(start, start + 16)
        yield {"mask": masks[part], "index": np.arange(start, start + 16)}, target[part]


def measured(target, restored, masks):
    def restore(inputs):
        return restored[inputs["index"]]

    names = [str(index) for index in range(len(target))]
    return repeated_detail(
        restore, batches_of(target, masks), names, to_unit=lambda image: image
    )


@pytest.fixture(scope="module")
def noise():
    draw = np.random.default_rng(0).normal(0.5, 0.1, [IMAGES + 1, SIDE, SIDE, 1])
    return np.repeat(draw, 3, axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def center():
    masks = np.zeros([IMAGES, SIDE, SIDE, 1], np.float32)
    masks[:, 12:36, 12:36] = 1.0
    return masks


@pytest.mark.parametrize("common", [0.0, 0.5, 1.0])
def test_the_share_is_that_of_the_common_part(noise, center, common):
    # Variances add up: a part of the variance is the same noise in every image.
    own, same = noise[:-1] - 0.5, noise[-1:] - 0.5
    restored = 0.5 + np.sqrt(1 - common) * own + np.sqrt(common) * same
    found = measured(noise[:-1], restored, center)
    assert found.images == IMAGES
    assert found.restored == pytest.approx(common, abs=0.03)
    assert found.original == pytest.approx(0, abs=0.01)


def test_what_is_known_or_coarse_does_not_count(noise, center):
    known = (1 - center) * noise[-1:]  # the same in all, outside the hole
    coarse = np.zeros([SIDE, 1, 1])
    coarse[12:36, 0, 0] = 0.1 * np.sin(np.pi * (np.arange(24) + 0.5) / 24)
    restored = np.float32(0.1 + 0.8 * noise[:-1] + known + coarse * center)
    assert measured(noise[:-1], restored, center).restored == pytest.approx(0, abs=0.05)


def test_holes_at_several_places_and_few_images_have_no_share(noise, center):
    moved = center.copy()
    moved[-1] = np.roll(moved[-1], 3, axis=0)
    assert measured(noise[:-1], noise[:-1], moved) is None
    assert measured(noise[:16], noise[:16], center[:16]) is None
