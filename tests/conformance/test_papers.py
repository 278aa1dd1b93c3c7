"""What every paper keeps: run folder, report, export, presets, flags, card.

REGENERATE=1 records in tests/golden what reports, exports and flags now look like.
"""

import dataclasses
import json
import os
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_papers
from absl import flags
from tiny_papers import configure, history, results

from data_pipeline import pipeline, pixels
from evaluation.metrics import lpips
from evaluation.record import Evaluation
from experiments.core import command_line, export
from experiments.core import system as papers
from experiments.core.environment import shareable
from serving.export import saved_model
from training import strategy

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
NAMES = papers.names()
SYSTEMS = [papers.load(name) for name in NAMES]
every_paper = pytest.mark.parametrize("system", SYSTEMS, ids=NAMES)


@pytest.fixture(scope="module", params=NAMES)
def run(request, smoke_run):
    """The whole smoke run of a paper."""
    return smoke_run(request.param)


def golden(file, name, found):
    """What is recorded of a paper."""
    path = GOLDEN / file
    kept = json.loads(path.read_text()) if path.exists() else {}
    if os.environ.get("REGENERATE"):
        kept[name] = found
        text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=False)
        path.write_text(text + "\n")
    assert name in kept, f"REGENERATE=1 records {name} in {path}"
    return kept[name]


# The run folder.


def test_the_run_folder_holds_what_the_readme_says(run):
    expected = {
        "checkpoints/best/checkpoint",
        "checkpoints/last/checkpoint",
        "config.json",
        "export/1/assets.extra/config.json",
        "export/1/assets.extra/model_card.md",
        "export/1/saved_model.pb",
        "history.csv",
        "report/evaluation.npz",
        "report/report.html",
        "report/report.md",
        "report/results.json",
    }
    present = {
        path.relative_to(run.folder.path).as_posix()
        for path in run.folder.path.rglob("*")
        if path.is_file()
    }
    assert expected <= present
    assert any(re.match(r"logs/.*events\.out", name) for name in present)
    assert not [name for name in present if "partial" in name or "/." in name]
    record = json.loads((run.folder.path / "config.json").read_text())
    assert (record["paper"], record["preset"]) == (run.system.name, "smoke")
    values = shareable(type(run.config), dataclasses.asdict(run.config))
    assert json.loads(json.dumps(values)).items() <= record["config"].items()


def test_the_history_has_every_row_and_the_best_is_kept(run):
    length = run.system.length(run.config, run.data.train)
    rows = history(run.folder)
    steps = [*range(0, length.total_steps, length.row_steps), length.total_steps]
    assert [row["step"] for row in rows] == steps
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    # Before the first step there is no loss.
    assert rows[0].keys() < rows[1].keys()
    headline = f"val_{run.system.headline[0]}"
    best = min(rows[1:], key=lambda row: row[headline])
    (index,) = (run.folder.checkpoints / "best").glob("*.index")
    assert index.stem == f"ckpt-{int(best['step'])}"
    drawn = sorted(run.folder.samples.iterdir())
    assert len(drawn) == len(steps) - 1
    # Rows of eight images, with gaps of two pixels.
    height, width, _ = pixels.read(drawn[-1]).shape
    side = run.config.image_size + 2
    assert width == 8 * side - 2 and (height + 2) % side == 0


# The report.


def skeleton(value):
    """Keys and types of a JSON value; keys of one type share an entry."""
    if isinstance(value, dict):
        kinds = {}
        for key, part in value.items():
            kinds.setdefault(json.dumps(skeleton(part), sort_keys=True), []).append(key)
        return {" | ".join(keys): json.loads(kind) for kind, keys in kinds.items()}
    if isinstance(value, list):
        kinds = {json.dumps(skeleton(part), sort_keys=True) for part in value}
        return [json.loads(kind) for kind in sorted(kinds)]
    names = {str: "text", bool: "yes or no", type(None): "nothing"}
    return names.get(type(value), "number")


