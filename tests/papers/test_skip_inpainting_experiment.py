"""The restorer of `experiments.skip_inpainting`: losses, holes, data, whole runs."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny

from data_pipeline import pipeline, pixels
from evaluation.baselines import Eigenfaces
from evaluation.metrics import lpips
from experiments.core import command_line, networks, runner, train
from experiments.core.folder import RunFolder
from experiments.core.run import Run
from experiments.skip_inpainting import published, training
from experiments.skip_inpainting.config import MEAN_COLOR, PRESETS, RESTORER, Config
from experiments.skip_inpainting.system import SYSTEM
from serving.export import saved_model
from training.checkpoints import Checkpoints
from training.history import History

pytestmark = pytest.mark.usefixtures("no_cached_weights")
TINY = {
    "dataset": "faces", "image_size": 32, "hole_size": 16, "widths": (8, 8, 16),
    "discriminator_widths": (8, 16), "batch_size": 8, "limit": 24,
    "validation_images": 8, "shift": 2, "epochs": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random LPIPS weights, whose activations stay near 1."""
    return tiny.lpips_weights(tmp_path_factory.mktemp("lpips") / "weights.npz")


def make(preset="restorer", **options):
    return command_line.make(Config, PRESETS, preset, **{**TINY, **options})


def build(config):
    tf.keras.utils.set_random_seed(0)
    with networks.precision(config.precision):
        return SYSTEM.build_trainer(config, 3)


def batch(config, count=8):
    """(inputs, target) of the training task."""
    images = pixels.unit_to_bytes(tiny.smooth(count) / 2 + 0.5).numpy()
    split = tiny.split_of(images)
    task = SYSTEM.training_task(config, split)
    options = {"batch_size": count, "seed": config.seed}
    return next(iter(pipeline.training_batches(split, task, **options)))


def step(trainer, data):
    trainer.reset_metrics()
    return {name: float(v) for name, v in trainer.train_step(data).items()}


def kernels(network):
    return [w.numpy() for w in network.trainable_weights if "kernel" in w.name]


class TestPreset:
    def test_it_is_said_to_be_ours_wherever_it_is_named(self):
        config = command_line.make(Config, PRESETS, "restorer")
        assert SYSTEM.label(config) == RESTORER == "restorer (not in the paper)"
        assert SYSTEM.published_epochs(config) is None
        assert SYSTEM.published_length(config) is None
        assert any("--preset=restorer is not the paper" in d for d in SYSTEM.departures)
        for name in (
            "mask_channel", "mixed_shares", "mixed_sides", "region_jitter", "shift",
            "extra_dir", "learning_rate_decay", "decay_share", "known_weight",
            "perceptual_weight", "eigenfaces", "batch_deviation",
        ):  # fmt: skip
            text = Config.__dataclass_fields__[name].metadata["help"]
            assert text.endswith("Published: not in the paper."), name

    def test_the_report_says_that_lpips_was_trained_on(self):
        split = tiny.split_of(tiny.noise(2))
        assert published.statements(make("paper"), split) == []
        ours, said = published.statements(make(), split)
        assert "not the paper's" in ours
        assert "LPIPS was part of the loss" in said and "not independent" in said
        (*_, last) = published.statements(make(extra_dir="/home/me/crops/"), split)
        assert last.startswith("The training images are those of Tiny and the folder c")
        assert "/home" not in last

    def test_a_number_for_the_fill_is_recorded_as_before(self):
        before = json.loads(json.dumps(dataclasses.asdict(make("paper"))))
        assert before["hole_fill"] == 1.0
        assert make("paper", hole_fill=(0.5,)).hole_fill == 0.5
        assert make("paper", hole_fill=0.5) == make("paper", hole_fill=(0.5,))
        assert make().hole_fill == MEAN_COLOR

    def test_missing_lpips_weights_are_an_error_that_says_how_to_make_them(self):
        with pytest.raises(FileNotFoundError, match="--lpips_weights=FILE; .*facemend"):
            build(make())

    def test_the_learning_rate_falls_to_0_in_the_last_quarter(self, weights):
        schedule = training.LinearDecay(2e-4, 1000, 0.25)
        rates = [float(schedule(step)) for step in (0, 749, 750, 875, 1000, 1001)]
        np.testing.assert_allclose(
            rates, [2e-4, 2e-4, 2e-4, 1e-4, 0, 0], rtol=1e-5, atol=1e-12
        )
        for optimizer in ("generator_optimizer", "discriminator_optimizer"):
            made = getattr(build(make(lpips_weights=weights)), optimizer)
            assert made._learning_rate.steps == 2 * 3


class TestLosses:
    def test_each_term_is_as_by_hand(self, weights):
        config = make(lpips_weights=weights, precision="float32")
        trainer, (inputs, target) = build(config), batch(config)
        output = trainer.generator(inputs, training=True).numpy()
        mask, target = inputs["mask"].numpy(), target.numpy()
        terms = step(trainer, (inputs, tf.constant(target)))

        difference = np.abs(target - output) * np.where(mask > 0, 1.0, 0.1)
        share = mask.mean(axis=(1, 2, 3))
        by_hand = difference.mean(axis=(1, 2, 3)) / share
        np.testing.assert_allclose(
            terms["g_reconstruction"], 4 * by_hand.mean(), rtol=1e-4
        )
        composite = np.where(mask > 0, output, target)
        distance = lpips.load(weights)((target + 1) / 2, (composite + 1) / 2)
        # A hole of a quarter of the image has the weights as they are.
        expected = np.mean(0.25 * distance / share)
        np.testing.assert_allclose(terms["g_perceptual"], expected, rtol=1e-4)
        fresh = build(config).discriminator
        real, fake = (fresh(x, training=True).numpy() for x in (target, composite))
        expected = {
            "g_adversarial": np.mean(0.25 * -0.05 * fake.mean(axis=(1, 2, 3)) / share),
            "d_real": 0.5 * np.maximum(0, 1 - real).mean(),
            "d_fake": 0.5 * np.maximum(0, 1 + fake).mean(),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(terms[name], value, rtol=1e-3)

    def test_lpips_alone_moves_every_kernel_of_the_generator(self, weights):
        alone = {"reconstruction_weight": 0.0, "adversarial_weight": 0.0}
        config = make(lpips_weights=weights, **alone)
        trainer = build(config)
        before = kernels(trainer.generator)
        step(trainer, batch(config))
        for old, new in zip(before, kernels(trainer.generator)):
            assert np.isfinite(new).all() and not np.array_equal(old, new)

    @pytest.mark.parametrize("preset", ["model1", "model3", "restorer"])
    def test_without_adversarial_weight_the_discriminator_rests(self, weights, preset):
        options = {"lpips_weights": weights, "perceptual_weight": 0.0}
        config = make(preset, adversarial_weight=0.0, **options)
        trainer = build(config)
        assert trainer.term_names == ["g_reconstruction"]
        before = kernels(trainer.generator), trainer.discriminator.get_weights()
        terms = step(trainer, batch(config))
        assert set(terms) == {"g_reconstruction"}
        for old, new in zip(before[0], kernels(trainer.generator)):
            assert not np.array_equal(old, new)
        for old, new in zip(before[1], trainer.discriminator.get_weights()):
            np.testing.assert_array_equal(old, new)

    @pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
    def test_a_few_steps_on_one_batch_restore_it_better(self, weights, precision):
        options = {"learning_rate": 2e-3, "learning_rate_decay": "none"}
        config = make(lpips_weights=weights, precision=precision, **options)
        trainer, data = build(config), batch(config)
        compiled = tf.function(trainer.train_step)
        rows = []
        for _ in range(60):
            trainer.reset_metrics()
            rows.append({name: float(v) for name, v in compiled(data).items()})
        for term in ("g_reconstruction", "g_perceptual"):
            assert rows[-1][term] < rows[0][term] / 2, term


def test_the_gradient_of_lpips_is_finite_where_nothing_is_active(weights):
    noise = tf.random.stateless_uniform([1, 64, 64, 3], [0, 1])
    # No feature is active: the root of their squares is at 0, where its slope is not
    # finite.
    dead = dict(np.load(weights)) | {"conv1_b": np.full(64, -1e6, np.float32)}
    for metric, target, restored in (
        (lpips.load(weights), noise, 0.9 * noise),
        (lpips.load(weights), noise, noise),
        (lpips.load(weights), 0 * noise, 0 * noise),
        (lpips.LPIPS(dead, ""), 0.5 * noise, noise),
    ):
        for dtype, tolerance in ((tf.float32, 1e-5), (tf.bfloat16, 0.05)):
            with tf.GradientTape() as tape:
                tape.watch(restored)
                value = metric.loss(target, restored, dtype)
            assert np.isfinite(tape.gradient(value, restored)).all()
            expected = metric(target, restored)
            np.testing.assert_allclose(value, expected, rtol=tolerance, atol=1e-6)


class TestData:
    def test_holes_hold_the_mean_color_and_are_of_every_kind(self):
        inputs, target = batch(make(), 8)
        missing, image = inputs["mask"][..., 0].numpy() > 0, inputs["image"].numpy()
        assert (image[missing] == np.float32(MEAN_COLOR)).all()
        np.testing.assert_array_equal(image[~missing], target.numpy()[~missing])
        assert len({mask.tobytes() for mask in missing}) > 5

    def test_flags_reach_the_holes(self):
        config = make(mixed_shares=(1.0, 0.0, 0.0, 0.0, 0.0), mixed_sides=(0.5, 0.5))
        mask = batch(config)[0]["mask"].numpy()
        assert (mask.sum(axis=(1, 2, 3)) == 16 * 16).all()


def photographs(folder, count, *, parts=("",)):
    """Writes pictures of 40 x 50 pixels, of one color each."""
    for part in parts:
        for number in range(count):
            path = folder / part / f"sub{number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            shade = 10 * number + (200 if part == "test" else 0)
            picture = np.full([40, 50, 3], shade, np.uint8)
            path.write_bytes(pixels.encode_png(picture))
    return str(folder)


class TestExtraImages:
    @pytest.mark.parametrize("parts", [("",), ("train", "test"), ("train",)])
    def test_they_are_trained_on_and_nothing_else(self, tmp_path, parts):
        folder = photographs(tmp_path / "more", 6, parts=parts)
        plain, more = (SYSTEM.data(make(extra_dir=path)) for path in ("", folder))
        assert len(more.train) == len(plain.train) + 6
        np.testing.assert_array_equal(
            more.train.images[: len(plain.train)], plain.train.images
        )
        # The pictures are of one color, so fitting changes nothing.
        colors = more.train.images[len(plain.train) :]
        assert sorted({tuple(image.ravel()[:3]) for image in colors}) == [
            (10 * n,) * 3 for n in range(6)
        ]
        for name in ("validation", "test"):
            first, second = (getattr(data, name) for data in (plain, more))
            assert first.names == second.names
            np.testing.assert_array_equal(first.images, second.images)
        assert more.train.source.info.title == "Drawn faces and the folder more"
        # The pipeline finds them.
        lookup = more.train.lookup()
        for position in (0, len(more.train) - 1):
            expected = more.train.images[position]
            np.testing.assert_array_equal(lookup(position), expected)

    @pytest.mark.parametrize("parts", [("",), ("train", "test"), ("test",)])
    def test_others_are_tested_and_nothing_else(self, tmp_path, parts):
        folder = photographs(tmp_path / "others", 6, parts=parts)
        plain, others = (SYSTEM.data(make(test_dir=path)) for path in ("", folder))
        assert len(others.test) == 6
        assert others.test.source.info.title == "the folder others"
        assert others.train.names == plain.train.names
        assert plain.seen == others.seen == 0
        assert len(SYSTEM.data(make(test_dir=folder, limit=10)).test) == 6
        # All that is in one folder is trained on and tested.
        known = 0 if "train" in parts else 6
        assert SYSTEM.data(make(test_dir=folder, extra_dir=folder)).seen == known

    def test_an_empty_folder_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no images in"):
            _ = SYSTEM.data(make(extra_dir=str(tmp_path))).train


def start(workdir, lpips_weights, **options):
    config = make(workdir=str(workdir), lpips_weights=lpips_weights, **options)
    return runner.run(SYSTEM, config, "restorer")


def checkpoint(folder, config):
    """Every weight that a run ended with."""
    trainer = build(config)
    saved = Checkpoints(trainer.checkpoint_items(), folder.checkpoints)
    assert saved.restore()
    networks = (trainer.generator, trainer.discriminator)
    return [w.numpy() for network in networks for w in network.weights]


@pytest.fixture(scope="module")
def run(tmp_path_factory, weights):
    """A whole run; its checkpoints are of steps 6 and 8, the last."""
    root = tmp_path_factory.mktemp("runs")
    options = {"extra_dir": photographs(root / "crops", 8), "checkpoint_steps": 3}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evaluation.repetition.LEAST", 2)
        return start(root / "whole", weights, **options)


class TestRun:
    def test_its_report_says_what_it_is(self, run):
        report = json.loads((run.report / "results.json").read_text())
        assert report["ours"] == [RESTORER]
        assert np.isfinite(report["summary"][RESTORER]["composite/lpips"]["mean"])
        repeated = report["data"]["repeated_detail"]
        assert -1 <= repeated["original"] < repeated["restored"] <= 1
        page = (run.report / "report.html").read_text()
        assert f"{repeated['restored']:.0%} is the same in all" in page
        for text in (
            "not independent evidence", "not the paper", "the folder crops",
            "32 images",
        ):  # fmt: skip
            assert text in page, text
        assert report["environment"]["config"]["extra_dir"] == "crops"

    def test_its_export_fills_any_hole_with_the_mean_color_in_it(self, run, weights):
        network = networks.trained(SYSTEM, make(lpips_weights=weights), run)
        rng = np.random.default_rng(0)
        image = rng.uniform(size=(3, 32, 32, 3)).astype(np.float32)
        mask = np.zeros((3, 32, 32, 1), np.float32)
        mask[0, 8:24, 8:24] = mask[1, :, :16] = mask[2, 3:6, 20:31] = 1
        served = tf.keras.models.load_model(run.export)
        restored = served({"image": image, "mask": mask}).numpy()
        filled = np.where(mask, np.float32(MEAN_COLOR), 2 * image - 1)
        raw = network({"image": filled, "mask": mask}, training=False)
        expected = np.where(mask, np.clip((raw + 1) / 2, 0, 1), image)
        np.testing.assert_allclose(restored, expected, atol=1e-5)
        facts = saved_model.read_config(run.export)
        assert facts["fills"]["side"] == 0
        assert facts["config"]["extra_dir"] == "crops"
        assert "lpips_weights" not in facts["config"]

    def test_a_run_that_goes_on_in_mid_epoch_ends_as_it_did(
        self, run, weights, tmp_path, capsys
    ):
        copy = shutil.copytree(run.path, tmp_path / "copy")
        (newest,) = (copy / "checkpoints" / "last").glob("ckpt-8.data*")
        newest.write_bytes(b"")
        options = {"extra_dir": str(run.path.parent / "crops"), "stages": ("train",)}
        again = start(copy, weights, checkpoint_steps=3, **options)
        # Of two epochs of four steps.
        assert "Resuming from step 6 of 8." in capsys.readouterr().out
        config = make(lpips_weights=weights, **options)
        for first, second in zip(checkpoint(run, config), checkpoint(again, config)):
            np.testing.assert_array_equal(first, second)

    def test_another_length_is_refused_because_the_decay_would_be_another(
        self, run, weights
    ):
        extra = str(run.path.parent / "crops")
        with pytest.raises(ValueError, match="epochs was 2 and is now 3"):
            start(run.path, weights, extra_dir=extra, epochs=3)


class TestInitial:
    @pytest.fixture(scope="class")
    def published_run(self, smoke_run, tmp_path_factory):
        """A copy of a short run of the paper's model 3."""
        folder = tmp_path_factory.mktemp("runs") / "model3"
        return RunFolder(shutil.copytree(smoke_run(SYSTEM.name).folder.path, folder))

    @pytest.mark.parametrize("place, replicas", [("run", 1), ("export", 2)])
    def test_a_restorer_begins_as_the_published_network_ended(
        self, published_run, weights, tmp_path, monkeypatch, place, replicas
    ):
        """Before the first step it does on validation images what that one did."""
        initial = published_run.path if place == "run" else published_run.export
        options = {"initial": str(initial), "num_replicas": replicas, "limit": 40}

        def stops(callback, epoch, logs=None):
            raise KeyboardInterrupt

        monkeypatch.setattr("training.callbacks.WriteHistory.on_epoch_begin", stops)
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path / "next", weights, **options)
        last = History(published_run.history).rows[-1]
        (first,) = History(tmp_path / "next" / "history.csv").rows
        for key in ("val_hole/l1_percent", "val_raw/l1_percent"):
            np.testing.assert_allclose(first[key], last[key], rtol=1e-3)

    def test_a_run_brings_its_discriminator_and_an_export_has_none(
        self, published_run, weights, tmp_path, capsys
    ):
        config = make("model3", workdir=str(published_run.path), epochs=1, shift=0)

        def begun(initial, **options):
            trainer = SYSTEM.build_trainer(
                make(batch_deviation=False, lpips_weights=weights, **options),
                1,
                [],
            )
            networks.begin_others_as(trainer, SYSTEM, str(initial))
            return trainer.discriminator.get_weights()

        trained = build(config)
        items = trained.checkpoint_items()
        assert Checkpoints(items, published_run.checkpoints).restore()
        for found, weight in zip(
            begun(published_run.path), trained.discriminator.get_weights()
        ):
            np.testing.assert_array_equal(found, weight)
        assert not capsys.readouterr().err
        wider = begun(published_run.path, discriminator_widths=(8, 32))
        assert "has no discriminator like this one's" in capsys.readouterr().err
        for exported in (wider, begun(published_run.export)):
            first, *_ = exported  # N(0, 0.02) as any network begins
            assert np.std(first) == pytest.approx(0.02, rel=0.2)

    def test_test_images_are_never_those_it_was_trained_on(
        self, published_run, tmp_path
    ):
        initial = {"initial": str(published_run.path)}

        def begun(**options):
            config = make("model3", workdir="", shift=0, **initial, **options)
            folder = RunFolder(tmp_path)
            return networks.initial(SYSTEM, config, folder)

        # Drawn faces of another seed are others.
        assert begun(seed=1)
        config = published_run.path / "config.json"
        text = config.read_text()
        lfw = {"dataset": "lfw", "split_by": "image"}
        try:
            told = json.loads(text)
            told["config"].update(lfw)
            config.write_text(json.dumps(told))
            assert begun(**lfw)
            for other in ({"seed": 1}, {"split_by": "person"}):
                with pytest.raises(ValueError, match="--seed=0 --split_by=image. With"):
                    begun(**{**lfw, **other})
            told["config"].update(dataset="celeb_a")
            config.write_text(json.dumps(told))
            assert begun(**lfw) and begun(dataset="celeb_a")
            with pytest.raises(ValueError, match="CelebA-HQ's photographs are some of"):
                begun(dataset="celeb_a_hq")
            told["config"].update(lfw, split_by="order")
            config.write_text(json.dumps(told))
            assert begun(seed=1, dataset="lfw", split_by="order")
        finally:
            config.write_text(text)

    def test_what_is_no_network_of_the_paper_is_refused(
        self, published_run, weights, tmp_path
    ):
        wider = {"widths": (8, 8, 32)}
        for initial, options, text in (
            (tmp_path, {}, "is not a run folder, and not an export"),
            ("skip_inpainting_model4", {}, "is neither a folder nor the name"),
            ("cvae", {}, "is a network of cvae_dcgan"),
            (published_run.export, wider, "holds another network: .* parameters"),
        ):
            with pytest.raises((ValueError, FileNotFoundError), match=text):
                start(tmp_path / "a", weights, initial=str(initial), **options)


