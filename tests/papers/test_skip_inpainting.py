"""Jiang & Zhang: what models 0 to 3 are, and the one square that 0 and 1 fill."""

import pytest
import tensorflow as tf
import tiny_papers

from experiments.skip_inpainting.system import SYSTEM
from serving.export import saved_model


def make(preset="paper", **options):
    return tiny_papers.configure(SYSTEM, preset, **options)


@pytest.mark.parametrize(
    "preset, model, bottleneck",
    [
        ("paper", 3, "channelwise_fc"),
        ("model0", 0, "channelwise_fc"),
        ("model1", 1, "channelwise_fc"),
        ("model2", 2, "channelwise_fc"),
        ("bottleneck4000", 0, "conv4000"),
        ("cpu", 3, "channelwise_fc"),
    ],
)
def test_each_preset_is_its_model(preset, model, bottleneck):
    config = make(preset)
    assert (config.model, config.bottleneck) == (model, bottleneck)
    assert config.losses == "paper" and make("model3") == make("paper")


def test_the_export_of_a_patch_model_fills_one_square(smoke_run):
    # Trained on two replicas, with what else only some runs have.
    run = smoke_run(SYSTEM.name, **tiny_papers.PATCH_MODEL)
    assert run.label == "model 1"
    steps = [row["step"] for row in tiny_papers.history(run.folder)]
    assert steps == [0, 5, 10]
    assert saved_model.read_config(run.folder.export)["fills"]["side"] == 16
    served = tf.saved_model.load(str(run.folder.export)).signatures["serving_default"]
    image, mask = tf.fill([1, 32, 32, 3], 0.5), tf.ones([1, 32, 32, 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="16x16"):
        served(image=image, mask=mask)
