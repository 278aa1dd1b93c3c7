"""What the report of a face in 512 numbers has besides: by hand, and as promised."""

import dataclasses
import json
import math
import re
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny
import tiny_codec
import tiny_papers

from data_pipeline import pixels
from data_pipeline.datasets import elements
from data_pipeline.decoded import decode
from data_pipeline.face_masks.finder import FoundMasks
from evaluation.baselines import Eigenfaces
from evaluation.claims import CANNOT_TELL, FAILS, HOLDS, UNKNOWN, Evidence, Trained
from evaluation.codecs import image_formats, round_trips
from evaluation.codecs.rate_distortion import OURS
from evaluation.record import Evaluation
from experiments import compare, reproduce
from experiments.core import results as results_text
from experiments.cvae_dcgan import discriminator_report as discriminator
from experiments.cvae_dcgan import latent_files as coded_latents
from experiments.cvae_dcgan import published, report, table_1, training
from experiments.cvae_dcgan.system import SYSTEM

SIZE = 32
BITS = "file/bits_per_pixel"


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        tiny_papers.draw_little(patch)
        yield


def pictures(count, size=SIZE, seed=0):
    """Smooth images, uint8 [count, size, size, 3]."""
    unit = (tiny.smooth(count, size, seed) + 1) / 2
    return pixels.unit_to_bytes(unit).numpy()


def split_of_files(images, size=SIZE, crop="none", resize="bicubic", **annotations):
    """A split decoded from images of any size, which can be read again."""
    names = [f"image_{i}" for i in range(len(images))]
    info = elements.SourceInfo("tiny", "Tiny", {"test": len(names)}, "", "", "")
    files = [pixels.encode_png(image) for image in images]

    def fetch(positions):
        for position in positions:
            yield names[position], lambda data=files[position]: data

    source = elements.from_files(info, "test", names, fetch, annotations)
    return decode(source, size=size, crop=crop, resize=resize)


def unit(images):
    return np.asarray(images, np.float32) / np.float32(255)


class TestMeasures:
    def test_masked_errors_by_hand(self):
        """An image, and one in which nobody was found."""
        target = np.full([2, 16, 16, 3], 0.5, np.float32)
        restored = target.copy()
        restored[:, :4, :8] += 0.25  # 32 pixels of the face
        restored[:, 12:] -= 0.5  # of the background
        mask = np.zeros([2, 16, 16, 1], np.uint8)
        mask[0, :8, :8] = 1  # 64 of 256 pixels
        found = FoundMasks(mask, np.array([True, False]), ("b",), "by hand")
        whole = round_trips.whole(["a", "b"])
        values = round_trips.masked(found, whole)(target, restored, slice(0, 2))
        for key, expected in {
            "masked/mae": 32 * 0.25 / 256,
            "masked/mse": 32 * 0.0625 / 256,
            "face/mae": 32 * 0.25 / 64,
            "face/l1_percent": 100 * 32 * 0.25 / 64,
            "face/mse": 32 * 0.0625 / 64,
            "face/psnr_db": -10 * math.log10(1 / 32),
        }.items():
            np.testing.assert_allclose(values[key], [expected, np.nan], rtol=1e-5)
        assert np.isfinite(whole(target, restored, slice(0, 2))["raw/mae"]).all()

    def test_errors_of_masked_inputs_by_hand(self):
        """What came back of images that were black outside the face."""
        mask = np.zeros([2, 16, 16, 1], np.uint8)
        mask[0, :8, :8] = 1  # 64 of 256 pixels
        target = np.full([2, 16, 16, 3], 0.5, np.float32) * mask
        restored = target.copy()
        restored[:, :4, :8] += 0.25  # 32 pixels of the face
        restored[:, 12:] += 0.5  # 64 of the background
        found = FoundMasks(mask, np.array([True, False]), ("b",), "by hand")
        whole = round_trips.whole(["a", "b"])
        before = round_trips.masked_before(found, whole)
        values = before(target, restored, slice(0, 2))
        for key, expected in {
            "masked_input/mae": (32 * 0.25 + 64 * 0.5) / 256,
            "masked_input/mse": (32 * 0.0625 + 64 * 0.25) / 256,
            "masked_both/mae": 32 * 0.25 / 256,
            "masked_both/mse": 32 * 0.0625 / 256,
        }.items():
            np.testing.assert_allclose(values[key], [expected, np.nan], rtol=1e-5)

    def test_a_mask_of_everything_changes_nothing(self):
        target, restored = unit(pictures(2)), unit(pictures(2, seed=1))
        mask = np.ones([2, SIZE, SIZE, 1], np.uint8)
        whole = round_trips.whole(["a", "b"])
        masked = round_trips.masked(FoundMasks(mask, np.ones(2, bool), (), ""), whole)
        raw, masked = (f(target, restored, slice(0, 2)) for f in (whole, masked))
        for key, values in raw.items():
            for name in (key.replace("raw", "masked"), key.replace("raw", "face")):
                if name in masked:
                    np.testing.assert_allclose(masked[name], values, rtol=1e-5)
        assert {key.replace("raw", "masked") for key in raw} <= masked.keys()

    def test_what_comes_in_parts_is_measured_image_by_image(self):
        images, restored = pictures(5), unit(pictures(5, seed=1))
        lengths = np.arange(1.0, 6.0)
        parts = [(restored[a:b], lengths[a:b]) for a, b in ((0, 2), (2, 5))]
        extra = {"raw/first": lambda x, y, names: [ord(name) for name in names]}
        whole = round_trips.whole("abcde", extra=extra)
        values = round_trips.measure_round_trip(images, parts, [whole])
        np.testing.assert_array_equal(values[BITS], 8 * lengths / SIZE**2)
        np.testing.assert_array_equal(values["raw/first"], [97, 98, 99, 100, 101])
        error = np.abs(unit(images) - restored).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(values["raw/mae"], error, rtol=1e-5)
        for count in (4, 6):
            with pytest.raises(ValueError, match=f"Of {count} images .* came back"):
                round_trips.measure_round_trip(pictures(count), parts)


@pytest.mark.parametrize(
    ("crop", "resize"), [("none", "bicubic"), ("center", "bilinear")]
)
def test_at_full_size_a_file_is_written_before_anything_is_cut(crop, resize):
    jpeg = image_formats.available()["JPEG"].at(85)
    large = np.stack([tiny_codec.picture(90, 70, seed) for seed in range(3)])
    # As limits and validation take a part.
    split = split_of_files(large, crop=crop, resize=resize).part(1)
    ((restored, lengths),) = round_trips.full_size_round_trip(
        jpeg, split, crop=crop, resize=resize
    )
    assert lengths.tolist() == [len(jpeg.compress(x)) for x in large[1:]]
    errors = np.abs(restored - unit(split.images)).mean(axis=(1, 2, 3))
    (small,) = round_trips.codec_round_trip(jpeg, split.images, split.names)
    rough = np.abs(small[0] - unit(split.images)).mean(axis=(1, 2, 3))
    # Shrinking averages what the format did to single pixels.
    assert np.all(errors < rough) and np.all(lengths > small[1])


@pytest.fixture(scope="module")
def network():
    """An untrained network that makes another image of each."""
    tf.keras.utils.set_random_seed(0)
    network = training.build_network(tiny_papers.configure(SYSTEM, generator="cvae"))
    for half, layer in (("encoder", "mean"), ("decoder", "features")):
        kernel = network.get_layer(half).get_layer(layer).kernel
        kernel.assign(20 * kernel)
    return network


class TestCodedLatents:
    @pytest.fixture(scope="class")
    def codecs(self, network):
        return coded_latents.codecs(network, tiny.split_of(pictures(40)))

    @pytest.fixture(scope="class")
    def measured(self, codecs):
        images = pictures(6, seed=1)
        whole = round_trips.whole([*"abcdef"])
        split = tiny.split_of(images)
        return images, coded_latents.measure("CVAE", codecs, split, [whole])

    def test_values_are_those_of_whole_files(self, codecs, measured, network):
        images, values = measured
        assert list(values) == ["CVAE, 8 bits", "CVAE, 6 bits", "CVAE, 4 bits"]
        inputs = {"image": unit(images[:1]), "key": np.zeros([1, 2], np.int32)}
        exact, errors = network(inputs)["image"][0], []
        for bits, codec in codecs.items():
            found = values[f"CVAE, {bits} bits"]
            assert found[BITS][3] * SIZE**2 / 8 == len(codec.compress(images[3]))
            error = unit(codec.reconstruct(images[2])) - unit(images[2])
            assert found["raw/mse"][2] == pytest.approx(np.mean(error**2), rel=1e-4)
            errors.append(np.abs(unit(codec.reconstruct(images[0])) - exact).mean())
        # More bits are more bytes, nearer to what the network makes.
        assert np.all(np.diff([found[BITS].mean() for found in values.values()]) < 0)
        assert errors[0] > errors[-1]

    def test_formats_are_compared_on_the_same_images(self, measured, monkeypatch):
        images, values = measured
        monkeypatch.setattr(coded_latents, "MOST_IMAGES", 3)
        found = coded_latents.compare(values, tiny.split_of(images))
        assert found.evaluation.names == ("image_0", "image_2", "image_4")
        assert found.settings[OURS] == list(values)
        assert list(found.settings) == [OURS, "JPEG", "WebP"]
        ours = found.evaluation.values["CVAE, 6 bits"]
        psnr, alike = found.keys
        for key, raw in ((psnr, "raw/psnr_db"), (alike, "raw/ms_ssim_5w")):
            np.testing.assert_array_equal(ours[key], values["CVAE, 6 bits"][raw][::2])
        form = image_formats.available()["JPEG"]
        data = form.encode(images[4], 50)
        jpeg = found.evaluation.values["JPEG, quality 50"]
        assert jpeg[BITS][2] == 8 * len(data) / SIZE**2
        error = np.mean((unit(form.decode(data)) - unit(images[4])) ** 2)
        assert jpeg[psnr][2] == pytest.approx(-10 * np.log10(error), abs=1e-3)
        # Charts are over bytes a file.
        for chart in coded_latents.curves(found):
            (line,) = [line for line in chart.series if line.ours]
            lengths = sorted(v[BITS][::2].mean() * SIZE**2 / 8 for v in values.values())
            np.testing.assert_allclose(line.x, lengths)
            assert chart.x_label == "bytes a file" and "per pixel" not in chart.title

    def test_a_format_without_files_as_bad_as_ours_is_named(self, measured):
        images, values = measured
        found = coded_latents.compare(values, tiny.split_of(images))
        psnr, _ = found.keys

        def said(gain):
            """Of the PSNR, ours being that much better than the worst JPEG."""
            rows = {name: dict(row) for name, row in found.evaluation.values.items()}
            worst = min(rows[name][psnr].mean() for name in found.settings["JPEG"])
            for bits, name in zip((8, 6, 4), found.settings[OURS]):
                rows[name][psnr] = np.full(6, worst + gain + bits / 100)
            changed = dataclasses.replace(found.evaluation, values=rows)
            again = dataclasses.replace(found, evaluation=changed)
            jpeg, *others = coded_latents.statements(again)
            assert len(others) == 4
            return jpeg

        assert said(gain=-3).startswith("PSNR (dB): even the worst JPEG, ")
        assert "BD-rate" in said(gain=3)  # of too few images to say

    def test_eigenfaces_make_files_too(self, measured):
        images, values = measured
        train = tiny.split_of(pictures(40))
        fitted = Eigenfaces.fit(train, 16)
        codecs = coded_latents.eigenface_codecs(fitted, train)
        exact = fitted({"image": unit(images)})
        errors = []
        for bits in (4, 6, 8):
            for image, best in zip(images, exact):
                data = codecs[bits].compress(image)
                assert len(data) < 16 * bits / 8 + 40  # the header's bytes
                errors.append(np.abs(unit(codecs[bits].decompress(data)) - best).mean())
        coarse, middle, fine = np.reshape(errors, [3, -1]).mean(axis=1)
        # New faces lie outside the range of a few latents, whatever the bits.
        assert coarse > middle >= fine
        # They stand beside the formats.
        split = tiny.split_of(images)
        linear = coded_latents.measure("eigenfaces, 16", codecs, split, [])
        linear = {
            name: {**row, **{k: v for k, v in values["CVAE, 6 bits"].items()
                             if k.startswith("raw/")}}
            for name, row in linear.items()
        }  # fmt: skip
        found = coded_latents.compare(values, split, linear)
        assert found.formats == ["JPEG", "WebP", "eigenfaces"]
        assert found.settings["eigenfaces"][0] == "eigenfaces, 16, 8 bits"
        said = coded_latents.statements(found)
        assert any("eigenfaces" in sentence for sentence in said)

    @pytest.mark.parametrize(
        ("size", "name"), [(32, "ms_ssim_5w"), (64, "ms_ssim_3"), (192, "ms_ssim")]
    )
    def test_qualities_are_defined_at_every_size(self, size, name):
        assert coded_latents.qualities(size) == ("file/psnr_db", f"file/{name}")


