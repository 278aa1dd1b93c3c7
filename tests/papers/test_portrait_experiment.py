"""Tan's experiment: presets, labels, the codec of a run, and whole runs."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec

from data_pipeline import pixels
from evaluation.record import Evaluation
from experiments.core import command_line, networks, runner
from experiments.core.folder import RunFolder
from experiments.portrait_autoencoder import published, training
from experiments.portrait_autoencoder.config import LAMBDAS, PRESETS, Config, label
from experiments.portrait_autoencoder.system import SYSTEM
from serving.export import codec as codec_export
from training.history import History

# The smoke preset, cut to what a test waits for.
SHORT = {"limit": 16, "epochs": 1, "validation_images": 4}


def make(preset="smoke", **options):
    return command_line.make(Config, PRESETS, preset, **options)


def start(workdir, **options):
    config = make(workdir=str(workdir), **{**SHORT, **options})
    return runner.run(SYSTEM, config, "smoke")


def results(folder):
    return json.loads((folder.report / "results.json").read_text())


def bumpy(count, size):
    """Images [N, S, S, 3], uint8, each another."""
    return np.stack([tiny_codec.picture(size, size, seed) for seed in range(count)])


@pytest.fixture(scope="module")
def codec_run(tmp_path_factory):
    """The folder of a codec's whole run."""
    return start(tmp_path_factory.mktemp("runs") / "lambda_0.01")


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    """The folder of a whole run of the paper's network, made small."""
    return start(
        tmp_path_factory.mktemp("runs") / "n8",
        entropy="none",
        activation="relu",
        learning_rate=1e-4,
        uint8_wrap=True,
    )


class TestPresets:
    def test_the_paper_is_as_published(self):
        config = make("paper")
        assert (config.image_size, config.crop) == (192, "none")
        assert (config.batch_size, config.epochs) == (50, 3)
        assert (config.learning_rate, config.learning_rate_decay) == (1e-4, "none")
        assert (config.activation, config.entropy, config.depth) == ("relu", "none", 0)
        assert config == make("n192")

    def test_each_ablation_changes_one_thing(self):
        paper = make("paper")
        for preset in ("n64", "filters_9_5_5", "learning_rate_1e-2", "gdn", "depth1"):
            config = make(preset)
            changed = [k for k, v in vars(config).items() if v != vars(paper)[k]]
            assert len(changed) == 1, preset

    def test_codecs_differ_in_lambda_alone(self):
        codecs = [make(f"lambda_{lmbda:g}") for lmbda in LAMBDAS]
        assert [config.lmbda for config in codecs] == list(LAMBDAS)
        others = [{**vars(config), "lmbda": 0} for config in codecs]
        assert all(other == others[0] for other in others)

    def test_every_preset_has_its_own_name(self):
        presets = [preset for preset in PRESETS if preset not in ("paper", "smoke")]
        names = [label(make(preset)) for preset in presets]
        assert len(set(names)) == len(names)
        assert label(make("n64")) == "N = 64"
        assert label(make("lambda_0.003")) == "λ = 0.003"
        assert label(make("filters_9_5_5")) == "N = 192, filters 9/5/5"
        assert label(make("lambda_0.1", activation="relu")) == "λ = 0.1, ReLU"

    @pytest.mark.parametrize(
        ("preset", "parameters"),
        [("n64", 157_379), ("paper", 1_356_867), ("filters_5_5_3", 2_536_515)],
    )
    def test_the_network_has_the_published_parameters(self, preset, parameters):
        assert training.build_network(make(preset)).count_params() == parameters

    @pytest.mark.parametrize(
        ("field", "value", "said"),
        [
            ("image_size", 40, "multiple of 16"),
            ("kernels", (5, 3), "three sides"),
            ("entropy", "huffman", "--entropy"),
            ("learning_rate_decay", "steps", "--learning_rate_decay"),
            ("activation", "elu", "--activation"),
            ("lmbda", 0.0, "--lmbda must be above 0"),
            ("depth", -1, "depth must be"),
            ("channels", 0, "--channels must be at least 1"),
            ("depth", 3, "--depth=3 .* sees 182 pixels around"),
            ("checkpoint", "best", "a codec is judged by both"),
            ("train_side", 20, "train_side must be a multiple of 16.* Try 16"),
            ("train_side", 48, "--train_side=48 must be at most --image_size=32"),
            ("shift", 2, "--train_side=16 .* goes without --shift"),
        ],
    )
    def test_what_cannot_be_is_said(self, field, value, said):
        with pytest.raises(ValueError, match=said):
            make(**{field: value})


