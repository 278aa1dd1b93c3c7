"""Attribute accuracy: whether a restored face still has its attributes.

The judge is a classifier that was trained apart from the networks it judges. `load`
reads one, `Classifier.judge` makes it a metric for `evaluate(..., extra={...})`, and
`by_attribute` is a table of the accuracy attribute by attribute.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import tables
from evaluation.evaluate import check_restored, walk
from evaluation.metrics import measure

KEY = "attributes"  # of the tables
MARGIN = 5  # points above the majority answer from which an attribute is recognized

_COLUMNS = (
    "Attribute",
    "Faces with it (%)",
    "Right on originals (%)",
    "Right on completed (%)",
    "Difference (points)",
    "Majority answer (%)",
)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier of attributes.

    Attributes:
      predict: float32 [B, S, S, 3] in [0, 1] -> probabilities [B, K].
      names: Of the K attributes.
      image_size: S, pixels.
      data: Title of the data set it was trained on.
      folder: Where it was loaded from.
      description: Its accuracy and origin, for reports.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    names: tuple[str, ...]
    image_size: int
    data: str
    folder: str
    description: str

    def judge(self, split: DecodedSplit) -> Judge:
        """Binds the classifier to the labels of a split.

        Raises:
          ValueError: If the split has no attributes, or others, or another image size.
        """
        names, size = known_attributes(split), split.images.shape[1]
        if self.names != names or self.image_size != size:
            raise ValueError(
                f"--judge={self.folder} judges {len(self.names)} attributes of "
                f"{self.data} at {self.image_size} px; these images have {len(names)} "
                f"of {split.source.info.title} at {size} px. Train a judge with this "
                "--dataset and --image_size."
            )
        return judge_from(self.predict, split)


def load(folder: str) -> Classifier:
    """Loads what `experiments.attribute_classifier` wrote, or raises a ValueError."""
    path = pathlib.Path(folder).expanduser() / "assets.extra" / "judge.json"
    if not path.exists():
        raise ValueError(
            f"--judge={folder} must be a folder that `facemend "
            "attribute_classifier` has written; it has no assets.extra/judge.json."
        )
    config = json.loads(path.read_text())
    model = tf.keras.models.load_model(path.parent.parent, compile=False)
    return Classifier(
        predict=model.predict_on_batch,
        names=tuple(config["attributes"]),
        image_size=config["image_size"],
        data=config["data"],
        folder=folder,
        description=(
            f"{config['accuracy_percent']}% right on {config['test_images']:,} "
            f"original test images; trained on {config['training_images']:,}, seed "
            f"{config['config']['seed']}, commit {config['environment']['commit']}"
        ),
    )


def known_attributes(split: DecodedSplit) -> tuple[str, ...]:
    """The attributes of a split; a ValueError if it has none."""
    names = split.source.info.attribute_names
    if not names:
        raise ValueError(
            f"{split.source.info.title} has no attributes to judge by. faces and "
            "celeb_a have some; leave --judge out for other sets."
        )
    return names


def judge_from(predict: Callable, split: DecodedSplit) -> Judge:
    """A judge that compares predictions with the attributes of a split."""
    labels = dict(zip(split.names, split.fields["attributes"].astype(bool)))
    return Judge(predict, split.source.info.attribute_names, labels)


class Judge:
    """`(target, composite, names) -> [B]`: percent of attributes predicted right.

    Args:
      predict: Images, float32 [B, H, W, 3] in [0, 1] -> [B, K], bool or probabilities;
        a face has an attribute if its probability is over 0.5.
      names: Of the K attributes, at least one.
      labels: {image name: bool [K]}, the truth.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        names: Sequence[str],
        labels: Mapping[str, np.ndarray],
    ):
        if not len(names):
            raise ValueError("A judge needs attributes; names holds none.")
        self.names, self._predict, self._labels = tuple(names), predict, labels

    def __call__(
        self, target: np.ndarray, composite: np.ndarray, names: Sequence[str]
    ) -> np.ndarray:
        """Judges composites, float32 [B, H, W, 3] in [0, 1] -> float64 [B], 0 to 100.

        `target` is not used; every metric is given it. Errors are those of `right`.
        """
        del target
        return 100.0 * self.right(composite, names).mean(axis=1)

    def right(self, images: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Which attributes are predicted right: bool [B, K].

        Raises:
          ValueError: If `predict` returns another shape or no probabilities, or an
            image has no label of K bools.
        """
        truth = self.truth(names)
        predicted = np.asarray(self._predict(images))
        if predicted.shape != truth.shape:
            raise ValueError(
                f"The judge returned {list(predicted.shape)} for "
                f"{tables.counted(len(truth), 'image')} and "
                f"{tables.counted(truth.shape[1], 'attribute')}; it must return "
                f"{list(truth.shape)}."
            )
        # Also refuses NaN and logits.
        if not ((predicted >= 0) & (predicted <= 1)).all():
            raise ValueError(
                "The judge must return bool or probabilities in [0, 1]; got "
                f"[{predicted.min():.3g}, {predicted.max():.3g}]. Of logits, return "
                "logits > 0."
            )
        return (predicted > 0.5) == truth

    def truth(self, names: Sequence[str]) -> np.ndarray:
        """The labels of images: bool [B, K]; a ValueError names one without."""
        rows = []
        for name in names:
            row = np.asarray(self._labels.get(name, ()))
            # CelebA's -1 would be taken for True.
            if row.shape != (len(self.names),) or row.dtype != bool:
                raise ValueError(
                    f"labels must hold a bool for each of the {len(self.names)} "
                    f"attributes of {name}; it holds {row.dtype} {list(row.shape)}."
                    if name in self._labels
                    else f"labels has no attributes of {name}; leave such images out."
                )
            rows.append(row)
        return np.stack(rows)


def by_attribute(
    judge: Judge,
    restore: Callable,
    batches: Iterable,
    image_names: Sequence[str],
    *,
    to_unit: Callable = pixels.signed_to_unit,
) -> tables.Table:
    """The accuracy of each attribute on originals and on completed faces.

    `restore`, `batches` and `to_unit` are those of `evaluate`, `image_names` the names
    in the order of the batches.

    Returns:
      A row an attribute, the largest loss first, below a row of their mean: share of
      faces that have it, accuracy on originals and on completed faces, difference, and
      the accuracy of always giving the majority answer. In percent; the difference in
      points, negative for a loss.

    Raises:
      ValueError: If names and batches differ in number, or the judge's or the
        restorer's output has another shape or range.
    """
    parts = []
    for here, inputs, target, mask in walk(batches, image_names, to_unit=to_unit):
        names = image_names[here]
        restored = np.asarray(restore(inputs), np.float32)
        check_restored("completed", restored, target, names)
        completed = measure.paste(target, restored, mask)
        right = (judge.right(images, names) for images in (target, completed))
        parts.append((judge.truth(names), *right))
    # Each [K], in percent.
    share, original, completed = (
        100.0 * np.concatenate(part).mean(axis=0) for part in zip(*parts)
    )
    majority = np.maximum(share, 100.0 - share)
    columns = (share, original, completed, completed - original, majority)
    mean = [None, *(_percent(column.mean()) for column in columns[1:])]
    rows = [["all attributes", *mean]]
    for index in np.argsort(completed - original, kind="stable"):
        name = judge.names[index].replace("_", " ")
        rows.append([name, *(_percent(column[index]) for column in columns)])
    return tables.Table(
        caption=f"Attribute accuracy over {tables.counted(len(image_names), 'face')}",
        columns=_COLUMNS,
        rows=rows,
        note=(
            "The judge is a classifier that was trained apart. Completed faces are "
            "the restored pixels pasted into the known ones. Majority answer: always "
            "yes or always no, whichever is right for more of these faces."
        ),
        digits=1,
        key=KEY,
    )


def sentence(table: tables.Table) -> str:
    """The first row of `by_attribute`'s table, as a sentence."""
    _, _, original, completed, _, majority = table.rows[0]
    original, completed, majority = (
        f"{tables.number(value, 1)}%" for value in (original, completed, majority)
    )
    return (
        f"The judge is right about {original} of attributes on the originals and "
        f"{completed} on completed faces; the majority answer is right about "
        f"{majority}."
    )


def _percent(value: float) -> float:
    """Without the sign of a loss that rounds to 0, which would read −0.0."""
    return 0.0 if abs(value) < 0.05 else float(value)


def table(found: Mapping[str, tables.Table]) -> tables.Table:
    """Joins the tables of several restorers of the same faces, {restorer: its table}.

    Returns:
      A row an attribute and a column a restorer, in percent; above them the mean of
      all attributes, and of those that the judge recognizes: its accuracy on originals
      is at least `MARGIN` points above the majority answer.
    """
    first = next(iter(found.values()))
    share, originals, majority = (
        {row[0]: row[column] for row in first.rows} for column in (1, 2, 5)
    )
    completed = [{row[0]: row[3] for row in table.rows} for table in found.values()]
    everything, *names = originals
    known = [name for name in names if originals[name] >= majority[name] + MARGIN]

    def row(title: str, of: Sequence[str]) -> list[Any]:
        columns = (originals, *completed, majority)
        means = (float(np.mean([values[name] for name in of])) for values in columns)
        return [title, share.get(title), *means]

    def change(name: str) -> float:
        return np.mean([values[name] - originals[name] for values in completed])

    rows = [row(everything, names)]
    if known:
        rows.append(row(f"the {len(known)} that the judge recognizes", known))
    rows += [row(name, [name]) for name in sorted(names, key=change)]
    return tables.Table(
        caption=first.caption,
        columns=[*_COLUMNS[:2], "Originals (%)", *found, _COLUMNS[5]],
        rows=rows,
        note=f"{first.note} It recognizes an attribute if it is right on originals for "
        f"at least {MARGIN} points more than the majority answer.",
        digits=1,
        key=KEY,
    )
