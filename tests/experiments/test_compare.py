"""Several runs in one report."""

import json
import shutil

import numpy as np
import pytest

from evaluation.record import Evaluation, merge
from experiments import compare
from experiments.core import command_line, runner
from experiments.core.folder import read_finished
from experiments.skip_inpainting.config import PRESETS, Config
from experiments.skip_inpainting.system import SYSTEM


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Models 1 and 3, trained for two steps each."""
    root = tmp_path_factory.mktemp("runs")
    for model in (1, 3):
        options = {"limit": 16, "epochs": 1, "stages": ("train", "evaluate")}
        folder = root / f"model{model}"
        config = command_line.make(
            Config, PRESETS, "smoke", model=model, workdir=str(folder), **options
        )
        runner.run(SYSTEM, config, "smoke")
    return [root / "model3", root / "model1"]


@pytest.fixture(scope="module")
def compared(runs, tmp_path_factory):
    output = tmp_path_factory.mktemp("compared")
    page = compare.compare(SYSTEM, runs, str(output))
    return page.parent


def test_it_has_the_numbers_of_every_run(runs, compared):
    results = json.loads((compared / "results.json").read_text())
    assert results["ours"] == ["model 3", "model 1"]
    for run, label in zip(runs, results["ours"]):
        own = json.loads((run / "report" / "results.json").read_text())
        assert results["summary"][label] == own["summary"][label]
    assert {"mean face", "Telea"} <= results["summary"].keys()
    (cost,) = results["tables"]
    assert [row[0] for row in cost["rows"]] == ["model 3", "model 1"]
    found = read_finished(runs)
    merged = merge(*[run.evaluation for run in found])
    evidence = SYSTEM.evidence(merged, found)
    assert results["claims"] == SYSTEM.check_claims(evidence)
    lengths = {name: run.length for name, run in evidence.trained.items()}
    assert lengths == {"model 3": "1 of 38 epochs", "model 1": "1 of 36 epochs"}
    assert all(run.short for run in evidence.trained.values())


def test_it_overlays_their_curves(compared):
    page = (compared / "report.html").read_text()
    assert "Generator loss" in page and "Discriminator loss" in page
    for name in ("g", "d", "hole-l1-percent"):
        assert (compared / "plots" / f"learning-{name}.png").exists()


def test_it_shows_the_same_faces_by_all(runs, compared):
    pictures = json.loads((compared / "results.json").read_text())["pictures"]
    values = [
        Evaluation.load(run / "report" / "evaluation.npz").values[label]
        for run, label in zip(runs, ("model 3", "model 1"))
    ]
    names = Evaluation.load(runs[0] / "report" / "evaluation.npz").names
    difference = np.abs(values[0]["hole/l1_percent"] - values[1]["hole/l1_percent"])
    first = pictures["Where they differ most"][0]
    assert first["name"] == names[int(np.argmax(difference))]
    for rows in pictures.values():
        for row in rows:
            columns = list(row["files"])
            assert columns == ["Input", "model 3", "model 1", "Original"]


def test_runs_on_other_images_are_refused(runs, tmp_path):
    copy = shutil.copytree(runs[1], tmp_path / "copy")
    path = copy / "report" / "evaluation.npz"
    kept = Evaluation.load(path)
    Evaluation(kept.names, kept.values, kept.hole_ratio, "0" * 16).save(path)
    with pytest.raises(ValueError, match="Fingerprints .* differ"):
        compare.compare(SYSTEM, [runs[0], copy], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_run_without_a_report_is_named(runs, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no report; run it with"):
        compare.compare(SYSTEM, [runs[0], tmp_path], str(tmp_path / "out"))
