"""Input and output files of commands that turn pictures into files."""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import errno
import os
import pathlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import tqdm

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from evaluation.tables import counted
from experiments.core import provenance
from experiments.core.command_line import hp
from experiments.core.provenance import Made, Results
from experiments.core.shards import WHOLE, Shard
from serving.photo import masks, output

_NAMED = 5  # at most so many of the files that are left out
# Errors of writing that are one file's, after which the next one is tried.
_OF_ONE_FILE = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR)

Item = TypeVar("Item")
Job = tuple[pathlib.Path, pathlib.Path]  # an input and where its result goes


@dataclasses.dataclass(frozen=True)
class RestoreOptions:
    """Flags of the commands that restore pictures, on their masks and results."""

    missing_is_black: bool = hp(False, "In mask pictures black marks what is missing.")
    format: str = hp(
        "png",
        f"The format of the results: {', '.join(output.FORMATS)}, or same: that of "
        "each input if it is one of these, otherwise png. JPEG has no transparency.",
    )
    quality: int = hp(
        0,
        "How good JPEG and WebP results are, 1 to 100; 0 compresses a JPEG input's "
        f"result as the input was, and others with {output.QUALITY}. Only PNGs leave "
        "pixels unchanged.",
    )
    keep_location: bool = hp(
        False, "Keep where the photograph was taken in the results' EXIF data."
    )
    levels: tuple[float, ...] = hp(
        (),
        "The numbers that are black and white in pictures of floats or 32-bit "
        "integers, such as 0,1.",
    )

    def __post_init__(self):
        check_choice("format", self.format, (*output.FORMATS, output.SAME))
        check_levels(self.levels)
        if not 0 <= self.quality <= 100:
            raise ValueError(f"--quality must be in 1..100; got {self.quality}.")
        if self.quality and self.format == "png":
            raise ValueError(
                f"--quality={self.quality} is of JPEG and WebP; add --format=jpeg, "
                "webp or same."
            )

    def suffix(self, path: pathlib.Path) -> str:
        """The suffix of a picture's result."""
        return output.suffix(path, self.format)

    def read(self, path: pathlib.Path) -> pixels.Picture:
        """Reads a picture."""
        return pixels.read_picture(path, self.levels)

    def made(self, command: str, path: pathlib.Path, **digests: str) -> Made:
        """What makes the result of a picture; see `provenance.made`."""
        mask = masks.file_of(path, self.mask, pathlib.Path(self.input))
        if mask and mask.is_file():
            digests.setdefault("mask", provenance.digest_of(mask))
        return provenance.made(command, provenance.digest_of(path), self, **digests)

    def mask_path(self) -> pathlib.Path | None:
        """The mask picture, or the folder of them; None if --mask names no file."""
        words = ("", *masks.DRAWN, masks.ALPHA)
        if self.mask in words or self.mask.startswith(masks.RECTANGLE):
            return None
        return pathlib.Path(self.mask)

    def aside(self) -> list[pathlib.Path]:
        """What may lie in the input folder and is no picture to restore."""
        path = self.mask_path()
        return [path] if path else []

    def check_folder_of_masks(self, flag: str, folder: str) -> None:
        """Raises a ValueError if results would lie among the masks."""
        path = self.mask_path()
        if folder and path and pathlib.Path(folder).resolve() == path.resolve():
            raise ValueError(
                f"--{flag}={folder} would replace the masks of --mask; pass another "
                "folder."
            )

    def check_places(
        self, jobs: Iterable[Job], **places: Iterable[pathlib.Path]
    ) -> None:
        """Raises a ValueError if files would replace pictures, masks or each other.

        Args:
          jobs: All that were found.
          **places: Flag -> where the files of its folder go.
        """
        taken = self._masks(jobs) | {path.resolve() for path, _ in jobs}
        for flag, paths in places.items():
            found = {path.resolve(): path for path in paths}
            for twice in sorted(found.keys() & taken):
                raise ValueError(
                    f"--{flag}={getattr(self, flag)} would replace "
                    f"{shown(found[twice])}, which is a picture, a mask or another "
                    "result; pass another folder."
                )
            taken |= found.keys()

    def _masks(self, jobs: Iterable[Job]) -> set[pathlib.Path]:
        """The mask picture, or all files where the pictures' masks are looked up."""
        path, root = self.mask_path(), pathlib.Path(self.input)
        if path is None or not path.is_dir():
            return {path.resolve()} if path else set()
        folders = {path}
        if root.is_dir():
            folders |= {path / picture.parent.relative_to(root) for picture, _ in jobs}
        there = filter(pathlib.Path.is_dir, folders)
        return {file.resolve() for folder in there for file in folder.iterdir()}

    def encode(
        self,
        path: pathlib.Path,
        restored: np.ndarray,
        picture: pixels.Picture,
        mask: np.ndarray,
        suffix: str,
    ) -> bytes:
        """The bytes of a picture's result; see `output.encode`.

        Says so if the format has no room for the picture's transparency.
        """
        if output.flattens(picture, mask, suffix):
            tqdm.tqdm.write(
                f"{shown(path)}: what is transparent in it becomes white, because JPEG "
                "has no transparency; --format=png or webp keeps it.",
                file=sys.stderr,
            )
        return output.encode(
            restored,
            picture,
            mask,
            suffix,
            quality=self.quality,
            keep_location=self.keep_location,
        )

    def mask_of(
        self, path: pathlib.Path, picture: pixels.Picture, **drawn
    ) -> np.ndarray:
        """The mask of a picture; says what it is taken for. See `masks.mask_for`."""
        mask, taken_for = masks.mask_for(
            path,
            picture,
            mask=self.mask,
            root=pathlib.Path(self.input),
            missing_is_black=self.missing_is_black,
            **drawn,
        )
        if taken_for:
            tqdm.tqdm.write(f"{shown(path)}: {taken_for}")
        return mask


def check_levels(levels: tuple[float, ...]) -> None:
    """Raises a ValueError unless --levels are none, or two that differ."""
    if levels and (len(levels) != 2 or levels[0] == levels[1]):
        raise ValueError(
            "--levels takes two numbers, which are black and white, such as 0,1; got "
            f"{','.join(f'{level:g}' for level in levels)}."
        )


def find(
    source: pathlib.Path,
    output: pathlib.Path,
    *,
    kind: str,
    suffixes: tuple[str, ...],
    result: str | Callable[[pathlib.Path], str],
    aside: Iterable[pathlib.Path] = (),
) -> list[Job]:
    """Inputs and where their results go; says which files are left out.

    A result has its input's name with another suffix; where two inputs would share one,
    the input's own suffix stays in it (a.jpg.png, a.webp.png). An output folder within
    the input folder is not searched, nor is what is hidden. Files without a suffix are
    looked into.

    Args:
      source: A file, whatever its name, or a folder that is searched recursively.
      output: A folder, in which the results lie as the inputs do in theirs.
      kind: The name of an input, such as "picture".
      suffixes: Of inputs in folders, in lower case; capitals match too.
      result: Suffix of results, such as ".png", or input -> suffix.
      aside: Files and folders in the input folder that are no inputs, such as masks.

    Raises:
      FileNotFoundError: If there are no inputs.
      ValueError: If a result would replace an input.
    """
    if source.is_file():
        paths, root = [source], source.parent
    else:
        paths, root = sorted(_walk(source, {output, *aside}, kind, suffixes)), source
    if not paths:
        raise FileNotFoundError(
            f"--input={source} is neither a {kind} nor a folder with any "
            f"({', '.join(suffixes)})."
        )
    suffix = result if callable(result) else lambda path: result
    names = {path: path.with_name(path.stem + suffix(path)) for path in paths}
    uses, inputs, jobs = collections.Counter(names.values()), set(paths), []
    for path, name in names.items():
        # Of a.jpg, a.png and a.jpg.png the first becomes what the last would be.
        if uses[name] > 1 or path.with_suffix("") in inputs:
            name = path.with_name(path.name + suffix(path))
        jobs.append((path, output / name.relative_to(root)))
    inputs = {path.resolve() for path in paths}
    for _, target in jobs:
        if target.resolve() in inputs:
            raise ValueError(
                f"--output={output} would replace the input {target}; pass another "
                "folder."
            )
    return jobs


def pending(
    jobs: list[Job],
    standing: Callable[[list[Job]], set[pathlib.Path]],
    *,
    overwrite: bool,
    shard: Shard = WHOLE,
) -> list[Job]:
    """The jobs that are to be done; prints how many results exist already.

    If there is none, it says so, as the last word of the command: nothing else has to
    be loaded.

    Those of a shard are its part of all that were found; what joins the shards has
    none, and looks at a result of each: the shard has compared the others with it.

    Args:
      jobs: All that were found.
      standing: Those of which results are there; see `Results.standing`.
      overwrite: Whether they are replaced.
      shard: The part of the work.

    Raises:
      ValueError: If other settings made a result that is there.
    """
    if shard.merges:
        made = (
            next((job for job in part.of(jobs) if os.path.exists(job[1])), None)
            for part in shard.all
        )
        standing([*filter(None, made)])
        return []
    jobs = shard.of(jobs)
    done = set() if overwrite else standing(jobs)
    if len(done) == len(jobs):
        are, them = ("are", "them") if len(done) > 1 else ("is", "it")
        why = f"{counted(len(done), 'result')} {are} already there"
        why += f"; --overwrite makes {them} again."
        print("Nothing to do: " + (why if done else f"no input is of {shard.name}."))
    elif done:
        print(
            f"{counted(len(done), 'result')} already there, left alone "
            "(--overwrite replaces).",
            file=sys.stderr,
        )
    return [job for job in jobs if job[0] not in done]


