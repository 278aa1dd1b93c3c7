"""Several runs in one report."""

import json
import shutil

import numpy as np
import pytest
import tiny_papers

from data_pipeline import pixels
from evaluation.record import Evaluation, merge
from experiments import compare
from experiments.core.folder import read_finished
from experiments.core.results import draw_figures
from experiments.skip_inpainting import published
from experiments.skip_inpainting.system import SYSTEM

LABELS = ["model 3", "model 1"]


@pytest.fixture(scope="module")
def runs(smoke_run):
    made = smoke_run(SYSTEM.name), smoke_run(SYSTEM.name, **tiny_papers.PATCH_MODEL)
    return [run.folder.path for run in made]


@pytest.fixture(scope="module")
def compared(runs, tmp_path_factory):
    output = tmp_path_factory.mktemp("compared")
    page = compare.compare(SYSTEM, runs, str(output))
    return page.parent


def evaluations(runs):
    return [Evaluation.load(run / "report" / "evaluation.npz") for run in runs]


def test_it_has_the_numbers_and_the_curves_of_every_run(runs, compared):
    results = json.loads((compared / "results.json").read_text())
    assert results["ours"] == LABELS
    for run, label in zip(runs, LABELS):
        own = json.loads((run / "report" / "results.json").read_text())
        assert results["summary"][label] == own["summary"][label]
    assert {"mean face", "Telea"} <= results["summary"].keys()
    (cost,) = results["tables"]
    assert [row[0] for row in cost["rows"]] == LABELS
    found = read_finished(runs)
    evidence = SYSTEM.evidence(merge(*evaluations(runs)), found)
    (pose,) = SYSTEM.joint_findings(evidence, found).claims
    assert results["claims"] == [*SYSTEM.check_claims(evidence), pose]
    assert "front faces" in pose["claim"]
    lengths = {name: run.length for name, run in evidence.trained.items()}
    assert lengths == {"model 3": "2 of 38 epochs", "model 1": "2 of 36 epochs"}
    assert all(run.short for run in evidence.trained.values())
    page = (compared / "report.html").read_text()
    assert "Generator loss" in page and "Discriminator loss" in page
    for name in ("g", "d", "hole-l1-percent"):
        assert (compared / "plots" / f"learning-{name}.png").exists()


def relabeled(run, place, label):
    """A copy of a run that had another label when it was evaluated."""
    copy = shutil.copytree(run, place)
    results = copy / "report" / "results.json"
    (ours,) = json.loads(results.read_text())["ours"]
    results.write_text(results.read_text().replace(ours, label))
    path = copy / "report" / "evaluation.npz"
    found = Evaluation.load(path)
    values = {name.replace(ours, label): found.values[name] for name in found.values}
    values[f"{label}, 4 bits"] = values[label]
    Evaluation(found.names, values, found.hole_ratio, found.fingerprint).save(path)
    return copy


def test_a_length_that_all_share_is_left_out(runs, tmp_path):
    long = [
        relabeled(run, tmp_path / name, f"{name}, 1,158 epochs")
        for run, name in zip(runs, "ab")
    ]
    found = read_finished(long)
    assert [run.label for run in found] == ["a", "b"]
    for run, name in zip(found, "ab"):
        assert {name, f"{name}, 4 bits"} <= run.evaluation.values.keys()
        assert name in run.report["summary"]
        for key in ("summary", "tables", "statements", "claims", "pictures"):
            assert "1,158 epochs" not in json.dumps(run.report[key]), key
    # One run alone, or runs of several lengths, keep theirs.
    assert read_finished(long[:1])[0].label == "a, 1,158 epochs"
    other = relabeled(runs[1], tmp_path / "c", "c, 2 epochs")
    labels = [run.label for run in read_finished([long[0], other])]
    assert labels == ["a, 1,158 epochs", "c, 2 epochs"]


def test_a_seed_is_in_the_name_of_every_row(runs, tmp_path):
    again = relabeled(runs[0], tmp_path / "again", "model 3")
    results = again / "report" / "results.json"
    changed = json.loads(results.read_text())
    changed["environment"]["config"]["seed"] = 7
    results.write_text(json.dumps(changed))
    first, second = read_finished([runs[0], again])
    assert (first.label, second.label) == ("model 3", "model 3, seed 7")
    assert second.repeats == "model 3" and "model 3" in first.evaluation.values
    assert "model 3, seed 7, 4 bits" in second.evaluation.values
    assert second.report["title"] == first.report["title"]


def test_it_shows_the_same_faces_by_all(runs, compared):
    pictures = json.loads((compared / "results.json").read_text())["pictures"]
    one, two = (
        evaluation.values[label]["hole/l1_percent"]
        for evaluation, label in zip(evaluations(runs), LABELS)
    )
    furthest = evaluations(runs)[0].names[int(np.argmax(np.abs(one - two)))]
    assert pictures["Where they differ most"][0]["name"] == furthest
    figure, *others = pictures
    for title in others:
        for row in pictures[title]:
            assert list(row["files"]) == ["Input", *LABELS, "Original"]
    # As the paper's: by number, and the whole image of the model that gives one.
    columns = ["Input", "model 1", "model 3, whole image", "Original"]
    assert figure == published.FIGURE and len(pictures[figure]) == 6
    for row, typical in zip(pictures[figure], pictures["Median"]):
        assert list(row["files"]) == columns
        images = {
            name: pixels.read(compared / file)
            for name, file in {**typical["files"], **row["files"]}.items()
        }
        known = np.ones([32, 32], bool)
        known[8:24, 8:24] = False  # the hole
        np.testing.assert_array_equal(
            images["model 3"][known], images["Original"][known]
        )
        # What it gives is not what it was given, but for the hole.
        given = images["model 3, whole image"]
        assert (given[known] != images["Original"][known]).any()
        np.testing.assert_array_equal(given[~known], images["model 3"][~known])


def test_a_papers_figures_are_drawn_for_its_page(compared, tmp_path):
    (drawn,) = draw_figures(SYSTEM, compared.parent, tmp_path)
    assert drawn["note"].endswith("Input, model 1, model 3, whole image, Original.")
    picture = pixels.read(tmp_path / drawn["file"])
    assert picture.shape == (6 * 128 + 5 * 2, 4 * 128 + 3 * 2, 3)


def test_runs_that_cannot_be_compared_are_refused(runs, tmp_path):
    copy, output = shutil.copytree(runs[1], tmp_path / "copy"), tmp_path / "out"
    path = copy / "report" / "evaluation.npz"
    kept = Evaluation.load(path)
    Evaluation(kept.names, kept.values, kept.hole_ratio, "0" * 16).save(path)
    with pytest.raises(ValueError, match="Fingerprints .* differ"):
        compare.compare(SYSTEM, [runs[0], copy], str(output))
    with pytest.raises(FileNotFoundError, match="has no report; run it with"):
        compare.compare(SYSTEM, [runs[0], tmp_path], str(output))
    assert not output.exists()