def columns(count, masked=True, **changed):
    """Values of a row of Table 1."""
    found = {"raw/ssim": 0.75, "raw/ms_ssim_3": 0.9, "raw/mae": 0.05, "raw/mse": 0.004}
    if masked:
        found |= {"masked/ssim": 0.8, "masked/mae": 0.03, "face/mse": 0.006}
        found |= {"masked_input/mae": 0.06, "masked_both/mae": 0.04}
    found |= {BITS: 4.0, **changed}
    return {key: np.full(count, value, np.float64) for key, value in found.items()}


class TestTable1:
    def table(self, **values):
        rows = {"JPEG quality 85": columns(5), "CVAE": columns(5)}
        rows |= {"DCGAN": columns(5, masked=False)}
        rows |= {"mean face": columns(5, masked=False, **{BITS: 0.0})}
        rows["CVAE"].update(values)
        made = table_1.table_1(rows, ours=["CVAE", "DCGAN"], size=64)
        cells = {row[0]: dict(zip(made.columns[1:], row[1:])) for row in made.rows}
        return made, cells

    def test_cells_by_hand(self):
        made, cells = self.table()
        for name, expected in {
            # l_1 and l_2 in the paper's units; 4 bits a pixel of 64 x 64.
            "CVAE": {
                "1−SSIM": "0.250", "1−MS-SSIM (3 scales)": "0.100", "l_1": "0.500",
                "l_2": "0.400", "MAE": "0.0500", "MSE": "0.004000", "Bytes": "2,048",
            },
            "CVAE + mask (output)": {
                "1−SSIM": "0.200", "l_1": "0.300", "MSE of the face": "0.006000",
                "l_2": "–", "Bytes": "–",
            },
            "CVAE + mask (input)": {"l_1": "0.600", "1−SSIM": "–"},
            "CVAE + mask (input and output)": {"l_1": "0.400"},
            "mean face": {"Bytes": "0"},
            "published: DCGAN + mask": {
                "1−SSIM": "0.274", "l_1": "0.456", "l_2": "1.050", "MAE": "–",
                "Bytes": "–",
            },
            "published: JPEG": {"MAE": "0.003", "MSE": "0.000", "l_1": "–"},
            "Toledo & Antonelo H9": {
                "1−SSIM": "0.307", "1−MS-SSIM (3 scales)": "0.077",
                "l_1": "0.487", "l_2": "0.682", "MAE": "–", "Bytes": "–",
            },
        }.items():  # fmt: skip
            assert expected.items() <= cells[name].items(), name
        # Nothing of ours to compare it with.
        assert not {"1−VIF", "LPIPS", "1−MS-SSIM"} & set(made.columns)

    def test_networks_come_first_and_what_is_published_beside_its_kind(self):
        made, _ = self.table()
        names = [row[0] for row in made.rows]
        masked = [f"CVAE + mask ({x})" for x in ("input", "input and output", "output")]
        assert names[:6] == ["CVAE", *masked, "DCGAN", "published: CVAE"]
        assert made.kinds[:6] == ["ours"] * 5 + ["published"]
        assert made.kinds.count("published") == 6 + 10
        assert names.index("JPEG quality 85") < names.index("published: JPEG")
        assert names.index("mean face") == len(names) - 11

    def test_only_images_with_a_value_count_and_the_note_says_of_how_many(self):
        values = {"raw/vif": np.array([0.5, np.nan, 0.3, 0.5, 0.3])}
        values["masked/mae"] = np.array([0.1, 0.1, np.nan, 0.1, 0.1])
        made, cells = self.table(**values)
        assert cells["CVAE"]["1−VIF"] == "0.600"
        assert cells["Toledo & Antonelo H9"]["1−VIF"] == "0.523"
        assert "over 5 test images" in made.note
        assert "of the 4 images in which" in made.note
        assert "Which images are masked is not stated" in made.note
        assert "optimized for each image" in made.note and "4:2:0" in made.note


