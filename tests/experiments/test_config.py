"""A dataclass as flags: what beats what, types, and errors that help."""

import dataclasses
import json
import re

import pytest
from absl import flags

from experiments.core import command_line, runner
from experiments.core import system as papers
from experiments.skip_inpainting.config import PRESETS, Config
from experiments.skip_inpainting.system import SYSTEM


def parse(*arguments, paper="skip_inpainting"):
    """What a command line with these arguments makes."""
    system, values = papers.load(paper), flags.FlagValues()
    table = system.config_class, system.presets
    command_line.define_flags(*table, flag_values=values)
    values([paper, *arguments])
    return command_line.from_flags(*table, flag_values=values)


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


# Paper -> (what is typed, a part of the error).
MISTAKES = {
    "skip_inpainting": [
        ("--preset=model33", "--preset must be one of paper, model0"),
        ("--dataset=celeba", "must be one of faces, lfw, celeb_a"),
        ("--dataset=celeba", "got 'celeba'. Did you mean: celeb_a ?"),
        ("--stages=train,exprot", "got 'exprot'. Did you mean: export ?"),
        ("--model=4", "--model must be one of 0, 1, 2, 3; got 4."),
        ("--split_by=persn", "got 'persn'. Did you mean: person ?"),
        ("--embedding_range=byte", "got 'byte'. Did you mean: bytes ?"),
        ("--train_mask=centre", "got 'centre'. Did you mean: center ?"),
        ("--widths=8,x", "--widths takes ints separated by commas; got '8,x'."),
        ("--hole_ratio=a,b", "--hole_ratio takes floats separated by commas"),
        ("--hole_ratio=0.3", "--hole_ratio takes two numbers"),
        ("--epochs=0", "--epochs must be at least 1; got 0."),
        ("--seed=-1", "--seed must be in 0..2147483647; got -1."),
        ("--limit=-5", "--limit must be at least 0; got -5."),
        ("--learning_rate=0", "--learning_rate must be above 0; got 0.0."),
        ("--learning_rate_batch_size=-8", "batch_size must be at least 0; got -8."),
        ("--ema_decay=1", "--ema_decay must be in [0, 1); got 1.0."),
        ("--clip_norm=nan", "--clip_norm must be at least 0; got nan."),
        ("--hole_size=200", "--hole_size must be at most 128, the side of the"),
        ("--image_size=100", "must be a multiple of 32, because 5 encoder levels"),
        # The models that fill one square.
        ("--model=0 --hole_size=32", "must be half of --image_size for models 0"),
        ("--model=1 --test_mask=free_form", "--test_mask must be one of center"),
        ("--model=1 --train_mask=border", "--train_mask must be one of center"),
        # What the restorer has besides.
        ("--preset=restorer --model=1", "perceptual is for models 2 and 3"),
        ("--hole_fill=0,0", "--hole_fill takes one number or three"),
        ("--decay_share=0", "--decay_share must be in (0, 1]; got 0.0"),
        ("--shift=128", "--shift must be in 0..127"),
        ("--known_weight=-1", "--known_weight must be at least 0"),
        ("--mixed_sides=0.5", "--mixed_sides"),
    ],
    "multiscale_context_encoder": [
        (
            "--test_mask=random_square",
            "--test_mask must be center: this network draws the center of the image "
            "and nothing else; got 'random_square'.",
        ),
        (
            "--hole_size=60",
            "--hole_size must be 64 for --image_size=250: 4 levels halve the image "
            "and the decoder doubles twice; got 60.",
        ),
        ("--overlap=4", "--hole_size must be 56 for --image_size=250 and --overlap=4"),
        ("--bottleneck=shared", "Did you mean: shared_fc ?"),
        ("--scales=4", "--scales must be one of 1, 2, 3; got 4."),
        ("--aggregation=ad", "got 'ad'. Did you mean: add ?"),
        ("--downsampling=poll", "got 'poll'. Did you mean: pool ?"),
        ("--optimizer=adma", "got 'adma'. Did you mean: adam ?"),
        ("--lfw_subset=12234", "--lfw_subset is for --dataset=lfw"),
        ("--learning_rate_epochs=0", "--learning_rate_epochs must be at least 1"),
    ],
    "pyramid_cgan": [
        ("--configuration=e", "--configuration must be one of a, b, c, d; got"),
        ("--norm=bath", "got 'bath'. Did you mean: batch ?"),
        ("--classification=multi_labels", "Did you mean: multi_label ?"),
        ("--width=0", "--width must be above 0; got 0.0."),
        ("--generator_steps=-1", "--generator_steps must be at least 0; got -1."),
        ("--steps=0", "--steps must be at least 1; got 0."),
        (
            "--reconstruction_weight=0 --adversarial_weight=0",
            "are both 0: then nothing tells the generator what to draw",
        ),
        (
            "--image_size=100",
            "--image_size must be a multiple of 32, because 5 convolutions each halve "
            "it; got 100. Try 96.",
        ),
        ("--patch_size=72", "because 4 convolutions each halve it; got 72. Try 64."),
        ("--patch_size=144", "--patch_size must be at most 128, the side of the"),
    ],
    "portrait_autoencoder": [
        ("--preset=smoke --image_size=40", "multiple of 16"),
        ("--entropy=huffman", "--entropy must be one of"),
        ("--preset=smoke --lmbda=0", "--lmbda must be above 0"),
        ("--depth=-1", "depth must be"),
        ("--channels=0", "--channels must be at least 1"),
        ("--preset=smoke --depth=3", "sees 182 pixels around"),
        ("--preset=smoke --checkpoint=best", "a codec is judged by both"),
        ("--preset=smoke --train_side=20", "train_side must be a multiple of 16"),
        ("--preset=smoke --train_side=48", "must be at most --image_size=32"),
        ("--preset=smoke --shift=2", "goes without --shift"),
    ],
    "cvae_dcgan": [
        ("--generator=vae", "generator must be one of"),
        ("--image_size=50", "multiple of 32"),
        ("--reconstruction=l3", "--reconstruction must be one of"),
        ("--face_masks=guess", "--face_masks must be one of"),
        ("--label_smoothing=1", "--label_smoothing must be in"),
        ("--discriminator_updates=0", "--discriminator_updates must be at"),
        ("--kl_weight=-1", "--kl_weight must be at least 0"),
        ("--kl_anneal_epochs=-1", "--kl_anneal_epochs must be at least 0"),
        ("--resize=nearest", "--resize must be one of bicubic, bilinear"),
        ("--mask_loss", "--mask_loss needs to know where faces are"),
        ("--mask_loss --face_masks=own --shift=2", "masks are not moved"),
    ],
}


