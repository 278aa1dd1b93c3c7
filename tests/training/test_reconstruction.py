"""The trainer of an autoencoder alone, plain and with a price on its latents."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import pipeline
from models.compression import FactorizedPrior, Quantization
from training import losses
from training.reconstruction import ReconstructionTrainer

SIZE = 16


@pytest.fixture(autouse=True)
def seeded():
    tf.keras.utils.set_random_seed(0)


def autoencoder(price=0.0):
    """Two convolutions around a bottleneck of 8x8x4, with its price in bits."""
    image = tf.keras.Input((SIZE, SIZE, 3), name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    x = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)
    outputs = {}
    if price:
        x = Quantization()([8 * x, key])
        outputs["bits"] = FactorizedPrior()(x)
    x = tf.keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same")(x)
    inputs = {"image": image, "key": key}
    return tf.keras.Model(inputs, {"image": x, **outputs})


def trainer(price=0.0, learning_rate=3e-3):
    def terms(target, outputs):
        found = {"distortion": losses.l2(target, outputs["image"])}
        if price:
            found["rate"] = price * outputs["bits"]
        return found

    built = ReconstructionTrainer(
        autoencoder(price),
        losses=terms,
        terms=["distortion", *(["rate"] * bool(price))],
    )
    built.compile(tf.keras.optimizers.Adam(learning_rate))
    return built


def dataset(count=8, start_step=0):
    images = ((tiny.smooth(count, SIZE) + 1) * 127.5).astype(np.uint8)
    return pipeline.training_batches(
        tiny.split_of(images),
        pipeline.reconstruction(),
        batch_size=4,
        seed=0,
        start_step=start_step,
    )


def fit(built, steps, start_step=0):
    return built.fit(
        dataset(start_step=start_step), steps_per_epoch=steps, verbose=0
    ).history


@pytest.mark.parametrize("price", [0.0, 1e-6])
def test_it_learns_to_return_what_it_is_given(price):
    built = trainer(price)
    first, last = fit(built, 5), fit(built, 150)
    later = fit(built, 5)
    assert set(last) == ({"distortion", "rate"} if price else {"distortion"})
    assert later["distortion"][0] < first["distortion"][0] / 5
    assert built.steps.numpy() == 160


def test_a_run_that_resumes_sees_the_noise_it_would_have_seen():
    whole, parts = trainer(1e-5), trainer(1e-5)
    parts.autoencoder.set_weights(whole.autoencoder.get_weights())
    fit(whole, 4)
    fit(parts, 2)
    fit(parts, 2, start_step=2)
    for a, b in zip(whole.autoencoder.weights, parts.autoencoder.weights):
        np.testing.assert_array_equal(a, b)
