"""The judge of attributes: what it is taught, how it is kept, whom it refuses."""

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


def facts_of(config):
    path = folder_of(config) / "assets.extra" / "judge.json"
    return json.loads(path.read_text())


def weights(config):
    return tf.keras.models.load_model(folder_of(config), compile=False).get_weights()


class TestFolder:
    def test_it_says_what_it_is_and_what_made_it(self, judge_config, split):
        facts = facts_of(judge_config)
        assert tuple(facts["attributes"]) == split.source.info.attribute_names
        assert facts["config"] == json.loads(
            json.dumps(dataclasses.asdict(judge_config))
        )
        numbers = ("image_size", "test_images", "training_images")
        assert [facts[key] for key in numbers] == [32, 60, 60]
        assert facts["data"] == "Drawn faces"
        assert {"commit", "versions", "hardware"} <= facts["environment"].keys()

    def test_the_loaded_judge_is_as_right_as_it_was_said_to_be(
        self, judge_config, split
    ):
        judge, described = attributes.load(str(folder_of(judge_config)), split)
        images = pixels.bytes_to_unit(split.images).numpy()
        # As an evaluation has them, in parts, and whatever the completed face shows.
        parts = [
            judge(None, images[here], split.names[here])
            for here in (slice(0, 25), slice(25, None))
        ]
        accuracy = facts_of(judge_config)["accuracy_percent"]
        assert np.concatenate(parts).mean() == pytest.approx(accuracy, abs=0.006)
        assert f"{accuracy}% right on 60 original test images" in described
        assert "trained on 60, seed 0, commit " in described

    def test_the_saved_model_answers_images_in_the_unit_range(
        self, judge_config, split
    ):
        model = tf.keras.models.load_model(folder_of(judge_config), compile=False)
        images = pixels.bytes_to_unit(split.images[:8]).numpy()
        said = model(images).numpy()
        assert said.shape == (8, len(split.source.info.attribute_names))
        assert said.dtype == np.float32 and 0 < said.min() < said.max() < 1
        assert np.ptp(said, axis=0).max() > 0  # it looks at the faces


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
    def refused(self, folder, split, *texts):
        with pytest.raises(ValueError) as caught:
            attributes.load(str(folder), split)
        for text in (f"--judge={folder}", *texts):
            assert text in str(caught.value)

    def test_no_such_folder(self, tmp_path, split):
        text = "must be a folder that `python -m experiments.attribute_classifier` has"
        self.refused(tmp_path / "none", split, text)

    def test_the_run_folder_is_not_the_judge(self, judge_config, split):
        self.refused(judge_config.workdir, split, "has no assets.extra/judge.json")

    def test_other_attributes(self, judge_config, split):
        names = split.source.info.attribute_names
        other = tiny.renamed(split, names[:-1])
        self.refused(
            folder_of(judge_config),
            other,
            f"judges {len(names)} attributes of Drawn faces at 32 px; these images",
            f"{len(names) - 1} of Drawn faces at 32 px",
            "Train a judge with this --dataset and --image_size.",
        )
        # Their order is that of the answers.
        self.refused(folder_of(judge_config), tiny.renamed(split, names[::-1]))

    def test_another_size(self, judge_config, split):
        other = dataclasses.replace(split, images=split.images[:, :16, :16])
        self.refused(
            folder_of(judge_config), other, "at 32 px; these images", "at 16 px"
        )

    def test_a_data_set_without_attributes(self, judge_config, tmp_path):
        bare = tiny.split_of(tiny.noise(2))
        text = "Tiny has no attributes to judge by. faces and celeb_a have some; leave"
        with pytest.raises(ValueError, match=re.escape(text)):
            attributes.load(str(folder_of(judge_config)), bare)
        for index, image in enumerate(tiny.noise(20)):
            tf.io.write_file(f"{tmp_path}/{index}.png", tf.io.encode_png(image))
        config = dataclasses.replace(
            judge_config,
            dataset="folder",
            data_dir=str(tmp_path),
            workdir=str(tmp_path / "judge"),
        )
        with pytest.raises(ValueError, match="has no attributes to judge by"):
            attribute_classifier.train(config)

    def test_a_work_folder_is_needed(self, judge_config):
        with pytest.raises(ValueError, match="--workdir is required"):
            attribute_classifier.train(dataclasses.replace(judge_config, workdir=""))
