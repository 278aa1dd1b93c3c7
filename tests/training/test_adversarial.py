"""The adversarial trainer: what moves, by how much, on one device and on two."""

import collections
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny

from models import skip_inpainting
from training import strategy
from training.adversarial import see_composite
from training.trainer import WeightAverage

STEPS = 3


@pytest.fixture(autouse=True)
def seeded():
    tf.keras.utils.set_random_seed(0)


def adam(learning_rate=3e-3):
    return tf.keras.optimizers.Adam(learning_rate, 0.5)


def build(seed=0, **options):
    """A trainer whose weights the seed decides."""
    tf.keras.utils.set_random_seed(seed)
    return tiny.trainer(**options)


def dataset(batches=STEPS, count=4):
    """Different batches, as `fit` takes them."""
    inputs, target = tiny.batch(batches * count)
    return tf.data.Dataset.from_tensor_slices((inputs, target)).batch(count, True)


def fit(trainer, data=None, epochs=1):
    return trainer.fit(data or dataset(), epochs=epochs, verbose=0).history


def step(trainer, data=None):
    """The steps of `fit`, without compiling them; returns the terms' means."""
    trainer.reset_metrics()
    for batch in data or dataset():
        terms = trainer.train_step(batch)
    return {name: float(mean) for name, mean in terms.items()}


def values(network):
    return [weight.numpy() for weight in network.trainable_variables]


def moved(before, network):
    """How far a network's weights are from those before, as one norm."""
    after = values(network)
    return np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(after, before)))


def assert_equal(left, right, tolerance=0.0):
    assert len(left) == len(right) > 0
    for a, b in zip(left, right):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def test_one_batch_is_memorized():
    trainer = build(
        generator=tiny.published_generator(), optimizer=adam, adversarial=0.001
    )
    data = dataset(1).repeat(60)
    losses = [fit(trainer, data)["g_reconstruction"][-1] for _ in range(2)]
    inputs, target = tiny.batch(4)
    final = np.square(trainer(inputs, training=True) - target).mean()
    untrained = np.square(target - target.mean(axis=(0, 1, 2))).mean()
    assert final < untrained / 20
    assert losses[1] < losses[0]


def test_the_reported_terms_are_means_over_the_epoch():
    trainer = build(optimizer=lambda: tiny.sgd(0.0))
    data = dataset()
    single = [step(trainer, data.skip(i).take(1)) for i in range(STEPS)]
    history = fit(trainer, data, epochs=2)  # the second epoch forgets the first
    for name, epochs in history.items():
        mean = np.mean([terms[name] for terms in single])
        np.testing.assert_allclose(epochs, [mean, mean], rtol=1e-5)


def test_the_gradients_are_those_of_the_two_losses_at_one_point():
    trainer = build(optimizer=lambda: tiny.sgd(1.0))
    networks = (trainer.generator, trainer.discriminator)
    (inputs, target) = next(iter(dataset(1)))
    expected = []
    for network, side in zip(networks, ("generator", "discriminator")):
        with tf.GradientTape() as tape:
            fake = trainer.generator(inputs, training=True)
            real_score = trainer.discriminator(target, training=True)
            fake_score = trainer.discriminator(fake, training=True)
            if side == "generator":
                loss = tf.reduce_mean((fake - target) ** 2)
                loss += 0.1 * tf.reduce_mean((fake_score - 1) ** 2)
            else:
                loss = 0.5 * tf.reduce_mean((real_score - 1) ** 2)
                loss += 0.5 * tf.reduce_mean(fake_score**2)
        weights = network.trainable_variables
        gradients = tape.gradient(loss, weights)
        expected.append([(w - g).numpy() for w, g in zip(weights, gradients)])
    step(trainer, dataset(1))
    for network, weights in zip(networks, expected):
        assert_equal(values(network), weights, 1e-6)


def test_a_step_runs_the_generator_once_and_the_discriminator_twice(monkeypatch):
    trainer = build()
    calls = collections.Counter()

    def counted(owner, name, label):
        original = getattr(owner, name)

        def call(*args, **kwargs):
            calls[label] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    counted(trainer, "train_step", "steps")
    counted(trainer.generator, "call", "generator")
    counted(trainer.discriminator, "call", "discriminator")
    fit(trainer)
    assert calls["steps"] > 0
    assert calls["generator"] == calls["steps"]
    assert calls["discriminator"] == 2 * calls["steps"]


@pytest.fixture(scope="module")
def two_devices():
    return strategy.make(2)


def test_two_replicas_take_the_step_that_one_would(two_devices):
    def optimizer():
        return tiny.sgd(0.2, global_clipnorm=0.05)

    alone = build(optimizer=optimizer)
    before = values(alone.generator)
    with two_devices.scope():
        together = build(optimizer=optimizer)
    assert_equal(values(together.generator), before)
    histories = fit(alone), fit(together)
    assert together.steps.numpy() == STEPS
    for name in ("generator", "discriminator"):
        one, two = getattr(alone, name), getattr(together, name)
        assert_equal(values(two), values(one), 1e-6)
        for weight in two.weights:
            first, second = two_devices.experimental_local_results(weight)
            np.testing.assert_array_equal(first, second)
    assert moved(before, alone.generator) > 0.01  # a step that would show a difference
    for term, mean in histories[0].items():
        np.testing.assert_allclose(histories[1][term], mean, rtol=1e-5)


@pytest.mark.parametrize("replicas", [1, 2])
def test_the_average_follows_its_recursion(request, replicas):
    devices = tf.distribute.get_strategy()
    if replicas == 2:
        devices = request.getfixturevalue("two_devices")
    with devices.scope():
        network = tiny.plain_generator(normalized=True)
        trainer = build(generator=network, ema=0.3)
    expected = network.get_weights()
    assert len(expected) > len(network.trainable_variables)  # moving statistics
    for steps in range(1, 5):
        fit(trainer, dataset(1))
        # 2/11, 3/12, then 0.3: the warm-up and what follows it.
        keep = min(0.3, (1 + steps) / (10 + steps))
        expected = [
            keep * average + (1 - keep) * weight
            for average, weight in zip(expected, network.get_weights())
        ]
    assert_equal([value.numpy() for value in trainer.average.values], expected, 1e-6)
    copy = tiny.plain_generator(normalized=True)
    trainer.average.copy_to(copy)
    assert_equal(copy.get_weights(), expected, 1e-6)
    for average, weight in zip(expected, network.get_weights()):
        assert not np.allclose(average, weight, atol=1e-6)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_is_an_error(decay):
    with pytest.raises(ValueError, match=r"--ema_decay must be in \[0, 1\); got"):
        WeightAverage(tiny.plain_generator(), decay)


def test_a_clipped_step_is_no_longer_than_the_norm():
    steps = {}
    for norm in (None, 0.01):
        trainer = build(optimizer=lambda norm=norm: tiny.sgd(1.0, global_clipnorm=norm))
        networks = (trainer.generator, trainer.discriminator)
        before = [values(network) for network in networks]
        step(trainer, dataset(1))
        steps[norm] = [moved(*pair) for pair in zip(before, networks)]
    assert min(steps[None]) > 0.05
    np.testing.assert_allclose(steps[0.01], 0.01, rtol=1e-3)


@pytest.mark.parametrize("model", [1, 3])
def test_mixed_bfloat16_has_losses_in_float32_and_learns(model):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    options = {"image_size": tiny.SIZE, "widths": (8, 8, 16)}
    generator = skip_inpainting.build_generator(model, **options)
    trainer = build(generator=skip_inpainting.build_inpainter(generator))
    inputs, target = next(iter(dataset(1)))
    restored, score = trainer(inputs), trainer.discriminator(target)
    terms = {
        **trainer.generator_losses(target, restored, score, inputs),
        **trainer.discriminator_losses(score, score),
    }
    kinds = {(term.dtype, tuple(term.shape)) for term in terms.values()}
    assert kinds == {(tf.float32, (4,))}
    assert all(np.isfinite(value).all() for value in fit(trainer).values())
    if model == 1:  # the known pixels of a patch network never leave float32
        known = inputs["mask"].numpy()[..., 0] == 0
        np.testing.assert_array_equal(restored.numpy()[known], target.numpy()[known])


def test_inference_is_as_good_as_batch_statistics_after_training():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    options = {"optimizer": adam, "adversarial": 0.001}
    trainer = build(generator=tiny.published_generator(), **options)
    data = dataset(8, 8)
    fit(trainer, data, epochs=12)
    inputs, target = tiny.batch(64)
    errors = {
        training: np.abs(trainer.generator(inputs, training=training) - target).mean()
        for training in (True, False)
    }
    assert errors[False] < 1.25 * errors[True]
    assert errors[True] < np.abs(target).mean() / 2  # it has learned something


def test_output_losses_are_of_the_output_and_the_others_of_the_view():
    trainer = build()
    trainer.view = see_composite
    trainer.output_losses = lambda target, output, inputs: {
        "g_known": tf.reduce_mean(
            (1.0 - inputs["mask"]) * tf.abs(target - output), axis=[1, 2, 3]
        )
    }
    trainer.compile(tiny.sgd(), tiny.sgd())
    inputs, target = tiny.batch(4)
    output = trainer.generator(inputs, training=True).numpy()
    missing = np.broadcast_to(inputs["mask"] > 0, target.shape)
    difference = target - output
    terms = step(trainer, [(inputs, target)])
    expected = np.abs(difference)[~missing].sum() / difference.size
    np.testing.assert_allclose(terms["g_known"], expected, rtol=1e-5)
    expected = np.square(difference)[missing].sum() / difference.size
    np.testing.assert_allclose(terms["g_reconstruction"], expected, rtol=1e-5)


# In a process of its own: XLA compiles for one device, and here are two.
COMPILED = """
import sys
import numpy as np
import tensorflow as tf
sys.path.insert(0, sys.argv[1])
import tiny

def weights_after(jit_compile):
    tf.keras.utils.set_random_seed(0)
    trainer = tiny.trainer(tiny.published_generator())
    trainer.compile(tiny.sgd(), tiny.sgd(), jit_compile=jit_compile)
    trainer.fit(tf.data.Dataset.from_tensors(tiny.batch(4)), verbose=0)
    return [weight.numpy() for weight in trainer.generator.weights]

for plain, compiled in zip(weights_after(False), weights_after(True)):
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-5)
"""


def test_a_compiled_step_is_the_same_step():
    here = pathlib.Path(__file__).parents[1]
    result = subprocess.run(
        [sys.executable, "-c", COMPILED, str(here)],
        capture_output=True,
        text=True,
        cwd=here.parent,
    )
    assert result.returncode == 0, result.stderr
