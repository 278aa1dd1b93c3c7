"""The book of all results: results/index.html and results/README.md.

Both are made of results/*.json alone: for each paper its published tables, what was
measured here and how, the verdict on every claim, contradictions and departures.
"""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Mapping, Sequence

import jinja2

from evaluation import claims, tables
from evaluation.metrics import registry
from evaluation.report import write
from experiments.core import results as results_text
from experiments.core.envelope import network
from experiments.core.system import System, load

VERDICTS = (claims.HOLDS, claims.FAILS, claims.CANNOT_TELL, claims.UNKNOWN)
BADGES = dict(zip(VERDICTS, ("good", "bad", "open", "")))
_SAYS = {claims.HOLDS: 2, claims.FAILS: 2, claims.CANNOT_TELL: 1, claims.UNKNOWN: 0}


def book(
    found: Mapping[str, Mapping],
    pictures: Mapping[str, Sequence[str]],
    *,
    documented: bool = True,
) -> dict[str, str]:
    """Writes {"index.html": text, "README.md": text}.

    Args:
      found: {paper: what results/<paper>.json holds}.
      pictures: {paper: names of its pictures in docs/pictures}.
      documented: Whether docs/ has the pages that the book links to.
    """
    papers = [_chapter(name, made, pictures[name]) for name, made in found.items()]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(write.TEMPLATES),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        text=tables.text, md=tables.escape, counted=tables.counted
    )
    shown = {
        "papers": papers,
        "verdicts": VERDICTS,
        "badges": BADGES,
        "documented": documented,
        "systems": results_text.systems_table(
            found, "../docs/papers/{}.md" if documented else "#{}"
        ),
        "pictures_folder": f"../{results_text.PICTURES}",
        "markdown_table": tables.markdown_table,
    }
    return {
        "index.html": environment.get_template("book.html.j2").render(shown),
        "README.md": environment.get_template("book.md.j2").render(shown),
    }


def _chapter(name: str, results: Mapping, pictures: Sequence[str]) -> dict:
    """What the templates show of a paper."""
    system = load(name)
    titles = set_titles(results["sets"])
    found = told(results["sets"], titles)
    groups = {
        verdict: [claim for claim in found if claim["verdict"] == verdict]
        for verdict in VERDICTS
    }
    faces, charts = _pictures(results, pictures)
    return {
        "name": name,
        "title": system.title,
        "citation": system.citation,
        "summary": system.summary,
        "compared": results_text.compared(system, results),
        "published": [_plain(table) for table in results["published"]],
        "sets": [
            {"title": title, **_measured(system, runs)}
            for title, runs in zip(titles, results["sets"])
        ],
        "claims": groups,
        "told": [*itertools.chain(*(groups[v] for v in VERDICTS if BADGES[v]))],
        "counts": [(verdict, len(group)) for verdict, group in groups.items()],
        "files": results.get("rate_distortion", {}).get("statements", ()),
        "contradictions": system.contradictions,
        "departures": system.departures,
        "faces": faces,
        "charts": charts,
    }


def set_titles(sets: Sequence[Mapping]) -> list[str]:
    """Of each set of a paper its data, and how it differs from the other sets.

    Crop and size of the images are named where they are not the same in all sets.
    """
    environments = [runs["runs"][0]["environment"] for runs in sets]
    titles = [environment["data"]["set"] for environment in environments]
    for key, said in (("crop", _cropped), ("image_size", "{0}×{0} px".format)):
        values = [environment["config"].get(key) for environment in environments]
        if len(set(values)) > 1:
            titles = [
                title if value is None else f"{title}, {said(value)}"
                for title, value in zip(titles, values)
            ]
    return titles


def _cropped(crop: str) -> str:
    """What a value of --crop does to an image."""
    known = {"none": "not cropped", "center": "cropped to the largest square"}
    return known.get(crop, f"cropped to the middle {crop} px")


