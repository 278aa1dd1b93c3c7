"""What every command line does: flags, mistakes, and what it says on the way."""

import importlib
import os
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest
from absl import flags

import experiments
from data_pipeline import pixels
from experiments import command, sample_faces

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_one_process_may_import_every_command():
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    assert {"restore", "reproduce", "sample_faces", "skip_inpainting"} <= set(names)
    for name in names:
        importlib.import_module(f"experiments.{name}")
    # None defines a flag that another one, or who imports it, may have as well.
    owners = [*flags.FLAGS.flags_by_module_dict()]
    assert not [owner for owner in owners if owner.startswith("experiments.")]


class TestFolders:
    def test_what_is_not_there_or_is_a_folder_is_fine(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for path in (tmp_path, tmp_path / "a" / "b", "a/b", "."):
            command.check_folder("output", path)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("inside", ["", "deeper", "a/b"])
    def test_a_file_in_the_way_is_named(self, tmp_path, inside):
        (tmp_path / "file").touch()
        path = tmp_path / "file" / inside
        text = f"--output={path} must be a folder, but {tmp_path}/file is a file. Pass"
        with pytest.raises(ValueError, match=re.escape(text)):
            command.check_folder("output", path)


class TestSampleFaces:
    def test_pictures_are_written_and_counted(self, tmp_path, capsys):
        for count, said in ((1, "1 picture of"), (2, "2 pictures of")):
            folder = tmp_path / str(count)
            sample_faces.write_pictures(
                sample_faces.Options(count=count, image_size=32, output=str(folder))
            )
            written = sorted(path.name for path in folder.iterdir())
            assert written == [f"face_{i:06d}.png" for i in range(count)]
            assert pixels.read(folder / written[0]).shape == (32, 32, 3)
            out, err = capsys.readouterr()
            assert f"{said} Drawn faces: {folder}" in out
            assert "sample: 100%" in err

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"output": ""}, "--output is required"),
            ({"count": 0}, "--count must be at least 1; got 0."),
            ({"output": __file__}, "must be a folder, but"),
        ],
    )
    def test_mistakes_are_told_at_once(self, tmp_path, options, text):
        with pytest.raises(ValueError, match=text):
            sample_faces.Options(**{"output": str(tmp_path), **options})


def test_help_is_all_that_help_prints():
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "evaluation.lpips", "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("LPIPS with AlexNet")
    assert "--[no]download" in done.stdout
    assert done.stderr == ""