class TestTraining:
    def test_a_codec_pays_for_bits_and_for_errors(self):
        config = make(lmbda=0.5)
        trainer = training.build_trainer(config, 10)
        image = tf.constant(bumpy(2, 32) / np.float32(255))
        inputs = {"image": image, "key": tf.zeros([2, 2], tf.int32)}
        outputs = trainer.restores(inputs, training=True)
        terms = trainer.terms_of(image, outputs)
        np.testing.assert_allclose(
            terms["bits_per_pixel"], outputs["bits"] / 32**2, rtol=1e-6
        )
        error = tf.reduce_mean(tf.square(255 * (image - outputs["image"])), [1, 2, 3])
        np.testing.assert_allclose(terms["distortion"], 0.5 * error, rtol=1e-5)

    @pytest.mark.parametrize("side", [16, 32])
    def test_a_pixel_of_a_square_costs_what_it_costs_in_the_whole(self, side):
        trainer = training.build_trainer(make(), 10)
        image = tf.constant(bumpy(2, side) / np.float32(255))
        outputs = trainer.restores({"image": image, "key": tf.zeros([2, 2], tf.int32)})
        terms = trainer.terms_of(image, outputs)
        np.testing.assert_allclose(
            terms["bits_per_pixel"], outputs["bits"] / side**2, rtol=1e-6
        )

    def test_the_prior_is_trained_and_saved_with_the_network(self):
        network = training.build_network(make())
        prior = {id(v) for v in network.get_layer("prior").trainable_variables}
        assert prior
        assert prior <= {id(v) for v in network.trainable_variables}

    def test_the_paper_pays_for_errors_alone(self):
        trainer = training.build_trainer(make(entropy="none"), 10)
        assert trainer.term_names == ("distortion",)

    @pytest.mark.parametrize(("decay", "left"), [("cosine", 0.0), ("none", 1e-3)])
    def test_the_learning_rate_falls_to_zero_if_told_to(self, decay, left):
        config = make(epochs=3, learning_rate=1e-3, learning_rate_decay=decay)
        optimizer = training.build_trainer(config, 10).autoencoder_optimizer
        schedule = optimizer.get_config()["learning_rate"]
        if decay == "cosine":
            schedule = tf.keras.optimizers.schedules.deserialize(schedule)(30)
        assert float(schedule) == pytest.approx(left, abs=1e-9)

    def test_the_halves_of_any_size_are_those_that_were_trained(self):
        config = make()
        network = training.build_network(config)
        analysis, synthesis = training.for_any_size(config, network)
        image = tf.constant(bumpy(1, 32) / np.float32(255))
        latents = network.get_layer("analysis")(image)
        np.testing.assert_allclose(analysis(image), latents, atol=1e-5)
        assert synthesis(analysis(tf.zeros([1, 48, 16, 3]))).shape == (1, 48, 16, 3)


class TestCodecRun:
    def test_it_says_what_a_file_takes(self, codec_run):
        found = results(codec_run)
        rate = found["summary"]["λ = 0.01, N = 8"]["file/bits_per_pixel"]["mean"]
        stated = next(s for s in found["statements"] if "bytes on average" in s)
        assert f"{rate * 32**2 / 8:,.0f} bytes" in stated
        assert set(found["summary"]) == {
            "λ = 0.01, N = 8", "bicubic 2×", "bicubic 4×", "bicubic 8×",
        }  # fmt: skip

    def test_its_values_are_those_of_real_files(self, codec_run):
        evaluation = Evaluation.load(codec_run.report / "evaluation.npz")
        values = evaluation.values["λ = 0.01, N = 8"]
        codec = codec_export.load_image_codec(codec_run.export)
        config = make(**SHORT)
        split = SYSTEM.data(config).test
        for index in (0, len(split) - 1):
            data = codec.compress(split.images[index])
            assert values["file/bits_per_pixel"][index] == 8 * len(data) / 32**2
            decoded = codec.decompress(data) / 255.0
            error = np.mean((decoded - split.images[index] / 255.0) ** 2)
            assert values["file/psnr_db"][index] == pytest.approx(
                -10 * np.log10(error), abs=1e-3
            )

    def test_it_is_not_ranked_with_what_makes_no_files(self, codec_run, plain_run):
        claims = [results(run)["claims"] for run in (codec_run, plain_run)]
        beaten = ["beats bicubic" in str(found) for found in claims]
        assert beaten == [False, True]

    def test_its_history_has_both_terms(self, codec_run):
        last = History(codec_run.history).rows[-1]
        assert last["bits_per_pixel"] > 0 and last["distortion"] > 0

    def test_the_card_says_how_to_use_it(self, codec_run):
        card = (codec_run.export / "assets.extra" / "model_card.md").read_text()
        assert "experiments.compress" in card and "was not evaluated" not in card

    def test_samples_are_originals_above_reconstructions(self, codec_run):
        grid = pixels.read(codec_run.samples / "epoch_0001.png")
        assert grid.shape[0] == 2 * 34 - 2