def trained(epochs):
    """Rows of history.csv: a discriminator that gives these probabilities.

    Args:
      epochs: (to originals, to restored images) of each epoch.
    """
    rows = [{"epoch": 0, "step": 0, "val_raw/ssim": 0.1}]
    for epoch, (real, fake) in enumerate(epochs, start=1):
        rows.append(
            {
                "epoch": epoch,
                "step": 10 * epoch,
                "g_reconstruction": 0.2,
                "d_real": -math.log(real),
                "d_fake": -math.log(1 - fake),
                "watched_log_real": math.log(real),
                "watched_log_fake": math.log(1 - fake),
                "watched_log_d_fake": math.log(fake),
                "watched_accuracy": (real + 1 - fake) / 2,
                "watched_gradient_norm": 0.25,
            }
        )
    return rows


LN2 = math.log(2)
GUESSING = [(0.5, 0.5), (0.51, 0.5), (0.5, 0.49)]
WINNING = [(0.9, 0.1), (0.9, 0.1), (0.91, 0.1)]
MISTAKEN = [(0.3, 0.7)] * 3
LEARNING = [(0.5, 0.5), (0.6, 0.4), (0.9, 0.1)]
BEGINNING = [(0.9, 0.1), (0.5, 0.5), (0.51, 0.5)]  # the first epoch does not count


class TestDiscriminator:
    """Of one run."""

    def test_curves_are_by_epoch_beside_what_guessing_gives(self):
        charts = discriminator.curves(trained(LEARNING))
        assert len({chart.slug for chart in charts}) == 4
        lines = [set(chart.references.values()) for chart in charts]
        assert lines == [{2 * LN2, LN2}, {-LN2}, {0.5}, set()]
        for chart in charts:  # the first epoch guesses
            first = {round(line.y[0], 9) for line in chart.series}
            assert {round(y, 9) for y in chart.references.values()} <= first
        losses, logs, *_ = charts
        labels = [line.label for line in losses.series]
        assert labels == ["sum", "on originals", "on restored"]
        total, real, fake = losses.series
        assert total.x == [1, 2, 3] and total.ours
        np.testing.assert_allclose(total.y, np.add(real.y, fake.y))
        drawn = {line.label: np.exp(line.y).tolist() for line in logs.series}
        assert drawn == {
            "log D(real)": pytest.approx([0.5, 0.6, 0.9]),
            "log D(restored)": pytest.approx([0.5, 0.4, 0.1]),
            "log (1 − D(restored))": pytest.approx([0.5, 0.6, 0.9]),
        }
        # A color is a place among the lines that do not lead.
        others = [line for line in logs.series if not line.ours]
        for term, loss in zip(others, (real, fake)):
            np.testing.assert_allclose(term.y, -np.array(loss.y))

    def test_the_sentence_says_how_flat_it_is(self):
        (said,) = discriminator.statements(trained(LEARNING))
        assert "1.386 in the first epoch and 0.211 in the last" in said
        assert "from the second on never below 0.211 or above 1.022" in said
        assert "about 90%" in said
        assert "It is not flat; flat is what stays within 0.139" in said

    def test_without_one_there_is_nothing(self):
        history = [{"epoch": 1.0, "reconstruction": 0.2}]
        assert discriminator.curves(history) == []
        assert discriminator.statements(history) == []
        runs = discriminator.read_runs({"CVAE": history})
        assert not runs and not discriminator.joint_curves(runs)
        assert not discriminator.joint_statements(runs)


