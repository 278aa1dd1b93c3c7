"""What `pip wheel .` packs works in a folder with modules of the same names."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import experiments
from data_pipeline import pixels
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLASHES = ("models.py", "evaluation.py", "serving.py", "training/__init__.py")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder like site-packages, with what a wheel contains."""
    folder = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "setup.py", "--quiet", "build_py", f"--build-lib={folder}"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def facemend(installed, tmp_path):
    """Runs the command in a folder where every import of its cwd is an error."""
    program = tmp_path / "bin" / "facemend"
    program.parent.mkdir()
    program.write_text(
        f"import sys\nsys.path.append({str(installed)!r})\n"
        "sys.meta_path = [f for f in sys.meta_path if 'Editable' not in repr(f)]\n"
        "from experiments.__main__ import main\nmain()\n"
    )
    here = tmp_path / "here"
    for clash in CLASHES:
        (here / clash).parent.mkdir(parents=True, exist_ok=True)
        (here / clash).write_text("raise RuntimeError('the wrong module')\n")
    unset = ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL")
    cleared = {k: v for k, v in os.environ.items() if k not in unset}

    def run(*words):
        return subprocess.run(
            [sys.executable, program, *map(str, words)],
            cwd=here,
            env={**cleared, "FACEMEND_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
        )

    return run


def test_models_cards_and_templates_are_packed_and_tests_are_not(installed):
    files = {p.relative_to(installed) for p in installed.rglob("*") if p.is_file()}
    for shipped in zoo.PRETRAINED.iterdir():
        assert pathlib.Path("serving/zoo/pretrained", shipped.name) in files
    kinds = ("experiments/*/card.md", "experiments/*.json", "*/*/templates/*.j2")
    for path in (path for kind in kinds for path in ROOT.glob(kind)):
        assert path.relative_to(ROOT) in files
    assert {path.parts[0] for path in files} == {
        *("data_pipeline", "models", "training", "evaluation", "serving"),
        "experiments",
    }


def test_the_wheel_has_the_command_and_a_version(tmp_path):
    command = [sys.executable, "setup.py", "--quiet", "egg_info", f"-e{tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.egg-info")
    points = (made / "entry_points.txt").read_text()
    assert "[console_scripts]\nfacemend = experiments.__main__:main" in points
    facts = (made / "PKG-INFO").read_text("utf-8")
    assert re.search(r"^Version: \d+\.\d+\.\d+$", facts, re.MULTILINE)


def test_the_clone_is_left_as_it_was(installed):
    assert not (ROOT / "build").exists()


def test_it_restores_with_a_shipped_model_among_the_users_modules(facemend, tmp_path):
    done = facemend("sample_faces", "--count=1", "--output=photos")
    assert done.returncode == 0, done.stderr
    words = ("--noalign", "--mask=center", "--input=photos", "--output=restored")
    done = facemend("restore", *words)
    assert done.returncode == 0, done.stderr
    assert [*(tmp_path / "here" / "restored").iterdir()]
    # Not a word of TensorFlow's.
    (said,) = done.stderr.splitlines()
    assert said.startswith("Each picture is taken as one face")
    assert not [*(tmp_path / "here").rglob("__pycache__")]


def test_help_lists_every_command_in_a_line(facemend):
    done = facemend("--help")
    assert done.stderr == "" and done.returncode == 0
    lines = done.stdout.splitlines()
    for path in pathlib.Path(experiments.__path__[0]).iterdir():
        name = path.stem
        if path.name == "__pycache__" or name in ("core", "__init__", "__main__"):
            continue
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert line.endswith(".") and len(line) > len(name) + 20


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["restor"], "'restor' is no command; there are train, app,"),
        (["restor"], "Did you mean: restore ?"),
        (["train"], "Say which paper to train: cvae_dcgan,"),
        (["train", "--preset=cpu"], "Say which paper to train: cvae_dcgan,"),
        (["train", "skip_inpaint"], "is no paper; there are cvae_dcgan,"),
        (["train", "skip_inpaint"], "Did you mean: skip_inpainting ?"),
        (["pyramid_cgan", "--preset=d"], "facemend train pyramid_cgan --preset=d"),
    ],
)
def test_mistakes_are_told_with_a_suggestion(facemend, words, text):
    done = facemend(*words)
    assert done.returncode == 1
    assert text in done.stderr and "Traceback" not in done.stderr


def test_the_demo_begins_with_a_photograph_and_shipped_models(tmp_path):
    done = subprocess.run(
        ["make", "--dry-run", "demo"], cwd=ROOT, capture_output=True, text=True
    )
    places = [
        done.stdout.index(text)
        for text in (
            "demo_photo.py",
            "experiments.restore",
            "experiments.compress",
            "experiments.decompress",
            "experiments.skip_inpainting",
        )
    ]
    assert places == sorted(places)
    script = [sys.executable, "scripts/demo_photo.py", tmp_path]
    subprocess.run(script, cwd=ROOT, check=True)
    assert pixels.read(tmp_path / "grace_hopper.jpg").shape == (600, 512, 3)


def test_a_paper_and_a_command_explain_themselves(facemend):
    for words in (["train", "pyramid_cgan"], ["compress"], ["request"]):
        done = facemend(*words, "--help")
        assert f"  facemend {' '.join(words)} " in done.stdout
        assert "python -m" not in done.stdout
        assert "the wrong module" not in done.stderr
