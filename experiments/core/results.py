"""Text of README, docs/papers and model cards, generated from results/*.json."""

from __future__ import annotations

import html
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from data_pipeline import pixels
from evaluation import tables
from evaluation.charts import Curve
from evaluation.claims import UNKNOWN
from evaluation.metrics import registry
from evaluation.report import pictures, plots, view
from evaluation.tables import Table
from experiments.core.command_line import fields_that
from experiments.core.system import Comparison, System, load
from models import cost

# Folder of the pictures that results pages show, in the repository.
PICTURES = "docs/pictures"


def systems_table(
    found: Mapping[str, Mapping], pages: str = "docs/papers/{}.md"
) -> tables.Markdown:
    """The best measured result of each paper beside the published one.

    Args:
      found: {paper: results}; of the results the first set is compared.
      pages: Where the page of a paper is, from the document's own place.
    """
    columns = ["System", "What it does", "Measured here", "Best baseline", "Published"]
    rows = []
    for name, results in found.items():
        system = load(name)
        link = tables.Markdown(f"[`{name}`]({pages.format(name)})")
        rows.append([link, system.summary, *compared(system, results).values()])
    return tables.markdown_table(columns, rows)


def compared(system: System, results: Mapping) -> dict[str, str]:
    """{"measured", "baseline", "published"} of a paper, as text.

    Where the published metric was not measured, such as LPIPS without its weights, the
    headline's first one that was stands there, without a published value.
    """
    runs = results["sets"][0]
    asked = system.comparison or Comparison(system.headline[0], tables.DASH)
    ours = [run["label"] for run in runs["runs"]]
    named = [label for label in ours if label.startswith(asked.networks)]
    choices = [(asked.key, named), *((key, ours) for key in system.headline)]
    measured = ((key, _best(runs, names, key)) for key, names in choices)
    key, best = next(filter(lambda pair: pair[1], measured), ("", ""))
    if not best:
        return dict.fromkeys(("measured", "baseline", "published"), tables.DASH)
    run = next(run for run in runs["runs"] if run["label"] == best)
    shown = f"{_value(runs, best, key)} ({best}; {_trained(system, run)})"
    floor = _best(runs, [n for n in runs["summary"] if not is_of(n, ours)], key)
    # The better of the two, ours where they are equal.
    ahead = "better: " if floor and _best(runs, [best, floor], key) == floor else ""
    return {
        "measured": f"{registry.title(key)}{registry.arrow(key)} {shown}",
        "baseline": f"{ahead}{_value(runs, floor, key)} ({floor})"
        if floor
        else tables.DASH,
        "published": asked.published if key == asked.key else tables.DASH,
    }


def _best(runs: Mapping, names: Sequence[str], key: str) -> str:
    """The one of these networks or baselines with the best mean; "" if none has it."""
    means = {
        name: runs["summary"][name][key]["mean"]
        for name in names
        # Without a mean where no image has a value, such as one that is too small.
        if runs["summary"][name].get(key, {}).get("mean") is not None
    }
    choose = max if registry.metric_of(key).higher_is_better else min
    return choose(means, key=means.__getitem__, default="")


def _value(runs: Mapping, name: str, key: str) -> str:
    digits = registry.metric_of(key).digits
    return tables.number(runs["summary"][name][key]["mean"], digits)


def _trained(system: System, run: Mapping) -> str:
    """Such as "Drawn faces, 1,000 steps, published 5,000"."""
    (length,) = fields_that(system.config_class, length=True)
    unit = length.removesuffix("s")
    config = system.configuration(run["environment"]["config"])
    trained = (run["history"] or {}).get(unit) or [getattr(config, length)]
    done = tables.counted(int(max(trained)), unit)
    said = f"{run['environment']['data']['set']}, {done}"
    published = system.published_length(config)
    return said if published is None else f"{said}, published {published:,}"


def page_blocks(system: System, results: Mapping) -> dict[str, str]:
    """Generated parts of docs/papers/<paper>.md: name -> text."""
    blocks = {
        "published": "\n\n".join(map(_titled, results["published"])),
        "contradictions": _items(system.contradictions),
        "departures": _items(system.departures),
    }
    unmeasured = _measured_nowhere(results["sets"])
    for number, runs in enumerate(results["sets"], start=1):
        place = f"_{number}" if number > 1 else ""
        blocks[f"measured{place}"] = main_table(system, runs)
        # What no set has measured is told once.
        blocks[f"claims{place}"] = _claims(
            claim
            for claim in runs["claims"]
            if claim["verdict"] != UNKNOWN
            or (number == 1 and claim["claim"] in unmeasured)
        )
    if "rate_distortion" in results:
        blocks["rates"] = rates_table(results["rate_distortion"])
    return blocks


