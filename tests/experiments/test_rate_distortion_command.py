"""Codecs of several runs beside image formats: what is measured, said and refused."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_codec
import tiny_papers

from data_pipeline import pixels
from evaluation.codecs import image_formats, rate_distortion, report, round_trips
from evaluation.codecs.rate_distortion import OURS, Comparison
from evaluation.codecs.round_trips import BITS
from evaluation.record import Evaluation
from experiments import rate_distortion as command
from experiments.core import command_line
from experiments.core.data import RunData
from experiments.portrait_autoencoder.config import PRESETS, Config

IMAGES, SIZE = 5, 32
FORMATS = image_formats.available()


def write_run(path, **options):
    """A run folder as training leaves it, but for what the export holds."""
    (path / "export" / "1").mkdir(parents=True)
    config = command_line.make(Config, PRESETS, "smoke", **{"limit": IMAGES, **options})
    record = {
        "paper": "portrait_autoencoder",
        "preset": "smoke",
        "config": {**dataclasses.asdict(config), "workdir": str(path)},
        "environment": {"commit": "abc", "hardware": "a machine", "versions": {}},
    }
    (path / "config.json").write_text(json.dumps(record))
    return path


@pytest.fixture(scope="module")
def exported():
    """Run folder's name -> the codec that its export would be."""
    fine, rough = tiny_codec.build(0), tiny_codec.build(1)
    return {"fine": fine, "rough": rough, "copy": fine}


