r"""Reproduces the papers, and gathers runs into results/, docs/papers/ and README.

  facemend reproduce --scale=smoke --only=skip_inpainting

trains, evaluates and exports every network of the papers' tables and figures, each in a
folder of its own below --workdir, and writes one book of them, results/index.html and
results/README.md there. Runs that stand are skipped, others resume; one that fails is
named at the end. The scales: smoke takes seconds a network and learns nothing, cpu
minutes, both on drawn faces or --dataset; paper is as published, with the data below
--data_dir.

  facemend reproduce --check=runs/model3

says whether a run's history lies where those of results/ lie, which three seeds tell.

  facemend reproduce --paper=skip_inpainting --runs=runs/a,runs/b \
      --picture=runs/demo

gathers runs by hand. Runs that were evaluated on the same images and holes, which their
fingerprint says, stand in one table. All text that is written comes from
results/<paper>.json; without --runs the documents are only written again from there.
With --runs charts of several runs are drawn into docs/pictures. What `facemend
rate_distortion` has measured of codecs is added with --rate_distortion. With --add runs
join those of before, whose folders need not be there any more.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence

from absl import flags

from data_pipeline import pixels
from data_pipeline.choices import check_choice
from evaluation import bootstrap, record, tables
from evaluation.claims import UNKNOWN
from evaluation.report.write import strict
from evaluation.tables import counted
from experiments.core import cards, command_line, envelope, export
from experiments.core.book import book
from experiments.core.folder import FinishedRun, read_finished
from experiments.core.reproduction import SCALES, plan, start
from experiments.core.results import (
    PICTURES,
    copy_charts,
    cost_table,
    draw_curves,
    draw_faces,
    draw_figures,
    is_of,
    page_blocks,
    rates_table,
    render,
    systems_table,
)
from experiments.core.system import System, load, names
from serving.export.codec import TABLES
from serving.export.kinds import DOES
from serving.zoo import zoo

ROOT = pathlib.Path(__file__).parent.parent
# The panels of Chen et al.'s Fig. 4.
_LOSSES = tuple(f"learning-{name}" for name in ("g", "d", "c-real", "c-fake"))
_SHOWN = 3  # measurements of a shipped model; a codec's last ones are of its files
_RATES = ("rate-psnr-db", "rate-ms-ssim")
_BLOCK = re.compile(r"^<!-- (\w+) -->$.*?^<!-- /\1 -->$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """The command line."""
    flags.DEFINE_string("scale", None, f"One of {', '.join(SCALES)}: starts runs.")
    flags.DEFINE_list("only", [], "Papers to reproduce with --scale; by default all.")
    flags.DEFINE_string(
        "workdir", "", "Folder of the runs; by default runs/reproduce/<scale>."
    )
    flags.DEFINE_string("dataset", "", "Of all runs, in place of the scale's.")
    flags.DEFINE_string("data_dir", "", "Where data sets are.")
    flags.DEFINE_string("lpips_weights", "", "See --help of a paper.")
    flags.DEFINE_integer("seeds", 1, "Runs of each network; three show the spread.")
    flags.DEFINE_string("check", "", "Run folder to compare with results/.")
    flags.DEFINE_string("paper", None, f"One of {', '.join(names())}.")
    flags.DEFINE_list("runs", [], "Run folders; the first of each table leads it.")
    flags.DEFINE_bool(
        "add",
        False,
        "With --runs: they join the runs that stand on the same images, and do not "
        "take their place.",
    )
    flags.DEFINE_string(
        "picture",
        "",
        "Run folder, or output of `facemend compare`, whose typical restorations (and "
        "loss curves, of several runs) docs/papers shows, and the results page its "
        "figures of the paper's layout.",
    )
    flags.DEFINE_string(
        "rate_distortion",
        "",
        "Output of `facemend rate_distortion`, whose tables and curves are shown.",
    )
    flags.DEFINE_string("output", str(ROOT), "Folder with results/ and README.md.")
    command_line.run(reproduce)


def reproduce() -> None:
    """Writes everything."""
    given = flags.FLAGS
    command_line.check_folder("output", given.output)
    root = pathlib.Path(given.output)
    if given.scale:
        reproduce_all(given)
        return
    if given.check:
        print(envelope.check(pathlib.Path(given.check), root / "results"))
        return
    if not (given.paper or given.runs or given.rate_distortion or given.picture):
        if not any((root / "results").glob("*.json")):
            raise ValueError(
                f"There are no results in {root / 'results'} to write documents of. "
                f"Pass --scale={', '.join(SCALES)} to start the papers' runs, or the "
                "folder of results/ as --output."
            )
        _write(documents(root))
        return
    check_choice("paper", given.paper, names())
    system = load(given.paper)
    path = root / "results" / f"{system.name}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    if given.runs:
        folders = [pathlib.Path(path).expanduser() for path in given.runs]
        results = gather(system, folders, root / PICTURES, results, add=given.add)
    if given.rate_distortion:
        results["rate_distortion"] = coded(pathlib.Path(given.rate_distortion))
    target = root / PICTURES
    if given.picture:
        folder = pathlib.Path(given.picture)
        results["faces"] = draw_faces(folder, target / f"{system.name}.png")
        figures = draw_figures(system, folder, target)
        if figures and results:
            results["figures"] = figures
        copy_charts(folder, _LOSSES, target, f"{system.name}_losses")
    if given.rate_distortion:
        folder = pathlib.Path(given.rate_distortion)
        copy_charts(folder, _RATES, target, f"{system.name}_rate_distortion")
    written = documents(root, {system.name: results})
    if results and (given.runs or given.rate_distortion or given.picture):
        written[path] = json.dumps(results, indent=1) + "\n"
    _write(written)


def _write(written: Mapping[pathlib.Path, str]) -> None:
    for path, text in written.items():
        pixels.write_bytes(path, text.encode())
        print(path)


def reproduce_all(given: flags.FlagValues) -> None:
    """Starts the runs of a scale, and writes the book of those that stand.

    Raises:
      ValueError: If a run failed; the others are in the book.
    """
    check_choice("scale", given.scale, SCALES)
    command_line.check_at_least("seeds", given.seeds, 1)
    for paper in given.only:
        check_choice("only", paper, names())
    root = pathlib.Path(given.workdir or f"runs/reproduce/{given.scale}")
    command_line.check_folder("workdir", root)
    root = root.expanduser().resolve()
    shared = {
        name: value if name == "dataset" else absolute(value)
        for name in ("dataset", "data_dir", "lpips_weights")
        if (value := getattr(given, name))
    }
    failed, found = [], {}
    for system in map(load, given.only or names()):
        runs = plan(system, given.scale, root, given=shared, seeds=given.seeds)
        for run in runs:
            if run.stands:
                print(f"{run.folder} stands")
            elif not start(run.command()):
                failed.append(str(run.folder))
        folders = [run.folder for run in runs if run.stands]
        if not folders:
            continue
        found[system.name] = gather(system, folders, root / PICTURES)
        picture = root / PICTURES / f"{system.name}.png"
        found[system.name]["faces"] = draw_faces(folders[0], picture)
        codecs = [run.folder for run in runs if run.stands and is_codec(run.folder)]
        if codecs:
            target = root / system.name / "rate_distortion"
            runs_flag = f"--runs={','.join(map(str, codecs))}"
            command = [sys.executable, "-m", "experiments.rate_distortion", runs_flag]
            standing = (target / "rate_distortion.json").exists()
            if standing or start([*command, f"--output={target}"]):
                found[system.name]["rate_distortion"] = coded(target)
            else:
                failed.append(str(target))
    for name, results in found.items():
        path = root / "results" / f"{name}.json"
        pixels.write_bytes(path, (json.dumps(results, indent=1) + "\n").encode())
    _write(documents(root))
    if failed:
        raise ValueError(
            f"{counted(len(failed), 'run')} failed: {', '.join(failed)}. What they "
            f"said is above; the others are in {root / 'results' / 'index.html'}. The "
            "same command tries these again."
        )


def absolute(path: str) -> str:
    """A path that holds in other folders too."""
    return str(pathlib.Path(path).expanduser().resolve())


def is_codec(folder: pathlib.Path) -> bool:
    """Whether a run's export writes files of pictures of any size."""
    return (folder / "export" / "1" / "assets.extra" / TABLES).exists()


