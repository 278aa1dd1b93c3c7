"""The run folder: what it records, and what may be resumed in it."""

import dataclasses
import json
import os
import platform
import re

import pytest

from experiments.core import environment
from experiments.core.data import RunData
from experiments.core.folder import FINGERPRINT, RunFolder, set_aside
from experiments.cvae_dcgan import config as cvae_dcgan
from experiments.skip_inpainting.config import Config
from serving.export import saved_model

PAPER = "skip_inpainting"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Git and hardware are asked for in their own tests."""
    monkeypatch.setattr(environment, "commit", lambda: "0123456789ab")
    monkeypatch.setattr(environment, "hardware", lambda: "2 CPU cores")


def train(folder):
    """Leaves a checkpoint, as training does."""
    path = folder.checkpoints / "last" / "ckpt-1.index"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def written(folder):
    return json.loads((folder.path / "config.json").read_text())


def resolved(config):
    """Its values as JSON has them."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def test_the_home_folder_may_be_abbreviated(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunFolder("~/run").path == tmp_path / "run"


def test_a_start_puts_back_an_export_that_was_moved_aside(
    tmp_path, monkeypatch, capsys
):
    folder = RunFolder(tmp_path / "run")
    folder.export.mkdir(parents=True)
    (folder.export / "saved_model.pb").write_text("old")

    class Model:
        weights = ()

        def save(self, path, **options):
            path.mkdir(parents=True)
            (path / "saved_model.pb").write_text("new")

    def replace(source, target, original=os.replace):
        if target == folder.export:
            raise KeyboardInterrupt
        original(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(saved_model.os, "replace", replace)
        patch.setattr(saved_model, "recover", lambda folder: None)  # it was killed
        saved_model.write(Model(), folder.export)
    assert not folder.export.exists()
    assert "is back" not in capsys.readouterr().err

    again = RunFolder(tmp_path / "run")
    assert (again.export / "saved_model.pb").read_text() == "old"
    assert f"{again.export} is back" in capsys.readouterr().err
    assert [path.name for path in again.path.iterdir()] == ["export"]
    RunFolder(tmp_path / "run")
    assert capsys.readouterr().err == ""


def test_the_record_holds_every_resolved_value_and_the_environment(tmp_path):
    config = Config(epochs=3, widths=(8, 16), image_size=32, hole_size=16)
    folder = RunFolder(tmp_path)
    record = folder.record(PAPER, "paper", config)
    assert record == written(folder)
    assert (record["paper"], record["preset"]) == (PAPER, "paper")
    assert record["config"] == resolved(config)
    assert record["config"]["widths"] == [8, 16] and record["config"]["seed"] == 0
    made_in = record["environment"]
    assert made_in["commit"] == "0123456789ab"
    assert made_in["hardware"] == "2 CPU cores"
    assert made_in["python"] == platform.python_version()
    versions = made_in["versions"]
    assert {"tensorflow", "tensorflow-addons", "numpy"} <= versions.keys()
    assert all(re.match(r"\d+\.\d+", version) for version in versions.values())


class TestResuming:
    @pytest.fixture
    def trained(self, tmp_path):
        folder = RunFolder(tmp_path / "run")
        folder.record(PAPER, "paper", Config())
        train(folder)
        return folder

    def test_a_field_newer_than_the_run_had_its_default(self, trained):
        before = written(trained)
        del before["config"]["seed"]
        (trained.path / "config.json").write_text(json.dumps(before))
        with pytest.raises(ValueError, match="seed was 0 and is now 1"):
            trained.record(PAPER, "paper", Config(seed=1))
        assert trained.record(PAPER, "paper", Config())["config"]["seed"] == 0

    @pytest.mark.parametrize(
        "changes, text",
        [
            ({"learning_rate": 1e-3}, "learning_rate was 0.0002 and is now 0.001"),
            ({"widths": (8, 16)}, "widths was [64, 64, 128, 256, 512] and is now [8,"),
            ({"dataset": "lfw"}, "dataset was 'faces' and is now 'lfw'"),
            ({"train_mask": "center"}, "train_mask was 'random_square' and is now"),
            ({"hole_ratio": (0.2, 0.3)}, "hole_ratio was [0.1, 0.4] and is now [0.2"),
            ({"seed": 1, "crop": "none", "batch_size": 4}, "batch_size was 64"),
        ],
    )
    def test_other_settings_are_an_error_that_names_them(self, trained, changes, text):
        before = written(trained)
        with pytest.raises(ValueError, match=re.escape(text)) as caught:
            trained.record(PAPER, "paper", Config(**changes))
        message = str(caught.value)
        assert message.startswith(f"{trained.path} holds a run with other settings: ")
        assert "another --workdir" in message
        assert written(trained) == before

    @pytest.mark.parametrize(
        "changes", [{"hole_ratio": (0.2, 0.3)}, {"missing_is_black": True}]
    )
    @pytest.mark.parametrize("stages", [("evaluate",), ("evaluate", "export")])
    def test_without_training_the_holes_of_the_test_may_change(
        self, trained, changes, stages
    ):
        before = written(trained)["config"]
        config = Config(stages=stages, **changes)
        record = trained.record(PAPER, "paper", config)
        assert record["config"] == resolved(config)
        # What was trained with stays, so that training may go on.
        assert written(trained)["config"] == {**before, "stages": [*stages]}
        assert trained.trained_with() == written(trained)["config"]
        trained.record(PAPER, "paper", Config())
        for refused in (Config(**changes), Config(stages=stages, learning_rate=1e-3)):
            with pytest.raises(ValueError, match="was .* and is now"):
                trained.record(PAPER, "paper", refused)

    def test_what_only_measures_does_not_say_how_long_it_was_trained(self, tmp_path):
        folder = RunFolder(tmp_path)
        folder.record(PAPER, "paper", Config(epochs=5))
        measures = Config(stages=("evaluate",))
        assert folder.with_length(measures) == measures  # nothing has been trained
        train(folder)
        measured = folder.with_length(measures)
        assert measured == Config(stages=("evaluate",), epochs=5)
        assert folder.record(PAPER, "paper", measured)["config"]["epochs"] == 5
        assert folder.with_length(Config(epochs=7)).epochs == 7

    def test_the_first_save_cut_off_is_no_beginning(self, tmp_path):
        folder = RunFolder(tmp_path)
        path = folder.checkpoints / "last" / "ckpt-1.data-00000-of-00001"
        path.parent.mkdir(parents=True)
        path.touch()
        assert not folder.has_begun  # --initial counts
        train(folder)
        assert folder.has_begun

    def test_images_that_are_split_anew_are_refused(self, tmp_path):
        def digests(count, seed=0):
            config = Config(
                dataset="folder", data_dir=str(tmp_path / "faces"), seed=seed
            )
            for number in range(count):
                path = tmp_path / "faces" / f"{number:03}.png"
                path.parent.mkdir(exist_ok=True)
                path.touch()
            return RunData(config).digests()

        folder = RunFolder(tmp_path / "run")
        folder.check_images(digests(19))  # nothing has been learned yet
        first = digests(20)
        folder.check_images(first)
        train(folder)
        folder.check_images(digests(20))
        with pytest.raises(ValueError, match="begun with other images: some were add"):
            folder.check_images(digests(21))
        # Of a run of an earlier version nothing is known.
        older = RunFolder(tmp_path / "older")
        train(older)
        older.check_images(first)
        older.check_images(digests(22))
        assert RunData(Config()).digests() == {}  # drawn

    @pytest.mark.parametrize(
        "damaged, text",
        [
            (lambda text: text[:-40], r"damaged \((Expecting|Unterminated)"),
            (lambda text: "", "damaged"),
            (lambda text: "\0" * 99, "damaged"),
            (lambda text: "[]", "damaged .*it has no "),
            (lambda text: '{"paper": 1, "config": 2, "environment": 3}', "no flags"),
            (lambda text: None, "missing"),
        ],
        ids=["cut", "empty", "zeroed", "list", "other", "gone"],
    )
    @pytest.mark.parametrize("exported", [False, True])
    def test_nothing_goes_on_without_a_whole_record(
        self, trained, damaged, text, exported
    ):
        path = trained.path / "config.json"
        before = path.read_text()
        after = damaged(before)
        path.unlink() if after is None else path.write_text(after)
        way = "Put a copy back, or pass another --workdir"
        copy = trained.export / "assets.extra" / "config.json"
        if exported:
            copy.parent.mkdir(parents=True)
            copy.write_text(before)
            way = f"Put {copy} in its place, or pass another --workdir"
        message = f"{re.escape(str(path))} is .*{text}.*{re.escape(way)}"
        for use in (
            lambda: trained.record(PAPER, "paper", Config()),
            trained.trained_with,
        ):
            with pytest.raises(ValueError, match=f"(?s){message}"):
                use()
        assert (path.read_text() if path.exists() else None) == after
        if exported:
            path.write_text(copy.read_text())
            trained.record(PAPER, "paper", Config())

    def test_another_paper_is_an_error(self, trained):
        with pytest.raises(ValueError, match="it is a run of skip_inpainting"):
            trained.record("pyramid_cgan", "paper", Config())

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"epochs": 80, "stages": ("evaluate",)},
            {"data_dir": "elsewhere", "cache_dir": "there", "workdir": "moved"},
            {"test_mask": "free_form", "checkpoint": "best", "checkpoint_steps": 10},
            {"lpips_weights": "weights.npz", "groups": "groups.csv"},
        ],
        ids=lambda changes: "-".join(changes),
    )
    def test_where_how_far_and_how_to_measure_may_change(
        self, trained, changes, monkeypatch
    ):
        monkeypatch.setattr(environment, "commit", lambda: "another")
        config = Config(**changes)
        record = trained.record(PAPER, "paper", config)
        assert record == written(trained) and record["config"] == resolved(config)
        # The environment stays that of the training.
        assert record["environment"]["commit"] == "0123456789ab"

    def test_before_the_first_checkpoint_anything_may_change(self, tmp_path):
        folder = RunFolder(tmp_path)
        folder.record(PAPER, "paper", Config())
        folder.record(PAPER, "model2", Config(model=2))
        assert written(folder)["config"]["model"] == 2


