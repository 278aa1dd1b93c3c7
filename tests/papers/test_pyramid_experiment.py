"""Chen et al.'s experiment: presets, labels, holes, and whole runs."""

import contextlib
import dataclasses
import io
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_identity import save as save_embedding

from data_pipeline import pipeline
from data_pipeline.drawn_faces.draw import ATTRIBUTES
from evaluation import record
from evaluation.record import Evaluation
from experiments.core import command_line, runner
from experiments.core.finished_runs import FinishedRun
from experiments.core.folder import RunFolder
from experiments.pyramid_cgan import config as config_table
from experiments.pyramid_cgan import published as facts
from experiments.pyramid_cgan import training
from experiments.pyramid_cgan.config import PRESETS, Config
from experiments.pyramid_cgan.system import SYSTEM
from models import pyramid_cgan
from serving.export import saved_model
from training.checkpoints import Checkpoints
from training.history import History
from training.loop import Length
from training.pyramid_cgan import Phase

ROOT = pathlib.Path(__file__).parents[2]
CONFIGURATIONS = ("a", "b", "c", "d")
WHOLE = ("paper", "smoke")
TERM = re.compile("[gdc]_")  # of the losses, in the history
NAMES = ("One", "Two", "Four", "Eight")  # of `tiny.labeled`

# Any preset, cut to what a test waits for.
TINY = {
    "dataset": "faces",
    "image_size": 32,
    "hole_size": 16,
    "patch_size": 16,
    "width": 1 / 16,
    "batch_size": 4,
}


def make(preset, **options):
    return command_line.make(Config, PRESETS, preset, **options)


def numbered(count=12, size=32):
    """Images whose pixels say their number, and attributes its bits."""
    rows = np.arange(count, dtype=np.uint8)[:, None, None, None]
    return tiny.labeled(np.tile(rows, [1, size, size, 3]), NAMES)


class TestPresets:
    def test_the_paper_is_as_published(self):
        paper = dataclasses.asdict(make("paper"))
        published = {
            "configuration": "d", "width": 1.0, "dataset": "celeb_a",
            "steps": 5000, "classes": ("all",), "train_mask": "random_rectangle",
        }  # fmt: skip
        assert {key: paper[key] for key in published} == published
        assert SYSTEM.published_length(make("paper")) == paper["steps"]

    def test_what_is_not_published_is_as_documented(self):
        paper = dataclasses.asdict(make("paper"))
        chosen = {
            "image_size": 128, "hole_size": 64, "patch_size": 64, "hole_fill": 0.0,
            "test_mask": "random_rectangle", "norm": "batch", "batch_size": 32,
            "learning_rate": 2e-4, "beta_1": 0.5, "generator_steps": 900,
            "discriminator_steps": 100, "reconstruction_weight": 1.0,
            "adversarial_weight": 4e-4, "classification_weight": 1e-3,
            "classification": "multi_label", "classifier_on_fake": False,
        }  # fmt: skip
        assert {key: paper[key] for key in chosen} == chosen

    def test_configurations_differ_in_nothing_else(self):
        """So that Fig. 3 compares them and nothing beside."""
        assert make("paper") == make("d") == Config()
        for name in CONFIGURATIONS:
            assert make(name) == dataclasses.replace(Config(), configuration=name)

    def test_what_configurations_share_begins_alike(self):
        begun = {}
        for name in ("a", "d"):
            tf.keras.utils.set_random_seed(0)
            trainer = SYSTEM.build_trainer(make(name, **TINY), 1, NAMES)
            judges = (trainer.discriminator, trainer.classifier)
            begun[name] = {w.name: w.numpy() for judge in judges for w in judge.weights}
        shared = [name for name in begun["a"] if "score" not in name]
        assert len(shared) > 10
        for name in shared:
            np.testing.assert_array_equal(begun["a"][name], begun["d"][name])

    def test_paper_literal_is_the_algorithm_as_printed(self):
        literal, paper = (dataclasses.asdict(make(p)) for p in ("paper_literal", "d"))
        assert {key: literal[key] for key in literal if literal[key] != paper[key]} == {
            "reconstruction_weight": 0.0,
            "adversarial_weight": 1.0,
            "classification_weight": 1.0,
            "classifier_on_fake": True,
        }

    @pytest.mark.parametrize(
        ("preset", "label"),
        [
            ("a", "(a) plain"),
            ("b", "(b) pyramid"),
            ("c", "(c) pyramid, dilation"),
            ("d", "(d) pyramid, dilation, local discriminator"),
            ("cpu", "(d) pyramid, dilation, local discriminator"),
            (
                "paper_literal",
                "(d) pyramid, dilation, local discriminator, losses as printed",
            ),
        ],
    )
    def test_each_is_called_what_it_is(self, preset, label):
        assert SYSTEM.label(make(preset)) == label

    # paper is d, and smoke is run from end to end below.
    @pytest.mark.parametrize("preset", [p for p in PRESETS if p not in WHOLE])
    def test_each_starts(self, preset):
        """In its last phase, where everything learns."""
        config, split = make(preset, **TINY), numbered(4)
        tf.keras.utils.set_random_seed(0)
        trainer = SYSTEM.build_trainer(config, 1, NAMES)
        batches = pipeline.training_batches(
            split, SYSTEM.training_task(config, split), batch_size=4, seed=0
        )
        parts = (trainer.generator, trainer.discriminator, trainer.classifier)
        before = [[w.numpy() for w in part.trainable_weights] for part in parts]
        trainer.phase = Phase.JOINT
        terms = trainer.train_step(next(iter(batches)))
        assert all(np.isfinite(value) and value > 0 for value in terms.values())
        assert ("g_reconstruction" in terms) == (preset != "paper_literal")
        for part, weights in zip(parts, before):
            for weight, old in zip(part.trainable_weights, weights):
                # A bias before a normalization has no gradient.
                if "kernel" in weight.name:
                    assert not np.array_equal(weight, old), weight.name
        assert set(trainer.discriminator.input_shape) == (
            {"image", "patch"} if config.configuration == "d" else {"image"}
        )