def gather(
    system: System,
    folders: Sequence[pathlib.Path],
    pictures: pathlib.Path,
    before: Mapping | None = None,
    *,
    add: bool = False,
) -> dict:
    """The results of several runs, as results/<paper>.json has them.

    Runs on the same images, cropped alike, make a set, which takes the place of the one
    on these images in `before`, the results until now, or with `add` joins it; other
    sets stay. `pictures` is the folder of charts of several runs.

    Raises:
      FileNotFoundError: If a run has not been evaluated.
    """
    before = before or {}
    found = {
        _images(known["fingerprint"], known["runs"][0]["environment"]["config"]): known
        for known in before.get("sets", ())
    }
    made: dict[tuple, list[FinishedRun]] = {}
    for run in read_finished(folders):
        made.setdefault(_images(run.evaluation.fingerprint, run.config), []).append(run)
    for images, runs in made.items():
        place = [*found].index(images) if images in found else len(found)
        prefix = f"{system.name}_{place + 1}" if place else system.name
        known, fresh = found.get(images), _compared(system, runs, pictures, prefix)
        found[images] = _joined(system, known, fresh) if add and known else fresh
        told = found[images]["claims"]
        if place and all(claim["verdict"] == UNKNOWN for claim in told):
            found[images]["claims"] = []  # such as of a network that is not the paper's
    sets = [*found.values()]
    results = {"paper": system.name, "published": system.published_tables}
    return strict({**before, **results, "sets": sets})


