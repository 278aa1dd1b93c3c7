"""Two runs with --deterministic end with the same checkpoints, byte for byte."""

import hashlib
import pathlib
import subprocess
import sys

import pytest

from experiments.core import system as papers

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The other papers were compared in the same way; their runs take longer.
QUICK = "portrait_autoencoder"
PAPERS = [
    pytest.param(name, marks=() if name == QUICK else pytest.mark.slow)
    for name in papers.names()
]


def start(paper, workdir):
    # In processes of their own: what makes one deterministic cannot be undone.
    command = [sys.executable, "-m", f"experiments.{paper}", "--preset=smoke"]
    command += ["--deterministic", "--stages=train", f"--workdir={workdir}"]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def digests(workdir):
    """Of all that is in the checkpoints: weights, optimizers, and where a run is."""
    folder = workdir / "checkpoints"
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("paper", PAPERS)
def test_two_runs_end_alike(paper, tmp_path):
    folders = [tmp_path / "first", tmp_path / "second"]
    for process in [start(paper, folder) for folder in folders]:
        _, said = process.communicate(timeout=900)
        assert process.returncode == 0, said
    first, second = map(digests, folders)
    assert any(".data-" in name for name in first)
    assert first == second
