"""Command lines: dataclasses as flags, presets, and errors as sentences."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import logging
import os
import pathlib
import re
import signal
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from absl import app, flags

import experiments
from data_pipeline import limits
from data_pipeline.choices import check_choice
from training import stopping

# Flags defined here belong to the command's module, whose --help lists them.
flags.disclaim_key_flags()

# Errors that a user can fix; all others keep their traceback, but for TensorFlow's.
_USER_ERRORS = (ValueError, OSError, FloatingPointError, MemoryError)
_SMALLER = ("batch_size", "image_size", limits.FLAG)  # flags that save memory
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_ROOMS = ("data_pipeline", "models", "training", "evaluation", "serving", "experiments")
_WAYS_OUT = {
    "DataLossError": "A file is damaged: put a copy back, or make it again.",
    "NotFoundError": "A file is gone: put a copy back, or make it again.",
    "PermissionDeniedError": "Pass a path that you may read and write.",
    "OutOfRangeError": "A file is cut off: put a copy back, or make it again.",
}


def run(
    body: Callable[..., None],
    *,
    actions: Sequence[str] = (),
    usual: str = "",
    models: bool = False,
) -> None:
    """Parses flags, runs a command line, and says in a line what was wrong.

    Args:
      body: Reads its flags and does the work; takes the action if there are any.
      actions: Words of which a user must write one, anywhere among the flags.
      usual: The action of a user who writes none; empty if there must be one.
      models: Whether these are names of models.
    """

    def main(argv: list[str]) -> None:
        for stream in (sys.stdout, sys.stderr):
            # File names may have characters that the terminal does not, or bytes that
            # are none; only tests have other streams.
            with contextlib.suppress(AttributeError):
                stream.reconfigure(errors="backslashreplace")
        # It tells whenever it looks for fonts.
        logging.getLogger("matplotlib").setLevel(logging.WARNING)
        expand_home()
        try:
            stopping.raise_on_signals()
            limits.set_max_megapixels(flags.FLAGS[limits.FLAG].value)
            words = argv[1:] or [word for word in (usual,) if word]
            (_check_model if models else _check_words)(words, actions)
            body(*words)
        except KeyboardInterrupt as error:
            print(
                f"\n{str(error) or 'Stopped.'} The same command goes on from here.",
                file=sys.stderr,
            )
            stopped = isinstance(error, stopping.Stopped)
            sys.exit(error.exit_code if stopped else 128 + signal.SIGINT)
        except Exception as error:
            said = explained(error)
            if not said or flags.FLAGS.verbosity > 0:
                raise
            if not _is_plain(error):
                said += "\n(--verbosity=1 shows where it came from.)"
            sys.exit(f"error: {as_typed(said)}")

    if limits.FLAG not in flags.FLAGS:
        flags.DEFINE_float(
            limits.FLAG,
            limits.MEGAPIXELS,
            "Largest picture that is decoded; larger ones take memory.",
        )
    if actions:
        # Otherwise what follows the action would not be parsed.
        flags.FLAGS.set_gnu_getopt(True)
    app.run(main, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    """Parses flags. absl ends --help with the exit code of an error."""
    if experiments.typed:
        command = sys.modules["__main__"]
        command.__doc__ = as_typed(command.__doc__ or "")
        for name in flags.FLAGS:
            flags.FLAGS[name].help = as_typed(flags.FLAGS[name].help or "")
    try:
        return flags.FLAGS(["--help" if word == "-h" else word for word in argv])
    except (flags.Error, ValueError) as error:  # the latter of --noflag=value
        sys.exit(f"error: {_mistyped(error)} --help lists the flags.")
    except SystemExit:
        sys.exit(0)


def _mistyped(error: Exception) -> str:
    """A sentence on a flag that absl refuses."""
    if isinstance(error, flags.UnrecognizedFlagError):
        close = difflib.get_close_matches(error.flagname, [*flags.FLAGS], n=1)
        hint = f" Did you mean: --{close[0]} ?" if close else ""
        return f"There is no flag --{error.flagname}.{hint}"
    if match := re.match(r"flag --(\w+)=(.*?): ", str(error), re.DOTALL):
        name, value = match.groups()
        kind = flags.FLAGS[name].flag_type()
        takes = {"bool": "true or false", "int": "a whole number", "float": "a number"}
        return f"--{name} takes {takes.get(kind, kind)}; got {value!r}."
    return f"{str(error).rstrip('.')}."


def as_typed(text: str) -> str:
    """A text that says `python -m experiments.NAME`, as the command was called."""
    home = pathlib.Path(experiments.__path__[0])

    def typed(match: re.Match) -> str:
        train = "train " if (home / match[1]).is_dir() else ""
        return f"{experiments.typed} {train}{match[1]}"

    if not experiments.typed:
        return text
    return re.sub(r"(?:python -m )?\bexperiments\.(\w+)", typed, text)


def expand_home(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Replaces the ~ of paths in all flags: shells do not within --name=~/path."""

    def expanded(value: Any) -> Any:
        if isinstance(value, list):
            return [expanded(item) for item in value]
        if not isinstance(value, str):
            return value
        return ",".join(map(os.path.expanduser, value.split(",")))  # a.png,~/b.png

    for name in flag_values:
        flag_values[name].value = expanded(flag_values[name].value)


