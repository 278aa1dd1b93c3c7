"""Platforms without some modules, by hiding these: commands, training and restoring."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_addons as tfa
import tiny
from PIL import Image

from models import optional
from serving.export import restorer as export

ROOT = pathlib.Path(__file__).resolve().parents[1]

# What Linux has and the platform not. `msvcrt` locks as on Windows; what is imported at
# the top has code of its own there.
ELSEWHERE = """
import importlib.abc, multiprocessing.pool, os, psutil, subprocess, sys, types

hidden = set(sys.argv.pop(1).split(","))

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

if "fcntl" in hidden:
    import fcntl

    def locking(handle, mode, size):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PermissionError(*error.args)

    sys.modules["msvcrt"] = types.SimpleNamespace(locking=locking, LK_NBLCK=2)
    for name in ("sysconf", "getuid", "geteuid"):
        delattr(os, name)
for name in hidden:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Blocker())
"""
COMPRESSION = "tensorflow_compression"
PLATFORMS = {
    "macOS on ARM": COMPRESSION,
    "Windows": f"{COMPRESSION},tensorflow_addons,fcntl,resource,pwd,grp",
}


def run(program, *words, hidden, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", ELSEWHERE + program, hidden, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


WORKS = """
import pathlib, pkgutil, importlib

import experiments
from absl import flags

for module in pkgutil.iter_modules(experiments.__path__):
    if module.name != "__main__":
        importlib.import_module(f"experiments.{module.name}")

from experiments import compress, restore
from experiments.core import command_line, runner, system
from serving import file_lock

place = pathlib.Path(sys.argv[1])
with file_lock.held(place / "lock"):
    try:
        with file_lock.held(place / "lock"):
            print("locked twice")
    except BlockingIOError:
        print("locked")

def train(name, preset="smoke", **options):
    paper = system.load(name)
    small = {"dataset": "faces", "limit": 8, "validation_images": 4, "batch_size": 4}
    options = {**small, **options}
    config = command_line.make(
        paper.config_class, paper.presets, preset, workdir=str(place / name), **options
    )
    return runner.run(paper, config, preset)

options = {"input": str(place / "photo.png"), "output": str(place / "out")}
# What is missing on every other platform is missing on Windows as well.
if "fcntl" in hidden:
    train("skip_inpainting", stages=("train",), epochs=1)
    print("trained")
    restore.restore(restore.Options(model=sys.argv[2], **options))
for refused in (
    lambda: compress.compress(
        compress.Options(model="portrait_codec", **options)
    ),
    lambda: train("portrait_autoencoder", "lambda_0.01"),
    lambda: train("cvae_dcgan"),
):
    try:
        refused()
    except ValueError as error:
        print("refused:", error)
"""


@pytest.fixture(scope="module")
@tiny.signatures_alone()
def model(tmp_path_factory):
    restorer = export.build_restorer(tiny.published_generator(), fill=1.0)
    return export.save(restorer, tmp_path_factory.mktemp("model") / "export" / "1")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_all_but_the_codecs_works(model, tmp_path, platform):
    Image.fromarray(tiny.noise(1, 40)[0]).save(tmp_path / "photo.png")
    done = run(WORKS, tmp_path, model, hidden=PLATFORMS[platform])
    assert done.returncode == 0, done.stderr
    said, works = done.stdout.splitlines(), platform == "Windows"
    assert "locked" in said and ("trained" in said) == works
    assert (tmp_path / "out" / "photo.png").exists() == works
    refusals = [line for line in said if line.startswith("refused: ")]
    assert len(refusals) == 3
    for refusal in refusals:
        assert "Codecs, their files and their training need tensorflow-comp" in refusal
        assert "It exists for Linux on x86-64 and macOS on Intel" in refusal
    assert not (tmp_path / "cvae_dcgan" / "checkpoints").exists()


class TestInstanceNormalization:
    """Keras's layer where tensorflow-addons is missing."""

    @pytest.fixture
    def ours(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow_addons.layers", None)
        return optional.instance_normalization(dtype="float32", name="norm")

    def test_it_computes_the_same_from_variables_of_the_same_names(self, ours):
        theirs = tfa.layers.InstanceNormalization(dtype="float32", name="norm")
        assert isinstance(ours, tf.keras.layers.GroupNormalization)
        x = tf.constant(tiny.smooth(3, 8) * 5 + 2)
        for layer in (ours, theirs):
            layer.build(x.shape)
        assert [(w.name, w.shape) for w in ours.weights] == [
            (w.name, w.shape) for w in theirs.weights
        ]
        np.testing.assert_array_equal(ours(x), theirs(x))
        weights = [np.float32([1, -2, 3]), np.float32([0.5, 0, -1])]
        for layer in (ours, theirs):
            layer.set_weights(weights)
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-6, atol=1e-6)

    def test_checkpoints_of_one_open_with_the_other(self, ours, tmp_path):
        theirs = tfa.layers.InstanceNormalization(dtype="float32", name="norm")
        networks = []
        for layer in (theirs, ours):
            image = tf.keras.Input((8, 8, 3))
            networks.append(tf.keras.Model(image, layer(image)))
        weights = [np.float32([1, -2, 3]), np.float32([0.5, 0, -1])]
        theirs.set_weights(weights)
        path = tf.train.Checkpoint(network=networks[0]).save(tmp_path / "checkpoint")
        status = tf.train.Checkpoint(network=networks[1]).restore(path)
        status.assert_existing_objects_matched()
        for given, restored in zip(weights, ours.get_weights()):
            np.testing.assert_array_equal(given, restored)

    def test_where_addons_is_its_layer_is_used(self):
        layer = optional.instance_normalization(name="norm")
        assert isinstance(layer, tfa.layers.InstanceNormalization)
