"""The audit of the pins: a package that no database knows is not a clean one."""

import importlib.machinery
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def audit():
    path = str(ROOT / "scripts" / "audit")
    loader = importlib.machinery.SourceFileLoader("audit", path)
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("audit", loader)
    )
    loader.exec_module(module)
    return module


def test_all_pins_are_looked_up(audit):
    text = (
        "# a\nb-c==1.0\nd==2.0 ; python_version < '3.10'\nd==2.1 ; x == '1'\nd==2.0\n"
    )
    assert audit.pins(text) == [["b-c==1.0", "d==2.0"], ["d==2.1"]]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {line.partition(" ")[0] for line in lines if "==" in line and line[0] != "#"}
    assert pins == {pin for turn in audit.pins("\n".join(lines)) for pin in turn}


def package(**others):
    return {"name": "a", "version": "1", "vulns": [], **others}


KNOWN = {"id": "CVE-1", "fix_versions": ["2"]}


@pytest.mark.parametrize(
    "packages, found",
    [
        ([package()], []),
        ([package(), package(vulns=[KNOWN])], ["a 1: CVE-1, mended in 2"]),
    ],
)
def test_what_is_known_is_listed(audit, packages, found):
    assert audit.report([{"dependencies": packages}]) == found


@pytest.mark.parametrize(
    "answer, code, text",
    [
        (
            [{"name": "a", "skip_reason": "not found"}],
            3,
            "1 not: the database does",
        ),
        ([package(), {"name": "b", "skip_reason": "x"}], 3, "1 packages looked up, 1"),
        ([], 3, "Could not look"),
        ([package(vulns=[KNOWN])], 1, "CVE-1"),
        ([package()], 0, "No vulnerability of the pins is known"),
    ],
)
def test_exit_codes(audit, monkeypatch, capsys, answer, code, text):
    monkeypatch.setattr(audit, "install", lambda: None)
    monkeypatch.setattr(audit, "look", lambda *_: [{"dependencies": answer}])
    assert audit.main() == code
    assert text in capsys.readouterr().out
