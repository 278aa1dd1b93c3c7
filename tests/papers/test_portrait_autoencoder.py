"""Tan: presets, names, the codec of a run, claims, and runs that begin as another."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny_codec
import tiny_papers

from evaluation import claims
from evaluation.record import Evaluation
from experiments.core import networks, runner
from experiments.core.folder import FinishedRun, RunFolder
from experiments.portrait_autoencoder import learning_rates, published, report, training
from experiments.portrait_autoencoder.config import LAMBDAS, PRESETS, label
from experiments.portrait_autoencoder.system import SYSTEM
from models.cost import multiply_adds
from serving.export import codec as codec_export
from training import losses
from training.history import History

# The paper's network, as small as the codec of the smoke preset.
PLAIN = {
    "entropy": "none", "activation": "relu", "learning_rate": 1e-4, "uint8_wrap": True,
    "limit": 16, "epochs": 1,
}  # fmt: skip


def make(preset="smoke", **options):
    return tiny_papers.configure(SYSTEM, preset, **options)


def bumpy(count, size):
    """Images [N, S, S, 3] in [0, 1], each another."""
    pictures = [tiny_codec.picture(size, size, seed) for seed in range(count)]
    return tf.constant(np.stack(pictures) / np.float32(255))


@pytest.fixture(scope="module")
def codec_run(smoke_run):
    """A codec's whole run."""
    return smoke_run(SYSTEM.name)


@pytest.fixture(scope="module")
def plain_run(smoke_run):
    """A whole run of the paper's network."""
    return smoke_run(SYSTEM.name, **PLAIN)


class TestPresets:
    def test_the_paper_is_as_published(self):
        config = make("paper")
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

    def test_what_a_run_has_otherwise_is_in_its_name(self):
        presets = [preset for preset in PRESETS if preset not in ("paper", "smoke")]
        names = [label(make(preset)) for preset in presets]
        assert len(set(names)) == len(names)
        for preset, options, name in (
            ("n64", {}, "N = 64"),
            ("n192", {"epochs": 1}, "N = 192, 1 epoch"),
            ("filters_9_5_5", {}, "N = 192, filters 9/5/5"),
            ("lambda_0.1", {"activation": "relu"}, "λ = 0.1, ReLU"),
            # Codecs of any length are one row.
            ("lambda_0.01", {"epochs": 4}, "λ = 0.01"),
            ("hyperprior_0.01", {"epochs": 4}, "hyperprior, λ = 0.01"),
            ("hyperprior_n192_0.01", {}, "hyperprior, λ = 0.01, N = 192"),
            ("hyperprior_ms_ssim_8", {}, "hyperprior, MS-SSIM, λ = 8"),
            ("rates", {"epochs": 4}, "hyperprior, 6 rates"),
            ("rates", {"lmbdas": (0.01, 0.1)}, "hyperprior, 2 rates, λ = 0.01 to 0.1"),
        ):
            assert label(make(preset, **options)) == name

    @pytest.mark.parametrize(
        ("preset", "parameters"),
        [("n64", 157_379), ("paper", 1_356_867), ("filters_5_5_3", 2_536_515)],
    )
    def test_the_network_has_the_published_parameters(self, preset, parameters):
        assert training.build_network(make(preset)).count_params() == parameters


