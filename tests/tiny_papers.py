"""Runs of the papers' smoke presets, each made once for all tests and processes."""

import fcntl
import functools
import json
import os
import re

import pytest
import tensorflow as tf

from evaluation.codecs import rate_distortion
from experiments.core import command_line, runner
from experiments.core import system as papers
from experiments.core.run import Run
from training import optimizers
from training.history import History

# A run of skip_inpainting to put beside its smoke run.
PATCH_MODEL = {"model": 1, "num_replicas": 2, "clip_norm": 1.0, "losses": "swapped"}


def configure(system, preset="smoke", **options):
    """A configuration of a preset."""
    return command_line.make(system.config_class, system.presets, preset, **options)


ALIKE = {"rtol": 1e-5, "atol": 1e-5}  # weights of one replica and of several


def step_alike(patch, learning_rate):
    """Replicas draw the same noise; and Adam makes a step of any rounding error."""
    for name in ("stateless_normal", "stateless_uniform"):
        patch.setattr(tf.random, name, lambda shape, *_, **__: tf.zeros(shape))
    patch.setattr(tf.nn.experimental, "stateless_dropout", lambda x, *_: x)

    def descend(optimizer, gradient, variable):
        variable.assign_sub(learning_rate * gradient)

    patch.setattr(optimizers.Adam, "update_step", descend)


def draw_little(patch):
    """BD-rates with few bootstrap draws, of which most of their time is."""
    few = functools.partial(rate_distortion.bd_rates, resamples=50)
    patch.setattr(rate_distortion, "bd_rates", few)


class SmokeRuns:
    """Makes the run of a paper and some flags when it is first asked for.

    Runs are shared: copy a folder before you change it.
    """

    def __init__(self, root):
        self._root, self._made = root, {}

    def __call__(self, name, **options) -> Run:
        words = [name, *(f"{key}_{value}" for key, value in options.items())]
        slug = re.sub(r"\W+", "_", "-".join(words))
        if slug not in self._made:
            self._made[slug] = self._run(name, self._root / slug, options)
        return self._made[slug]

    def _run(self, name, folder, options):
        system = papers.load(name)
        config = configure(system, workdir=str(folder), **options)
        done = folder.with_suffix(".done")
        with (
            folder.with_suffix(".lock").open("w") as lock,
            pytest.MonkeyPatch.context() as patch,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            # LPIPS weights that this user has cached change no report.
            patch.setenv("HOME", str(self._root))
            draw_little(patch)
            if not done.exists():
                runner.run(system, config, "smoke")
                done.touch()
        return Run(system, config, "smoke")


def smoke_runs(tmp_path_factory):
    """Those of this session, in whatever process it runs tests."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    (root / "smoke").mkdir(exist_ok=True)
    return SmokeRuns(root / "smoke")


def results(folder):
    """results.json of a run folder."""
    return json.loads((folder.report / "results.json").read_text())


def history(folder):
    """Rows of history.csv without what the clock says."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
        for row in History(folder.history).rows
    ]
