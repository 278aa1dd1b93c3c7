"""What the classifier of Chen et al. is taught, from a data set's attributes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_pipeline.choices import check_choice
from data_pipeline.decoded import DecodedSplit

ALL = "all"
KINDS = ("multi_label", "multi_class")


def chosen(classes: Sequence[str], attribute_names: Sequence[str]) -> tuple[str, ...]:
    """The attributes that are learned; none where the data set has none.

    Raises:
      ValueError: If a class is named that the data set does not have.
    """
    if tuple(classes) == (ALL,):
        return tuple(attribute_names)
    for name in classes:
        if not attribute_names:
            raise ValueError(
                f"--classes names {name}, but the data set has no attributes. Pass "
                f"--classes= to switch the classifier off, or --classes={ALL} for "
                "whatever a set has."
            )
        check_choice("classes", name, tuple(attribute_names))
    return tuple(classes)


def outputs(classes: Sequence[str], kind: str, attribute_names: Sequence[str]) -> int:
    """How many logits the classifier has; 0 where there is nothing to learn."""
    count = len(chosen(classes, attribute_names))
    # One more class: none of them.
    return count + 1 if count and kind == "multi_class" else count


def of_split(
    classes: Sequence[str], kind: str, split: DecodedSplit
) -> np.ndarray | None:
    """The labels of a split's images, or None where there is nothing to learn.

    Returns:
      float32 [N, K], 0 or 1, of "multi_label"; int32 [N] of "multi_class": the number
      of the first class that is there, counted from 1, or 0 for none of them.
    """
    known = split.source.info.attribute_names
    names = chosen(classes, known)
    if not names:
        return None
    there = split.fields["attributes"][:, [known.index(name) for name in names]]
    if kind == "multi_label":
        return there.astype(np.float32)
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1, 0).astype(np.int32)
