"""README and docs/: every link resolves, every block runs or says why it does not.

Blocks of docs/keras.md and docs/extending.md, and the README's Python, are run by
tests/conformance/test_keras_examples.py and test_extending.py.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

from data_pipeline import pixels
from evaluation import subsets
from experiments import request, restore
from experiments.core import system as papers
from experiments.cvae_dcgan import discriminator_report
from experiments.multiscale_context_encoder import (
    published as multiscale_context_encoder,
)
from experiments.portrait_autoencoder import published as portrait_autoencoder
from experiments.pyramid_cgan import published as pyramid_cgan
from serving.codec import container

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [
    *DOCUMENTS,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "results").glob("*.md")),
    *sorted((ROOT / "pretrained").glob("*.md")),
]
RUN_ELSEWHERE = {"docs/keras.md", "docs/extending.md"}
BLOCK = re.compile(
    r"^(?:<!-- not run: ([^\n]+) -->\n)?(`{3,})(\w+)\n(.*?)^\2$",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def blocks(path):
    """(why it is not run or "", language, code) of each block."""
    return [
        (reason, language, code)
        for reason, _, language, code in BLOCK.findall(path.read_text("utf-8"))
    ]


def commands(code):
    """The words of each command of a shell block."""
    lines = code.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def slugs(path):
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    text = BLOCK.sub("", path.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_version_is_the_same_everywhere():
    found = {
        re.search(pattern, (ROOT / file).read_text("utf-8"))[1]
        for file, pattern in (
            ("setup.py", r'version="([\d.]+)"'),
            ("CITATION.cff", r"(?m)^version: ([\d.]+)$"),
            ("CHANGELOG.md", r"(?m)^## ([\d.]+)$"),  # the newest
        )
    }
    assert len(found) == 1, found


def test_the_readme_is_a_page():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_resolves(path):
    for link in LINK.findall(BLOCK.sub("", path.read_text("utf-8"))):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{path.name}: {link}"
        assert not anchor or anchor in slugs(target), f"{path.name}: {link}"


def test_every_page_is_reached_from_the_readme():
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = LINK.findall(page.read_text("utf-8"))
        todo += [(page.parent / link.partition("#")[0]).resolve() for link in links]
    assert set(DOCUMENTS) <= reached


@each_document
def test_each_block_runs_or_says_why_not(path):
    if str(path.relative_to(ROOT)) in RUN_ELSEWHERE:
        return
    run = {code for reason, _, code in blocks(path) if not reason}
    known = {PHOTOGRAPH, HEADER, *README_PYTHON, *FROM_PYTHON}
    assert run <= known, "run the block below, or put <!-- not run: why --> above it"


@each_document
def test_commands_and_flags_of_each_block_exist(path):
    for _, language, code in blocks(path):
        for words in commands(code) if language == "sh" else ():
            check_command(words)


def check_command(words):
    """A command that the project has, with flags and presets that it has."""
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in rest if "=" not in word} <= set(targets), words
        return
    if words[:2] == ["python", "-m"] and words[2].startswith("experiments."):
        rest = [words[2].partition(".")[2], *words[3:]]
    elif program != "facemend":
        return
    if rest[:1] == ["beam"]:  # whose own flags are Beam's
        rest = rest[rest.index("--") + 1 :]
    name, *rest = rest or ["--help"]
    paper = rest[0] if name == "train" else name if name in papers.names() else ""
    module = ROOT / "experiments" / (f"{paper}/config.py" if paper else f"{name}.py")
    assert module.exists() or name == "--help" or "five_convolutions" in name, words
    for flag, value in re.findall(r" --(\w+)(?:=(\S*))?", " ".join(["", *rest])):
        flags = FLAGS | {"help", "helpfull"}
        assert flag in flags or flag.removeprefix("no") in flags, f"{words}: --{flag}"
        if flag == "preset" and paper:
            assert value in papers.load(paper).presets, words


FLAGS = {
    name
    for path in (ROOT / "experiments").rglob("*.py")
    for pair in re.findall(
        r'^    (\w+): .*=|DEFINE_\w+\(\s*"(\w+)"', path.read_text(), re.MULTILINE
    )
    for name in pair
    if name
}


def only(path, beginning):
    """The one block of a document that begins so."""
    (code,) = (c for _, _, c in blocks(ROOT / path) if c.startswith(beginning))
    return code


PHOTOGRAPH = only("docs/quickstart.md", "python scripts/demo_photo.py")
HEADER = only("docs/codecs.md", "import hashlib")
FROM_PYTHON = [
    code for reason, _, code in blocks(ROOT / "docs" / "python.md") if not reason
]
README_PYTHON = {
    code for _, language, code in blocks(ROOT / "README.md") if language == "python"
}


def test_the_header_is_read_as_the_codecs_page_says():
    names = {}
    exec(HEADER, names)
    for path in sorted((ROOT / "tests/golden/files").glob("*.fmc")):
        data = path.read_bytes()
        found = names["read_header"](data)
        header, _ = container.unpack(data, container.claimed_id(data))
        size = {"width": header.width, "height": header.height, "gray": header.gray}
        assert found == {**size, "model": container.claimed_id(data).hex()}


# The command `facemend` several times in one process, each with its own flags.
FACEMEND = """
import json, sys
from absl import app, flags
from experiments.__main__ import main

