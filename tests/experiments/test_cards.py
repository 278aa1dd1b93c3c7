"""Model cards: filled from results, complete, and silent about what no run showed."""

import json
import pathlib
import re

import jinja2
import pytest

import experiments
from experiments.core import export
from experiments.core import system as papers
from experiments.skip_inpainting.system import SYSTEM

SECTIONS = (
    "What it does",
    "How to use it",
    "Results",
    "Departures from the paper",
    "Limits",
    "Misuse",
    "License",
)
every_system = pytest.mark.parametrize(
    "system", [papers.load(name) for name in papers.names()]
)


def other(**changed):
    """The system with some attributes set otherwise."""
    return type("Other", (type(SYSTEM),), changed)()


def interval(mean):
    return {"mean": mean, "low": mean - 0.5, "high": mean + 0.5, "count": 9}


@pytest.fixture
def results(tmp_path):
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
    path = tmp_path / "results.json"
    path.write_text(json.dumps(report))
    return path


def sections(card):
    """Title -> text of each section."""
    parts = re.split(r"^## (.*)\n", card, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@every_system
def test_a_card_is_complete(system):
    card = export.render_card(system, "RESULTS")
    assert card.startswith(f"# {system.title}\n\n{system.citation}")
    parts = sections(card)
    assert tuple(parts) == SECTIONS
    assert all(text.strip() for text in parts.values())
    assert parts["Results"].strip() == "RESULTS"
    for word in ("not evidence", "identify", "consent"):
        assert word in " ".join(parts["Misuse"].split()), word
    assert not re.search(r"\{[{%]|[}%]\}(?!\))", card)
    assert card.endswith("\n")


@every_system
def test_every_departure_is_listed_as_it_is_written(system):
    listed = sections(export.render_card(system, ""))[
        "Departures from the paper"
    ].strip()
    assert listed.splitlines() == [f"- {text}" for text in system.departures]
    assert len(system.departures) >= 6


def test_what_the_program_is_told_is_not_escaped():
    system = other(title="A & B", departures=["a < b > c"])
    card = export.render_card(system, "x < y & 'z'")
    assert "# A & B" in card and "- a < b > c" in card and "x < y & 'z'" in card


@every_system
def test_the_code_of_a_card_runs(system):
    card = export.render_card(system, "")
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    compile(code, "card", "exec")
    assert 'load_model("export/1")' in code


def test_a_run_that_was_not_evaluated_says_so(tmp_path):
    card = export.card_of_run(SYSTEM, tmp_path / "absent.json")
    expected = "This model was not evaluated."
    assert sections(card)["Results"].strip() == expected


def test_a_run_brings_its_numbers_and_where_they_are_from(results):
    text = sections(export.card_of_run(SYSTEM, results))["Results"]
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


def test_a_system_without_a_card_is_an_error():
    with pytest.raises(jinja2.TemplateNotFound, match="no_such_paper/card.md"):
        export.render_card(other(name="no_such_paper"), "")


def test_a_template_cannot_ask_for_what_nobody_fills(tmp_path, monkeypatch):
    (tmp_path / SYSTEM.name).mkdir()
    (tmp_path / SYSTEM.name / "card.md").write_text("{{ title }} {{ resluts }}\n")
    monkeypatch.setattr(experiments, "__path__", [str(tmp_path)])
    with pytest.raises(jinja2.UndefinedError, match="resluts"):
        export.render_card(SYSTEM, "")


def test_templates_are_those_of_the_papers():
    folder = pathlib.Path(export.__file__).parents[1]
    cards = {path.parent.name for path in folder.glob("*/card.md")}
    assert cards == set(papers.names())
