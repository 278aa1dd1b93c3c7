"""The fused Adam takes the steps of Kingma & Ba's algorithm, and of Keras's."""

import numpy as np
import pytest
import tensorflow as tf

from training.optimizers import Adam

OPTIONS = {"learning_rate": 0.03, "beta_1": 0.5, "beta_2": 0.99}
GRADIENTS = np.random.default_rng(0).normal(size=(20, 5, 3)).astype(np.float32)


def steps(optimizer, variable, gradients=GRADIENTS):
    optimizer.build([variable])

    @tf.function
    def step(gradient):
        optimizer.apply_gradients([(gradient, variable)])

    for gradient in gradients:
        step(tf.constant(gradient))
    return variable.numpy()


def test_it_is_the_algorithm_of_kingma_and_ba():
    x, m, v = np.ones((5, 3)), 0.0, 0.0
    for t, g in enumerate(GRADIENTS.astype(np.float64), start=1):
        m, v = 0.5 * m + 0.5 * g, 0.99 * v + 0.01 * g**2
        x = x - 0.03 * np.sqrt(1 - 0.99**t) / (1 - 0.5**t) * m / (np.sqrt(v) + 1e-7)
    found = steps(Adam(**OPTIONS), tf.Variable(tf.ones((5, 3))))
    np.testing.assert_allclose(found, x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [Adam, tf.keras.optimizers.Adam])
def test_a_checkpoint_of_keras_goes_on(tmp_path, kind):
    whole = steps(Adam(**OPTIONS), tf.Variable(tf.ones((5, 3))))
    variable, first = tf.Variable(tf.ones((5, 3))), kind(**OPTIONS)
    steps(first, variable, GRADIENTS[:12])
    items = {"x": variable, "optimizer": first}
    path = tf.train.Checkpoint(**items).save(str(tmp_path / "checkpoint"))
    variable, second = tf.Variable(tf.zeros((5, 3))), Adam(**OPTIONS)
    second.build([variable])
    items = {"x": variable, "optimizer": second}
    tf.train.Checkpoint(**items).restore(path).assert_consumed()
    for gradient in GRADIENTS[12:]:
        second.apply_gradients([(tf.constant(gradient), variable)])
    np.testing.assert_allclose(variable.numpy(), whole, rtol=1e-5)


def test_two_replicas_step_as_one():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        variable, optimizer = tf.Variable(tf.ones((5, 3))), Adam(**OPTIONS)
        optimizer.build([variable])

    @tf.function
    def step(gradient):
        strategy.run(lambda: optimizer.apply_gradients([(gradient / 2, variable)]))

    for gradient in GRADIENTS:
        step(tf.constant(gradient))
    whole = steps(Adam(**OPTIONS), tf.Variable(tf.ones((5, 3))))
    for value in strategy.experimental_local_results(variable):
        np.testing.assert_allclose(value.numpy(), whole, rtol=1e-4)