class TestDiscriminators:
    """Of several runs."""

    def runs(self, **probabilities):
        return discriminator.read_runs(
            {label: trained(epochs) for label, epochs in probabilities.items()}
        )

    @pytest.mark.parametrize(
        ("epochs", "kind", "verdict"),
        [
            (GUESSING, discriminator.GUESSES, HOLDS),
            (WINNING, discriminator.BELOW, HOLDS),
            (MISTAKEN, discriminator.ABOVE, HOLDS),
            (LEARNING, discriminator.MOVES, FAILS),
            (BEGINNING, discriminator.GUESSES, HOLDS),
            ([(0.99, 0.01)] * 3, discriminator.WON, HOLDS),
            (GUESSING[:2], discriminator.SHORT, UNKNOWN),
        ],
    )
    def test_what_a_loss_is_called_and_whether_it_is_flat(self, epochs, kind, verdict):
        assert discriminator.read(trained(epochs)).kind == kind
        # The claim is about the published network alone.
        for label, expected in (("DCGAN", verdict), ("DCGAN, fast", UNKNOWN)):
            runs = discriminator.read_runs({label: trained(epochs)})
            nothing = Evidence(Evaluation([], {}, np.ones(0), "f"))
            rates = dict.fromkeys(runs, (1e-3, 2e-5))
            (claim,) = discriminator.check_joint_claims(nothing, runs, rates)
            assert claim["verdict"] == expected
            said = "at 0.001 and 2e-05; the paper states no rates."
            assert claim["evidence"].endswith(said) == (expected != UNKNOWN)
            # Another rate, with another loss.
            other = {"DCGAN, fast": LEARNING if expected == HOLDS else GUESSING}
            runs = runs | self.runs(**other)
            rates = {label: (1e-3, 2e-5) for label in runs} | dict.fromkeys(
                other, (1e-3, 1e-4)
            )
            (claim,) = discriminator.check_joint_claims(nothing, runs, rates)
            said = "states no rates, and a flat loss follows from them."
            assert claim["evidence"].endswith(said) == (
                expected in (HOLDS, FAILS) and label == "DCGAN"
            )

    @pytest.mark.parametrize(
        ("highest", "verdict"),
        [(1.10, HOLDS), (1.17, CANNOT_TELL), (1.22, CANNOT_TELL), (1.4, FAILS)],
    )
    def test_one_seed_near_the_bound_tells_nothing(self, highest, verdict):
        """From epoch to epoch it moves by half of the way from lowest to highest."""
        half = (1.05 + highest) / 2
        totals = [2.0, half, highest, half, 1.05, half, highest]
        columns = {"step": range(1, 8), "d_real": np.array(totals) - 0.5}
        made = Trained("30 epochs", history={**columns, "d_fake": [0.5] * 7})
        evidence = Evidence(Evaluation([], {}, np.ones(0), "f"), {"DCGAN": made})
        epochs = [(math.exp(0.5 - total), 1 - math.exp(-0.5)) for total in totals]
        runs = self.runs(DCGAN=epochs)
        assert runs["DCGAN"].loss == pytest.approx(totals)
        (claim,) = discriminator.check_joint_claims(evidence, runs, {})
        assert claim["verdict"] == verdict
        assert ("1 seed, and" in claim["evidence"]) == (verdict == CANNOT_TELL)

    def test_a_tenth_of_the_guessing_loss_is_the_bound(self):
        for share, kind in ((0.99, "GUESSES"), (1.01, "MOVES")):
            low = math.exp(-LN2 + share * 0.2 * LN2)  # of originals
            epochs = [(0.9, 0.1), (0.5, 0.5), (low, 0.5)]
            found = discriminator.read(trained(epochs))
            assert found.moved == pytest.approx(share * 0.2 * LN2)
            assert found.kind == getattr(discriminator, kind)

    def test_the_table_by_hand(self):
        made = discriminator.joint_table(self.runs(DCGAN=LEARNING))
        assert made.columns == [
            "", "Loss, first epoch", "last", "lowest from the second on", "highest",
            "log D(real)", "log D(restored)", "Right (%)", "Gradient norm", "Loss is",
        ]  # fmt: skip
        ours, guessing = made.rows
        assert ours == [
            "DCGAN", "1.386", "0.211", "0.211", "1.022", "−0.105", "−2.303", "90.0",
            "0.250", discriminator.MOVES,
        ]  # fmt: skip
        assert guessing[4:6] == ["1.386", "−0.693"]

    def test_sentences_name_the_runs_of_each_kind(self):
        runs = self.runs(a=GUESSING, b=WINNING, c=LEARNING, d=WINNING)
        guesses, below, moves = discriminator.joint_statements(runs)
        assert "Flat near 2 ln 2, the loss of guessing: a. " in guesses
        assert "Flat below 2 ln 2: b; d. " in below and "about 90% of" in below
        assert "Not flat: c. " in moves

    def test_that_it_is_flat_follows_from_the_rates(self):
        runs = self.runs(a=GUESSING, b=LEARNING, c=GUESSING, d=GUESSING[:2])
        slow, fast = (1e-3, 2e-5), (2e-4, 2e-4)
        rates = {"a": slow, "b": fast, "c": slow, "d": (1.0, 1.0)}
        (said,) = discriminator.rates_statements(runs, rates)
        assert said.startswith("Whether the discriminator's loss is flat, and where,")
        assert "at 0.001 and 2e-05 1.366 to 1.366, flat, near guessing" in said
        assert "at 0.0002 and 0.0002 0.211 to 1.022, not flat, right about 90%" in said
        # The same everywhere, or at one pair of rates alone.
        alike = self.runs(a=GUESSING, b=GUESSING)
        (said,) = discriminator.rates_statements(alike, rates)
        assert said.startswith("The rates that were tried leave")
        assert not discriminator.rates_statements(self.runs(a=GUESSING), rates)

    def test_curves_are_overlaid_with_what_guessing_gives(self):
        drawn = discriminator.joint_curves(self.runs(a=GUESSING, b=LEARNING))
        assert len({curve.slug for curve in drawn}) == 5
        for curve in drawn:
            assert [line.label for line in curve.series] == ["a", "b"]
        last = [curve.series[1].y[-1] for curve in drawn]
        expected = [-2 * math.log(0.9), math.log(0.9), math.log(0.1), 0.9, 0.25]
        assert last == pytest.approx(expected)
        lines = [[*curve.references.values()] for curve in drawn]
        assert lines == [[2 * LN2], [-LN2], [-LN2], [0.5], []]