def paths(kind):
    """Each value of a skeleton: the keys that lead to it, and its type."""
    if isinstance(kind, dict):
        for keys, part in kind.items():
            for key in keys.split(" | "):
                yield from (f"{key} > {path}" for path in paths(part))
    elif isinstance(kind, list):
        yield from (f"[] {path}" for part in kind for path in paths(part))
    else:
        yield kind


def test_results_have_every_key_that_they_had(run):
    found = skeleton(results(run.folder))
    kept = golden("results_keys.json", run.system.name, found)
    assert set(paths(kept)) - set(paths(found)) == set()


def test_network_and_baselines_are_measured_on_the_same_images(run):
    report = results(run.folder)
    evaluation = Evaluation.load(run.folder.report / "evaluation.npz")
    assert report["ours"] == [run.label]
    assert list(report["summary"]) == list(evaluation.values)
    assert {run.label, *run.system.baselines(run.data)} <= report["summary"].keys()
    environment = report["environment"]
    assert environment["fingerprint of the test set"] == evaluation.fingerprint
    assert environment["data"]["test images"] == len(evaluation.names)
    assert tuple(evaluation.names) == run.data.test.names
    for name, summary in report["summary"].items():
        for key, interval in summary.items():
            values = evaluation.values[name][key]
            # Images may be too small for a metric.
            mean = np.nanmean(values) if np.isfinite(values).any() else None
            assert interval["mean"] == pytest.approx(mean, rel=1e-4)
    # What a reduced run is stands wherever its numbers do.
    card = (run.folder.export / "assets.extra" / "model_card.md").read_text()
    for text in (card, (run.folder.report / "report.md").read_text()):
        assert report["subtitle"] in text
    assert report["subtitle"].startswith(f"Drawn faces, {run.config.image_size} px, ")


# The export.


def described(specs):
    return {name: f"{spec.dtype.name} {spec.shape}" for name, spec in specs.items()}


def signatures(model):
    """{signature: its inputs and outputs with their types and shapes}."""
    return {
        name: {
            "inputs": described(function.structured_input_signature[1]),
            "outputs": described(function.structured_outputs),
        }
        for name, function in model.signatures.items()
    }


@pytest.fixture(scope="module")
def exports(run):
    """{folder of the run: the model in it, as Keras opens it}."""
    folders = run.folder.path.glob("*/1")
    return {path.parent.name: tf.keras.models.load_model(path) for path in folders}


def test_exports_have_the_signatures_that_they_had(run, exports):
    found = {name: signatures(model) for name, model in exports.items()}
    assert found == golden("signatures.json", run.system.name, found)


def test_the_export_gives_in_keras_what_the_network_gives(run, exports):
    config = saved_model.read_config(run.folder.export)
    facts = {"paper": run.system.name, "preset": "smoke", "name": run.label}
    assert facts.items() <= config.items()
    assert config["image_size"] == run.config.image_size
    model = exports["export"]
    batches = run.system.fixed_batches(run.config, run.data.test.part(0, 4))
    ((inputs, target),) = batches.as_numpy_iterator()
    image = run.system.to_unit(tf.constant(target)).numpy()
    expected = run.system.restorer(run.network)(inputs).numpy()
    if "mask" not in inputs:
        np.testing.assert_allclose(model(image), expected, atol=1e-5)
        return
    mask = inputs["mask"]
    restored = model({"image": image, "mask": mask}).numpy()
    missing = np.broadcast_to(mask > 0.5, image.shape)
    np.testing.assert_array_equal(restored[~missing], image[~missing])
    np.testing.assert_allclose(restored[missing], expected[missing], atol=1e-5)


# Presets.

