"""What several runs of a face in 512 numbers say together, from runs made up."""

import json
import math
import types

import numpy as np
import pytest

from evaluation.claims import FAILS, HOLDS, UNKNOWN
from evaluation.record import Evaluation
from experiments import compare, reproduce
from experiments.core import results as results_text
from experiments.core import system as papers
from experiments.cvae_dcgan import discriminator
from experiments.cvae_dcgan import files as coded_runs
from experiments.cvae_dcgan import report as cvae_dcgan_together
from training.history import History

LN2 = math.log(2)
IMAGES = 40
SIZE = 32
TABLE_1 = "Table 1, measured and published"
EQUAL = "Bytes a file at equal PSNR"


def trained(epochs):
    """Rows of history.csv: a discriminator that gives these probabilities.

    Args:
      epochs: (to originals, to restored images) of each epoch.
    """
    rows = [{"epoch": 0, "step": 0, "val_raw/ssim": 0.1}]
    for epoch, (real, fake) in enumerate(epochs, start=1):
        rows.append(
            {
                "epoch": epoch,
                "step": 10 * epoch,
                "g_reconstruction": 0.2,
                "d_real": -math.log(real),
                "d_fake": -math.log(1 - fake),
                "watched_log_real": math.log(real),
                "watched_log_fake": math.log(1 - fake),
                "watched_log_d_fake": math.log(fake),
                "watched_accuracy": (real + 1 - fake) / 2,
                "watched_gradient_norm": 0.25,
            }
        )
    return rows


GUESSING = [(0.5, 0.5), (0.51, 0.5), (0.5, 0.49)]
WINNING = [(0.9, 0.1), (0.9, 0.1), (0.91, 0.1)]
MISTAKEN = [(0.3, 0.7), (0.3, 0.7)]
LEARNING = [(0.5, 0.5), (0.6, 0.4), (0.9, 0.1)]


def chart(slug, title, **lines):
    series = [
        {"label": label, "x": x, "y": y, "low": None, "high": None, "ours": False}
        for label, (x, y) in lines.items()
    ]
    return {
        "slug": slug,
        "title": title,
        "x_label": "bytes a file",
        "y_label": "dB",
        "series": series,
        "references": {},
        "markers": True,
        "whole_x": False,
        "note": "Means.",
        "alt": title,
    }


def run_folder(folder, label, *, error, history=None, masked=True, **config):
    """A run folder with what `gather` reads of it."""
    row = {"raw/l1_percent": error, "raw/mae": error / 100, "raw/mse": 0.01}
    row |= {"raw/ssim": 0.7, "raw/ms_ssim_3": 0.8}
    row |= {"masked/mae": 0.02, "face/mae": 0.05} if masked else {}
    rows = {
        label: {**row, "file/bytes": 64.0},
        "bicubic 2×": {"raw/l1_percent": 3.0},
        "JPEG quality 85": {"raw/mae": 0.01, "masked/mae": 0.01, "file/bytes": 900.0},
        "mean face": {"raw/mae": 0.2, "file/bytes": 0.0},
        f"{label}, 4 bits": {"raw/l1_percent": error + 1, "file/bytes": 20.0},
    }
    values = {}
    for name, means in rows.items():
        columns = {key: np.full(IMAGES, mean) for key, mean in means.items()}
        if "file/bytes" in columns:
            columns["file/bits_per_pixel"] = 8 * columns["file/bytes"] / SIZE**2
        values[name] = columns
    names = tuple(f"{i}.jpg" for i in range(IMAGES))
    evaluation = Evaluation(names, values, np.ones(IMAGES), "f" * 16)
    evaluation.save(folder / "report" / "evaluation.npz")
    defaults = {"adversarial_weight": 0.0, "generator": "cvae", "latents": 16}
    defaults |= {"image_size": SIZE, "reconstruction": "l1", "kl_weight": 0.0}
    defaults |= {"epochs": 10}
    table = {"note": "", "kinds": ["ours", "baseline"], "digits": None}
    equal = [[f"{label}, 4 bits", "20"], ["JPEG, quality 1", "700"]]
    report = {
        "ours": [label],
        "subtitle": "Forty faces, CPU",
        "statements": ["Masks: squares. Every test image has one.", f"Of {label}."],
        "environment": {
            "seed": 0,
            "commit": "c",
            "hardware": "a machine",
            "preset": "smoke",
            "config": {**defaults, **config},
        },
        "epochs": None,
        "history": {},
        "tables": [
            {**table, "caption": TABLE_1, "columns": [""], "rows": [["x"], ["y"]]},
            {**table, "caption": EQUAL, "columns": ["Ours", "b"], "rows": equal},
            {**table, "caption": "By yaw", "columns": ["Yaw", "e"], "rows": equal},
        ],
        "curves": [
            chart(
                "rate-psnr_db",
                "PSNR over bytes a file",
                ours=([20.0, 40.0], [20.0 - error, 24.0 - error]),
                JPEG=([700.0, 900.0], [18.0, 30.0]),
            ),
            chart("latents", "KL", ours=([1.0], [2.0])),
        ],
        "pictures": {},
    }
    (folder / "report" / "results.json").write_text(json.dumps(report))
    record = {"config": report["environment"]["config"]}
    (folder / "config.json").write_text(json.dumps(record))
    for row in history or [{"epoch": 1, "step": 10, "reconstruction": 0.1}]:
        History(folder / "history.csv").add(row)
    return folder