class TestTrainer:
    def test_it_is_the_configurations(self):
        options = {
            "generator_steps": 5, "discriminator_steps": 3, "classifier_on_fake": True,
            "reconstruction_weight": 0.5, "adversarial_weight": 0.25,
            "classification_weight": 0.125,
        }  # fmt: skip
        config = make(
            "d",
            **TINY,
            **options,
            learning_rate=1e-3,
            beta_1=0.25,
            clip_norm=2.0,
            ema_decay=0.5,
            classes=("Two", "One"),
        )
        trainer = SYSTEM.build_trainer(config, 1, NAMES)
        assert {name: getattr(trainer, name) for name in options} == options
        assert trainer.average.decay == 0.5
        assert trainer.classifier.output_shape == (None, 2)
        optimizers = [
            trainer.generator_optimizer, trainer.discriminator_optimizer,
            trainer.classifier_optimizer,
        ]  # fmt: skip
        assert len(set(map(id, optimizers))) == 3
        for adam in optimizers:
            assert (float(adam.learning_rate), adam.beta_1) == (
                pytest.approx(1e-3),
                0.25,
            )
            assert adam.global_clipnorm == 2

    @pytest.mark.parametrize(
        ("classes", "names"), [((), NAMES), (("all",), ())], ids=["off", "no labels"]
    )
    def test_without_labels_there_is_no_classifier(self, classes, names):
        config = make("a", **TINY, classes=classes)
        assert SYSTEM.build_trainer(config, 1, names).classifier is None

    def test_norm_and_width_are_the_networks(self):
        network = training.build_network(make("d", **TINY, norm="none"))
        expected = pyramid_cgan.build_generator(
            image_size=32, width=1 / 16, norm="none"
        )
        assert network.count_params() == expected.count_params()

    def test_its_length_is_counted_in_steps(self):
        split = numbered(40)
        assert SYSTEM.length(make("d"), split) == Length(5000, 100, "step")
        assert SYSTEM.published_epochs(make("d")) is None
        with pytest.raises(ValueError, match="--batch_size=32 is more than the 12 "):
            SYSTEM.length(make("d"), numbered(12))


