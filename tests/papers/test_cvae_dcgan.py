"""Killingbeck et al.: presets, names, losses, training on faces alone."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_papers

from data_pipeline import pipeline
from experiments.core import runner
from experiments.core.folder import RunFolder
from experiments.cvae_dcgan import training
from experiments.cvae_dcgan.config import PRESETS, label
from experiments.cvae_dcgan.system import SYSTEM
from serving.export import latents
from training import losses
from training.cvae_dcgan import WATCHED


def make(preset="smoke", **options):
    return tiny_papers.configure(SYSTEM, preset, **options)


def batch(count=4, size=32):
    images = ((tiny.smooth(count, size) + 1) * 127.5).astype(np.uint8)
    batches = pipeline.training_batches(
        tiny.split_of(images), pipeline.reconstruction(), batch_size=count, seed=0
    )
    return next(iter(batches))


def square(count):
    """Masks of a face that is a quarter of an image of 32 px."""
    face = np.zeros([count, 32, 32, 1], np.float32)
    face[:, 8:24, 8:24] = 1
    return tf.constant(face)


class TestPresets:
    def test_the_papers_two_systems_are_as_published(self):
        cvae, dcgan = make("cvae"), make("dcgan")
        assert make("paper") == dcgan
        for config, epochs, adversarial, reconstruction in (
            (cvae, 10, 0, 1),
            (dcgan, 30, 1, 10),
        ):
            assert (config.reconstruction, config.crop) == ("l1", "none")
            assert (config.resize, config.split_by) == ("bilinear", "order")
            assert SYSTEM.published_length(config) == config.epochs == epochs
            assert config.adversarial_weight == adversarial
            assert config.reconstruction_weight == reconstruction

    @pytest.mark.parametrize(
        ("preset", "parameters"),
        [("cvae", 443_491), ("dcgan", 973_443), ("dcgan_doubled", 982_723)],
    )
    def test_the_networks_have_the_published_parameters(self, preset, parameters):
        assert training.build_network(make(preset)).count_params() == parameters

    def test_every_preset_has_its_own_name(self):
        # Those of LFW have the same networks and other pictures.
        others = ("paper", "cpu", "smoke", "cvae_lfw", "dcgan_lfw")
        presets = [p for p in PRESETS if p not in others]
        names = {preset: label(make(preset)) for preset in presets}
        assert len(set(names.values())) == len(presets)
        for preset, name in (
            ("cvae", "CVAE"), ("dcgan", "DCGAN"), ("dcgan_doubled", "DCGAN, doubled"),
            ("cvae_kl", "CVAE, KL 0.00025"), ("cvae_256", "CVAE, 256 latents"),
            ("cvae_l1_ssim", "CVAE, l1+ssim"), ("cvae_128px", "CVAE, 128 px"),
            ("dcgan_weight_1", "DCGAN, reconstruction weight 1"),
            ("dcgan_weight_255", "DCGAN, reconstruction weight 255"),
        ):  # fmt: skip
            assert names[preset] == name

    def test_what_a_run_has_otherwise_is_in_its_name(self):
        assert label(make("cpu")) == "CVAE"
        for options, named in (
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
            ({"epochs": 1, "seed": 1}, "1 epoch, seed 1"),
            ({"face_masks": "own", "mask_loss": True}, "masked loss"),
        ):
            assert label(make("dcgan", **options)) == f"DCGAN, {named}"
        options = {"face_masks": "own", "batch_size": 9, "ema_decay": 0.9}
        assert label(make("dcgan", **options)) == "DCGAN"
        # What only a discriminator feels.
        options = {"discriminator_learning_rate": 1e-4, "label_smoothing": 0.1}
        updates = {"discriminator_updates": 2, "autoencoder_updates": 2}
        assert label(make("cvae", **options, **updates)) == "CVAE"

    def test_the_weights_are_the_papers_the_plain_one_and_that_of_levels(self):
        presets = ("dcgan_weight_1", "dcgan", "dcgan_weight_255")
        weights = [make(preset).reconstruction_weight for preset in presets]
        assert weights == [1.0, 10.0, 255.0]

    def test_lfw_is_framed_as_celeba_is(self):
        for preset, like in (("cvae_lfw", "cvae"), ("dcgan_lfw", "dcgan")):
            config = make(preset)
            assert (config.dataset, config.crop) == ("lfw", "200")
            assert label(config) == label(make(like))

    def test_the_wide_network_is_not_called_the_papers(self):
        config = make("cvae_wide")
        assert SYSTEM.published_length(config) is None
        assert SYSTEM.published_length(make("cvae")) == 10
        (said,) = SYSTEM.statements(config, None)
        assert "ours, not the paper's" in said
        assert not SYSTEM.statements(make("cvae"), None)
        (listed,) = (text for text in SYSTEM.departures if "cvae_wide" in text)
        assert "not the paper's" in listed


class TestDepartures:
    @pytest.mark.parametrize(
        "decision",
        [
            "ReLU between layers and a sigmoid", "max-pool", "a guess", "Adam",
            "'a simple Convolutional Neural Network'", "KL divergence", "10:1",
            "image_dataset_from_directory", "Which MS-SSIM", "come from a key",
            "which images they are multiplied with", "divides by the mask's area",
        ],
    )  # fmt: skip
    def test_every_decision_is_in_them(self, decision):
        assert any(decision in text for text in SYSTEM.departures)

    def test_published_values_are_what_the_paper_says(self):
        published = {
            field.name: field.metadata["published"]
            for field in dataclasses.fields(SYSTEM.config_class)
        }
        for name in ("autoencoder_updates", "discriminator_updates", "crop"):
            assert published[name] == "not stated"
        assert published["image_size"] == "64" and published["latents"] == "512"


class TestEarlierRuns:
    def test_their_images_were_resized_otherwise(self):
        old = dataclasses.asdict(make("cvae", dataset="lfw"))
        del old["resize"]
        assert SYSTEM.configuration(old).resize == "bicubic"
        assert SYSTEM.configuration({**old, "resize": "bilinear"}).resize == "bilinear"
        run = {"environment": {"preset": "cvae", "config": old}}
        assert SYSTEM.typed(run) == "`--preset=cvae --dataset=lfw --resize=bicubic`"

    def test_they_are_not_resumed_with_other_pixels(self, tmp_path):
        folder, config = RunFolder(tmp_path), make()
        folder.record(SYSTEM.name, "smoke", config)
        path = tmp_path / "config.json"
        record = json.loads(path.read_text())
        del record["config"]["resize"]
        path.write_text(json.dumps(record))
        (tmp_path / "checkpoints" / "last").mkdir(parents=True)
        (tmp_path / "checkpoints" / "last" / "ckpt-1.index").touch()
        with pytest.raises(ValueError, match="resize was 'bicubic' and is now"):
            folder.record(SYSTEM.name, "smoke", config)
        folder.record(SYSTEM.name, "smoke", make(resize="bicubic"))


class TestLosses:
    @pytest.mark.parametrize("name", training.RECONSTRUCTIONS)
    def test_image_and_divergence_count_with_their_weights(self, name):
        options = {"reconstruction_weight": 3.0, "kl_weight": 0.5}
        config = make("cvae", reconstruction=name, **options)
        inputs, target = batch(size=64)
        outputs = training.build_network(config)(inputs, training=True)
        terms = training._terms(config, target, outputs)
        expected = 3.0 * training.RECONSTRUCTIONS[name](target, outputs["image"])
        np.testing.assert_allclose(terms.pop("reconstruction"), expected, rtol=1e-5)
        expected = 0.5 * losses.kl(outputs["mean"], outputs["log_variance"])
        np.testing.assert_allclose(terms.pop("kl"), expected, rtol=1e-5)
        assert not terms

    def test_outside_the_mask_nothing_counts(self):
        config, face = make(mask_loss=True, face_masks="own"), square(2)
        image = tf.random.stateless_uniform([2, 32, 32, 3], [0, 1])
        target = {"image": image, "face_mask": face}
        other = tf.where(face > 0, image, 1.0 - image)
        terms = training._terms(config, target, {"image": other})
        np.testing.assert_array_equal(terms["reconstruction"], [0, 0])
        terms = training._terms(config, target, {"image": image + 0.5 * face})
        # Ten times the error of the face, though a quarter of the image is face.
        np.testing.assert_allclose(terms["reconstruction"], [5.0] * 2, rtol=1e-5)

    def test_the_divergence_sets_in_slowly(self):
        options = {"kl_weight": 0.5, "kl_anneal_epochs": 2}
        trainer = training.build_trainer(make("cvae", **options), steps_per_epoch=10)
        steady = training.build_trainer(make("cvae", kl_weight=0.5), steps_per_epoch=10)
        inputs, target = batch(size=64)
        outputs = trainer.autoencoder(inputs, training=False)
        whole = steady.terms_of(target, outputs)["kl"]
        for step, share in ((0, 0.0), (5, 0.25), (20, 1.0), (50, 1.0)):
            trainer.steps.assign(step)
            found = trainer.terms_of(target, outputs)["kl"]
            np.testing.assert_allclose(found, share * whole, rtol=1e-5)

    def test_smoothing_moves_the_label_of_real_images(self):
        smoothed = training.build_trainer(make(label_smoothing=0.2))
        score = tf.constant([3.0])
        found = smoothed.discriminator_losses(score, score)["d_real"]
        p = 1 / (1 + np.exp(-3.0))
        expected = -0.8 * np.log(p) - 0.2 * np.log(1 - p)
        np.testing.assert_allclose(found, [expected], rtol=1e-5)


class TestTraining:
    def test_without_a_discriminator_one_batch_is_learned(self):
        options = {"adversarial_weight": 0.0, "generator": "cvae"}
        trainer = training.build_trainer(make(**options, learning_rate=3e-3))
        assert not hasattr(trainer, "discriminator")
        data, step = batch(), tf.function(trainer.train_step)
        first = step(data)
        assert set(first) == {"reconstruction"}
        for _ in range(80):
            trainer.reset_metrics()
            last = step(data)
        assert last["reconstruction"] < 0.6 * first["reconstruction"]

    def test_each_network_has_its_own_rate(self):
        rates = {"learning_rate": 3e-4, "discriminator_learning_rate": 1e-4}
        trainer = training.build_trainer(make(**rates))
        optimizers = trainer.autoencoder_optimizer, trainer.discriminator_optimizer
        found = [float(optimizer.learning_rate) for optimizer in optimizers]
        assert found == pytest.approx([3e-4, 1e-4])


def test_a_task_knows_where_faces_are():
    number = np.arange(5, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(number, [5, 8, 8, 3])
    masks = np.broadcast_to(number % 2, [5, 8, 8, 1])
    task = pipeline.with_faces(pipeline.reconstruction(), masks)
    split = tiny.split_of(images)
    batches = pipeline.training_batches(split, task, batch_size=5, seed=0)
    inputs, target = next(iter(batches))
    shown = np.rint(255 * target["image"][:, 0, 0, 0].numpy())
    np.testing.assert_array_equal(target["face_mask"][:, 0, 0, 0], shown % 2)
    assert set(inputs) == {"image", "key"}
    assert target["face_mask"].dtype == tf.float32


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"face_masks": "mediapipe"}, "needs MediaPipe .*: make extras"),
        ({"face_masks": "files", "face_mask_dir": "nowhere"}, "nowhere"),
    ],
)
def test_faces_that_cannot_be_found_are_said_before_training(
    tmp_path, monkeypatch, options, said
):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions", None)
    monkeypatch.setattr(runner, "train", lambda *_: pytest.fail("it has trained"))
    config = make(workdir=str(tmp_path / "run"), limit=20, **options)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        runner.run(SYSTEM, config, "smoke")
    assert not (tmp_path / "run" / "config.json").exists()


def test_the_wide_network_trains_and_makes_files_like_the_others(tmp_path):
    wide = {k: v for k, v in PRESETS["cvae_wide"].items() if k != "epochs"}
    sizes = {"limit": 20, "epochs": 2, "batch_size": 8, "kl_anneal_epochs": 1}
    options = {**wide, **sizes, "stages": ("train", "export")}
    folder = runner.run(SYSTEM, make(workdir=str(tmp_path), **options), "smoke")
    *_, row = tiny_papers.history(folder)
    assert row["kl"] > 0 and np.isfinite(row["reconstruction"])
    codec = latents.load(folder.export)
    image = ((tiny.smooth(1, 32)[0] + 1) * 127.5).astype(np.uint8)
    assert codec.encode(image).shape == (16,)
    assert codec.decompress(codec.compress(image)).shape == (32, 32, 3)


def test_a_run_may_learn_faces_alone(tmp_path):
    options = {"mask_loss": True, "face_masks": "own", "stages": ("train",)}
    sizes = {"limit": 20, "epochs": 1, "batch_size": 8, "discriminator_updates": 2}
    config = make(workdir=str(tmp_path), **options, **sizes)
    (_, row) = tiny_papers.history(runner.run(SYSTEM, config, "smoke"))
    assert {"g_reconstruction", *WATCHED} <= row.keys()
    assert np.isfinite(list(row.values())).all()
