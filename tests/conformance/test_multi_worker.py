"""Two processes train as one would, and go on after one of them was killed."""

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

from experiments.core import runner
from experiments.core import system as papers

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 900  # of a busy machine; a quiet one takes 30
KILL_AT, STEPS = 3, 4
RATE = 1e-4

# No layer has statistics of what a replica saw.
SYSTEM = papers.load("portrait_autoencoder")


def configuration(workdir, **options):
    return configure(
        SYSTEM, workdir=str(workdir), stages=("train",), limit=16, epochs=STEPS // 2,
        validation_images=4, checkpoint_steps=1, batch_size=8, **options,
    )  # fmt: skip


def train(workdir, kill_at):
    """What a worker does; where it is killed, it is after that step."""
    with pytest.MonkeyPatch.context() as patch:
        step_alike(patch, RATE)
        if kill_at:
            from training.callbacks import Progress

            def kill(self, batch, logs=None):
                if self.checkpoints.steps == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

            patch.setattr(Progress, "on_train_batch_end", kill)
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


def start(workdir, ports, index, kill_at=0):
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
        [sys.executable, __file__, str(workdir), str(kill_at)],
        cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
    )  # fmt: skip


def weights(workdir):
    """All arrays of the last checkpoint, by name."""
    path = tf.train.latest_checkpoint(workdir / "checkpoints" / "last")
    names = [name for name, _ in tf.train.list_variables(path)]
    arrays = {name: tf.train.load_variable(path, name) for name in names}
    return {k: v for k, v in arrays.items() if getattr(v, "dtype", None) == np.float32}


def test_two_processes_train_as_one_and_go_on_after_a_kill(tmp_path, monkeypatch):
    together, alone = tmp_path / "together", tmp_path / "alone"
    ports = free_ports(2)
    chief, other = start(together, ports, 0), start(together, ports, 1, KILL_AT)
    running = [chief, other]
    try:
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
    said = [(tmp_path / f"worker{i}.txt").read_text() for i in range(2)]
    assert codes == [0, 0], "\n".join(said)
    assert "This one starts again and waits for it" in said[0]
    for text in said:
        assert f"Resuming from step {KILL_AT} of {STEPS}." in text
    one, two = weights(alone), weights(together)
    assert one.keys() == two.keys() and len(one) > 10
    for name, weight in one.items():
        np.testing.assert_allclose(two[name], weight, **ALIKE, err_msg=name)
    histories = [(run / "history.csv").read_text() for run in (alone, together)]
    assert [len(text.splitlines()) for text in histories] == [4, 4]
    # The other worker's copy is gone, but for the one that was killed.
    assert len([*tmp_path.glob("worker-*")]) == 1


if __name__ == "__main__":
    train(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
