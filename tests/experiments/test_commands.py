"""What every command line does: flags, mistakes, and what it says on the way."""

import errno
import importlib
import io
import os
import pathlib
import pkgutil
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import flags

import experiments
from data_pipeline import disk, pixels
from experiments import compress, latents, request, sample_faces
from experiments.core import command_line
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_one_process_may_import_every_command():
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    assert {"compress", "restore", "skip_inpainting"} <= set(names)
    for name in names:
        importlib.import_module(f"experiments.{name}")
    # None defines a flag that another one, or who imports it, may have as well.
    owners = [*flags.FLAGS.flags_by_module_dict()]
    assert not [owner for owner in owners if owner.startswith("experiments.")]


HELP = """
import contextlib, io, runpy, sys
from absl import app, flags

HEAVY = ("tensorflow.python", "matplotlib", "mediapipe", "gradio", "scipy.stats")
names, sys.argv = sys.argv[1:], ["facemend", "--help"]
app.define_help_flags()
absl = set(flags.FLAGS)
for name in names:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
    for flag in set(flags.FLAGS) - absl:
        delattr(flags.FLAGS, flag)
    print(name, "--" in said.getvalue(), [m for m in HEAVY if m in sys.modules])
"""


def test_help_loads_nothing_that_takes_seconds():
    names = [module.name for module in pkgutil.iter_modules(experiments.__path__)]
    names = [name for name in names if name not in ("core", "__main__")]
    said = subprocess.run(
        [sys.executable, "-c", HELP, *names],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert said.stdout.splitlines() == [f"{name} True []" for name in names], said


NETWORK = """
from experiments.core import command_line

def body():
    from models import blocks  # loads TensorFlow after flags are parsed

    image = blocks.tf.keras.Input((8, 8, 3))
    network = blocks.tf.keras.Model(image, blocks.conv(image, 4, 3, name="a"))
    print(network.count_params())

command_line.run(body)
"""


def test_networks_are_built_where_tensorflow_is_loaded_after_the_flags():
    # Without what TensorFlow has set in this process.
    alone = {k: v for k, v in os.environ.items() if k != "TF2_BEHAVIOR"}
    said = subprocess.run(
        [sys.executable, "-c", NETWORK],
        capture_output=True, text=True, cwd=ROOT, env=alone,
    )  # fmt: skip
    assert said.stdout == "112\n", said


@pytest.mark.parametrize("inside", ["", "deeper", "a/b"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path, monkeypatch, inside):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / inside
    text = f"--output={path} must be a folder, but {tmp_path}/file is a file. Pass"
    with pytest.raises(ValueError, match=re.escape(text)):
        command_line.check_folder("output", path)
    # What is not there or is a folder is fine, and nothing is made.
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, tmp_path / "a" / "b", "a/b", "."):
        command_line.check_folder("output", path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "command, actions",
    [
        (compress, "compress decompress"),
        (latents, "interpolate traverse encode decode"),
        (request, "restore compress decompress"),
    ],
)
def test_the_actions_of_a_command_are_its_functions(command, actions, monkeypatch):
    did = []
    for name in actions.split():
        monkeypatch.setattr(command, name, lambda _, name=name: did.append(name))
    monkeypatch.setattr(command_line, "define_flags", lambda options: None)
    monkeypatch.setattr(command_line, "from_flags", lambda options: options)
    monkeypatch.setattr(
        command_line, "run", lambda do, actions, **_: [*map(do, actions)]
    )
    command.main()
    assert did == actions.split()


def test_drawn_faces_are_written_and_counted(tmp_path, capsys):
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
    for options, text in (
        ({"output": ""}, "--output is required"),
        ({"count": 0}, "--count must be at least 1; got 0."),
        ({"output": __file__}, "must be a folder, but"),
    ):
        with pytest.raises(ValueError, match=text):
            sample_faces.Options(**{"output": str(tmp_path), **options})


ERRORS = tf.errors


@pytest.mark.parametrize(
    "error, said",
    [
        (
            ERRORS.DataLossError(None, None, "/a.tfrecord: corrupted\nat 0"),
            "TensorFlow failed: /a.tfrecord: corrupted (DataLossError). A file is "
            "damaged: put a copy back, or make it again.",
        ),
        (
            ERRORS.NotFoundError(None, None, "/a/b; No such file"),
            "TensorFlow failed: /a/b; No such file (NotFoundError). A file is gone: "
            "put a copy back, or make it again.",
        ),
        (
            ERRORS.InternalError(None, None, "Odd."),
            "TensorFlow failed: Odd (InternalError).",
        ),
        (
            ERRORS.ResourceExhaustedError(None, None, "OOM when allocating [9,9]"),
            "Memory or disk is exhausted: OOM when allocating [9,9]. Lower ",
        ),
        (MemoryError("1 GiB"), "Memory is exhausted: 1 GiB. Lower "),
        (
            OSError(errno.ENOSPC, "No space", "/a/b/c.npz"),
            "The disk of /a/b is full. Make room, and start the command again.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b"),
            "/a/b: Permission denied.",
        ),
        (FileNotFoundError("pass another"), "pass another"),
        (ValueError("a rule"), "a rule"),
        (KeyError("a bug"), ""),
        (IndexError("a bug"), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_become_a_sentence_with_a_way_out(error, said):
    found = command_line.explained(error)
    assert found.startswith(said) and "\n" not in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize("kind", ["python", "tensorflow", "copytree", "other"])
def test_a_full_disk_names_folder_and_space(tmp_path, kind):
    words = os.strerror(errno.ENOSPC)
    error = {
        "python": OSError(errno.ENOSPC, words),
        "tensorflow": ERRORS.ResourceExhaustedError(None, None, f"ckpt; {words}"),
        "copytree": shutil.Error([("a", "b", f"[Errno 28] {words}: 'b'")]),
        "other": ERRORS.ResourceExhaustedError(None, None, "OOM"),
    }[kind]
    expected = type(error) if kind == "other" else disk.FullDiskError
    folder = tmp_path / "not" / "there"
    with pytest.raises(expected) as caught, disk.naming(folder, 12_345_678):
        raise error
    if kind != "other":
        said = command_line.explained(caught.value)
        assert said.startswith(f"The disk of {folder} is full: 13 MB are needed and ")


class TestWords:
    """What stands among the flags and is none."""

    PROGRAM = """
from absl import flags
from experiments.core import command_line

flags.DEFINE_string("model", "", "A model.")
command_line.run(
    lambda *action: print("did", *action, flags.FLAGS.model), actions={actions}{more}
)
"""

    def run(self, *words, actions=("compress", "decompress"), more=""):
        program = self.PROGRAM.format(actions=actions, more=more)
        return subprocess.run(
            [sys.executable, "-c", program, *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    def test_ctrl_c_without_a_step_is_told_in_a_whole_sentence(self):
        # Programs that are started aside ignore it.
        heeded = "import signal\nsignal.signal(2, signal.default_int_handler)\n"
        program = heeded + self.PROGRAM.replace(
            "lambda *action:", "lambda *action: signal.raise_signal(signal.{}) or"
        )
        for number, code in (("SIGINT", 130), ("SIGTERM", 143)):
            done = subprocess.run(
                [sys.executable, "-c", program.format(number, actions=(), more="")],
                cwd=ROOT, capture_output=True, text=True,
            )  # fmt: skip
            assert done.stderr == "\nStopped. The same command goes on from here.\n"
            assert done.returncode == code

    @pytest.mark.parametrize(
        "words",
        [("compress", "--model=m"), ("--verbosity=1", "compress", "--model", "m")],
    )
    def test_the_action_stands_anywhere(self, words):
        assert self.run(*words).stdout == "did compress m\n"

    @pytest.mark.parametrize(
        "words, text",
        [
            ("", "Say once what to do, compress or decompress; got neither."),
            ("compress decompress", "do, compress or decompress; got compress and"),
            ("compres --model=m", "'compres' is neither compress nor decompress nor"),
        ],
    )
    def test_another_word_or_number_of_them_is_an_error(self, words, text):
        done = self.run(*words.split())
        assert text in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode == 1 and not done.stdout

    @pytest.mark.parametrize(
        "words, got", [("", ""), ("cave", "; got cave"), ("a b", "; got a and b")]
    )
    def test_a_word_may_be_the_name_of_a_model(self, words, got):
        names = zoo.names()
        done = self.run(
            "--model=m", *words.split(), actions=names, more=", models=True"
        )
        expected = f"error: Say which model: one of {', '.join(names)}{got}.\n"
        assert (done.returncode, done.stderr) == (1, expected)
        done = self.run("cvae", "--model=m", actions=names, more=", models=True")
        assert done.stdout == "did cvae m\n"

    @pytest.mark.parametrize("word", ["--help", "-h"])
    def test_help_is_no_error(self, word):
        done = self.run(word)
        assert done.returncode == 0 and not done.stderr
        assert "--model: A model." in done.stdout

    def test_commands_without_actions_take_none(self):
        assert self.run("--model=m", actions=()).stdout == "did m\n"
        done = self.run("compress", "--model=m", actions=())
        text = "error: 'compress' is not a flag; flags look like --name=value."
        assert text in done.stderr
        assert done.returncode == 1


@pytest.mark.parametrize(
    "word, said",
    [
        ("--learning_rte=1", "There is no flag --learning_rte. Did you mean: --learni"),
        ("--xyzzy", "There is no flag --xyzzy. --help lists the flags."),
        ("--epochs=many", "--epochs takes a whole number; got 'many'. --help lists th"),
        ("--learning_rate=a\nb", r"--learning_rate takes a number; got 'a\nb'. --help"),
        ("--overwrite=maybe", "--overwrite takes true or false; got 'maybe'. --help"),
        ("--nooverwrite=1", "--nooverwrite=1 does not take an argument. --help"),
        ("--epochs", "Missing value for flag --epochs. --help lists"),
    ],
)
def test_a_mistyped_flag_is_told_in_a_sentence(monkeypatch, word, said):
    own = flags.FlagValues()
    flags.DEFINE_integer("epochs", 1, "", flag_values=own)
    flags.DEFINE_float("learning_rate", 1.0, "", flag_values=own)
    flags.DEFINE_boolean("overwrite", False, "", flag_values=own)
    monkeypatch.setattr(flags, "FLAGS", own)
    with pytest.raises(SystemExit, match=f"^error: {re.escape(said)}.*$"):
        command_line._parse(["facemend", word])


@pytest.mark.parametrize(
    "fail, plain",
    [
        (lambda: command_line.require(model=""), True),
        (lambda: pixels.read("nowhere.png"), True),
        (lambda: pathlib.Path("nowhere").read_bytes(), True),
        (lambda: np.zeros(3).reshape(2, 2), False),
        (lambda: np.load(io.BytesIO(b"x"), allow_pickle=False), False),
        (lambda: tf.ones([2]) + tf.ones([3]), False),
    ],
)
def test_where_an_error_came_from_is_offered_if_a_library_raised_it(fail, plain):
    with pytest.raises(Exception) as caught:
        fail()
    assert command_line._is_plain(caught.value) == plain


def test_help_is_all_that_help_prints():
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "experiments.lpips_weights", "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Makes the weights file of LPIPS")
    assert "--[no]download" in done.stdout
    assert done.stderr == ""
