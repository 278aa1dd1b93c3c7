r"""Gathers runs of a paper into results/, the README's table and the model card.

  python -m experiments.reproduce --paper=skip_inpainting --runs=runs/a,runs/b \
      --picture=runs/demo

The runs must have been evaluated on the same images and holes, which their fingerprint
says. Everything that is written comes from results/<paper>.json; without --runs the
README and the card are only written again from there.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags

from data_pipeline import pixels
from evaluation import evaluate as measuring
from evaluation import tables, wording
from evaluation.report import strict
from experiments import cards, command, cost_table, finished_runs, papers
from experiments.config import check_choice
from experiments.provenance import settings
from experiments.system import System

ROOT = pathlib.Path(__file__).parent.parent
_SHOWN = 128  # pixels
_LOSSES = ("g", "d", "c-real", "c-fake")  # the panels of Chen et al.'s Fig. 4


def main() -> None:
    """The command line."""
    flags.DEFINE_string("paper", None, f"One of {', '.join(papers.NAMES)}.")
    flags.DEFINE_list("runs", [], "Run folders, evaluated on the same images.")
    flags.DEFINE_string(
        "picture",
        "",
        "Run folder, or output of experiments.compare, whose typical restorations (and "
        "loss curves, of several runs) the README shows.",
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
    if given.runs:
        folders = [pathlib.Path(path).expanduser() for path in given.runs]
        text = json.dumps(gather(system, folders), indent=1) + "\n"
        pixels.write_bytes(root / "results" / f"{system.name}.json", text.encode())
    if given.picture:
        folder, target = pathlib.Path(given.picture), root / "docs" / "pictures"
        draw_picture(folder, target / f"{system.name}.png")
        draw_losses(folder, target / f"{system.name}_losses.png")
    for path, text in documents(root).items():
        pixels.write_bytes(path, text.encode())
        print(path)


def gather(system: System, folders: Sequence[pathlib.Path]) -> dict:
    """The results of several runs, as results/<paper>.json has them.

    Raises:
      FileNotFoundError: If a run has not been evaluated.
      ValueError: If runs were evaluated on different images or holes.
    """
    finished = finished_runs.read(folders)
    runs = [run.described() for run in finished]
    merged = measuring.merge(*[run.evaluation for run in finished])
    ours = [run["label"] for run in runs]
    order = [*ours, *(name for name in merged.values if name not in ours)]
    summary = measuring.summarize(merged)
    return strict(
        {
            "paper": system.name,
            "published": system.published,
            "runs": runs,
            "test_images": len(merged.names),
            "fingerprint": merged.fingerprint,
            "claims": system.check_claims(merged),
            "cost": cost_table.make(system, runs),
            "summary": {name: summary[name] for name in order},
        }
    )


def documents(root: pathlib.Path) -> dict[pathlib.Path, str]:
    """What is generated from results/*.json: path -> text."""
    readme = root / "README.md"
    text, written = readme.read_text(), {}
    for path in sorted((root / "results").glob("*.json")):
        results = json.loads(path.read_text())
        system = papers.load(results["paper"])
        rendered = render(results)
        written[path.with_suffix(".md")] = cards.render(
            system,
            rendered,
            results["runs"][0]["environment"]["config"]["image_size"],
        )
        text = replace_block(text, system.name, table(results))
    return {readme: text, **written}


def replace_block(text: str, name: str, content: str) -> str:
    """Puts generated text between <!-- name --> and <!-- /name -->."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(start)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"README.md has no lines {start} and {end}.")
    return f"{before}{start}\n{content}\n{end}{after}"


def table(results: Mapping) -> str:
    """The main table of a paper, and what made it."""
    summary = results["summary"]
    system = papers.load(results["paper"])
    keys = (*system.headline, *system.tabled)
    keys = [key for key in keys if any(key in values for values in summary.values())]
    first = results["runs"][0]
    labels = {run["label"]: f"**{run['label']}** (ours)" for run in results["runs"]}
    labels = {key: tables.Markdown(value) for key, value in labels.items()}
    lines = [tables.results_table(summary, list(summary), keys, labels=labels), ""]
    lines += [
        f"- {run['label']}: {run['subtitle']}, {_commits(run['environment'])}. "
        f"{settings(system, run)}"
        for run in results["runs"]
    ]
    environment = first["environment"]
    lines.append(
        f"- {wording.counted(results['test_images'], 'test image')}, fingerprint "
        f"`{results['fingerprint']}`; mean with 95% bootstrap interval; seed "
        f"{environment['seed']}, {environment['hardware']}."
    )
    return "\n".join(lines)


def _commits(environment: Mapping) -> str:
    """Such as "trained at commit a, evaluated at commit b"."""
    trained = f"trained at commit {environment['commit']}"
    # Results from before evaluations named theirs.
    if "evaluation commit" not in environment:
        return trained
    return f"{trained}, evaluated at commit {environment['evaluation commit']}"


def render(results: Mapping) -> str:
    """Everything a card says of the results."""
    parts = [table(results)]
    for published in results["published"]:
        parts.append(_titled(published))
    for run in results["runs"]:
        if run["epochs"]:
            caption = f"{run['label']}: {run['epochs']['caption']}"
            shown = {**run["epochs"], "caption": caption, "note": run["subtitle"]}
            parts.append(_titled(shown))
    parts.append(_titled(results["cost"]))
    rows = [
        [claim["claim"], claim["verdict"], claim["evidence"]]
        for claim in results["claims"]
    ]
    parts.append(
        "**The paper's claims**\n\n"
        + tables.markdown_table(["Claim", "In these runs", "Evidence"], rows)
    )
    return "\n\n".join(parts)


def _titled(published: Mapping) -> str:
    shown = tables.markdown_table(
        published["columns"], published["rows"], digits=published["digits"]
    )
    return f"**{published['caption']}**\n\n{shown}\n\n{published['note']}".rstrip()


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


def draw_losses(folder: pathlib.Path, target: pathlib.Path) -> None:
    """Writes the overlaid losses of a comparison as one picture, if it is one."""
    charts = [folder / "report" / "plots" / f"learning-{name}.png" for name in _LOSSES]
    drawn = [pixels.read(chart) for chart in charts if chart.exists()]
    # The report of a single run has its terms in one chart a network.
    if len(drawn) == len(_LOSSES):
        rows = [drawn[:2], drawn[2:]]
        pixels.write_bytes(target, pixels.encode_png(pixels.tile(rows)))


def _shown(image: np.ndarray) -> np.ndarray:
    """A small picture, enlarged to what a page shows well."""
    side = max(_SHOWN, image.shape[0])
    return pixels.resize(image, side, side)


if __name__ == "__main__":
    main()
