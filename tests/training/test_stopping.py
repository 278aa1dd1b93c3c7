"""SIGTERM and Ctrl-C: the run ends after a step, with a checkpoint."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from training import callbacks, loop, stopping
from training.checkpoints import Checkpoints
from training.history import History

PER_EPOCH = 3


@pytest.fixture(autouse=True)
def ctrl_c_is_not_ignored():
    """As it is, here and in programs that are started, where tests run aside."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Counter(tf.keras.Model):
    """A trainer that counts, and gets a signal at some step."""

    def __init__(self, at=0, number=0):
        super().__init__()
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._at, self._number = at, number

    def train_step(self, data):
        self.steps.assign_add(1)
        if self.steps == self._at:
            os.kill(os.getpid(), self._number)
        return {"loss": tf.cast(self.steps, tf.float32)}


def run(folder, *, at=0, number=0):
    """Runs two epochs from the last checkpoint on."""
    trainer = Counter(at, number)
    trainer.compile(run_eagerly=True)
    saved = Checkpoints({"steps": trainer.steps}, folder)
    saved.restore()
    history, length = History(folder / "history.csv"), loop.Length(6, PER_EPOCH)
    history.forget_after(saved.steps)
    data = tf.data.Dataset.from_tensors(tf.zeros([1, 1])).repeat()
    with stopping.listening() as request:
        loop.fit(
            trainer,
            lambda step: data,
            length=length,
            callbacks=[
                callbacks.WriteHistory(history, saved, length, 1, headline="loss"),
                callbacks.SaveCheckpoints(saved, history, every_steps=0, best="loss"),
                callbacks.StopWhenAsked(request, saved),
            ],
        )
    return [row["step"] for row in history.rows]


@pytest.mark.parametrize(
    "number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
@pytest.mark.parametrize("at", [1, 2, 3, 4, 6])
def test_a_signal_ends_the_run_after_its_step(tmp_path, at, number, code):
    before = [signal.getsignal(each) for each in stopping.SIGNALS]
    with pytest.raises(stopping.Stopped, match="Stopped") as stopped:
        run(tmp_path, at=at, number=number)
    assert stopped.value.exit_code == code
    assert [signal.getsignal(each) for each in stopping.SIGNALS] == before
    steps = tf.Variable(0, dtype=tf.int64)
    saved = Checkpoints({"steps": steps}, tmp_path)
    assert saved.restore() and saved.steps == at
    # The row of an epoch comes before the checkpoint that would skip it.
    assert run(tmp_path) == [3, 6]


def test_outside_of_the_main_thread_nothing_is_installed(monkeypatch):
    monkeypatch.setattr(stopping.threading, "main_thread", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    with stopping.listening() as request:
        assert signal.getsignal(signal.SIGTERM) is before
    assert request == stopping.Request()


def start(program):
    """Starts a program without TensorFlow, and waits until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


LONG = """
import signal, time
from training import stopping
{before}
with stopping.listening():
    print("ready", flush=True)
    while True:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_a_second_signal_ends_at_once(number):
    process = start(LONG.format(before=""))
    process.send_signal(number)
    assert (
        "again stops at once" in process.stderr.readline() + process.stderr.readline()
    )
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(60) == -signal.SIGINT  # which shells call 130
    finally:
        process.kill()


def test_an_ignored_signal_stays_ignored():
    """As those of `nohup` and of commands in the background are."""
    ignore = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    process = start(LONG.format(before=ignore))
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert "again" in process.stderr.readline() + process.stderr.readline()
    process.kill()
    process.wait()