@pytest.fixture(scope="module")
def system():
    return papers.load("cvae_dcgan")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    gan = {"generator": "dcgan", "adversarial_weight": 1.0, "epochs": 30, "error": 3.0}
    return [
        run_folder(root / "1", "CVAE", error=1.0),
        run_folder(root / "2", "CVAE, 8 latents", error=2.0, latents=8, masked=False),
        run_folder(root / "3", "DCGAN", history=trained(GUESSING), **gan),
        run_folder(root / "4", "DCGAN, fast", history=trained(LEARNING), **gan),
    ]


@pytest.fixture(scope="module")
def gathered(system, folders, tmp_path_factory):
    """Results of the runs, and the folder of their pictures."""
    pictures = tmp_path_factory.mktemp("pictures")
    return reproduce.gather(system, folders, pictures), pictures


@pytest.fixture(scope="module")
def together(gathered):
    return gathered[0]["sets"][0]["together"]


def test_one_table_1_has_every_run(together):
    table = together["tables"][0]
    assert table["caption"] == TABLE_1
    names = [row[0] for row in table["rows"]]
    assert names[:6] == [
        "CVAE", "CVAE + mask", "CVAE, 8 latents", "DCGAN", "DCGAN + mask",
        "DCGAN, fast",
    ]  # fmt: skip
    assert names.count("JPEG quality 85") == names.count("mean face") == 1
    assert not [name for name in names if "bits" in name or "bicubic" in name]
    assert "Toledo & Antonelo H10" in names
    cells = dict(zip(table["columns"], table["rows"][0]))
    assert cells["l_1"] == "0.100" and cells["Bytes"] == "64"


def test_tables_that_name_runs_are_one_and_others_stay(gathered, together):
    (joined,) = [table for table in together["tables"] if table["caption"] == EQUAL]
    assert joined["rows"] == [
        *([f"{name}, 4 bits", "20"] for name in ("CVAE", "CVAE, 8 latents")),
        *([f"{name}, 4 bits", "20"] for name in ("DCGAN", "DCGAN, fast")),
        ["JPEG, quality 1", "700"],
    ]
    assert joined["kinds"] == ["ours"] * 4 + ["baseline"]
    for run in gathered[0]["sets"][0]["runs"]:
        assert [table["caption"] for table in run["tables"]] == ["By yaw"]


def test_the_readme_has_runs_and_jpeg_with_their_bytes(system, gathered):
    results = gathered[0]["sets"][0]
    shown = results_text.main_table(system, results)
    header, _, *rows = [line for line in shown.splitlines() if line[:1] == "|"]
    assert "File bytes ↓" in header
    assert [row.split("|")[1].strip() for row in rows] == [
        *(f"**{run['label']}** (ours)" for run in results["runs"]),
        "JPEG quality 85",
    ]
    note = (
        "32-bit floats, of JPEG whole files. Files of CVAE, in bytes at bits a latent"
    )
    assert f"{note}: 20 at 4." in shown
    assert "| **64** [64, 64] |" in rows[0] and "| 900 [900, 900] |" in rows[-1]


def test_the_page_has_everything_once(gathered):
    results, pictures = gathered
    page = results_text.render(json.loads(json.dumps(results)))
    more = page.split("More rows of this table</summary>")[1].split("</details>")[0]
    for name in ("bicubic 2×", "mean face", "CVAE, 4 bits", "DCGAN, fast, 4 bits"):
        assert f"\n| {name} |" in more
    assert page.count(TABLE_1) == page.count(EQUAL) == 1
    assert page.count("- Masks: squares. Every test image has one.") == 1
    assert "The loss of the DCGAN's discriminator is flat | holds |" in page
    files = results["sets"][0]["together"]["pictures"]
    assert len(files) == 6 and files[0]["file"] == "cvae_dcgan_rate-psnr-db.png"
    for picture in files:
        assert f"](../docs/pictures/{picture['file']})" in page
        assert (pictures / picture["file"]).exists()


