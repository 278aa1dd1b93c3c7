"""Batches: the same ones for the same seed, wherever a run starts; augmentation."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import masks, pipeline, pixels

COUNT, BATCH = 11, 4
STEPS = COUNT // BATCH  # in an epoch


def inpainting(kind="random_square", size=8, hole=4, fill=1.0):
    mask_fn = masks.build(kind, image_size=size, hole_size=hole)
    return pipeline.inpainting(mask_fn, fill=fill)


def indices(image, key, index):
    """A task that shows what tasks are given."""
    return {"value": image[0, 0, 0], "key": key}, index


def numbered(count):
    """Images whose pixels say their number."""
    rows = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return tiny.split_of(np.tile(rows, [1, 8, 8, 3]))


def batches(
    count=5, *, split=None, task=None, seed=3, start_step=0, size=BATCH, **options
):
    split = split or tiny.split_of(tiny.noise(COUNT, 8))
    dataset = pipeline.training_batches(
        split,
        task or inpainting(),
        batch_size=size,
        seed=seed,
        start_step=start_step,
        **options,
    )
    return list(dataset.take(count).as_numpy_iterator())


def assert_same(left, right):
    assert len(left) == len(right) > 0
    tf.nest.map_structure(np.testing.assert_array_equal, left, right)


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    assert_same(batches(), batches())
    images = [batches(1, seed=seed)[0][0]["image"] for seed in (3, 4)]
    assert not np.array_equal(*images)


@pytest.mark.parametrize("start", [1, STEPS, STEPS + 1, 3 * STEPS + 1])
def test_a_resumed_run_sees_what_an_uninterrupted_one_sees(start):
    # Three more batches always cross the boundary of an epoch.
    assert_same(batches(3, start_step=start), batches(start + 3)[start:])


@pytest.mark.parametrize(("count", "size"), [(COUNT, BATCH), (12, 4), (5, 5), (3, 1)])
def test_every_epoch_is_a_permutation(count, size):
    steps = count // size
    seen = batches(20 * steps, split=numbered(count), task=indices, size=size)
    for inputs, index in seen:
        np.testing.assert_array_equal(inputs["value"], index)  # its own image
    epochs = np.concatenate([index for _, index in seen]).reshape(20, steps * size)
    assert all(len(set(epoch)) == steps * size for epoch in epochs)
    assert set(epochs.flat) == set(range(count))
    # The order changes, and so does what the remainder leaves out.
    assert len({tuple(epoch) for epoch in epochs}) > min(4, count)
    keys = np.concatenate([inputs["key"] for inputs, _ in seen])
    assert len(np.unique(keys, axis=0)) == epochs.size  # no two draws share a mask


@pytest.mark.parametrize("parts", [2, 4])
def test_workers_share_the_batches_of_one_process(parts):
    shares = [batches(start_step=2, part=(i, parts)) for i in range(parts)]
    joined = [
        tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *step)
        for step in zip(*shares)
    ]
    assert_same(joined, batches(start_step=2))


def test_a_data_service_makes_each_batch_once_from_the_cached_file(tmp_path):
    noise = tiny.noise(COUNT, 8)
    (tmp_path / "images.u8").write_bytes(noise.tobytes())
    split = dataclasses.replace(tiny.split_of(noise), path=tmp_path / "images.u8")
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.partition("://")[2]
    workers = [
        service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        for _ in range(2)
    ]
    served = batches(12, split=split, start_step=1, service=dispatcher.target)
    del workers
    known = {batch[1].tobytes(): batch for batch in batches(60, start_step=1)}
    # Two workers need not be equally quick, so that the order is about the same.
    assert_same(served, [known[batch[1].tobytes()] for batch in served])
    assert len({batch[1].tobytes() for batch in served}) == 12


def test_a_data_service_without_workers_is_told(monkeypatch, capsys):
    monkeypatch.setattr(pipeline, "_WORKER_SECONDS", 0.5)
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    pipeline._tell_without_workers(dispatcher.target)
    assert "no worker has answered for 0.5 seconds" in capsys.readouterr().err
    config = service.WorkerConfig(dispatcher_address=dispatcher.target[7:])
    worker = service.WorkerServer(config)
    monkeypatch.setattr(pipeline, "_WORKER_SECONDS", 30)
    pipeline._tell_without_workers(dispatcher.target)
    assert not capsys.readouterr().err
    del worker


@pytest.mark.parametrize(
    "address",
    ["host9:5000", "grpc://localhost", "grpc://localhost:x", "grpc://[::1]:1"],
)
def test_a_data_service_that_is_not_there_is_not_waited_for(address):
    text = f"^--data_service={re.escape(address)} must be grpc://HOST:PORT of a tf.d"
    with pytest.raises(ValueError, match=text):
        batches(service=address)


def test_the_element_spec_is_that_of_the_task():
    split = tiny.split_of(tiny.noise(COUNT, 8))
    image = tf.TensorSpec([None, 8, 8, 3], tf.float32)
    mask = tf.TensorSpec([None, 8, 8, 1], tf.float32)
    spec = ({"image": image, "mask": mask}, image)
    evaluation = pipeline.evaluation_batches(split, inpainting(), batch_size=4, seed=0)
    assert evaluation.element_spec == spec
    training = pipeline.training_batches(split, inpainting(), batch_size=4, seed=0)
    assert training.element_spec == tf.nest.map_structure(
        lambda part: tf.TensorSpec([4, *part.shape[1:]], part.dtype), spec
    )


@pytest.mark.parametrize("fill", [1.0, 0.0, -1.0, 0.3])
@pytest.mark.parametrize("kind", masks.KINDS)
def test_the_hole_holds_the_fill_and_known_pixels_are_exact(kind, fill):
    images = tiny.noise(COUNT, 8)
    seen = batches(3, split=tiny.split_of(images), task=inpainting(kind, fill=fill))
    exact = {pixels.bytes_to_signed(image).numpy().tobytes() for image in images}
    for inputs, target in seen:
        missing = np.broadcast_to(inputs["mask"] > 0.5, target.shape)
        assert missing.any()
        assert (inputs["image"][missing] == np.float32(fill)).all()
        assert not np.signbit(inputs["image"][missing]).any() or fill < 0
        np.testing.assert_array_equal(inputs["image"][~missing], target[~missing])
        assert all(image.tobytes() in exact for image in target)
        assert target.min() >= -1
        assert target.max() <= 1


def evaluated(positions, *, seed=0, size=3, kind="random_square"):
    """name -> (image, mask) of some of ten named images."""
    images = tiny.noise(10, 8)[positions]
    names = [f"person/{i}.jpg" for i in positions]
    seen = pipeline.evaluation_batches(
        tiny.split_of(images, names), inpainting(kind), batch_size=size, seed=seed
    )
    rows = list(seen.unbatch().as_numpy_iterator())
    assert len(rows) == len(names)
    return {name: (row[1], row[0]["mask"]) for name, row in zip(names, rows)}


@pytest.mark.parametrize("kind", ["random_square", "random_rectangle", "free_form"])
@pytest.mark.parametrize("positions", [[4, 5, 6, 7], [9, 0, 5], list(range(10))[::-1]])
def test_an_evaluation_mask_depends_on_the_seed_and_the_name_alone(kind, positions):
    everything = evaluated(list(range(10)), kind=kind)
    part = evaluated(positions, size=2, kind=kind)
    for name, row in part.items():
        assert_same(row, everything[name])
    assert len({mask.tobytes() for _, mask in everything.values()}) > 4
    other = evaluated(positions, seed=1, kind=kind)
    assert any((other[name][1] != part[name][1]).any() for name in part)


def test_evaluation_masks_are_the_same_on_every_machine_and_in_every_version():
    # Published numbers belong to these holes: a change here changes fingerprints.
    split = tiny.split_of(np.zeros([3, 32, 32, 3], np.uint8), ["a", "b", "Ä/c.jpg"])
    task = inpainting("random_square", 32, 8)
    ((inputs, _),) = pipeline.evaluation_batches(split, task, batch_size=3, seed=0)
    corners = [np.argwhere(mask[..., 0])[0].tolist() for mask in inputs["mask"].numpy()]
    assert corners == [[14, 12], [6, 2], [14, 3]]


def test_evaluation_gives_every_image_once_and_in_order():
    split = numbered(COUNT)
    seen = pipeline.evaluation_batches(split, indices, batch_size=4, seed=0)
    seen = list(seen.as_numpy_iterator())
    assert [len(index) for _, index in seen] == [4, 4, 3]
    order = np.concatenate([inputs["value"] for inputs, _ in seen])
    np.testing.assert_array_equal(order, range(COUNT))


def test_a_batch_larger_than_the_set_is_an_error():
    split = tiny.split_of(tiny.noise(3, 8))
    assert pipeline.steps_per_epoch(split, 3) == 1
    with pytest.raises(ValueError, match=r"--batch_size=4 .* 3 readable .* of tiny"):
        pipeline.steps_per_epoch(split, 4)
    with pytest.raises(ValueError, match="--batch_size=4"):
        pipeline.training_batches(split, inpainting(), batch_size=4, seed=0)


# Augmentation

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
    np.testing.assert_array_equal(augmented(image, 9), augmented(image, 9))
    both = {image.tobytes(), image[:, ::-1].tobytes()}
    assert {x.tobytes() for x in augmented(image, 20, shift=0)} == both


def test_a_task_shifts_target_and_input_alike_and_leaves_the_hole():
    split = tiny.split_of(tiny.noise(8, SIZE))
    mask_fn = masks.build("center", image_size=SIZE, hole_size=4)

    def batch(shift):
        task = pipeline.inpainting(mask_fn, fill=(0.5,), shift=shift)
        return batches(1, split=split, task=task, size=8)[0]

    (still, plain), (inputs, target) = batch(0), batch(SHIFT)
    assert not np.array_equal(plain, target)
    np.testing.assert_array_equal(still["mask"], inputs["mask"])
    missing = np.broadcast_to(inputs["mask"] > 0, target.shape)
    np.testing.assert_array_equal(inputs["image"][~missing], target[~missing])
    assert (inputs["image"][missing] == 0.5).all()


def test_a_square_is_of_the_image_and_anywhere_in_it():
    def cut(image, key, side):
        return pipeline.flip_and_cut(image, tf.constant([0, key]), side).numpy()

    image = np.arange(6 * 7 * 3).reshape(6, 7, 3)
    squares = [image[y : y + 4, x : x + 4] for y in range(3) for x in range(4)]
    known = {s.tobytes() for s in squares} | {s[:, ::-1].tobytes() for s in squares}
    found = {cut(image, key, 4).tobytes() for key in range(200)}
    assert found == known
    np.testing.assert_array_equal(cut(image, 5, 4), cut(image, 5, 4))
    whole = image[:, :6]
    np.testing.assert_array_equal(np.unique(cut(whole, 5, 6)), np.unique(whole))


def test_a_task_of_squares_returns_its_input():
    split = tiny.split_of(tiny.noise(8, SIZE))
    task = pipeline.reconstruction(side=4)
    inputs, target = batches(1, split=split, task=task, size=8)[0]
    assert target.shape == (8, 4, 4, 3)
    np.testing.assert_array_equal(inputs["image"], target)
