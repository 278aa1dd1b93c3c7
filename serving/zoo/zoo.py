"""Trained models that come with the repository, by name.

  folder = zoo.resolve("skip_inpainting_model3")   an export, as runs/NAME/export/1 is

pretrained/models.json lists them; `zoo_package` says what their files are. A file is
unpacked once, into a cache, and what was unpacked is checked before each use:

  CACHE/models/NAME-<first digits of the file's SHA-256>/
    NAME/1/       the export; TF Serving takes NAME
    files.json    the SHA-256 of each of its files

CACHE is $FACEMEND_CACHE, or ~/.cache/facemend.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import hashlib
import io
import json
import os
import pathlib
import tempfile
from collections.abc import Sequence

PRETRAINED = pathlib.Path(__file__).resolve().parents[2] / "pretrained"
INDEX = "models.json"
LIST = "facemend-models"  # of the index, its only key

_CACHE = "FACEMEND_CACHE"
_FILES = "files.json"
_DIGITS = 16
_LFS = b"version https://git-lfs"
_TRIES = 3


@dataclasses.dataclass(frozen=True)
class Entry:
    """What the index says of a model.

    Attributes:
      name: What users call it.
      file: Of the package, beside the index, as the card.
      sha256: Of the package, in hexadecimal digits.
      bytes: Of the package.
      paper: The system it is of, such as "skip_inpainting".
      card: The model card, Markdown.
      results: The measurements, a path in the repository.
      trained_on: The data, and for how long.
      license: The terms of the weights.
      codec_ids: What files of a codec say wrote them, in hexadecimal digits.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    paper: str
    card: str
    results: str
    trained_on: str
    license: str
    codec_ids: Sequence[str] = ()


_KEYS = tuple(field.name for field in dataclasses.fields(Entry))[:-1]


def names(*papers: str) -> tuple[str, ...]:
    """The models that come with the repository.

    Args:
      *papers: The systems whose models are wanted; without any, all.

    Returns:
      Their names; none where they are not installed.

    Raises:
      ValueError: If the index is damaged.
    """
    entries = read_index(PRETRAINED).values()
    return tuple(e.name for e in entries if not papers or e.paper in papers)


def flag_help(meaning: str, *papers: str) -> str:
    """What a flag says that takes a folder or a name.

    Args:
      meaning: Of the flag, such as "Folder of an exported model".
      *papers: As `names` takes them.
    """
    known: tuple[str, ...] = ()
    with contextlib.suppress(ValueError):  # which `resolve` raises, in its time
        known = names(*papers)
    return f"{meaning}, or one of {', '.join(known)}." if known else f"{meaning}."


def resolve(name_or_folder: str | os.PathLike) -> pathlib.Path:
    """The folder of an export.

    Args:
      name_or_folder: A folder, which is returned as it is, or one of `names`, whose
        model is unpacked if it is not in the cache.

    Raises:
      FileNotFoundError: If it is neither, or the model's file is not there.
      ValueError: If the model's file or the index is damaged.
      OSError: If the cache cannot be written.
    """
    name, folder = str(name_or_folder), pathlib.Path(name_or_folder)
    if name and folder.is_dir():  # an empty name would be this folder's
        return folder
    entries = read_index(PRETRAINED)
    if name not in entries:
        raise FileNotFoundError(_unknown(name or "An empty name", list(entries)))
    entry = entries[name]
    kept = cache() / "models" / f"{entry.name}-{entry.sha256[:_DIGITS]}"
    if not _is_whole(kept):
        _unpack(entry, kept)
    return kept / entry.name / "1"


def cache() -> pathlib.Path:
    """The folder for what is made of files that are here already."""
    return pathlib.Path(os.environ.get(_CACHE) or "~/.cache/facemend").expanduser()


