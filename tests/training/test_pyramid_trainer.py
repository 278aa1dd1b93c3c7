"""Algorithm 1's phases: what moves when, by which losses, however a run is cut."""

import collections
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny

from training import losses
from training.checkpoints import Checkpoints
from training.pyramid_cgan import Phase, PyramidTrainer, phase_at
from training.trainer import WeightAverage

SIZE, PATCH, CLASSES = 32, 16, 3
NETWORKS = ("generator", "discriminator", "classifier")
MOVING = {
    Phase.ALONE: {"generator"},
    Phase.JUDGES: {"discriminator", "classifier"},
    Phase.JOINT: set(NETWORKS),
}
# The phases of t = 0, 1, ... below.
T_G, T_D = 2, 1
PHASES = [Phase.ALONE] * T_G + [Phase.JUDGES] * (T_D + 1) + [Phase.JOINT] * 2
TOTAL = len(PHASES)
EVERY_TERM = {"g_reconstruction", "g_adversarial", "d_real", "d_fake"}
EVERY_TERM |= {"g_classification", "c_real", "c_fake"}


def judge(inputs, outputs, name):
    """A convolution of each input, normalized, and a dense layer."""
    features = []
    for image in inputs.values():
        x = tf.keras.layers.Conv2D(4, 8, strides=8)(image)
        x = tf.keras.layers.BatchNormalization(momentum=0.5)(x)
        features.append(tf.keras.layers.Flatten()(tf.keras.layers.LeakyReLU()(x)))
    x = features[0] if len(inputs) == 1 else tf.keras.layers.Concatenate()(features)
    return tf.keras.Model(inputs, tf.keras.layers.Dense(outputs)(x), name=name)


def plain_discriminator(*, local=True):
    sides = {"image": SIZE, "patch": PATCH} if local else {"image": SIZE}
    inputs = {name: tf.keras.Input((side, side, 3)) for name, side in sides.items()}
    return judge(inputs, 1, "discriminator")


def plain_classifier(classes=CLASSES):
    image = tf.keras.Input((SIZE, SIZE, 3))
    logits = judge({"image": image}, classes, "classifier")({"image": image})
    return tf.keras.Model(image, logits, name="classifier")


def build(
    *, local=True, classes=CLASSES, optimizer=tiny.sgd, ema=0.0, seed=0, **options
):
    """A trainer of plain networks; `classes` of 0 does without a classifier."""
    tf.keras.utils.set_random_seed(seed)
    generator = tiny.plain_generator(SIZE, normalized=True)
    trainer = PyramidTrainer(
        generator,
        plain_discriminator(local=local),
        plain_classifier(classes) if classes else None,
        average=WeightAverage(generator, ema) if ema else None,
        **{"generator_steps": T_G, "discriminator_steps": T_D, **options},
    )
    trainer.compile(optimizer)
    return trainer


def momentum():
    """An optimizer with a state to be restored."""
    return tiny.sgd(momentum=0.9)


def batch(count=4, seed=0):
    """(inputs, target); the holes M_g and M_d are 8x8, at these corners."""
    image = tiny.smooth(count, SIZE, seed)
    masks = np.zeros([2, count, SIZE, SIZE, 1], np.float32)
    for mask, (top, left) in zip(masks, ((2, 3), (20, 18))):
        mask[:, top : top + 8, left : left + 8] = 1
    labels = np.random.default_rng(seed).integers(0, 2, [count, CLASSES])
    inputs = {"image": np.where(masks[0] > 0, np.float32(0), image), "mask": masks[0]}
    target = {"image": image, "mask": masks[1], "labels": labels.astype(np.float32)}
    return inputs, target


# Around those holes, moved inside the image.
AROUND_HOLE = np.s_[:, 0:16, 0:16]
AROUND_PRETENDED = np.s_[:, 16:32, 14:30]


def dataset(start=0, stop=TOTAL, count=4):
    """The batches of these steps, all different."""
    data = tf.data.Dataset.from_tensor_slices(batch(count * TOTAL))
    return data.batch(count, True).skip(start).take(stop - start)