def progress(jobs: Iterable[Item], verb: str) -> Iterable[Item]:
    """The jobs, with a bar on a terminal; lines go through `tqdm.write`, above it."""
    return tqdm.tqdm(jobs, unit="img", desc=verb, disable=None)


def shown(path: str | os.PathLike) -> str:
    """A path in one line of text, whatever bytes its name has."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    escaped = (c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return "".join(escaped)


def skip(path: pathlib.Path, why: str) -> None:
    """Prints that a file is skipped. Some reasons name the file themselves."""
    why = why.replace(str(path), shown(path))
    told = why if why.startswith(shown(path)) else f"{shown(path)}: {why}"
    tqdm.tqdm.write(f"skipped {told}", file=sys.stderr)


def write(
    path: pathlib.Path, target: pathlib.Path, data: bytes, results: Results, made: Made
) -> bool:
    """Writes an input's result; False, and said, if its name cannot be a file's."""
    try:
        results.note(target, data, made)
        pixels.write_bytes(target, data)
    except OSError as error:
        if error.errno not in _OF_ONE_FILE:
            raise
        skip(path, f"its result cannot be written ({error.strerror}).")
        return False
    return True


def in_threads(
    do: Callable[[Item], Any], items: Iterable[Item]
) -> Iterator[tuple[Item, Callable[[], Any]]]:
    """Yields items, in their order, with the results of `do` on them.

    Threads work a few items ahead, so that memory does not grow with their number.

    Yields:
      (item, result): `result()` returns what `do` did, or raises its error.
    """
    count = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        waiting = collections.deque()
        for item in items:
            waiting.append((item, pool.submit(do, item)))
            if len(waiting) > count:
                done, future = waiting.popleft()
                yield done, future.result
        for done, future in waiting:
            yield done, future.result


def conclude(
    jobs: list[Job], done: int, *, verb: str, output: str, shard: Shard = WHOLE
) -> None:
    """Prints how many of the jobs were done; a ValueError if some were skipped.

    Without jobs `pending` has said that there is nothing to do.

    Of a shard, skipped pictures are no error: what joins the shards looks for them.

    Args:
      jobs: To be done; for what joins the shards all of them.
      done: How many were; what joins the shards counts the results.
      verb: Such as "restored".
      output: Where the results are.
      shard: The part of the work.
    """
    if shard.merges:
        missing = [path for path, target in jobs if not os.path.exists(target)]
        for path in missing:
            print(f"no result: {shown(path)}", file=sys.stderr)
        done = len(jobs) - len(missing)
    elif not jobs:
        return
    skipped = len(jobs) - done
    note = f", {skipped} skipped" if skipped else ""
    print(f"{counted(done, 'picture')} {verb}{note}: {output}")
    if skipped and not shard.is_part:
        raise ValueError(
            f"{counted(skipped, 'picture')} could not be {verb}; see above."
        )


def _walk(
    source: pathlib.Path,
    aside: Collection[pathlib.Path],
    kind: str,
    suffixes: tuple[str, ...],
) -> Iterator[pathlib.Path]:
    """The inputs below a folder, but for what is hidden or set aside."""
    aside, others = {path.resolve() for path in aside}, []
    for folder, inner, names in os.walk(source):
        here = pathlib.Path(folder)
        real = here.resolve()
        inner[:], names = (
            # Hidden are macOS's companions of pictures, and what a killed command left.
            [n for n in found if not n.startswith(".") and real / n not in aside]
            for found in (inner, names)
        )
        for name in names:
            pictures = suffixes == pixels.IMAGE_SUFFIXES
            if name.lower().endswith(suffixes) or (
                pictures and not (here / name).suffix and pixels.is_image(here / name)
            ):
                yield here / name
            else:
                others.append(here / name)
    if others:
        named = ", ".join(shown(path.name) for path in sorted(others)[:_NAMED])
        named += ", ..." if len(others) > _NAMED else ""
        are = "files are no" if len(others) > 1 else "file is no"
        kind += "s" if len(others) > 1 else ""
        print(f"{len(others)} {are} {kind} and left out: {named}", file=sys.stderr)