def read_index(folder: pathlib.Path) -> dict[str, Entry]:
    """Name -> entry, of a folder with packages; empty where there is no index.

    Raises:
      ValueError: If the index is damaged.
    """
    path = folder / INDEX
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[LIST]
        # A later version's index may say more of a model.
        entries = [Entry(*(e[k] for k in _KEYS), e.get("codec_ids", ())) for e in found]
        return {entry.name: entry for entry in entries}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}). Get it again, such "
            f"as by `git checkout -- {path}`."
        ) from error


def _unknown(name: str, known: list[str]) -> str:
    """What is wrong with a name."""
    if not known:
        return (
            f"{name} is not a folder, and there are no models by name: these come with "
            f"the repository, in {PRETRAINED}. Clone it and install from the clone "
            "(pip install -e .), or pass the folder a run exported to, such as "
            "runs/NAME/export/1."
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean: {close[0]} ?" if close else ""
    return (
        f"{name} is neither a folder nor one of the models {', '.join(known)}.{hint} "
        "Pass one of these, or the folder a run exported to, such as "
        "runs/NAME/export/1."
    )


def _read(entry: Entry) -> bytes:
    """The bytes of a package, which are those that the index means."""
    path = PRETRAINED / entry.file
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}, the model {entry.name}, is not there. In a sparse checkout, `git "
            f"sparse-checkout add {path.parent.name}` brings it; otherwise `git "
            f"checkout -- {path}`."
        ) from error
    if data.startswith(_LFS):
        raise ValueError(
            f"{path} stands for the model {entry.name}, whose bytes are in Git LFS. "
            "`git lfs pull` brings them."
        )
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise ValueError(
            f"{path} is damaged: it has {len(data):,} bytes with the SHA-256 {found}, "
            f"and {INDEX} says {entry.bytes:,} with {entry.sha256}. Get it again, such "
            f"as by `git checkout -- {path}`."
        )
    return data


def _unpack(entry: Entry, kept: pathlib.Path) -> None:
    """Puts a model into the cache, whole or not at all."""
    data = _read(entry)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = tempfile.TemporaryDirectory(prefix=f".{kept.name}-", dir=kept.parent)
    except OSError as error:
        raise OSError(
            f"The model {entry.name} cannot be unpacked to {kept.parent} ({error}). "
            f"Set the environment variable {_CACHE} to a folder that can be written."
        ) from error
    from serving.zoo import package  # here, because TensorFlow takes seconds

    with aside as place:
        fresh = pathlib.Path(place, "new")
        package.unpack(io.BytesIO(data), fresh / entry.name / "1")
        paths = sorted(path for path in fresh.rglob("*") if path.is_file())
        files = {path.relative_to(fresh).as_posix(): _sha256(path) for path in paths}
        (fresh / _FILES).write_text(json.dumps(files, indent=2) + "\n")
        _put(fresh, kept, pathlib.Path(place))


def _put(fresh: pathlib.Path, kept: pathlib.Path, place: pathlib.Path) -> None:
    """Moves what was unpacked to where it is kept, unless it is there by now.

    Args:
      fresh: What was unpacked.
      kept: Where it goes. What is there is whole, another process having been faster,
        or damaged.
      place: For what is damaged.
    """
    for number in range(_TRIES):
        try:
            os.rename(fresh, kept)
            return
        except OSError as error:
            if _is_whole(kept):
                return
            failure = error
        with contextlib.suppress(FileNotFoundError):
            os.rename(kept, place / f"damaged_{number}")
    raise failure


def _is_whole(kept: pathlib.Path) -> bool:
    """Whether a model in the cache is as it was unpacked."""
    try:
        files = json.loads((kept / _FILES).read_text())
        return bool(files) and all(_sha256(kept / k) == v for k, v in files.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def named(digits: str) -> str:
    """A codec's identifier, behind the name of the shipped model that has it.

    Args:
      digits: The identifier, hexadecimal.

    Returns:
      Such as "portrait_lambda_0.01 (74545fb7f8c0df95)".
    """
    with contextlib.suppress(ValueError):  # a damaged index; the digits are enough
        for entry in read_index(PRETRAINED).values():
            if digits in entry.codec_ids:
                return f"{entry.name} ({digits})"
    return digits
