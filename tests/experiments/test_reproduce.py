import json
import pathlib
import re
import types

import numpy as np
import pytest

from evaluation import claims
from evaluation.record import Evaluation
from evaluation.report.write import strict
from experiments import reproduce
from experiments.core import command_line, envelope, reproduction
from experiments.core import results as results_text
from experiments.core import system as papers

ROOT = pathlib.Path(__file__).parents[2]


def fake_run(folder, label, error, fingerprint="f" * 16, crop="none"):
    """A run folder with what `gather` reads: 40 images, one baseline."""
    values = {
        label: {"hole/lpips": np.full(40, error), "raw/lpips": np.full(40, error)},
        "Telea": {"hole/lpips": np.full(40, 0.5), "raw/lpips": np.full(40, 0.1)},
    }
    names = tuple(f"{i}.jpg" for i in range(40))
    evaluation = Evaluation(names, values, np.full(40, 0.25), fingerprint)
    evaluation.save(folder / "report" / "evaluation.npz")
    report = {
        "ours": [label],
        "subtitle": "Forty faces, 1 of 40 epochs, CPU",
        "environment": {
            "seed": 0,
            "commit": f"c-{label}",
            "hardware": "a machine",
            "preset": "model3",
            "data": {"set": "Forty faces"},
            "config": {
                "model": int(label[-1]),
                "widths": [8, 8],
                "image_size": 32,
                "crop": crop,
                "seed": 0,
                "hole_size": 16,
            },
        },
        "epochs": None,
        "history": {},
        "tables": [],
        "pictures": {},
    }
    (folder / "report" / "results.json").write_text(json.dumps(report))
    keys = "val_hole/lpips", "val_raw/lpips"
    rows = [("epoch", "step", *keys), *((n, 10 * n, error, error) for n in (1, 2))]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (folder / "history.csv").write_text(text + "\n")
    return folder


@pytest.fixture
def system():
    return papers.load("skip_inpainting")


def test_generated_documents_are_not_stale():
    for path, text in reproduce.documents(ROOT).items():
        assert path.read_text() == text, (
            f"{path.name} is stale: run `facemend reproduce`"
        )


@pytest.mark.parametrize("name", papers.names())
def test_results_have_a_row_for_every_claim_and_the_published_tables(name):
    system = papers.load(name)
    results = json.loads((ROOT / "results" / f"{name}.json").read_text())
    nothing = claims.Evidence(Evaluation((), {}, np.zeros(0), ""))
    rows = [
        *system.check_claims(nothing), *system.joint_findings(nothing, []).claims
    ]  # fmt: skip
    found = [claim["claim"] for claim in results["sets"][0]["claims"]]
    assert sorted(found) == sorted(claim["claim"] for claim in rows)
    assert results["published"] == json.loads(
        json.dumps(strict(system.published_tables))
    )


@pytest.mark.parametrize(
    "name",
    papers.names(),
)
def test_what_was_not_measured_names_the_preset_that_would_measure_it(name):
    system = papers.load(name)
    nothing = system.evidence(Evaluation((), {}, np.zeros(0), ""), [])
    rows = [
        *system.check_claims(nothing), *system.joint_findings(nothing, []).claims
    ]  # fmt: skip
    unknown = [row for row in rows if row["verdict"] == claims.UNKNOWN]
    assert len(unknown) > 5
    for row in unknown:
        named = re.findall(r"--preset=([\w-]+(?:\.\d+)?)", row["evidence"])
        assert named and set(named) <= set(system.presets), row


def test_a_missing_network_is_trained_on_the_data_of_the_others():
    system = papers.load("multiscale_context_encoder")
    for dataset, flags in (
        ("lfw", "--preset=lfw_concat"),
        ("celeb_a_hq", "--preset=celebahq_concat"),
        ("faces", "--preset=celebahq_concat --dataset=faces"),
    ):
        run = types.SimpleNamespace(
            label="multi-scale (add)",
            config={"dataset": dataset},
            history={},
            repeats="",
        )
        found = system.evidence(Evaluation((), {}, np.zeros(0), ""), [run])
        assert found.commands["multi-scale (concat)"] == flags


