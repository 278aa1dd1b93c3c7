import subprocess
import sys
import types

import pytest
import tensorflow as tf

from training import strategy

# In a process of its own: the others already have logical CPUs.
SCRIPT = """
from training import strategy
devices = strategy.make(2)
print(type(devices).__name__, devices.num_replicas_in_sync)
"""


def test_one_cpu_is_split_into_as_many_as_there_are_replicas():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["MirroredStrategy", "2"]


def test_a_process_starts_again_as_it_was_started(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/a/train.py", "--epochs=3"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "a.train", "--epochs=3"])
    assert strategy._arguments() == ["-m", "a.train", "--epochs=3"]
    monkeypatch.delattr(sys, "orig_argv")  # as in Python 3.9
    main = types.SimpleNamespace(__spec__=types.SimpleNamespace(name="a.train"))
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert strategy._arguments() == ["-m", "a.train", "--epochs=3"]
    main.__spec__ = None
    assert strategy._arguments() == ["/a/train.py", "--epochs=3"]


def test_more_replicas_than_devices_is_an_error():
    tf.config.list_logical_devices()  # starts TensorFlow: devices are what they are
    with pytest.raises(ValueError, match="--num_replicas=9 needs as many devices"):
        strategy.make(9)


def test_a_batch_that_does_not_split_is_an_error():
    with pytest.raises(ValueError, match="--batch_size=9 must be a multiple of the 2"):
        strategy.check_batch_size(9, strategy.make(2))


def test_xla_over_logical_cpus_is_an_error():
    two, one = strategy.make(2), strategy.make(1)
    with pytest.raises(ValueError, match="--jit_compile takes one device where there"):
        strategy.check_jit_compile(True, two)
    strategy.check_jit_compile(True, one)
    strategy.check_jit_compile(False, two)
