"""The variables of both templates, computed from a report."""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import Collection, Mapping, Sequence

from evaluation import charts, tables
from evaluation.bootstrap import ENOUGH
from evaluation.metrics import registry
from evaluation.report.report import Report

VERDICT_STYLES = {"holds": "good", "does not hold": "bad"}
LONG_TABLE = 14  # rows; longer ones are folded
SETUP_LABELS = {
    "commit": "trained at commit",
    "evaluation commit": "evaluated at commit",
}


def view(report: Report, columns: Mapping) -> dict:
    """The variables of report.html.j2 and report.md.j2, pictures apart."""
    labels = {r: report.labels.get(r, r) for r in report.summary}
    headline = list(report.headline) or _default_headline(report)
    group_key = report.group_key or (headline[0] if headline else "")
    our_labels = [labels[r] for r in report.ours]
    ours = [r for r, label in labels.items() if is_ours(label, our_labels)]
    dots = charts.headline(report.summary, headline, labels, ours)
    sizes = []
    if report.hole_size:
        sizes = [charts.hole_size(report.hole_size, group_key, labels, report.ours)]
    several = isinstance(report.history, Mapping)
    learning = (charts.overlaid if several else charts.learning)(columns, headline)
    return {
        "report": report,
        "labels": labels,
        "is_ours": functools.partial(is_ours, our_labels=[*our_labels, tables.OURS]),
        "cards": [made for key in headline if (made := card(report, key, labels))],
        "claims": [
            {"style": VERDICT_STYLES.get(claim["verdict"], "open"), **claim}
            for claim in report.claims
        ],
        "enough": ENOUGH,
        "regions": _regions(report, labels),
        "published": [_table(table) for table in report.published],
        "tables": [_table(table) for table in report.tables],
        "epochs": _table(report.epochs) if report.epochs else None,
        "groups": [
            _group_table(title, result, report, group_key, labels)
            for title, result in report.groups.items()
        ],
        "dots": dots,
        "sizes": sizes,
        "learning": learning,
        "curves": list(report.curves),
        "charts": [*dots, *sizes, *learning, *report.curves],
        "footnotes": _footnotes(report, labels),
        "setup": _setup(report.environment),
        "citation_url": _web_address(report.citation_url),
    }


def _every_key(report: Report) -> list[str]:
    found = [key for values in report.summary.values() for key in values]
    return list(dict.fromkeys(found))


def _keys(report: Report) -> list[str]:
    """The metrics that are defined on any image."""
    rows = report.summary.values()
    return [
        key
        for key in _every_key(report)
        if any(row.get(key, {"count": 0}).get("count", 1) for row in rows)
    ]


def _default_headline(report: Report) -> list[str]:
    keys = _keys(report)
    region = registry.region_of(keys[0]) if keys else ""
    wanted = [f"{region}/{metric}" for metric in report.metrics]
    return [key for key in wanted if key in keys]


def _regions(report: Report, labels: Mapping) -> list[dict]:
    """Main and complete tables of each region."""
    keys, restorers = _keys(report), list(report.summary)
    regions = []
    for region in dict.fromkeys(registry.region_of(key) for key in keys):
        inside = [key for key in keys if registry.region_of(key) == region]
        if region == "raw" and _pasted(report, inside):
            continue
        wanted = [f"{region}/{name}".lstrip("/") for name in report.metrics]
        main = [key for key in wanted if key in inside] or inside
        rest = [key for key in inside if key not in main]
        regions.append(
            {
                "title": registry.REGION_LABELS.get(region, region) or "Results",
                "note": registry.REGION_NOTES.get(region, ""),
                "main": _result_table(report, restorers, main, labels),
                "rest": _result_table(report, restorers, rest, labels),
            }
        )
    return regions


def _pasted(report: Report, raw: Sequence[str]) -> bool:
    """Whether our whole images equal the composites, which have a table already."""
    pairs = [(key, key.replace("raw/", "composite/", 1)) for key in raw]
    entries = [report.summary[label] for label in report.ours]
    both = [(e[a], e[b]) for e in entries for a, b in pairs if a in e and b in e]
    return bool(both) and all(a["mean"] == b["mean"] for a, b in both)


def _result_table(report, restorers, keys, labels) -> dict | None:
    if not keys:
        return None
    cells = tables.result_cells(report.summary, restorers, keys)
    rows = [
        {"label": labels[r], "kind": "ours" if r in report.ours else "", "cells": c}
        for r, c in zip(restorers, cells)
    ]
    columns = [registry.metric_of(key).label + registry.arrow(key) for key in keys]
    markdown = tables.results_table(report.summary, restorers, keys, labels=labels)
    return {"columns": columns, "rows": rows, "markdown": markdown}


def _table(given: tables.Table | Mapping) -> dict:
    table = given if isinstance(given, tables.Table) else tables.Table(**given)
    kinds = list(table.kinds) or [""] * len(table.rows)
    return {
        "caption": table.caption,
        "columns": list(table.columns),
        "numeric": tables.numeric_columns(table.columns, table.rows),
        "rows": [
            {"kind": kind, "cells": row}
            for kind, row in zip(kinds, tables.aligned(table.rows, table.digits))
        ],
        "note": table.note,
        "markdown": tables.markdown_table(
            table.columns, table.rows, digits=table.digits
        ),
    }


