"""A command that is asked to end leaves a checkpoint and prints no traceback."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from training.history import History

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 300


def start(workdir):
    flags = {
        "preset": "smoke", "dataset": "faces", "stages": "train", "batch_size": 1,
        "checkpoint_steps": 0, "limit": 200, "validation_images": 4, "epochs": 999,
        "workdir": workdir,
    }  # fmt: skip
    command = [sys.executable, "-m", "experiments.skip_inpainting"]
    return subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in flags.items())],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process, number):
    """Sends a signal; returns the exit code and what was said."""
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=LONGEST_SECONDS)
    finally:
        process.kill()
    assert "Traceback" not in said, said
    return process.returncode, said


@pytest.fixture(autouse=True)
def ctrl_c_is_not_ignored():
    """As it is in programs that are started where tests run aside."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_and_sigterm_at_any_time(tmp_path):
    """In the first seconds, and in the middle of an epoch."""
    early = start(tmp_path / "early")
    time.sleep(0.5)
    code, _ = end(early, signal.SIGINT)
    assert code in (-signal.SIGINT, 130)
    run = tmp_path / "run"
    process = start(run)
    deadline = time.monotonic() + LONGEST_SECONDS
    while not (run / "history.csv").exists():  # written as the first step begins
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    code, said = end(process, signal.SIGTERM)
    assert code == 143, said
    (step,) = re.findall(r"Stopped after step (\d+)\. The same command goes on", said)
    assert (run / "checkpoints" / "last" / f"ckpt-{step}.json").exists()
    rows = History(run / "history.csv").rows
    assert rows[0]["step"] == 0 and rows[-1]["step"] <= int(step)
