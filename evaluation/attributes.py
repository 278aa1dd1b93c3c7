"""Attribute accuracy: whether a completed face still has the attributes it had.

A judge decides: a classifier that was trained apart from the networks it judges.

  Judge         the metric, for `evaluate(..., extra={"composite/...": judge})`
  by_attribute  the same attribute by attribute, beside originals and the floor
  sentence      its first row in words
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import tables
from evaluation.evaluate import check_restored, walk
from evaluation.metrics import measure

TITLE = "Attributes that a judge tells rightly"


class Judge:
    """`(target, composite, names) -> [B]`: percent of attributes told rightly.

    Attributes:
      names: Of the K attributes.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        names: Sequence[str],
        labels: Mapping[str, np.ndarray],
    ):
        """Makes a judge.

        Args:
          predict: Images, float32 [B, H, W, 3] in [0, 1] -> [B, K], bool or
            probabilities; an attribute is there where they are over 0.5.
          names: Of the K attributes, one at least.
          labels: {image name: bool [K]}, the truth.

        Raises:
          ValueError: If there is no attribute.
        """
        if not len(names):
            raise ValueError("A judge needs attributes; names holds none.")
        self.names, self._predict, self._labels = tuple(names), predict, labels

    def __call__(
        self, target: np.ndarray, composite: np.ndarray, names: Sequence[str]
    ) -> np.ndarray:
        """Judges completed images; the originals are not looked at.

        Args:
          target: Not used; every metric is handed it.
          composite: float32 [B, H, W, 3] in [0, 1].
          names: Of the B images.

        Returns:
          float64 [B], 0 to 100.

        Raises:
          ValueError: See `right`.
        """
        del target
        return 100.0 * self.right(composite, names).mean(axis=1)

    def right(self, images: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Which attributes are told rightly: bool [B, K].

        Raises:
          ValueError: If `predict` returns another shape, or what is no probability,
            or an image has no label of K bools.
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
        # Also refuses NaN. Logits would be taken for very sure answers.
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
    """Tells which attributes completed faces lose, for `Report.tables`.

    Args:
      judge: Of the attributes.
      restore: A restorer, as in `evaluate`; called once a batch.
      batches: Of (inputs, target), those that were evaluated.
      image_names: Of the images, in the order of the batches.
      to_unit: As in `evaluate`.

    Returns:
      A row an attribute, the largest loss first, below a row of them all: how many
      faces have it, how many the judge tells rightly on the originals and on the
      completed faces, the difference, and how many would be right by always giving
      the commoner answer. Percent; the difference in points, negative for a loss.

    Raises:
      ValueError: If names and batches differ in number, or the judge or the restorer
        break their promises.
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
    difference, floor = completed - original, np.maximum(share, 100.0 - share)
    columns = (share, original, completed, difference, floor)
    everything = [None, *(_percent(column.mean()) for column in columns[1:])]
    rows = [["all attributes", *everything]]
    for index in np.argsort(difference, kind="stable"):
        name = judge.names[index].replace("_", " ")
        rows.append([name, *(_percent(column[index]) for column in columns)])
    return tables.Table(
        caption=(f"{TITLE}, over {tables.counted(len(image_names), 'face')}"),
        columns=COLUMNS,
        rows=rows,
        note=(
            "The judge is a classifier that was trained apart. Completed faces are "
            "the restored pixels pasted into the known ones. Commoner answer: always "
            "yes, or always no, whichever is right for more of these faces."
        ),
        digits=1,
    )


def sentence(table: tables.Table) -> str:
    """What the first row of `by_attribute`'s table says, as a sentence."""
    _, _, original, completed, _, floor = table.rows[0]
    original, completed, floor = (
        f"{tables.number(value, 1)}%" for value in (original, completed, floor)
    )
    return (
        f"The judge tells {original} of attributes rightly on the originals and "
        f"{completed} on completed faces; always giving the commoner answer is right "
        f"for {floor}."
    )


COLUMNS = (
    "Attribute",
    "Faces with it (%)",
    "Right on originals (%)",
    "Right on completed (%)",
    "Difference (points)",
    "Commoner answer (%)",
)


def _percent(value: float) -> float:
    """Without the sign of a loss that rounds to nothing, which would read −0.0."""
    return 0.0 if abs(value) < 0.05 else float(value)


TELLS = 5  # points above the commoner answer


def is_by_attribute(caption: str) -> bool:
    """Whether a table of this caption is one of `attributes.by_attribute`."""
    return caption.startswith(TITLE)


def table(found: Mapping[str, tables.Table]) -> tables.Table:
    """The tables of several restorers of the same faces as one.

    Args:
      found: Restorer -> its table from `attributes.by_attribute`.

    Returns:
      A row an attribute and a column a restorer, in percent; above them the mean of
      all attributes, and of those that the judge can tell: on originals it is right
      for `TELLS` points more than the commoner answer.
    """
    first = next(iter(found.values()))
    completed = {
        label: {row[0]: row[3] for row in table.rows} for label, table in found.items()
    }
    known = {name: rest for name, *rest in first.rows}
    everything, *names = known
    told = [n for n in names if known[n][1] >= known[n][4] + TELLS]

    def row(title: str, share, of: Sequence[str]) -> list:
        means = [
            np.mean([values[name] for name in of])
            for values in (
                {name: cells[1] for name, cells in known.items()},
                *completed.values(),
                {name: cells[4] for name, cells in known.items()},
            )
        ]
        return [title, share, *map(float, means)]

    def lost(name: str) -> float:
        return np.mean([values[name] - known[name][1] for values in completed.values()])

    rows = [row(everything, None, names)]
    if told:
        rows.append(row(f"the {len(told)} that the judge can tell", None, told))
    rows += [row(name, known[name][0], [name]) for name in sorted(names, key=lost)]
    return tables.Table(
        caption=first.caption,
        columns=[
            *COLUMNS[:2],
            "Originals (%)",
            *found,
            COLUMNS[5],
        ],
        rows=rows,
        note=f"{first.note} It can tell those attributes of which it is right on "
        f"originals for at least {TELLS} points more than the commoner answer.",
        digits=1,
    )


def known_attributes(split: DecodedSplit) -> tuple[str, ...]:
    """Attributes of a split; an error if it has none."""
    names = split.source.info.attribute_names
    if not names:
        raise ValueError(
            f"{split.source.info.title} has no attributes to judge by. faces and "
            "celeb_a have some; leave --judge out for other sets."
        )
    return names


def judge_from(predict: Callable, split: DecodedSplit) -> Judge:
    """A judge that compares predictions with the attributes of a split."""
    truth = dict(zip(split.names, split.fields["attributes"].astype(bool)))
    return Judge(predict, split.source.info.attribute_names, truth)


@dataclasses.dataclass(frozen=True)
class Classifier:
    """An attribute classifier from a folder.

    Attributes:
      folder: As the flag has it.
      predict: Images in [0, 1] -> logits.
      facts: Of its judge.json.
    """

    folder: str
    predict: Callable
    facts: Mapping

    @property
    def description(self) -> str:
        """What a report says of it."""
        facts = self.facts
        return (
            f"{facts['accuracy_percent']}% right on {facts['test_images']:,} original "
            f"test images; trained on {facts['training_images']:,}, seed "
            f"{facts['config']['seed']}, commit {facts['environment']['commit']}"
        )

    def judge(self, split: DecodedSplit) -> Judge:
        """A judge of a split's images.

        Raises:
          ValueError: If they have other attributes, or another size.
        """
        facts, names = self.facts, known_attributes(split)
        size = split.images.shape[1]
        if tuple(facts["attributes"]) != names or facts["image_size"] != size:
            raise ValueError(
                f"--judge={self.folder} judges {len(facts['attributes'])} attributes "
                f"of {facts['data']} at {facts['image_size']} px; these images have "
                f"{len(names)} of {split.source.info.title} at {size} px. Train a "
                "judge with this --dataset and --image_size."
            )
        return judge_from(self.predict, split)


def load(folder: str) -> Classifier:
    """Reads a classifier that `experiments.attribute_classifier` has written.

    Raises:
      ValueError: If the folder holds none.
    """
    path = pathlib.Path(folder).expanduser() / "assets.extra" / "judge.json"
    if not path.exists():
        raise ValueError(
            f"--judge={folder} must be a folder that `python -m "
            "experiments.attribute_classifier` has written; it has no "
            "assets.extra/judge.json."
        )
    model = tf.keras.models.load_model(path.parent.parent, compile=False)
    return Classifier(folder, model.predict_on_batch, json.loads(path.read_text()))