def test_runs_are_gathered_ours_first_with_claims_checked(system, tmp_path):
    runs = [
        fake_run(tmp_path / "3", "model 3", 0.2),
        fake_run(tmp_path / "2", "model 2", 0.3),
    ]
    (results,) = reproduce.gather(system, runs, tmp_path)["sets"]
    assert list(results["summary"]) == ["model 3", "model 2", "Telea"]
    assert results["summary"]["model 2"]["hole/lpips"]["mean"] == 0.3
    verdicts = [claim["verdict"] for claim in results["claims"]]
    # After one epoch a blur may be cured; more cannot be told.
    told = ["not measured", "not measured", "holds", "cannot tell"]
    # Nor which converges faster; known pixels are clear at once.
    assert verdicts == [*told, "cannot tell", "holds", "not measured"]
    (first, *_), *_ = results["cost"]["rows"]
    assert first == "model 3"
    parameters = [int(row[1].replace(",", "")) for row in results["cost"]["rows"]]
    assert parameters[0] > parameters[1] > 0
    shown = results_text.main_table(system, results)
    assert "**model 3** (ours)" in shown
    told = "1 of 40 epochs, CPU, trained at commit c-model 2. `--preset=model3 "
    (line,) = (line for line in shown.splitlines() if told in line)
    assert "--model=2" in line and "--widths=8,8" in line and "--epochs" not in line
    results["runs"][0]["environment"]["evaluation commit"] = "e"
    expected = "CPU, trained at commit c-model 3, evaluated at commit e. `"
    assert expected in results_text.main_table(system, results)


def test_runs_on_other_images_have_a_table_of_their_own(system, tmp_path):
    runs = [
        fake_run(tmp_path / "3", "model 3", 0.2),
        fake_run(tmp_path / "other", "model 3", 0.3, fingerprint="0" * 16),
        fake_run(tmp_path / "2", "model 2", 0.4),
    ]
    sets = reproduce.gather(system, runs, tmp_path)["sets"]
    labels = [[run["label"] for run in one["runs"]] for one in sets]
    assert labels == [["model 3", "model 2"], ["model 3"]]
    assert sets[1]["summary"]["model 3"]["hole/lpips"]["mean"] == 0.3
    shown = results_text.render(reproduce.gather(system, runs, tmp_path))
    assert shown.count("**model 3** (ours)") == 2
    # The second set says nothing of the paper's claims.
    open_claims = [
        sum(claim["verdict"] == "not measured" for claim in one["claims"])
        for one in sets
    ]
    assert open_claims[0] and not sets[1]["claims"]
    assert shown.count("| not measured |") == open_claims[0]


def test_a_run_joins_those_whose_folders_are_gone(system, tmp_path):
    runs = [
        fake_run(tmp_path / "3", "model 3", 0.2),
        fake_run(tmp_path / "2", "model 2", 0.3),
    ]
    before = json.loads(json.dumps(reproduce.gather(system, runs, tmp_path)))
    further = [
        fake_run(tmp_path / "1", "model 1", 0.4),
        fake_run(tmp_path / "again", "model 2", 0.1),
    ]
    results = reproduce.gather(system, further, tmp_path, before, add=True)
    (joined,) = json.loads(json.dumps(results))["sets"]
    labels = [run["label"] for run in joined["runs"]]
    assert labels == ["model 3", "model 1", "model 2"]
    assert [*joined["summary"]] == ["model 3", "model 1", "model 2", "Telea"]
    means = {name: row["hole/lpips"]["mean"] for name, row in joined["summary"].items()}
    assert means == {"model 3": 0.2, "model 1": 0.4, "model 2": 0.1, "Telea": 0.5}
    assert [row[0] for row in joined["cost"]["rows"]] == labels
    # What is about earlier runs stays as it was told.
    (old,) = before["sets"]
    fresh = reproduce.gather(system, further, tmp_path)["sets"][0]
    for was, now, new in zip(old["claims"], joined["claims"], fresh["claims"]):
        assert now == (was if new["verdict"] == claims.UNKNOWN else new)
    # Without it, further runs take the place of the earlier ones.
    (alone,) = reproduce.gather(system, further, tmp_path, before)["sets"]
    assert [*alone["summary"]] == ["model 1", "model 2", "Telea"]


