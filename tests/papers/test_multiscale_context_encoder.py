"""Do et al.: presets, the hole's fill, the schedule, the losses of the patch."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_papers

from data_pipeline import masks, pipeline, pixels
from evaluation import claims
from evaluation.record import Evaluation
from evaluation.tables import Table
from experiments.core import results
from experiments.multiscale_context_encoder import published, report
from experiments.multiscale_context_encoder.system import SYSTEM
from models import cost, discriminators
from serving.export import saved_model

ROOT = pathlib.Path(__file__).parents[2]

# Any preset's network, cut to what a test waits for.
TINY = {
    "image_size": 32, "hole_size": 8, "shift": 2, "widths": (4, 4, 4, 8),
    "decoder_widths": (4, 4), "discriminator_widths": (4, 4), "batch_size": 4,
}  # fmt: skip


def make(preset="paper", **options):
    return tiny_papers.configure(SYSTEM, preset, **options)


def build(**options):
    tf.keras.utils.set_random_seed(0)
    return SYSTEM.build_trainer(make(**TINY, **options), 7)


def test_earlier_runs_had_the_generators_rate_and_momentum():
    old = dataclasses.asdict(make("lfw_add"))
    del old["discriminator_rate"], old["discriminator_momentum"]
    config = SYSTEM.configuration(old)
    assert (config.discriminator_rate, config.discriminator_momentum) == (1.0, 0.9)
    typed = SYSTEM.typed({"environment": {"preset": "lfw_add", "config": old}})
    assert "--discriminator_rate=1.0 --discriminator_momentum=0.9" in typed


def costs_on_the_page():
    """{preset: (parameters, multiply-adds)} of docs/papers, as text."""
    page = (ROOT / "docs" / "papers" / f"{SYSTEM.name}.md").read_text("utf-8")
    table = page.partition("| network |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {
        preset.strip("`"): tuple(numbers)
        for _, presets, *numbers in rows
        for preset in presets.split(", ")
    }


def cost_of(network):
    return f"{network.count_params():,}", f"{cost.multiply_adds(network):,}"


def test_the_page_has_what_every_network_costs():
    found = costs_on_the_page()
    assert found.pop("all") == cost_of(discriminators.build_context_discriminator())
    assert {*found, "paper", "cpu", "smoke"} == set(SYSTEM.presets)
    built = {}  # as many as there are different networks
    for preset, numbers in found.items():
        config = make(preset)
        label = SYSTEM.label(config)
        if label not in built:
            built[label] = cost_of(SYSTEM.build_network(config))
        assert numbers == built[label], preset


def test_its_figures_have_the_columns_of_the_papers():
    fc = ", shared fc"
    labels = [published.CONCAT, published.ADD + fc, published.BASELINE + fc]
    second, third = SYSTEM.figures(labels)
    assert [*second.columns.values()] == ["Input", labels[2], labels[1]]
    assert [*third.columns.values()] == ["Original", "Input", labels[1]]
    # As printed goes first.
    second, _ = SYSTEM.figures([*labels, published.BASELINE])
    assert [*second.columns][1] == published.BASELINE
    assert [f.title for f in SYSTEM.figures([published.ADD])] == [third.title]
    assert not SYSTEM.figures([published.BASELINE])


@pytest.mark.parametrize(
    "preset, label, dataset",
    [
        ("paper", published.ADD, "celeb_a_hq"),
        ("celebahq_concat", published.CONCAT, "celeb_a_hq"),
        ("celebahq_context_encoder", published.BASELINE, "celeb_a_hq"),
        ("lfw_add", published.ADD, "lfw"),
        ("lfw_concat", published.CONCAT, "lfw"),
        ("lfw_context_encoder", published.BASELINE, "lfw"),
        ("scales1", published.BASELINE, "celeb_a_hq"),
        ("scales2", f"{published.ADD}, 2 scales", "celeb_a_hq"),
        ("stride", f"{published.ADD}, strides", "celeb_a_hq"),
        ("separable", f"{published.ADD}, separable", "celeb_a_hq"),
        ("lfw_add_bottleneck", f"{published.ADD}, shared fc", "lfw"),
        ("lfw_context_encoder_bottleneck", f"{published.BASELINE}, shared fc", "lfw"),
        ("pathak", f"{published.BASELINE}, channel-wise fc, overlap 4", "lfw"),
        ("cpu", published.ADD, "faces"),
    ],
)
def test_each_preset_is_what_its_name_says(preset, label, dataset):
    config = make(preset)
    assert (SYSTEM.label(config), config.dataset) == (label, dataset)
    assert make("celebahq_add") == make("paper")


def test_training_images_are_shifted_and_test_images_are_not():
    split, config = tiny.split_of(tiny.noise(8)), make(**TINY)
    plain = pixels.bytes_to_signed(split.images).numpy()
    task = SYSTEM.training_task(config, split)
    training = pipeline.evaluation_batches(split, task, batch_size=8, seed=0)
    for batches, shifted in (
        (training, True),
        (SYSTEM.fixed_batches(config, split), False),
    ):
        ((_, target),) = batches.as_numpy_iterator()
        assert np.array_equal(target, plain) != shifted


def test_the_hole_may_be_filled_with_a_color():
    color = (0.1, -0.2, 0.3)
    config = make(**TINY, hole_fill=color)
    split = tiny.split_of(tiny.noise(2))
    ((inputs, _),) = SYSTEM.fixed_batches(config, split).as_numpy_iterator()
    missing = inputs["mask"][..., 0] > 0
    np.testing.assert_allclose(inputs["image"][missing], [color] * 128, atol=1e-6)


def test_a_subset_of_lfw_reaches_the_source():
    with pytest.raises(FileNotFoundError, match="LFW is not"):
        _ = SYSTEM.data(make("lfw_add", lfw_subset=12234)).test


def test_the_cost_of_a_run_stands_beside_its_measured_speed():
    values = json.loads(json.dumps(dataclasses.asdict(make("lfw_concat"))))
    run = {"label": published.CONCAT, "environment": {"config": values}}
    table = results.cost_table(SYSTEM, [run])
    ((label, parameters, macs, training, inference),) = table.rows
    assert (label, parameters, macs) == (published.CONCAT, "2,224,835", "3.290")
    assert inference > training > 0
    assert "times as fast as concatenating" in table.note


@pytest.mark.parametrize(
    "factor, rates",
    [
        (0.9, [1e-3, 1e-3, 0.9e-3, 0.81e-3, 0.9**5 * 1e-3]),
        (0.1, [1e-3, 1e-3, 1e-4, 1e-5, 1e-8]),
    ],
    ids=["by 10%", "to 10%"],
)
def test_the_rate_of_both_networks_is_reduced_every_50_epochs(factor, rates):
    trainer = build(learning_rate_factor=factor)
    optimizers = (trainer.generator_optimizer, trainer.discriminator_optimizer)
    for optimizer, part in zip(optimizers, (1, 0.1)):
        schedule = optimizer._learning_rate
        found = [float(schedule(7 * epoch)) for epoch in (0, 49, 50, 100, 299)]
        np.testing.assert_allclose(found, np.multiply(part, rates), rtol=1e-4)


def test_the_momentum_is_09_in_both_readings():
    adam = build().generator_optimizer
    assert build().discriminator_optimizer.beta_1 == 0.5
    assert isinstance(adam, tf.keras.optimizers.Adam) and adam.beta_1 == 0.9
    sgd = build(optimizer="sgd").generator_optimizer
    assert isinstance(sgd, tf.keras.optimizers.SGD) and sgd.momentum == 0.9


def test_losses_are_those_of_the_patch():
    trainer = build()
    target = tiny.smooth(4, 32)
    mask = np.repeat(masks.center(32, 8)[None].numpy(), 4, axis=0)
    inputs = {"image": np.where(mask > 0, np.float32(0), target), "mask": mask}
    fake = trainer.generator(inputs, training=True).numpy()
    patch, real = (x[:, 12:20, 12:20] for x in (fake, target))
    logit = trainer.discriminator(patch, training=True).numpy()
    logs = trainer.train_step(tf.nest.map_structure(tf.constant, (inputs, target)))
    expected = 0.999 * np.square(patch - real).mean()
    np.testing.assert_allclose(logs["g_reconstruction"], expected, rtol=1e-4)
    expected = 0.001 * np.log1p(np.exp(-logit)).mean()
    np.testing.assert_allclose(logs["g_adversarial"], expected, rtol=1e-4)


def test_a_rim_of_overlap_weighs_ten_times_as_much():
    trainer = SYSTEM.build_trainer(make(**{**TINY, "hole_size": 6}, overlap=1), 7)
    target = tiny.smooth(4, 32)
    mask = np.repeat(masks.center(32, 6)[None].numpy(), 4, axis=0)
    inputs = {"image": np.where(mask > 0, np.float32(0), target), "mask": mask}
    fake = trainer.generator(inputs, training=True).numpy()
    # Users get the hole alone from the network.
    np.testing.assert_array_equal(np.where(mask > 0, target, fake), target)
    logs = trainer.train_step(tf.nest.map_structure(tf.constant, (inputs, target)))
    weights = np.full([8, 8, 1], 10.0)
    weights[1:-1, 1:-1] = 1.0
    patch = (fake - target)[:, 12:20, 12:20]
    expected = 0.999 * (weights * np.square(patch)).mean()
    np.testing.assert_allclose(logs["g_reconstruction"], expected, rtol=1e-4)


SMALL = {"image_size": 64, "hole_size": 16, "widths": (4, 4, 4, 4)}


@pytest.mark.parametrize("scales", [1, 3])
def test_the_receptive_field_does_not_grow_with_the_scales(scales):
    seen = report.rows_seen(make(**SMALL, scales=scales))
    ranges = [(row.argmax(), 63 - row[::-1].argmax()) for row in seen]
    assert seen.shape == (16, 64)
    # Windows tile the whole image: the patch's corner sees the image's.
    assert ranges[0] == (0, 38) and ranges[-1] == (25, 63)
    whole = report.receptive_field(make(**SMALL, bottleneck="shared_fc"))
    assert whole == "Every pixel of the patch depends on the whole image."


def test_the_receptive_field_is_said_in_pixels():
    said = report.receptive_field(make(**SMALL))
    assert "at most 55×55 of the 64×64 pixels of the image" in said
    assert "corner on rows and columns 0 to 38, of which 1,296 pixels are known" in said


@pytest.mark.parametrize(
    "ms_ssim, l1, several, no_lower, as_good",
    [
        # Of the context encoder, of adding and of concatenating.
        ((0.7, 0.8, 0.8), (4.0, 5.0, 5.0), "holds", "holds", "holds"),
        ((0.8, 0.7, 0.8), (5.0, 4.0, 4.0), *["does not hold"] * 3),
    ],
)
def test_the_papers_tables_are_claims(ms_ssim, l1, several, no_lower, as_good):
    spread = np.linspace(-0.01, 0.01, 40)
    labels = published.BASELINE, published.ADD, published.CONCAT
    keys = ("hole/ms_ssim_5w", "hole/ms_ssim_3", "hole/l1_percent")
    values = {
        label: dict(zip(keys, (a + spread, a + spread, b + spread)))
        for label, a, b in zip(labels, ms_ssim, l1)
    }
    names = tuple(f"{number}.jpg" for number in range(40))
    evaluation = Evaluation(names, values, np.full(40, 0.07), "f")
    found = published.check_claims(claims.Evidence(evaluation))
    verdicts = [claim["verdict"] for claim in found]
    assert verdicts[:3] == [several, several, no_lower]
    assert verdicts[-1] == as_good


def test_size_and_speed_are_claims_too():
    columns = ["", "Parameters", "10⁹ multiply-adds", "Training", "Inference"]
    rows = [
        [published.BASELINE, "828,483", "1.6", 19.5, 73.4],
        [published.ADD, "1,045,187", "2.1", 17.0, 50.0],
        [published.CONCAT, "2,224,835", "3.3", 11.3, 41.5],
    ]
    found = published.check_cost(Table("Cost", columns, rows))
    verdicts = ["holds", "holds", "cannot tell", "not measured"]  # 1.50 and 1.20 times
    assert [claim["verdict"] for claim in found] == verdicts
    rows[1][4] = 42.0  # 1.01 times
    verdicts[2] = "does not hold"
    found = published.check_cost(Table("Cost", columns, rows))
    assert [claim["verdict"] for claim in found] == verdicts
    found = published.check_cost(Table("Cost", columns[:3], [rows[1][:3]]))
    assert {claim["verdict"] for claim in found} == {"not measured"}


def test_the_export_fills_the_center_alone(smoke_run):
    run = smoke_run(SYSTEM.name)
    fills = saved_model.read_config(run.folder.export)["fills"]
    assert fills == {"side": 16, "centered": True}
    # The hole is too small for any MS-SSIM; the whole picture is not.
    found = tiny_papers.results(run.folder)["summary"][published.ADD]
    means = [found[f"{region}/ms_ssim_3"]["mean"] for region in ("hole", "composite")]
    assert means[0] is None and means[1] > 0