app.define_help_flags()
known = set(flags.FLAGS)
for sys.argv in json.loads(sys.argv[1]):
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
    for flag in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, flag)
"""


def test_the_photograph_of_the_quick_start(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script, *others = commands(PHOTOGRAPH)
    assert {words[0] for words in others} == {"facemend"}
    for start in (
        [sys.executable, ROOT / script[1], *script[2:]],
        [sys.executable, "-c", FACEMEND, json.dumps(others)],
    ):
        done = subprocess.run(
            start, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    (photo,) = (pixels.read(path) for path in tmp_path.glob("photo/[!.]*"))
    (restored,) = (pixels.read(path) for path in tmp_path.glob("restored/[!.]*"))
    (again,) = (pixels.read(path) for path in tmp_path.glob("photo_again/[!.]*"))
    changed = (photo != restored).any(axis=-1)
    assert 0 < changed.mean() < 0.05
    assert photo.shape == again.shape and abs(photo.astype(float) - again).mean() < 8


def test_the_blocks_of_the_page_on_python(tmp_path, monkeypatch):
    pytest.importorskip("mediapipe", reason="needs pip install '.[face]'")
    monkeypatch.chdir(tmp_path)
    sample, *code = FROM_PYTHON
    ((_, script, folder),) = commands(sample)
    subprocess.run([sys.executable, ROOT / script, folder], check=True)
    names = {}
    for block in code:
        exec(compile(block, "docs/python.md", "exec"), names)
    photo = names["photo"]
    for name, share in (("nose", 0.05), ("scratch", 0.005)):
        changed = (pixels.read(f"{name}.png") != photo).any(axis=-1)
        assert 0 < changed.mean() < share
    assert pathlib.Path("photo.fmc").stat().st_size < photo.size / 20
    again = pixels.read("again.png")
    assert (again == names["codec"].decompress(names["data"])).all()
    assert again.shape == photo.shape and abs(photo.astype(float) - again).mean() < 8


def test_photographs_are_restored_aligned():
    """The first command of each page, and of --help, fits photographs of all kinds."""
    pages = [ROOT / "docs" / name for name in ("restore.md", "quickstart.md")]
    texts = [path.read_text("utf-8") for path in pages] + [restore.__doc__]
    for text in texts:
        first = re.search(r"^ *facemend restore (.*)", text, re.MULTILINE)[1]
        assert "--align" in first
    assert "restore --align" in request.__doc__


def test_claims_with_a_rule_of_their_own_have_it_in_metrics_md():
    said = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    scales = multiscale_context_encoder
    rules = {
        f"at least {scales.MUCH} times as fast": "much faster",
        f"up to {scales.FASTER} times it does not hold": "much faster",
        f"less than {pyramid_cgan.SIMILAR:.0%} of the largest apart": "a similar loss",
        f"lower by at least {pyramid_cgan.SAME:.0%}": "a lower loss of the classifier",
        f"reached after {pyramid_cgan.FAST:,} steps": "converge fast",
        f"within {subsets.FRONTAL}°": "poor for front faces",
        f"a tenth of 2 ln 2, {discriminator_report.FLAT:.3f}": "loss is flat",
    }
    rows = [line for line in said.splitlines() if line.startswith("| `")]
    for rule, claim in rules.items():
        assert any(claim in row and rule in row for row in rows), rule
    assert pytest.approx(3.5 / 3.1) == portrait_autoencoder.ALMOST
