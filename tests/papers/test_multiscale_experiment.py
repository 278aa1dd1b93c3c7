"""Do et al.'s experiment: its presets, its schedule, two replicas, and a whole run."""

import dataclasses
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import masks, pipeline, pixels
from experiments.core import command_line, results, runner
from experiments.multiscale_context_encoder import published as facts
from experiments.multiscale_context_encoder.config import PRESETS, Config
from experiments.multiscale_context_encoder.system import SYSTEM
from serving.export import saved_model
from training import strategy

ROOT = pathlib.Path(__file__).parents[2]

# Any preset's network, cut to what a test waits for.
TINY = {
    "image_size": 32,
    "hole_size": 8,
    "shift": 2,
    "widths": (4, 4, 4, 8),
    "decoder_widths": (4, 4),
    "discriminator_widths": (4, 4),
    "batch_size": 4,
}


def make(preset, **options):
    return command_line.make(Config, PRESETS, preset, **options)


def batch(count=4, size=32, side=8):
    target = tiny.smooth(count, size)
    mask = np.repeat(masks.center(size, side)[None].numpy(), count, axis=0)
    return {"image": np.where(mask > 0, np.float32(0), target), "mask": mask}, target


class TestPresets:
    def test_the_paper_is_as_published(self):
        paper = dataclasses.asdict(make("paper"))
        published = {
            "dataset": "celeb_a_hq", "image_size": 250, "hole_size": 64, "scales": 3,
            "aggregation": "add", "downsampling": "pool", "separable": False,
            "batch_size": 32, "epochs": 300, "learning_rate": 1e-3, "momentum": 0.9,
            "learning_rate_factor": 0.9, "learning_rate_epochs": 50,
        }  # fmt: skip
        assert {key: paper[key] for key in published} == published
        assert make("celebahq_add") == make("paper")

    @pytest.mark.parametrize(
        "preset, label, dataset",
        [
            ("celebahq_concat", facts.CONCAT, "celeb_a_hq"),
            ("celebahq_context_encoder", facts.BASELINE, "celeb_a_hq"),
            ("lfw_add", facts.ADD, "lfw"),
            ("lfw_concat", facts.CONCAT, "lfw"),
            ("lfw_context_encoder", facts.BASELINE, "lfw"),
            ("scales1", facts.BASELINE, "celeb_a_hq"),
            ("scales2", f"{facts.ADD}, 2 scales", "celeb_a_hq"),
            ("stride", f"{facts.ADD}, strides", "celeb_a_hq"),
            ("separable", f"{facts.ADD}, separable", "celeb_a_hq"),
            ("cpu", facts.ADD, "faces"),
            ("smoke", facts.ADD, "faces"),
        ],
    )
    def test_each_is_what_its_name_says(self, preset, label, dataset):
        config = make(preset)
        assert (SYSTEM.label(config), config.dataset) == (label, dataset)

    @pytest.mark.parametrize("preset", PRESETS)
    def test_each_starts(self, preset):
        tf.keras.utils.set_random_seed(0)
        trainer = SYSTEM.build_trainer(make(preset, **TINY), 10)
        tiny.assert_a_step_moves_every_kernel(trainer, batch())


class TestData:
    def test_training_images_are_shifted_and_test_images_are_not(self):
        split = tiny.split_of(tiny.noise(8))
        config = make("paper", **TINY)
        for task, shifted in (
            (SYSTEM.training_task(config, split), True),
            (SYSTEM.task(config, config.test_mask, split.names), False),
        ):
            batches = pipeline.evaluation_batches(split, task, batch_size=8, seed=0)
            ((_, target),) = batches.as_numpy_iterator()
            plain = pixels.bytes_to_signed(split.images).numpy()
            assert np.array_equal(target, plain) != shifted

    def test_the_hole_is_filled_alike_for_training_and_for_users(self):
        color = (0.1, -0.2, 0.3)
        config = make("paper", **{**TINY, "hole_fill": color})
        split = tiny.split_of(tiny.noise(2))
        ((inputs, _),) = SYSTEM.fixed_batches(config, split).as_numpy_iterator()
        missing = inputs["mask"][..., 0] > 0
        np.testing.assert_allclose(inputs["image"][missing], [color] * 128, atol=1e-6)

    def test_a_subset_of_lfw_reaches_the_source(self):
        config = make("lfw_add", lfw_subset=12234)
        with pytest.raises(FileNotFoundError, match="LFW is not"):
            _ = SYSTEM.data(config).test


def test_the_cost_of_a_run_stands_beside_its_measured_speed():
    values = json.loads(json.dumps(dataclasses.asdict(make("lfw_concat"))))
    run = {"label": facts.CONCAT, "environment": {"config": values}}
    table = results.cost_table(SYSTEM, [run])
    ((label, parameters, macs, training, inference),) = table.rows
    assert (label, parameters, macs) == (facts.CONCAT, "2,224,835", "3.290")
    assert inference > training > 0
    assert "times as fast as concatenating" in table.note


class TestOptimizer:
    def rates(self, **options):
        """The learning rate at the first step of some epochs of 7 steps."""
        trainer = SYSTEM.build_trainer(make("paper", **TINY, **options), 7)
        schedules = [
            optimizer._learning_rate
            for optimizer in (
                trainer.generator_optimizer, trainer.discriminator_optimizer,
            )
        ]  # fmt: skip
        epochs = (0, 49, 50, 100, 299)
        both = [[float(s(epoch * 7)) for epoch in epochs] for s in schedules]
        assert both[0] == both[1]
        return both[0]

    def test_it_keeps_reducing_by_10_percent_every_50_epochs(self):
        expected = [1e-3, 1e-3, 0.9e-3, 0.81e-3, 0.9**5 * 1e-3]
        np.testing.assert_allclose(self.rates(), expected, rtol=1e-5)

    def test_the_other_reading(self):
        expected = [1e-3, 1e-3, 1e-4, 1e-5, 1e-8]
        rates = self.rates(learning_rate_factor=0.1)
        np.testing.assert_allclose(rates, expected, rtol=1e-4)

    def test_the_momentum_is_09_in_both_readings(self):
        adam = SYSTEM.build_trainer(make("paper", **TINY), 7).generator_optimizer
        assert isinstance(adam, tf.keras.optimizers.Adam) and adam.beta_1 == 0.9
        config = make("paper", optimizer="sgd", **TINY)
        sgd = SYSTEM.build_trainer(config, 7).generator_optimizer
        assert isinstance(sgd, tf.keras.optimizers.SGD) and sgd.momentum == 0.9


class TestTrainer:
    def test_losses_are_those_of_the_patch(self):
        tf.keras.utils.set_random_seed(0)
        trainer = SYSTEM.build_trainer(make("paper", **TINY), 10)
        inputs, target = batch()
        fake = trainer.generator(inputs, training=True).numpy()
        patch, real = (x[:, 12:20, 12:20] for x in (fake, target))
        logit = trainer.discriminator(patch, training=True).numpy()
        logs = trainer.train_step(tf.nest.map_structure(tf.constant, (inputs, target)))
        expected = 0.999 * np.square(patch - real).mean()
        np.testing.assert_allclose(logs["g_reconstruction"], expected, rtol=1e-4)
        expected = 0.001 * np.log1p(np.exp(-logit)).mean()
        np.testing.assert_allclose(logs["g_adversarial"], expected, rtol=1e-4)

    def test_two_replicas_take_the_step_that_one_would(self):
        """With a batch of 32 whose halves are equal, as their statistics then are."""
        half, target = batch(16)
        inputs = {key: np.concatenate([x, x]) for key, x in half.items()}
        data = (inputs, np.concatenate([target, target]))
        # The first half goes to one replica and the second to the other.
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(32, True)

        def weights_after(devices):
            tf.keras.utils.set_random_seed(0)
            options = {**TINY, "optimizer": "sgd", "learning_rate": 0.5}
            with devices.scope():
                trainer = SYSTEM.build_trainer(make("paper", **options), 10)
            before = [w.numpy() for w in trainer.generator.trainable_weights]
            trainer.fit(dataset, verbose=0)
            after = trainer.generator.weights + trainer.discriminator.weights
            # A moving variance has Bessel's correction, for as many as a replica saw.
            after = [w for w in after if "moving_variance" not in w.name]
            moved = [w.numpy() for w in trainer.generator.trainable_weights]
            assert max(abs(a - b).max() for a, b in zip(moved, before)) > 1e-3
            return [w.numpy() for w in after]

        one = weights_after(strategy.make(1))
        two = weights_after(strategy.make(2))
        for a, b in zip(one, two):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


