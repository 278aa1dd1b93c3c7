"""Model cards: filled from results, and silent about what no run showed."""

import json

import jinja2
import pytest

import experiments
from experiments.core import cards, export
from experiments.skip_inpainting.system import SYSTEM
from serving.export.kinds import INPAINTING
from serving.zoo import zoo


def other(**changed):
    """The system with some attributes set otherwise."""
    return type("Other", (type(SYSTEM),), changed)()


def interval(mean):
    return {"mean": mean, "low": mean - 0.5, "high": mean + 0.5, "count": 9}


def results_of(card):
    """The text of the section of results."""
    return card.split("\n## Results\n")[1].split("\n## ")[0]


def test_what_the_program_is_told_is_not_escaped():
    system = other(title="A & B", departures=["a < b > c"])
    card = export.render_card(system, "x < y & 'z'")
    assert "# A & B" in card and "- a < b > c" in card and "x < y & 'z'" in card


def test_a_run_that_was_not_evaluated_says_so(tmp_path):
    card = export.card_of_run(SYSTEM, tmp_path / "absent.json")
    assert results_of(card).strip() == "This model was not evaluated."


def test_a_run_brings_its_numbers_and_where_they_are_from(tmp_path):
    report = {
        "subtitle": "Drawn faces, 32 px, 2 of 40 epochs over 40 images, CPU",
        "summary": {
            "model 3": {"hole/l1_percent": interval(12.34), "raw/mae": interval(0.98)},
            "Telea": {"hole/l1_percent": interval(16.25), "raw/mae": interval(0.99)},
        },
        "environment": {
            "preset": "model3",
            "config": {"batch_size": 8, "initial": "/home/a/b"},
            "seed": 5,
            "commit": "0123456789ab",
            "evaluation commit": "ba9876543210",
            "hardware": "2 CPU cores",
            "data": {"set": "Drawn faces"},
            "fingerprint of the test set": "feedc0ffee123456",
        },
    }
    (tmp_path / "results.json").write_text(json.dumps(report))
    text = results_of(export.card_of_run(SYSTEM, tmp_path / "results.json"))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4  # header, rule, two restorers
    assert "L1" in rows[0]
    assert rows[2].startswith("| model 3") and "12.3" in rows[2]
    assert rows[3].startswith("| Telea") and "16.2" in rows[3]
    for fact in (
        "2 of 40 epochs over 40 images",
        "Seed 5",
        "0123456789ab",
        "2 CPU cores",
        "Test set Drawn faces, fingerprint feedc0ffee123456",
        "`--preset=model3 --batch_size=8 --initial=b`",
    ):
        assert fact in text
    # Metrics that were not measured, and those of other regions, are left out.
    assert "PSNR" not in text and "LPIPS" not in text and "0.98" not in text


def test_limits_of_the_restorer_are_those_of_the_restorer_alone():
    eyes = "Eyes may look to different sides"
    restorer = config_of("restorer")
    assert eyes in export.render_card(SYSTEM, f"| {SYSTEM.label(restorer)} | 7.6 |")
    for preset in ("model0", "model3", "smoke"):
        label = SYSTEM.label(config_of(preset))
        card = export.render_card(SYSTEM, f"| {label} | 7.6 |")
        assert eyes not in card and "may show the same people.\n\n## Misuse" in card


def config_of(preset):
    return SYSTEM.config_class(**SYSTEM.presets[preset])


@pytest.mark.parametrize(
    "extra, expected",
    [("", ["lfw"]), (None, ["lfw"]), ("celeba_crops", ["lfw", "celeba_crops"])],
)
def test_a_folder_that_was_trained_on_as_well_is_named(extra, expected):
    entry = zoo.Entry(*[""] * 9, kind=INPAINTING)
    facts = {"config": {"dataset": "lfw", "extra_dir": extra}}
    made = {"data": {"set": "LFW"}, "fingerprint of the test set": "0"}
    head = cards.read_head(cards.head(entry, facts, {}, made, ()))
    assert head["datasets"] == expected
    # It was measured on the test images of --dataset alone.
    assert head["model-index"][0]["results"][0]["dataset"]["type"] == "lfw"


def test_a_template_must_be_there_and_ask_for_what_is_filled(tmp_path, monkeypatch):
    with pytest.raises(jinja2.TemplateNotFound, match="no_such_paper/card.md"):
        export.render_card(other(name="no_such_paper"), "")
    (tmp_path / SYSTEM.name).mkdir()
    (tmp_path / SYSTEM.name / "card.md").write_text("{{ title }} {{ resluts }}\n")
    monkeypatch.setattr(experiments, "__path__", [str(tmp_path)])
    with pytest.raises(jinja2.UndefinedError, match="resluts"):
        export.render_card(SYSTEM, "")
