"""A run: its flags, folder, data, networks and metrics, each made once."""

from __future__ import annotations

import copy
import functools
from typing import Any

import tensorflow as tf

from data_pipeline import landmarks
from evaluation import attributes, subsets
from evaluation.metrics import identity, lpips
from experiments.core import networks
from experiments.core.config import SystemConfig
from experiments.core.data import RunData
from experiments.core.folder import RunFolder
from experiments.core.shards import WHOLE, Shard
from training import strategy


class Run:
    """A run, handed from training to evaluation to export.

    `system` is the paper's `experiments.core.system.System`, `preset` the one that its
    flags began with, `shard` the part of the evaluation that it does. `data` is decoded
    when it is first asked for.
    """

    def __init__(
        self, system: Any, config: SystemConfig, preset: str, shard: Shard = WHOLE
    ):
        path = config.workdir or f"runs/{system.name}/{preset}-{config.dataset}"
        self.folder = RunFolder(path)
        self.config = self.folder.with_length(config)
        self.system, self.preset, self.shard = system, preset, shard
        self.data: RunData = system.data(self.config)

    def within(self, folder: str) -> Run:
        """The same run in another folder."""
        other = copy.copy(self)
        other.folder = RunFolder(folder)
        return other

    def check(self) -> None:
        """Raises now what would otherwise end the run after hours of training."""
        config = self.config
        if self.shard.count > 1 and tuple(config.stages) != ("evaluate",):
            raise ValueError("--shard divides an evaluation: add --stages=evaluate.")
        strategy.check_batch_size(config.batch_size, self.devices)
        strategy.check_jit_compile(config.jit_compile, self.devices)
        if config.groups and "evaluate" in config.stages:
            subsets.read_groups(config.groups, self.data.test.names)
        if {"train", "evaluate"} <= set(config.stages):
            classifier, _ = self.classifier, self.embedding  # loaded before training
            if classifier:
                classifier.judge(self.data.validation)
            self.system.check_evaluation(config, self.data)
        lpips.resolve(config.lpips_weights)
        if "train" not in config.stages and not self.folder.has_begun:
            raise self.folder.untrained()

    @property
    def label(self) -> str:
        """The network's name in tables."""
        return self.system.label(self.config)

    @functools.cached_property
    def devices(self) -> tf.distribute.Strategy:
        """The devices that it trains on."""
        config = self.config
        # What only measures needs no other workers.
        kind = config.strategy if "train" in config.stages else "mirrored"
        return strategy.make(config.num_replicas, kind)

    @functools.cached_property
    def record(self) -> dict[str, Any]:
        """Paper, preset, flags and environment, as config.json has them.

        Asked for the first time, it writes config.json, or raises a ValueError where
        the folder holds a run of other flags.
        """
        return self.folder.record(self.system.name, self.preset, self.config)

    @functools.cached_property
    def perceptual(self) -> lpips.LPIPS | None:
        """LPIPS, where there are weights."""
        path = lpips.resolve(self.config.lpips_weights)
        return lpips.load(path) if path else None

    @functools.cached_property
    def classifier(self) -> attributes.Classifier | None:
        """The classifier of attributes that --judge names."""
        return attributes.load(self.config.judge) if self.config.judge else None

    @functools.cached_property
    def embedding(self) -> identity.Similarity | None:
        """The face embedding that --embedding names, or the one in the cache."""
        path = identity.resolve(self.config.embedding)
        # Whatever --embedding_range says, the cached one takes the default.
        given = [self.config.embedding_range] if self.config.embedding else []
        return identity.load(path, *given) if path else None

    @functools.cached_property
    def landmarks(self) -> landmarks.Landmarks | None:
        """Those of the test images, where they come with them or MediaPipe is there."""
        if self.config.dataset == "scenes":  # there are no faces
            return None
        config = self.config
        return landmarks.of(
            self.data.test, crop=config.crop, cache_dir=config.cache_dir
        )

    @functools.cached_property
    def network(self) -> tf.keras.Model:
        """The trained network, averaged if the run averages, in float32."""
        return networks.trained(self.system, self.config, self.folder)