def fit(trainer, data, callbacks=()):
    return trainer.fit(data, verbose=0, callbacks=list(callbacks)).history


def step(trainer, phase, data=None):
    """A step of that phase, not compiled; returns its terms."""
    trainer.phase = phase
    trainer.reset_metrics()
    data = tf.nest.map_structure(tf.constant, data or batch())
    return {name: float(mean) for name, mean in trainer.train_step(data).items()}


def weights(trainer, *, trainable=True):
    """Network -> its weights, with moving statistics unless only trainable ones."""
    return {
        name: [
            weight.numpy()
            for weight in getattr(trainer, name).weights
            if weight.trainable or not trainable
        ]
        for name in trainer._networks
    }


def moved(before, after):
    """The networks of which any weight has changed."""
    return {
        name
        for name in before
        if any(not np.array_equal(a, b) for a, b in zip(before[name], after[name]))
    }


def state(trainer):
    """All that training depends on, name -> values."""
    parts = dict(trainer.checkpoint_items(), means=None)
    return {
        name: [value.numpy() for value in getattr(part, "variables", [part])]
        for name, part in parts.items()
        if part is not None
    }


class Recorder(tf.keras.callbacks.Callback):
    """Notes phases, terms and weights after each step; the first weights are before."""

    def __init__(self):
        super().__init__()
        self.phases, self.terms, self.trained, self.everything = [], [], [], []

    def on_train_begin(self, logs=None):
        self._note()

    def on_train_batch_end(self, batch, logs=None):
        self.phases.append(self.model.phase)
        self.terms.append(set(logs))
        self._note()

    def _note(self):
        self.trained.append(weights(self.model))
        self.everything.append(weights(self.model, trainable=False))


# Phases


@pytest.mark.parametrize(
    ("t_g", "t_d", "alone", "judges"),
    # The joint phase begins after T_g + T_d, not with it, as the algorithm prints ">".
    [(3, 4, 3, 5), (0, 0, 0, 1), (1, 0, 1, 1)],
)
def test_phases_begin_as_printed(t_g, t_d, alone, judges):
    expected = [Phase.ALONE] * alone + [Phase.JUDGES] * judges + [Phase.JOINT] * 2
    assert [phase_at(t, t_g, t_d) for t in range(len(expected))] == expected


@pytest.fixture(scope="module")
def crossing():
    """One `fit()` through all phases, then the same again, from its first step on."""
    trainer, recorder, traces = build(optimizer=momentum, ema=0.5), Recorder(), []
    once = trainer.train_step

    def counted(data):
        traces.append(trainer.phase)
        return once(data)

    trainer.train_step = counted
    fit(trainer, dataset(), [recorder])
    ended = state(trainer)
    for start in (0, 3):
        trainer.steps.assign(start)
        fit(trainer, dataset(start))
    return types.SimpleNamespace(recorder=recorder, ended=ended, traces=traces)


def test_each_phase_moves_its_networks_and_shows_what_was_computed(crossing):
    recorder = crossing.recorder
    assert recorder.phases == PHASES
    assert crossing.ended["steps"] == [TOTAL]
    for t, phase in enumerate(PHASES):
        assert moved(*recorder.trained[t : t + 2]) == MOVING[phase], t
        alone = phase is Phase.ALONE
        assert recorder.terms[t] == ({"g_reconstruction"} if alone else EVERY_TERM)
    # In the first one not even the judges' moving statistics move.
    assert moved(recorder.everything[0], recorder.everything[T_G]) == {"generator"}
    assert moved(*recorder.everything[T_G : T_G + 2]) >= MOVING[Phase.JUDGES]
    # Each phase is compiled once, whatever is fitted.
    assert crossing.traces == list(Phase)


