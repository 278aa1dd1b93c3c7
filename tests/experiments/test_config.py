"""The command line: a dataclass as flags, presets, and errors that help."""

import dataclasses
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
from absl import flags

from experiments.core import command_line
from experiments.skip_inpainting.config import PRESETS, Config
from experiments.skip_inpainting.system import SYSTEM

TINY = {
    "image_size": 32,
    "hole_size": 16,
    "widths": (8, 8, 16),
    "discriminator_widths": (8, 16),
    "batch_size": 4,
}


def parse(*arguments):
    """What a command line with these arguments makes."""
    values = flags.FlagValues()
    command_line.define_flags(Config, PRESETS, flag_values=values)
    values(["skip_inpainting", *arguments])
    return command_line.from_flags(Config, PRESETS, flag_values=values)


class TestPrecedence:
    def test_the_default_is_the_paper(self):
        assert parse() == parse("--preset=paper") == Config()

    def test_a_preset_beats_the_default_and_a_flag_beats_both(self):
        assert Config().batch_size == 64
        assert PRESETS["smoke"]["batch_size"] == 8
        assert parse("--preset=smoke").batch_size == 8
        assert parse("--preset=smoke", "--batch_size=4").batch_size == 4
        assert parse("--batch_size=4", "--preset=smoke").batch_size == 4

    def test_a_flag_typed_with_the_default_beats_the_preset(self):
        assert parse("--preset=smoke", "--batch_size=64").batch_size == 64
        assert parse("--preset=model0", "--model=3").model == 3

    def test_other_fields_of_the_preset_stay(self):
        changed = dataclasses.asdict(parse("--preset=smoke", "--batch_size=4"))
        changed["batch_size"] = 8
        assert changed == dataclasses.asdict(parse("--preset=smoke"))

    def test_make_does_the_same_without_a_command_line(self):
        made = command_line.make(Config, PRESETS, "cpu", epochs=3)
        assert made == parse("--preset=cpu", "--epochs=3")


class TestParsing:
    @pytest.mark.parametrize(
        "argument, field, value",
        [
            ("--widths=8,16,32", "widths", (8, 16, 32)),
            ("--stages=train,export", "stages", ("train", "export")),
            ("--hole_ratio=.2,0.25", "hole_ratio", (0.2, 0.25)),
            ("--learning_rate=1e-3", "learning_rate", 1e-3),
            ("--missing_is_black", "missing_is_black", True),
            ("--nojit_compile", "jit_compile", False),
            ("--dataset=lfw", "dataset", "lfw"),
        ],
    )
    def test_values_have_their_fields_types(self, argument, field, value):
        got = getattr(parse(argument), field)
        assert got == value
        assert type(got) is type(value)
        if isinstance(value, tuple):
            assert [type(item) for item in got] == [type(item) for item in value]

    def test_a_configuration_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            Config().epochs = 3


