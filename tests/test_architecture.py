"""Who may import whom, read from the source text; no module in a circle."""

import ast
import graphlib
import itertools
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
    """(module, names, line) of every import, also in functions and TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, (), node.lineno
        elif isinstance(node, ast.ImportFrom):
            # Rooms are imported by their own names, so a dot is never needed.
            module = "." if node.level else node.module
            yield module, tuple(alias.name for alias in node.names), node.lineno


def found(room, names):
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources(room)
        for module, _, line in imports(path)
        if (module.split(".")[0] or ".") in names
    ]


def import_graph(root, rooms):
    """Module -> the modules of these rooms that it imports."""
    files = {}
    for path in itertools.chain(*((root / room).rglob("*.py") for room in rooms)):
        *package, stem = path.relative_to(root).with_suffix("").parts
        files[".".join(package if stem == "__init__" else [*package, stem])] = path
    graph = {}
    for module, path in files.items():
        # `from a import b` is the module a.b, if there is one, or else a name of a.
        targets = {
            target if target in files else source
            for source, names, _ in imports(path)
            for target in [f"{source}.{name}" for name in names] or [source]
        }
        graph[module] = targets & files.keys() - {module}
    return graph


def circle(graph):
    """Some circle of the graph, as a list that ends where it begins; [] without one."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_the_table_allows(room):
    assert sources(room), f"{room}/ holds no Python"
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    others = ours.union(MAY_IMPORT) - {room, *MAY_IMPORT[room]}
    assert not found(room, (*others, *TEST_ONLY, "."))


def test_no_module_is_in_a_circle_of_imports():
    found = " -> ".join(circle(import_graph(ROOT, [*MAY_IMPORT, "benchmarks"])))
    assert not found


BACK = "from room import first"
IN_A_FUNCTION = "def f():\n    import room.first"
FOR_TYPES = "if TYPE_CHECKING:\n    from room.first import Class"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"second": ""}, False),
        *(({"second": text}, True) for text in (BACK, IN_A_FUNCTION, FOR_TYPES)),
        ({"second": "from room import third", "third": BACK}, True),
        ({"second/__init__": "from room.second import a", "second/a": ""}, False),
        ({"second/__init__": "from room.second import a", "second/a": BACK}, True),
    ],
)
def test_circles_are_found_wherever_an_import_stands(tmp_path, files, expected):
    for name, text in {"first": "from room.second import x", **files}.items():
        path = tmp_path / "room" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert bool(circle(import_graph(tmp_path, ["room"]))) == expected


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_every_module_has_a_docstring(room):
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(room)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent
