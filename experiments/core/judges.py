"""Networks that judge restored faces: an attribute classifier, a face embedding."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from data_pipeline.decoded import DecodedSplit
from evaluation import attributes
from evaluation.metrics import identity
from evaluation.tables import Table
from experiments.core.config import SystemConfig


@dataclasses.dataclass(frozen=True)
class Judgment:
    """Measures of a split by the judges, and what a report says of them.

    Attributes:
      measures: {"region/metric": (target, composite, names) -> [B]}.
      names: Of the split's images.
      judge: Of attributes, or None.
      provenance: What measured, for the report's environment.
      notes: What is left out, and how to have it.
    """

    measures: Mapping[str, Callable]
    names: Sequence[str]
    judge: attributes.Judge | None
    provenance: Mapping[str, str]
    notes: Sequence[str]

    def tables(
        self, restore: Callable, batches: Iterable, to_unit: Callable
    ) -> list[Table]:
        """Attribute by attribute, of one restorer."""
        if self.judge is None:
            return []
        return [
            attributes.by_attribute(
                self.judge, restore, batches, self.names, to_unit=to_unit
            )
        ]


class Judges:
    """The networks that --judge and --embedding name, loaded once.

    Args:
      config: Of the run.
      region: Of the images that they look at, such as "composite".

    Raises:
      ValueError: If a folder holds nothing of the kind.
    """

    def __init__(self, config: SystemConfig, region: str):
        self._region = region
        self._classifier = self._similarity = None
        if config.judge:
            self._classifier = attributes.load(config.judge)
        if config.embedding:
            self._similarity = identity.load(config.embedding, config.embedding_range)

    def check(self, split: DecodedSplit) -> None:
        """Raises a ValueError if the images are not what the classifier judges."""
        if self._classifier:
            self._classifier.judge(split)

    def of(self, split: DecodedSplit) -> Judgment:
        """Measures of a split's images.

        Raises:
          ValueError: If the images have no attributes, or others.
        """
        measures, provenance, notes = {}, {}, []
        judge = None
        if self._classifier:
            judge = self._classifier.judge(split)
            measures[f"{self._region}/attribute_accuracy"] = judge
            provenance["judge"] = self._classifier.description
        elif "attributes" in split.fields:
            notes.append(
                "Attribute accuracy is left out: there is no judge. `python -m "
                "experiments.attribute_classifier --help` says how to train one; pass "
                "--judge=FOLDER."
            )
        if self._similarity:
            similarity = self._similarity
            measures[f"{self._region}/identity"] = similarity
            provenance["embedding"] = (
                f"{similarity.name}, output {similarity.output}, "
                f"sha256 {similarity.sha256_prefix}"
            )
        return Judgment(measures, split.names, judge, provenance, notes)
