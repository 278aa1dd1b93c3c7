"""Jiang & Zhang: what models 0 to 3 are, and the one square that 0 and 1 fill."""

import types

import numpy as np
import pytest
import tensorflow as tf
import tiny_papers

from evaluation import claims, subsets
from evaluation.record import Evaluation
from experiments.skip_inpainting import published
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


def by_epoch(floor=9.0, ended=None, **lpips):
    """Evidence of networks of these validation values, from epoch 0 on.

    Their test images have `ended`, or the last of these, and a floor has `floor`.
    """
    trained = {
        f"model {name[-1]}": claims.Trained(
            "40 epochs",
            history={"epoch": range(len(found)), "val_raw/lpips": found},
            short=len(found) < 4,
        )
        for name, found in lpips.items()
    }
    values = {
        name: {"raw/lpips": np.array([ended or run.history["val_raw/lpips"][-1]])}
        for name, run in trained.items()
        if run.history["val_raw/lpips"]
    }
    values["mean face"] = {"raw/lpips": np.array([floor])}
    evaluation = Evaluation(("0.jpg",), values, np.ones(1), "")
    return claims.Evidence(evaluation, trained, ["mean face"])


@pytest.mark.parametrize(
    "three, two, faster, clear",
    [
        # The end of model 2 is reached in epoch 1, and undercut at once.
        ((1.0, 0.3, 0.2, 0.1), (1.0, 0.6, 0.5, 0.45), "holds", "holds"),
        # Reached, but only when model 2 is there as well.
        ((1.0, 0.7, 0.65, 0.4), (1.0, 0.6, 0.5, 0.4), *["does not hold"] * 2),
        ((1.0, 0.9, 0.8, 0.7), (1.0, 0.6, 0.5, 0.4), *["does not hold"] * 2),
        # Ahead, and behind, by less than a validation differs from the next.
        ((1.0, 0.4, 0.4, 0.1), (1.0, 0.6, 0.5, 0.45), *["cannot tell"] * 2),
        ((1.0, 0.6, 0.5, 0.1), (1.0, 0.6, 0.5, 0.45), *["cannot tell"] * 2),
        # What is clear at once holds early; what comes later cannot be told.
        ((1.0, 0.3, 0.2), (1.0, 0.6, 0.5), "cannot tell", "holds"),
        ((1.0, 0.3), (1.0, 0.6), *["cannot tell"] * 2),  # nobody knows the spread
        ((1.0,), (1.0,), *["not measured"] * 2),
        ((1.0,), (), *["not measured"] * 2),
    ],
)
def test_validation_by_epoch_says_which_model_converges_faster(
    three, two, faster, clear
):
    assert of_convergence(by_epoch(model_3=three, model_2=two)) == (faster, clear)


def of_convergence(evidence):
    found = {c["claim"]: c["verdict"] for c in published.check_claims(evidence)}
    (early,) = (v for name, v in found.items() if "clear in early epochs" in name)
    return found["Model 3 converges faster than model 2 (whole image)"], early


def test_a_model_below_a_floor_does_not_converge_but_may_be_clear_early():
    curves = {"model_3": (1.0, 0.3, 0.2, 0.1), "model_2": (1.0, 0.6, 0.5, 0.45)}
    assert of_convergence(by_epoch(floor=0.4, **curves)) == ("cannot tell", "holds")


@pytest.mark.parametrize(
    "frontal, turned, floor, verdict",
    [
        (9.0, 7.0, 8.5, "holds"),
        (7.0, 9.0, 8.5, "does not hold"),
        (7.1, 7.0, 8.5, "cannot tell"),
        (9.0, 7.0, 7.5, "cannot tell"),  # as a whole it is worse than the floor
        (8.0, 7.0, 8.5, "cannot tell"),  # validations are as far apart
    ],
)
def test_front_faces_are_poor_if_their_error_is_higher(frontal, turned, floor, verdict):
    claim = published.check_pose(*of_poses((frontal, turned), floor=floor))
    assert claim["verdict"] == verdict
    assert "40 and 40 faces" in claim["evidence"]


@pytest.mark.parametrize("others, verdict", [(9.1, "holds"), (6.5, "cannot tell")])
def test_front_faces_are_poor_in_every_seed(others, verdict):
    found = published.check_pose(*of_poses((9.0, 7.0), (9.2, 7.0), (others, 7.0)))
    assert found["verdict"] == verdict and "margin over 3 seeds" in found["evidence"]


def test_poses_that_nobody_knows_were_not_measured():
    nothing = claims.Evidence(Evaluation((), {}, np.zeros(0), ""))
    away = types.SimpleNamespace(label="model 3", report={})
    for runs, said in (([], "no row model 3"), ([away], "without landmarks")):
        claim = published.check_pose(nothing, runs)
        assert claim["verdict"] == "not measured" and said in claim["evidence"]


def of_poses(*seeds, floor=8.5):
    """Evidence and runs of model 3 with errors of frontal and of turned faces."""
    key = "hole/l1_percent"

    def group(mean):
        entry = {"mean": mean, "low": mean - 0.5, "high": mean + 0.5, "count": 40}
        return {"summary": {"model 3": {key: entry}}}

    def groups(frontal, turned):
        named = {f"frontal, within {subsets.FRONTAL}°": group(frontal)}
        return {subsets.BY_YAW: {"groups": {**named, "turned further": group(turned)}}}

    labels = ["model 3", *(f"model 3, seed {n}" for n in range(1, len(seeds)))]
    history = {"epoch": (0, 1, 2), f"val_{key}": (20.0, 9.2, 8.0)}
    made = claims.Trained("40 epochs", seeds=labels, history=history)
    rows = {label: {key: np.array([8.0])} for label in labels}
    rows["mean face"] = {key: np.array([floor])}
    evaluation = Evaluation(("0.jpg",), rows, np.ones(1), "")
    return claims.Evidence(evaluation, dict.fromkeys(labels, made), ["mean face"]), [
        types.SimpleNamespace(label=label, report={"groups": groups(*errors)})
        for label, errors in zip(labels, seeds)
    ]
