"""The command `facemend`: `facemend restore` is `python -m experiments.restore`.

Papers are trained by `facemend train PAPER`. Commands and papers are found by listing.
The command works in a folder that has a models.py of its own, because, unlike
`python -m`, it does not look there for modules.
"""

from __future__ import annotations

import ast
import difflib
import importlib.metadata
import importlib.util
import pathlib
import pkgutil
import runpy
import sys
from collections.abc import Sequence

import experiments

_TRAIN = "train"


def main() -> None:
    """Runs the command that the first word names, or lists them all."""
    words = sys.argv[1:]
    modules = [
        module
        for module in pkgutil.iter_modules(experiments.__path__)
        if module.name not in ("core", "__main__")
    ]
    papers = [module.name for module in modules if module.ispkg]
    commands = [module.name for module in modules if not module.ispkg]
    if not words or words[0] in ("help", "-help", "--help", "-h"):
        print(_usage(papers, commands))
        return
    if words[0] in ("-version", "--version"):
        print(f"facemend {importlib.metadata.version('facemend')}")
        return
    if words[0] == _TRAIN:
        if not words[1:] or words[1].startswith("-"):
            sys.exit(f"error: Say which paper to train: {', '.join(papers)}.")
        _check("paper", words[1], papers)
        name, words = words[1], words[2:]
    elif words[0] in papers:
        sys.exit(f"error: Papers are trained: facemend {_TRAIN} {' '.join(words)}")
    else:
        _check("command", words[0], [_TRAIN, *commands])
        name, words = words[0], words[1:]
    is_module = pathlib.Path(sys.argv[0]).name == "__main__.py"
    experiments.typed = "python -m experiments" if is_module else "facemend"
    sys.argv[1:] = words
    runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)


def _check(kind: str, word: str, known: Sequence[str]) -> None:
    """Exits with a suggestion unless the word is known."""
    if word in known:
        return
    close = difflib.get_close_matches(word, known, n=1)
    hint = f" Did you mean: {close[0]} ?" if close else ""
    listed = ", ".join(known)
    sys.exit(f"error: {word!r} is no {kind}; there are {listed}.{hint}")


def _usage(papers: Sequence[str], commands: Sequence[str]) -> str:
    width = max(map(len, [*papers, *commands]))
    lines = [f"usage: facemend {_TRAIN} PAPER [--flag=value ...]"]
    lines += ["       facemend COMMAND [--flag=value ...]"]
    lines += ["       facemend --version"]
    for title, names in (("Papers", papers), ("Commands", commands)):
        lines += ["", f"{title}:"]
        lines += [f"  {name:{width}}  {_summary(name)}" for name in names]
    lines += ["", "facemend COMMAND --help explains one and lists its flags."]
    return "\n".join(lines)


def _summary(name: str) -> str:
    """The first line of a module's docstring, read without importing it."""
    path = importlib.util.find_spec(f"experiments.{name}").origin
    tree = ast.parse(pathlib.Path(path).read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


if __name__ == "__main__":
    main()