class TestErrors:
    @pytest.mark.parametrize(
        "argument, text",
        [
            ("--preset=model33", "--preset must be one of paper, model0"),
            ("--preset=model33", "got 'model33'. Did you mean: model3 ?"),
            ("--dataset=celeba", "--dataset must be one of faces, lfw, celeb_a"),
            ("--dataset=celeba", "got 'celeba'. Did you mean: celeb_a ?"),
            ("--stages=train,exprot", "got 'exprot'. Did you mean: export ?"),
            ("--stages=train,exprot", "--stages must be one of train, evaluate"),
            ("--precision=bfloat16", "--precision must be one of float32"),
            ("--precision=bfloat16", "Did you mean: mixed_bfloat16 ?"),
            ("--checkpoint=lst", "--checkpoint must be one of last, best"),
            ("--losses=papers", "--losses must be one of paper, swapped"),
            ("--model=4", "--model must be one of 0, 1, 2, 3; got 4."),
            ("--widths=8,x", "--widths takes ints separated by commas; got '8,x'."),
            ("--hole_ratio=a,b", "--hole_ratio takes floats separated by commas"),
            ("--hole_ratio=0.3", "--hole_ratio takes two numbers"),
            ("--epochs=0", "--epochs must be at least 1; got 0."),
            ("--batch_size=-1", "--batch_size must be at least 1; got -1."),
            ("--image_size=0", "--image_size must be at least 1; got 0."),
            ("--limit=-5", "--limit must be at least 0; got -5."),
            ("--num_replicas=-1", "--num_replicas must be at least 0; got -1."),
            ("--checkpoint_steps=-1", "--checkpoint_steps must be at least 0"),
            ("--validation_images=0", "--validation_images must be at least 1"),
            ("--hole_size=200", "--hole_size must be at most 128, the side of the"),
            ("--image_size=100", "must be a multiple of 32, because 5 encoder levels"),
            ("--split_by=persn", "got 'persn'. Did you mean: person ?"),
        ],
    )
    def test_they_name_the_flag_the_rule_and_what_may_be_meant(self, argument, text):
        with pytest.raises(ValueError, match=re.escape(text)):
            parse(argument)

    @pytest.mark.parametrize("model", [0, 1])
    @pytest.mark.parametrize(
        "argument, text",
        [
            ("--hole_size=32", "--hole_size must be half of --image_size for models 0"),
            ("--test_mask=free_form", "--test_mask must be one of center"),
            ("--train_mask=border", "--train_mask must be one of center"),
        ],
    )
    def test_patch_models_take_their_own_holes_only(self, model, argument, text):
        with pytest.raises(ValueError, match=re.escape(text)):
            parse(f"--model={model}", argument)
        parse("--model=3", argument)

    @pytest.mark.parametrize(
        "typed, meant",
        [("learning_rte", "learning_rate"), ("data_set", "dataset")],
    )
    def test_an_unknown_flag_gets_a_suggestion(self, typed, meant):
        with pytest.raises(flags.UnrecognizedFlagError) as caught:
            parse(f"--{typed}=1")
        assert f"Unknown command line flag '{typed}'" in str(caught.value)
        assert f"Did you mean: {meant}" in str(caught.value)

    @pytest.mark.parametrize("argument", ["--epochs=many", "--learning_rate=fast"])
    def test_what_is_no_number_is_an_error(self, argument):
        with pytest.raises(flags.IllegalFlagValueError, match=argument.split("=")[0]):
            parse(argument)


class TestPresets:
    def test_the_published_values_are_the_defaults(self):
        paper = command_line.make(Config, PRESETS, "paper")
        published = {
            "model": 3,
            "image_size": 128,
            "hole_size": 64,
            "train_mask": "random_square",
            "test_mask": "center",
            "epochs": 40,
            "learning_rate": 2e-4,
            "reconstruction_weight": 0.999,
            "adversarial_weight": 0.001,
            "losses": "paper",
            "precision": "float32",
        }
        assert {key: getattr(paper, key) for key in published} == published

    @pytest.mark.parametrize(
        "preset, model, bottleneck",
        [
            ("model0", 0, "channelwise_fc"),
            ("model1", 1, "channelwise_fc"),
            ("model2", 2, "channelwise_fc"),
            ("model3", 3, "channelwise_fc"),
            ("bottleneck4000", 0, "conv4000"),
            ("cpu", 3, "channelwise_fc"),
        ],
    )
    def test_each_builds_its_model(self, preset, model, bottleneck):
        config = command_line.make(Config, PRESETS, preset)
        assert (config.model, config.bottleneck) == (model, bottleneck)

    # The restorer needs LPIPS: tests/papers/test_skip_inpainting_experiment.py.
    @pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"restorer"}))
    def test_each_starts(self, preset):
        config = command_line.make(Config, PRESETS, preset, **TINY)
        tf.keras.utils.set_random_seed(0)
        trainer = SYSTEM.build_trainer(config)
        rng = np.random.default_rng(0)
        target = rng.uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
        mask = np.zeros((4, 32, 32, 1), np.float32)
        for index in range(4):
            mask[index, 2 + index : 18 + index, 9 - index : 25 - index] = 1
        inputs = {"image": np.where(mask, np.float32(1), target), "mask": mask}
        tiny.assert_a_step_moves_every_kernel(trainer, (inputs, target))
        restored = trainer.generator(inputs)
        assert restored.shape == target.shape
        assert (trainer.average is None) == (config.ema_decay == 0)


def test_helpfull_explains_every_flag_with_its_published_value():
    result = subprocess.run(
        [sys.executable, "-m", "experiments.skip_inpainting", "--helpfull"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    text = " ".join(result.stdout.split())
    for name in ("preset", *(field.name for field in dataclasses.fields(Config))):
        assert re.search(rf"--(\[no\])?{name}: ", text), name
    for field in dataclasses.fields(Config):
        assert " ".join(field.metadata["help"].split()) in text, field.name
    for value in ("128", "64", "40", "0.0002", "0.999", "0.001", "L2 and L1"):
        assert f"Published: {value}." in text
    assert "(default: '0.0002')" in text
    assert "Published: 10 x LPIPS 1.04 after 38 epochs." in text
