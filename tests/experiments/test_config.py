"""A dataclass as flags: what beats what, types, and errors that help."""

import dataclasses
import re

import pytest
from absl import flags

from experiments.core import command_line
from experiments.skip_inpainting.config import PRESETS, Config


def parse(*arguments):
    """What a command line with these arguments makes."""
    values = flags.FlagValues()
    command_line.define_flags(Config, PRESETS, flag_values=values)
    values(["skip_inpainting", *arguments])
    return command_line.from_flags(Config, PRESETS, flag_values=values)


def test_a_preset_beats_the_default_and_a_flag_beats_both():
    assert parse() == parse("--preset=paper") == Config()
    assert Config().batch_size == 64 and PRESETS["smoke"]["batch_size"] == 8
    smoke = parse("--preset=smoke")
    assert smoke.batch_size == 8
    typed = parse("--batch_size=4", "--preset=smoke")
    assert typed == parse("--preset=smoke", "--batch_size=4")
    assert typed == dataclasses.replace(smoke, batch_size=4)
    assert command_line.make(Config, PRESETS, "smoke", batch_size=4) == typed


def test_a_flag_typed_with_the_default_beats_the_preset():
    assert parse("--preset=smoke", "--batch_size=64").batch_size == 64
    assert parse("--preset=model0", "--model=3").model == 3


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
def test_values_have_their_fields_types(argument, field, value):
    got = getattr(parse(argument), field)
    assert got == value and type(got) is type(value)
    if isinstance(value, tuple):
        assert [type(item) for item in got] == [type(item) for item in value]


@pytest.mark.parametrize(
    "argument, text",
    [
        ("--preset=model33", "--preset must be one of paper, model0"),
        ("--preset=model33", "got 'model33'. Did you mean: model3 ?"),
        ("--dataset=celeba", "--dataset must be one of faces, lfw, celeb_a"),
        ("--dataset=celeba", "got 'celeba'. Did you mean: celeb_a ?"),
        ("--stages=train,exprot", "--stages must be one of train, evaluate"),
        ("--stages=train,exprot", "got 'exprot'. Did you mean: export ?"),
        ("--precision=bfloat16", "--precision must be one of float32"),
        ("--checkpoint=lst", "--checkpoint must be one of last, best"),
        ("--losses=papers", "--losses must be one of paper, swapped"),
        ("--model=4", "--model must be one of 0, 1, 2, 3; got 4."),
        ("--split_by=persn", "got 'persn'. Did you mean: person ?"),
        ("--embedding_range=byte", "got 'byte'. Did you mean: bytes ?"),
        ("--train_mask=centre", "got 'centre'. Did you mean: center ?"),
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
        ("--learning_rate=0", "--learning_rate must be above 0; got 0.0."),
        ("--ema_decay=1", "--ema_decay must be in [0, 1); got 1.0."),
        ("--clip_norm=nan", "--clip_norm must be at least 0; got nan."),
        ("--hole_size=200", "--hole_size must be at most 128, the side of the"),
        ("--image_size=100", "must be a multiple of 32, because 5 encoder levels"),
    ],
)
def test_errors_name_the_flag_the_rule_and_what_may_be_meant(argument, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        parse(argument)


@pytest.mark.parametrize(
    "typed, meant", [("learning_rte", "learning_rate"), ("data_set", "dataset")]
)
def test_an_unknown_flag_gets_a_suggestion(typed, meant):
    text = rf"Unknown command line flag '{typed}'. Did you mean: {meant}"
    with pytest.raises(flags.UnrecognizedFlagError, match=text):
        parse(f"--{typed}=1")


@pytest.mark.parametrize("argument", ["--epochs=many", "--learning_rate=fast"])
def test_what_is_no_number_is_an_error(argument):
    with pytest.raises(flags.IllegalFlagValueError, match=argument.split("=")[0]):
        parse(argument)


def test_a_home_is_expanded_in_every_flag(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    values = flags.FlagValues()
    flags.DEFINE_list("runs", [], "Folders.", flag_values=values)
    flags.DEFINE_string("output", "", "A folder.", flag_values=values)
    flags.DEFINE_string("other", "~/b", "By default.", flag_values=values)
    flags.DEFINE_integer("number", 3, "No path.", flag_values=values)
    values(["command", "--runs=~/a,b~,~", "--output=~/x"])
    command_line.expand_home(values)
    assert values.runs == ["/home/me/a", "b~", "/home/me"]
    assert (values.output, values.other) == ("/home/me/x", "/home/me/b")
    assert values.number == 3 and values["output"].present