# Fields of the smoke preset that say how large things are and not what they are.
SIZES = {
    "dataset", "image_size", "hole_size", "patch_size", "width", "widths", "channels",
    "decoder_widths", "discriminator_widths", "latents", "epochs", "train_side",
    "steps", "generator_steps", "discriminator_steps", "history_steps", "split_by",
}  # fmt: skip
LARGER = {
    "cvae_ms_ssim": {"image_size": 64},  # whose windows must fit
    "pathak": {"overlap": 1, "hole_size": 14},  # a patch of 16 pixels
}
MS_SSIM = {"image_size": 48, "train_side": 48}  # its window needs 41


def small(system, preset):
    """A preset with the sizes of the smoke preset."""
    own, smoke = configure(system, preset), system.presets["smoke"]
    # A size of 0 switches something off.
    sizes = {name: smoke[name] for name in SIZES & set(smoke) if getattr(own, name)}
    sizes |= {"limit": 8, "batch_size": 4, **LARGER.get(preset, {})}
    if getattr(own, "distortion", "") == "ms_ssim":
        sizes |= MS_SSIM
    return configure(system, preset, **sizes)


def distinct_presets():
    """(system, preset) of every preset that in small is no other one's, but for rates.

    All of them are configured.
    """
    for system in SYSTEMS:
        first = {}
        for preset in system.presets:
            values = dataclasses.astuple(small(system, preset))
            kind = tuple(bool(v) if isinstance(v, float) else v for v in values)
            first.setdefault(kind, preset)
        yield from ((system, preset) for preset in first.values())


def one_batch(system, config):
    split = system.data(config).train
    task = system.training_task(config, split)
    batches = pipeline.training_batches(
        split, task, batch_size=config.batch_size, seed=0
    )
    names = split.source.info.attribute_names
    return next(batches.as_numpy_iterator()), names


def networks_of(trainer):
    items = trainer.checkpoint_items()
    return {k: v for k, v in items.items() if isinstance(v, tf.keras.Model)}


def go_to_last_phase(trainer):
    """Where a trainer has phases, all networks learn in the last one."""
    trainer.steps.assign(10_000)
    if hasattr(trainer, "phase"):
        trainer.phase = trainer.phase_at(10_000)


@pytest.mark.parametrize(
    ("system", "preset"),
    distinct_presets(),
    ids=lambda value: getattr(value, "name", value),
)
def test_a_step_of_each_preset_moves_every_kernel(
    system, preset, tmp_path, monkeypatch
):
    # Some presets train on LPIPS.
    weights = tiny.lpips_weights(tmp_path / "weights.npz")
    monkeypatch.setattr(lpips, "resolve", lambda path: weights)
    config = small(system, preset)
    (inputs, target), attributes = one_batch(system, config)
    tf.keras.utils.set_random_seed(0)
    trainer = system.build_trainer(config, 10, attributes)
    assert (trainer.average is None) == (config.ema_decay == 0)
    go_to_last_phase(trainer)
    networks = networks_of(trainer)
    before = {k: [w.numpy() for w in n.trainable_weights] for k, n in networks.items()}
    terms = trainer.train_step(tf.nest.map_structure(tf.constant, (inputs, target)))
    assert all(np.isfinite(value) for value in terms.values())
    for network, weights in before.items():
        for weight, old in zip(networks[network].trainable_weights, weights):
            # A bias before a normalization has no gradient.
            if "kernel" in weight.name:
                assert not np.array_equal(weight, old), weight.name
    restored = system.restorer(trainer.restores)(inputs)
    assert restored.shape == inputs["image"].shape


@every_paper
def test_two_replicas_take_the_step_that_one_would(system, monkeypatch):
    """On a batch whose halves are equal, as their statistics then are."""
    config = small(system, "smoke")
    half, attributes = one_batch(system, config)
    data = tf.nest.map_structure(lambda x: np.concatenate([x, x]), half)
    # Its halves go to different replicas.
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(8, drop_remainder=True)
    tiny_papers.step_alike(monkeypatch, 0.1)

    def after_a_step(devices):
        tf.keras.utils.set_random_seed(0)
        with devices.scope():
            trainer = system.build_trainer(config, 10, attributes)
            go_to_last_phase(trainer)
        networks = networks_of(trainer)
        before = {name: network.get_weights() for name, network in networks.items()}
        (batch,) = devices.experimental_distribute_dataset(dataset)
        devices.run(trainer.train_step, (batch,))
        for name, network in networks.items():
            moved = zip(network.get_weights(), before[name])
            assert max(abs(a - b).max() for a, b in moved) > 1e-4, name
        return {
            f"{name}/{weight.name}": weight.numpy()
            for name, network in networks.items()
            for weight in network.weights
            # It has Bessel's correction, for as many as a replica saw.
            if "moving_variance" not in weight.name
        }

    one, two = (after_a_step(strategy.make(count)) for count in (1, 2))
    for name, weight in one.items():
        np.testing.assert_allclose(two[name], weight, **tiny_papers.ALIKE, err_msg=name)


# Flags and card.


@every_paper
def test_the_paper_preset_has_the_published_numbers(system):
    config = configure(system, "paper")
    published = {
        field.name: field.metadata["published"]
        for field in dataclasses.fields(config)
        if re.fullmatch(r"[\d.e-]+(, [\d.e-]+)*", field.metadata["published"])
    }
    for name, text in published.items():
        value = getattr(config, name)
        numbers = value if isinstance(value, tuple) else (value,)
        assert tuple(map(float, text.split(", "))) == numbers, name
    assert published
    # A run may be made longer: it is this field that may change.
    (length,) = command_line.fields_that(type(config), length=True)
    assert system.published_length(config) == getattr(config, length)


@every_paper
def test_every_flag_is_still_there_and_explained(system):
    values = flags.FlagValues()
    command_line.define_flags(system.config_class, system.presets, flag_values=values)
    found = sorted(values)
    kept = golden("flags.json", system.name, found)
    assert set(kept) <= set(found)
    # Lines are wrapped, also within words such as CelebA-HQ.
    text = "".join(values.get_help().split())
    for field in dataclasses.fields(system.config_class):
        assert re.search(rf"--(\[no\])?{field.name}:", text), field.name
        meaning = field.metadata["help"]
        assert "".join(meaning.split()) in text, field.name
        published = field.metadata["published"]
        assert f"Published: {published}." in meaning or not published
    assert {"paper", "smoke"} <= set(system.presets)


SECTIONS = (
    "What it does",
    "How to use it",
    "Results",
    "Departures from the paper",
    "Intended use",
    "Limits",
    "Misuse",
    "License",
)


def sections(card):
    """Title -> text of each section."""
    parts = re.split(r"^## (.*)\n", card, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


@every_paper
def test_what_the_paper_leaves_open_is_a_departure(system):
    silent = [
        field.name
        for field in dataclasses.fields(system.config_class)
        if "not stated" in field.metadata["published"]
    ]
    said = " ".join(system.departures)
    assert len(silent) >= 5
    assert not [name for name in silent if not re.search(rf"--{name}\b", said)]


@every_paper
def test_a_card_is_complete(system):
    card = export.render_card(system, "RESULTS")
    assert card.startswith(f"# {system.title}\n\n{system.citation}")
    assert card.endswith("\n") and not re.search(r"\{[{%]|[}%]\}(?!\))", card)
    parts = sections(card)
    assert tuple(parts) == SECTIONS
    assert all(text.strip() for text in parts.values())
    assert parts["Results"].strip() == "RESULTS"
    departures = parts["Departures from the paper"].strip().splitlines()
    assert departures == [f"- {text}" for text in system.departures] and departures
    misuse = " ".join(parts["Misuse"].split())
    assert all(word in misuse for word in ("not evidence", "identify", "consent"))
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    compile(code, "card", "exec")
    assert 'load_model("export/1")' in code