class TestLabels:
    split = numbered(6)

    def test_each_attribute_is_there_or_not(self):
        found = training.of_split(("all",), "multi_label", self.split)
        assert found.dtype == np.float32
        bits = [[i & 1, i >> 1 & 1, i >> 2 & 1, 0] for i in range(6)]
        np.testing.assert_array_equal(found, bits)
        assert training.outputs(("all",), "multi_label", NAMES) == 4

    def test_named_ones_are_in_the_order_they_are_named_in(self):
        found = training.of_split(("Four", "One"), "multi_label", self.split)
        np.testing.assert_array_equal(found, [[i >> 2 & 1, i & 1] for i in range(6)])
        assert training.outputs(("Four", "One"), "multi_label", NAMES) == 2

    def test_one_class_is_right_or_none(self):
        """The first that is named and there."""
        found = training.of_split(("Four", "One"), "multi_class", self.split)
        assert found.dtype == np.int32
        # 0: none of them; 5 is both, and Four is named first.
        np.testing.assert_array_equal(found, [0, 2, 0, 2, 1, 1])
        assert training.outputs(("Four", "One"), "multi_class", NAMES) == 3

    @pytest.mark.parametrize("kind", config_table.KINDS)
    def test_nothing_switches_the_classifier_off(self, kind):
        assert training.of_split((), kind, self.split) is None
        assert training.outputs((), kind, NAMES) == 0

    @pytest.mark.parametrize("kind", config_table.KINDS)
    def test_data_without_attributes_have_none(self, kind):
        bare = tiny.split_of(tiny.noise(2))
        assert training.of_split(("all",), kind, bare) is None
        assert training.outputs(("all",), kind, ()) == 0
        text = (
            "--classes names Male, but the data set has no attributes. Pass --classes= "
        )
        with pytest.raises(ValueError, match=re.escape(text)):
            training.of_split(("Male",), kind, bare)

    def test_an_unknown_one_has_a_suggestion(self):
        text = "--classes must be one of One, Two, Four, Eight; got 'Fuor'. Did you "
        with pytest.raises(ValueError, match=re.escape(f"{text}mean: Four ?")):
            training.build_trainer(make("d", **TINY, classes=("One", "Fuor")), 1, NAMES)


class TestBatches:
    def batches(self, split, count, *, config=None, seed=0, judged=True):
        config = config or make("d", **TINY)
        task = SYSTEM.training_task(config, split)
        if not judged:
            task = SYSTEM.task(config, config.train_mask, split.names)
        dataset = pipeline.training_batches(split, task, batch_size=4, seed=seed)
        return list(dataset.take(count).as_numpy_iterator())

    @pytest.mark.parametrize("part", [slice(0, None), slice(5, None), slice(0, 5)])
    @pytest.mark.parametrize("kind", config_table.KINDS)
    def test_labels_are_those_of_the_image(self, part, kind):
        """Also where validation has taken a part of the split."""
        split = numbered(12).part(part.start, part.stop)
        config = make("d", **TINY, classification=kind)
        seen = set()
        for _, target in self.batches(split, 6, config=config):
            shown = target["image"][:, 0, 0, 0]
            for number, label in zip(np.rint(127.5 * (shown + 1)), target["labels"]):
                bits = [int(number) >> bit & 1 for bit in range(4)]
                lowest = bits.index(1) + 1 if any(bits) else 0
                expected = bits if kind == "multi_label" else lowest
                np.testing.assert_array_equal(label, expected)
                seen.add(int(number))
        assert seen == set(range(12)[part])

    def test_m_d_is_drawn_apart_from_m_g(self):
        seen = self.batches(tiny.split_of(tiny.noise(40)), 80)
        centers = []  # of both holes, [2, count, rows and columns]
        for masks in zip(*((i["mask"], t["mask"]) for i, t in seen)):
            mask = np.concatenate(masks)[..., 0]
            spans = [mask.max(axis=axis) @ np.arange(32) for axis in (2, 1)]
            sides = [mask.max(axis=axis).sum(axis=1) for axis in (2, 1)]
            assert set(np.unique(mask)) == {0, 1}
            # Rectangles, of the same sizes as those in training.
            np.testing.assert_array_equal(mask.sum(axis=(1, 2)), sides[0] * sides[1])
            assert 12 <= np.min(sides) <= np.max(sides) <= 16
            centers.append(np.stack(spans, axis=1) / np.stack(sides, axis=1))
        real, fake = np.array(centers)
        for axis in (0, 1):
            together = np.corrcoef(real[:, axis], fake[:, axis])[0, 1]
            assert abs(together) < 0.15  # 320 draws: 2.7 standard deviations
        assert (real != fake).any(axis=1).mean() > 0.9

    def test_m_g_is_what_it_is_without_judges_and_m_d_follows_the_seed(self):
        split = tiny.split_of(tiny.noise(8))
        first, again = (self.batches(split, 6) for _ in range(2))
        tf.nest.map_structure(np.testing.assert_array_equal, first, again)
        plain = self.batches(split, 6, judged=False)
        for (inputs, target), (as_before, image) in zip(first, plain):
            tf.nest.map_structure(np.testing.assert_array_equal, inputs, as_before)
            np.testing.assert_array_equal(target["image"], image)
            assert "labels" not in target
        # Another one in every epoch, and with another seed.
        masks = {mask.tobytes() for _, target in first for mask in target["mask"]}
        assert len(masks) > 20
        other = self.batches(split, 6, seed=1)
        assert (other[0][1]["mask"] != first[0][1]["mask"]).any()