def _measured_nowhere(sets: Sequence[Mapping]) -> set[str]:
    """The claims that none of the sets has measured."""
    told = [claim for runs in sets for claim in runs["claims"]]
    measured = {claim["claim"] for claim in told if claim["verdict"] != UNKNOWN}
    return {claim["claim"] for claim in told} - measured


def _items(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _claims(found: Iterable[Mapping]) -> str:
    rows = [[claim["claim"], claim["verdict"], claim["evidence"]] for claim in found]
    return tables.markdown_table(["Claim", "In these runs", "Evidence"], rows)


def main_table(system: System, results: Mapping) -> str:
    """The main table of runs on the same images, and what made it."""
    folded = _joint(results)["folded"]
    shown = [name for name in results["summary"] if name not in folded]
    lines = [_measured(system, results, shown), "", *_made(system, results, shown)]
    if note := _joint(results)["note"]:
        lines.append(f"- {note}")
    environment = results["runs"][0]["environment"]
    lines.append(
        f"- {tables.counted(results['test_images'], 'test image')}, fingerprint "
        f"`{results['fingerprint']}`; mean with 95% bootstrap interval; seed "
        f"{environment['seed']}, {environment['hardware']}."
    )
    return "\n".join(lines)


def _joint(results: Mapping) -> Mapping:
    """The joint findings of the runs; older results have none."""
    nothing = {key: [] for key in ("statements", "tables", "pictures", "folded")}
    return results.get("together", {**nothing, "note": ""})


def _measured(system: System, results: Mapping, rows: Sequence[str]) -> str:
    """Some rows of what was measured, with the columns that any row has."""
    summary = results["summary"]
    ours = [run["label"] for run in results["runs"]]
    labels = {
        name: tables.Markdown(f"**{name}** (ours)")
        for name in summary
        if is_of(name, ours)
    }
    keys = (*system.headline, *system.tabled)
    keys = [key for key in keys if any(key in values for values in summary.values())]
    return tables.results_table(summary, rows, keys, labels=labels)


def is_of(row: str, labels: Sequence[str]) -> bool:
    """Whether a row is one of these runs', such as "CVAE" or "CVAE, 4 bits"."""
    return any(row == label or row.startswith(f"{label}, ") for label in labels)


def _made(system: System, results: Mapping, labels: Sequence[str]) -> list[str]:
    """Provenance of each of these runs, as items of a list."""
    return [
        f"- {run['label']}: {run['subtitle']}, {_commits(run['environment'])}. "
        f"{system.typed(run)}"
        for run in results["runs"]
        if run["label"] in labels
    ]


def _commits(environment: Mapping) -> str:
    """Such as "trained at commit a, evaluated at commit b"."""
    trained = f"trained at commit {environment['commit']}"
    # Older results do not have the commit of the evaluation.
    if "evaluation commit" not in environment:
        return trained
    return f"{trained}, evaluated at commit {environment['evaluation commit']}"


def render(results: Mapping) -> str:
    """Everything a card says of the results."""
    system = load(results["paper"])
    first, *others = results["sets"]
    published = [_titled(published) for published in results["published"]]
    parts = _compared(system, first)
    parts[1:1] = published
    for runs in others:
        parts += _compared(system, runs, whole=False)
    parts += map(_picture, results.get("figures", ()))
    if "rate_distortion" in results:
        parts.append(_rate_distortion(results["rate_distortion"]))
    return "\n\n".join(parts)


def _compared(system: System, results: Mapping, *, whole: bool = True) -> list[str]:
    """Results of runs on the same images, their table first.

    Claims that they do not measure are named where `whole`.
    """
    parts = [_main(system, results), *_joint_parts(_joint(results))]
    several = len(results["runs"]) > 1
    for i, run in enumerate(results["runs"]):
        said = [
            f"- {statement}"
            for statement in run.get("statements", ())  # older results have none
            if statement not in _joint(results)["statements"]
        ]
        if said:
            parts.append(f"**{run['label']}**\n\n" + "\n".join(said))
        for found in run.get("tables", ()):
            named = f"{run['label']}: {found['caption']}"
            shown = {**found, "caption": named} if several else found
            parts.append(_folded(shown) if i else _titled(shown))
    for run in results["runs"]:
        if run["epochs"]:
            caption = f"{run['label']}: {run['epochs']['caption']}"
            shown = {**run["epochs"], "caption": caption, "note": run["subtitle"]}
            parts.append(_titled(shown))
    parts.append(_titled(results["cost"]))
    found = [
        claim for claim in results["claims"] if whole or claim["verdict"] != UNKNOWN
    ]
    if found:
        parts.append(f"**The paper's claims**\n\n{_claims(found)}")
    return parts


def _main(system: System, results: Mapping) -> str:
    """The main table, and below it the rows that it leaves out."""
    folded = _joint(results)["folded"]
    if not folded:
        return main_table(system, results)
    more = [_measured(system, results, folded)]
    if made := _made(system, results, folded):
        more.append("\n".join(made))
    closed = _closed("More rows of this table", "\n\n".join(more))
    return f"{main_table(system, results)}\n\n{closed}"


def _joint_parts(found: Mapping) -> list[str]:
    """Joint findings: sentences, pictures and tables."""
    parts = []
    if found["statements"]:
        parts.append("\n".join(f"- {statement}" for statement in found["statements"]))
    parts += map(_picture, found["pictures"])
    for number, made in enumerate(found["tables"]):
        long = number and len(made["rows"]) > view.LONG_TABLE
        parts.append(_folded(made) if long else _titled(made))
    return parts


def _picture(found: Mapping) -> str:
    shown = f"![{tables.escape(found['alt'])}](../{PICTURES}/{found['file']})"
    return f"{shown}\n\n{found['note']}".rstrip()


def _rate_distortion(found: Mapping) -> str:
    """Codecs beside image formats: what was found, how, and all points."""
    environment = found["environment"]
    made = (
        f"{tables.counted(found['test_images'], 'test image')}, "
        f"{found['image_size']} px, fingerprint `{found['fingerprint']}`, evaluated at "
        f"commit {environment['evaluation commit']}, {environment['hardware']}. "
        + "; ".join(f"{name}: {how}" for name, how in found["formats"].items())
        + "."
    )
    said = "\n".join(f"- {statement}" for statement in found["statements"])
    tables_of = [_titled(table) for table in found["tables"]]
    return "\n\n".join(["**Files beside JPEG, WebP and AVIF**", said, made, *tables_of])


def rates_table(found: Mapping) -> str:
    """BD-rates of our codec in percent: a row a format, a column a quality.

    `found` is what `facemend rate_distortion` wrote.
    """
    rates = found["bd_rate_percent"]
    columns = [f"at equal {registry.metric_of(key).short}" for key in rates]
    rows = [
        [
            name,
            *(tables.with_interval(of[name], 0, signed=True) for of in rates.values()),
        ]
        for name in next(iter(rates.values()))
    ]
    return tables.markdown_table(["against", *columns], rows)


def _titled(found: Mapping) -> str:
    return f"**{found['caption']}**\n\n{_body(found)}"


def _folded(found: Mapping) -> str:
    return _closed(found["caption"], _body(found))


def _closed(title: str, body: str) -> str:
    """Closed until a reader opens it."""
    return f"<details><summary>{html.escape(title)}</summary>\n\n{body}\n\n</details>"


def _body(found: Mapping) -> str:
    shown = tables.markdown_table(
        found["columns"], found["rows"], digits=found["digits"]
    )
    return f"{shown}\n\n{found['note']}".rstrip()


BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


def cost_table(system: System, runs: Sequence[Mapping]) -> Table:
    """One row a run, with its speed where benchmarks/<paper>.json has it.

    `runs` are as results/<paper>.json has them.
    """
    speed = _read(BENCHMARKS / f"{system.name}.json")
    columns = ["", "Parameters", "10⁹ multiply-adds"]
    columns += ["Training (images/s)", "Inference (images/s)"] if speed else []
    # Of the same network: a label does not say its width or the size of its images.
    measured = {
        (row["label"], row["parameters"], row["multiply_adds"]): row
        for row in speed.get("networks", ())
    }
    rows = []
    for run in runs:
        network = system.build_network(
            system.configuration(run["environment"]["config"])
        )
        found = (run["label"], network.count_params(), cost.multiply_adds(network))
        row = [run["label"], f"{found[1]:,}", f"{found[2] / 1e9:.3f}"]
        if speed:
            row += [
                measured.get(found, {}).get(f"{kind}_images_per_second")
                for kind in ("training", "inference")
            ]
        rows.append(row)
    return Table("What the networks cost", columns, rows, note=_note(speed))


def _read(path: pathlib.Path) -> dict:
    """Speeds of networks; not every benchmark measures those."""
    found = json.loads(path.read_text()) if path.exists() else {}
    return found if "networks" in found else {}


def _note(speed: Mapping) -> str:
    note = "Parameters and multiply-adds of the network that restores, for one image."
    if not speed:
        return note
    environment = speed["environment"]
    return (
        f"{note} Speed: {speed['precision']}, batch {speed['batch_size']}, all in one "
        f"run at commit {environment['commit']}, {environment['hardware']}. "
        f"{speed['summary']}"
    )


_SHOWN = 128  # pixels


def draw_faces(folder: pathlib.Path, target: pathlib.Path) -> dict[str, str]:
    """Writes a picture of a run's median restorations, a face a row.

    Returns:
      {"file": its name, "alt", "note": what its columns are}.
    """
    rows = _reported(folder)["pictures"]["Median"]
    _draw_section(folder, rows, target)
    note = f"Median test faces. Left to right: {', '.join(rows[0]['files'])}."
    return {"file": target.name, "alt": "Restored faces", "note": note}


def draw_figures(
    system: System, folder: pathlib.Path, target: pathlib.Path
) -> list[dict[str, str]]:
    """Writes the paper's figures that a report has as <target>/<paper>_<slug>.png.

    Returns:
      Of each picture {"file": its name, "alt", "note": what its columns are}.
    """
    results, drawn = _reported(folder), []
    for figure in system.figures(results["ours"]):
        if rows := results["pictures"].get(figure.title):
            name = f"{system.name}_{pictures.slug(figure.title)}.png"
            _draw_section(folder, rows, target / name)
            note = f"{figure.title}: {', '.join(figure.columns)}."
            drawn.append({"file": name, "alt": figure.title, "note": note})
    return drawn


def _reported(folder: pathlib.Path) -> Mapping:
    results = folder / "report" / "results.json"
    if not results.exists():
        raise FileNotFoundError(
            f"--picture={folder} has no report; run it with --stages=evaluate first."
        )
    return json.loads(results.read_text())


def _draw_section(
    folder: pathlib.Path, rows: Sequence[Mapping], target: pathlib.Path
) -> None:
    images = [
        [
            _shown(pixels.read(folder / "report" / file))
            for file in row["files"].values()
        ]
        for row in rows
    ]
    pixels.write_bytes(target, pixels.encode_png(pixels.tile(images)))


def copy_charts(
    folder: pathlib.Path, names: Sequence[str], target: pathlib.Path, prefix: str
) -> None:
    """Copies some of a report's charts to <target>/<prefix>_<name>.png, if all exist.

    Each is a file of its own, so that a narrow page can show one a row.
    """
    charts = [folder / "report" / "plots" / f"{name}.png" for name in names]
    # The report of a single run has its losses in one chart a network.
    if all(chart.exists() for chart in charts):
        for chart in charts:
            pixels.write_bytes(target / f"{prefix}_{chart.name}", chart.read_bytes())


def draw_curves(
    curves: Sequence[Curve], folder: pathlib.Path, prefix: str
) -> list[dict[str, str]]:
    """Writes each chart as <folder>/<prefix>_<slug>.png.

    Returns:
      Of each chart {"file": its name, "alt", "note"}.
    """
    drawn = []
    for curve in curves:
        name = f"{prefix}_{pictures.slug(curve.slug)}.png"
        pixels.write_bytes(folder / name, plots.png(curve))
        alt = curve.alt or curve.title
        drawn.append({"file": name, "alt": alt, "note": curve.note})
    return drawn


def _shown(image: np.ndarray) -> np.ndarray:
    """A small picture, enlarged to what a page shows well."""
    side = max(_SHOWN, image.shape[0])
    return pixels.resize(image, side, side)