class TestFaces:
    """Where faces are says how to measure and, with --mask_loss, what is learned."""

    def record(self, folder, **options):
        config = cvae_dcgan.Config(**options)
        return folder.record("cvae_dcgan", "dcgan", config)["config"]

    @pytest.fixture
    def trained(self, tmp_path):
        def trained(**options):
            folder = RunFolder(tmp_path)
            self.record(folder, **options)
            train(folder)
            return folder

        return trained

    def test_a_loss_that_sees_everything_lets_them_change(self, trained):
        options = {"face_masks": "files", "face_mask_dir": "masks"}
        assert options.items() <= self.record(trained(), **options).items()

    def test_a_loss_that_sees_them_does_not_while_it_is_trained(self, trained):
        folder = trained(face_masks="own", mask_loss=True)
        options = {"face_masks": "landmarks", "mask_loss": True}
        with pytest.raises(ValueError, match="face_masks was 'own' and is now 'land"):
            self.record(folder, **options)
        record = self.record(folder, **options, stages=("evaluate",))
        assert record["face_masks"] == "landmarks"
        assert folder.trained_with()["face_masks"] == "own"


# A report is lost only to a report of the same images and holes.


def write_report(folder, fingerprint, mask="center", text=""):
    environment = {FINGERPRINT: fingerprint, "config": {"test_mask": mask}}
    folder.mkdir(exist_ok=True)
    (folder / "results.json").write_text(json.dumps({"environment": environment}))
    (folder / "report.html").write_text(text)


