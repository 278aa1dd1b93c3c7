"""A run that is asked to end, and one that is killed, end as one that was not.

What is asked leaves a checkpoint and prints no traceback.
"""

import csv
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import tensorflow as tf
from tiny_papers import configure

from experiments.core import runner
from experiments.core import system as papers
from training.history import History

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS_PER_EPOCH, EPOCHS = 8, 2
TOTAL = STEPS_PER_EPOCH * EPOCHS
KILL_AT = STEPS_PER_EPOCH + 2  # in the second epoch
LONGEST_SECONDS = 900  # of a busy machine


# The smallest run that has two epochs.
FLAGS = {
    "dataset": "faces", "batch_size": 4, "checkpoint_steps": 1,
    "limit": 4 * STEPS_PER_EPOCH, "epochs": EPOCHS, "validation_images": 4,
    "ema_decay": 0.9,
}  # fmt: skip


def start(workdir):
    """Starts the run in a process of its own."""
    flags = {"preset": "smoke", "stages": "train", "workdir": workdir, **FLAGS}
    command = [sys.executable, "-m", "experiments.skip_inpainting"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    output = (workdir.parent / f"{workdir.name}.txt").open("a")
    return subprocess.Popen(
        command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, env=dict(os.environ)
    )


def finish(process, workdir, code=0):
    """Waits for the end; returns what the runs in this folder have said."""
    try:
        found = process.wait(LONGEST_SECONDS)
    finally:
        process.kill()
    said = (workdir.parent / f"{workdir.name}.txt").read_text()
    assert found == code and "Traceback" not in said, said
    return said


def ask_to_end(process, workdir):
    """Sends SIGTERM in the first epoch; returns the step that was the last."""
    deadline = time.monotonic() + LONGEST_SECONDS
    try:
        while not (workdir / "history.csv").exists():  # as the first step begins
            assert process.poll() is None, "the run ended before it was asked to"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGTERM)
    said = finish(process, workdir, code=128 + signal.SIGTERM)
    (step,) = re.findall(r"Stopped after step (\d+)\. The same command goes on", said)
    assert (workdir / "checkpoints" / "last" / f"ckpt-{step}.json").exists()
    rows = History(workdir / "history.csv").rows
    assert rows[0]["step"] == 0 and rows[-1]["step"] <= int(step)
    return int(step)


def kill_in_mid_epoch(process, workdir):
    """Returns the step of the newest checkpoint that was saved to its end."""
    folder = workdir / "checkpoints" / "last"
    deadline = time.monotonic() + LONGEST_SECONDS
    try:
        # As soon as its file is there, perhaps before it counts as the newest.
        while not (folder / f"ckpt-{KILL_AT}.index").exists():
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    step = int(tf.train.latest_checkpoint(str(folder)).rsplit("-", 1)[1])
    assert STEPS_PER_EPOCH < step < TOTAL, "not killed in mid-epoch"
    return step


def variables(workdir, kind):
    path = tf.train.latest_checkpoint(str(workdir / "checkpoints" / kind))
    reader = tf.train.load_checkpoint(path)
    # Object graph and save counter tell how often it was saved, not what it learned.
    names = [
        name
        for name in reader.get_variable_to_shape_map()
        if "OBJECT" not in name and "save_counter" not in name
    ]
    return {name: reader.get_tensor(name) for name in names}


def history(workdir):
    with (workdir / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(work folder of a run that was ended twice, of an uninterrupted one)."""
    killed = tmp_path_factory.mktemp("runs") / "killed"
    asked = ask_to_end(start(killed), killed)
    step = kill_in_mid_epoch(start(killed), killed)
    said = finish(start(killed), killed)
    first, second = re.findall(rf"Resuming from step (\d+) of {TOTAL}\.", said)
    assert int(first) == asked
    # A whole one of which only the checksum is missing is not lost.
    assert int(second) in (step, step + 1)
    system, whole = papers.load("skip_inpainting"), killed.with_name("whole")
    config = configure(system, workdir=str(whole), stages=("train",), **FLAGS)
    runner.run(system, config, "smoke")
    return killed, whole


@pytest.mark.parametrize("kind", ["last", "best"])
def test_ended_killed_and_resumed_equals_uninterrupted(runs, kind):
    killed, whole = (variables(workdir, kind) for workdir in runs)
    assert killed.keys() == whole.keys()
    for part in ("generator/", "discriminator/", "average/"):
        assert any(name.startswith(part) for name in whole)
    slots = [name for name in whole if name.split("/")[0].endswith("_optimizer")]
    assert len(slots) > 20  # the moments of Adam, for each weight
    for name, value in whole.items():
        np.testing.assert_array_equal(killed[name], value, err_msg=name)
    if kind == "last":
        (steps,) = (value for name, value in whole.items() if name.startswith("steps"))
        assert steps == TOTAL


def test_the_history_has_every_epoch_once(runs):
    killed, whole = (history(workdir) for workdir in runs)
    assert [int(row["epoch"]) for row in killed] == list(range(EPOCHS + 1))
    assert killed[0].keys() == whole[0].keys()
    losses = {"g_reconstruction", "g_adversarial", "d_real", "d_fake"}
    assert losses <= whole[0].keys()
    for mine, other in zip(killed, whole):
        for column in other.keys() - {"seconds", "images_per_second"}:
            assert mine[column] == other[column], column


def test_ctrl_c_in_the_first_seconds_prints_no_traceback(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:  # as in programs that are started where tests run aside
        process = start(tmp_path / "early")
        while psutil.Process(process.pid).cpu_times().user < 0.4:  # of its imports
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    assert process.wait(LONGEST_SECONDS) in (-signal.SIGINT, 128 + signal.SIGINT)
    assert "Traceback" not in (tmp_path / "early.txt").read_text()
