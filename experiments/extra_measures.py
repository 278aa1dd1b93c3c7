"""What a user's own networks say of restored faces: attributes, and identity."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from data_pipeline.decoded import DecodedSplit
from evaluation import attributes, identity, tables
from experiments import attribute_judge
from experiments.system_config import SystemConfig


@dataclasses.dataclass(frozen=True)
class ExtraMeasures:
    """Measures beside the standard ones, and what a report says of them.

    Attributes:
      measures: {"region/metric": (target, composite, names) -> [B]}.
      names: Of the test images.
      judge: Of attributes, or None.
      provenance: What measured, for the report's environment.
      notes: What is left out, and how to have it.
      to_unit: Takes a target to [0, 1].
    """

    measures: Mapping[str, Callable]
    names: Sequence[str]
    judge: attributes.Judge | None
    provenance: Mapping[str, str]
    notes: Sequence[str]
    to_unit: Callable

    def tables(self, restore: Callable, batches: Iterable) -> list[tables.Table]:
        """Attribute by attribute, of one restorer."""
        if self.judge is None:
            return []
        table = attributes.by_attribute(
            self.judge, restore, batches, self.names, to_unit=self.to_unit
        )
        return [table]


def load(config: SystemConfig, split: DecodedSplit) -> ExtraMeasures:
    """What the flags --judge and --embedding ask for.

    Raises:
      ValueError: If a folder holds nothing of the kind, or the images have no
        attributes to judge.
    """
    measures, provenance, notes = {}, {}, []
    judge = None
    if config.judge:
        judge, provenance["judge"] = attribute_judge.load(config.judge, split)
        measures[f"{config.region}/attribute_accuracy"] = judge
    elif "attributes" in split.fields:
        notes.append(
            "Attribute accuracy is left out: there is no judge. `python -m "
            "experiments.attribute_judge --help` says how to train one; pass "
            "--judge=FOLDER."
        )
    if config.embedding:
        similarity = identity.load(config.embedding, config.embedding_range)
        measures[f"{config.region}/identity"] = similarity
        provenance["embedding"] = (
            f"{similarity.name}, output {similarity.output}, "
            f"sha256 {similarity.sha256_prefix}"
        )
    return ExtraMeasures(
        measures, split.names, judge, provenance, notes, config.to_unit
    )
