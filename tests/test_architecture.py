"""The rooms of the house: who may import whom, read from the source text."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
EVERY_ROOM = ("data_pipeline", "models", "training", "evaluation", "serving")
MAY_IMPORT = {
    "data_pipeline": (),
    "models": (),
    "training": ("models",),
    "evaluation": ("data_pipeline",),
    "serving": ("data_pipeline", "models"),
    "experiments": EVERY_ROOM,
}
# Installed for development alone; `tests` are not installed at all.
TEST_ONLY = ("pytest", "_pytest", "skimage", "hypothesis", "ruff", "tests", "conftest")


def sources(room):
    return sorted((ROOT / room).rglob("*.py"))


def imports(path):
    """(top-level module, line) of every import, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom):
            # Rooms are imported by their own names, so a dot is never needed.
            name = "." if node.level else node.module.split(".")[0]
            yield name, node.lineno


def found(room, names):
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(room)
        for name, line in imports(path)
        if name in names
    ]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_the_table_allows(room):
    assert sources(room), f"{room}/ holds no Python"
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    others = ours.union(MAY_IMPORT) - {room, *MAY_IMPORT[room]}
    assert not found(room, others)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_nothing_that_only_tests_have_is_imported(room):
    assert not found(room, (*TEST_ONLY, "."))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_every_module_says_what_it_is(room):
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(room)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent
