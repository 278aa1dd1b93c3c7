"""The runner: runs that are started again, refused, or given other settings."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_papers
from test_export import half_precision_nodes
from tiny_papers import history, results

from experiments.core import evaluate, runner
from experiments.core.folder import RunFolder
from experiments.skip_inpainting.system import SYSTEM
from training.adversarial import AdversarialTrainer
from training.checkpoints import Checkpoints

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("no_cached_weights")
SHORT = {"limit": 16, "epochs": 1, "validation_images": 4}


def start(workdir, **typed):
    config = tiny_papers.configure(SYSTEM, workdir=str(workdir), **typed)
    return runner.run(SYSTEM, config, "smoke")


@pytest.fixture(scope="module")
def smoke(smoke_run):
    """The folder of a whole run of the preset; it is shared."""
    return smoke_run(SYSTEM.name).folder


@pytest.fixture
def copy(smoke, tmp_path):
    """The same for a test that changes it."""
    return RunFolder(shutil.copytree(smoke.path, tmp_path / "copy"))


def weights(folder):
    """The weights of the last checkpoint, in order."""
    trainer = SYSTEM.build_trainer(tiny_papers.configure(SYSTEM))
    saved = Checkpoints(trainer.checkpoint_items(), folder.checkpoints)
    assert saved.restore()
    networks = (trainer.generator, trainer.discriminator)
    return [weight.numpy() for network in networks for weight in network.weights]


class TestReport:
    def test_the_composite_of_everything_has_the_known_pixels(self, smoke):
        summary = results(smoke)["summary"]
        assert summary.keys() == {
            *("model 3", "mean color", "mean face", "Telea", "Navier–Stokes")
        }
        for name, found in summary.items():
            if name != "model 3":
                hole, raw = (f"{region}/l1_percent" for region in ("hole", "raw"))
                expected = pytest.approx(found[hole]["mean"] / 4, rel=1e-3)
                assert found[raw]["mean"] == expected

    def test_it_says_what_a_reduced_run_is(self, smoke):
        found = results(smoke)
        subtitle = "Drawn faces, 32 px, 2 of 40 epochs (10 updates) over 40 images, CPU"
        assert found["subtitle"] == subtitle
        assert found["environment"]["data"]["training images"] == 40
        assert {"By yaw", "By attribute"} <= found["groups"].keys()
        page = (smoke.report / "report.html").read_text()
        assert subtitle in page and "LPIPS is left out" in page


class TestAgain:
    def test_a_finished_run_does_not_train_again(self, copy, monkeypatch, capsys):
        def trained(self, data):
            raise AssertionError("it trained again")

        monkeypatch.setattr(AdversarialTrainer, "train_step", trained)
        before, rows = weights(copy), copy.history.read_text()
        report = results(copy)
        start(copy.path, dataset="faces", stages=("train", "evaluate"))
        assert "has been trained for 2 epochs already" in capsys.readouterr().out
        assert copy.history.read_text() == rows
        for old, new in zip(before, weights(copy)):
            np.testing.assert_array_equal(old, new)
        again = results(copy)
        for found in (again, report):  # the first run exported as well
            found["environment"]["config"].pop("stages", None)
        assert again == report

    def test_a_damaged_checkpoint_costs_an_epoch(self, smoke, copy, capsys):
        (newest,) = (copy.checkpoints / "last").glob("ckpt-10.data*")
        newest.write_bytes(newest.read_bytes()[:-9])
        start(copy.path, stages=("train",))
        said = capsys.readouterr()
        assert re.search(r"step 10 is damaged .*, went back to 5\.", said.err)
        assert "Resuming from step 5 of 10." in said.out
        assert history(copy) == history(smoke)
        for first, second in zip(weights(smoke), weights(copy)):
            np.testing.assert_array_equal(first, second)

    def test_a_history_without_checkpoints_does_not_begin_anew(self, copy):
        shutil.rmtree(copy.checkpoints)
        with pytest.raises(ValueError, match=r"history.csv is of a run .* are gone"):
            start(copy.path, stages=("train",))

    def test_other_holes_make_another_report(self, smoke, copy, monkeypatch):
        monkeypatch.setattr(evaluate, "commit", lambda: "later")
        again = start(copy.path, stages=("evaluate",), test_mask="random_square")
        (kept,) = copy.path.glob("report-*")
        assert kept.name.startswith("report-center-")
        first = json.loads((kept / "results.json").read_text())
        assert first == results(smoke)
        before, after = first["environment"], results(again)["environment"]
        fingerprint = "fingerprint of the test set"
        assert after[fingerprint] != before[fingerprint]
        assert after["commit"] == before["commit"]
        assert after["evaluation commit"] == "later" != before["evaluation commit"]

    def test_the_same_seed_gives_the_same_network(self, smoke, tmp_path):
        other = start(tmp_path / "other", stages=("train",))
        assert history(other) == history(smoke)
        for first, second in zip(weights(smoke), weights(other)):
            np.testing.assert_array_equal(first, second)


class TestRefused:
    def test_other_settings(self, smoke):
        before = (smoke.path / "config.json").read_text()
        text = "learning_rate was 0.0002 and is now 0.001"
        with pytest.raises(ValueError, match=re.escape(text)):
            start(smoke.path, learning_rate=1e-3)
        assert (smoke.path / "config.json").read_text() == before

    @pytest.mark.parametrize("stages", [("evaluate",), ("export",)])
    def test_nothing_to_evaluate_or_export(self, tmp_path, stages):
        with pytest.raises(FileNotFoundError, match="no checkpoint; put train into"):
            start(tmp_path / "empty", stages=stages)
        assert not (tmp_path / "empty" / "config.json").exists()

    def test_two_that_train_in_one_folder(self, tmp_path):
        refused = pytest.raises(ValueError, match="Another process trains in")
        with RunFolder(tmp_path).training(), refused:
            start(tmp_path, **SHORT)
        assert not (tmp_path / "config.json").exists()

    def test_uneven_batches(self, tmp_path):
        text = "--batch_size=9 must be a multiple of the 2"
        with pytest.raises(ValueError, match=text):
            start(tmp_path / "run", num_replicas=2, batch_size=9)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "experiments.skip_inpainting", *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )


def test_a_run_in_bfloat16_prints_no_noise_and_exports_float32(tmp_path):
    workdir = tmp_path / "typed"
    options = {**SHORT, "precision": "mixed_bfloat16", "ema_decay": 0.9}
    typed = [f"--{key}={value}" for key, value in options.items()]
    done = command("--preset=smoke", f"--workdir={workdir}", *typed)
    assert done.returncode == 0, done.stderr
    assert f"report: {workdir}/report/report.html" in done.stdout
    assert f"export: {workdir}/export/1" in done.stdout
    noise = r"^([IWE]\d{4} |\d{4}-\d\d-\d\d|WARNING|INFO)|Warning|TensorFlow Addons"
    text = done.stdout + done.stderr
    assert not re.search(noise, text, re.MULTILINE), text
    record = json.loads((workdir / "config.json").read_text())
    assert record["config"]["precision"] == "mixed_bfloat16"
    assert half_precision_nodes(workdir / "export" / "1") == []


def test_a_mistake_is_one_line_without_a_traceback(tmp_path):
    done = command("--preset=smok", f"--workdir={tmp_path}/run")
    assert done.returncode == 1
    assert done.stderr.startswith("error: --preset must be one of paper, ")
    assert "Did you mean: smoke ?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
