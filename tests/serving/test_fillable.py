"""A network that draws the center fills the center, and refuses every other hole."""

import json

import numpy as np
import pytest
import tensorflow as tf

from models import multiscale_context_encoder
from serving.export import restorer as export
from serving.export.restorer import Fillable
from serving.photo import restorer as photo

SIZE, SIDE = 64, 16
START, STOP = 24, 40


def hole(top=START, left=START, height=SIDE, width=SIDE):
    mask = np.zeros((1, SIZE, SIZE, 1), np.float32)
    mask[:, top : top + height, left : left + width] = 1
    return mask


OTHERS = {
    "above": hole(top=START - 1),
    "right": hole(left=START + 1),
    "larger": hole(height=SIDE + 1),
    "smaller": hole(width=SIDE - 1),
    "none": hole(height=0),
    "two": np.maximum(hole(), hole(top=0, left=0, height=1, width=1)),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    generator = multiscale_context_encoder.build_generator(
        image_size=SIZE, widths=(4, 4, 4, 8), decoder_widths=(4, 4)
    )
    restorer = export.build_restorer(
        multiscale_context_encoder.build_inpainter(generator),
        fill=(0.0,),
        fillable=Fillable(SIDE, centered=True),
    )
    return export.save(
        restorer,
        tmp_path_factory.mktemp("run") / "export" / "1",
        extras={"config.json": json.dumps({"image_size": SIZE, "hole_size": SIDE})},
    )


@pytest.fixture(scope="module")
def signatures(folder):
    return tf.saved_model.load(str(folder)).signatures


@pytest.fixture(scope="module")
def keras_model(folder):
    return tf.keras.models.load_model(folder)


def picture(height=SIZE, width=SIZE):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_the_center_is_filled_and_the_rest_is_kept(signatures):
    image = picture()[None].astype(np.float32) / 255
    mask = hole()
    restored = signatures["serving_default"](
        image=tf.constant(image), mask=tf.constant(mask)
    )["restored"].numpy()
    known = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(restored[known], image[known])
    assert not np.array_equal(restored, image)


@pytest.mark.parametrize("mask", OTHERS.values(), ids=OTHERS)
def test_another_hole_is_an_error_that_says_which_is_filled(
    signatures, keras_model, mask
):
    image = tf.zeros([1, SIZE, SIZE, 3])
    text = "This model fills the hole of 16x16 pixels in the center of a picture of 64"
    both = tf.concat([image, mask], axis=-1)
    for call in (
        lambda: signatures["serving_default"](image=image, mask=tf.constant(mask)),
        lambda: signatures["serving_single"](image_and_mask=both),
        lambda: keras_model({"image": image, "mask": mask}),
        lambda: keras_model.predict({"image": image, "mask": mask}, verbose=0),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            call()


@pytest.mark.parametrize("size", [(64, 64), (100, 100), (97, 131), (250, 333)])
def test_a_photograph_of_any_size_has_a_center(folder, size):
    model = photo.PhotoRestorer(folder)
    assert model.hole == (START / SIZE, STOP / SIZE)
    image = picture(*size)
    rows, columns = (
        np.rint(np.multiply(side, model.hole)).astype(int) for side in size
    )
    mask = np.zeros((*size, 1), np.uint8)
    mask[slice(*rows), slice(*columns)] = 1
    (restored,) = model([image], [mask])
    known = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(restored[known], image[known])
    mask = np.roll(mask, size[0] // 10, axis=0)
    with pytest.raises(photo.UnfillableHoleError, match="This model fills the hole of"):
        model([image], [mask])


def test_any_hole_is_fillable_by_default():
    anything = tf.constant(OTHERS["two"])
    assert Fillable().assertions(anything) == []
    assert Fillable().settle(anything) is anything
