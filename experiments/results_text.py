"""What README and model cards say of results/<paper>.json."""

from __future__ import annotations

import html
from collections.abc import Mapping

from evaluation import tables, wording
from experiments import papers
from experiments.provenance import settings
from experiments.system import System


def table(system: System, results: Mapping) -> str:
    """The main table of runs on the same images, and what made it."""
    summary = results["summary"]
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
    system = papers.load(results["paper"])
    first, *others = results["sets"]
    published = [_titled(published) for published in results["published"]]
    parts = _compared(system, first)
    parts[1:1] = published
    for runs in others:
        parts += _compared(system, runs)
    if "rate_distortion" in results:
        parts.append(_rate_distortion(results["rate_distortion"]))
    return "\n\n".join(parts)


def _compared(system: System, results: Mapping) -> list[str]:
    """What was found of runs on the same images, their table first."""
    parts = [table(system, results)]
    several = len(results["runs"]) > 1
    for i, run in enumerate(results["runs"]):
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
    rows = [
        [claim["claim"], claim["verdict"], claim["evidence"]]
        for claim in results["claims"]
    ]
    parts.append(
        "**The paper's claims**\n\n"
        + tables.markdown_table(["Claim", "In these runs", "Evidence"], rows)
    )
    return parts


def _rate_distortion(found: Mapping) -> str:
    """Codecs beside image formats: what was found, how, and all points."""
    environment = found["environment"]
    made = (
        f"{wording.counted(found['test_images'], 'test image')}, "
        f"{found['image_size']} px, fingerprint `{found['fingerprint']}`, evaluated at "
        f"commit {environment['evaluation commit']}, {environment['hardware']}. "
        + "; ".join(f"{name}: {how}" for name, how in found["formats"].items())
        + "."
    )
    said = "\n".join(f"- {statement}" for statement in found["statements"])
    tables_of = [_titled(table) for table in found["tables"]]
    return "\n\n".join(["**Files beside JPEG, WebP and AVIF**", said, made, *tables_of])


def _titled(found: Mapping) -> str:
    return f"**{found['caption']}**\n\n{_body(found)}"


def _folded(found: Mapping) -> str:
    """Closed until a reader opens it."""
    caption = html.escape(found["caption"])
    return f"<details><summary>{caption}</summary>\n\n{_body(found)}\n\n</details>"


def _body(found: Mapping) -> str:
    shown = tables.markdown_table(
        found["columns"], found["rows"], digits=found["digits"]
    )
    return f"{shown}\n\n{found['note']}".rstrip()