def test_a_run_that_was_cut_within_phases_ends_as_one_that_was_not(crossing, tmp_path):
    first = build(optimizer=momentum, ema=0.5)
    recorders = [Recorder() for _ in range(3)]
    fit(first, dataset(0, 1), recorders[:1])
    fit(first, dataset(1, 3), recorders[1:2])
    Checkpoints(first.checkpoint_items(), tmp_path).save()

    second = build(optimizer=momentum, ema=0.5, seed=1)
    assert Checkpoints(second.checkpoint_items(), tmp_path).restore()
    fit(second, dataset(3), recorders[2:])
    assert [phase for recorder in recorders for phase in recorder.phases] == PHASES
    ended = state(second)
    assert ended.keys() == crossing.ended.keys() > {"average", "steps", *NETWORKS}
    for name, values in crossing.ended.items():
        assert len(values) == len(ended[name]) > 0
        for mine, other in zip(ended[name], values):
            np.testing.assert_array_equal(mine, other, err_msg=name)


# What each network learns from


def by_hand(trainer, names, losses_of, *, local=True):
    """Network -> its gradients of a loss, all at the trainer's present weights.

    Args:
      trainer: Left as it is.
      names: Of the networks.
      losses_of: Outputs of the networks on `batch` -> {network: loss}.
      local: Whether the discriminator sees patches.
    """
    inputs, target = batch()
    real = target["image"]
    classify = trainer.classifier
    found, before = {}, weights(trainer, trainable=False)

    def score(image, around):
        views = {"image": image, "patch": image[around]} if local else {"image": image}
        return trainer.discriminator(views, training=True)

    for name in names:
        for network, values in before.items():  # passes move statistics
            getattr(trainer, network).set_weights(values)
        with tf.GradientTape() as tape:
            fake = trainer.generator(inputs, training=True)
            outputs = types.SimpleNamespace(
                real=real,
                fake=fake,
                hole=inputs["mask"],
                labels=target["labels"],
                d_real=score(real, AROUND_PRETENDED),
                d_fake=score(fake, AROUND_HOLE),
                c_real=classify(real, training=True),
                c_fake=classify(fake, training=trainer.classifier_on_fake),
            )
            loss = losses_of(outputs)[name]
        trained = getattr(trainer, name).trainable_weights
        found[name] = [gradient.numpy() for gradient in tape.gradient(loss, trained)]
    for network, values in before.items():
        getattr(trainer, network).set_weights(values)
    return found


def assert_gradients(trainer, phase, expected):
    """That a step of gradient descent is by these gradients; others do not move."""
    before = weights(trainer)
    step(trainer, phase)
    after = weights(trainer)
    assert moved(before, after) == MOVING[phase]
    for name in MOVING[phase]:
        steps = [a - b for a, b in zip(before[name], after[name])]
        largest = max(abs(gradient).max() for gradient in expected[name])
        for mine, gradient in zip(steps, expected[name]):
            np.testing.assert_allclose(mine, gradient, rtol=0, atol=1e-5 * largest)


softplus = tf.math.softplus


def told(labels, logits):
    """Equations 4 and 5: minus the log-likelihood of the labels."""
    return tf.reduce_mean(softplus(logits) - labels * logits)


OPTIONS = ("reconstruction_weight", "adversarial_weight", "classification_weight")


@pytest.mark.parametrize(
    ("phase", "on_fake", "local", "factors"),
    [
        (Phase.JUDGES, False, True, None),
        (Phase.JUDGES, True, False, None),
        (Phase.JOINT, False, True, None),
        (Phase.JOINT, True, True, (0.5, 1, 1)),
    ],
)
def test_the_losses_are_those_of_the_equations_at_one_point(
    phase, on_fake, local, factors
):
    options = dict(zip(OPTIONS, factors or ()))
    reconstruction, adversarial, classification = factors or (1, 4e-4, 1e-3)
    trainer = build(
        optimizer=lambda: tiny.sgd(1.0),
        classifier_on_fake=on_fake,
        local=local,
        **options,
    )

    def losses_of(x):
        hole = tf.reduce_mean(x.hole * (x.real - x.fake) ** 2)
        c_real, c_fake = (told(x.labels, logits) for logits in (x.c_real, x.c_fake))
        return {
            "generator": reconstruction * hole
            + adversarial * tf.reduce_mean(softplus(-x.d_fake))
            + classification * c_fake,
            "discriminator": tf.reduce_mean(softplus(-x.d_real) + softplus(x.d_fake)),
            "classifier": c_real + c_fake if on_fake else c_real,
        }

    expected = by_hand(trainer, NETWORKS, losses_of, local=local)
    assert_gradients(trainer, phase, expected)