@pytest.fixture(scope="module", autouse=True)
def quick(exported):
    """Few bootstrap draws, and exports that are looked up instead of loaded."""
    with pytest.MonkeyPatch.context() as patch:
        tiny_papers.draw_little(patch)
        patch.setattr(
            command, "load_image_codec", lambda folder: exported[folder.parts[-3]]
        )
        yield


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The output of a comparison of two runs, and the images it is about."""
    root = tmp_path_factory.mktemp("compared")
    runs = [write_run(root / "fine", lmbda=0.1), write_run(root / "rough", lmbda=0.01)]
    page = command.compare(runs, str(root / "output"))
    assert page == root / "output" / "report" / "report.html"
    config = command_line.make(Config, PRESETS, "smoke", limit=IMAGES)
    return root / "output", RunData(config).test


LABELS = {"fine": "λ = 0.1, N = 8", "rough": "λ = 0.01, N = 8"}


class TestWritten:
    def test_every_codec_is_measured_at_every_setting(self, compared, exported):
        output, split = compared
        evaluation = Evaluation.load(output / "report" / "evaluation.npz")
        values = evaluation.values
        swept = [f"{n}, quality {q}" for n in FORMATS for q in FORMATS[n].qualities]
        assert list(values) == [*LABELS.values(), *swept]
        keys = {BITS, "file/psnr_db", "file/ms_ssim_5w"}
        assert all(set(found) == keys for found in values.values())
        codecs = {LABELS["fine"]: exported["fine"]}
        codecs["JPEG, quality 30"] = FORMATS["JPEG"].at(30)
        for name, codec in codecs.items():
            data = codec.compress(split.images[3])
            assert values[name][BITS][3] == 8 * len(data) / SIZE**2
            error = (split.images[3] / 255.0 - codec.decompress(data) / 255.0) ** 2
            expected = pytest.approx(-10 * np.log10(np.mean(error)), abs=1e-3)
            assert values[name]["file/psnr_db"][3] == expected
        assert evaluation.names == split.names

    def test_the_data_has_all_that_the_report_shows(self, compared):
        text = (compared[0] / "rate_distortion.json").read_text()
        found = json.loads(text, parse_constant=pytest.fail)
        assert found["paper"] == "portrait_autoencoder"
        assert found["test_images"] == IMAGES and found["image_size"] == SIZE
        assert set(found["points"]) == {OURS, *FORMATS}
        for name, form in FORMATS.items():
            assert len(found["points"][name]) == len(form.qualities)
            assert image_formats.versions()[name] in found["formats"][name]
        for points in found["points"].values():
            rates = [point[BITS]["mean"] for point in points]
            assert rates == sorted(rates)
        for key in ("file/psnr_db", "file/ms_ssim_5w"):
            assert set(found["bd_rate_percent"][key]) == set(FORMATS)
        assert {run["label"] for run in found["runs"]} == set(LABELS.values())
        assert found["runs"][0]["flags"].startswith("--preset=smoke")
        assert str(compared[0].parent) not in text  # where somebody keeps files

    def test_the_report_has_curves_tables_and_faces(self, compared):
        output, split = compared
        results = json.loads((output / "report" / "results.json").read_text())
        curves = {curve["slug"]: curve for curve in results["curves"]}
        # MS-SSIM is another one than what is published of other pictures.
        ours = ("rate-psnr_db", "rate-ms_ssim_5w")
        assert set(curves) == {*ours, "published-rate-psnr_db"}
        for curve in map(curves.get, ours):
            lines = {line["label"]: line["ours"] for line in curve["series"]}
            assert lines == {OURS: True, **dict.fromkeys(FORMATS, False)}
        assert set(results["summary"]) == set(LABELS.values())
        keys = [table["key"] for table in results["tables"]]
        equal = ["bytes_at_equal_quality"] * 2
        assert keys == ["bd_rate", *equal, "codec_settings"]
        settings = sum(len(form.qualities) for form in FORMATS.values())
        assert len(results["tables"][-1]["rows"]) == 2 + settings
        ((_, rows),) = results["pictures"].items()
        for row in rows:
            original, *labels = row["files"]
            assert original == "Original" and labels[0].startswith(f"{OURS}, λ = 0.")
            assert len(labels) == 1 + len(FORMATS)
            for name, label in zip(FORMATS, labels[1:]):
                assert label.startswith(f"{name} ")
            assert all(label.endswith(" bytes") for label in labels)
            image = pixels.read(output / "report" / row["files"][original])
            index = split.names.index(row["name"])
            np.testing.assert_array_equal(image, split.images[index])


RECORD = {"paper": "cvae_dcgan", "preset": "", "config": {}, "environment": 0}


class TestRuns:
    def test_equal_settings_are_told_apart_by_their_folders(self, tmp_path):
        runs = [write_run(tmp_path / name) for name in ("fine", "copy")]
        labels = [run.label for run in command.read(runs)]
        assert labels == [f"λ = 0.01, N = 8 ({name})" for name in ("fine", "copy")]
        with pytest.raises(ValueError, match="--runs names 2 folders that are both"):
            command.read([runs[0], runs[0]])

    def test_a_limit_is_the_smaller_one(self, tmp_path):
        run = write_run(tmp_path / "fine", limit=4)
        for limit, images in ((0, 4), (3, 3), (9, 4)):
            found = command.read([run], limit=limit)
            assert len(command.test_split(found)) == images

    def test_runs_must_have_the_same_test_images(self, tmp_path):
        run = write_run(tmp_path / "fine", lmbda=0.1)
        moved = write_run(tmp_path / "rough", lmbda=0.01, data_dir="elsewhere")
        assert len(command.test_split(command.read([run, moved]))) == IMAGES
        (whole,) = command.test_split(command.read([run]), 48).images[:1]
        assert whole.shape == (48, 48, 3)
        found = command.read([run, moved], data_dir="here")
        assert [each.config.data_dir for each in found] == ["here"] * 2
        other = write_run(tmp_path / "copy", seed=1)
        said = "copy and .*fine have other test images: --seed is 1 and 0. Compare"
        with pytest.raises(ValueError, match=said):
            command.test_split(command.read([run, other]))

    def test_no_run_and_no_export_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="is not a run folder: it has no"):
            command.read([tmp_path / "none"])
        assert not (tmp_path / "none").exists()
        run = write_run(tmp_path / "fine")
        (run / "export" / "1").rmdir()
        with pytest.raises(FileNotFoundError, match="fine has no export; run it with"):
            command.read([run])
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="--output=.* must be a folder"):
            command.compare([tmp_path / "none"], str(tmp_path / "file"))

    @pytest.mark.parametrize(
        ("record", "said"),
        [
            ([], "config.json is damaged"),
            ({"paper": "portrait_autoencoder"}, "config.json is damaged"),
            ({**RECORD, "paper": "other"}, "a run of other; papers are cvae_dcgan, "),
            (RECORD, "fine is a run of portrait_autoencoder and .* one of cvae_dcgan"),
        ],
    )
    def test_what_is_no_run_of_the_paper_is_refused(self, tmp_path, record, said):
        runs = [write_run(tmp_path / name) for name in ("fine", "rough")]
        (runs[1] / "config.json").write_text(json.dumps(record))
        with pytest.raises(ValueError, match=said):
            command.read(runs)


RATES, QUALITIES = np.array([0.2, 0.4, 0.8, 1.6]), np.array([25.0, 29.0, 33.0, 37.0])
CURVE, TWICE = (RATES, QUALITIES), (2 * RATES, QUALITIES)


def comparison(ours, images=40, **formats):
    """A comparison of codecs given as (rates, PSNRs), which vary over images."""
    generator = np.random.default_rng(0)
    size, ease = generator.uniform(0.5, 2, images), generator.normal(0, 1, images)
    size /= size.mean()
    ease -= ease.mean()
    values, settings = {}, {}
    for codec, points in {OURS: ours, **formats}.items():
        settings[codec] = [f"{codec} {i}" for i in range(len(points[0]))]
        for name, rate, quality in zip(settings[codec], *points):
            psnr = quality + ease
            values[name] = {BITS: rate * size, round_trips.PSNR: psnr}
            values[name]["file/ms_ssim"] = 1 - 10 ** (-psnr / 20)
    names = [f"image {i}" for i in range(images)]
    evaluation = Evaluation(names, values, np.ones(images), "0" * 16)
    return Comparison(evaluation, settings, 192)


class TestSaid:
    def test_who_takes_fewer_bytes(self):
        none = "[+0.0, +0.0]%, over 25.0 to 37.0 dB. JPEG takes fewer bytes at none"
        for theirs, said in (
            (TWICE, "PSNR ours takes 50.0 [50.0, 50.0]% fewer bytes than JPEG, over"),
            ((RATES / 2, QUALITIES), "100.0 [100.0, 100.0]% more bytes than JPEG, "),
            ((RATES / 2, QUALITIES), "JPEG takes fewer bytes at all of our 4 points."),
            (CURVE, f"about as many bytes as JPEG: BD-rate +0.0 {none} of our 4"),
            (([9, 10], [50, 51]), "ours and JPEG share no range, so there is no BD-"),
            (([9, 10], [50, 51]), "JPEG has the quality of none of our 4 points."),
            (
                ([0.6, 0.7, 0.8], [29, 33, 37]),
                "at 2 of the 3 of our 4 points whose quality it has: ours 2; ours 3.",
            ),
        ):
            assert said in report.statements(comparison(CURVE, JPEG=theirs))[0]

    def test_few_images_and_one_run_are_too_few_to_say(self):
        for statement in report.statements(comparison(CURVE, 8, JPEG=TWICE))[:-1]:
            assert "8 images are too few to say" in statement
            assert "fewer bytes than" not in statement
        found = comparison((RATES[1:2], QUALITIES[1:2]), JPEG=TWICE)
        assert report.span(found) == "Ours is one point, at 0.400 bits per pixel."
        assert report.statements(found)[0] == (
            "PSNR: one run is no curve, so there is no BD-rate. JPEG takes fewer "
            "bytes at none of our 1 point."
        )

    def test_there_is_a_sentence_for_each_quality_and_format(self):
        found = comparison(CURVE, JPEG=CURVE, WebP=CURVE)
        assert report.span(found) == (
            "Our 4 points take 0.200 to 1.600 bits per pixel, a factor of 8.0."
        )
        *said, last = report.statements(found)
        assert last.endswith("at any quality: ours 922, JPEG 922, WebP 922.")
        about = ("PSNR", "JPEG"), ("PSNR", "WebP"), ("MS-SSIM", "JPEG")
        for sentence, (quality, form) in zip(said, (*about, ("MS-SSIM", "WebP"))):
            assert f"equal {quality} ours" in sentence and form in sentence
        assert len(said) == 4

    def test_tables_by_hand(self):
        found = comparison(CURVE, JPEG=([0.8, 3.2], [27, 35]))
        rows = found.at_our_quality(round_trips.PSNR)
        assert [row["setting"] for row in rows] == [f"{OURS} {i}" for i in range(4)]
        np.testing.assert_allclose([r[OURS] for r in rows], RATES * 192**2 / 8)
        jpeg = np.array([np.nan, 0.8 * 2**0.5, 0.8 * 2**1.5, np.nan]) * 192**2 / 8
        np.testing.assert_allclose([r["JPEG"] for r in rows], jpeg)
        table = report.equal_quality_table(found, round_trips.PSNR)
        assert [row[-1] for row in table.rows] == ["–", "5,213", "10,427", "–"]
        found = comparison(CURVE, JPEG=TWICE, AVIF=([9, 10], [50, 51]))
        saved = "−50.0 [−50.0, −50.0]"
        assert report.bd_table(found).rows == [
            ["JPEG", saved, "25.0 to 37.0", saved, "12.5 to 18.5"],
            ["AVIF", "–", "–", "–", "–"],
        ]

    def test_curves_are_in_decibels_with_intervals(self):
        found = comparison((RATES[::-1], QUALITIES[::-1]), JPEG=TWICE)
        for key in found.keys:
            ours, jpeg = rate_distortion.chart(found, key).series
            np.testing.assert_allclose(ours.x, RATES)
            np.testing.assert_allclose(jpeg.x, 2 * RATES)
            expected = found.curve(OURS, key)
            np.testing.assert_allclose(ours.y, expected.qualities)
            assert np.all(np.less(ours.low, ours.y) & np.less(ours.y, ours.high))

    def test_the_point_shown_is_the_smallest_that_formats_reach(self):
        for smallest, setting in ((0.1, 0), (0.2, 0), (0.5, 2), (9.0, 3)):
            jpeg = smallest * np.array([1, 2, 4, 8]), QUALITIES
            found = comparison(CURVE, WebP=(RATES / 9, QUALITIES), JPEG=jpeg)
            assert report.low_rate_setting(found) == f"{OURS} {setting}"

    @pytest.mark.parametrize("images", [1, 3, 41])
    def test_faces_shown_are_those_in_the_middle(self, images):
        found = comparison(CURVE, images, JPEG=CURVE)
        chosen = report.typical(found, f"{OURS} 0")
        assert len(set(chosen)) == len(chosen) == min(images, 4)
        values = found.evaluation.values[f"{OURS} 0"]["file/ms_ssim"]
        below = (values < values[chosen].min()).sum()
        above = (values > values[chosen].max()).sum()
        assert abs(below - above) <= 1
