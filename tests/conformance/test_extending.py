"""docs/extending.md is followed to the letter, beside the repository."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import tensorflow as tf
import test_papers

import experiments
import models
from experiments.core import system as papers
from experiments.core.run import Run
from experiments.core.tasks import InpaintingSystem, ReconstructionSystem

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "extending.md").read_text()
FILES = {
    path: code
    for path, _, code in re.findall(
        r"^\*\*`(\S+)`\*\*\n\n(`{3,})\w+\n(.*?)^\2$", TEXT, re.MULTILINE | re.DOTALL
    )
}
(COMMAND,) = re.findall(r"^```sh\n(python -m experiments.*)\n```$", TEXT, re.MULTILINE)
NAME = "five_convolutions"
# `python -m` of a module that lies beside the repository.
PROGRAM = """
import runpy, sys
import experiments, models
experiments.__path__.append(sys.argv[1] + "/experiments")
models.__path__.append(sys.argv[1] + "/models")
del sys.argv[:2]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A folder with the files of the document, in which packages are looked for."""
    root = tmp_path_factory.mktemp("beside")
    for path, code in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(code)
    with pytest.MonkeyPatch.context() as patch:
        for package in (experiments, models):
            folder = str(root / package.__name__)
            patch.setattr(package, "__path__", [*package.__path__, folder])
        yield root
    for name in [name for name in sys.modules if NAME in name]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def run(beside):
    """What the document's command makes."""
    python, minus_m, *command = shlex.split(COMMAND)
    assert (python, minus_m) == ("python", "-m")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(beside)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(beside), *command],
        cwd=beside,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "export: runs/smoke/export/1" in done.stdout
    system = papers.load(NAME)
    workdir = str(beside / "runs" / "smoke")
    return Run(system, test_papers.configure(system, workdir=workdir), "smoke")


def test_its_files_are_those_of_every_paper():
    ours = {path.replace(NAME, "cvae_dcgan") for path in FILES}
    assert all((ROOT / path).exists() for path in ours)
    table = "\n".join(line for line in TEXT.splitlines() if line.startswith("| "))
    for path in FILES:
        assert path.rpartition("/")[2].replace(NAME, "<paper>") in table, path


def test_it_is_listed_beside_the_others(beside):
    assert NAME not in test_papers.NAMES
    assert set(papers.names()) == {NAME, *test_papers.NAMES}
    assert papers.load(NAME).name == NAME


def test_it_is_trained_evaluated_and_exported_as_every_paper(run):
    test_papers.test_the_run_folder_holds_what_the_readme_says(run)
    test_papers.test_the_history_has_every_row_and_the_best_is_kept(run)
    test_papers.test_network_and_baselines_are_measured_on_the_same_images(run)
    exports = {"export": tf.keras.models.load_model(run.folder.export)}
    test_papers.test_the_export_gives_in_keras_what_the_network_gives(run, exports)
    test_papers.test_a_card_is_complete(run.system)


@pytest.mark.parametrize("preset", ["paper", "wide", "cpu"])
def test_its_presets_start(beside, preset, tmp_path, monkeypatch):
    test_papers.test_a_step_of_each_preset_moves_every_kernel(
        papers.load(NAME), preset, tmp_path, monkeypatch
    )


def test_what_else_a_system_may_answer_is_there():
    methods = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)
    assert len(methods) > 8
    for method in methods:
        for task in (InpaintingSystem, ReconstructionSystem):
            assert hasattr(task, method) or method == "fillable", method