def test_a_damaged_report_is_named(tmp_path):
    write_report(tmp_path / "report", "a" * 16)
    (tmp_path / "report" / "results.json").write_text('{"environment')
    with pytest.raises(ValueError, match=r"results\.json is damaged .*evaluate again"):
        set_aside(tmp_path / "report", "b" * 16)


def pages(folder):
    return {path.parent.name: path.read_text() for path in folder.glob("*/*.html")}


@pytest.mark.parametrize(
    "mask, name",
    [
        ("center", "report-center-aaaaaaaa"),
        ("free_form", "report-free-form-aaaaaaaa"),
        ("/data/My masks/hole.png", "report-hole-aaaaaaaa"),
    ],
)
def test_a_report_of_another_set_is_kept_beside_it(tmp_path, capsys, mask, name):
    write_report(tmp_path / "report", "a" * 16, mask, text="first")
    set_aside(tmp_path / "report", "b" * 16)
    assert pages(tmp_path) == {name: "first"}
    assert f"is kept: {tmp_path / name}" in capsys.readouterr().out


def test_going_back_and_forth_keeps_one_report_a_set(tmp_path):
    # Before the first one there is nothing to keep, and "5" takes the place of "4".
    for text, set_ in (("1", "a"), ("2", "b"), ("3", "a"), ("4", "b"), ("5", "b")):
        set_aside(tmp_path / "report", set_ * 16)
        write_report(tmp_path / "report", set_ * 16, text=text)
    assert pages(tmp_path) == {
        "report": "5",
        "report-center-aaaaaaaa": "3",
        "report-center-bbbbbbbb": "2",
    }


class TestEnvironment:
    def test_outside_a_checkout_the_commit_is_unknown(self, monkeypatch, tmp_path):
        monkeypatch.undo()
        monkeypatch.setattr(environment, "__file__", str(tmp_path / "environment.py"))
        assert environment.commit() == "unknown (not a git checkout)"
        monkeypatch.setenv("PATH", str(tmp_path))
        assert environment.commit() == "unknown (not a git checkout)"

    def test_hardware_is_a_line(self, monkeypatch):
        monkeypatch.undo()
        line = environment.hardware()
        assert re.fullmatch(r"\d+ CPU cores \(.+\), \d+ GiB, .+", line)