class TestEigenfaces:
    def test_they_are_fitted_once_and_kept(self, run, weights, tmp_path):
        options = {"lpips_weights": weights, "eigenfaces": 5, "epochs": 1}
        first = start(
            tmp_path / "a", initial=str(run.path), stages=("train",), **options
        )
        config = make(
            workdir=str(tmp_path / "b"), initial=str(first.path), limit=16, **options
        )
        second, _ = train._build(Run(SYSTEM, config, "restorer"))
        config = make(**options)
        fills = [
            network.get_layer("eigenface_fill")
            for network in (networks.trained(SYSTEM, config, first), second.restores)
        ]
        found = SYSTEM.data(config).train
        expected = Eigenfaces.fit(found, 5)
        mean, components, noise = fills[0].get_weights()
        np.testing.assert_allclose(mean, 2 * expected.mean.ravel() - 1, atol=1e-5)
        np.testing.assert_allclose(
            np.square(components).sum(axis=1), 4 * expected.variances, rtol=1e-3
        )
        assert 0 < noise < 1
        for one, other in zip(*(fill.get_weights() for fill in fills)):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("options", [{"model": 1}, {"mask_channel": False}])
    def test_they_need_a_network_that_knows_the_hole(self, options):
        with pytest.raises(ValueError, match="--eigenfaces is for models 2 and 3"):
            make("model3", eigenfaces=5, **{"mask_channel": True, **options})


def test_the_shipped_restorer_is_a_beginning(weights):
    if not (pathlib.Path(__file__).parents[2] / "pretrained").exists():
        pytest.skip("no models are shipped here")
    config = command_line.make(
        Config, PRESETS, "restorer", initial="skip_inpainting_restorer"
    )
    other, arrays, lacking = networks.exported(SYSTEM, config.initial)
    assert not lacking
    begun = SYSTEM.begun_from(config, other, arrays)
    network = training.build_network(config)
    assert [w.shape for w in begun] == [w.shape for w in network.weights]
