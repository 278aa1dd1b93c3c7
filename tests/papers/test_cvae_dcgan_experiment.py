"""Killingbeck et al.'s experiment: presets, labels, losses, masks and whole runs."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import pipeline
from experiments.core import command_line, runner
from experiments.cvae_dcgan import training
from experiments.cvae_dcgan.config import PRESETS, Config, label
from experiments.cvae_dcgan.system import SYSTEM
from training import losses
from training.cvae_dcgan import WATCHED
from training.history import History

SHORT = {"limit": 20, "epochs": 1, "validation_images": 4, "batch_size": 8}


def make(preset="smoke", **options):
    return command_line.make(Config, PRESETS, preset, **options)


def batch(count=4, size=32):
    images = ((tiny.smooth(count, size) + 1) * 127.5).astype(np.uint8)
    batches = pipeline.training_batches(
        tiny.split_of(images), pipeline.reconstruction(), batch_size=count, seed=0
    )
    return next(iter(batches))


class TestPresets:
    def test_the_papers_two_systems_are_as_published(self):
        cvae, dcgan = make("cvae"), make("dcgan")
        assert make("paper") == dcgan
        for config in (cvae, dcgan):
            assert (config.image_size, config.latents, config.batch_size) == (
                64,
                512,
                100,
            )
            assert (config.reconstruction, config.crop) == ("l1", "none")
        assert (cvae.epochs, cvae.adversarial_weight) == (10, 0.0)
        assert (dcgan.epochs, dcgan.reconstruction_weight) == (30, 10.0)

    @pytest.mark.parametrize(
        ("preset", "parameters"),
        [("cvae", 443_491), ("dcgan", 973_443), ("dcgan_doubled", 982_723)],
    )
    def test_the_networks_have_the_published_parameters(self, preset, parameters):
        assert training.build_network(make(preset)).count_params() == parameters

    def test_every_preset_has_its_own_name(self):
        presets = [p for p in PRESETS if p not in ("paper", "cpu", "smoke")]
        names = [label(make(preset)) for preset in presets]
        assert len(set(names)) == len(names)
        assert dict(zip(presets, names)) == {
            "cvae": "CVAE",
            "dcgan": "DCGAN",
            "dcgan_doubled": "DCGAN, doubled",
            "cvae_kl": "CVAE, KL 0.00025",
            "cvae_256": "CVAE, 256 latents",
            "cvae_128": "CVAE, 128 latents",
            "cvae_64": "CVAE, 64 latents",
            "cvae_l2": "CVAE, l2",
            "cvae_ssim": "CVAE, ssim",
            "cvae_ms_ssim": "CVAE, ms_ssim",
            "cvae_l1_ssim": "CVAE, l1+ssim",
            "cvae_128px": "CVAE, 128 px",
        }
        assert label(make("paper")) == "DCGAN"
        assert label(make("cpu")) == "CVAE"

    @pytest.mark.parametrize(
        ("options", "named"),
        [
            ({"learning_rate": 2e-4}, "learning rate 0.0002"),
            (
                {"discriminator_learning_rate": 1e-4},
                "discriminator learning rate 0.0001",
            ),
            ({"beta_1": 0.9}, "beta_1 0.9"),
            ({"reconstruction_weight": 1.0}, "reconstruction weight 1"),
            ({"adversarial_weight": 0.1}, "adversarial weight 0.1"),
            ({"label_smoothing": 0.1}, "label smoothing 0.1"),
            ({"discriminator_updates": 2}, "2 discriminator updates"),
            ({"autoencoder_updates": 3}, "3 auto-encoder updates"),
            ({"epochs": 5}, "5 epochs"),
            ({"epochs": 1}, "1 epoch"),
            ({"seed": 1}, "seed 1"),
            (
                {"face_masks": "own", "mask_loss": True, "epochs": 5},
                "masked loss, 5 epochs",
            ),
        ],
    )
    def test_what_a_run_has_otherwise_is_in_its_name(self, options, named):
        assert label(make("dcgan", **options)) == f"DCGAN, {named}"

    @pytest.mark.parametrize(
        "options",
        [
            {"discriminator_learning_rate": 1e-4},
            {"discriminator_updates": 2, "autoencoder_updates": 2},
            {"label_smoothing": 0.1},
        ],
    )
    def test_what_no_discriminator_feels_is_not_named(self, options):
        assert label(make("cvae", **options)) == "CVAE"

    def test_each_system_is_published_with_its_own_length(self):
        lengths = [SYSTEM.published_length(make(name)) for name in ("cvae", "dcgan")]
        assert lengths == [10, 30]

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"generator": "vae"}, "generator must be one of"),
            ({"image_size": 50}, "multiple of 32"),
            ({"reconstruction": "l3"}, "--reconstruction must be one of"),
            ({"face_masks": "guess"}, "--face_masks must be one of"),
            ({"label_smoothing": 1.0}, "--label_smoothing must be in"),
            (
                {"discriminator_updates": 0},
                "--discriminator_updates must be at",
            ),
            ({"kl_weight": -1.0}, "--kl_weight must be at least 0"),
            (
                {"discriminator_learning_rate": -1.0},
                "--discriminator_learning_rate must be at least 0",
            ),
            ({"mask_loss": True}, "--mask_loss needs to know where faces are"),
            (
                {"mask_loss": True, "face_masks": "own", "shift": 2},
                "masks are not moved",
            ),
        ],
    )
    def test_what_cannot_be_is_said(self, options, said):
        with pytest.raises(ValueError, match=said):
            make(**options)


class TestLosses:
    @pytest.mark.parametrize("name", training.RECONSTRUCTIONS)
    def test_the_image_is_compared_as_told(self, name):
        config = make("cvae", reconstruction=name, reconstruction_weight=3.0)
        inputs, target = batch(size=64)
        outputs = training.build_network(config)(inputs, training=True)
        terms = training._terms(config, target, outputs)
        expected = 3.0 * training.RECONSTRUCTIONS[name](target, outputs["image"])
        np.testing.assert_allclose(terms["reconstruction"], expected, rtol=1e-5)
        assert set(terms) == {"reconstruction"}

    def test_divergence_counts_where_it_has_a_weight(self):
        config = make("cvae", kl_weight=0.5)
        inputs, target = batch(size=64)
        outputs = training.build_network(config)(inputs, training=True)
        expected = 0.5 * losses.kl(outputs["mean"], outputs["log_variance"])
        terms = training._terms(config, target, outputs)
        np.testing.assert_allclose(terms["kl"], expected, rtol=1e-5)

    def test_outside_the_mask_nothing_counts(self):
        config = make(mask_loss=True, face_masks="own")
        image = tf.random.stateless_uniform([2, 32, 32, 3], [0, 1])
        face = np.zeros([2, 32, 32, 1], np.float32)
        face[:, 8:24, 8:24] = 1
        target = {"image": image, "face_mask": tf.constant(face)}
        other = tf.where(face > 0, image, 1.0 - image)
        terms = training._terms(config, target, {"image": other})
        np.testing.assert_array_equal(terms["reconstruction"], [0, 0])
        terms = training._terms(config, target, {"image": image + 0.5 * face})
        # A quarter of the image is face.
        np.testing.assert_allclose(terms["reconstruction"], [1.25] * 2, rtol=1e-5)

    def test_smoothing_moves_the_label_of_real_images(self):
        inputs, target = batch()
        smoothed = training.build_trainer(make(label_smoothing=0.2))
        score = tf.constant([3.0])
        found = smoothed.discriminator_losses(score, score)["d_real"]
        p = 1 / (1 + np.exp(-3.0))
        expected = -0.8 * np.log(p) - 0.2 * np.log(1 - p)
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


class TestTraining:
    def test_without_a_discriminator_there_is_none(self):
        trainer = training.build_trainer(make(adversarial_weight=0.0))
        assert not hasattr(trainer, "discriminator")
        report = trainer.train_step(batch())
        assert set(report) == {"reconstruction"}

    def test_with_one_it_is_watched(self):
        report = training.build_trainer(make()).train_step(batch())
        assert set(report) == {
            "g_reconstruction", "g_adversarial", "d_real", "d_fake", *WATCHED
        }  # fmt: skip
        assert all(np.isfinite(float(value)) for value in report.values())

    @pytest.mark.parametrize("updates", [1, 2])
    def test_with_one_the_face_alone_may_be_reconstructed(self, updates):
        config = make(mask_loss=True, face_masks="own", discriminator_updates=updates)
        inputs, image = batch()
        face = np.zeros([4, 32, 32, 1], np.float32)
        face[:, 8:24, 8:24] = 1
        target = {"image": image, "face_mask": tf.constant(face)}
        trainer = training.build_trainer(config)
        before = trainer.discriminator.get_weights()
        report = trainer.train_step((inputs, target))
        assert all(np.isfinite(float(value)) for value in report.values())
        after = trainer.discriminator.get_weights()
        assert not all(np.array_equal(a, b) for a, b in zip(before, after))

    def test_each_network_has_its_own_rate(self):
        rates = {"learning_rate": 3e-4, "discriminator_learning_rate": 1e-4}
        trainer = training.build_trainer(make(**rates))
        found = [
            float(optimizer.learning_rate)
            for optimizer in (
                trainer.autoencoder_optimizer,
                trainer.discriminator_optimizer,
            )
        ]
        assert found == pytest.approx([3e-4, 1e-4])

    def test_one_batch_is_learned(self):
        trainer = training.build_trainer(
            make(adversarial_weight=0.0, generator="cvae", learning_rate=3e-3)
        )
        data = batch()
        step = tf.function(trainer.train_step)
        first = float(step(data)["reconstruction"])
        for _ in range(80):
            trainer.reset_metrics()
            last = float(step(data)["reconstruction"])
        assert last < 0.6 * first


def test_a_task_knows_where_faces_are():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones(
        [1, 8, 8, 3], np.uint8
    )
    masks = (np.arange(5) % 2).astype(np.uint8)[:, None, None, None] * np.ones(
        [1, 8, 8, 1], np.uint8
    )
    task = pipeline.with_faces(pipeline.reconstruction(), masks)
    batches = pipeline.training_batches(
        tiny.split_of(images), task, batch_size=5, seed=0
    )
    inputs, target = next(iter(batches))
    number = np.rint(255 * target["image"][:, 0, 0, 0].numpy())
    np.testing.assert_array_equal(target["face_mask"][:, 0, 0, 0], number % 2)
    assert set(inputs) == {"image", "key"}
    assert target["face_mask"].dtype == tf.float32


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"face_masks": "mediapipe"}, r"pip install \.\[face\]"),
        ({"face_masks": "files", "face_mask_dir": "nowhere"}, "nowhere"),
    ],
)
def test_faces_that_cannot_be_found_are_said_before_training(
    tmp_path, monkeypatch, options, said
):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    monkeypatch.setattr(runner, "train", lambda *_: pytest.fail("it has trained"))
    config = make(workdir=str(tmp_path / "run"), **SHORT, **options)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        runner.run(SYSTEM, config, "smoke")
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of whole runs: the CVAE, and a DCGAN that learns faces alone."""
    root = tmp_path_factory.mktemp("runs")
    options = {
        "dcgan": {"mask_loss": True, "discriminator_updates": 2},
        "cvae": {"adversarial_weight": 0.0, "generator": "cvae"},
    }
    return {
        name: runner.run(
            SYSTEM,
            make(workdir=str(root / name), face_masks="own", **SHORT, **changed),
            "smoke",
        )
        for name, changed in options.items()
    }


@pytest.mark.parametrize("name", ["dcgan", "cvae"])
def test_a_run_trains_evaluates_and_exports(runs, name):
    folder = runs[name]
    assert (folder.export / "saved_model.pb").exists()
    found = json.loads((folder.report / "results.json").read_text())
    ours = found["ours"][0]
    assert ours.startswith(name.upper())
    assert {"raw/l1_percent", "raw/ssim"} <= set(found["summary"][ours])
    last = History(folder.history).rows[-1]
    assert ("watched_accuracy" in last) == (name == "dcgan")
