"""Input and output files of commands that turn pictures into files."""

from __future__ import annotations

import collections
import os
import pathlib
import sys
from collections.abc import Iterator

import tqdm

from evaluation.tables import counted

Job = tuple[pathlib.Path, pathlib.Path]  # an input and where its result goes


def find(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    kind: str,
    suffixes: tuple[str, ...],
    result: str,
) -> list[Job]:
    """Inputs and where their results go.

    A result has its input's name with another suffix; where two inputs would share one,
    the input's own suffix stays in it (a.jpg.png, a.webp.png). An output folder within
    the input folder is not searched.

    Args:
      source: A file, whatever its name, or a folder that is searched recursively.
      output: A folder, in which the results lie as the inputs do in theirs.
      kind: The name of an input, such as "picture".
      suffixes: Of inputs in folders, in lower case; capitals match too.
      result: Suffix of results, such as ".png".

    Raises:
      FileNotFoundError: If there are no inputs.
      ValueError: If a result would replace an input.
    """
    if source.is_file():
        paths, root = [source], source.parent
    else:
        paths, root = sorted(_walk(source, output, suffixes)), source
    if not paths:
        raise FileNotFoundError(
            f"--input={source} is neither a {kind} nor a folder with any "
            f"({', '.join(suffixes)})."
        )
    stems = collections.Counter(path.with_suffix("") for path in paths)
    inputs, jobs = set(paths), []
    for path in paths:
        stem = path.with_suffix("")
        # Of a.jpg, a.png and a.jpg.png the first becomes what the last would be.
        shared = stems[stem] > 1 or stem in inputs
        name = path.name if shared else path.stem
        target = output / path.relative_to(root).with_name(f"{name}{result}")
        jobs.append((path, target))
    inputs = {path.resolve() for path in paths}
    for _, target in jobs:
        if target.resolve() in inputs:
            raise ValueError(
                f"--output={output} would replace the input {target}; pass another "
                "folder."
            )
    return jobs


def pending(jobs: list[Job], *, overwrite: bool) -> list[Job]:
    """The jobs that are to be done; prints how many results exist already."""
    if overwrite:
        return jobs
    done = sum(target.exists() for _, target in jobs)
    if done:
        print(
            f"{counted(done, 'result')} already there, left alone "
            "(--overwrite replaces).",
            file=sys.stderr,
        )
    return [job for job in jobs if not job[1].exists()]


def skip(path: pathlib.Path, why: str) -> None:
    """Prints that a file is skipped. Some reasons name the file themselves."""
    told = why if why.startswith(str(path)) else f"{path}: {why}"
    tqdm.tqdm.write(f"skipped {told}", file=sys.stderr)


def conclude(jobs: list[Job], done: int, *, verb: str, output: str) -> None:
    """Prints how many of the jobs were done; a ValueError if some were skipped.

    `verb` is such as "restored".
    """
    skipped = len(jobs) - done
    note = f", {skipped} skipped" if skipped else ""
    print(f"{counted(done, 'picture')} {verb}{note}: {output}")
    if skipped:
        raise ValueError(
            f"{counted(skipped, 'picture')} could not be {verb}; see above."
        )


def _walk(
    source: pathlib.Path, output: pathlib.Path, suffixes: tuple[str, ...]
) -> Iterator[pathlib.Path]:
    """The inputs below a folder, but for the results of an earlier run."""
    results = output.resolve()
    for folder, inner, names in os.walk(source):
        here = pathlib.Path(folder)
        inner[:] = [name for name in inner if (here / name).resolve() != results]
        for name in names:
            if name.lower().endswith(suffixes):
                yield here / name