class TestErrors:
    @pytest.mark.parametrize(
        "options, text",
        [
            (
                {"test_mask": "random_square"},
                "--test_mask must be center: this network draws the center of the "
                "image and nothing else; got 'random_square'.",
            ),
            ({"train_mask": "free_form"}, "--train_mask must be center"),
            (
                {"hole_size": 60},
                "--hole_size must be 64 for --image_size=250: 4 levels halve the image "
                "and the decoder doubles twice; got 60.",
            ),
            ({"scales": 4}, "--scales must be one of 1, 2, 3; got 4."),
            ({"aggregation": "ad"}, "got 'ad'. Did you mean: add ?"),
            ({"downsampling": "poll"}, "got 'poll'. Did you mean: pool ?"),
            ({"optimizer": "adma"}, "got 'adma'. Did you mean: adam ?"),
            ({"hole_fill": (0.1, 0.2)}, "--hole_fill takes one number or three"),
            ({"shift": 250}, "--shift must be in 0..249"),
            ({"lfw_subset": 12234}, "--lfw_subset is for --dataset=lfw"),
            ({"learning_rate_epochs": 0}, "--learning_rate_epochs must be at least 1"),
        ],
    )
    def test_they_name_the_flag_the_rule_and_the_value(self, options, text):
        with pytest.raises(ValueError, match=re.escape(text)):
            make("paper", **options)


def test_helpfull_explains_every_flag_with_its_published_value():
    command = [sys.executable, "-m", f"experiments.{SYSTEM.name}", "--helpfull"]
    result = subprocess.run(command, capture_output=True, text=True)
    # Lines are wrapped, also within words such as CelebA-HQ.
    text = "".join(result.stdout.split())
    for field in dataclasses.fields(Config):
        assert re.search(rf"--(\[no\])?{field.name}:", text), field.name
        assert "".join(field.metadata["help"].split()) in text, field.name


def test_a_run_trains_evaluates_and_exports(tmp_path):
    config = make("smoke", workdir=str(tmp_path / "run"))
    folder = runner.run(SYSTEM, config, "smoke")
    report = json.loads((folder.report / "results.json").read_text())
    assert report["ours"] == [facts.ADD]
    ours = report["summary"][facts.ADD]
    # A hole of 16 px is too small for any MS-SSIM; the whole picture is not.
    assert {"hole/l1_percent", "hole/psnr_db", "composite/ms_ssim_3"} <= set(ours)
    facts_of_export = saved_model.read_config(folder.export)
    assert facts_of_export["fills"] == {"side": 16, "centered": True}
    model = tf.keras.models.load_model(folder.export)
    inputs, target = batch(2, 64, 16)
    image = (target + 1) / 2
    restored = model({"image": image, "mask": inputs["mask"]}).numpy()
    known = np.broadcast_to(inputs["mask"] == 0, image.shape)
    np.testing.assert_array_equal(restored[known], image[known])
    card = (folder.export / "assets.extra" / "model_card.md").read_text()
    assert SYSTEM.title in card and "64×64" in card