def test_runs_that_are_cut_short_stand_below_the_others(system, gathered):
    results = json.loads(json.dumps(gathered[0]))
    results["sets"][0]["together"]["folded"].append("DCGAN, fast")
    row, made = "\n| **DCGAN, fast** (ours) |", "\n- DCGAN, fast: Forty faces"
    shown = results_text.main_table(system, results["sets"][0])
    assert row not in shown and made not in shown
    assert "\n- DCGAN: Forty faces" in shown
    page = results_text.render(results)
    more = page.split("More rows of this table</summary>")[1].split("</details>")[0]
    assert row in more and made in more
    assert page.count(row) == page.count(made) == 1


def test_short_runs_are_cut_if_others_are_not():
    def run(label, epochs, weight):
        config = {"epochs": epochs, "adversarial_weight": weight}
        return types.SimpleNamespace(label=label, config=config)

    short = [run("a", 9, 0.0), run("b", 29, 1.0)]
    whole = [run("c", 10, 0.0), run("d", 30, 1.0), run("e", 140, 0.0)]
    assert cvae_dcgan_together._cut([*short, *whole]) == {"a", "b"}
    assert cvae_dcgan_together._cut(short) == cvae_dcgan_together._cut(whole) == set()


def test_long_tables_but_the_first_are_closed(gathered):
    results = json.loads(json.dumps(gathered[0]))
    for table in results["sets"][0]["together"]["tables"]:
        table["rows"] = 20 * table["rows"]
    page = results_text.render(results)
    assert f"**{TABLE_1}**" in page
    assert f"<details><summary>{EQUAL}</summary>" in page


def test_older_results_have_nothing_together(system, gathered):
    results = {**gathered[0]["sets"][0]}
    del results["together"]
    assert "| mean face |" in results_text.main_table(system, results)
    page = results_text.render({**gathered[0], "sets": [results]})
    assert "More rows" not in page and "**By yaw**" not in page
    assert "**CVAE: By yaw**" in page


def test_a_report_of_several_runs_has_it_too(system, folders, tmp_path, monkeypatch):
    # What needs trained networks and their images is tested with other systems.
    monkeypatch.setattr(compare.networks, "trained", lambda *_: None)
    monkeypatch.setattr(compare, "_pictures", lambda *_: {})
    page = compare.compare(system, folders, str(tmp_path))
    results = json.loads((page.parent / "results.json").read_text())
    captions = [table["caption"] for table in results["tables"]]
    assert captions[:2] == [TABLE_1, "The discriminator in training"]
    assert list(results["summary"]) == [*results["ours"], "JPEG quality 85"]
    assert any(
        said.startswith("PSNR: of our 8 points") for said in results["statements"]
    )
    assert results["statements"][-1].startswith("Bytes: of networks the latents")
    assert discriminator.CLAIM in [c["claim"] for c in results["claims"]]
    assert (page.parent / "plots" / "discriminator-log-restored.png").exists()
    assert "The discriminator in training" in page.read_text()


class TestFiles:
    def charts(self, ours=(20.0, 24.0), jpeg=(18.0, 30.0)):
        lines = {"ours": ([20.0, 40.0], ours), "JPEG": ([30.0, 90.0], jpeg)}
        found = {"curves": [chart("rate-psnr_db", "PSNR over bytes a file", **lines)]}
        return coded_runs.read_reports({"A": found, "B": found, "C": found})

    def test_a_line_for_each_other_codec_and_each_format_once(self):
        (drawn,) = coded_runs.joint_curves(self.charts(), ["A", "C"])
        assert [line.label for line in drawn.series] == ["A", "C", "JPEG"]
        assert [line.ours for line in drawn.series] == [True, False, False]
        assert "one is drawn" in drawn.note and "A, C, JPEG" in drawn.alt
        (drawn,) = coded_runs.joint_curves(self.charts(), ["A", "B", "C"])
        assert drawn.note == "Means."

    @pytest.mark.parametrize(
        ("ours", "said"),
        [
            ((18.0, 30.0), "6 take fewer bytes than JPEG of equal PSNR."),
            (
                (20.0, 18.5),
                "3 take fewer bytes than JPEG of equal PSNR, 3 take as many",
            ),
            (
                (10.0, 31.0),
                "3 are worse than every JPEG, 3 are better than every JPEG.",
            ),
        ],
    )
    def test_points_are_counted(self, ours, said):
        (sentence,) = coded_runs.joint_statements(self.charts(ours=ours))
        assert sentence.startswith(f"PSNR: of our 6 points {said}")

    def test_runs_of_a_sweep_are_one_line(self, together):
        alt = together["pictures"][0]["alt"]
        assert alt.endswith("of CVAE, CVAE, 8 latents, DCGAN, JPEG.")


