"""Two processes train as one would, also after one was asked to end, and one killed."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tiny_papers import ALIKE, configure, step_alike

from experiments.core import command_line, runner
from experiments.core import system as papers

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 900  # of a busy machine; a quiet one takes 30
TERM_AFTER, KILL_AFTER, STEPS = 1, 3, 4
RATE = 1e-4

# No layer has statistics of what a replica saw.
SYSTEM = papers.load("portrait_autoencoder")


def configuration(workdir, **options):
    return configure(
        SYSTEM, workdir=str(workdir), stages=("train",), limit=16, epochs=STEPS // 2,
        validation_images=4, checkpoint_steps=1, batch_size=8, **options,
    )  # fmt: skip


def train(workdir, number, step):
    """What a worker does; it gets a signal, if any, in or before a step."""
    with pytest.MonkeyPatch.context() as patch:
        step_alike(patch, RATE)
        if number:
            from training.callbacks import Progress

            def end(self, batch, logs=None):
                if self.checkpoints.steps == step - 1:
                    os.kill(os.getpid(), number)

            patch.setattr(Progress, "on_train_batch_begin", end)
        config = configuration(workdir, strategy="multi_worker")
        runner.run(SYSTEM, config, "smoke")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(workdir, ports, index, number=0, step=0):
    workers = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    environment = {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": task}),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "TMPDIR": str(workdir.parent),
    }
    output = (workdir.parent / f"worker{index}.txt").open("a")
    return subprocess.Popen(
        [sys.executable, __file__, str(workdir), str(int(number)), str(step)],
        cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
    )  # fmt: skip


def weights(workdir):
    """All arrays of the last checkpoint, by name."""
    path = tf.train.latest_checkpoint(workdir / "checkpoints" / "last")
    names = [name for name, _ in tf.train.list_variables(path)]
    arrays = {name: tf.train.load_variable(path, name) for name in names}
    return {k: v for k, v in arrays.items() if getattr(v, "dtype", None) == np.float32}


def test_two_processes_train_as_one_through_an_end_and_a_kill(tmp_path, monkeypatch):
    together, alone = tmp_path / "together", tmp_path / "alone"
    running = []

    def started(ports, number, step):
        workers = start(together, ports, 0), start(together, ports, 1, number, step)
        running.extend(workers)
        return workers

    def said():
        return [(tmp_path / f"worker{i}.txt").read_text() for i in range(2)]

    try:
        # The signal that comes to one ends both, after the same step.
        workers = started(free_ports(2), signal.SIGTERM, TERM_AFTER)
        codes = [process.wait(LONGEST_SECONDS) for process in workers]
        assert codes == [143, 143], "\n".join(said())
        stopped = f"Stopped after step {TERM_AFTER}{{}}. The same command goes on"
        assert stopped.format("") in said()[1]
        assert stopped.format(", as another worker was asked to") in said()[0]
        assert not any("Traceback" in text for text in said())
        ports = free_ports(2)
        chief, other = started(ports, signal.SIGKILL, KILL_AFTER + 1)
        assert other.wait(LONGEST_SECONDS) == -signal.SIGKILL
        again = start(together, ports, 1)
        running.append(again)
        with monkeypatch.context() as patch:
            step_alike(patch, RATE)
            runner.run(SYSTEM, configuration(alone, num_replicas=1), "smoke")
        codes = [process.wait(LONGEST_SECONDS) for process in (chief, again)]
    finally:
        for process in running:
            process.kill()
    assert codes == [0, 0], "\n".join(said())
    assert "This one starts again and waits for it" in said()[0]
    for text in said():
        for step in (TERM_AFTER, KILL_AFTER):
            assert f"Resuming from step {step} of {STEPS}." in text
    one, two = weights(alone), weights(together)
    assert one.keys() == two.keys() and len(one) > 10
    for name, weight in one.items():
        np.testing.assert_allclose(two[name], weight, **ALIKE, err_msg=name)
    histories = [(run / "history.csv").read_text() for run in (alone, together)]
    assert [len(text.splitlines()) for text in histories] == [4, 4]
    # The other worker's copy is gone, but for the one that was killed.
    assert len([*tmp_path.glob("worker-*")]) == 1


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    sys.argv[1:] = []
    command_line.run(lambda: train(pathlib.Path(folder), *map(int, numbers)))
