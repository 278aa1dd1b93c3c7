"""The runner from end to end, on the smallest preset and a few drawn faces."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from test_export import half_precision_nodes

from data_pipeline import pixels
from evaluation.record import Evaluation
from experiments.core import command_line, evaluate, runner
from experiments.core.folder import RunFolder
from experiments.skip_inpainting.config import PRESETS, Config
from experiments.skip_inpainting.system import SYSTEM
from serving.export import saved_model
from training.adversarial import AdversarialTrainer
from training.checkpoints import Checkpoints
from training.history import History

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINES = {"mean color", "mean face", "Telea", "Navier–Stokes"}
SHORT = {"limit": 16, "epochs": 1, "validation_images": 4}


def configuration(workdir, **typed):
    return command_line.make(Config, PRESETS, "smoke", workdir=str(workdir), **typed)


def start(workdir, **typed):
    return runner.run(SYSTEM, configuration(workdir, **typed), "smoke")


@pytest.fixture(scope="module", autouse=True)
def no_cached_weights(tmp_path_factory):
    """LPIPS weights that this user has cached change no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The folder of a whole run of the preset."""
    return start(tmp_path_factory.mktemp("runs") / "smoke", dataset="faces")


def weights(folder, which="last", **typed):
    """The weights of a checkpoint, in order."""
    trainer = SYSTEM.build_trainer(configuration(folder.path, **typed))
    saved = Checkpoints(trainer.checkpoint_items(), folder.checkpoints)
    assert saved.restore_part(best=which == "best")
    networks = (trainer.generator, trainer.discriminator)
    return [weight.numpy() for network in networks for weight in network.weights]


def history(folder):
    """Rows without what the clock says."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
        for row in History(folder.history).rows
    ]


def results(folder):
    return json.loads((folder.report / "results.json").read_text())


class TestFolder:
    def test_it_holds_everything(self, smoke):
        expected = [
            "checkpoints/best/checkpoint",
            "checkpoints/last/checkpoint",
            "config.json",
            "export/1/assets.extra/config.json",
            "export/1/assets.extra/model_card.md",
            "export/1/saved_model.pb",
            "history.csv",
            "report/evaluation.npz",
            "report/report.html",
            "report/report.md",
            "report/results.json",
            "samples/epoch_0001.png",
            "samples/epoch_0002.png",
        ]
        present = {
            path.relative_to(smoke.path).as_posix()
            for path in smoke.path.rglob("*")
            if path.is_file()
        }
        assert set(expected) <= present
        assert any(re.match(r"logs/.*events\.out", name) for name in present)
        assert not [name for name in present if "partial" in name or "/." in name]

    def test_the_history_has_a_row_an_epoch(self, smoke):
        rows = History(smoke.history).rows
        assert [(row["epoch"], row["step"]) for row in rows] == [
            (0, 0),
            (1, 5),
            (2, 10),
        ]
        losses = {"g_reconstruction", "g_adversarial", "d_real", "d_fake"}
        assert losses <= rows[1].keys() and not losses & rows[0].keys()
        for row in rows:
            assert np.isfinite(list(row.values())).all()
            assert 0 < row["val_hole/l1_percent"] < 100

    def test_samples_are_pictures(self, smoke):
        # Four rows of eight images and the gaps between them.
        grid = pixels.read(smoke.samples / "epoch_0002.png")
        assert grid.shape == (4 * 34 - 2, 8 * 34 - 2, 3)

    def test_the_record_is_that_of_the_run(self, smoke):
        record = json.loads((smoke.path / "config.json").read_text())
        assert (record["paper"], record["preset"]) == ("skip_inpainting", "smoke")
        assert record["config"]["limit"] == 40
        assert record["config"]["learning_rate"] == 2e-4


