r"""Trains a classifier of facial attributes, which judges restored faces.

  facemend attribute_classifier --dataset=celeb_a --data_dir=DIR \
      --workdir=runs/judge
  facemend train pyramid_cgan --judge=runs/judge/judge ...

It is trained on original training faces and measured on original test faces. The same
command resumes a stopped run after its last whole epoch.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from data_pipeline import pipeline, pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import tables
from evaluation.attributes import judge_from, known_attributes
from experiments.core import command_line, environment
from experiments.core.command_line import hp
from experiments.core.config import RunConfig
from experiments.core.data import RunData
from models import discriminators
from serving.export import saved_model

_MEASURED = 64  # images at once


@dataclasses.dataclass(frozen=True)
class Config(RunConfig):
    """A small classifier."""

    image_size: int = hp(128, "Side of the images that it will judge, pixels.")
    width: float = hp(0.25, "Multiplies the classifier's channels.")
    epochs: int = hp(6, "Passes over the training images.")
    batch_size: int = hp(32, "Images a step.")
    learning_rate: float = hp(1e-3, "Of Adam, with cosine decay to 0.")
    shift: int = hp(6, "Images are flipped and shifted by up to so many pixels.")


def main() -> None:
    """The command line."""
    command_line.define_flags(Config)
    command_line.run(lambda: print(f"judge: {train(command_line.from_flags(Config))}"))


def train(config: Config) -> pathlib.Path:
    """Trains, measures and saves a judge; returns its folder.

    Raises:
      ValueError: If the images have no attributes.
    """
    command_line.require(workdir=config.workdir)
    command_line.check_folder("workdir", config.workdir)
    workdir, data = pathlib.Path(config.workdir).expanduser(), RunData(config)
    done = workdir / "judge" / "assets.extra" / "judge.json"
    if done.exists():
        print(f"{workdir} has been trained already; another --workdir trains anew.")
        return workdir / "judge"
    names = known_attributes(data.train)
    tf.keras.utils.set_random_seed(config.seed)
    steps = pipeline.steps_per_epoch(data.train, config.batch_size)
    classifier = discriminators.build_attribute_classifier(
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
    accuracy = _accuracy_percent(judge.predict_on_batch, data.test)
    description = {
        "attributes": names,
        "image_size": config.image_size,
        "data": data.test.source.info.title,
        "accuracy_percent": round(accuracy, 2),
        "test_images": len(data.test),
        "training_images": len(data.train),
        "config": json.loads(json.dumps(dataclasses.asdict(config))),
        "environment": environment.environment(),
    }
    print(
        f"{accuracy:.1f}% of attributes are right over "
        f"{tables.counted(len(data.test), 'test image')}."
    )
    text = json.dumps(description, indent=2) + "\n"
    return saved_model.write(judge, workdir / "judge", extras={"judge.json": text})


def _batches(config: Config, split: DecodedSplit) -> tf.data.Dataset:
    labels = tf.constant(split.fields["attributes"].astype(np.float32))

    def task(image: tf.Tensor, key: tf.Tensor, index: tf.Tensor) -> tuple:
        image = pipeline.flip_and_shift(image, key, config.shift)
        return pixels.bytes_to_unit(image), tf.gather(labels, index)

    return pipeline.training_batches(
        split, task, batch_size=config.batch_size, seed=config.seed
    )


def _accuracy_percent(predict: Callable, split: DecodedSplit) -> float:
    judge = judge_from(predict, split)
    parts = []
    for start in range(0, len(split), _MEASURED):
        here = slice(start, start + _MEASURED)
        images = pixels.bytes_to_unit(split.images[here]).numpy()
        parts.append(judge.right(images, split.names[here]))
    return 100 * float(np.concatenate(parts).mean())


if __name__ == "__main__":
    main()