def explained(error: Exception) -> str:
    """A sentence on an error that a user can fix; empty for all others."""
    name = type(error).__name__
    if _is_tensorflow(error):
        line = error.message.partition("\n")[0].rstrip(". ")
        if name == "ResourceExhaustedError":
            return f"Memory or disk is exhausted: {line}. {_save_memory()}"
        return f"TensorFlow failed: {line} ({name}). {_WAYS_OUT.get(name, '')}".strip()
    if isinstance(error, MemoryError):
        return f"Memory is exhausted: {error}. {_save_memory()}"
    if not isinstance(error, _USER_ERRORS):
        return ""
    if not isinstance(error, OSError) or error.filename is None:
        return str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = os.path.dirname(os.path.abspath(error.filename))
        return f"The disk of {folder} is full. Make room, and start the command again."
    return f"{error.filename}: {error.strerror}."


def _is_plain(error: Exception) -> bool:
    """Whether it is a mistake that one of our rules names, or the system's of a file.

    Of others, which came up in a library, it may help to know where.
    """
    if isinstance(error, OSError) and error.filename is not None:
        return True
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    file, root = pathlib.Path(last.tb_frame.f_code.co_filename), _ROOT
    return file.is_relative_to(root) and file.relative_to(root).parts[0] in _ROOMS


def _is_tensorflow(error: Exception) -> bool:
    """Whether it is one of TensorFlow's, which not every command has imported."""
    if "tensorflow.python" not in sys.modules:
        return False
    return isinstance(error, sys.modules["tensorflow"].errors.OpError)


def _save_memory() -> str:
    known = [f"--{name}" for name in _SMALLER if name in flags.FLAGS]
    return f"Lower {' or '.join(known)}, or end other programs."


def _check_model(words: Sequence[str], names: Sequence[str]) -> None:
    """Raises a ValueError unless what is no flag is one of the names."""
    if len(words) != 1 or words[0] not in names:
        got = f"; got {' and '.join(words)}" if words else ""
        raise ValueError(f"Say which model: one of {', '.join(names)}{got}.")


def _check_words(words: Sequence[str], actions: Sequence[str]) -> None:
    """Raises a ValueError unless what is no flag is the action, if there are any."""
    for word in words:
        if word not in actions:
            known = f"neither {' nor '.join(actions)} nor" if actions else "not"
            raise ValueError(
                f"{word!r} is {known} a flag; flags look like --name=value."
            )
    if actions and len(words) != 1:
        raise ValueError(
            f"Say once what to do, {' or '.join(actions)}; got "
            f"{' and '.join(words) or 'neither'}."
        )


def require(**values: str) -> None:
    """Raises a ValueError for the first flag (name=value) that was left empty."""
    for name, value in values.items():
        if not value:
            raise ValueError(f"--{name} is required; see --help.")


def check_folder(flag: str, path: str | os.PathLike) -> None:
    """Raises a ValueError if no folder can be made at `path`: a file is in the way."""
    path = pathlib.Path(path)
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise ValueError(
                f"--{flag}={path} must be a folder, but {place} is a file. Pass "
                "another path, or move the file away."
            )


def hp(
    default: Any,
    meaning: str,
    *,
    published: str = "",
    path: bool = False,
    path_or_word: bool = False,
    measures_only: bool = False,
    measures_too: bool = False,
    trains_with: str = "",
    length: bool = False,
    formerly: Any = None,
) -> Any:
    """A hyper-parameter: a dataclass field, and the flag that is made of it.

    Args:
      default: Its value.
      meaning: A sentence for --help.
      published: What the paper says, or "not stated".
      path: Says where files are; left out of results.
      path_or_word: A path, or a word such as "center"; results keep its last part.
      measures_only: Does not shape what is trained, so a run may change it.
      measures_too: Shapes training and measuring; where nothing is trained, a run may
        change it, and config.json keeps what it was trained with.
      trains_with: Name of a flag which, if set, makes a field of `measures_only` one
        of `measures_too`.
      length: How long training is; a run may be made longer.
      formerly: Value that runs had before this field, if not the default.
    """
    text = f"{meaning} Published: {published}." if published else meaning
    metadata = {
        "help": text,
        "meaning": meaning,
        "published": published,
        "path": path,
        "path_or_word": path_or_word,
        "measures_only": measures_only,
        "measures_too": measures_too,
        "trains_with": trains_with,
        "length": length,
        "formerly": formerly,
    }
    return dataclasses.field(default=default, metadata=metadata)


def hp_like(
    parent: type,
    name: str,
    default: Any = dataclasses.MISSING,
    *,
    meaning: str = "",
    published: str | None = None,
) -> Any:
    """A field of a parent class again, with another default, meaning or paper."""
    field = parent.__dataclass_fields__[name]
    changed = {"meaning": meaning} if meaning else {}
    changed |= {} if published is None else {"published": published}
    options = {k: v for k, v in field.metadata.items() if k != "help"}
    default = field.default if default is dataclasses.MISSING else default
    return hp(default, **{**options, **changed})


def formerly(config_class: type) -> dict[str, Any]:
    """Field -> value of runs from before that field, where it is not the default."""
    return {
        field.name: field.metadata["formerly"]
        for field in dataclasses.fields(config_class)
        if field.metadata.get("formerly") is not None
    }


def fields_that(config_class: type, **wanted: bool) -> set[str]:
    """Names of the fields whose metadata has all of these, such as `path=True`."""
    return {
        field.name
        for field in dataclasses.fields(config_class)
        if all(field.metadata.get(key) == value for key, value in wanted.items())
    }


def check_at_least(flag: str, value: float, lowest: float) -> None:
    """Raises a ValueError unless `value` is at least `lowest`."""
    if not value >= lowest:  # nor is a NaN
        raise ValueError(f"--{flag} must be at least {lowest}; got {value}.")


ConfigT = TypeVar("ConfigT")
Presets = Mapping[str, Mapping[str, Any]]


def define_flags(
    config_class: type,
    presets: Presets | None = None,
    flag_values: flags.FlagValues = flags.FLAGS,
) -> None:
    """Defines a flag for each field made by `hp`, as key flags of the caller.

    With presets, --preset chooses one.
    """
    if presets:
        summary = ", ".join(presets)
        flags.DEFINE_string(
            "preset", "paper", f"One of {summary}.", flag_values=flag_values
        )
    types = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        define = _definer(types[field.name])
        default = field.default
        default = list(default) if isinstance(default, tuple) else default
        define(field.name, default, field.metadata["help"], flag_values=flag_values)


def _definer(kind: type):
    plain = {
        bool: flags.DEFINE_boolean,
        int: flags.DEFINE_integer,
        float: flags.DEFINE_float,
        str: flags.DEFINE_string,
    }
    return plain.get(kind, flags.DEFINE_list)


def from_flags(
    config_class: type[ConfigT],
    presets: Presets | None = None,
    flag_values: flags.FlagValues = flags.FLAGS,
) -> ConfigT:
    """The configuration: defaults, then the preset, then what was typed.

    Raises:
      ValueError: If the preset is unknown or a value breaks a rule.
    """
    typed = {
        field.name: flag_values[field.name].value
        for field in dataclasses.fields(config_class)
        if flag_values[field.name].present
    }
    types = typing.get_type_hints(config_class)
    for name, value in typed.items():
        if isinstance(value, list):
            typed[name] = _parse_tuple(name, value, types[name])
    if not presets:
        return config_class(**typed)
    return make(config_class, presets, flag_values["preset"].value, **typed)


def make(
    config_class: type[ConfigT], presets: Presets, preset: str, **typed: Any
) -> ConfigT:
    """The configuration of a preset with some fields set otherwise."""
    check_choice("preset", preset, list(presets))
    return config_class(**{**presets[preset], **typed})


def _parse_tuple(name: str, texts: Sequence[str], kind: Any) -> tuple:
    """["64", "128"] -> (64, 128), for a field of type tuple[int, ...]."""
    item = typing.get_args(kind)[0]
    try:
        return tuple(item(text) for text in texts)
    except ValueError as error:
        raise ValueError(
            f"--{name} takes {item.__name__}s separated by commas; got "
            f"{','.join(texts)!r}."
        ) from error