@pytest.mark.parametrize(
    "paper, typed, text",
    [(paper, *mistake) for paper in MISTAKES for mistake in MISTAKES[paper]],
)
def test_errors_name_the_flag_the_rule_and_what_may_be_meant(paper, typed, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        parse(*typed.split(), paper=paper)


def test_what_a_paper_does_not_have_is_not_limited():
    """Patch models have one kind of hole, and configuration d a local judge."""
    for typed in ("--hole_size=32", "--test_mask=free_form", "--train_mask=border"):
        parse("--model=3", typed)
    parse("--configuration=c", "--patch_size=72", paper="pyramid_cgan")


def test_an_unknown_flag_gets_a_suggestion():
    text = "Unknown command line flag 'learning_rte'. Did you mean: learning_rate"
    with pytest.raises(flags.UnrecognizedFlagError, match=text):
        parse("--learning_rte=1")


@pytest.mark.parametrize("argument", ["--epochs=many", "--learning_rate=fast"])
def test_what_is_no_number_is_an_error(argument):
    with pytest.raises(flags.IllegalFlagValueError, match=argument.split("=")[0]):
        parse(argument)


RATES = {"cvae_dcgan": ("learning_rate", "discriminator_learning_rate")}


class TestRatesOfTheBatch:
    """--learning_rate_batch_size: rates follow the batch where it is said, and only."""

    @pytest.mark.parametrize("paper", papers.names())
    def test_each_rate_is_multiplied_once_and_it_is_told(self, paper, capsys):
        typed = ("--batch_size=16", "--learning_rate_batch_size=64")
        given = parse(*typed, paper=paper)
        assert capsys.readouterr().out == ""
        scaled = given.with_scaled_rates()
        told = capsys.readouterr().out
        assert told.startswith("Learning rates times 0.25 for the batch: ")
        changed = {"learning_rate_batch_size": 0}
        for name in RATES.get(paper, ("learning_rate",)):
            changed[name] = getattr(given, name) / 4
            assert f" {name} {changed[name]:g}" in told
        assert scaled == dataclasses.replace(given, **changed)
        assert scaled.with_scaled_rates() == scaled

    def test_without_it_no_batch_changes_a_rate(self, capsys):
        for size in ("1", "4096"):
            config = parse(f"--batch_size={size}")
            assert config.with_scaled_rates() == config
            assert config.learning_rate == Config().learning_rate
        assert capsys.readouterr().out == ""

    def test_training_takes_them_and_the_folder_has_what_was_typed(
        self, tmp_path, monkeypatch
    ):
        class Built(Exception):
            pass

        def build(system, config, *_):
            raise Built(config.learning_rate)

        monkeypatch.setattr(type(SYSTEM), "build_trainer", build)
        typed = ("--preset=smoke", "--limit=8", "--validation_images=2")
        typed += ("--learning_rate_batch_size=2", f"--workdir={tmp_path}")
        config = parse(*typed)
        with pytest.raises(Built) as built:
            runner.run(SYSTEM, config, "smoke")
        assert built.value.args == (config.learning_rate * config.batch_size / 2,)
        kept = json.loads((tmp_path / "config.json").read_text())["config"]
        assert kept["learning_rate"] == config.learning_rate
        assert kept["learning_rate_batch_size"] == 2


def test_a_home_is_expanded_in_every_flag(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    values = flags.FlagValues()
    flags.DEFINE_list("runs", [], "Folders.", flag_values=values)
    flags.DEFINE_string("output", "", "A folder.", flag_values=values)
    flags.DEFINE_string("other", "~/b", "By default.", flag_values=values)
    flags.DEFINE_integer("number", 3, "No path.", flag_values=values)
    flags.DEFINE_string("input", "", "Two files.", flag_values=values)
    values(["command", "--runs=~/a,b~,~", "--output=~/x", "--input=a~.png,~/b.png"])
    command_line.expand_home(values)
    assert values.runs == ["/home/me/a", "b~", "/home/me"]
    assert (values.output, values.other) == ("/home/me/x", "/home/me/b")
    assert values.input == "a~.png,/home/me/b.png"
    assert values.number == 3 and values["output"].present


KINDS = ("path", "path_or_word", "measures_only", "measures_too", "length")


@pytest.mark.parametrize("headline", [(), ("hole/psnr_db", "hole/l1_percent")])
def test_the_best_checkpoint_needs_a_metric_of_which_less_is_better(headline):
    other = type("Other", (type(SYSTEM),), {"headline": headline})
    with pytest.raises(ValueError, match="skip_inpainting must begin with .* less"):
        other()
    assert type("Other", (other,), {"headline": ("raw/mse", "hole/psnr_db")})()


@pytest.mark.parametrize("name", papers.names())
def test_a_field_that_a_paper_changes_stays_of_its_kind(name):
    config_class = papers.load(name).config_class
    for field in dataclasses.fields(config_class):
        for parent in config_class.__mro__[1:]:
            inherited = getattr(parent, "__dataclass_fields__", {}).get(field.name)
            if inherited is not None:
                kinds = [
                    {kind: found.metadata[kind] for kind in KINDS}
                    for found in (field, inherited)
                ]
                assert kinds[0] == kinds[1], field.name