class TestStatements:
    split = numbered(4)

    def test_phases_and_classes_are_said(self):
        phases, classes = training.statements(make("d"), self.split)
        assert phases == (
            "The generator learns alone for 900 steps; discriminator and classifier "
            "for the next 100; then all learn jointly."
        )
        assert classes == "The classifier learns One, Two, Four, Eight."

    def test_many_classes_are_counted(self):
        split = tiny.renamed(self.split, [f"Kind_{i}" for i in range(9)])
        said = training.statements(make("d"), split)[1]
        assert said == (
            "The classifier learns Kind 0, Kind 1, Kind 2, Kind 3, Kind 4, Kind 5 and "
            "3 more."
        )

    def test_what_the_literal_algorithm_begins_with_is_said(self):
        said = training.statements(make("paper_literal"), self.split)[0]
        assert "900 steps, from a discriminator that has not learned anything;" in said

    def test_a_missing_classifier_is_explained(self):
        off = make("d", classes=())
        assert training.statements(off, self.split)[1] == (
            "There is no classifier: it is switched off."
        )
        bare = tiny.split_of(tiny.noise(2))
        assert training.statements(make("d"), bare)[1] == (
            "There is no classifier: Tiny has no attributes."
        )


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"configuration": "e"}, "--configuration must be one of a, b, c, d; got"),
            ({"norm": "bath"}, "got 'bath'. Did you mean: batch ?"),
            (
                {"classification": "multi_labels"},
                "--classification must be one of multi_label, multi_class; got "
                "'multi_labels'. Did you mean: multi_label ?",
            ),
            ({"width": 0.0}, "--width must be above 0; got 0.0."),
            ({"generator_steps": -1}, "--generator_steps must be at least 0; got -1."),
            ({"discriminator_steps": -1}, "--discriminator_steps must be at least 0"),
            ({"history_steps": 0}, "--history_steps must be at least 1; got 0."),
            ({"steps": 0}, "--steps must be at least 1; got 0."),
            ({"train_mask": "centre"}, "got 'centre'. Did you mean: center ?"),
            ({"hole_size": 129}, "--hole_size must be at most 128"),
            ({"embedding_range": "byte"}, "got 'byte'. Did you mean: bytes ?"),
            (
                {"image_size": 100},
                "--image_size must be a multiple of 32, because 5 convolutions each "
                "halve it; got 100. Try 96.",
            ),
            (
                {"patch_size": 72},
                "--patch_size must be a multiple of 16, because 4 convolutions each "
                "halve it; got 72. Try 64.",
            ),
            (
                {"patch_size": 144},
                "--patch_size must be at most 128, the side of the image; got 144.",
            ),
        ],
    )
    def test_they_name_the_flag_the_rule_and_the_value(self, options, text):
        with pytest.raises(ValueError, match=re.escape(text)):
            make("paper", **options)

    def test_without_a_local_discriminator_any_patch_is_as_good(self):
        assert make("c", patch_size=72).patch_size == 72


