"""Shards of a work, on whatever machines, make what one process makes."""

import itertools
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_papers

from evaluation.record import Evaluation
from experiments.core import evaluate, runner, shards, tasks
from experiments.core.folder import RunFolder
from experiments.core.shards import Shard
from experiments.skip_inpainting.system import SYSTEM

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("items", [0, 1, 7, 64, 65])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_parts_are_the_whole_each_item_once(items, count):
    parts, things = Shard(0, count).all, list(range(items))
    assert len(parts) == count
    assert sorted(itertools.chain(*(part.of(things) for part in parts))) == things
    spans = [part.span(items, unit=4) for part in parts]
    assert [*itertools.chain(*(range(*span) for span in spans))] == things
    # Whole units, so that each is the one of the undivided work.
    assert all(start % 4 == 0 or start == items for start, _ in spans)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "merge/0", "4", "a/4", "1/4/2"])
def test_what_is_no_shard_is_an_error(text):
    message = f"--shard={text} must be i/n with i in 1..n, such as 1/8, or merge/8."
    with pytest.raises(ValueError, match=re.escape(message)):
        Shard.parse(text)


def test_the_report_of_shards_is_that_of_one_process(smoke_run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for module in (evaluate, tasks):
        monkeypatch.setattr(module, "EVALUATED", 8)
    folder = RunFolder(
        shutil.copytree(smoke_run(SYSTEM.name).folder.path, tmp_path / "run")
    )

    def measure(shard=""):
        config = tiny_papers.configure(
            SYSTEM, workdir=str(folder.path), stages=("evaluate",)
        )
        runner.run(SYSTEM, config, "smoke", Shard.parse(shard))

    def report():
        found = Evaluation.load(folder.report / "evaluation.npz")
        results = json.loads((folder.report / "results.json").read_text())
        del results["environment"]["evaluation commit"]  # somebody may commit meanwhile
        return found, results

    measure()
    alone, results = report()
    shutil.rmtree(folder.report)
    measure("2/3")
    assert not folder.report.exists()
    with pytest.raises(FileNotFoundError, match=r"no values of shard 1-of-3, 3-of-3,"):
        measure("merge/3")
    measure("1/3")
    measure("3/3")
    # What is measured is not measured again.
    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "_measured", None)
        measure("merge/3")
    together, merged = report()
    assert (together.names, together.fingerprint) == (alone.names, alone.fingerprint)
    np.testing.assert_array_equal(together.hole_ratio, alone.hole_ratio)
    assert together.values.keys() == alone.values.keys()
    for restorer, values in alone.values.items():
        for key, column in values.items():
            found = together.values[restorer][key]
            np.testing.assert_array_equal(found, column, err_msg=f"{restorer} {key}")
    assert merged == results
    with pytest.raises(ValueError, match=r"too few for 9 shards; take at most"):
        measure("1/9")


COMMAND = """
import pathlib, sys
folder, words, shard = pathlib.Path(sys.argv[1]), sys.argv[2:-1], sys.argv[-1]
if not folder.exists():
    sys.exit("error: no such folder.")
if shard.startswith("--shard=merge"):
    print(*words, shard, *sorted(path.name for path in folder.iterdir()))
else:
    (folder / shard.removeprefix("--shard=").replace("/", "-")).touch()
"""
BEAM = ROOT / ".venv-beam" / "bin" / "python"  # of `make beam`


def test_beam_runs_every_shard_and_then_what_joins_them(tmp_path):
    """With a stand-in for the command `facemend`, which knows nothing of Beam."""
    if not BEAM.exists():
        pytest.importorskip("apache_beam", reason="make beam installs it")
    python = str(BEAM) if BEAM.exists() else sys.executable

    def run(folder):
        facemend = shlex.join([sys.executable, "-c", COMMAND, str(folder)])
        words = [python, "-m", "experiments.beam", f"--facemend={facemend}"]
        words += ["--shards=3", "--runner=DirectRunner", "--"]
        words += ["compress", "--input=a b"]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)

    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "compress --input=a b --shard=merge/3 1-3 2-3 3-3" in done.stdout
    failed = run(tmp_path / "gone")
    assert failed.returncode == 1
    assert f"\nerror: {sys.executable} -c" in failed.stderr  # among what Beam logs
    assert "/3: exit code 1\nerror: no such folder." in failed.stderr
    assert failed.stderr.endswith("The same command goes on with what is left.\n")


def test_a_machine_without_the_command_is_told_what_it_needs():
    with pytest.raises(RuntimeError, match="^no-such-command cannot be st.*--facemend"):
        shards.run("1/2", ["no-such-command", "restore"])


def test_beam_is_named_where_it_is_missing():
    blocked = "import sys; sys.modules['apache_beam'] = None; sys.argv = {}; "
    words = ["beam", "--shards=2", "--runner=DirectRunner", "--", "restore"]
    script = blocked.format(words) + "from experiments import beam; beam.main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "error: Apache Beam is needed: pip install apache-beam." in done.stderr
