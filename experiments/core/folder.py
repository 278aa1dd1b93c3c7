"""The run folder: its paths, its config.json, resuming it, and its evaluation."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from data_pipeline import pixels
from evaluation import charts
from evaluation.record import Evaluation
from evaluation.report import pictures, report
from experiments.core import command_line
from experiments.core.command_line import fields_that, formerly
from experiments.core.config import RunConfig
from experiments.core.environment import environment, shareable
from serving import file_lock
from serving.export import saved_model

# In a label: such as ", 158 epochs", last.
_LENGTH = re.compile(r", [\d,]+ (epoch|step)s?$")
# Parts of a report in which a label is no run's.
_NOT_OF_THE_RUN = ("title", "subtitle", "citation", "environment", "published")


class RunFolder:
    """Paths of a run, and its config.json. The folder is made if it is not there.

    Raises:
      ValueError: If there is a file at the path.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path).expanduser()
        command_line.check_folder("workdir", self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.history = self.path / "history.csv"
        self.samples = self.path / "samples"
        self.export = self.path / "export" / "1"
        self.report = self.path / "report"
        self._config = self.path / "config.json"
        for name in ("export", "encoder", "decoder"):
            saved_model.recover(self.path / name / "1")

    @property
    def has_begun(self) -> bool:
        """Whether it holds a checkpoint that a run resumes from."""
        saved = ("ckpt-*.index", "ckpt-*.json", "checkpoint")  # to their end
        return any(any(self.checkpoints.glob(f"*/{name}")) for name in saved)

    def untrained(self) -> FileNotFoundError:
        """The error of a folder without a checkpoint."""
        return FileNotFoundError(
            f"{self.path} holds no checkpoint; put train into --stages first."
        )

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Keeps other processes from training here; a ValueError if one does."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(file_lock.held(self.path / ".training"))
            except BlockingIOError:
                raise ValueError(
                    f"Another process trains in {self.path}. Wait until it has ended, "
                    "or pass another --workdir."
                ) from None
            yield

    def record(self, paper: str, preset: str, config: RunConfig) -> dict[str, Any]:
        """Writes config.json, unless the folder holds a run of another configuration.

        Flags that only measure do not replace there those it was trained with.

        Returns:
          Paper, preset, config as given, and the environment it was first trained in.

        Raises:
          ValueError: If a field that shapes the network or its training differs from
            what the folder was trained with.
        """
        values = json.loads(json.dumps(dataclasses.asdict(config)))
        record = {
            "paper": paper,
            "preset": preset,
            "config": values,
            "environment": environment(),
        }
        kept = {}
        if self.has_begun:
            before = self._recorded()
            # A field that is newer than the run has its default, or a former value.
            before["config"] = {**_defaults(config), **before["config"]}
            shared = _shared(config)
            if "train" not in config.stages:
                kept = {k: v for k, v in before["config"].items() if k in shared}
            self._check_same(before, record, _free(config) - shared | set(kept))
            record["environment"] = before["environment"]
        written = {**record, "config": {**values, **kept}}
        text = json.dumps(written, indent=2) + "\n"
        pixels.write_bytes(self._config, text.encode())
        return record

    def with_length(self, config: RunConfig) -> RunConfig:
        """The configuration with the length of the run, if it trains no more.

        What only measures or exports does not say how long to train.
        """
        if "train" in config.stages or not self.has_begun:
            return config
        before = self._recorded()["config"]
        lengths = fields_that(type(config), length=True) & set(before)
        return dataclasses.replace(config, **{name: before[name] for name in lengths})

    def check_images(self, digests: Mapping[str, str]) -> None:
        """Refuses other images than the run began with, of a set that is split here.

        Args:
          digests: {split: of the names of its images}; empty for sets that come with
            their splits. The first ones are kept in split.json.

        Raises:
          ValueError: If they differ: images would be tested on that it has learned.
        """
        path = self.path / "split.json"  # runs of early versions have none
        if not digests:
            return
        if not self.has_begun:
            pixels.write_bytes(path, (json.dumps(digests) + "\n").encode())
        elif path.exists() and json.loads(path.read_text()) != digests:
            raise ValueError(
                f"{self.path} was begun with other images: some were added to or "
                "removed from --data_dir since. The set would be split differently, "
                "and the network tested on images that it was trained on. Restore the "
                "folder, or pass another --workdir."
            )

    def trained_with(self) -> dict[str, Any]:
        """The configuration in config.json."""
        return self._recorded()["config"]

    def _recorded(self) -> dict[str, Any]:
        """What config.json says; a ValueError if it is gone or damaged."""
        try:
            record = json.loads(self._config.read_text())
            lacks = {"paper", "config", "environment"} - set(record)
            if lacks or not isinstance(record["config"], dict):
                raise ValueError(f"it has no {', '.join(lacks) or 'flags'}")
        except (FileNotFoundError, ValueError, TypeError) as error:
            wrong = "missing"
            if self._config.exists():
                wrong = f"damaged ({str(error).partition(chr(10))[0]})"
            copy = self.export / "assets.extra" / "config.json"
            way = f"Put {copy} in its place" if copy.exists() else "Put a copy back"
            raise ValueError(
                f"{self._config} is {wrong}: nothing says which flags the run was "
                f"trained with. {way}, or pass another --workdir."
            ) from error
        return record

    def _check_same(self, before: dict, now: dict, free: set[str]) -> None:
        changed = [
            f"{name} was {before['config'][name]!r} and is now {value!r}"
            for name, value in now["config"].items()
            if name not in free and before["config"][name] != value
        ]
        if before["paper"] != now["paper"]:
            changed.insert(0, f"it is a run of {before['paper']}")
        if changed:
            raise ValueError(
                f"{self.path} holds a run with other settings: {'; '.join(changed)}. "
                "Pass the settings it was started with to resume it, or another "
                "--workdir."
            )


def _shared(config: RunConfig) -> set[str]:
    """Fields that shape training and measuring."""
    shared = fields_that(type(config), measures_too=True)
    return shared | {
        field.name
        for field in dataclasses.fields(config)
        if field.metadata["trains_with"]
        and getattr(config, field.metadata["trains_with"])
    }


def _free(config: RunConfig) -> set[str]:
    """Fields that may change between two starts of the same run.

    They say where things are, how far to go and how to measure, not what the network
    learns.
    """
    free = [
        fields_that(type(config), **{kind: True})
        for kind in ("path", "measures_only", "length")
    ]
    if getattr(config, "learning_rate_decay", "none") != "none":
        # The learning rate depends on the length.
        free.pop()
    return set().union(*free)


def _defaults(config: RunConfig) -> dict[str, Any]:
    """What its fields are in runs that lack them, as config.json has it."""
    fields = {field.name: field.default for field in dataclasses.fields(config)}
    return json.loads(json.dumps({**fields, **formerly(type(config))}))


FINGERPRINT = "fingerprint of the test set"  # in a report's environment


def set_aside(report_folder: pathlib.Path, fingerprint: str) -> None:
    """Renames a report of another evaluation set than this fingerprint's, and says so.

    The new name is that of its holes and its set. Evaluating the same set again
    replaces the report, also one that was set aside before.
    """
    results = report_folder / "results.json"
    if not results.exists():
        return
    try:
        environment = json.loads(results.read_text())["environment"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{results} is damaged ({error}). Delete it, and evaluate again."
        ) from error
    before = environment[FINGERPRINT]
    if before == fingerprint:
        return
    # Systems that fill no holes have none.
    mask = environment["config"].get("test_mask", "images")
    holes = pictures.slug(pathlib.Path(mask).stem)
    kept = report_folder.with_name(f"{report_folder.name}-{holes}-{before[:8]}")
    if kept.exists():
        shutil.rmtree(kept)
    report_folder.rename(kept)
    print(f"The report of another evaluation set is kept: {kept}")


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A run that has been evaluated.

    Attributes:
      folder: Of the run.
      evaluation: Every value of every image.
      report: results.json of its report, from `evaluation.report.report.read`.
      repeats: Label of the run that this one repeats with another seed, or its own.
    """

    folder: RunFolder
    evaluation: Evaluation
    report: Mapping[str, Any]
    repeats: str = ""

    @property
    def label(self) -> str:
        """Its network's name in tables."""
        return self.report["ours"][0]

    @property
    def config(self) -> Mapping[str, Any]:
        """The flags it was trained and measured with, without paths."""
        return self.report["environment"]["config"]

    @property
    def history(self) -> dict[str, list[float]]:
        """Columns of its history.csv."""
        return charts.read_history(self.folder.history)

    def described(
        self, config_class: type, *, without: Collection[str] = ()
    ) -> dict[str, Any]:
        """The run as results/<paper>.json has it, without the tables of some keys."""
        return {
            "label": self.label,
            "subtitle": self.report["subtitle"],
            "environment": {
                **self.report["environment"],
                "config": shareable(config_class, self.config),
            },
            "epochs": self.report["epochs"],
            "history": self.report["history"],
            "statements": self.report.get("statements", []),
            "tables": [
                table for table in self.report["tables"] if table["key"] not in without
            ],
        }


def read_finished(folders: Sequence[pathlib.Path]) -> list[FinishedRun]:
    """Reads the reports of runs; a FileNotFoundError if one has not been evaluated.

    A run that differs from an earlier one by its seed alone is labeled with the seed. A
    length that all runs share is left out of their labels.
    """
    runs = []
    for path in folders:
        values, results = path / "report/evaluation.npz", path / "report/results.json"
        if not (values.exists() and results.exists()):
            raise FileNotFoundError(
                f"{path} has no report; run it with --stages=evaluate first."
            )
        runs.append(
            FinishedRun(RunFolder(path), Evaluation.load(values), report.read(results))
        )
    return _seeds_apart(_lengths_aside(runs))


def _seeds_apart(runs: Sequence[FinishedRun]) -> list[FinishedRun]:
    """Labels runs of one configuration by their seeds, but for the first of each."""
    first, apart = {}, []
    for run in runs:
        label, seed = run.label, run.config["seed"]
        begun = first.setdefault((label, run.evaluation.fingerprint), run)
        other = run is not begun and seed != begun.config["seed"]
        renamed = _renamed(run, f"{label}, seed {seed}") if other else run
        apart.append(dataclasses.replace(renamed, repeats=label))
    return apart


def _lengths_aside(runs: Sequence[FinishedRun]) -> Sequence[FinishedRun]:
    """Drops a length from labels that all of several runs share: it is said below."""
    lengths = [_LENGTH.search(run.label) for run in runs]
    if len(runs) < 2 or None in lengths or len({found[0] for found in lengths}) > 1:
        return runs
    return [
        _renamed(run, run.label[: found.start()]) for run, found in zip(runs, lengths)
    ]


def _renamed(run: FinishedRun, label: str) -> FinishedRun:
    """The run under another label, in its values and wherever its report names it."""

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(run.label, label)
        if isinstance(value, Mapping):
            return {renamed(key): renamed(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [renamed(each) for each in value]
        return value

    kept = {key: value for key, value in run.report.items() if key in _NOT_OF_THE_RUN}
    return dataclasses.replace(
        run,
        evaluation=dataclasses.replace(
            run.evaluation, values=renamed(run.evaluation.values)
        ),
        report={**renamed(run.report), **kept},
    )
