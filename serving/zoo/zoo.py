"""Trained models that come with the repository, by name.

  folder = zoo.resolve("skip_inpainting_restorer")  # as runs/NAME/export/1

pretrained/models.json lists them; `package` describes their files. A file is unpacked
once, into a cache, and checked before each use:

  CACHE/models/NAME-<first digits of the file's SHA-256>/
    NAME/1/       the export; TF Serving takes NAME
    files.json    the SHA-256 of each of its files

CACHE is the folder of `machine.cache_folder`: $FACEMEND_CACHE, or the platform's.
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

from data_pipeline import machine
from serving.export import known
from serving.export.kinds import COMMANDS, DOES, KINDS, kind_of

_HERE = pathlib.Path(__file__).resolve()
# In a wheel beside this file, in a clone at its root.
PRETRAINED = next(
    filter(pathlib.Path.is_dir, [_HERE.with_name("pretrained")]),
    _HERE.parents[2] / "pretrained",
)
INDEX = "models.json"
LIST = "facemend-models"  # the only key of the index

# Models that came along earlier, whose place skip_inpainting_restorer takes.
REPLACED = {
    name: "skip_inpainting_restorer"
    for name in ("multiscale_add", "pyramid_d", "skip_inpainting_model3")
}

_FILES = "files.json"
_DIGITS = 16
_LFS = b"version https://git-lfs"
_TRIES = 3


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model's entry in the index."""

    name: str  # as users call it
    file: str  # the package; it and the card lie beside the index
    sha256: str  # of the package, in hexadecimal digits
    bytes: int  # of the package
    paper: str  # its system, such as "skip_inpainting"
    card: str  # Markdown
    results: str  # the measurements, a path in the repository
    trained_on: str  # the data, and for how long
    license: str  # the terms of the weights
    kind: str = ""  # one of `KINDS`, also where the index has none
    codec_ids: Sequence[str] = ()  # of the models that a codec's files name
    retired: bool = False  # kept to read old files: a better one writes new ones


_KEYS = tuple(field.name for field in dataclasses.fields(Entry))[:-3]


def names(*kinds: str) -> tuple[str, ...]:
    """The names of the models that come with the repository, of some or all kinds.

    Retired ones are left out; `resolve` and `writer` know them.

    Raises:
      ValueError: If the index is damaged, or there is no such kind.
    """
    if not set(kinds) <= set(KINDS):
        raise ValueError(f"A kind is one of {', '.join(KINDS)}; got {kinds}.")
    entries = read_index(PRETRAINED).values()
    found = (entry for entry in entries if not entry.retired)
    return tuple(e.name for e in found if not kinds or e.kind in kinds)


def flag_help(meaning: str, *kinds: str) -> str:
    """The help of a flag that takes a folder or the name of a model of some kinds."""
    known: tuple[str, ...] = ()
    with contextlib.suppress(ValueError):  # which `resolve` raises later
        known = names(*kinds)
    return f"{meaning}, or one of {', '.join(known)}." if known else f"{meaning}."


def named(text: str) -> str:
    """Adds the names of shipped codecs to their identifiers in a text.

    For example "portrait_lambda_0.01 (74545fb7f8c0df95)" for "74545fb7f8c0df95".
    """
    with contextlib.suppress(ValueError):  # a damaged index; the digits are enough
        for entry in read_index(PRETRAINED).values():
            for digits in entry.codec_ids:
                text = text.replace(digits, f"{entry.name} ({digits})")
    return text


def writer(model_id: bytes) -> str:
    """The name of the shipped codec whose files name this identifier.

    Raises:
      ValueError: If there is none.
    """
    for entry in read_index(PRETRAINED).values():
        if model_id.hex() in entry.codec_ids:
            return entry.name
    raise ValueError(
        f"The file was compressed by the model {model_id.hex() or '(none)'}, which "
        "does not come with the repository. Pass the --model that wrote it."
    )


def resolve(name_or_folder: str | os.PathLike, *kinds: str) -> pathlib.Path:
    """The folder of an export: a folder itself, or that of one of `names`.

    A model that is not in the cache is unpacked. Of a folder that was not exported here
    it is said, once, that it is a program; see `known`.

    Args:
      name_or_folder: Of a model.
      *kinds: Of `KINDS`, if a shipped model must be of one. Of a folder, whoever opens
        it looks at that.

    Raises:
      FileNotFoundError: If it is neither, or the model's file is missing.
      ValueError: If the model is of another kind, or its file or the index is damaged.
      OSError: If the cache cannot be written.
    """
    if _is_folder(name_or_folder):
        known.tell(name_or_folder)
        return pathlib.Path(name_or_folder)
    entry = _entry(str(name_or_folder), kinds)
    part = pathlib.Path("models", f"{entry.name}-{entry.sha256[:_DIGITS]}")
    # Also in a folder that cannot be written.
    unpacked = (folder / part for folder in machine.cache_folders())
    kept = next(filter(_is_whole, unpacked), None)
    if not kept:
        kept = machine.cache_folder() / part
        _unpack(entry, kept)
    return kept / entry.name / "1"