class TestPlainRun:
    def test_it_is_measured_beside_smaller_images(self, plain_run):
        found = results(plain_run)
        for name in ("N = 8, 1 epoch", "bicubic 2×", "bicubic 4×", "bicubic 8×"):
            keys = found["summary"][name]
            assert {"raw/mse", "raw/psnr_db", "raw/mse_uint8_wrap"} <= set(keys)
            assert not any(key.startswith("file/") for key in keys)
        # 2 x 2 cells of 8 channels.
        assert any("3,072 values 32 numbers" in said for said in found["statements"])

    def test_other_images_and_single_ones_have_tables(self, plain_run):
        captions = " ".join(table["caption"] for table in results(plain_run)["tables"])
        assert "noise" in captions.lower() or "scenes" in captions.lower()

    def test_errors_stand_beside_what_overflow_makes_of_them(self, plain_run):
        found = results(plain_run)
        (table,) = (t for t in found["tables"] if "8-bit overflow" in t["caption"])
        rows = {name: numbers for name, *numbers in table["rows"]}
        assert next(iter(rows)) == "N = 8, 1 epoch" and "bicubic 8×" in rows
        for name, numbers in rows.items():
            keys = ("raw/mse", "raw/mse_uint8_wrap")
            means = [1e4 * found["summary"][name][key]["mean"] for key in keys]
            np.testing.assert_allclose(numbers, means, rtol=1e-4)

    def test_its_code_is_a_feature_extractor(self, plain_run):
        model = tf.keras.models.load_model(plain_run.export)
        code = model.get_layer("analysis")(tf.zeros([1, 64, 32, 3]))
        assert code.shape == (1, 4, 2, 8)
        with pytest.raises(ValueError, match="factorized"):
            codec_export.load_image_codec(plain_run.export)


class TestInitial:
    def test_a_run_begins_as_the_other_ended(self, codec_run, tmp_path):
        weights = networks.trained(SYSTEM, make(), codec_run).get_weights()
        folder = start(
            tmp_path / "next",
            initial=str(codec_run.path),
            stages=("train",),
            learning_rate=1e-12,
        )
        config = make(initial=str(codec_run.path))
        after = networks.trained(SYSTEM, config, folder).get_weights()
        for before, now in zip(weights, after):
            np.testing.assert_allclose(before, now, atol=1e-6)

    def test_a_begun_run_no_longer_needs_it(self, codec_run, tmp_path):
        gone = tmp_path / "gone"
        gone.symlink_to(codec_run.path)
        options = {"initial": str(gone), "stages": ("train",)}
        options["learning_rate_decay"] = "none"  # with it, --epochs stays as it was
        start(tmp_path / "next", **options)
        gone.unlink()
        start(tmp_path / "next", **{**options, "epochs": 2})

    def test_another_network_is_refused(self, codec_run, tmp_path):
        with pytest.raises(ValueError, match="holds another network.*parameters"):
            start(tmp_path / "next", initial=str(codec_run.path), channels=16)

    def test_a_folder_without_a_run_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="--initial=.* is not a run folder"):
            start(tmp_path / "next", initial=str(tmp_path))


@pytest.mark.parametrize("level, verdict", [(0.2, "holds"), (44.0, "does not hold")])
def test_a_run_of_any_length_tells_whether_images_are_black(level, verdict):
    name = "N = 192, learning rate 0.01, 1 epoch"
    values = {"raw/level_percent": level, "raw/contrast_percent": 0.1}
    made = {name: {key: np.full(40, value) for key, value in values.items()}}
    *_, found = published.check_claims(Evaluation([""] * 40, made, np.ones(40), "f"))
    assert found["verdict"] == verdict and "deviation of 0.1%" in found["evidence"]


def test_runs_of_other_lengths_are_other_rows():
    assert label(make("n192")) == "N = 192"
    assert label(make("n192", epochs=1)) == "N = 192, 1 epoch"
    assert label(make("lambda_0.01", epochs=4)) == label(make("lambda_0.01"))


def test_a_run_folder_has_begun_when_it_holds_a_checkpoint(tmp_path, codec_run):
    assert RunFolder(codec_run.path).has_begun
    assert not RunFolder(tmp_path / "fresh").has_begun