class TestClaims:
    def checked(self, count=40, rows=None, trained=None, floors=(), **changed):
        """Claims of a CVAE, by their sentences; `rows` are {label: {key: mean}}."""
        rng = np.random.default_rng(0)
        means = {
            "raw/ssim": 0.7, "raw/ms_ssim_3": 0.9, "raw/mae": 0.05, "raw/mse": 0.004,
            "masked_input/ssim": 0.6, "masked_input/ms_ssim_3": 0.95,
            "masked_input/mae": 0.04, "masked_input/mse": 0.006,
            "masked_both/ssim": 0.8, "masked_both/ms_ssim_3": 0.96,
            "masked_both/mae": 0.035, "masked_both/mse": 0.005,
            "masked/ssim": 0.8, "masked/ms_ssim_3": 0.97, "masked/mae": 0.03,
            "masked/mse": 0.002,
        }  # fmt: skip
        values = {
            label: {k: v * rng.uniform(0.9, 1.1, count) for k, v in row.items()}
            for label, row in {"CVAE": means, **(rows or {})}.items()
        }
        values["CVAE"] |= changed
        values["CVAE"] = {k: v for k, v in values["CVAE"].items() if v is not None}
        names = [str(number) for number in range(count)]
        evaluation = Evaluation(names, values, np.ones(count), "")
        evidence = Evidence(evaluation, trained or {}, floors)
        return {c["claim"]: c for c in published.check_claims(evidence)}

    def test_what_masking_does_is_decided_where_all_readings_agree(self):
        found = self.checked()
        for claim, verdict in {
            "lowers the CVAE's 1−SSIM": CANNOT_TELL,  # not of masked inputs
            "lowers the CVAE's 1−MS-SSIM": HOLDS,
            "lowers the CVAE's MAE": HOLDS,
            "raises the CVAE's MSE": CANNOT_TELL,
            "lowers the DCGAN's 1−SSIM": UNKNOWN,
        }.items():
            assert found[f"Masking {claim}"]["verdict"] == verdict, claim
        said = found["Masking raises the CVAE's MSE"]["evidence"]
        assert "Cannot tell which of these the paper did" in said
        for reading in (
            "Input masked: holds", "Input and output masked: holds",
            "Output masked: does not hold",
        ):  # fmt: skip
            assert reading in said
        found = self.checked(**{"masked/mse": np.full(40, 0.009)})
        assert found["Masking raises the CVAE's MSE"]["verdict"] == HOLDS

    def test_only_images_with_a_face_are_paired(self):
        # Where no face was found the whole image does not count either.
        raw, masked = np.full(40, 0.05), np.full(40, 0.04)
        raw[:8], masked[:8] = 0.001, np.nan
        regions = ("masked_input", "masked_both", "masked")
        claim = "Masking lowers the CVAE's MAE"
        some = {f"{region}/mae": masked for region in regions}
        found = self.checked(**{"raw/mae": raw, **some})[claim]
        assert found["verdict"] == HOLDS
        assert found["evidence"].count("32 images") == 3
        assert "0.0500" in found["evidence"] and "0.0400" in found["evidence"]
        # Without masks nothing is said; with one reading of three it cannot be told.
        none = dict.fromkeys(some)
        assert self.checked(**none)[claim]["verdict"] == UNKNOWN
        output = {**none, "masked/mae": masked}
        assert self.checked(**output)[claim]["verdict"] == CANNOT_TELL

    def test_a_weight_of_one_collapses(self):
        history = {"step": (1, 2, 3), "val_raw/mae": (0.1, 0.1, 0.1)}

        def verdicts(mae, ours=0.1):
            rows = {
                "mean face": {"raw/mae": 0.2}, "DCGAN": {"raw/mae": ours},
                "DCGAN, reconstruction weight 1": {"raw/mae": mae},
            }  # fmt: skip
            whole = Trained("30 epochs", history=history)
            trained = dict.fromkeys([*rows][1:], whole)
            # A network that collapses is below every floor.
            found = self.checked(rows=rows, trained=trained, floors=["mean face"])
            return [
                claim["verdict"] for name, claim in found.items() if "factor 10" in name
            ]

        assert verdicts(0.4) == [HOLDS, HOLDS, HOLDS]
        assert verdicts(0.15) == [FAILS, HOLDS, HOLDS]
        assert verdicts(0.05) == [FAILS, FAILS, HOLDS]
        assert verdicts(0.4, ours=0.3) == [HOLDS, HOLDS, FAILS]
        missing = [c for name, c in self.checked().items() if "factor 10" in name]
        assert [claim["verdict"] for claim in missing] == [UNKNOWN] * 3

    def test_the_dcgans_quality_is_that_of_lpips(self):
        (name,) = (n for n in self.checked() if "vastly superior" in n)
        assert self.checked()[name]["verdict"] == UNKNOWN
        rows = {"DCGAN": {"raw/lpips": 0.3}}
        for lpips, verdict in ((0.5, HOLDS), (0.1, FAILS)):
            found = self.checked(rows=rows, **{"raw/lpips": np.full(40, lpips)})
            assert found[name]["verdict"] == verdict

    def test_the_printed_tables_contradict_two_claims(self):
        found = self.checked()
        (lower,) = (c for n, c in found.items() if "in all shared" in n)
        assert lower["verdict"] == FAILS
        assert "1−SSIM 0.307 = 0.307 (H9)" in lower["evidence"]
        assert "l_2 0.475 < 0.682 (H9)" in lower["evidence"]
        (higher,) = (c for n, c in found.items() if "higher compression" in n)
        assert higher["verdict"] == FAILS
        assert "24:1" in higher["evidence"] and "96:1" in higher["evidence"]

    def test_future_work_without_a_run_was_not_measured(self):
        found = {n: c for n, c in self.checked().items() if n.startswith("Future work")}
        assert len(found) == 5
        assert {claim["verdict"] for claim in found.values()} == {UNKNOWN}
        rows = {"CVAE, ms_ssim": {"raw/ms_ssim_3": 1.3}}
        changed = self.checked(rows=rows)
        (claim,) = (c for n, c in changed.items() if "ms_ssim as the loss" in n)
        assert claim["verdict"] == HOLDS
        (raw,) = (c for n, c in changed.items() if "raw images" in n)
        assert raw["verdict"] == UNKNOWN and "lossless release" in raw["evidence"]


def test_what_the_published_table_leaves_open_is_not_made_up():
    note = published.PUBLISHED[0].note
    assert "not stated" in note and "cannot" not in note


def test_figure_3_has_the_whole_loss_of_each_auto_encoder():
    both = {"g_reconstruction": 0.5, "g_adversarial": 0.7, "d_real": 9.0}
    histories = {
        "CVAE": [{"epoch": 0}, {"epoch": 1, "reconstruction": 0.3, "kl": 0.1}],
        "DCGAN": [{"epoch": 0}, {"epoch": 1, **both}],
        "cut": [{"epoch": 0}],
    }
    left, right = report.figure_3(histories)
    (line,) = left.series
    assert (line.label, line.x, line.y) == ("CVAE", [1], [pytest.approx(0.4)])
    (line,) = right.series
    assert (line.label, line.y) == ("DCGAN", [pytest.approx(1.2)])
    assert left.slug != right.slug and "Fig. 3" in left.title


def chart(slug, title, **lines):
    series = [
        {"label": label, "x": x, "y": y, "low": None, "high": None, "ours": False}
        for label, (x, y) in lines.items()
    ]
    return {
        "slug": slug, "title": title, "x_label": "bytes a file", "y_label": "dB",
        "series": series, "references": {}, "markers": True, "whole_x": False,
        "note": "Means.", "alt": title,
    }  # fmt: skip


