r"""Gathers runs of a paper into results/, the README's table and the model card.

  python -m experiments.reproduce --paper=skip_inpainting --runs=runs/a,runs/b \
      --picture=runs/demo

Runs that were evaluated on the same images and holes, which their fingerprint says,
stand in one table; the README has that of the first run. Everything that is written
comes from results/<paper>.json; without --runs the README and the card are only written
again from there. What experiments.rate_distortion has measured of codecs is added with
--rate_distortion.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags

from data_pipeline import pixels
from evaluation import evaluate as measuring
from evaluation.report import strict
from experiments import (
    cards,
    command,
    cost_table,
    finished_runs,
    papers,
    results_text,
)
from experiments.config import check_choice
from experiments.finished_runs import FinishedRun
from experiments.system import System

ROOT = pathlib.Path(__file__).parent.parent
_SHOWN = 128  # pixels
# The panels of Chen et al.'s Fig. 4.
_LOSSES = tuple(f"learning-{name}" for name in ("g", "d", "c-real", "c-fake"))
_RATES = ("rate-psnr-db", "rate-ms-ssim")


def main() -> None:
    """The command line."""
    flags.DEFINE_string("paper", None, f"One of {', '.join(papers.NAMES)}.")
    flags.DEFINE_list("runs", [], "Run folders; the first of each table leads it.")
    flags.DEFINE_string(
        "picture",
        "",
        "Run folder, or output of experiments.compare, whose typical restorations (and "
        "loss curves, of several runs) the README shows.",
    )
    flags.DEFINE_string(
        "rate_distortion",
        "",
        "Output of experiments.rate_distortion, whose tables and curves are shown.",
    )
    flags.DEFINE_string("output", str(ROOT), "Folder with results/ and README.md.")
    command.run(reproduce)


def reproduce() -> None:
    """Writes everything."""
    given = flags.FLAGS
    check_choice("paper", given.paper, papers.NAMES)
    command.check_folder("output", given.output)
    system = papers.load(given.paper)
    root = pathlib.Path(given.output)
    path = root / "results" / f"{system.name}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if given.runs:
        folders = [pathlib.Path(path).expanduser() for path in given.runs]
        results = {**results, **gather(system, folders)}
    if given.rate_distortion:
        results["rate_distortion"] = coded(pathlib.Path(given.rate_distortion))
    written = documents(root, {system.name: results})
    if given.runs or given.rate_distortion:
        written[path] = json.dumps(results, indent=1) + "\n"
    if given.picture:
        folder, target = pathlib.Path(given.picture), root / "docs" / "pictures"
        draw_picture(folder, target / f"{system.name}.png")
        draw_charts(folder, _LOSSES, target / f"{system.name}_losses.png")
    if given.rate_distortion:
        folder, target = pathlib.Path(given.rate_distortion), root / "docs" / "pictures"
        draw_charts(folder, _RATES, target / f"{system.name}_rate_distortion.png")
    for path, text in written.items():
        pixels.write_bytes(path, text.encode())
        print(path)


def gather(system: System, folders: Sequence[pathlib.Path]) -> dict:
    """The results of several runs, as results/<paper>.json has them.

    Raises:
      FileNotFoundError: If a run has not been evaluated.
    """
    sets: dict[str, list[FinishedRun]] = {}
    for run in finished_runs.read(folders):
        sets.setdefault(run.evaluation.fingerprint, []).append(run)
    return strict(
        {
            "paper": system.name,
            "published": system.published,
            "sets": [_compared(system, runs) for runs in sets.values()],
        }
    )


def _compared(system: System, finished: Sequence[FinishedRun]) -> dict:
    """Runs that were evaluated on the same images."""
    runs = [run.described() for run in finished]
    merged = measuring.merge(*[run.evaluation for run in finished])
    ours = [run["label"] for run in runs]
    order = [*ours, *(name for name in merged.values if name not in ours)]
    summary = measuring.summarize(merged)
    return {
        "runs": runs,
        "test_images": len(merged.names),
        "fingerprint": merged.fingerprint,
        "claims": [
            *system.check_claims(merged),
            *system.check_histories(finished_runs.histories(finished)),
        ],
        "cost": cost_table.make(system, runs),
        "summary": {name: summary[name] for name in order},
    }


def coded(folder: pathlib.Path) -> dict:
    """What experiments.rate_distortion has measured.

    Raises:
      FileNotFoundError: If it has measured nothing there.
    """
    path = folder / "rate_distortion.json"
    if not path.exists():
        raise FileNotFoundError(
            f"--rate_distortion={folder} has no rate_distortion.json; pass the "
            "--output of experiments.rate_distortion."
        )
    return json.loads(path.read_text())


def documents(
    root: pathlib.Path, changed: Mapping[str, Mapping] | None = None
) -> dict[pathlib.Path, str]:
    """What is generated from results/*.json: path -> text.

    Args:
      root: Of the repository.
      changed: {paper: results} that are not written yet.
    """
    readme = root / "README.md"
    text, written = readme.read_text(), {}
    found = {
        path.stem: json.loads(path.read_text())
        for path in (root / "results").glob("*.json")
    }
    for name, results in sorted({**found, **(changed or {})}.items()):
        if not results:
            continue
        path = root / "results" / f"{name}.json"
        system = papers.load(results["paper"])
        rendered = results_text.render(results)
        written[path.with_suffix(".md")] = cards.render(
            system,
            rendered,
            results["sets"][0]["runs"][0]["environment"]["config"]["image_size"],
        )
        leading = results_text.table(system, results["sets"][0])
        text = replace_block(text, system.name, leading)
    return {readme: text, **written}


def replace_block(text: str, name: str, content: str) -> str:
    """Puts generated text between <!-- name --> and <!-- /name -->."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"README.md has no lines {start} and {end}.")
    return f"{before}{start}\n{content}\n{end}{after}"


def draw_picture(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Writes one picture of a run's median restorations, a face a row.

    Raises:
      FileNotFoundError: If the run has no report.
    """
    results = folder / "report" / "results.json"
    if not results.exists():
        raise FileNotFoundError(
            f"--picture={folder} has no report; run it with --stages=evaluate first."
        )
    rows = json.loads(results.read_text())["pictures"]["Median"]
    images = [
        [
            _shown(pixels.read(folder / "report" / file))
            for file in row["files"].values()
        ]
        for row in rows
    ]
    pixels.write_bytes(target, pixels.encode_png(pixels.tile(images)))


def draw_charts(
    folder: pathlib.Path, names: Sequence[str], target: pathlib.Path
) -> None:
    """Writes some of a report's charts as one picture, two in a row, if all exist."""
    charts = [folder / "report" / "plots" / f"{name}.png" for name in names]
    drawn = [pixels.read(chart) for chart in charts if chart.exists()]
    # The report of a single run has its losses in one chart a network.
    if len(drawn) == len(names):
        rows = [drawn[start : start + 2] for start in range(0, len(drawn), 2)]
        pixels.write_bytes(target, pixels.encode_png(pixels.tile(rows)))


def _shown(image: np.ndarray) -> np.ndarray:
    """A small picture, enlarged to what a page shows well."""
    side = max(_SHOWN, image.shape[0])
    return pixels.resize(image, side, side)


if __name__ == "__main__":
    main()