class TestTraining:
    @pytest.mark.parametrize("side", [16, 32])  # a square of the image, and the whole
    def test_a_codec_pays_for_bits_and_for_errors(self, side):
        trainer = training.build_trainer(make(lmbda=0.5), 10)
        image = bumpy(2, side)
        inputs = {"image": image, "key": tf.zeros([2, 2], tf.int32)}
        outputs = trainer.restores(inputs, training=True)
        terms = trainer.terms_of(image, outputs)
        bits = outputs["bits"] / side**2
        np.testing.assert_allclose(terms["bits_per_pixel"], bits, rtol=1e-6)
        error = tf.reduce_mean(tf.square(255 * (image - outputs["image"])), [1, 2, 3])
        np.testing.assert_allclose(terms["distortion"], 0.5 * error, rtol=1e-5)

    def test_the_paper_pays_for_errors_alone(self):
        trainer = training.build_trainer(make(entropy="none"), 10)
        assert trainer.term_names == ("distortion",)

    def test_the_prior_is_trained_and_saved_with_the_network(self):
        network = training.build_network(make())
        prior = {id(v) for v in network.get_layer("prior").trainable_variables}
        assert prior and prior <= {id(v) for v in network.trainable_variables}

    @pytest.mark.parametrize(("decay", "left"), [("cosine", 0.0), ("none", 1e-3)])
    def test_the_learning_rate_falls_to_zero_if_told_to(self, decay, left):
        config = make(epochs=3, learning_rate=1e-3, learning_rate_decay=decay)
        optimizer = training.build_trainer(config, 10).autoencoder_optimizer
        schedule = optimizer.get_config()["learning_rate"]
        if decay == "cosine":
            schedule = tf.keras.optimizers.schedules.deserialize(schedule)(30)
        assert float(schedule) == pytest.approx(left, abs=1e-9)

    def test_the_halves_of_any_size_are_those_that_were_trained(self):
        network = training.build_network(make())
        analysis, synthesis = training.for_any_size(make(), network)
        latents = network.get_layer("analysis")(bumpy(1, 32))
        np.testing.assert_allclose(analysis(bumpy(1, 32)), latents, atol=1e-5)
        assert synthesis(analysis(tf.zeros([1, 48, 16, 3]))).shape == (1, 48, 16, 3)


class TestHyperprior:
    @pytest.fixture(scope="class")
    def network(self):
        """Untrained, with latents, means and scales of many sizes."""
        tf.keras.utils.set_random_seed(0)
        network = training.build_network(make(entropy="hyperprior"), any_size=True)
        for half, layer, scale in (
            ("analysis", "down3", 5.0),
            ("hyper_analysis", "hyper_down3", 6.0),
            ("hyper_synthesis", "hyper_up3", 4.0),
        ):
            kernel = network.get_layer(half).get_layer(layer).kernel
            kernel.assign(scale * kernel)
        return network

    @pytest.fixture(scope="class")
    def exported(self, network, tmp_path_factory):
        config = make(entropy="hyperprior")
        analysis, synthesis, *hyper = training.for_any_size(config, network)
        return codec_export.save(
            analysis,
            synthesis,
            tmp_path_factory.mktemp("hyperprior") / "export" / "1",
            hyper=hyper,
            tables=training.entropy_tables(network),
            config={"image_size": 32},
            card="",
        )

    def test_its_files_take_the_bits_that_it_is_trained_on(self, network, exported):
        codec = codec_export.load(exported)
        image = tiny_codec.picture(96, 80)
        inputs = {"image": image[None] / np.float32(255), "key": np.zeros([1, 2], "i4")}
        outputs = network(inputs, training=False)
        data = codec.compress(image)
        assert len(data) == pytest.approx(float(outputs["bits"][0]) / 8, 0.02, 64)
        assert len(np.unique(codec.quantize(image).scales)) > 10
        decoded = codec.decompress(data)
        np.testing.assert_array_equal(decoded, codec.reconstruct(image))
        # Means are rounded to 1/1024 there, which moves a latent by one here and there.
        model = tf.keras.models.load_model(exported)
        for drawn in (outputs["image"], model(inputs["image"])):
            apart = np.abs(255 * np.clip(drawn[0], 0, 1) - decoded)
            assert apart.mean() < 0.5 and np.median(apart) <= 0.51

    def test_the_noise_of_hyper_latents_is_another(self, network):
        inputs = {"image": bumpy(1, 32), "key": np.array([[3, 4]], "i4")}
        noise = [
            layer([tf.zeros([1, 2, 2, 4]), inputs["key"]], training=True).numpy()
            for layer in map(network.get_layer, ("quantization", "hyper_quantization"))
        ]
        assert np.abs(noise[0] - noise[1]).min() > 1e-3

    def test_latents_of_any_size_have_means_and_scales(self, network):
        fixed = training.build_network(make(entropy="hyperprior", image_size=48))
        fixed.set_weights(network.get_weights())
        for size in (16, 48, 80):  # 1, 3 and 5 cells, and hyper-latents of 4
            inputs = {"image": bumpy(1, size), "key": np.zeros([1, 2], "i4")}
            outputs = network(inputs)
            assert outputs["image"].shape == inputs["image"].shape
            assert np.isfinite(outputs["bits"]).all()
            if size == 48:
                bits = fixed(inputs)["bits"]
                np.testing.assert_allclose(outputs["bits"], bits, rtol=0.01)
        assert multiply_adds(fixed) > multiply_adds(
            training.build_network(make(image_size=48))
        )

    def test_it_may_be_trained_for_another_similarity(self):
        config = make(
            entropy="hyperprior", distortion="ms_ssim", lmbda=8, train_side=0,
            image_size=48,
        )  # fmt: skip
        trainer, image = training.build_trainer(config), bumpy(2, 48)
        terms = trainer.terms_of(image, {"image": image * 0.9, "bits": tf.zeros([2])})
        expected = 8 * losses.ms_ssim(image, image * 0.9)
        np.testing.assert_allclose(terms["distortion"], expected)
        with pytest.raises(ValueError, match="ms_ssim needs images of 41 px.*got 16"):
            make(distortion="ms_ssim")


SEVERAL = {"entropy": "hyperprior", "lmbdas": (0.001, 0.01, 0.1)}


class TestSeveralRates:
    def test_each_image_pays_by_a_rate_of_its_own(self):
        trainer, image = training.build_trainer(make(**SEVERAL), 10), bumpy(4, 16)
        inputs = {"image": image, "key": tf.constant([[5, 6]] * 4)}
        outputs = trainer.restores(inputs, training=True)
        lmbda = outputs["lmbda"].numpy()
        assert len(set(lmbda)) > 2 and lmbda.min() > 0.000999 and lmbda.max() < 0.1001
        terms, weight = trainer.terms_of(image, outputs), (0.01 / lmbda) ** 0.5
        error = tf.reduce_mean(tf.square(255 * (image - outputs["image"])), [1, 2, 3])
        np.testing.assert_allclose(
            terms["distortion"], weight * lmbda * error, rtol=1e-4
        )
        bits = weight * outputs["bits"] / 16**2
        np.testing.assert_allclose(terms["bits_per_pixel"], bits, rtol=1e-5)
        np.testing.assert_allclose(trainer.restores(inputs)["lmbda"], 0.01, rtol=1e-5)

    def test_it_begins_as_a_codec_of_one_rate(self):
        one, several = make(entropy="hyperprior"), make(**SEVERAL)
        network = training.build_network(one)
        weights = SYSTEM.begun_from(several, one, network.get_weights())
        begun = training.build_network(several)
        begun.set_weights(weights)
        inputs = {"image": bumpy(2, 32), "key": tf.zeros([2, 2], tf.int32)}
        for name in ("image", "bits"):
            found = begun(inputs)[name]
            np.testing.assert_allclose(found, network(inputs)[name], rtol=1e-4)
        # Steps of a hundredth of λ are ten times as wide.
        gains = np.exp(begun.get_layer("gains").logarithms)
        np.testing.assert_allclose(gains[:, 0], [0.1**0.5, 1, 10**0.5], rtol=1e-5)

    def test_its_export_writes_files_of_every_quality(self, tmp_path):
        config = make(**SEVERAL)
        tf.keras.utils.set_random_seed(1)
        network = training.build_network(config, any_size=True)
        kernel = network.get_layer("analysis").get_layer("down3").kernel
        kernel.assign(40 * kernel)
        analysis, synthesis, *hyper = training.for_any_size(config, network)
        folder = codec_export.save(
            analysis,
            synthesis,
            tmp_path / "export" / "1",
            hyper=hyper,
            tables=training.entropy_tables(network),
            config={
                "paper": SYSTEM.name,
                "config": dataclasses.asdict(config),
                "image_size": 32,
            },
            card="",
        )
        codec, image = codec_export.load_image_codec(folder), tiny_codec.picture(32, 32)
        assert codec.rates.usual == 50
        assert codec.model_id == training.codec(network).model_id
        sizes = [len(codec.at(quality).compress(image)) for quality in (0, 50, 100)]
        assert sizes == sorted(set(sizes))
        # As a Keras model it has the usual quality.
        restored = tf.keras.models.load_model(folder)(image[None] / np.float32(255))
        apart = np.abs(255 * restored[0].numpy() - codec.reconstruct(image))
        assert apart.mean() < 0.5
        _, weights, lacking = networks.exported(SYSTEM, str(folder))
        assert lacking == ["prior"]
        for weight, value in zip(network.weights, weights):
            if not weight.name.startswith("prior"):
                np.testing.assert_array_equal(weight, value)

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"lmbdas": (0.1, 0.01)}, "rising; got 0.1, 0.01"),
            ({"lmbdas": (0.1,)}, "two rates or more"),
            ({"entropy": "factorized"}, "needs --entropy=hyperprior; got factorized"),
            ({"lmbda": 0.5}, "--lmbda=0.5 must lie within --lmbdas, 0.001 to 0.1"),
        ],
    )
    def test_mistakes_are_told(self, options, text):
        with pytest.raises(ValueError, match=text):
            make(**{**SEVERAL, **options})


