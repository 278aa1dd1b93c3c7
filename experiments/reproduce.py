r"""Gathers runs of a paper into results/, docs/papers/ and the README's table.

  python -m experiments.reproduce --paper=skip_inpainting --runs=runs/a,runs/b \
      --picture=runs/demo

Runs that were evaluated on the same images and holes, which their fingerprint says,
stand in one table. All text that is written comes from results/<paper>.json; without
--runs the documents are only written again from there. With --runs charts of several
runs are drawn into docs/pictures. What experiments.rate_distortion has measured of
codecs is added with --rate_distortion.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Mapping, Sequence

from absl import flags

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from evaluation import bootstrap, record
from evaluation.report.write import strict
from experiments.core import command_line, export
from experiments.core.folder import FinishedRun, read_finished
from experiments.core.results import (
    PICTURES,
    cost_table,
    draw_curves,
    draw_faces,
    draw_figures,
    page_blocks,
    render,
    systems_table,
    tile_charts,
)
from experiments.core.system import System, load, names

ROOT = pathlib.Path(__file__).parent.parent
# The panels of Chen et al.'s Fig. 4.
_LOSSES = tuple(f"learning-{name}" for name in ("g", "d", "c-real", "c-fake"))
_RATES = ("rate-psnr-db", "rate-ms-ssim")
_BLOCK = re.compile(r"^<!-- (\w+) -->$.*?^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """The command line."""
    flags.DEFINE_string("paper", None, f"One of {', '.join(names())}.")
    flags.DEFINE_list("runs", [], "Run folders; the first of each table leads it.")
    flags.DEFINE_string(
        "picture",
        "",
        "Run folder, or output of experiments.compare, whose typical restorations (and "
        "loss curves, of several runs) docs/papers shows, and the results page its "
        "figures of the paper's layout.",
    )
    flags.DEFINE_string(
        "rate_distortion",
        "",
        "Output of experiments.rate_distortion, whose tables and curves are shown.",
    )
    flags.DEFINE_string("output", str(ROOT), "Folder with results/ and README.md.")
    command_line.run(reproduce)


def reproduce() -> None:
    """Writes everything."""
    given = flags.FLAGS
    check_choice("paper", given.paper, names())
    command_line.check_folder("output", given.output)
    system = load(given.paper)
    root = pathlib.Path(given.output)
    path = root / "results" / f"{system.name}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if given.runs:
        folders = [pathlib.Path(path).expanduser() for path in given.runs]
        results = gather(system, folders, root / PICTURES, results)
    if given.rate_distortion:
        results["rate_distortion"] = coded(pathlib.Path(given.rate_distortion))
    target = root / PICTURES
    if given.picture:
        folder = pathlib.Path(given.picture)
        draw_faces(folder, target / f"{system.name}.png")
        figures = draw_figures(system, folder, target)
        if figures and results:
            results["figures"] = figures
        charts = target / f"{system.name}_losses.png"
        tile_charts(folder, _LOSSES, charts)
    if given.rate_distortion:
        folder = pathlib.Path(given.rate_distortion)
        charts = target / f"{system.name}_rate_distortion.png"
        tile_charts(folder, _RATES, charts)
    written = documents(root, {system.name: results})
    if results and (given.runs or given.rate_distortion or given.picture):
        written[path] = json.dumps(results, indent=1) + "\n"
    for path, text in written.items():
        pixels.write_bytes(path, text.encode())
        print(path)


def gather(
    system: System,
    folders: Sequence[pathlib.Path],
    pictures: pathlib.Path,
    before: Mapping | None = None,
) -> dict:
    """The results of several runs, as results/<paper>.json has them.

    Runs on the same images make a set, which takes the place of the one on these images
    in `before`, the results until now; other sets stay. `pictures` is the folder of
    charts of several runs.

    Raises:
      FileNotFoundError: If a run has not been evaluated.
    """
    before = before or {}
    found = {known["fingerprint"]: known for known in before.get("sets", ())}
    made: dict[str, list[FinishedRun]] = {}
    for run in read_finished(folders):
        made.setdefault(run.evaluation.fingerprint, []).append(run)
    for fingerprint, runs in made.items():
        place = [*found].index(fingerprint) if fingerprint in found else len(found)
        prefix = f"{system.name}_{place + 1}" if place else system.name
        found[fingerprint] = _compared(system, runs, pictures, prefix)
    sets = [*found.values()]
    results = {"paper": system.name, "published": system.published_tables}
    return strict({**before, **results, "sets": sets})


def _compared(
    system: System, finished: Sequence[FinishedRun], pictures: pathlib.Path, prefix: str
) -> dict:
    """Runs that were evaluated on the same images."""
    merged = record.merge(*[run.evaluation for run in finished])
    evidence = system.evidence(merged, finished)
    found = system.joint_findings(evidence, finished)
    shared = {table.key for table in found.tables} - {""}
    runs = [run.described(system.config_class, without=shared) for run in finished]
    ours = [run["label"] for run in runs]
    order = [*ours, *(name for name in merged.values if name not in ours)]
    summary = bootstrap.summarize(merged)
    return {
        "runs": runs,
        "test_images": len(merged.names),
        "fingerprint": merged.fingerprint,
        "claims": [*system.check_claims(evidence), *found.claims],
        "together": {
            "statements": found.statements,
            "tables": found.tables,
            "pictures": draw_curves(found.curves, pictures, prefix),
            "folded": found.folded,
            "note": found.note,
        },
        "cost": cost_table(system, runs),
        "summary": {name: summary[name] for name in order},
    }


def coded(folder: pathlib.Path) -> dict:
    """Reads what experiments.rate_distortion wrote, or raises a FileNotFoundError."""
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
    """Documents generated from results/*.json: path -> text.

    `root` is the repository, `changed` {paper: results} that are not written yet.
    """
    written = {}
    found = {
        path.stem: json.loads(path.read_text())
        for path in (root / "results").glob("*.json")
    }
    found = {k: v for k, v in sorted({**found, **(changed or {})}.items()) if v}
    for name, results in found.items():
        path = root / "results" / f"{name}.json"
        system = load(results["paper"])
        rendered = render(results)
        written[path.with_suffix(".md")] = export.render_card(
            system,
            rendered,
            results["sets"][0]["runs"][0]["environment"]["config"]["image_size"],
        )
        page = root / "docs" / "papers" / f"{name}.md"
        if page.exists():
            written[page] = fill(page, page_blocks(system, results))
    readme = root / "README.md"
    return {readme: fill(readme, {"systems": systems_table(found)}), **written}


def fill(path: pathlib.Path, blocks: Mapping[str, str]) -> str:
    """Text of a document, each <!-- name --> ... <!-- /name --> in it generated.

    Raises:
      ValueError: If a block has a name that is not known, or no end.
    """

    def content(found: re.Match) -> str:
        if found[1] not in blocks:
            raise ValueError(
                f"{path.name} has a block {found[1]}, which nothing is generated for; "
                f"there are {', '.join(blocks)}."
            )
        return f"<!-- {found[1]} -->\n{blocks[found[1]]}\n<!-- /{found[1]} -->"

    text = path.read_text()
    opened = re.findall(r"^<!-- (\w+) -->$", text, re.MULTILINE)
    filled, count = _BLOCK.subn(content, text)
    if count < len(opened):
        raise ValueError(f"{path.name}: one of the blocks {opened} has no end.")
    return filled


if __name__ == "__main__":
    main()