@pytest.mark.parametrize("reconstruction", [1.0, 0.0])
def test_alone_the_generator_learns_from_one_loss(reconstruction):
    """The reconstruction, or where there is none, as printed, the adversarial loss."""
    trainer = build(
        optimizer=lambda: tiny.sgd(1.0),
        reconstruction_weight=reconstruction,
        adversarial_weight=1.0,
    )

    def losses_of(x):
        loss = tf.reduce_mean(softplus(-x.d_fake))
        if reconstruction:
            loss = tf.reduce_mean(x.hole * (x.real - x.fake) ** 2)
        return {"generator": loss}

    expected = by_hand(trainer, ["generator"], losses_of)
    assert_gradients(trainer, Phase.ALONE, expected)
    (only,) = step(trainer, Phase.ALONE)
    assert only == ("g_reconstruction" if reconstruction else "g_adversarial")
    every = EVERY_TERM if reconstruction else EVERY_TERM - {"g_reconstruction"}
    assert step(trainer, Phase.JUDGES).keys() == every


@pytest.mark.parametrize("on_fake", [False, True])
def test_restored_images_move_the_classifiers_statistics_only_if_told_to(on_fake):
    after = []
    for scale in (1.0, -2.0):  # two generators that draw differently
        trainer = build(classifier_on_fake=on_fake)
        drawn = [scale * weight for weight in trainer.generator.get_weights()]
        trainer.generator.set_weights(drawn)
        step(trainer, Phase.JOINT)
        after.append({"classifier": trainer.classifier.get_weights()})
    assert bool(moved(*after)) == on_fake


@pytest.mark.parametrize("phase", Phase)
def test_no_network_makes_a_pass_that_is_not_needed(phase):
    trainer, passes = build(), collections.Counter()
    for name in NETWORKS:
        network = getattr(trainer, name)

        def call(*args, name=name, original=network.call, **kwargs):
            passes[name] += 1
            return original(*args, **kwargs)

        network.call = call
    step(trainer, phase)
    judged = {} if phase is Phase.ALONE else dict.fromkeys(NETWORKS[1:], 2)
    assert passes == {"generator": 1, **judged}


# Labels


def test_without_a_classifier_the_discriminator_has_its_phase_alone(tmp_path):
    def without_labels(inputs, target):
        return inputs, {name: target[name] for name in ("image", "mask")}

    trainer, recorder = build(classes=0), Recorder()
    fit(trainer, dataset().map(without_labels), [recorder])
    assert recorder.phases == PHASES
    for t, phase in enumerate(PHASES):
        found = moved(*recorder.trained[t : t + 2])
        assert found == MOVING[phase] - {"classifier"}
    shown = {"g_reconstruction", "g_adversarial", "d_real", "d_fake"}
    assert recorder.terms[-1] == shown
    items = trainer.checkpoint_items()
    assert not [name for name in items if name.startswith("classifier")]
    Checkpoints(items, tmp_path).save()
    assert Checkpoints(build(classes=0).checkpoint_items(), tmp_path).restore()


def test_one_class_of_several_may_be_right():
    trainer = build(classes=4, label_loss=losses.multi_class)
    inputs, target = batch()
    target["labels"] = np.array([3, 0, 1, 3], np.int32)
    logits = trainer.classifier(target["image"], training=True).numpy()
    likelihood = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(likelihood[range(4), target["labels"]]).mean()
    before = weights(trainer)
    terms = step(trainer, Phase.JOINT, (inputs, target))
    assert terms["c_real"] == pytest.approx(expected, rel=1e-5)
    assert moved(before, weights(trainer)) == set(NETWORKS)