class TestCodecRun:
    def test_it_says_what_a_file_takes(self, codec_run):
        found = tiny_papers.results(codec_run.folder)
        rate = found["summary"][codec_run.label]["file/bits_per_pixel"]["mean"]
        stated = next(s for s in found["statements"] if "bytes on average" in s)
        assert f"{rate * 32**2 / 8:,.0f} bytes" in stated
        last = tiny_papers.history(codec_run.folder)[-1]
        assert last["bits_per_pixel"] > 0 and last["distortion"] > 0

    def test_its_values_are_those_of_real_files(self, codec_run):
        evaluation = Evaluation.load(codec_run.folder.report / "evaluation.npz")
        values = evaluation.values["λ = 0.01, N = 8"]
        codec = codec_export.load_image_codec(codec_run.folder.export)
        image = codec_run.data.test.images[-1]
        data = codec.compress(image)
        assert values["file/bits_per_pixel"][-1] == 8 * len(data) / 32**2
        error = np.mean((codec.decompress(data) / 255 - image / 255) ** 2)
        expected = pytest.approx(-10 * np.log10(error), abs=1e-3)
        assert values["file/psnr_db"][-1] == expected

    def test_it_is_not_ranked_with_what_makes_no_files(self, codec_run, plain_run):
        claims = [
            tiny_papers.results(r.folder)["claims"] for r in (codec_run, plain_run)
        ]
        assert ["beats bicubic" in str(found) for found in claims] == [False, True]


class TestPlainRun:
    def test_it_is_measured_beside_smaller_images(self, plain_run):
        found = tiny_papers.results(plain_run.folder)
        names = {"N = 8, 1 epoch", "bicubic 2×", "bicubic 4×", "bicubic 8×"}
        assert found["summary"].keys() == names
        for values in found["summary"].values():
            assert {"raw/mse", "raw/psnr_db", "raw/mse_uint8_wrap"} <= values.keys()
            assert not any(key.startswith("file/") for key in values)
        # 2 x 2 cells of 8 channels.
        assert any("3,072 values 32 numbers" in said for said in found["statements"])
        # Errors stand beside what overflow makes of them.
        table, *others = found["tables"]
        assert "8-bit overflow" in table["caption"] and len(others) == 4
        assert [name for name, *_ in table["rows"]] == list(found["summary"])
        for name, *numbers in table["rows"]:
            keys = ("raw/mse", "raw/mse_uint8_wrap")
            means = [1e4 * found["summary"][name][key]["mean"] for key in keys]
            np.testing.assert_allclose(numbers, means, rtol=1e-4)

    def test_it_says_its_share_of_the_published_images_and_updates(
        self, plain_run, codec_run
    ):
        steps = tiny_papers.history(plain_run.folder)[-1]["step"]
        images = len(plain_run.data.train)
        said = tiny_papers.results(plain_run.folder)["subtitle"]
        assert (
            f"1 of 3 epochs ({steps:.0f} of 10,800 updates) over {images} of " in said
        )
        assert "of 180,000 images, CPU" in said
        # The paper has no codec.
        assert " of " not in tiny_papers.results(codec_run.folder)["subtitle"]

    def test_its_code_is_a_feature_extractor(self, plain_run):
        model = tf.keras.models.load_model(plain_run.folder.export)
        code = model.get_layer("analysis")(tf.zeros([1, 64, 32, 3]))
        assert code.shape == (1, 4, 2, 8)
        with pytest.raises(ValueError, match="factorized"):
            codec_export.load_image_codec(plain_run.folder.export)