def _group_table(title, result, report, key, labels) -> dict:
    """One metric, groups by restorers; the first row is of all images."""
    restorers = [r for r in report.summary if key in report.summary[r]]
    digits = registry.metric_of(key).digits
    parts = [("All images", tables.image_count(report.summary), report.summary)]
    parts += [(g, v["count"], v["summary"]) for g, v in result["groups"].items()]
    rows, plain = [], []
    for name, count, summary in parts:
        entries = [summary.get(r, {}).get(key) or {} for r in restorers]
        cells = [tables.cell(entry, digits, count) for entry in entries]
        rows.append({"label": name, "count": f"{count:,}", "cells": cells})
        plain.append([name, f"{count:,}", *map(tables.cell_markdown, cells)])
    columns = ["Group", "Images", *(labels[r] for r in restorers)]
    left_out = [f"{name} ({count})" for name, count in result["left_out"].items()]
    note = ""
    if left_out:
        note = (
            f"Left out, with fewer than "
            f"{tables.counted(result.get('minimum', 10), 'image')}: "
            f"{', '.join(left_out)}."
        )
    return {
        "title": title,
        "metric": registry.title(key) + registry.arrow(key),
        "columns": columns,
        "rows": rows,
        "note": note,
        "folded": len(rows) > LONG_TABLE,
        "markdown": tables.markdown_table(columns, plain),
    }


def _footnotes(report: Report, labels: Mapping) -> list[str]:
    """The report's own notes, and which means are over fewer images."""
    notes, everything = list(report.notes), tables.image_count(report.summary)
    present = _keys(report)
    for key in _every_key(report):
        if key not in present:
            notes.append(
                f"{registry.title(key)} is left out: it is undefined on every image."
            )
            continue
        counts = {
            labels[restorer]: values[key]["count"]
            for restorer, values in report.summary.items()
            if values.get(key, {}).get("count") is not None
        }
        fewer = {label: count for label, count in counts.items() if count < everything}
        if fewer and len(set(fewer.values())) == 1 and len(fewer) == len(counts):
            fewer = {"every row": next(iter(fewer.values()))}
        if fewer:
            shown = ", ".join(f"{label} {count:,}" for label, count in fewer.items())
            notes.append(
                f"{registry.title(key)} is undefined on some of the "
                f"{tables.counted(everything, 'image')} and averaged over fewer: "
                f"{shown}."
            )
    return notes


def _setup(environment: Mapping) -> dict:
    """Plain values first, then each nested part under its own name."""
    plain = {k: v for k, v in environment.items() if not isinstance(v, Mapping)}
    nested = {k: v for k, v in environment.items() if isinstance(v, Mapping)}
    return {
        "plain": {SETUP_LABELS.get(k, k): _text(v) for k, v in plain.items()},
        "nested": {k: {n: _text(v) for n, v in p.items()} for k, p in nested.items()},
    }


def _text(value) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(tables.text(item) for item in value) or tables.DASH
    return tables.text(value)


def _web_address(address: str) -> str:
    """The address if it is one of the web; "javascript:" must not become a link."""
    scheme = urllib.parse.urlsplit(address).scheme
    return address if scheme in ("http", "https") else ""


def card(report: Report, key: str, labels: Mapping) -> dict | None:
    """A large number: the best of ours beside the best other; None without ours."""
    metric = registry.metric_of(key)
    mean = {
        restorer: values[key]["mean"]
        for restorer, values in report.summary.items()
        if tables.number(values.get(key, {}).get("mean"), 1) != tables.DASH
    }
    ours = [restorer for restorer in report.ours or list(mean)[:1] if restorer in mean]
    if not ours:
        return None
    better = max if metric.higher_is_better else min
    first = ours[0] if metric.higher_is_better is None else better(ours, key=mean.get)
    entry = report.summary[first][key]
    others = [restorer for restorer in mean if not is_ours(restorer, report.ours)]
    rival = ""
    if others and report.ours and metric.higher_is_better is not None:
        best = better(others, key=mean.get)
        verdict = _verdict(entry, report.summary[best][key], metric.higher_is_better)
        shown = tables.number(mean[best], metric.digits)
        rival = f"{verdict} {labels[best]}, {shown}"
    return {
        "label": registry.title(key),
        "arrow": registry.arrow(key),
        "who": labels[first] if len(ours) > 1 else "",
        "value": tables.number(entry["mean"], metric.digits),
        "interval": tables.interval(entry, metric.digits),
        "count": tables.fewer([entry], tables.image_count(report.summary)),
        "rival": rival,
    }


def is_ours(label: str, our_labels: Collection[str]) -> bool:
    """Whether a label is one of ours or begins with it: "CVAE", "CVAE, 8 bits"."""
    return any(f"{label}, ".startswith(f"{ours}, ") for ours in our_labels)


def _verdict(ours: Mapping, rival: Mapping, higher_is_better: bool) -> str:
    """How ours compares; intervals over few images are not called better or worse."""
    low, high = ours.get("low"), ours.get("high")
    rival_low, rival_high = rival.get("low"), rival.get("high")
    if not (tables.interval(ours, 1) and tables.interval(rival, 1)):
        return "compared with"
    if min(ours.get("count", 0), rival.get("count", 0)) < ENOUGH:
        return "compared with"
    if low > rival_high or high < rival_low:
        return "better than" if (low > rival_high) == higher_is_better else "worse than"
    return "on a par with"
