"""The book of all results: results/index.html and results/README.md.

Both are made of results/*.json alone: for each paper its published tables, what was
measured here and how, the verdict on every claim, contradictions and departures.
"""

from __future__ import annotations

import collections
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
    environment.filters.update(text=tables.text, md=tables.escape)
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
    sets = [_measured(system, runs) for runs in results["sets"]]
    verdicts: dict[str, str] = {}  # of each claim, in the first set that measured it
    for claim in (claim for runs in sets for claim in runs["claims"]):
        if verdicts.get(claim["claim"], claims.UNKNOWN) == claims.UNKNOWN:
            verdicts[claim["claim"]] = claim["verdict"]
    counts = collections.Counter(verdicts.values())
    return {
        "name": name,
        "title": system.title,
        "citation": system.citation,
        "summary": system.summary,
        "compared": results_text.compared(system, results),
        "published": [_plain(table) for table in results["published"]],
        "sets": sets,
        "counts": [(verdict, counts[verdict]) for verdict in VERDICTS],
        "files": results.get("rate_distortion", {}).get("statements", ()),
        "contradictions": system.contradictions,
        "departures": system.departures,
        "pictures": _pictures(results, pictures),
    }


def _pictures(results: Mapping, files: Sequence[str]) -> list[dict[str, str]]:
    """Of each picture its file, its alternative text, and the note below it."""
    drawn = [results.get("faces"), *results.get("figures", ())]
    for runs in results["sets"]:
        drawn += runs.get("together", {}).get("pictures", ())
    known = {picture["file"]: picture for picture in drawn if picture}
    return [
        {"file": file, "alt": file, "note": "", **known.get(file, {})} for file in files
    ]


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
        if name in ours
        else "floor"
        if name in system.floors
        else "baseline"
        for name in summary
    }
    environment = runs["runs"][0]["environment"]
    seeds = seeds_of(ours)
    return {
        "data": environment["data"]["set"],
        "hardware": environment["hardware"],
        "test_images": runs["test_images"],
        "fingerprint": runs["fingerprint"],
        "columns": [registry.title(key) + registry.arrow(key) for key in keys],
        "rows": [
            (name, kinds[name], cells)
            for name, cells in zip(
                summary, tables.result_cells(summary, list(summary), keys)
            )
        ],
        "markdown": results_text.main_table(system, runs),
        "made": [
            (run["label"], run["subtitle"], system.typed(run).strip("`"))
            for run in runs["runs"]
        ],
        "seeds": seeds,
        "claims": [
            {**claim, "seeds": _behind(claim, seeds)} for claim in runs["claims"]
        ],
        "open": sum(c["verdict"] == claims.UNKNOWN for c in runs["claims"]),
    }


def seeds_of(labels: Sequence[str]) -> dict[str, int]:
    """Networks -> with how many seeds each was trained; see `folder.read_finished`."""
    return dict(collections.Counter(network(label) for label in labels))


def _behind(claim: Mapping, seeds: Mapping[str, int]) -> str:
    """With how many seeds the networks of a claim were trained."""
    if claim["verdict"] == claims.UNKNOWN:
        return tables.DASH
    named = [count for name, count in seeds.items() if name in claim["evidence"]]
    return str(min(named or seeds.values(), default=0))


def _plain(table: Mapping) -> dict:
    """A table whose cells are text."""
    return {
        **table,
        "rows": tables.aligned(table["rows"], table["digits"]),
        "numeric": tables.numeric_columns(table["columns"], table["rows"]),
    }