class TestInitial:
    def start(self, workdir, **options):
        options = {"limit": 16, "epochs": 1, "stages": ("train",), **options}
        # With a decay, --epochs would have to stay as it was.
        config = make(workdir=str(workdir), learning_rate_decay="none", **options)
        folder = runner.run(SYSTEM, config, "smoke")
        return networks.trained(SYSTEM, config, folder)

    def test_a_run_begins_as_the_other_ended_and_then_does_not_need_it(
        self, codec_run, tmp_path
    ):
        other = tmp_path / "other"
        other.symlink_to(codec_run.folder.path)
        options = {"initial": str(other), "learning_rate": 1e-12}
        begun = self.start(tmp_path / "next", **options).get_weights()
        for before, now in zip(codec_run.network.get_weights(), begun):
            np.testing.assert_allclose(before, now, atol=1e-6)
        other.unlink()
        self.start(tmp_path / "next", **options, epochs=2)
        last = History(tmp_path / "next" / "history.csv").rows[-1]
        assert last["epoch"] == 2

    @pytest.mark.parametrize("entropy", ["factorized", "hyperprior"])
    def test_an_export_and_another_entropy_model_give_their_halves(
        self, codec_run, tmp_path, capsys, entropy
    ):
        options = {"initial": str(codec_run.folder.export), "learning_rate": 1e-12}
        network = self.start(tmp_path, entropy=entropy, **options)
        for half in ("analysis", "synthesis"):
            before, now = (
                each.get_layer(half).get_weights()
                for each in (codec_run.network, network)
            )
            for weight, other in zip(before, now):
                np.testing.assert_allclose(weight, other, atol=1e-6)
        assert "does not hold prior, which begins with" in capsys.readouterr().err

    def test_another_network_or_no_run_is_refused(self, codec_run, tmp_path):
        with pytest.raises(ValueError, match="holds another network.*parameters"):
            initial = str(codec_run.folder.path)
            self.start(tmp_path / "next", initial=initial, channels=16)
        with pytest.raises(ValueError, match="holds another network.*parameters"):
            self.start(
                tmp_path / "next", initial=initial, channels=16, entropy="hyperprior"
            )
        with pytest.raises(ValueError, match="--initial=.* is not a run folder"):
            self.start(tmp_path / "next", initial=str(tmp_path))


@pytest.mark.parametrize(
    "level, error, epochs, verdicts",
    [
        (0.2, 0.09, 3, ("holds", "holds")),
        (44.0, 0.09, 3, ("holds", "does not hold")),
        (44.0, 0.01, 3, ("does not hold", "does not hold")),
        (0.2, 0.09, 1, ("holds", "holds")),
        (44.0, 0.09, 1, ("holds", "cannot tell")),
    ],
)
def test_a_collapse_is_seen_at_any_length(level, error, epochs, verdicts):
    name = "N = 192, learning rate 0.01"
    means = {
        name: {"raw/level_percent": level, "raw/mse": error},
        "bicubic 2×": {"raw/contrast_percent": 25.0},  # a variance of 0.0625
    }
    values = {
        label: {key: np.full(40, mean) for key, mean in keys.items()}
        for label, keys in means.items()
    }
    evaluation = Evaluation([""] * 40, values, np.ones(40), "f")
    trained = claims.Trained(f"{epochs} of 3 epochs", short=epochs < 3)
    found = published.check_claims(claims.Evidence(evaluation, {name: trained}))
    assert tuple(claim["verdict"] for claim in found[-2:]) == verdicts


