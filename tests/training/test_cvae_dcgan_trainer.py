"""The adversarial autoencoder trainer, and what it reports of its discriminator."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import pipeline
from training import losses
from training.cvae_dcgan import WATCHED, AdversarialAutoencoderTrainer

SIZE = 16


@pytest.fixture(autouse=True)
def seeded():
    tf.keras.utils.set_random_seed(0)


def autoencoder():
    """A number a pixel's neighborhood, with noise that the key draws."""
    image = tf.keras.Input((SIZE, SIZE, 3), name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    code = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same")(image)
    noise = tf.keras.layers.Lambda(
        lambda pair: pair[0]
        + 0.1 * tf.random.stateless_normal(tf.shape(pair[0]), pair[1][0])
    )([code, key])
    drawn = tf.keras.layers.Conv2DTranspose(3, 3, strides=2, padding="same")(noise)
    return tf.keras.Model({"image": image, "key": key}, {"image": drawn})


def judge():
    image = tf.keras.Input((SIZE, SIZE, 3), name="image")
    key = tf.keras.Input((2,), dtype="int32", name="key")
    x = tf.keras.layers.Conv2D(4, 3, strides=4)(image)
    x = tf.keras.layers.Dense(1)(tf.keras.layers.Flatten()(x))
    logit = tf.keras.layers.Reshape(())(x)
    return tf.keras.Model({"image": image, "key": key}, logit)


def scored(built, image, inputs):
    return built.discriminator({"image": image, "key": inputs["key"]})


def image_of(target):
    return target["image"] if isinstance(target, dict) else target


def trainer(d_rate=1e-2, g_rate=1e-2, **options):
    built = AdversarialAutoencoderTrainer(
        autoencoder(),
        judge(),
        autoencoder_losses=lambda target, outputs, score: {
            "g_l1": 10 * losses.l1(image_of(target), outputs["image"]),
            "g_adversarial": losses.cross_entropy_to(score, 1.0),
        },
        discriminator_losses=lambda real, fake: {
            "d_real": losses.cross_entropy_to(real, 1.0),
            "d_fake": losses.cross_entropy_to(fake, 0.0),
        },
        **options,
    )
    built.compile(
        tf.keras.optimizers.SGD(g_rate),
        tf.keras.optimizers.SGD(d_rate),
        terms=("g_l1", "g_adversarial", "d_real", "d_fake"),
    )
    return built


def batch(count=4):
    images = ((tiny.smooth(count, SIZE) + 1) * 127.5).astype(np.uint8)
    batches = pipeline.training_batches(
        tiny.split_of(images), pipeline.reconstruction(), batch_size=count, seed=0
    )
    return next(iter(batches))


def test_the_step_is_that_of_both_gradients_at_one_point():
    built, (inputs, target) = trainer(), batch()
    with tf.GradientTape(persistent=True) as tape:
        image = built.autoencoder(inputs, training=True)["image"]
        real, fake = scored(built, target, inputs), scored(built, image, inputs)
        d_loss = tf.reduce_mean(
            losses.cross_entropy_to(real, 1.0) + losses.cross_entropy_to(fake, 0.0)
        )
        g_loss = tf.reduce_mean(
            10 * losses.l1(target, image) + losses.cross_entropy_to(fake, 1.0)
        )
    networks = (built.autoencoder, built.discriminator)
    expected = [
        [w - 1e-2 * tape.gradient(loss, w) for w in network.trainable_variables]
        for network, loss in zip(networks, (g_loss, d_loss))
    ]
    before = [network.get_weights() for network in networks]
    built.train_step((inputs, target))
    assert int(built.steps) == 1
    for network, weights, old in zip(networks, expected, before):
        assert max(abs(a - b).max() for a, b in zip(network.get_weights(), old)) > 1e-5
        for weight, wanted in zip(network.trainable_variables, weights):
            np.testing.assert_allclose(weight, wanted, atol=1e-6)


@pytest.mark.parametrize("which", ["autoencoder_updates", "discriminator_updates"])
def test_the_discriminator_sees_nothing_outside_the_face(which):
    inputs, target = batch()
    face = np.zeros([4, SIZE, SIZE, 1], np.float32)
    face[:, 4:12, 4:12] = 1
    # Outside the face both images are what they like.
    spoiled = tf.where(face > 0, target, 0.9)
    moved = []
    for image in (target, spoiled):
        tf.keras.utils.set_random_seed(0)
        # The autoencoder stands still, so that it is the discriminator alone.
        built = trainer(**{which: 2}, g_rate=0.0)
        built.train_step((inputs, {"image": image, "face_mask": tf.constant(face)}))
        moved.append(built.discriminator.get_weights())
    for one, other in zip(*moved):
        np.testing.assert_array_equal(one, other)
    tf.keras.utils.set_random_seed(0)
    built = trainer(**{which: 2}, g_rate=0.0)
    built.train_step((inputs, target))
    assert any(
        np.abs(a - b).max() > 1e-5
        for a, b in zip(moved[0], built.discriminator.get_weights())
    )


@pytest.mark.parametrize("which", ["autoencoder", "discriminator"])
def test_more_updates_move_their_network_alone_and_farther(which):
    once, thrice = trainer(), trainer(**{f"{which}_updates": 3})
    thrice.autoencoder.set_weights(once.autoencoder.get_weights())
    thrice.discriminator.set_weights(once.discriminator.get_weights())
    starts = {
        name: getattr(once, name).get_weights()
        for name in ("autoencoder", "discriminator")
    }
    once.train_step(batch())
    thrice.train_step(batch())

    def distance(built, name):
        pairs = zip(starts[name], getattr(built, name).get_weights())
        return sum(np.square(a - b).sum() for a, b in pairs)

    other = {"autoencoder": "discriminator", "discriminator": "autoencoder"}[which]
    assert distance(thrice, which) > 2 * distance(once, which)
    assert distance(thrice, other) == pytest.approx(distance(once, other), rel=1e-5)


def test_what_is_watched_is_what_the_discriminator_thinks():
    built, (inputs, target) = trainer(), batch()
    image = built.autoencoder(inputs, training=True)["image"]
    # Right about half of the real images.
    bias = built.discriminator.trainable_variables[-1]
    bias.assign_sub([np.median(scored(built, target, inputs))])
    real, fake = (scored(built, x, inputs).numpy() for x in (target, image))
    report = {
        name: float(value) for name, value in built.train_step((inputs, target)).items()
    }
    assert set(WATCHED) < set(report)
    d_real, d_fake = (1 / (1 + np.exp(-logits)) for logits in (real, fake))
    expected = {
        "watched_log_real": np.log(d_real),
        "watched_log_fake": np.log(1 - d_fake),
        "watched_log_d_fake": np.log(d_fake),
        "watched_accuracy": ((real > 0) * 0.5 + (fake < 0) * 0.5),
        "d_real": -np.log(d_real),
    }
    for name, values in expected.items():
        assert report[name] == pytest.approx(np.mean(values), rel=1e-4)
    assert report["watched_gradient_norm"] > 0