class TestReport:
    def test_baselines_and_ours_are_measured_on_one_set(self, smoke):
        report, evaluation = (
            results(smoke),
            Evaluation.load(smoke.report / "evaluation.npz"),
        )
        assert report["ours"] == ["model 3"]
        assert report["summary"].keys() == {"model 3", *BASELINES}
        assert list(evaluation.values) == list(report["summary"])
        environment = report["environment"]
        fingerprint = environment["fingerprint of the test set"]
        assert fingerprint == evaluation.fingerprint
        metrics = {frozenset(values) for values in report["summary"].values()}
        assert len(metrics) == 1
        for values in evaluation.values.values():
            assert len(values["hole/l1_percent"]) == len(evaluation.names) == 40
            assert np.isfinite(values["hole/l1_percent"]).all()
        assert environment["data"]["training images"] == 40
        assert environment["data"]["test images"] == 40
        assert evaluation.hole_ratio == pytest.approx([0.25] * 40)

    def test_the_composite_of_everything_has_the_known_pixels(self, smoke):
        summary = results(smoke)["summary"]
        for name in BASELINES:
            hole, raw = (
                summary[name][f"{region}/l1_percent"]["mean"]
                for region in ("hole", "raw")
            )
            assert raw == pytest.approx(hole / 4, rel=1e-3)

    def test_it_says_what_a_reduced_run_is(self, smoke):
        subtitle = "Drawn faces, 32 px, 2 of 40 epochs (10 updates) over 40 images, CPU"
        assert results(smoke)["subtitle"] == subtitle
        page = (smoke.report / "report.html").read_text()
        card = (smoke.export / "assets.extra" / "model_card.md").read_text()
        for text in (page, (smoke.report / "report.md").read_text(), card):
            assert subtitle in text
        assert "LPIPS is left out" in page
        assert "model 3" in card and "Telea" in card

    def test_groups_are_those_of_the_drawn_faces(self, smoke):
        groups = results(smoke)["groups"]
        assert {"By yaw", "By attribute"} <= groups.keys()


class TestExport:
    def test_it_is_the_trained_network(self, smoke):
        trainer = SYSTEM.build_trainer(configuration(smoke.path))
        saved = Checkpoints(trainer.checkpoint_items(), smoke.checkpoints)
        assert saved.restore() and saved.steps == 10
        rng = np.random.default_rng(0)
        image = rng.uniform(size=(2, 32, 32, 3)).astype(np.float32)
        mask = np.zeros((2, 32, 32, 1), np.float32)
        mask[:, 8:24, 8:24] = 1
        served = tf.keras.models.load_model(smoke.export)
        restored = served({"image": image, "mask": mask}).numpy()
        filled = np.where(mask, np.float32(1), 2 * image - 1)
        raw = trainer.generator({"image": filled, "mask": mask}, training=False)
        expected = np.where(mask, (raw + 1) / 2, image)
        np.testing.assert_allclose(restored, expected, atol=1e-5)

    def test_its_config_says_what_it_is(self, smoke):
        config = saved_model.read_config(smoke.export)
        facts = ("name", "image_size", "hole_size", "paper", "preset")
        assert [config[key] for key in facts] == [
            "model 3", 32, 16, "skip_inpainting", "smoke",
        ]  # fmt: skip
        assert config["config"]["widths"] == [8, 8, 16]


class TestAgain:
    def test_a_finished_run_does_not_train_again(self, smoke, monkeypatch, capsys):
        def trained(self, data):
            raise AssertionError("it trained again")

        monkeypatch.setattr(AdversarialTrainer, "train_step", trained)
        before, rows = weights(smoke), smoke.history.read_text()
        report = results(smoke)
        again = start(smoke.path, dataset="faces")
        assert again.path == smoke.path
        assert "has been trained for 2 epochs already" in capsys.readouterr().out
        assert smoke.history.read_text() == rows
        for old, new in zip(before, weights(smoke)):
            np.testing.assert_array_equal(old, new)
        assert results(smoke) == report
        assert [path.name for path in (smoke.path / "export").iterdir()] == ["1"]

    def test_other_holes_make_another_report(self, smoke, tmp_path, monkeypatch):
        monkeypatch.setattr(evaluate, "commit", lambda: "later")
        copy = shutil.copytree(smoke.path, tmp_path / "copy")
        again = start(copy, stages=("evaluate",), test_mask="random_square")
        (kept,) = copy.glob("report-*")
        assert kept.name.startswith("report-center-")
        first = json.loads((kept / "results.json").read_text())
        assert first == results(smoke)
        before, after = first["environment"], results(again)["environment"]
        assert (
            after["fingerprint of the test set"]
            != (before["fingerprint of the test set"])
        )
        assert after["commit"] == before["commit"]
        assert after["evaluation commit"] == "later" != before["evaluation commit"]

    def test_the_same_seed_gives_the_same_network(self, smoke, tmp_path):
        other = start(tmp_path / "other", stages=("train",))
        assert history(other) == history(smoke)
        for first, second in zip(weights(smoke), weights(other)):
            np.testing.assert_array_equal(first, second)

    @pytest.mark.parametrize(
        "typed, text",
        [
            ({"learning_rate": 1e-3}, "learning_rate was 0.0002 and is now 0.001"),
            ({"widths": (8, 16)}, "widths was [8, 8, 16] and is now [8, 16]"),
        ],
    )
    def test_other_settings_are_refused(self, smoke, typed, text):
        before = (smoke.path / "config.json").read_text()
        with pytest.raises(ValueError, match=re.escape(text)):
            start(smoke.path, **typed)
        assert (smoke.path / "config.json").read_text() == before

    @pytest.mark.parametrize("stages", [("evaluate",), ("export",)])
    def test_without_a_checkpoint_there_is_nothing_to_do(self, tmp_path, stages):
        with pytest.raises(FileNotFoundError, match="no checkpoint; put train into"):
            start(tmp_path / "empty", stages=stages)
        assert not (tmp_path / "empty" / "config.json").exists()

    def test_two_cannot_train_in_one_folder(self, tmp_path):
        refused = pytest.raises(ValueError, match="Another process trains in")
        with RunFolder(tmp_path).training(), refused:
            start(tmp_path, **SHORT)
        assert not (tmp_path / "config.json").exists()


def test_the_best_checkpoint_is_that_of_the_best_epoch(smoke):
    best = min(history(smoke)[1:], key=lambda row: row["val_hole/l1_percent"])
    (index,) = (smoke.checkpoints / "best").glob("*.index")
    assert index.stem == f"ckpt-{int(best['step'])}"


class TestPatchModelOnTwoReplicas:
    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        typed = {"num_replicas": 2, "model": 0, "clip_norm": 1.0, "losses": "swapped"}
        return start(tmp_path_factory.mktemp("runs") / "two", **SHORT, **typed)

    def test_it_is_trained_and_measured(self, folder):
        assert [row["step"] for row in history(folder)] == [0, 2]
        values = Evaluation.load(folder.report / "evaluation.npz").values
        assert values.keys() == {"model 0", *BASELINES}
        for measured in values.values():
            assert np.isfinite(measured["hole/l1_percent"]).all()

    def test_its_export_fills_patches(self, folder):
        assert saved_model.read_config(folder.export)["fills"]["side"] == 16
        served = tf.saved_model.load(str(folder.export)).signatures["serving_default"]
        image, mask = tf.fill([1, 32, 32, 3], 0.5), tf.ones([1, 32, 32, 1])
        with pytest.raises(tf.errors.InvalidArgumentError, match="16x16"):
            served(image=image, mask=mask)

    def test_uneven_batches_are_refused(self, tmp_path):
        with pytest.raises(
            ValueError, match="--batch_size=9 must be a multiple of the 2"
        ):
            start(tmp_path / "run", num_replicas=2, batch_size=9)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "experiments.skip_inpainting", *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )


class TestCommandLine:
    @pytest.fixture(scope="class")
    def workdir(self, tmp_path_factory):
        return tmp_path_factory.mktemp("runs") / "typed"

    @pytest.fixture(scope="class")
    def done(self, workdir):
        options = {**SHORT, "precision": "mixed_bfloat16", "ema_decay": 0.9}
        typed = [f"--{key}={value}" for key, value in options.items()]
        return command("--preset=smoke", f"--workdir={workdir}", *typed)

    def test_it_says_where_things_are(self, done, workdir):
        assert done.returncode == 0, done.stderr
        assert f"report: {workdir}/report/report.html" in done.stdout
        assert f"export: {workdir}/export/1" in done.stdout

    def test_it_prints_no_noise(self, done):
        noise = re.compile(
            r"^([IWE]\d{4} |\d{4}-\d\d-\d\d|WARNING|INFO)|Warning|TensorFlow Addons",
            re.MULTILINE,
        )
        text = done.stdout + done.stderr
        assert not noise.search(text), text

    def test_trained_in_bfloat16_it_is_exported_in_float32(self, done, workdir):
        record = json.loads((workdir / "config.json").read_text())
        assert record["config"]["precision"] == "mixed_bfloat16"
        assert half_precision_nodes(workdir / "export" / "1") == []

    def test_a_mistake_is_one_line_without_a_traceback(self, tmp_path):
        done = command("--preset=smok", f"--workdir={tmp_path}/run")
        assert done.returncode == 1
        assert done.stderr.startswith("error: --preset must be one of paper, ")
        assert "Did you mean: smoke ?" in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "run").exists()
