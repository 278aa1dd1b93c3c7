"""Flips and shifts: a training image's own pixels, elsewhere."""

import numpy as np
import tensorflow as tf
import tiny

from data_pipeline import masks, pipeline

SIZE, SHIFT = 12, 3


def augmented(image, count=200, shift=SHIFT):
    return [
        pipeline.flip_and_shift(image, tf.constant([0, i]), shift).numpy()
        for i in range(count)
    ]


def candidates(image):
    """Every flip and crop of the reflected image, by NumPy."""
    pad = [(SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)]
    padded = np.pad(image, pad, mode="reflect")
    crops = {}
    for top in range(2 * SHIFT + 1):
        for left in range(2 * SHIFT + 1):
            crop = padded[top : top + SIZE, left : left + SIZE]
            crops[crop.tobytes()] = (top - SHIFT, left - SHIFT, False)
            crops[crop[:, ::-1].tobytes()] = (top - SHIFT, left - SHIFT, True)
    return crops


def test_it_is_a_flip_and_a_crop_of_the_reflected_image_and_all_of_them():
    image = tiny.noise(1, SIZE)[0]
    known = candidates(image)
    drawn = [known[x.tobytes()] for x in augmented(image)]
    for axis in (0, 1):
        assert {move[axis] for move in drawn} == set(range(-SHIFT, SHIFT + 1))
    flips = np.mean([flipped for _, _, flipped in drawn])
    assert 0.4 < flips < 0.6


def test_the_same_key_gives_the_same_picture():
    image = tiny.noise(1, SIZE)[0]
    np.testing.assert_array_equal(augmented(image, 9), augmented(image, 9))


def test_without_a_shift_it_only_flips():
    image = tiny.noise(1, SIZE)[0]
    both = {image.tobytes(), image[:, ::-1].tobytes()}
    assert {x.tobytes() for x in augmented(image, 20, shift=0)} == both


def test_a_task_shifts_target_and_input_alike_and_leaves_the_hole():
    split = tiny.split_of(tiny.noise(8, SIZE))
    mask_fn = masks.build("center", image_size=SIZE, hole_size=4)

    def batch(shift):
        task = pipeline.inpainting(mask_fn, fill=(0.5,), shift=shift)
        dataset = pipeline.training_batches(split, task, batch_size=8, seed=0)
        return next(dataset.as_numpy_iterator())

    (still, plain), (inputs, target) = batch(0), batch(SHIFT)
    assert not np.array_equal(plain, target)
    np.testing.assert_array_equal(still["mask"], inputs["mask"])
    missing = np.broadcast_to(inputs["mask"] > 0, target.shape)
    np.testing.assert_array_equal(inputs["image"][~missing], target[~missing])
    assert (inputs["image"][missing] == 0.5).all()


def cut(image, key, side):
    key = tf.constant([0, key])
    return pipeline.flip_and_cut(image, key, side).numpy()


def test_a_square_is_of_the_image_and_anywhere_in_it():
    image = np.arange(6 * 7 * 3).reshape(6, 7, 3)
    squares = [image[y : y + 4, x : x + 4] for y in range(3) for x in range(4)]
    known = {s.tobytes() for s in squares} | {s[:, ::-1].tobytes() for s in squares}
    found = {cut(image, key, 4).tobytes() for key in range(200)}
    assert found == known
    np.testing.assert_array_equal(cut(image, 5, 4), cut(image, 5, 4))
    whole = image[:, :6]
    np.testing.assert_array_equal(np.unique(cut(whole, 5, 6)), np.unique(whole))


def test_a_task_of_squares_returns_what_it_is_given():
    split = tiny.split_of(tiny.noise(8, SIZE))
    task = pipeline.reconstruction(side=4)
    dataset = pipeline.training_batches(split, task, batch_size=8, seed=0)
    inputs, target = next(dataset.as_numpy_iterator())
    assert target.shape == (8, 4, 4, 3)
    np.testing.assert_array_equal(inputs["image"], target)