def test_rows_of_a_run_are_ours_as_well():
    labels = ["CVAE", "N = 192"]
    assert results_text.is_of("CVAE", labels)
    assert results_text.is_of("CVAE, 4 bits", labels)
    assert not results_text.is_of("CVAE2", labels)
    assert not results_text.is_of("bicubic 2×", labels)


def test_the_same_images_cropped_otherwise_are_others(system, tmp_path):
    def gathered(before, crop):
        run = fake_run(tmp_path / crop, "model 3", 0.2, crop=crop)
        return reproduce.gather(system, [run], tmp_path, before)

    before = gathered(None, "none")
    assert gathered(before, "none")["sets"] == before["sets"]
    first, second = gathered(before, "190")["sets"]
    assert first == before["sets"][0] and first["fingerprint"] == second["fingerprint"]


def test_a_later_set_of_which_the_paper_says_nothing_has_no_claims(
    system, tmp_path, monkeypatch
):
    nothing = [claims.not_measured("it is blue", "nobody looked")]
    monkeypatch.setattr(type(system), "check_claims", lambda *_: nothing)
    runs = [
        fake_run(tmp_path / crop, "model 3", 0.2, crop=crop) for crop in ("none", "190")
    ]
    first, second = reproduce.gather(system, runs, tmp_path)["sets"]
    assert first["claims"][:1] == nothing and second["claims"] == []


def test_sets_that_are_not_measured_again_stay(system, tmp_path):
    def values(name, value, **options):
        return fake_run(tmp_path / f"{name}{value}", name, value, **options)

    other = {"fingerprint": "0" * 16}
    runs = [values("model 3", 0.2), values("model 3", 0.3, **other)]
    before = {**reproduce.gather(system, runs, tmp_path), "rate_distortion": {"a": 1}}
    again = [values("model 3", 0.1), values("model 2", 0.4)]
    results = reproduce.gather(system, again, tmp_path, before)
    assert results["rate_distortion"] == {"a": 1}
    first, second = results["sets"]
    assert [*first["summary"]][:2] == ["model 3", "model 2"]
    assert first["summary"]["model 3"]["hole/lpips"]["mean"] == 0.1
    assert second == before["sets"][1]


def test_tables_of_a_run_are_shown_by_its_name(system, tmp_path):
    runs = []
    for name in ("model 3", "model 2"):
        runs.append(fake_run(tmp_path / name, name, 0.2))
        path = runs[-1] / "report" / "results.json"
        report = json.loads(path.read_text())
        found = {"caption": "By <yaw>", "columns": ["x"], "rows": [[name]]}
        report["tables"] = [{**found, "digits": [0], "note": f"of {name}"}]
        path.write_text(json.dumps(report))
    alone = results_text.render(reproduce.gather(system, runs[:1], tmp_path))
    assert "**By <yaw>**\n\n" in alone and "<details>" not in alone
    both = results_text.render(reproduce.gather(system, runs, tmp_path))
    assert "**model 3: By <yaw>**\n\n" in both
    opened = both.split("<details><summary>model 2: By &lt;yaw&gt;</summary>\n\n|")[1]
    assert "of model 2\n\n</details>" in opened


def test_a_run_without_a_report_is_named(system, tmp_path):
    with pytest.raises(FileNotFoundError, match="run it with --stages=evaluate"):
        reproduce.gather(system, [tmp_path], tmp_path)


def test_blocks_are_filled_and_nothing_else_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x -->\nold\n<!-- /x -->\nb <!-- x --> c\n")
    filled = reproduce.fill(page, {"x": "new"})
    assert filled == "a\n<!-- x -->\nnew\n<!-- /x -->\nb <!-- x --> c\n"
    with pytest.raises(ValueError, match="page.md has a block x, which nothing is"):
        reproduce.fill(page, {"y": "new"})
    page.write_text("<!-- x -->\nold\n")
    with pytest.raises(ValueError, match=r"one of the blocks \['x'\] has no end"):
        reproduce.fill(page, {"x": "new"})


def test_the_table_of_systems_has_the_best_of_each_beside_the_published(
    system, tmp_path
):
    runs = [
        fake_run(tmp_path / "3", "model 3", 0.2),
        fake_run(tmp_path / "2", "model 2", 0.3),
    ]
    (first, second) = runs
    for run in (first, second):
        path = run / "report" / "results.json"
        report = json.loads(path.read_text())
        report["environment"]["config"]["epochs"] = 8
        path.write_text(json.dumps(report))
    results = reproduce.gather(system, runs, tmp_path)
    *_, row = results_text.systems_table({system.name: results}).splitlines()
    assert "0.200 (model 3; Forty faces, 8 epochs, published 40)" in row
    assert "| better: 0.100 (Telea) |" in row and system.comparison.published in row
    summary = results["sets"][0]["summary"]
    summary["model 3"]["raw/lpips"]["mean"] = None  # no image has a value
    *_, row = results_text.systems_table({system.name: results}).splitlines()
    assert "0.300 (model 2;" in row
    for values in summary.values():
        del values["raw/lpips"]  # there were no weights
    *_, row = results_text.systems_table({system.name: results}).splitlines()
    # The first metric of the headline that was measured stands there instead.
    assert "Hole LPIPS ↓ 0.200 (model 3;" in row and "| 0.500 (Telea) | – |" in row


def test_without_results_nothing_is_written(tmp_path, monkeypatch):
    given = types.SimpleNamespace(
        output=str(tmp_path),
        **dict.fromkeys(("scale", "check", "paper", "rate_distortion", "picture"), ""),
        runs=[],
    )
    monkeypatch.setattr(reproduce.flags, "FLAGS", given)
    with pytest.raises(ValueError, match="no results in .* Pass --scale=smoke, cpu"):
        reproduce.reproduce()
    assert not [*tmp_path.iterdir()]


def test_commands_are_printed_as_one_types_them():
    folder = pathlib.Path("runs/my runs")
    run = reproduction.Planned("pyramid_cgan", "d", {"steps": 3}, folder)
    typed = "facemend train pyramid_cgan --preset=d --steps=3 '--workdir=runs/my runs'"
    assert reproduction.typed(run.command()) == typed
    other = ["python", "-m", "experiments.rate_distortion", "--runs=a,b"]
    assert reproduction.typed(other) == "facemend rate_distortion --runs=a,b"


@pytest.mark.parametrize("scale", reproduction.SCALES)
@pytest.mark.parametrize("paper", papers.names())
def test_every_run_of_a_scale_can_be_configured(paper, scale):
    system = papers.load(paper)
    runs = reproduction.plan(system, scale, pathlib.Path("runs"))
    labels = set()
    for run in runs:
        config = command_line.make(
            system.config_class, system.presets, run.preset, **run.flags
        )
        labels.add((system.label(config), config.dataset))
        if scale != "paper":
            assert config.dataset == "faces" and config.limit
    # Rows of one name would be one row of a table.
    assert len(labels) == len(runs)
    assert len(runs) == len({run.folder for run in runs}) > 1


def test_a_scale_skips_what_stands_and_names_what_fails(
    system, tmp_path, monkeypatch, capsys
):
    started = []

    def start(command):
        (folder,) = (c[len("--workdir=") :] for c in command if "--workdir" in c)
        started.append(pathlib.Path(folder).name)
        if started[-1] == "model2":
            return False
        fake_run(pathlib.Path(folder), f"model {folder[-1]}", 0.2)
        (pathlib.Path(folder) / "export" / "1").mkdir(parents=True)
        return True

    monkeypatch.setattr(reproduce, "start", start)
    monkeypatch.setattr(reproduce, "draw_faces", lambda *_: None)
    given = types.SimpleNamespace(
        scale="smoke",
        only=[system.name],
        workdir=str(tmp_path),
        dataset="",
        data_dir="",
        lpips_weights="",
        seeds=1,
    )
    with pytest.raises(ValueError, match=r"1 run failed: .*model2\. What they"):
        reproduce.reproduce_all(given)
    assert started == ["model3", "model2", "model1", "model0"]
    with pytest.raises(ValueError, match="1 run failed"):
        reproduce.reproduce_all(given)
    assert started[4:] == ["model2"]
    book = (tmp_path / "results" / "README.md").read_text()
    assert "**model 3** (ours)" in book and "**model 2** (ours)" not in book
    page = (tmp_path / "results" / "index.html").read_text()
    for verdict in ("holds", "cannot tell", "not measured"):
        assert verdict in page
    # It lies in a folder of runs, without the pages of the repository.
    assert "../docs/" not in page and "../docs/" not in book


def test_the_band_of_three_seeds_holds_a_fourth_and_not_another_network():
    rng = np.random.default_rng(0)

    def history(level):
        return {"epoch": [1, 2], "val_x": list(level + rng.normal(0, 1, 2))}

    assert envelope.band([history(5), history(5)], "val_x") == []
    inside, away = [], []
    for _ in range(400):
        seeds = [history(5) for _ in range(3)]
        _, (_, _, low, high) = envelope.band(seeds, "val_x")
        inside.append(low <= history(5)["val_x"][1] <= high)
        away.append(low <= history(40)["val_x"][1] <= high)
    # The interval of 95% is exact for normal differences.
    assert 0.92 < np.mean(inside) < 0.98 and not any(away[:10])
    assert envelope.network("model 3, seed 2") == "model 3"


def test_a_run_is_checked_against_the_seeds_of_results(system, tmp_path):
    runs = []
    for seed in range(4):
        runs.append(fake_run(tmp_path / str(seed), "model 3", 0.2))
        path = runs[-1] / "report" / "results.json"
        report = json.loads(path.read_text())
        report["environment"]["config"]["seed"] = seed
        values = [0.0, 30.0 + seed, 20.0 + seed]
        report["history"] = {"epoch": [0, 1, 2], "val_hole/l1_percent": values}
        path.write_text(json.dumps(report))
        rows = [f"{e},{v}" for e, v in zip(range(3), values)]
        text = "\n".join(["epoch,val_hole/l1_percent", *rows]) + "\n"
        (runs[-1] / "history.csv").write_text(text)
        (runs[-1] / "config.json").write_text(json.dumps({"paper": system.name}))
    (tmp_path / "results").mkdir()
    file = tmp_path / "results" / f"{system.name}.json"
    file.write_text(json.dumps(reproduce.gather(system, runs[:2], tmp_path)))
    with pytest.raises(ValueError, match="has 2 seeds of model 3 on the test images"):
        envelope.check(runs[3], tmp_path / "results")
    gathered = reproduce.gather(system, runs[:3], tmp_path)
    file.write_text(json.dumps(gathered))
    said = envelope.check(runs[3], tmp_path / "results")
    assert said.startswith(
        "Hole L1 (%): 3 of 3 validations in the band; the last is 23"
    )
    (picture,) = gathered["sets"][0]["together"]["pictures"]
    assert (tmp_path / picture["file"]).exists()
