r"""The codecs of several runs beside JPEG, WebP and AVIF: real bytes against quality.

  python -m experiments.rate_distortion --output=runs/rate_distortion \
      --runs=runs/lambda_0.003,runs/lambda_0.01,runs/lambda_0.03

The runs' own test images, which must be the same, are compressed by the exported codec
of every run and by every format at several qualities, and decompressed. The report is
in --output/report, all that it shows as data in --output/rate_distortion.json.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import tables
from evaluation.codecs import image_formats
from evaluation.codecs import measure as codecs_measure
from evaluation.codecs import report as codecs_report
from evaluation.codecs.image_formats import ImageFormat
from evaluation.codecs.measure import Coder
from evaluation.codecs.rate_distortion import OURS, Comparison
from evaluation.codecs.report import (
    bd_table,
    chart,
    equal_quality_table,
    points_table,
    statements,
)
from evaluation.report.report import Report
from evaluation.report.write import strict, write_report
from experiments.core import command_line
from experiments.core import system as core_system
from experiments.core.command_line import check_at_least
from experiments.core.config import RunConfig
from experiments.core.data import RunData
from experiments.core.environment import environment, without_places
from experiments.core.folder import FINGERPRINT, RunFolder
from experiments.core.system import configuration, settings
from serving.codec.image_codec import Codec
from serving.export.codec import load_image_codec


def main() -> None:
    """The command line."""
    flags.DEFINE_list("runs", [], "Run folders whose export is a codec, one a lambda.")
    flags.DEFINE_string("data_dir", "", "Where the data set is; by default as trained.")
    flags.DEFINE_string("output", "", "Folder of report/ and rate_distortion.json.")
    flags.DEFINE_integer("limit", 0, "At most so many test images; 0 takes all.")

    def body() -> None:
        given = flags.FLAGS
        command_line.require(runs=",".join(given.runs), output=given.output)
        check_at_least("limit", given.limit, 0)
        page = compare(
            [pathlib.Path(path).expanduser() for path in given.runs],
            given.output,
            data_dir=given.data_dir,
            limit=given.limit,
        )
        print(f"report: {page}")

    command_line.run(body)


def compare(
    folders: Sequence[pathlib.Path],
    output: str,
    *,
    data_dir: str = "",
    limit: int = 0,
) -> pathlib.Path:
    """Measures, and writes everything into `output`; returns the path of report.html.

    Args:
      folders: Run folders.
      output: A folder, made if it is not there.
      data_dir: Where the data set is; by default as trained.
      limit: At most so many test images; 0 takes all.

    Raises:
      FileNotFoundError: If a run or its export is not there.
      ValueError: If the runs cannot be compared; see `codec_runs`.
    """
    command_line.check_folder("output", output)
    target = pathlib.Path(output).expanduser()
    runs = read(folders, data_dir=data_dir, limit=limit)
    split = test_split(runs)
    formats = image_formats.available()
    found = measure(runs, formats, split)
    found.evaluation.save(target / "report" / "evaluation.npz")
    results = json.dumps(strict(gather(found, runs, formats, split)), indent=1)
    pixels.write_bytes(target / "rate_distortion.json", f"{results}\n".encode())
    return write_report(target / "report", report(found, runs, formats, split))


def measure(
    runs: Sequence[CodecRun], formats: Mapping[str, ImageFormat], split: DecodedSplit
) -> Comparison:
    """Compresses every image by every codec at every setting."""
    every = {run.label: Coder(run.codec.compress, run.codec.decompress) for run in runs}
    names = {OURS: list(every)}
    for name, form in formats.items():
        swept = {
            f"{name}, quality {quality}": Coder(
                functools.partial(form.encode, quality=quality),
                form.decode,
                parallel=True,
            )
            for quality in form.qualities
        }
        every.update(swept)
        names[name] = list(swept)
    evaluation = codecs_measure.measure(every, split.images, split.names)
    return Comparison(evaluation, names, split.images.shape[1])


def report(
    found: Comparison,
    runs: Sequence[CodecRun],
    formats: Mapping[str, ImageFormat],
    split: DecodedSplit,
) -> Report:
    """The report: ours in the main table, the formats in those below."""
    system, info = core_system.load(PAPER), split.source.info
    labels = found.by_rate(OURS)
    codecs = {run.label: run.codec for run in runs}
    shown, faces = codecs_report.gather(found, codecs, formats, split)
    hero = [{**row, "images": row["images"][:3]} for row in faces[next(iter(faces))]]
    return Report(
        title=f"{system.title}: rate and distortion",
        subtitle=f"{info.title}, {found.size} px, {', '.join(labels)}",
        citation=system.citation,
        summary={label: found.summary[label] for label in labels},
        ours=labels,
        metrics=(),  # no large numbers: a rate without its quality says nothing
        statements=[
            f"{tables.counted(len(split), 'test image')} of {info.title}; the "
            "networks have seen none of them.",
            codecs_report.span(found),
            *statements(found),
        ],
        tables=[
            bd_table(found),
            *(equal_quality_table(found, k) for k in found.keys),
            points_table(found),
        ],
        curves=[chart(found, key) for key in found.keys],
        pictures=faces,
        pictures_note=f"Ours is {shown}. Of each format the quality is shown whose "
        "file is nearest in bytes; it may have none as small.",
        hero=hero[:3],
        environment={
            **_environment(found, split),
            "image formats": _described(formats),
            **{run.label: _made(run) for run in runs},
        },
        departures=system.departures,
        notes=[
            "Bytes are those of whole files, headers included. All formats halve the "
            "resolution of chroma. AVIF's slower settings make smaller files.",
        ],
    )


def gather(
    found: Comparison,
    runs: Sequence[CodecRun],
    formats: Mapping[str, ImageFormat],
    split: DecodedSplit,
) -> dict[str, Any]:
    """Everything that was measured, as rate_distortion.json has it."""
    by_label = {run.label: run for run in runs}
    return {
        "paper": PAPER,
        "test_images": len(split),
        "image_size": found.size,
        "fingerprint": found.evaluation.fingerprint,
        "environment": _environment(found, split),
        "formats": _described(formats),
        "runs": [
            {"label": label, **_made(by_label[label])}
            | {"config": without_places(by_label[label].made["config"])}
            for label in found.by_rate(OURS)
        ],
        "points": {
            codec: [
                {"setting": setting, **found.summary[setting]}
                for setting in found.by_rate(codec)
            ]
            for codec in found.settings
        },
        "bd_rate_percent": found.bd_rates,
        "bytes_at_our_quality": {key: found.at_our_quality(key) for key in found.keys},
        "statements": [
            codecs_report.span(found),
            *statements(found),
        ],
        "tables": [
            bd_table(found),
            *(equal_quality_table(found, k) for k in found.keys),
            points_table(found),
        ],
    }


def _environment(found: Comparison, split: DecodedSplit) -> dict[str, Any]:
    info, here = split.source.info, environment()
    return {
        "evaluation commit": here.pop("commit"),
        **here,
        FINGERPRINT: found.evaluation.fingerprint,
        "data": {
            "set": info.title,
            "notes": without_places(info.notes),
            "terms": info.license,
            "citation": info.citation,
            "test images": len(split),
            "skipped in test": len(split.skipped),
        },
    }


def _described(formats: Mapping[str, ImageFormat]) -> dict[str, str]:
    """What wrote each format, and how."""
    versions = image_formats.versions()
    return {
        name: ", ".join(
            [
                versions[name],
                *(f"{option}={value}" for option, value in form.options.items()),
                f"qualities {' '.join(map(str, form.qualities))}",
            ]
        )
        for name, form in formats.items()
    }


def _made(run: CodecRun) -> dict[str, Any]:
    """What made a run's codec, in a few words."""
    trained = run.made["environment"]
    run_as_reported = {"environment": without_places(run.made)}
    return {
        "flags": settings(core_system.load(PAPER), run_as_reported).strip("`"),
        "seed": run.config.seed,
        "commit": trained["commit"],
        "hardware": trained["hardware"],
        "model": run.codec.model_id.hex(),
    }


