r"""The codecs of several runs beside JPEG, WebP and AVIF: real bytes against quality.

  python -m experiments.rate_distortion --output=runs/rate_distortion \
      --runs=runs/lambda_0.003,runs/lambda_0.01,runs/lambda_0.03

The runs' own test images, which must be the same, are compressed by the exported codec
of every run and by every format at several qualities, and decompressed. The report is
in --output/report, all that it shows as data in --output/rate_distortion.json.
"""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation import coders, image_formats, wording
from evaluation.codec_comparison import OURS, Comparison
from evaluation.coders import Coder
from evaluation.image_formats import ImageFormat
from evaluation.report import Report, strict, write_report
from experiments import codec_runs, command, papers, rate_distortion_tables
from experiments import rate_distortion_pictures as pictures
from experiments.codec_runs import CodecRun
from experiments.config import check_at_least
from experiments.kept_reports import FINGERPRINT
from experiments.provenance import settings, without_places
from experiments.run_folder import environment


def main() -> None:
    """The command line."""
    flags.DEFINE_list("runs", [], "Run folders whose export is a codec, one a lambda.")
    flags.DEFINE_string("data_dir", "", "Where the data set is; by default as trained.")
    flags.DEFINE_string("output", "", "Folder of report/ and rate_distortion.json.")
    flags.DEFINE_integer("limit", 0, "At most so many test images; 0 takes all.")

    def body() -> None:
        given = flags.FLAGS
        command.require(runs=",".join(given.runs), output=given.output)
        check_at_least("limit", given.limit, 0)
        page = compare(
            [pathlib.Path(path).expanduser() for path in given.runs],
            given.output,
            data_dir=given.data_dir,
            limit=given.limit,
        )
        print(f"report: {page}")

    command.run(body)


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
    command.check_folder("output", output)
    target = pathlib.Path(output).expanduser()
    runs = codec_runs.read(folders, data_dir=data_dir, limit=limit)
    split = codec_runs.test_split(runs)
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
    evaluation = coders.measure(every, split.images, split.names)
    return Comparison(evaluation, names, split.images.shape[1])


def report(
    found: Comparison,
    runs: Sequence[CodecRun],
    formats: Mapping[str, ImageFormat],
    split: DecodedSplit,
) -> Report:
    """The report: ours in the main table, the formats in those below."""
    system, info = papers.load(codec_runs.PAPER), split.source.info
    labels = found.by_rate(OURS)
    codecs = {run.label: run.codec for run in runs}
    shown, faces = pictures.gather(found, codecs, formats, split)
    hero = [{**row, "images": row["images"][:3]} for row in faces[next(iter(faces))]]
    return Report(
        title=f"{system.title}: rate and distortion",
        subtitle=f"{info.title}, {found.size} px, {', '.join(labels)}",
        citation=system.citation,
        summary={label: found.summary[label] for label in labels},
        ours=labels,
        metrics=(),  # no large numbers: a rate without its quality says nothing
        statements=[
            f"{wording.counted(len(split), 'test image')} of {info.title}; the "
            "networks have seen none of them.",
            rate_distortion_tables.span(found),
            *rate_distortion_tables.statements(found),
        ],
        tables=[
            rate_distortion_tables.bd_table(found),
            *(rate_distortion_tables.equal_quality_table(found, k) for k in found.keys),
            rate_distortion_tables.points_table(found),
        ],
        curves=[rate_distortion_tables.chart(found, key) for key in found.keys],
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
        "paper": codec_runs.PAPER,
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
            rate_distortion_tables.span(found),
            *rate_distortion_tables.statements(found),
        ],
        "tables": [
            rate_distortion_tables.bd_table(found),
            *(rate_distortion_tables.equal_quality_table(found, k) for k in found.keys),
            rate_distortion_tables.points_table(found),
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
            "terms": info.licence,
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
        "flags": settings(papers.load(codec_runs.PAPER), run_as_reported).strip("`"),
        "seed": run.config.seed,
        "commit": trained["commit"],
        "hardware": trained["hardware"],
        "model": run.codec.model_id.hex(),
    }


if __name__ == "__main__":
    main()
