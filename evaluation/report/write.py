"""Writes a report: results.json, report.md, report.html, pictures and plots.

report.html is self-contained: it refers to no other file.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import jinja2
import markupsafe
import numpy as np

from data_pipeline import pixels
from evaluation import charts, tables
from evaluation.report import pictures, plots
from evaluation.report.report import Report
from evaluation.report.view import view

FORMAT = 1
TEMPLATES = pathlib.Path(__file__).parent / "templates"


def write_report(folder: str | os.PathLike, report: Report) -> pathlib.Path:
    """Writes a report, each file whole or not at all; returns report.html."""
    folder = pathlib.Path(folder)
    if isinstance(report.history, Mapping):
        columns = {
            run: charts.read_history(path) for run, path in report.history.items()
        }
    else:
        columns = charts.read_history(report.history)
    variables = view(report, columns)
    (folder / "results.json").unlink(missing_ok=True)
    sections = _write_pictures(folder / "pictures", report.pictures)
    drawn = {}
    for chart in variables["charts"]:
        name = f"{pictures.slug(chart.slug)}.png"
        pixels.write_bytes(folder / "plots" / name, plots.png(chart))
        drawn[chart.slug] = {"file": f"plots/{name}", "svg": plots.svg(chart)}
    hero = report.hero
    if hero is None:
        ours = variables["labels"][report.ours[0]] if report.ours else ""
        hero = pictures.hero(report.pictures, ours)
    variables.update(drawn=drawn, sections=sections, hero=hero)
    for name in ("report.md", "report.html"):
        text = _environment(name).get_template(f"{name}.j2").render(variables)
        pixels.write_bytes(folder / name, text.encode())
    # Removed first and written last: a folder with results.json is complete.
    results = json.dumps(
        strict(_results(report, columns, sections)), indent=1, allow_nan=False
    )
    pixels.write_bytes(folder / "results.json", (results + "\n").encode())
    return folder / "report.html"


def strict(value):
    """Converts any content of a report to strict JSON.

    NaN and infinity become null, floats keep six significant digits, NumPy's types and
    paths become plain ones.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return strict(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strict(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def _results(report: Report, columns: Mapping, sections: Sequence[Mapping]) -> dict:
    fields = {
        field.name: getattr(report, field.name)
        for field in dataclasses.fields(report)
        if field.name not in ("history", "pictures", "hero")
    }
    shown = {
        section["title"]: [
            {"name": row["name"], "note": row["note"]}
            | {"files": {label: file for label, file, _ in row["images"]}}
            for row in section["rows"]
        ]
        for section in sections
    }
    return {"format": FORMAT, **fields, "history": columns, "pictures": shown}


def _write_pictures(folder: pathlib.Path, given: Mapping) -> list[dict]:
    """Writes the PNG files; returns sections with (label, file, image) for each."""
    sections = []
    for number, (title, rows) in enumerate(given.items(), 1):
        section = {"title": title, "rows": []}
        for position, row in enumerate(rows, 1):
            images = []
            for place, (label, image) in enumerate(row["images"]):
                # The numbers keep apart what slugs would merge.
                stem = f"{number}-{pictures.slug(title)}-{position}"
                file = f"{stem}-{place}-{pictures.slug(label)}.png"
                pixels.write_bytes(folder / file, pixels.encode_png(image))
                images.append((label, f"{folder.name}/{file}", image))
            section["rows"].append(
                {"name": row["name"], "note": row.get("note", ""), "images": images}
            )
        if section["rows"]:
            sections.append(section)
    return sections


def _picture_row(row: Mapping) -> tables.Markdown:
    """The pictures of one image as a Markdown table."""
    # File names are slugs; only the labels need escaping.
    links = [
        tables.Markdown(f"![{tables.escape(label)}]({file})")
        for label, file, _ in row["images"]
    ]
    return tables.markdown_table([label for label, *_ in row["images"]], [links])


def _environment(name: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        text=tables.text,
        md=tables.escape,
        uri=pictures.data_uri,
        slug=pictures.slug,
        # Drawn by matplotlib, which escapes every label.
        svg=markupsafe.Markup,
    )
    environment.globals.update(
        markdown_table=tables.markdown_table, picture_row=_picture_row
    )
    return environment
