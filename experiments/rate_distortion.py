r"""Compares the codecs of runs with JPEG, WebP, AVIF and JPEG XL, in bytes.

  facemend rate_distortion --output=runs/rate_distortion \
      --runs=runs/lambda_0.003,runs/lambda_0.01,runs/lambda_0.03

The test images of the runs, which must be the same, are compressed and decompressed by
the exported codec of every run and by every format at several qualities. A run of
several rates is enough. The report is
in --output/report, its content as data in --output/rate_distortion.json.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import flags

from data_pipeline import pixels
from data_pipeline.decoded import DecodedSplit
from evaluation.codecs import image_formats, rate_distortion, report
from evaluation.codecs.rate_distortion import OURS
from evaluation.metrics import lpips
from evaluation.report.write import strict, write_report
from experiments.core import command_line, system
from experiments.core.command_line import check_at_least
from experiments.core.config import RunConfig
from experiments.core.environment import described_data, environment, shareable
from experiments.core.folder import FINGERPRINT, RunFolder
from serving.codec.base import Codec
from serving.codec.image_codec import ImageCodec
from serving.export.codec import load_image_codec

_QUALITIES = range(0, 101, 10)  # of a codec of several rates


def main() -> None:
    """The command line."""
    flags.DEFINE_list("runs", [], "Run folders whose export is a codec, one a lambda.")
    flags.DEFINE_string("data_dir", "", "Where the data set is; by default as trained.")
    flags.DEFINE_string("output", "", "Folder of report/ and rate_distortion.json.")
    flags.DEFINE_integer("limit", 0, "At most so many test images; 0 takes all.")
    flags.DEFINE_integer(
        "size", 0, "Side of the images, such as 250 for those of LFW; 0 as trained."
    )
    flags.DEFINE_bool(
        "slow_formats", False, "Also AVIF at its slowest: up to a second an image."
    )
    flags.DEFINE_string("lpips_weights", "", "As the papers' commands take it.")

    def body() -> None:
        given = flags.FLAGS
        command_line.require(runs=",".join(given.runs), output=given.output)
        check_at_least("limit", given.limit, 0)
        check_at_least("size", given.size, 0)
        page = compare(
            [pathlib.Path(path).expanduser() for path in given.runs],
            given.output,
            data_dir=given.data_dir,
            limit=given.limit,
            size=given.size,
            slow=given.slow_formats,
            lpips_weights=given.lpips_weights,
        )
        print(f"report: {page}")

    command_line.run(body)


def compare(
    folders: Sequence[pathlib.Path],
    output: str,
    *,
    data_dir: str = "",
    limit: int = 0,
    size: int = 0,
    slow: bool = False,
    lpips_weights: str = "",
) -> pathlib.Path:
    """Measures, and writes everything into `output`; returns the path of report.html.

    Images have a side of `size` pixels, or that of the runs. With `slow` formats take
    part that need a second an image. LPIPS is measured where there are weights; see
    `lpips.resolve`.

    Raises:
      FileNotFoundError: If a run or its export does not exist.
      ValueError: If the runs cannot be compared; see `read` and `test_split`.
    """
    command_line.check_folder("output", output)
    target = pathlib.Path(output).expanduser()
    runs = read(folders, data_dir=data_dir, limit=limit)
    split, paper = test_split(runs, size), runs[0].system
    codecs = {name: codec for run in runs for name, codec in run.settings().items()}
    weights = lpips.resolve(lpips_weights)
    perceptual = lpips.load(weights) if weights else None
    found = rate_distortion.compare(
        codecs, split.images, split.names, lpips=perceptual, slow=slow
    )
    found.evaluation.save(target / "report" / "evaluation.npz")
    made = {run.label: run.described() for run in runs}
    here = environment()
    measured = {
        "evaluation commit": here.pop("commit"),
        **here,
        FINGERPRINT: found.evaluation.fingerprint,
        "data": described_data(split),
    }
    results = {
        "paper": paper.name,
        "test_images": len(split),
        "image_size": found.size,
        "fingerprint": found.evaluation.fingerprint,
        "environment": measured,
        "formats": image_formats.described(slow=slow),
        "runs": [
            {"label": run.label, **made[run.label]}
            | {"config": shareable(type(run.config), run.record["config"])}
            for run in sorted(
                runs, key=lambda run: found.by_rate(OURS).index(min(run.settings()))
            )
        ],
        **report.results(found),
    }
    text = json.dumps(strict(results), indent=1)
    pixels.write_bytes(target / "rate_distortion.json", f"{text}\n".encode())
    return write_report(
        target / "report",
        report.make_report(
            found,
            codecs,
            split,
            title=f"{paper.title}: rate and distortion",
            citation=paper.citation,
            environment={
                **measured,
                "image formats": image_formats.described(slow=slow),
                **made,
            },
            departures=paper.departures,
        ),
    )


@dataclasses.dataclass(frozen=True)
class CodecRun:
    """A run and its exported codec.

    Attributes:
      path: The run folder.
      label: Its name in tables, unique among the runs.
      system: The paper's.
      config: As it was trained, except for the arguments of `read`.
      record: Its config.json.
      codec: Its export.
    """

    path: pathlib.Path
    label: str
    system: system.System
    config: RunConfig
    record: Mapping[str, Any]
    codec: ImageCodec

    def settings(self) -> dict[str, Codec]:
        """The codec by its label, or at each of some qualities by that and these."""
        if not self.codec.rates:
            return {self.label: self.codec}
        return {f"{self.label}, quality {q}": self.codec.at(q) for q in _QUALITIES}

    def described(self) -> dict[str, Any]:
        """Settings and origin of the codec, for reports."""
        trained = self.record["environment"]
        return {
            "flags": self.system.typed({"environment": self.record}).strip("`"),
            "seed": self.config.seed,
            "commit": trained["commit"],
            "hardware": trained["hardware"],
            "model": self.codec.model_id.hex(),
        }


def read(
    folders: Sequence[pathlib.Path], *, data_dir: str = "", limit: int = 0
) -> list[CodecRun]:
    """Opens runs, in the given order.

    At most `limit` test images are used; 0 takes as many as the run did.

    Raises:
      FileNotFoundError: If a folder holds no run, or the run has no export.
      ValueError: If the runs are of several papers, an export is no codec with entropy
        coding, files are damaged, or a folder is named twice.
    """
    records = [_read_record(path) for path in folders]
    paper = system.load(records[0]["paper"])
    runs = []
    for path, record in zip(folders, records):
        if record["paper"] != paper.name:
            raise ValueError(
                f"{folders[0]} is a run of {paper.name} and {path} one of "
                f"{record['paper']}. Compare runs of one paper."
            )
        export = RunFolder(path).export
        if not export.exists():
            raise FileNotFoundError(
                f"{path} has no export; run it with --stages=export first."
            )
        config = paper.configuration(record["config"])
        limits = [n for n in (config.limit, limit) if n]
        config = dataclasses.replace(
            config, limit=min(limits, default=0), data_dir=data_dir or config.data_dir
        )
        label, codec = paper.label(config), load_image_codec(export)
        runs.append(CodecRun(path, label, paper, config, record, codec))
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


def _read_record(path: pathlib.Path) -> dict[str, Any]:
    """The config.json of a run folder."""
    file = path / "config.json"
    if not file.exists():
        raise FileNotFoundError(
            f"{path} is not a run folder: it has no config.json. Pass the --workdir of "
            "a run that has trained a codec."
        )
    try:
        record = json.loads(file.read_text())
        paper, *_ = (record[k] for k in ("paper", "preset", "config", "environment"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{file} is damaged ({type(error).__name__}: {error}). Start the run "
            "again, which writes it anew."
        ) from error
    if paper not in system.names():
        raise ValueError(
            f"{path} is a run of {paper}; papers are {', '.join(system.names())}."
        )
    return record


def test_split(runs: Sequence[CodecRun], size: int = 0) -> DecodedSplit:
    """The test images of the runs; a ValueError if they are not the same for all.

    Their side is `size`, or that of the runs.
    """
    first, splits = runs[0], {}
    for run in runs:
        options = _data_options(run.config)
        key = tuple(options.items())
        if key in splits:
            continue
        data = run.system.data(run.config)
        split = splits[key] = data.test_at(size) if size else data.test
        expected = next(iter(splits.values()))
        if split.names != expected.names or not np.array_equal(
            split.images, expected.images
        ):
            differences = ", ".join(
                f"--{name} is {options[name]} and {value}"
                for name, value in _data_options(first.config).items()
                if options[name] != value
            )
            raise ValueError(
                f"{run.path} and {first.path} have other test images: {differences}. "
                "Compare runs that were trained with the same data set, crop, size "
                "and seed."
            )
    return next(iter(splits.values()))


def _data_options(config: RunConfig) -> dict[str, Any]:
    """The options that decide which test images there are."""
    names = (
        "dataset", "data_dir", "seed", "split_by", "limit", "image_size", "crop",
    )  # fmt: skip
    return {name: getattr(config, name) for name in names}


if __name__ == "__main__":
    main()