class TestFirstEpoch:
    """The comparison of learning rates after one epoch over the first images."""

    @pytest.fixture(scope="class")
    def found(self, plain_run):
        # The run's own batch has no influence.
        changed = {"first_epoch_seeds": 2, "batch_size": 3}
        config = dataclasses.replace(plain_run.config, **changed)
        options = {"rates": (1e-12, 1e-3), "images": 8}
        return learning_rates.measure(config, plain_run.data.train, **options)

    def test_the_cost_is_the_error_over_these_images_after_the_epoch(
        self, plain_run, found
    ):
        assert (found["images"], found["batch_size"]) == (8, 8)
        assert found["costs"].keys() == {"1e-12", "0.001"}
        image = plain_run.data.train.images[:8] / np.float32(255)
        inputs = {"image": image, "key": np.zeros([8, 2], np.int32)}
        for seed, cost in enumerate(found["costs"]["1e-12"]):
            tf.keras.utils.set_random_seed(seed)
            network = training.build_network(plain_run.config)  # as it begins
            error = np.square(network(inputs)["image"] - image).mean()
            assert cost == pytest.approx(error, rel=1e-4)
        begun, ended = found["costs"].values()
        assert begun[0] != begun[1]
        assert all(after < before for before, after in zip(begun, ended))

    def test_its_table_has_every_seed(self, found):
        table = learning_rates.table(found)
        assert table.caption == "10⁴ × MSE after one epoch over 8 images"
        assert [row[0] for row in table.rows] == ["1e-12", "0.001"]
        shown = [float(cost) for cost in table.rows[1][2].split(", ")]
        expected = np.multiply(found["costs"]["0.001"], 1e4)
        np.testing.assert_allclose(shown, expected, atol=0.01)

    def test_a_codec_has_none(self):
        with pytest.raises(ValueError, match="--first_epoch_seeds=5 compares learning"):
            make(first_epoch_seeds=5)
        config = make("learning_rates")
        assert (config.first_epoch_seeds, config.entropy) == (5, "none")
        # Without an official validation split the thousand must be left.
        assert config.limit - config.validation_images >= learning_rates.IMAGES
        assert config.batch_size == learning_rates.BATCH

    @pytest.mark.parametrize(
        "others, changed, verdict",
        [
            ([0.031, 0.032, 0.033], {}, "holds"),
            ([0.021, 0.022, 0.023], {}, "does not hold"),
            ([0.021, 0.032, 0.028], {}, "cannot tell"),  # of the interval
            ([0.031, 0.032], {}, "cannot tell"),
            ([0.031, 0.032, 0.033], {"images": 872}, "cannot tell"),
            ([0.031, 0.032, 0.033], {"batch_size": 10}, "cannot tell"),
        ],
    )
    def test_rates_are_compared_seed_by_seed(self, others, changed, verdict):
        best = [0.026, 0.027, 0.0281][: len(others)]
        costs = {"0.001": others, "0.0001": best}
        found = {"images": 1000, "batch_size": 50, "costs": costs, **changed}
        evidence = claims.Evidence(Evaluation([], {}, np.ones(0), "f"))
        first, second = learning_rates.check_claims(evidence, found)
        assert (first["verdict"], second["verdict"]) == (verdict, "not measured")
        for claim in learning_rates.check_claims(evidence, None):
            assert claim["verdict"] == "not measured"


def of_means(means):
    """An evaluation of 40 images, whose values are these means."""
    values = {
        label: {key: np.full(40, mean) for key, mean in keys.items()}
        for label, keys in means.items()
    }
    return Evaluation([""] * 40, values, np.ones(40), "f")


def verdicts(found):
    return {claim["claim"]: claim["verdict"] for claim in found}


def test_bicubic_is_compared_in_both_units():
    true, wrapped = "raw/mse", "raw/mse_uint8_wrap"
    evaluation = of_means(
        {
            "N = 192": {true: 1.6e-3, wrapped: 5.8e-4},
            "bicubic 2×": {true: 5e-4, wrapped: 2.1e-4},
            "bicubic 4×": {true: 2.3e-3, wrapped: 5.2e-4},  # only the true one is more
            "bicubic 8×": {true: 6.6e-3},
        }
    )
    found = verdicts(published.check_claims(claims.Evidence(evaluation)))
    quarter = "A quarter of the size and bicubic has a higher error"
    assert found[f"{quarter} (true error)"] == "holds"
    assert found[f"{quarter} (8-bit overflow, as printed)"] == "does not hold"
    eighth = "An eighth of the size and bicubic has a higher error"
    assert found[f"{eighth} (8-bit overflow, as printed)"] == "not measured"
    # No other network was trained.
    rest = [claim for claim in found if "bicubic" not in claim]
    assert len(rest) >= 11 and {found[claim] for claim in rest} == {"not measured"}


def test_ablations_are_rows_of_their_own():
    def row(mse):
        return {"raw/mse": mse, "raw/psnr_db": -10 * np.log10(mse)}

    labels = [label(make(p)) for p in PRESETS if label(make(p)).startswith("N = ")]
    evaluation = of_means({name: row(2e-3) for name in labels} | {"N = 192": row(1e-3)})
    found = verdicts(published.check_claims(claims.Evidence(evaluation)))
    for part, verdict in {
        "better than 9×9 and 5×5": "holds",
        "better than 5×5, 5×5 and 3×3": "holds",
        "N = 192 beats 128": "holds",
        "N = 256 beats 192": "does not hold",
        "a deeper network is better": "does not hold",
        "ReLU in place of GDN": "holds",
        "learning rate 1e-4 is better than 1e-5": "holds",
    }.items():
        (claim,) = [claim for claim in found if part in claim]
        assert found[claim] == verdict, claim


@pytest.mark.parametrize(
    "low, high, count, verdict",
    [
        (0.9, 1.1, 200, "holds"),
        (1.0, 1.2, 200, "cannot tell"),  # published: 3.5 / 3.1 = 1.13
        (1.2, 1.4, 200, "does not hold"),
        (0.9, 1.1, 8, "cannot tell"),
    ],
)
def test_almost_as_good_is_as_published(low, high, count, verdict):
    interval = {"ratio": (low + high) / 2, "low": low, "high": high, "count": count}
    sets = {"images": "corners", "faces": "middles"}
    evidence = claims.Evidence(of_means({}))
    found = [{"kind": "photographs", **sets, **interval}]
    photographs, drawn = published.check_other_images(evidence, "N = 192", found)
    assert "corners" in photographs["evidence"]
    assert (photographs["verdict"], drawn["verdict"]) == (verdict, "not measured")
    trained = {"N = 192": claims.Trained("9 of 10,800 updates", short=True)}
    short = claims.Evidence(of_means({}), trained)
    photographs, _ = published.check_other_images(short, "N = 192", found)
    assert photographs["verdict"] == "cannot tell"


def finished(folder, name, *, steps, data=None, **options):
    """A run of three epochs as `joint_findings` reads it."""
    folder.mkdir()
    (folder / "history.csv").write_text(f"epoch,step\n0,0\n3,{steps}\n")
    evaluation = of_means({name: {"raw/mse": 0.1}})
    config = dataclasses.asdict(make("paper", **options))
    environment = {"config": config}
    found = {"ours": [name], "environment": environment, "data": data or {}}
    return FinishedRun(RunFolder(folder), evaluation, found, name)


@pytest.mark.parametrize(
    "steps, options, length",
    [
        (3135, {}, "3,135 of 10,800 updates"),
        (10_800, {}, ""),
        (3135, {"entropy": "factorized"}, ""),
    ],
)
def test_fewer_updates_than_the_papers_are_too_short(tmp_path, steps, options, length):
    run = finished(tmp_path / "run", "ours", steps=steps, **options)
    trained = SYSTEM.evidence(run.evaluation, [run]).trained["ours"]
    assert trained.short == bool(length)
    assert trained.length == (length or "3 epochs")


def test_joint_claims_are_of_what_runs_have_measured(tmp_path):
    interval = {"ratio": 1.0, "low": 0.9, "high": 1.1, "count": 200}
    part = {"kind": "photographs", "images": "a", "faces": "b", **interval}
    costs = {"0.001": [0.031, 0.032, 0.033], "0.0001": [0.026, 0.027, 0.0281]}
    rates = {"images": 1000, "batch_size": 50, "costs": costs}
    others, name = {report.OTHERS: [part]}, "N = 192"
    runs = [
        finished(tmp_path / "1", name, steps=10_800, data=others),
        finished(tmp_path / "2", "N = 64", steps=20, data={learning_rates.KEY: rates}),
    ]
    evidence = SYSTEM.evidence(of_means({}), runs)
    found = verdicts(SYSTEM.joint_findings(evidence, runs).claims)
    assert sorted(found.values()) == ["holds", "holds", "not measured", "not measured"]
    found = verdicts(SYSTEM.joint_findings(evidence, runs[1:]).claims)
    assert list(found.values()).count("not measured") == 3