def told(sets: Sequence[Mapping], titles: Sequence[str]) -> list[dict]:
    """Each claim of a paper once, of the set whose verdict says most.

    Returns:
      Claims with "seeds", and with "where", the title of a set that is not the first.
    """
    found: dict[str, dict] = {}
    for place, (runs, title) in enumerate(zip(sets, titles)):
        seeds = seeds_of([run["label"] for run in runs["runs"]])
        for claim in runs["claims"]:
            before = found.get(claim["claim"])
            if before and _SAYS[before["verdict"]] >= _SAYS[claim["verdict"]]:
                continue
            found[claim["claim"]] = {
                **claim,
                "seeds": _behind(claim, seeds),
                "where": title if place else "",
            }
    return [*found.values()]


def _pictures(
    results: Mapping, files: Sequence[str]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Pictures of faces, and charts.

    Returns:
      Of each its file, its alternative text, and the note below it.
    """
    charts = [
        picture
        for runs in results["sets"]
        for picture in runs.get("together", {}).get("pictures", ())
    ]
    faces = [results.get("faces"), *results.get("figures", ())]
    known = {picture["file"]: picture for picture in [*faces, *charts] if picture}
    of_faces = {picture["file"] for picture in faces if picture}
    shown = [
        known.get(file, {"file": file, "alt": _named(file), "note": ""})
        for file in dict.fromkeys([*known, *files])  # in the order of the results
        if file in files
    ]
    return (
        [picture for picture in shown if picture["file"] in of_faces],
        [picture for picture in shown if picture["file"] not in of_faces],
    )


def _named(file: str) -> str:
    """What the name of a picture says: "a_learning-d.png" -> "a learning d"."""
    return re.sub(r"[_-]", " ", file.rpartition(".")[0])


def _measured(system: System, runs: Mapping) -> dict:
    """Runs that were evaluated on the same images."""
    summary, ours = runs["summary"], [run["label"] for run in runs["runs"]]
    keys = [
        key
        for key in (*system.headline, *system.tabled)
        if any(key in values for values in summary.values())
    ]
    kinds = {
        name: "ours"
        if results_text.is_of(name, ours)
        else "floor"
        if name in system.floors
        else "baseline"
        for name in summary
    }
    folded = runs.get("together", {}).get("folded", ())
    rows = [
        (name, kinds[name], cells)
        for name, cells in zip(
            summary, tables.result_cells(summary, list(summary), keys)
        )
    ]
    return {
        "hardware": runs["runs"][0]["environment"]["hardware"],
        "test_images": runs["test_images"],
        "fingerprint": runs["fingerprint"],
        "columns": [
            # No line is of an arrow alone.
            registry.title(key) + registry.arrow(key).replace(" ", "\N{NO-BREAK SPACE}")
            for key in keys
        ],
        "rows": [row for row in rows if row[0] not in folded],
        "folded": [row for row in rows if row[0] in folded],
        "markdown": results_text.main_table(system, runs),
        "made": [
            (run["label"], run["subtitle"], system.typed(run).strip("`"))
            for run in runs["runs"]
        ],
    }


def seeds_of(labels: Sequence[str]) -> dict[str, int]:
    """Networks -> with how many seeds each was trained; see `folder.read_finished`."""
    return dict(collections.Counter(network(label) for label in labels))


def _behind(claim: Mapping, seeds: Mapping[str, int]) -> int | None:
    """With how many seeds the networks of a claim were trained; None if unmeasured."""
    if claim["verdict"] == claims.UNKNOWN:
        return None
    if "seeds" in claim:
        return claim["seeds"]
    named = [count for name, count in seeds.items() if name in claim["evidence"]]
    return min(named or seeds.values(), default=0)


def _plain(table: Mapping) -> dict:
    """A table whose cells are text."""
    return {
        **table,
        "rows": tables.aligned(table["rows"], table["digits"]),
        "numeric": tables.numeric_columns(table["columns"], table["rows"]),
    }
