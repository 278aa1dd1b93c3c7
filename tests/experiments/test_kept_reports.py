"""A report is lost only to a report of the same images and holes."""

import json

import pytest

from experiments.core import folder as kept_reports


def write(folder, fingerprint, mask="center", text=""):
    environment = {kept_reports.FINGERPRINT: fingerprint, "config": {"test_mask": mask}}
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps({"environment": environment}))
    (folder / "report.html").write_text(text)


def contents(folder):
    return {path.parent.name: path.read_text() for path in folder.glob("*/*.html")}


@pytest.mark.parametrize(
    "mask, name",
    [
        ("center", "report-center-aaaaaaaa"),
        ("free_form", "report-free-form-aaaaaaaa"),
        ("/data/My masks/hole.png", "report-hole-aaaaaaaa"),
    ],
)
def test_a_report_of_another_set_is_kept_beside_it(tmp_path, capsys, mask, name):
    write(tmp_path / "report", "a" * 16, mask, text="first")
    kept_reports.set_aside(tmp_path / "report", "b" * 16)
    assert contents(tmp_path) == {name: "first"}
    assert f"is kept: {tmp_path / name}" in capsys.readouterr().out


def test_going_back_and_forth_keeps_one_report_a_set(tmp_path):
    # Before the first one there is nothing to keep, and "5" takes the place of "4".
    for text, set_ in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "b"), ("5", "b")):
        kept_reports.set_aside(tmp_path / "report", set_ * 16)
        write(tmp_path / "report", set_ * 16, text=text)
    assert contents(tmp_path) == {
        "report": "5",
        "report-center-aaaaaaaa": "3",
        "report-center-bbbbbbbb": "2",
    }
