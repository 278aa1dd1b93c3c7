"""The splits of a run, decoded once and only when a stage needs them."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline import decoded, sources
from data_pipeline.datasets.elements import Source
from experiments.core.config import RunConfig


class RunData:
    """Training, validation and test images of a configuration.

    `source_options` are arguments of `sources.load` that only some papers have;
    `extra_dir` is a folder of more training images and `test_dir` one of images to be
    tested in place of the set's, or empty; `resize` is the filter, see `pixels.resize`.
    """

    def __init__(
        self,
        config: RunConfig,
        source_options: Mapping[str, Any] | None = None,
        *,
        extra_dir: str = "",
        test_dir: str = "",
        resize: str = "bicubic",
    ):
        self._config = config
        self._resize = resize
        self._source_options = source_options or {}
        self._extra_dir = extra_dir
        self._test_dir = test_dir

    @property
    def config(self) -> RunConfig:
        """The configuration that they are of."""
        return self._config

    @functools.cached_property
    def train(self) -> decoded.DecodedSplit:
        """The training split, less what validation takes from it, and more images."""
        split = self._train if self._has_validation else self._train.part(self._taken)
        if not self._extra_dir:
            return split
        extra = sources.whole_folder("train", self._extra_dir, "extra_dir")
        return decoded.joined(split, self._whole(extra))

    def _whole(self, source: Source, size: int = 0) -> decoded.DecodedSplit:
        """The images of another folder, not cropped."""
        return decoded.decode(
            source,
            size=size or self._config.image_size,
            crop="none",
            resize=self._resize,
            cache_dir=self._config.cache_dir,
        )

    @functools.cached_property
    def validation(self) -> decoded.DecodedSplit:
        """The official validation split, or the first images of the training split.

        Those are a random sample of a shuffled split, the first names of one that is
        not (--split_by=order).
        """
        if self._has_validation:
            return self._decode("validation", self._config.validation_images)
        return self._train.part(0, self._taken)

    @functools.cached_property
    def test(self) -> decoded.DecodedSplit:
        """The test split."""
        return self.test_at(self._config.image_size)

    def test_at(self, size: int) -> decoded.DecodedSplit:
        """The test split in another size than the networks have."""
        if self._test_dir:
            other = sources.whole_folder("test", self._test_dir, "test_dir")
            limit = self._config.limit
            return self._whole(other.take(limit) if limit else other, size)
        return self._decode("test", self._config.limit, size)

    @functools.cached_property
    def seen(self) -> int:
        """How many test images are training images; those of a set are split here."""
        if not self._test_dir:
            return 0
        known = set(map(_digest, self.train.images))
        return sum(_digest(image) in known for image in self.test.images)

    @functools.cached_property
    def _train(self) -> decoded.DecodedSplit:
        return self._decode("train", self._config.limit)

    @property
    def _has_validation(self) -> bool:
        return "validation" in self._train.source.info.split_counts

    @property
    def _taken(self) -> int:
        return min(self._config.validation_images, max(len(self._train) // 5, 1))

    def digests(self) -> dict[str, str]:
        """{split: SHA-256 of its images' names}; empty for sets that come split."""
        if self._config.dataset not in sources.SHUFFLED:
            return {}
        found = {}
        for split in ("train", "test"):
            names = "\n".join(self._source(split).names)
            found[split] = hashlib.sha256(names.encode()).hexdigest()
        return found

    def _source(self, split: str, limit: int = 0, size: int = 0) -> Source:
        config = self._config
        return sources.load(
            config.dataset,
            split,
            data_dir=config.data_dir,
            seed=config.seed,
            split_by=config.split_by,
            limit=limit,
            size=size or config.image_size,
            **self._source_options,
        )

    def _decode(self, split: str, limit: int, size: int = 0) -> decoded.DecodedSplit:
        config = self._config
        size = size or config.image_size
        return decoded.decode(
            self._source(split, limit, size),
            size=size,
            crop=config.crop,
            resize=self._resize,
            cache_dir=config.cache_dir,
        )

    def mean_image(self) -> np.ndarray:
        """The mean training image, float32 [S, S, 3] in [0, 1]."""
        return self.train.mean_image()


def _digest(image: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image)).digest()