PAPER = "portrait_autoencoder"


@dataclasses.dataclass(frozen=True)
class CodecRun:
    """A run and its exported codec.

    Attributes:
      path: Of the run folder.
      label: What tables call it; no other run's.
      config: As it was trained, but for what `read` was told.
      made: Its config.json.
      codec: Its export.
    """

    path: pathlib.Path
    label: str
    config: RunConfig
    made: Mapping[str, Any]
    codec: Codec


def read(
    folders: Sequence[pathlib.Path], *, data_dir: str = "", limit: int = 0
) -> list[CodecRun]:
    """Opens runs, in the given order.

    Args:
      folders: Run folders.
      data_dir: Where the data set is; by default as trained.
      limit: At most so many test images; 0 takes as many as the run was told to.

    Raises:
      FileNotFoundError: If a folder holds no run, or the run has no export.
      ValueError: If it is a run of another paper or without entropy coding, its files
        are damaged, or a folder is named twice.
    """
    system, runs = core_system.load(PAPER), []
    for path in folders:
        made = _config_json(path)
        config = configuration(system, made["config"])
        limits = [n for n in (config.limit, limit) if n]
        config = dataclasses.replace(
            config,
            limit=min(limits, default=0),
            data_dir=data_dir or config.data_dir,
        )
        codec = load_image_codec(_export(path))
        runs.append(CodecRun(path, system.label(config), config, made, codec))
    counts = collections.Counter(run.label for run in runs)
    named = [
        dataclasses.replace(run, label=f"{run.label} ({run.path.name})")
        if counts[run.label] > 1
        else run
        for run in runs
    ]
    for label, count in collections.Counter(run.label for run in named).items():
        if count > 1:
            raise ValueError(
                f"--runs names {count} folders that are both {label}. Name each run "
                "once, and give folders of equal settings different names."
            )
    return named


