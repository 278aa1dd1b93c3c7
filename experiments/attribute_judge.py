r"""Trains a classifier of attributes that judges restored faces.

  python -m experiments.attribute_judge --dataset=celeb_a --data_dir=DIR \
      --workdir=runs/judge
  python -m experiments.pyramid_cgan --judge=runs/judge/judge ...

It never sees a restored face, nor a test face before it is measured on the test split.
The same command goes on after the last epoch of a run that was stopped.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import augmentation, pipeline, pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import attributes, wording
from experiments import command, run_folder
from experiments import config as configs
from experiments.config import RunConfig, hp
from experiments.data import RunData
from models import classifiers
from serving import export

_MEASURED = 64  # images at once


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """A small classifier, trained by itself."""

    image_size: int = hp(128, "Side of the images, those it will judge, pixels.")
    width: float = hp(0.25, "Multiplies the classifier's channels.")
    epochs: int = hp(6, "Passes over the training images.")
    batch_size: int = hp(32, "Images a step.")
    learning_rate: float = hp(1e-3, "Of Adam, falling to 0 along a cosine.")
    shift: int = hp(6, "Images are flipped and moved by up to so many pixels.")


def main() -> None:
    """The command line."""
    configs.define_flags(Config)
    command.run(lambda: print(f"judge: {train(configs.from_flags(Config))}"))


def train(config: Config) -> pathlib.Path:
    """Trains, measures and saves a judge; returns its folder.

    Raises:
      ValueError: If the images have no attributes.
    """
    command.require(workdir=config.workdir)
    command.check_folder("workdir", config.workdir)
    workdir, data = pathlib.Path(config.workdir).expanduser(), RunData(config)
    done = workdir / "judge" / "assets.extra" / "judge.json"
    if done.exists():
        print(f"{workdir} has been trained already; another --workdir trains anew.")
        return workdir / "judge"
    names = _names(data.train)
    tf.keras.utils.set_random_seed(config.seed)
    steps = pipeline.steps_per_epoch(data.train, config.batch_size)
    classifier = classifiers.build_attribute_classifier(
        len(names), config.image_size, width=config.width
    )
    image = tf.keras.Input((config.image_size, config.image_size, 3), name="image")
    logits = classifier(pixels.unit_to_signed(image))
    probability = tf.keras.layers.Activation("sigmoid", name="probability")(logits)
    judge = tf.keras.Model(image, probability, name="attribute_judge")
    judge.compile(
        tf.keras.optimizers.Adam(
            tf.keras.optimizers.schedules.CosineDecay(
                config.learning_rate, steps * config.epochs
            )
        ),
        tf.keras.losses.BinaryCrossentropy(),
        metrics=["binary_accuracy"],
    )
    judge.fit(
        _batches(config, data.train),
        epochs=config.epochs,
        steps_per_epoch=steps,
        verbose=2,
        callbacks=[tf.keras.callbacks.BackupAndRestore(workdir / "backup")],
    )
    right = _accuracy(judge.predict_on_batch, data.test)
    facts = {
        "attributes": names,
        "image_size": config.image_size,
        "data": data.test.source.info.title,
        "accuracy_percent": round(100 * float(right.mean()), 2),
        "test_images": len(data.test),
        "training_images": len(data.train),
        "config": json.loads(json.dumps(dataclasses.asdict(config))),
        "environment": run_folder.environment(),
    }
    print(
        f"It tells {facts['accuracy_percent']:.1f}% of attributes rightly over "
        f"{wording.counted(len(data.test), 'test image')}."
    )
    text = json.dumps(facts, indent=2) + "\n"
    return export.write(judge, workdir / "judge", extras={"judge.json": text})


def _names(split: DecodedSplit) -> tuple[str, ...]:
    names = split.source.info.attribute_names
    if not names:
        raise ValueError(
            f"{split.source.info.title} has no attributes to judge by. faces and "
            "celeb_a have some; leave --judge out for other sets."
        )
    return names


def _batches(config: Config, split: DecodedSplit) -> tf.data.Dataset:
    labels = tf.constant(split.fields["attributes"].astype(np.float32))

    def task(image: tf.Tensor, key: tf.Tensor, index: tf.Tensor) -> tuple:
        image = augmentation.flip_and_shift(image, key, config.shift)
        return pixels.bytes_to_unit(image), tf.gather(labels, index)

    return pipeline.training_batches(
        split, task, batch_size=config.batch_size, seed=config.seed
    )


def _accuracy(predict: Callable, split: DecodedSplit) -> np.ndarray:
    """Which attributes are told rightly, bool [N, K]."""
    judge = _judge(predict, split)
    parts = []
    for start in range(0, len(split), _MEASURED):
        here = slice(start, start + _MEASURED)
        images = pixels.bytes_to_unit(split.images[here]).numpy()
        parts.append(judge.right(images, split.names[here]))
    return np.concatenate(parts)


def _judge(predict: Callable, split: DecodedSplit) -> attributes.Judge:
    truth = dict(zip(split.names, split.fields["attributes"].astype(bool)))
    return attributes.Judge(predict, split.source.info.attribute_names, truth)


def load(folder: str, split: DecodedSplit) -> tuple[attributes.Judge, str]:
    """A judge of a split's images, and what a report calls it.

    Args:
      folder: What the command has written.
      split: Images with attributes.

    Raises:
      ValueError: If it is no judge, or one of other attributes or sizes.
    """
    path = pathlib.Path(folder).expanduser() / "assets.extra" / "judge.json"
    if not path.exists():
        raise ValueError(
            f"--judge={folder} must be a folder that `python -m "
            "experiments.attribute_judge` has written; it has no "
            "assets.extra/judge.json."
        )
    facts, names = json.loads(path.read_text()), _names(split)
    size = split.images.shape[1]
    if tuple(facts["attributes"]) != names or facts["image_size"] != size:
        raise ValueError(
            f"--judge={folder} judges {len(facts['attributes'])} attributes of "
            f"{facts['data']} at {facts['image_size']} px; these images have "
            f"{len(names)} of {split.source.info.title} at {size} px. Train a judge "
            "with this --dataset and --image_size."
        )
    model = tf.keras.models.load_model(path.parent.parent, compile=False)
    described = (
        f"{facts['accuracy_percent']}% right on {facts['test_images']:,} original test "
        f"images; trained on {facts['training_images']:,}, seed "
        f"{facts['config']['seed']}, commit {facts['environment']['commit']}"
    )
    return _judge(model.predict_on_batch, split), described


if __name__ == "__main__":
    main()