class TestFilesOfSeveralRuns:
    def charts(self, ours=(20.0, 24.0), jpeg=(18.0, 30.0)):
        lines = {"ours": ([20.0, 40.0], ours), "JPEG": ([30.0, 90.0], jpeg)}
        found = {"curves": [chart("rate-psnr_db", "PSNR over bytes a file", **lines)]}
        return coded_latents.read_reports({"A": found, "B": found, "C": found})

    def test_a_line_for_each_other_codec_and_each_format_once(self):
        (drawn,) = coded_latents.joint_curves(self.charts(), ["A", "C"])
        assert [line.label for line in drawn.series] == ["A", "C", "JPEG"]
        assert [line.ours for line in drawn.series] == [True, False, False]
        assert "one is drawn" in drawn.note and "A, C, JPEG" in drawn.alt
        (drawn,) = coded_latents.joint_curves(self.charts(), ["A", "B", "C"])
        assert drawn.note == "Means."

    def test_points_are_counted(self):
        for ours, said in (
            ((18.0, 30.0), "6 take fewer bytes than JPEG of equal PSNR."),
            ((20.0, 18.5), "3 take fewer bytes than JPEG of equal PSNR, 3 take as"),
            ((10.0, 31.0), "3 are worse than every JPEG, 3 are better than every"),
        ):
            (sentence,) = coded_latents.joint_statements(self.charts(ours=ours))
            assert sentence.startswith(f"PSNR: of our 6 points {said}")


def test_short_runs_are_cut_if_others_are_not():
    def run(label, epochs, weight):
        config = {"epochs": epochs, "adversarial_weight": weight}
        return types.SimpleNamespace(label=label, config=config)

    short = [run("a", 9, 0.0), run("b", 29, 1.0)]
    whole = [run("c", 10, 0.0), run("d", 30, 1.0), run("e", 140, 0.0)]
    assert report._cut([*short, *whole]) == {"a", "b"}
    assert report._cut(short) == report._cut(whole) == set()


# Whole runs: a DCGAN whose faces are not looked for, and a CVAE whose are.
CVAE = {
    "adversarial_weight": 0.0, "generator": "cvae", "beta_1": 0.9,
    "reconstruction_weight": 1.0, "face_masks": "own",
}  # fmt: skip
# Together; alone a run has its length in its name.
LABELS = [f"{name}, 16 latents, 32 px" for name in ("CVAE", "DCGAN")]
ALONE = f"{LABELS[0]}, 2 epochs"
LINEAR = "eigenfaces, 16"
TABLE_1, EQUAL = "Table 1, measured and published", "Bytes a file at equal PSNR"


@pytest.fixture(scope="module")
def runs(smoke_run):
    return smoke_run(SYSTEM.name, **CVAE), smoke_run(SYSTEM.name)


@pytest.fixture(scope="module")
def folders(runs):
    return [run.folder.path for run in runs]