def test_split(runs: Sequence[CodecRun]) -> DecodedSplit:
    """The test images, which must be the same for all runs.

    Raises:
      ValueError: If they are not.
    """
    first, others = runs[0], []
    splits = {_deciding(first.config): RunData(first.config).test}
    for run in runs[1:]:
        if _deciding(run.config) not in splits:
            splits[_deciding(run.config)] = RunData(run.config).test
            others.append(run)
    expected = splits[_deciding(first.config)]
    for run in others:
        found = splits[_deciding(run.config)]
        if found.names != expected.names or not np.array_equal(
            found.images, expected.images
        ):
            raise ValueError(
                f"{run.path} and {first.path} have other test images: "
                f"{_differences(run.config, first.config)}. Compare runs that were "
                "trained with the same data set, crop, size and seed."
            )
    return expected


def _deciding(config: RunConfig) -> tuple:
    """What the test images depend on."""
    return (
        ("dataset", config.dataset),
        ("data_dir", config.data_dir),
        ("seed", config.seed),
        ("split_by", config.split_by),
        ("limit", config.limit),
        ("image_size", config.image_size),
        ("crop", config.crop),
        *config.source_options().items(),
    )


def _differences(config: RunConfig, other: RunConfig) -> str:
    pairs = zip(_deciding(config), _deciding(other))
    return ", ".join(
        f"--{name} is {mine} and {theirs}"
        for (name, mine), (_, theirs) in pairs
        if mine != theirs
    )


def _config_json(path: pathlib.Path) -> dict[str, Any]:
    """What a run folder says of its run."""
    file = path / "config.json"
    if not file.exists():
        raise FileNotFoundError(
            f"{path} is not a run folder: it has no config.json. Pass the --workdir of "
            f"a run of {PAPER}."
        )
    try:
        made = json.loads(file.read_text())
        paper, *_ = (made[k] for k in ("paper", "preset", "config", "environment"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}). Start the run "
            "again, which writes it anew."
        ) from error
    if paper != PAPER:
        raise ValueError(f"{path} is a run of {paper}; only {PAPER} makes codecs.")
    return made


def _export(path: pathlib.Path) -> pathlib.Path:
    folder = RunFolder(path).export
    if not folder.exists():
        raise FileNotFoundError(
            f"{path} has no export; run it with --stages=export first."
        )
    return folder


if __name__ == "__main__":
    main()