def _images(fingerprint: str, config: Mapping) -> tuple[str, str | None]:
    """What tells evaluation sets apart: a fingerprint knows names and holes only."""
    return fingerprint, config.get("crop")


def _compared(
    system: System, finished: Sequence[FinishedRun], pictures: pathlib.Path, prefix: str
) -> dict:
    """Runs that were evaluated on the same images."""
    merged = record.merge(*[run.evaluation for run in finished])
    evidence = system.evidence(merged, finished)
    found = system.joint_findings(evidence, finished)
    shared = {table.key for table in found.tables} - {""}
    runs = [run.described(system.config_class, without=shared) for run in finished]
    bands = envelope.curves(runs, system.headline)
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
            "pictures": draw_curves([*found.curves, *bands], pictures, prefix),
            "folded": found.folded,
            "note": found.note,
        },
        "cost": cost_table(system, runs),
        "summary": {name: summary[name] for name in order},
    }


def _joined(system: System, known: Mapping, fresh: Mapping) -> dict:
    """A set and further runs on its images, whose rows of before they replace.

    A claim is told as the further runs have it, if they have measured it. What compares
    them with the earlier ones is not: of these there are no values of single images.
    """
    labels = [run["label"] for run in fresh["runs"]]
    runs = [run for run in known["runs"] if run["label"] not in labels]
    runs += fresh["runs"]
    told = {
        claim["claim"]: claim
        for claim in fresh["claims"]
        if claim["verdict"] != UNKNOWN
    }
    summary = {
        name: values
        for name, values in known["summary"].items()
        if not is_of(name, labels)
    }
    summary |= fresh["summary"]
    ours = [run["label"] for run in runs]
    order = sorted(summary, key=lambda name: not is_of(name, ours))
    return {
        **known,
        "runs": runs,
        "claims": [told.get(claim["claim"], claim) for claim in known["claims"]],
        "cost": cost_table(system, runs),
        "summary": {name: summary[name] for name in order},
    }


def coded(folder: pathlib.Path) -> dict:
    """Reads what `facemend rate_distortion` wrote, or raises a FileNotFoundError."""
    path = folder / "rate_distortion.json"
    if not path.exists():
        raise FileNotFoundError(
            f"--rate_distortion={folder} has no rate_distortion.json; pass the "
            "--output of `facemend rate_distortion`."
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
    drawn = [path.name for path in sorted((root / PICTURES).glob("*.png"))]
    shown = {
        name: [file for file in drawn if re.match(rf"{name}[_.]", file)]
        for name in found
    }
    documented = (root / "docs" / "metrics.md").exists()
    for file, text in book(found, shown, documented=documented).items():
        written[root / "results" / file] = text
    written |= _heads(root, found)
    models = root / "docs" / "models.md"
    if models.exists():
        written[models] = fill(models, {"models": _models(root / "pretrained")})
    readme = root / "README.md"
    if readme.exists():
        blocks = {"systems": systems_table(found)}
        for results in found.values():
            if "rate_distortion" in results:
                blocks["rates"] = rates_table(results["rate_distortion"])
        written[readme] = fill(readme, blocks)
    return written


def _models(folder: pathlib.Path) -> str:
    """A row a model that is offered, of its entry and its card's head."""
    columns = ["Name", "Task", "Measured", "MB", "Trained on", "Terms"]
    rows = []
    for entry in zoo.read_index(folder).values():
        if entry.retired:
            continue
        metrics = cards.claimed((folder / entry.card).read_text())["metrics"]
        measured = (
            f"{metric['name']} {metric['value']:.4g}" for metric in metrics[-_SHOWN:]
        )
        name = tables.Markdown(f"[`{entry.name}`](../pretrained/{entry.card})")
        size = tables.number(entry.bytes / 1e6, 1)
        terms = entry.license.partition(": ")[2]  # of their data
        rows.append(
            [
                *(name, DOES[entry.kind], ", ".join(measured), size),
                *(entry.trained_on, terms[:1].upper() + terms[1:]),
            ]
        )
    return tables.markdown_table(columns, rows)


def _heads(root: pathlib.Path, found: Mapping) -> dict[pathlib.Path, str]:
    """Cards of packages, their heads made of the results of the runs they are of."""
    folder, written = root / "pretrained", {}
    entries = zoo.read_index(folder) if (folder / zoo.INDEX).exists() else {}
    for entry in entries.values():
        with zipfile.ZipFile(folder / entry.file) as archive:
            facts = json.loads(archive.read("assets.extra/config.json"))
        run = (
            cards.find_run(found[entry.paper], facts) if entry.paper in found else None
        )
        if run:
            path = folder / entry.card
            text = cards.body(path.read_text())
            system = load(entry.paper)
            keys = (*system.headline, *system.tabled)
            made = cards.head(entry, facts, *run, keys) + text
            written[path] = cards.with_package(made, entry)
    return written


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
