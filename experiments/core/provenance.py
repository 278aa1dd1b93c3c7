"""Which settings made the results in a folder, so that others are not taken for them.

  OUTPUT/.facemend.jsonl    a line a result; a shard's is .facemend-2-of-8.jsonl

A line names a result, its digest and what made it; files are in it as digests, so that
a mask that is painted anew is another one. It is written before its result: wherever a
command is killed, a result has a line of its own, or none.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import stat
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from data_pipeline import disk, limits
from evaluation.tables import counted
from experiments.core.shards import WHOLE, Shard

Made = Mapping[str, Any]  # what makes a result: words for a sentence -> values

_DIGITS = 16  # of a digest
_PART = 2**20  # bytes of a file that are read at once
_NAMED = 5  # at most so many of the results that something else made
# Flags that say where files are, or how the work is divided.
_ASIDE = ("input", "output", "invented", "overwrite", "shard", "batch_size", "timeout")


def digest(data: bytes) -> str:
    """The beginning of a SHA-256, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def digest_of(path: str | os.PathLike) -> str:
    """That of a file; empty if it cannot be read.

    Nor are devices and pipes, which may have no end, and files too long for a picture.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return ""
        limits.check_bytes(status.st_size, str(path))
        found = hashlib.sha256()
        with open(path, "rb") as file:
            while part := file.read(_PART):
                found.update(part)
    except (OSError, ValueError):
        return ""
    return found.hexdigest()[:_DIGITS]


def made(command: str, source: str, options: Any = None, **digests: Any) -> Made:
    """What makes a result.

    Args:
      command: Such as "restore".
      source: The digest of the input.
      options: A dataclass of flags; those that shape no result are left out.
      **digests: Flags -> what counts instead of what was typed.
    """
    fields = dataclasses.fields(options) if options else ()
    values = {field.name: getattr(options, field.name) for field in fields} | digests
    flags = {f"--{name}": v for name, v in values.items() if name not in _ASIDE}
    found = {"command": command, "input": source, **flags}
    return json.loads(json.dumps(found))  # as it will be read


class Results:
    """The results in a folder.

    Args:
      folder: Where they are.
      shard: The part of the work that this process does.
    """

    def __init__(self, folder: str | os.PathLike, shard: Shard = WHOLE):
        self._folder = pathlib.Path(folder)
        part = f"-{shard.name}" if shard.is_part else ""
        self._file = self._folder / f".facemend{part}.jsonl"

    def standing(
        self,
        jobs: Iterable[tuple[pathlib.Path, pathlib.Path]],
        makes: Callable[[pathlib.Path], Made],
    ) -> set[pathlib.Path]:
        """The inputs whose results are there, made as they would be now.

        Args:
          jobs: Inputs and where their results go.
          makes: Input -> what makes its result now.

        Raises:
          ValueError: If something else made one.
        """
        standing, others, lines = set(), [], None
        for path, target in jobs:
            # Not Path.exists, which is an error for a name that is too long.
            if not os.path.exists(target):
                continue
            lines = self._lines() if lines is None else lines
            found = lines.get((self._name(target), digest_of(target)), [])
            wanted = makes(path)
            if wanted in found:
                standing.add(path)
                continue
            why = _difference(found[-1], wanted) if found else "made by something else"
            others.append(f"{ascii(self._name(target))[1:-1]} ({why})")
        if others:
            more = ", ..." if len(others) > _NAMED else ""
            raise ValueError(
                f"{self._folder} has {counted(len(others), 'result')} that this "
                f"command would not make: {', '.join(others[:_NAMED])}{more}. Pass "
                "another folder, or --overwrite, which replaces them."
            )
        return standing

    def note(self, target: pathlib.Path, data: bytes, made: Made) -> None:
        """Writes the line of a result whose bytes are written next."""
        line = {"name": self._name(target), "result": digest(data), "made": made}
        # It begins with its end, so that one that was cut off spoils no other.
        text = "\n" + json.dumps(line)
        with disk.naming(self._folder, len(text) + len(data)):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(text)

    def _name(self, target: pathlib.Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _lines(self) -> dict[tuple[str, str], list[Made]]:
        """(Name, digest) of results -> what made them, the last at the end."""
        found: dict[tuple[str, str], list[Made]] = {}
        for file in sorted(self._folder.glob(".facemend*.jsonl")):
            for text in file.read_text(encoding="utf-8", errors="replace").split("\n"):
                try:
                    line = json.loads(text)
                    key, made = (line["name"], line["result"]), dict(line["made"])
                except (ValueError, KeyError, TypeError):  # cut off by a kill
                    continue
                found.setdefault(key, []).append(made)
        return found


def _difference(found: Made, wanted: Made) -> str:
    """Such as "another --mask and --model"."""
    other = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    *words, last = ["command"] if "command" in other else other
    return f"another {', '.join(words)} and {last}" if words else f"another {last}"