def test_rows_of_a_run_are_of_what_its_network_makes(runs):
    run, name = runs[0], ALONE
    values = Evaluation.load(run.folder.report / "evaluation.npz").values
    rows = {name, "mean face", "JPEG quality 85", LINEAR}
    assert {row for row in values if "masked/ssim" in values[row]} == rows
    assert {row for row in values if "face/mae" in values[row]} == rows
    # The mean face is the same whatever it is given.
    given = rows - {"mean face"}
    for region in ("masked_input", "masked_both"):
        assert {row for row in values if f"{region}/mse" in values[row]} == given
    files = {f"{row}, {bits} bits" for bits in (4, 6, 8) for row in (name, LINEAR)}
    assert {row for row in values if BITS in values[row]} == rows | files
    # 16 numbers of 32 bits.
    np.testing.assert_array_equal(values[name][BITS], 32 * 16 / SIZE**2)
    assert not values["mean face"][BITS].any()
    split = run.data.test
    error = np.abs(run.data.mean_image() - unit(split.images)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(values["mean face"]["raw/mae"], error, rtol=1e-4)
    mask, target = split.fields["face_mask"][0], unit(split.images[:1])
    assert 0 < mask.sum() < mask.size
    restored = run.network({"image": target, "key": np.zeros([1, 2], np.int32)})
    error = np.abs(restored["image"] - target)[0] * mask
    masked, face = (values[name][f"{region}/mae"][0] for region in ("masked", "face"))
    assert masked == pytest.approx(error.mean(), rel=1e-3)
    assert face == pytest.approx(error.sum() / mask.sum() / 3, rel=1e-3)
    black = target * mask
    restored = run.network({"image": black, "key": np.zeros([1, 2], np.int32)})
    error = np.abs(restored["image"] - black)[0]
    given, both = (
        values[name][f"{region}/mae"][0] for region in ("masked_input", "masked_both")
    )
    assert given == pytest.approx(error.mean(), rel=1e-3)
    assert both == pytest.approx((error * mask).mean(), rel=1e-3)


def test_eigenfaces_of_the_training_images_are_a_floor_everywhere(runs):
    assert SYSTEM.floors == ("mean face", "eigenfaces, 512")
    for run in runs:
        found = tiny_papers.results(run.folder)
        assert LINEAR in found["summary"]
        fitted = Eigenfaces.fit(run.data.train, 16)
        split = run.data.test
        target = unit(split.images)
        error = np.abs(fitted({"image": target}) - target).mean()
        entry = found["summary"][LINEAR]
        assert entry["raw/mae"]["mean"] == pytest.approx(error, rel=1e-4)
        assert entry["file/bytes"]["mean"] == 64
        (table,) = (t for t in found["tables"] if t["key"] == "table_1")
        assert LINEAR in [row[0] for row in table["rows"]]
        (equal, *_) = (t for t in found["tables"] if t["caption"] == EQUAL)
        assert "eigenfaces (bytes)" in equal["columns"]


def test_what_was_measured_is_said(runs):
    masked, plain = (tiny_papers.results(run.folder) for run in runs)
    for key in masked["summary"]["mean face"]:
        seen = key.startswith(("masked/", "face/"))
        assert (key in plain["summary"]["mean face"]) != seen
    page = (runs[0].folder.report / "report.html").read_text()
    for text in ("Masked", "Face", f"{ALONE}, 4 bits", "published: DCGAN + mask"):
        assert text in page
    said = " ".join(plain["statements"])
    for text in ("floats take 64.", "Smallest files", "The discriminator's loss"):
        assert text in said
    found = {"description": "by hand", "images": 6, "without_face": 1}
    assert report._masks(found).startswith("Masks: by hand. 1 of 6 test images have")
    # Only a discriminator is watched.
    last = [tiny_papers.history(run.folder)[-1] for run in runs]
    assert ["watched_accuracy" in row for row in last] == [False, True]


@pytest.fixture(scope="module")
def gathered(folders, tmp_path_factory):
    """Results of both runs, and the folder of their pictures."""
    pictures = tmp_path_factory.mktemp("pictures")
    return reproduce.gather(SYSTEM, folders, pictures), pictures


@pytest.fixture
def results(gathered):
    """A copy of the results of both runs."""
    return json.loads(json.dumps(gathered[0]))


def more_rows(page):
    """The part of a page that is closed at first."""
    return page.split("More rows of this table</summary>")[1].split("</details>")[0]


class TestTogether:
    def test_one_table_1_has_every_run(self, results):
        table = results["sets"][0]["together"]["tables"][0]
        assert table["caption"] == TABLE_1
        names = [row[0] for row in table["rows"]]
        assert [names[0], names[4]] == LABELS and names[3].endswith("mask (output)")
        for name in ("JPEG quality 85", "mean face", LINEAR):
            assert names.count(name) == 1
        assert not [name for name in names if "bits" in name or "bicubic" in name]

    def test_tables_that_name_runs_are_one_and_no_run_has_them_as_well(self, results):
        found = results["sets"][0]
        tables = {table["caption"]: table for table in found["together"]["tables"]}
        bits = [f"{label}, {n} bits" for label in LABELS for n in (4, 6, 8)]
        assert [row[0] for row in tables[EQUAL]["rows"]] == bits
        assert tables[EQUAL]["kinds"] == ["ours"] * 6
        (settings,) = (table for name, table in tables.items() if "setting by" in name)
        names = [row[0] for row in settings["rows"]]
        assert names[:6] == bits and len(names) == len(set(names)) > 6
        assert not [table for run in found["runs"] for table in run["tables"]]

    def test_the_readme_has_runs_and_jpeg_with_their_bytes(self, results):
        shown = results_text.main_table(SYSTEM, results["sets"][0])
        header, _, *rows = [line for line in shown.splitlines() if line[:1] == "|"]
        assert "File bytes ↓" in header and "64 [64, 64] |" in rows[0].replace("*", "")
        ours = [f"**{label}** (ours)" for label in LABELS]
        names = [row.split("|")[1].strip() for row in rows]
        assert names == [*ours, LINEAR, "JPEG quality 85", "mean face"]
        note = f"Files of {LABELS[0]}, in bytes at bits a latent: "
        assert re.search(rf"{note}\d+ at 4, \d+ at 6, \d+ at 8\.", shown)

    def test_the_page_has_everything_once(self, results, gathered):
        page = results_text.render(results)
        ours = [f"**{label}, 4 bits** (ours)" for label in LABELS]
        for name in ("bicubic 2×", f"{LINEAR}, 4 bits", *ours):
            assert f"\n| {name} |" in more_rows(page)
        masks = "- Masks: the data set's own face masks. Every test image has one."
        flat = "The discriminator's loss. Of fewer than three epochs"
        for text in (f"**{TABLE_1}**", f"**{EQUAL}**", masks, flat):
            assert page.count(text) == 1, text
        assert f"{discriminator.CLAIM} | not measured |" in page
        files = results["sets"][0]["together"]["pictures"]
        assert len(files) == 9 and files[0]["file"] == "cvae_dcgan_rate-psnr-db.png"
        assert files[0]["alt"].endswith(
            f"of {', '.join(LABELS)}, JPEG, WebP, eigenfaces."
        )
        for picture in files:
            assert f"](../docs/pictures/{picture['file']})" in page
            assert (gathered[1] / picture["file"]).exists()
        # Long tables but the first are closed.
        assert "<details><summary>Files of 32×32 pixels, setting by setting" in page

    def test_runs_that_are_cut_short_stand_below_the_others(self, results):
        results["sets"][0]["together"]["folded"].append(LABELS[1])
        row, made = f"\n| **{LABELS[1]}** (ours) |", f"\n- {LABELS[1]}: Drawn faces"
        shown = results_text.main_table(SYSTEM, results["sets"][0])
        assert row not in shown and made not in shown
        assert f"\n- {LABELS[0]}: Drawn faces" in shown
        page = results_text.render(results)
        assert row in more_rows(page) and made in more_rows(page)
        assert page.count(row) == page.count(made) == 1

    def test_a_report_of_both_runs_has_it_too(self, folders, tmp_path):
        page = compare.compare(SYSTEM, folders, str(tmp_path))
        found = json.loads((page.parent / "results.json").read_text())
        captions = [table["caption"] for table in found["tables"]]
        assert captions[:2] == [TABLE_1, "The discriminator in training"]
        floors = [LINEAR, "JPEG quality 85", "mean face"]
        assert list(found["summary"]) == [*LABELS, *floors]
        said = found["statements"]
        assert any(text.startswith("PSNR: of our 6 points") for text in said)
        assert said[-1].startswith("Bytes: of networks the latents")
        assert discriminator.CLAIM in [claim["claim"] for claim in found["claims"]]
        assert (page.parent / "plots" / "discriminator-log-restored.png").exists()