def test_helpfull_explains_every_flag_with_its_published_value():
    command = [sys.executable, "-m", f"experiments.{SYSTEM.name}", "--helpfull"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    # Lines are wrapped, also within words such as CelebA-HQ.
    text = "".join(result.stdout.split())
    for field in dataclasses.fields(Config):
        assert re.search(rf"--(\[no\])?{field.name}:", text), field.name
        assert "".join(field.metadata["help"].split()) in text, field.name


def report_of(folder):
    return json.loads((folder.report / "results.json").read_text())


class TestRun:
    @pytest.fixture(scope="class")
    def embedding(self, tmp_path_factory):
        """A network whose vector of a face is its mean color."""
        return save_embedding(tmp_path_factory.mktemp("networks") / "colors")

    @pytest.fixture(scope="class")
    def options(self, judge_config, embedding, tmp_path_factory):
        return {
            "workdir": str(tmp_path_factory.mktemp("runs") / "smoke"),
            "judge": f"{judge_config.workdir}/judge",
            "embedding": str(embedding),
        }

    @pytest.fixture(scope="class")
    def said(self):
        """What the runs print."""
        return io.StringIO()

    @pytest.fixture(scope="class")
    def folder(self, options, said):
        """A whole run of the preset, judged and embedded, that begins with 2 steps."""
        with contextlib.redirect_stdout(said):
            begun = make("smoke", **options, stages=("train",), steps=2)
            runner.run(SYSTEM, begun, "smoke")
            return runner.run(SYSTEM, make("smoke", **options), "smoke")

    def test_it_goes_on_to_more_steps(self, folder, said):
        assert "Resuming from step 2 of 7." in said.getvalue()
        trainer = SYSTEM.build_trainer(make("smoke"), 1, tuple(ATTRIBUTES))
        saved = Checkpoints(trainer.checkpoint_items(), folder.checkpoints)
        assert saved.restore() and saved.steps == 7

    def test_its_history_has_the_terms_of_its_phases(self, folder):
        alone, *rows = History(folder.history).rows[1:]
        assert {name for name in alone if TERM.match(name)} == {"g_reconstruction"}
        assert [alone["step"], *(row["step"] for row in rows)] == [2, 3, 6, 7]
        every = {
            "g_reconstruction", "g_adversarial", "g_classification", "d_real",
            "d_fake", "c_real", "c_fake",
        }  # fmt: skip
        for row in rows:
            assert {name for name in row if TERM.match(name)} == every
            assert np.isfinite(list(row.values())).all() and "epoch" not in row
        names = [path.name for path in sorted(folder.samples.iterdir())]
        assert names == [f"step_000{step}.png" for step in (2, 3, 6, 7)]

    def test_its_report_has_what_judge_and_embedding_say(self, folder):
        report, label = report_of(folder), SYSTEM.label(make("smoke"))
        assert report["ours"] == [label]
        for name, values in report["summary"].items():
            assert 0 <= values["composite/attribute_accuracy"]["mean"] <= 100, name
            assert -1 <= values["composite/identity"]["mean"] <= 1, name
        environment = report["environment"]
        assert environment["embedding"].startswith("colors, output embedding, sha256 ")
        assert (
            "% right on 60 original test images; trained on 60, seed 0, commit "
            in (environment["judge"])
        )
        (table,) = report["tables"]
        assert table["rows"][0][0] == "all attributes"
        assert len(table["rows"]) == 1 + len(ATTRIBUTES)
        completed = report["summary"][label]["composite/attribute_accuracy"]["mean"]
        assert table["rows"][0][3] == pytest.approx(completed)

    def test_its_report_says_what_was_trained(self, folder):
        report = report_of(folder)
        assert report["subtitle"] == (
            "Drawn faces, 32 px, 7 of 5,000 steps over 40 images, CPU"
        )
        said = " ".join(report["statements"])
        assert "The generator learns alone for 2 steps" in said
        assert "The classifier learns " in said
        assert "Holes: random rectangle, sides up to 16 of 32×32 pixels." in said
        page = (folder.report / "report.md").read_text()
        for text in (*report["statements"], "all attributes", "Table 1 cannot be"):
            assert text in page

    def test_its_export_fills_holes_anywhere(self, folder):
        assert saved_model.read_config(folder.export)["fills"]["side"] == 0
        model = tf.keras.models.load_model(folder.export)
        image = (tiny.smooth(2) + 1) / 2
        mask = np.zeros([2, 32, 32, 1], np.float32)
        mask[0, :20, 5:30] = mask[1, 30:, 31:] = 1
        restored = model({"image": image, "mask": mask}).numpy()
        known = np.broadcast_to(mask == 0, image.shape)
        np.testing.assert_array_equal(restored[known], image[known])
        assert (restored[~known] != image[~known]).any()

    def test_a_judge_of_other_faces_is_refused_before_training(
        self, options, judge_config, tmp_path
    ):
        typed = {**options, "workdir": str(tmp_path / "run"), "image_size": 64}
        with pytest.raises(ValueError, match="--judge=.* at 32 px; these images"):
            runner.run(SYSTEM, make("smoke", **typed), "smoke")
        assert not (tmp_path / "run" / "checkpoints" / "last").exists()


def test_buildings_are_completed_without_a_classifier(tmp_path):
    """Any folder of pictures will do."""
    for index, image in enumerate(tiny.noise(24, 40)):
        path = str(tmp_path / "buildings" / f"{index:02d}.png")
        tf.io.write_file(path, tf.io.encode_png(image))
    options = {
        **TINY,
        "dataset": "folder",
        "data_dir": str(tmp_path / "buildings"),
        "workdir": str(tmp_path / "run"),
        "stages": ("train", "evaluate"),
        "norm": "none",
        "steps": 1,
        "generator_steps": 0,
        "validation_images": 4,
    }
    folder = runner.run(SYSTEM, make("b", **options), "b")
    report = report_of(folder)
    assert any(
        re.fullmatch(r"There is no classifier: .+ has no attributes\.", said)
        for said in report["statements"]
    )
    assert not report["tables"]
    assert not [note for note in report["notes"] if "judge" in note]
    row = History(folder.history).rows[-1]
    expected = {"g_reconstruction", "g_adversarial", "d_real", "d_fake"}
    assert {name for name in row if TERM.match(name)} == expected


def finished(folder, label, errors, ssim):
    """A run of 40 images as `together` reads it."""
    folder.mkdir()
    rows = "".join(f"{step},{error}\n" for step, error in errors.items())
    (folder / "history.csv").write_text(f"step,val_hole/l1_percent\n{rows}")
    values = {"hole/ssim": np.full(40, ssim), "hole/lpips": np.full(40, 1 - ssim)}
    evaluation = Evaluation([""] * 40, {label: values}, np.ones(40), "f")
    config = {"classifier_on_fake": False, "generator_steps": 180}
    report = {"ours": [label], "environment": {"config": config}, "tables": []}
    return FinishedRun(RunFolder(folder), evaluation, report)


def test_it_is_said_what_the_printed_losses_do(tmp_path):
    errors = {0: 20.0, 100: 9.9, 200: 8.0, 1000: 7.0}
    runs = [
        finished(tmp_path / "d", facts.LABELS["d"], errors, 0.5),
        finished(tmp_path / "p", facts.LITERAL, {**errors, 200: 25.0}, 0.4),
    ]
    merged = record.merge(*[run.evaluation for run in runs])
    (said,) = SYSTEM.joint_findings(merged, runs).statements
    assert "goes from 20.0% of random weights to 25.0% in that phase" in said
    assert "with the default losses to 8.0%. It ends at 7.0% against 7.0%" in said
    assert "SSIM of 0.400 against 0.500 and an LPIPS of 0.600 against 0.500" in said
    assert not SYSTEM.joint_findings(runs[0].evaluation, runs[:1]).statements


@pytest.mark.parametrize(
    "plain, full, verdict",
    [
        (0.30, 0.25, "holds"),
        (0.30, 0.299, "does not hold"),
        (0.3, 0.4, "does not hold"),
    ],
)
def test_the_last_tenth_of_two_histories_is_compared(plain, full, verdict):
    early = {"c_real": [9.0 - plain] * 18, "c_fake": [1.0] * 18}
    histories = {
        facts.LABELS[key]: {name: [*early[name], value, value] for name in early}
        for key, value in (("b", plain), ("d", full))
    }
    for on_fake in (True, False):
        found = {
            claim["claim"]: claim["verdict"]
            for claim in facts.check_histories(histories, on_fake=on_fake)
        }
        about = "The classifier's loss on {} images is lower with ({}) than with (b)"
        expected = {"restored": verdict, "real": verdict if on_fake else "not measured"}
        for images, said in expected.items():
            assert found[f"{about.format(images, 'd')} (Fig. 4)"] == said
            assert found[f"{about.format(images, 'c')} (Fig. 4)"] == "not measured"