def fingerprint(name_or_folder: str | os.PathLike, *kinds: str) -> str:
    """The digits that tell a model from all others; arguments as of `resolve`."""
    if _is_folder(name_or_folder):
        return known.fingerprint(name_or_folder)
    return _entry(str(name_or_folder), kinds).sha256[:_DIGITS]


def read_index(folder: pathlib.Path) -> dict[str, Entry]:
    """Reads name -> entry of a folder with packages; empty if it has no index.

    Raises:
      ValueError: If the index is damaged.
    """
    path = folder / INDEX
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[LIST]
        # The index of a later version may have more keys.
        entries = [
            Entry(
                *(e[k] for k in _KEYS),
                kind_of(e),
                e.get("codec_ids", ()),
                e.get("retired", False),
            )
            for e in found
        ]
        return {entry.name: entry for entry in entries}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}). Get it again, such "
            f"as by `git checkout -- {path}`."
        ) from error


def _is_folder(name_or_folder: str | os.PathLike) -> bool:
    """Whether it is one; an empty name would be the current one."""
    return bool(str(name_or_folder)) and pathlib.Path(name_or_folder).is_dir()


def _entry(name: str, kinds: Sequence[str]) -> Entry:
    """The entry of a name, or an error that lists those that fit, the nearest first."""
    entries = read_index(PRETRAINED)
    entry = entries.get(name)
    if entry and (not kinds or entry.kind in (*kinds, "")):
        return entry
    fitting = sorted(
        names(*kinds),
        key=lambda known: -difflib.SequenceMatcher(None, name, known).ratio(),
    )
    if not fitting:
        raise FileNotFoundError(
            f"{name or 'An empty name'} is not a folder, and there are no models by "
            f"name: these come with the repository, in {PRETRAINED}. Clone it and "
            "install from the clone (pip install -e .), or pass the folder a run "
            "exported to, such as runs/NAME/export/1."
        )
    way_out = (
        f"Pass one of {', '.join(fitting)}, or the folder a run exported to, such as "
        "runs/NAME/export/1."
    )
    if entry:
        raise ValueError(
            f"The model {name} {DOES[entry.kind]}, for which there is "
            f"{COMMANDS[entry.kind]}; here a model is needed that "
            f"{' or '.join(DOES[kind] for kind in kinds)}. {way_out}"
        )
    if REPLACED.get(name) in fitting:
        raise FileNotFoundError(
            f"The model {name} no longer comes with the repository, because "
            f"{REPLACED[name]} restores better; pass that name. {way_out}"
        )
    close = difflib.get_close_matches(name, fitting, n=1)
    hint = f" Did you mean: {close[0]} ?" if close else ""
    raise FileNotFoundError(
        f"{name or 'An empty name'} is neither a folder nor the name of a model.{hint} "
        f"{way_out}"
    )


def _read(entry: Entry) -> bytes:
    """Reads a package and checks it against the index."""
    path = PRETRAINED / entry.file
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path}, the model {entry.name}, is missing. In a sparse checkout, `git "
            f"sparse-checkout add {path.parent.name}` gets it; otherwise `git "
            f"checkout -- {path}`."
        ) from error
    if data.startswith(_LFS):
        raise ValueError(
            f"{path} is a pointer to the model {entry.name} in Git LFS. `git lfs pull` "
            "gets it."
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
    """Unpacks a model into the cache, whole or not at all."""
    data = _read(entry)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = tempfile.TemporaryDirectory(prefix=f".{kept.name}-", dir=kept.parent)
    except OSError as error:
        raise OSError(
            f"The model {entry.name} cannot be unpacked to {kept.parent} ({error}). "
            f"Set the environment variable {machine.CACHE} to a folder that can be "
            "written."
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
    """Moves an unpacked model to where it is kept, and a damaged one to `place`.

    If there is a whole one, another process was faster.
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
    """Whether a model in the cache is unchanged since it was unpacked."""
    try:
        files = json.loads((kept / _FILES).read_text())
        return bool(files) and all(_sha256(kept / k) == v for k, v in files.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