class TestDiscriminators:
    def runs(self, **probabilities):
        return discriminator.read_runs(
            {label: trained(epochs) for label, epochs in probabilities.items()}
        )

    @pytest.mark.parametrize(
        ("epochs", "kind"),
        [
            (GUESSING, discriminator.GUESSES),
            (WINNING, discriminator.BELOW),
            (MISTAKEN, discriminator.ABOVE),
            (LEARNING, discriminator.MOVES),
            (GUESSING[:1], discriminator.SINGLE),
        ],
    )
    def test_what_a_loss_is_called(self, epochs, kind):
        assert discriminator.read(trained(epochs)).kind == kind

    def test_a_tenth_of_the_guessing_loss_is_the_bound(self):
        for share, kind in ((0.99, "GUESSES"), (1.01, "MOVES")):
            low = math.exp(-LN2 + share * 0.2 * LN2)  # of originals
            found = discriminator.read(trained([(0.5, 0.5), (low, 0.5)]))
            assert found.moved == pytest.approx(share * 0.2 * LN2)
            assert found.kind == getattr(discriminator, kind)

    def test_the_table_by_hand(self):
        made = discriminator.joint_table(self.runs(DCGAN=LEARNING))
        ours, guessing = (dict(zip(made.columns, row)) for row in made.rows)
        assert ours == {
            "": "DCGAN",
            "Loss, first epoch": "1.386",
            "last": "0.211",
            "lowest": "0.211",
            "highest": "1.386",
            "log D(real)": "−0.105",
            "log D(restored)": "−2.303",
            "Right (%)": "90.0",
            "Gradient norm": "0.250",
            "Loss is": discriminator.MOVES,
        }
        assert (guessing["highest"], guessing["log D(real)"]) == ("1.386", "−0.693")

    def test_sentences_name_the_runs_of_each_kind(self):
        runs = self.runs(a=GUESSING, b=WINNING, c=LEARNING, d=WINNING)
        guesses, below, moves = discriminator.joint_statements(runs)
        assert "Flat near 2 ln 2, the loss of guessing: a. " in guesses
        assert "Flat below 2 ln 2: b; d. " in below and "about 90% of" in below
        assert "Not flat: c. " in moves

    @pytest.mark.parametrize(
        ("label", "epochs", "verdict"),
        [
            ("DCGAN", WINNING, HOLDS),
            ("DCGAN", LEARNING, FAILS),
            ("DCGAN", GUESSING[:1], UNKNOWN),
            ("DCGAN, fast", GUESSING, UNKNOWN),
        ],
    )
    def test_the_claim_is_about_the_published_one(self, label, epochs, verdict):
        runs = discriminator.read_runs({label: trained(epochs)})
        (claim,) = discriminator.check_joint_claims(runs)
        assert claim["verdict"] == verdict

    def test_curves_are_overlaid_with_what_guessing_gives(self):
        runs = self.runs(a=GUESSING, b=LEARNING)
        drawn = discriminator.joint_curves(runs)
        assert len({curve.slug for curve in drawn}) == 5
        for curve in drawn:
            assert [line.label for line in curve.series] == ["a", "b"]
            for y in curve.references.values():  # b begins by guessing
                assert curve.series[1].y[0] == pytest.approx(y), curve.title
        last = [curve.series[1].y[-1] for curve in drawn]
        expected = [-2 * math.log(0.9), math.log(0.9), math.log(0.1), 0.9, 0.25]
        assert last == pytest.approx(expected)
        assert [list(curve.references.values()) for curve in drawn] == [
            [pytest.approx(2 * LN2)], *[[pytest.approx(-LN2)]] * 2, [0.5], []
        ]  # fmt: skip

    def test_without_a_discriminator_nothing_is_said(self):
        runs = discriminator.read_runs({"CVAE": [{"epoch": 1, "loss": 0.2}]})
        assert not runs and not discriminator.joint_curves(runs)
        assert not discriminator.joint_statements(runs)
