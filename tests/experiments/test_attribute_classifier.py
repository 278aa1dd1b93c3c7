"""The judge of attributes: its training, its folder, and what it refuses."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import pixels
from evaluation import attributes
from experiments import attribute_classifier
from experiments.core.data import RunData

STEPS = 6  # an epoch of 60 images in batches of 10


@pytest.fixture(scope="module")
def split(judge_config):
    """The faces it was measured on."""
    return RunData(judge_config).test


def folder_of(config):
    return pathlib.Path(config.workdir) / "judge"


def weights(config):
    return tf.keras.models.load_model(folder_of(config), compile=False).get_weights()


class TestFolder:
    def test_it_says_what_it_is_and_is_as_accurate_as_it_says(
        self, judge_config, split
    ):
        folder = folder_of(judge_config)
        said = json.loads((folder / "assets.extra" / "judge.json").read_text())
        assert said["config"] == json.loads(
            json.dumps(dataclasses.asdict(judge_config))
        )
        numbers = ("image_size", "test_images", "training_images")
        assert [said[key] for key in numbers] == [32, 60, 60]
        assert said["data"] == "Drawn faces"
        assert {"commit", "versions", "hardware"} <= said["environment"].keys()

        classifier = attributes.load(str(folder))
        judge, described = classifier.judge(split), classifier.description
        names = split.source.info.attribute_names
        assert classifier.names == judge.names == tuple(said["attributes"]) == names
        images = pixels.bytes_to_unit(split.images).numpy()
        # As an evaluation has them, in parts, and whatever the completed face shows.
        parts = [
            judge(None, images[here], split.names[here])
            for here in (slice(0, 25), slice(25, None))
        ]
        accuracy = said["accuracy_percent"]
        assert np.concatenate(parts).mean() == pytest.approx(accuracy, abs=0.006)
        assert f"{accuracy}% right on 60 original test images" in described
        assert "trained on 60, seed 0, commit " in described
        # Probabilities that depend on the face.
        probability = np.asarray(classifier.predict(images[:8]))
        assert 0 < probability.min() < probability.max() < 1
        assert np.ptp(probability, axis=0).max() > 0


class TestTraining:
    def test_the_same_seed_makes_the_same_judge(self, judge_config, tmp_path):
        again = dataclasses.replace(judge_config, workdir=str(tmp_path))
        assert attribute_classifier.train(again) == folder_of(again)
        for one, other in zip(weights(judge_config), weights(again)):
            np.testing.assert_array_equal(one, other)

    def test_it_goes_on_where_it_was_stopped(
        self, judge_config, tmp_path, monkeypatch, capsys
    ):
        config = dataclasses.replace(judge_config, epochs=2, workdir=str(tmp_path))

        class Backup(tf.keras.callbacks.BackupAndRestore):
            """Is stopped once, in the second epoch, and counts steps."""

            stops, steps = [KeyboardInterrupt], []

            def on_epoch_begin(self, epoch, logs=None):
                super().on_epoch_begin(epoch, logs)
                if epoch == 1 and self.stops:
                    raise self.stops.pop()

            def on_train_end(self, logs=None):
                self.steps.append(int(self.model.optimizer.iterations))
                super().on_train_end(logs)

        monkeypatch.setattr(tf.keras.callbacks, "BackupAndRestore", Backup)
        with pytest.raises(KeyboardInterrupt):
            attribute_classifier.train(config)
        assert not folder_of(config).exists()
        assert "Epoch 1/2" in capsys.readouterr().out
        attribute_classifier.train(config)
        said = capsys.readouterr().out
        assert "Epoch 2/2" in said and "Epoch 1/2" not in said
        assert Backup.steps == [2 * STEPS]

    def test_labels_are_those_of_the_images(self):
        """Whatever the order they are drawn in."""
        images = np.arange(16, dtype=np.uint8)[:, None, None, None]
        split = tiny.labeled(np.tile(images, [1, 32, 32, 3]))
        config = attribute_classifier.Config(image_size=32, batch_size=8, shift=0)
        batches = attribute_classifier._batches(config, split)
        for shown, labels in batches.take(4).as_numpy_iterator():
            numbers = np.rint(255 * shown[:, 0, 0, 0]).astype(int)
            np.testing.assert_array_equal(labels, split.fields["attributes"][numbers])
            assert shown.min() >= 0 and shown.max() <= 1


class TestErrors:
    def test_a_folder_must_be_that_of_a_judge(self, judge_config, split, tmp_path):
        text = (
            "must be a folder that `facemend attribute_classifier` has "
            "written; it has no assets.extra/judge.json"
        )
        for folder in (tmp_path / "none", judge_config.workdir):
            message = re.escape(f"--judge={folder} {text}")
            with pytest.raises(ValueError, match=message):
                attributes.load(str(folder))

    def test_other_attributes_and_sizes_are_refused(self, judge_config, split):
        classifier = attributes.load(str(folder_of(judge_config)))
        names = split.source.info.attribute_names
        smaller = dataclasses.replace(split, images=split.images[:, :16, :16])
        for other, text in (
            (tiny.renamed(split, names[:-1]), f"have {len(names) - 1} of Drawn faces"),
            # Their order is that of the answers.
            (tiny.renamed(split, names[::-1]), f"have {len(names)} of Drawn faces"),
            (smaller, f"have {len(names)} of Drawn faces at 16 px"),
        ):
            message = (
                rf"--judge=.* judges {len(names)} attributes of Drawn faces at 32 px; "
                rf"these images {text}.* Train a judge with this --dataset"
            )
            with pytest.raises(ValueError, match=message):
                classifier.judge(other)

    def test_a_data_set_without_attributes(self, judge_config, tmp_path):
        bare = tiny.split_of(tiny.noise(2))
        text = "Tiny has no attributes to judge by. faces and celeb_a have some; leave"
        with pytest.raises(ValueError, match=re.escape(text)):
            attributes.load(str(folder_of(judge_config))).judge(bare)

    def test_a_work_folder_is_needed(self, judge_config):
        with pytest.raises(ValueError, match="--workdir is required"):
            attribute_classifier.train(dataclasses.replace(judge_config, workdir=""))
